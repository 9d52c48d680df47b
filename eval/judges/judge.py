"""Ask a judge or scorer model behind an OpenAI-compatible server: many requests at once, retries, a deadline.

A request that fails comes back as a reply without text and with a reason; nothing here turns a failure into a verdict.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from common.config import HOW, RunConfig
from common.model_server import Failure, ModelServer
from common.tokens.defuse import defused_messages
from eval.judges.replies import reply_text

Message = dict[str, str]


class JudgeConfig(RunConfig):
    """An OpenAI-compatible server and how patiently to ask it."""

    url: str = ""
    """The server's base address, such as `http://127.0.0.1:8001/v1`; several with commas between share the work."""

    model: str = ""
    """Model name that the server answers to."""

    api_key_env: Annotated[str, HOW] = ""
    """Environment variable that holds the key, if the server wants one; the key itself is never configured."""

    max_tokens: int = Field(8, ge=1)
    """Longest answer."""

    temperature: float = Field(0.0, ge=0)
    """Sampling temperature; 0 takes the likeliest answer."""

    seed: int = 1024
    """Sampling seed sent along (1024: arXiv:2510.10681's judge)."""

    choice: bool = True
    """Send the allowed answers along as vLLM's `structured_outputs`; other servers ignore the field."""

    retries: int = Field(4, ge=0)
    """Further tries after a lost connection, a time-out or an answer of 408, 409, 425, 429 or 5xx."""

    backoff_s: float = Field(1.0, gt=0)
    """Wait before the first retry; doubles with each, plus up to as much again by chance."""

    timeout_s: float = Field(60.0, gt=0)
    """Longest wait for one answer."""

    deadline_s: float = Field(180.0, gt=0)
    """Longest time for one request with all its retries."""

    concurrency: Annotated[int, HOW] = Field(32, ge=1)
    """Requests in flight."""


@dataclass(frozen=True)
class Reply:
    """A judge's answer, or why there is none."""

    text: str | None
    reason: str = ""
    """`unreachable`, `timeout`, `http_<code>`, `malformed` or `deadline`; "" with a text."""
    tries: int = 1
    detail: str = ""
    """What the server or the connection said, for whoever looks for the cause."""


class Judge:
    """A client for a server; its connections close with a `with` around it, or with its end."""

    def __init__(self, config: JudgeConfig) -> None:
        if not config.url:
            raise ValueError("a judge needs a server: set its url, such as http://127.0.0.1:8001/v1")
        self.config = config
        self.server = ModelServer(
            config.url,
            api_key_env=config.api_key_env,
            retries=config.retries,
            backoff_s=config.backoff_s,
            timeout_s=config.timeout_s,
            deadline_s=config.deadline_s,
            connections=config.concurrency,
        )

    def __enter__(self) -> "Judge":
        """The judge itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.server.close()

    def ask(
        self,
        conversations: Sequence[list[Message]],
        choices: Sequence[str] = (),
        schemas: Sequence[Mapping[str, Any]] = (),
        seed: int = 0,
    ) -> list[Reply]:
        """Ask for one answer to each conversation, in order.

        Args:
            conversations: chat messages.
            choices: the only allowed answers, for servers that can be held to them.
            schemas: JSON schemas of the answers, likewise; none, or one for each conversation.
            seed: added to the configured seed, so that a second try can differ.
        """
        if not conversations:
            return []
        each = schemas or ({},) * len(conversations)
        bodies = [self._body(*row, choices, seed) for row in zip(conversations, each, strict=True)]
        with ThreadPoolExecutor(min(self.config.concurrency, len(bodies))) as pool:
            return list(pool.map(self._ask, bodies))

    def _body(
        self, conversation: list[Message], schema: Mapping[str, Any], choices: Sequence[str], seed: int
    ) -> dict[str, Any]:
        config = self.config
        body: dict[str, Any] = {
            "model": config.model,
            "messages": defused_messages(conversation)[0],
            "temperature": config.temperature,
            "max_tokens": config.max_tokens,
            "seed": config.seed + seed,
        }
        if choices and config.choice:
            body["structured_outputs"] = {"choice": list(choices)}
        if schema:
            body["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
        return body

    def _ask(self, body: dict[str, Any]) -> Reply:
        found = self.server.post("chat/completions", body, reply_text)
        if isinstance(found, Failure):
            return Reply(None, found.reason, found.tries, found.detail)
        return Reply(found.value, "", found.tries)
