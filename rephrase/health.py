"""Stop a run that goes wrong before it has filled a pool with nothing."""

from collections import Counter
from collections.abc import Mapping

from pydantic import Field

from common.config import RunConfig

SILENCE = 20
"""So many unanswered chunks, with not one success beside them, mean that nobody is there."""


class Unhealthy(RuntimeError):
    """The share of bad chunks is beyond what the config allows; the message is for the person who started the run."""


class HealthConfig(RunConfig):
    """Shares of chunks beyond which the run stops; 1 allows anything."""

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

    def see(self, statuses: Mapping[str, int]) -> None:
        """Add a document's chunk statuses.

        Raises:
            Unhealthy: the engine does not answer.
        """
        self.statuses.update(statuses)
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
