"""Stop a run that goes wrong before it has filled a pool with nothing."""

from collections import Counter
from collections.abc import Mapping

from pydantic import Field

from common.config import RunConfig
from common.pools.stats import count_into

SILENCE = 20
"""So many unanswered chunks, with not one success beside them, mean that nobody is there."""

REFUSALS = ("no room", "HTTP 400", "HTTP 413", "HTTP 422")
"""How errors begin by which an engine that is there refuses one text."""


class Unhealthy(RuntimeError):
    """The share of bad chunks is beyond what the config allows; the message is for the person who started the run."""


class HealthConfig(RunConfig):
    """Shares of chunks beyond which the run stops; 1 allows anything.

    Whatever they allow, a part of which the engine answered not one request is no result: the run stops, and the part
    is not done.
    """

    max_truncated: float = Field(0.05, ge=0, le=1)
    """Completions cut off at the token limit."""

    max_bad: float = Field(0.10, ge=0, le=1)
    """Chunks without a usable completion, for whatever reason, after all attempts."""

    max_engine_errors: float = Field(0.05, ge=0, le=1)
    """Chunks that the engine did not answer."""

    min_chunks: int = Field(100, ge=1)
    """Chunks seen before a share is judged."""


class Health:
    """Counts how chunks end, over one part of a shard."""

    def __init__(self, config: HealthConfig, label: str = "") -> None:
        self.config = config
        self.label = label
        self.statuses: Counter[str] = Counter()
        self.answered = 0
        self.silent = 0
        self.last_error = ""

    def hear(self, error: str | None) -> None:
        """Count a request that came back, with the error where there was no answer.

        Raises:
            Unhealthy: there is no answer, time after time.
        """
        if error is None or error.startswith(REFUSALS):
            self.answered += 1
            return
        self.silent += 1
        self.last_error = error
        if self.silent >= SILENCE:
            self.refuse_silence()

    def deaf(self) -> bool:
        """Whether requests came back without an answer, and none with one."""
        return self.silent > 0 and not self.answered

    def refuse_silence(self) -> None:
        """Look at all requests together.

        Raises:
            Unhealthy: some were not answered, and none was.
        """
        if self.deaf():
            raise Unhealthy(
                f"{self._where()}the engine answered none of the first {self.silent} chunks ({self.last_error}). What "
                "was committed stays; the same command goes on from there"
            )

    def see(self, statuses: Mapping[str, int]) -> None:
        """Add a document's chunk statuses.

        Raises:
            Unhealthy: the engine does not answer.
        """
        count_into(self.statuses, statuses)
        seen = self.statuses.total()
        if self.config.max_engine_errors < 1 and self.statuses["engine_error"] == seen >= SILENCE:
            raise Unhealthy(f"{self._where()}the engine answered none of the first {seen} chunks")
        if seen >= self.config.min_chunks:
            self._limit("max_engine_errors", self.statuses["engine_error"], "had no answer from the engine")

    def judge(self) -> None:
        """Look at the part as a whole, then forget it.

        Raises:
            Unhealthy: a share is beyond its limit.
        """
        seen = self.statuses.total()
        if seen >= self.config.min_chunks:
            self._limit("max_truncated", self.statuses["truncated"], "were cut off at the token limit")
            self._limit("max_bad", seen - self.statuses["ok"], f"gave no text {dict(self.statuses.most_common())}")
        self.statuses.clear()

    def _limit(self, name: str, count: int, what: str) -> None:
        seen = self.statuses.total()
        most = getattr(self.config, name)
        if count / seen > most:
            raise Unhealthy(
                f"{self._where()}{count} of {seen} chunks {what}; health.{name} allows a share of {most}. What was "
                f"committed stays; the same command goes on from there, health.{name}=1 lets it pass"
            )

    def _where(self) -> str:
        return f"{self.label}: " if self.label else ""
