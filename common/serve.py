"""Start one OpenAI-compatible server, wait until it answers, and stop it with this process.

Usage:
    python -m common.serve configs/serve/dataman.yaml              # runs until stopped; prints the URL once healthy
    python -m common.serve configs/serve/dataman.yaml port=8100 gpus=3
    python -m common.serve configs/serve/dataman.yaml --wait       # starts nothing; returns when the server answers
    python -m common.serve configs/serve/verifier.yaml host=0.0.0.0 api_key_env=JUDGE_KEY url_file=RUN/judge_url

The command is vLLM's `vllm serve` unless the config has another; `scripts/rl.sh` starts the servers of an RL config so.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

from pydantic import Field, model_validator

from common.command import entry_point, fail, parse, usage_errors
from common.config import ADDED, HOW, RunConfig
from common.model_server import api_key, healthy, is_loopback

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


def wait_until_healthy(config: ServeConfig, process: subprocess.Popen[bytes] | None = None) -> None:
    """Return when the server answers.

    Raises:
        RuntimeError: its process ended first, or the time is up.
    """
    until = time.monotonic() + config.ready_timeout_s
    while not healthy(config.own_url, key=config.key):
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"the server ended with code {process.returncode} before it answered")
        if time.monotonic() > until:
            raise RuntimeError(f"no answer at {config.own_url} within {config.ready_timeout_s:g} s")
        time.sleep(0.2)


def stop(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    """End a server and all it started: asked first, killed after `timeout_s`."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout_s)
            break
    with suppress(ProcessLookupError):  # a worker that outlived its server
        os.killpg(process.pid, signal.SIGKILL)


def serve(config: ServeConfig) -> int:
    """Run the server until it ends or this process is told to; returns the exit code."""
    environment = os.environ | ({"CUDA_VISIBLE_DEVICES": config.gpus} if config.gpus else {})
    if config.key:
        environment["VLLM_API_KEY"] = config.key  # not an argument, which every user of the machine can read
    announced = Path(config.url_file) if config.url_file else None
    leave = _Leave()
    try:
        # A group of its own: the server's workers end with it, and a Ctrl-C reaches them through us only.
        process = subprocess.Popen(config.words(), env=environment, start_new_session=True, stdout=sys.stderr.fileno())
    except FileNotFoundError:
        fail(f"cannot find {config.words()[0]!r}; the gpu extra brings vLLM: pip install -e .[gpu]")
    try:
        leave.now_or_when_told()
        wait_until_healthy(config, process)
        if announced:
            announced.parent.mkdir(parents=True, exist_ok=True)
            announced.write_text(config.url + "\n", encoding="utf-8")
        print(config.url, flush=True)  # noqa: T201
        if process.wait() < 0:
            raise RuntimeError(
                f"the server was killed by {signal.Signals(-process.returncode).name}; too little memory?"
            )
        return process.returncode
    finally:
        if announced:
            announced.unlink(missing_ok=True)
        stop(process, config.stop_timeout_s)


class _Leave:
    """Ends this process when a signal says so, but once, and never while there is a server that nobody would stop.

    A Ctrl-C is often followed by the SIGTERM of the script that heard it too: a second exit would interrupt the
    stopping of the server, and one that comes while the server is started would leave it running.
    """

    def __init__(self) -> None:
        self._told = 0
        self._waits = True
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._hear)

    def now_or_when_told(self) -> None:
        """From here on a signal ends the process; one that came before does so now."""
        self._waits = False
        if self._told:
            raise SystemExit(128 + self._told)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        del frame
        first, self._told = not self._told, self._told or number
        if first and not self._waits:
            raise SystemExit(128 + number)


def plan(config: ServeConfig) -> dict[str, Any]:
    """What would be started."""
    return {"runs": " ".join(config.words()), "url": config.url, "gpus": config.gpus or "as given"}


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then serve or wait."""
    config = parse(ServeConfig, __doc__, argv, plan=plan)
    with usage_errors():
        key = config.key
    if not config.wait and healthy(config.own_url, timeout_s=1, key=key):
        fail(f"something answers at {config.own_url} already; stop it, or give another port")
    try:
        if config.wait:
            wait_until_healthy(config)
            print(config.url)  # noqa: T201
        else:
            raise SystemExit(serve(config))
    except RuntimeError as error:
        fail(str(error), code=1)


if __name__ == "__main__":
    main()
