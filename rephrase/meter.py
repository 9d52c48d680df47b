"""Adds up what a process did and logs the rates."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from rephrase.config import RephraseConfig


class Meter:
    """Adds up what was done in this process and logs the rates."""

    def __init__(self, shard: str, config: RephraseConfig, log: Callable[[dict[str, Any]], object]) -> None:
        self.shard = shard
        self.config = config
        self.log = log
        self.devices = 1
        self.began = time.monotonic()
        self.counts: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.logged = 0

    def add(self, counts: dict[str, Any]) -> None:
        """Count a document that is done."""
        if not self.counts:
            self.began = time.monotonic() - 1e-3
        self.counts.update({name: value for name, value in counts.items() if isinstance(value, int)})
        self.statuses.update(counts.get("chunk_statuses", {}))
        if self.counts["docs"] % self.config.part_docs == 0:
            self.report()

    def report(self) -> None:
        """Log one line of metrics, unless nothing was done since the last."""
        if self.counts["docs"] == self.logged:
            return
        self.logged = self.counts["docs"]
        elapsed_s = time.monotonic() - self.began
        chunks = max(1, self.statuses.total())
        self.log(
            {
                "shard": self.shard,
                "docs": self.counts["docs"],
                "elapsed_s": round(elapsed_s, 3),
                "organic_tok_s_device": round(self.counts["tokens_organic"] / elapsed_s / self.devices, 1),
                "completion_tok_s_device": round(self.counts["tokens_completion"] / elapsed_s / self.devices, 1),
                **{f"status_frac/{name}": round(count / chunks, 4) for name, count in self.statuses.items()},
            }
        )
