"""Adds up what a process did and logs the rates."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from common.pools.stats import count_into
from rephrase.config import RephraseConfig


class Meter:
    """Adds up what was done in this process and logs the rates."""

    def __init__(self, shard: str, config: RephraseConfig, log: Callable[[dict[str, Any]], object]) -> None:
        self.shard = shard
        self.config = config
        self.log = log
        self.devices = 1
        self.began: float | None = None
        self.counts: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.logged = 0

    def follower(self, shard: str) -> "Meter":
        """A meter for the shard that comes behind this one's, without a pause."""
        following = Meter(shard, self.config, self.log)
        following.devices = self.devices
        following.began = time.monotonic() if self.counts["docs"] else self.began
        return following

    def start(self, devices: int) -> None:
        """The engine is there and the work on the shard begins: rates are over the time from here on."""
        self.devices = devices
        if self.began is None:
            self.began = time.monotonic()

    def add(self, counts: dict[str, Any]) -> None:
        """Count a document that is done."""
        count_into(self.counts, {name: value for name, value in counts.items() if isinstance(value, int)})
        count_into(self.statuses, counts.get("chunk_statuses", {}))
        if self.counts["docs"] % self.config.part_docs == 0:
            self.report()

    def report(self) -> None:
        """Log one line of metrics, unless nothing was done since the last."""
        if self.counts["docs"] == self.logged:
            return
        self.logged = self.counts["docs"]
        elapsed_s = max(time.monotonic() - (self.began or time.monotonic()), 1e-9)
        chunks = max(1, self.statuses.total())
        self.log(
            {
                "shard": self.shard,
                "docs": self.counts["docs"],
                "elapsed_s": round(elapsed_s, 3),
                "organic_tok_s_device": self._rate("tokens_organic", elapsed_s),
                "completion_tok_s_device": self._rate("tokens_completion", elapsed_s),
                **{f"status_frac/{name}": round(count / chunks, 4) for name, count in self.statuses.items()},
            }
        )

    def _rate(self, tokens: str, elapsed_s: float) -> float | None:
        """Tokens per second and device; None where tokens are not known."""
        return round(self.counts[tokens] / elapsed_s / self.devices, 1) if tokens in self.counts else None
