"""How a server is set, and the command line and address that follow from it."""

import re
import socket
from typing import Annotated

from pydantic import Field, model_validator

from common.config import ADDED, HOW, RunConfig
from common.model_server import api_key, is_loopback

EVERYWHERE = ("0.0.0.0", "::")


class ServeConfig(RunConfig):
    """One server."""

    model: str
    """Model folder or hub name; clients ask for it by this name."""

    host: Annotated[str, ADDED] = "127.0.0.1"
    """Address to serve on; `0.0.0.0` for other machines too. Any but this machine's own needs `api_key_env`."""

    port: int = Field(8000, ge=1, le=65535)
    """Port at that address."""

    api_key_env: Annotated[str, HOW] = ""
    """Environment variable that holds the key which every request has to bring; the key itself is never configured."""

    url_file: Annotated[str, HOW] = ""
    """File to write the URL to once the server answers, for clients on other machines; removed with the server."""

    gpus: str = ""
    """`CUDA_VISIBLE_DEVICES` of the server, such as `0` or `0,1`; empty: as this process has it."""

    gpu_memory_utilization: float = Field(0.9, gt=0, le=1)
    """Share of each GPU's memory that the server takes."""

    max_model_len: int = Field(4096, ge=1)
    """Longest prompt and answer together, in tokens."""

    arguments: list[str] = []
    """Further arguments of `vllm serve`."""

    command: list[str] = []
    """Command to run in place of `vllm serve`; `{model}`, `{host}` and `{port}` are filled in."""

    ready_timeout_s: float = Field(900, gt=0)
    """Longest wait for the first answer: a model may have to be downloaded and compiled."""

    stop_timeout_s: float = Field(20, gt=0)
    """Time a server has to end by itself before it is killed."""

    wait: Annotated[bool, HOW] = False
    """Start nothing; wait for the server that another process started."""

    @model_validator(mode="after")
    def _others_need_a_key(self) -> "ServeConfig":
        if not is_loopback(f"http://{_in_url(self.host)}") and not self.api_key_env:
            raise ValueError(f"host {self.host} serves other machines: set api_key_env to a variable that holds a key")
        return self

    @property
    def url(self) -> str:
        """Base address for clients; where the server listens everywhere, this machine's name stands for it."""
        return f"http://{socket.gethostname() if self.host in EVERYWHERE else _in_url(self.host)}:{self.port}/v1"

    @property
    def own_url(self) -> str:
        """The address at which this machine reaches the server."""
        return f"http://127.0.0.1:{self.port}/v1" if self.host in EVERYWHERE else self.url

    @property
    def key(self) -> str:
        """The key, from the environment; a ValueError where a variable is named and not set."""
        return api_key(self.api_key_env)

    def words(self) -> list[str]:
        """The command line."""
        if self.command:
            filled = {"{model}": self.model, "{host}": self.host, "{port}": str(self.port)}
            return [re.sub(r"\{(model|host|port)\}", lambda mark: filled[mark[0]], word) for word in self.command]
        options = {
            "--host": self.host,
            "--port": self.port,
            "--gpu-memory-utilization": self.gpu_memory_utilization,
            "--max-model-len": self.max_model_len,
        }
        return ["vllm", "serve", self.model, *(str(word) for pair in options.items() for word in pair), *self.arguments]


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
