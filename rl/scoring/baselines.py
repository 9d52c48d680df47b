"""Likelihoods without reasoning, stored by content; refreshed ones.

A Parquet file cannot be added to. So new entries go to a file of lines beside it, `NAME.new`, until they are as many as
those in the Parquet file, which is then written again with all of them: every entry is written a few times, however
many there come to be. A command that ends well leaves the Parquet file alone.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.pools.storage import atomic_write
from eval.likelihood.trunks import Scorer, Trunk
from rl.rewards.likelihood import scored_logprobs


def entry_key(trunk: Trunk, identity: Mapping[str, Any]) -> str:
    """SHA-256 of canonical JSON: identity (weights, dtype, temperature), context ids, branch ids, scored flags."""
    (branch,) = trunk.branches
    content = {
        **identity,
        "trunk": [int(token) for token in trunk.token_ids[: branch.cut]],
        "branch": [int(token) for token in branch.token_ids],
        "scored": [int(flag) for flag in branch.scored or ()],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


Entries = list[tuple[str, str, np.ndarray]]
"""(key, model, log-probabilities of the scored tokens) each."""


class BaselineStore:
    """Log-probabilities by key, in memory and in one Parquet file (with `NAME.new`) that one process writes.

    Args:
        path: the file; created with the first entries.
        writes: false on all processes but one.
        gather: joins the lists of all processes, which then all call `add` together; None for one process.
    """

    def __init__(
        self, path: str | Path, *, writes: bool = True, gather: Callable[[Entries], Entries] | None = None
    ) -> None:
        self.path, self.writes, self.gather = str(path), writes, gather
        self.new = Path(f"{self.path}.new")
        self.entries: dict[str, np.ndarray] = {}
        self.models: dict[str, str] = {}
        if Path(self.path).exists():
            import pyarrow.parquet as pq

            columns = pq.read_table(self.path, columns=["key", "model", "logprobs"]).to_pydict()
            for key, model, values in zip(*columns.values(), strict=True):
                self.entries[key], self.models[key] = np.array(values, np.float32), model
        self.filed = len(self.entries)
        """Entries in the Parquet file; those behind them are in `NAME.new`."""
        for line in self._new_lines():
            self.entries[line["key"]], self.models[line["key"]] = np.array(line["logprobs"], np.float32), line["model"]

    def add(self, new: Entries) -> None:
        """Take in entries, those of the other processes too, and write down what there is."""
        joined = self.gather(new) if self.gather else new
        for key, model, values in joined:
            self.entries[key], self.models[key] = values, model
        if not joined or not self.writes:
            return
        if len(self.entries) >= 2 * self.filed:
            self.file()
            return
        rows = [{"key": key, "model": model, "logprobs": values.tolist()} for key, model, values in joined]
        with self.new.open("a+b") as target:
            if target.tell():
                target.seek(-1, os.SEEK_END)
                if target.read(1) != b"\n":  # a line that a kill cut off stays a line of its own
                    target.write(b"\n")
            target.write(b"".join(json.dumps(row).encode() + b"\n" for row in rows))
            target.flush()
            os.fsync(target.fileno())

    def _new_lines(self) -> Iterator[dict[str, Any]]:
        for line in self.new.read_bytes().splitlines() if self.new.exists() else ():
            with contextlib.suppress(json.JSONDecodeError):  # cut off by a kill: computed again
                yield json.loads(line)

    def file(self) -> None:
        """Write the Parquet file with all entries, if it lacks any."""
        if not self.writes or (len(self.entries) == self.filed and not self.new.exists()):
            return
        self._write()
        self.filed = len(self.entries)
        self.new.unlink(missing_ok=True)

    def _write(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        means = [float(values.mean(dtype=np.float64)) if len(values) else None for values in self.entries.values()]
        table = pa.table(
            {
                "key": list(self.entries),
                "mean_logp": pa.array(means, pa.float64()),
                "n_scored": [len(values) for values in self.entries.values()],
                "logprobs": pa.array([values.tolist() for values in self.entries.values()], pa.list_(pa.float32())),
                "model": [self.models[key] for key in self.entries],
            }
        )
        with atomic_write(self.path) as target:
            pq.write_table(table, target)


class StoredBaselines:
    """One model's likelihoods from a store; what is missing is computed and added.

    Args:
        store: where they are kept.
        scorer: computes what is missing.
        identity: what the numbers depend on beside the tokens, `model_identity` among it.
    """

    def __init__(self, store: BaselineStore, scorer: Scorer, identity: Mapping[str, Any]) -> None:
        self.store, self.scorer, self.identity = store, scorer, dict(identity)
        self.computed = 0

    def logprobs(self, trunks: Sequence[Trunk]) -> list[np.ndarray | str]:
        """For each trunk's only branch the log-probabilities of its scored tokens, [m]; or why there are none.

        A failure is told and not stored: the next call tries again.
        """
        entries = self.store.entries
        keys = [entry_key(trunk, self.identity) for trunk in trunks]
        missing = {key: trunk for key, trunk in zip(keys, trunks, strict=True) if key not in entries}
        # Asked even for nothing: under sharded weights all processes score together.
        found = dict(zip(missing, scored_logprobs(self.scorer, list(missing.values())), strict=True))
        model = str(self.identity.get("model", ""))
        new = [(key, model, values) for key, values in found.items() if not isinstance(values, str)]
        self.computed += len(new)
        self.store.add(new)
        return [entries[key] if key in entries else found[key] for key in keys]


class RefreshedBaselines:
    """Likelihoods without reasoning that follow the policy: those of step 0, then scored again every so many steps.

    Args:
        initial: those before the first refresh.
        store: keeps the later ones, so that a continued run finds those of the step it refreshed at.
        policy: scores with the live weights.
        identity: of the initial weights.
        every: steps between refreshes.
        step: tells the optimizer steps so far.
    """

    def __init__(
        self,
        initial: StoredBaselines,
        store: BaselineStore,
        policy: Scorer,
        identity: Mapping[str, Any],
        every: int,
        step: Callable[[], int],
    ) -> None:
        self.initial, self.store, self.policy = initial, store, policy
        self.identity, self.every, self.step = dict(identity), every, step

    def logprobs(self, trunks: Sequence[Trunk]) -> list[np.ndarray | str]:
        """See `StoredBaselines`; a reference is scored when it is first needed after a refresh."""
        refreshed = self.step() // self.every * self.every
        if not refreshed:
            return self.initial.logprobs(trunks)
        identity = {**self.identity, "model": f"policy at step {refreshed} from {self.identity['model']}"}
        return StoredBaselines(self.store, self.policy, identity).logprobs(trunks)
