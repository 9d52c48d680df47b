"""Text generation: a stream of requests in, a stream of completions out, a bounded number in flight, no batch drained.

The back-end is a config choice: `transformers` runs anywhere, `vllm` needs its package (GPU or CPU build), `server` is
any OpenAI-compatible URL. A request that fails is a completion with `finish_reason="error"`, never an exception; the
finish reason and the token counts always come back.

    with open_engine(TransformersEngineConfig(), "path/to/model") as engine:
        for completion in engine.stream(Request(id=name, messages=m, max_tokens=64) for name, m in chats):
            ...

Requests carry their own seed, so what a request samples does not depend on what else is in flight, up to the
arithmetic: the sums of a batch depend on its shape, in vLLM on timing too. Equal streams of requests give equal
completions from `transformers`.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

from common.tokens.chat import Message, chat_ids
from common.tokens.quick import QuickCounter
from common.weights import find_model

FinishReason = Literal["stop", "length", "error"]

NO_ROOM, OVERDUE = "no room", "deadline"
"""How the errors begin of a prompt that the model has no room for, and of a request given up at its deadline."""

AHEAD = 4
"""In ordered delivery, requests open at most, beside those in flight at most."""


@dataclass(frozen=True)
class Request:
    """One text to generate, from chat messages or a raw prompt."""

    id: str
    messages: Sequence[Message] | None = None
    prompt: str | None = None
    max_tokens: int = 2048
    temperature: float = 1.0
    """0 takes the likeliest token."""
    top_p: float = 1.0
    top_k: int = 0
    """Only the likeliest so many tokens; 0: all."""
    repetition_penalty: float = 1.0
    """Divides positive logits of tokens that the prompt or the answer holds already, and multiplies negative ones."""
    seed: int = 0
    stop: tuple[str, ...] = ()
    """Texts at which to stop; they are not part of the completion."""
    deadline_s: float | None = None
    """Longest time from when the engine begins with it; then it is given up as an error, whatever others do."""

    def __post_init__(self) -> None:
        """Check what no back-end could answer."""
        if (self.messages is None) == (self.prompt is None):
            raise ValueError(f"request {self.id}: give messages or a prompt")
        if self.max_tokens < 1:
            raise ValueError(f"request {self.id}: max_tokens is {self.max_tokens}")


@dataclass(frozen=True)
class Completion:
    """What came of a request."""

    request_id: str
    text: str
    finish_reason: FinishReason
    tokens_in: int
    tokens_out: int
    """Generated tokens, the end-of-text token included."""
    seconds: float
    """From the moment the engine took the request; in a batch, the wait for the others counts."""
    error: str | None = None
    control_text: int = 0
    """Control tokens spelled in the messages that had to be broken up, since a server makes the token ids."""

    @classmethod
    def failed(cls, request_id: str, error: str, *, tokens_in: int = 0, seconds: float = 0.0) -> "Completion":
        """A request that could not be answered; `error` is one line."""
        return cls(request_id, "", "error", tokens_in, 0, seconds, " ".join(error.split())[:300])


class Engine(ABC):
    """Generates text for one model. Close it, or use it as a context manager."""

    model: str
    devices: int = 1
    """Accelerators (or this one CPU) the engine runs on, for tokens per second and device; 1 for a server."""
    max_model_len: int | None = None
    """Prompt and completion together, in tokens, where known."""
    limit: int
    """Requests in flight at most."""
    dtype: str = ""
    """Type of the weights as they were loaded, such as `bfloat16`; empty where only a server knows."""
    tokenizer: Any = None
    """A transformers tokenizer, where there is one."""
    chat_template_kwargs: Mapping[str, Any] = {}
    _busy = False
    _counter: QuickCounter | None = None

    def stream(self, requests: Iterable[Request | None], *, ordered: bool = False) -> Iterator[Completion]:
        """Answer requests as they come, in whatever order they finish, or in their own.

        The source is asked for more whenever there is room, and again after each completion has been taken. It may
        give None: nothing to send before the next completion (a retry may follow from it).

        Args:
            requests: the source; ids are unique among those in flight.
            ordered: give each completion in its request's turn. What is done before its turn waits, while up to `AHEAD`
                times as many requests as are in flight at most are taken in, so that a slow one holds up nobody.

        Yields:
            One completion per request.
        """
        yield from self._in_turn(requests) if ordered else self._as_they_finish(requests)

    def _in_turn(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        turns: deque[str] = deque()
        done: dict[str, Completion] = {}

        def noted() -> Iterator[Request | None]:
            for request in requests:
                while len(turns) >= AHEAD * self.limit:
                    yield None  # the first of them is in flight
                if request is not None:
                    turns.append(request.id)
                yield request

        for completion in self._as_they_finish(noted()):
            done[completion.request_id] = completion
            while turns and turns[0] in done:
                yield done.pop(turns.popleft())

    def _as_they_finish(self, requests: Iterable[Request | None]) -> Iterator[Completion]:
        if self._busy:
            raise RuntimeError("an engine answers one stream at a time; close the other one")
        self._busy = True
        source = iter(requests)
        in_flight = 0
        ended = False
        try:
            while True:
                while not ended and in_flight < self.limit:
                    try:
                        request = next(source)
                    except StopIteration:
                        ended = True
                        break
                    if request is None:
                        break
                    self._submit(request)
                    in_flight += 1
                if in_flight == 0:
                    if ended:
                        return
                    raise RuntimeError("the source of requests waits for a completion, but none is in flight")
                for completion in self._collect():
                    in_flight -= 1
                    yield completion
        finally:
            self._busy = False
            if in_flight:
                self._abort()

    @abstractmethod
    def _submit(self, request: Request) -> None:
        """Take a request; must not block on generation."""

    @abstractmethod
    def _collect(self) -> list[Completion]:
        """Wait until something has finished and return it."""

    @abstractmethod
    def _abort(self) -> None:
        """Forget what is in flight."""

    @abstractmethod
    def close(self) -> None:
        """Free what the engine holds."""

    def render(self, request: Request) -> list[int]:
        """A request's prompt as token ids: the chat template for messages, the bare text for a prompt.

        Control tokens spelled in messages are text (`common.tokens.chat`); a prompt is taken as it is written.
        """
        if request.messages is None:
            return self.tokenizer(request.prompt)["input_ids"]
        return chat_ids(self.tokenizer, request.messages, **self.chat_template_kwargs)

    def count_tokens(self, text: str) -> int:
        """Tokens of a bare text.

        Raises:
            ValueError: the engine has no tokenizer.
        """
        if self.tokenizer is None:
            raise ValueError("this engine has no tokenizer; name a folder that holds one (engine.tokenizer)")
        if self._counter is None:
            self._counter = QuickCounter(self.tokenizer)
        return self._counter(text)

    def __enter__(self) -> Self:
        """The engine itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free what the engine holds."""
        self.close()


def load_tokenizer(folder: str) -> Any:
    """A model's tokenizer.

    Raises:
        ValueError: there is none.
    """
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(find_model(folder))
    except OSError as error:
        raise ValueError(f"no tokenizer at {folder}: {error}") from None


def overdue(request: Request, tokens_in: int, seconds: float) -> Completion:
    """The failed completion of a request that had not ended at its deadline."""
    error = f"{OVERDUE}: no end within {request.deadline_s:g} s"
    return Completion.failed(request.id, error, tokens_in=tokens_in, seconds=seconds)


def too_long(request: Request, tokens_in: int, max_model_len: int) -> Completion:
    """The failed completion of a request without room: a prompt is never cut, and never gets less than it asked for."""
    return Completion.failed(
        request.id,
        f"{NO_ROOM}: {tokens_in} prompt tokens and {request.max_tokens} new ones, the model takes {max_model_len}",
        tokens_in=tokens_in,
    )
