"""Likelihoods of references without reasoning, computed once and stored by content.

Usage:
    python -m rl.baselines configs/rl/rlpr_smoke_cpu.yaml
    python -m rl.baselines configs/rl/story_qwen2.5_3b.yaml data.train=chapters.jsonl baselines=chapters.parquet

Takes a training run's config, builds its data and fills its store (`baselines`) with what its rewards need; the run
computes and adds what is missing. The key of an entry is a hash of the weights, the tokens and how they are scored, so
another model, template, prompt or reference has other keys, and a stale number cannot be used.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from common.config import HOW, parse, usage_errors
from common.storage import atomic_write
from eval.likelihood import Scorer, Trunk
from eval.spans import Unwritable
from rl.config import RLConfig
from rl.rewards.base import Batch
from rl.rewards.likelihood import UNWRITABLE, scored_logprobs

IDENTIFYING = ("*.safetensors", "config.json")
"""Files of a model folder that its numbers depend on; the tokens are part of each key."""


def model_identity(model: str, revision: str | None = None) -> str:
    """A hash of a model's weights and config; of name and revision if it is no folder (a hub name, a URL).

    Reads the weights once, about a second per GB.
    """
    folder = Path(model)
    if not folder.is_dir():
        return f"name:{model}@{revision}" if revision else f"name:{model}"
    digest = hashlib.sha256()
    for path in sorted({path for pattern in IDENTIFYING for path in folder.glob(pattern)}):
        digest.update(path.name.encode())
        with path.open("rb") as source:
            digest.update(hashlib.file_digest(source, "sha256").digest())
    return f"sha256:{digest.hexdigest()}"


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
    """Log-probabilities by key, in memory and in one Parquet file that one process writes.

    Args:
        path: the file; created with the first entries.
        writes: false on all processes but one.
        gather: joins the lists of all processes, which then all call `add` together; None for one process.
    """

    def __init__(
        self, path: str | Path, *, writes: bool = True, gather: Callable[[Entries], Entries] | None = None
    ) -> None:
        self.path, self.writes, self.gather = str(path), writes, gather
        self.entries: dict[str, np.ndarray] = {}
        self.models: dict[str, str] = {}
        if Path(self.path).exists():
            import pyarrow.parquet as pq

            columns = pq.read_table(self.path, columns=["key", "model", "logprobs"]).to_pydict()
            for key, model, values in zip(*columns.values(), strict=True):
                self.entries[key], self.models[key] = np.array(values, np.float32), model

    def add(self, new: Entries) -> None:
        """Take in entries, those of the other processes too, and write the file if there are any."""
        joined = self.gather(new) if self.gather else new
        for key, model, values in joined:
            self.entries[key], self.models[key] = values, model
        if joined and self.writes:
            self._write()

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


class BaselinesConfig(RLConfig):
    """A run's config, of which the data and the rewards with a baseline are used."""

    batch_rows: Annotated[int, HOW] = Field(256, ge=1)
    """Rows scored, and written, together."""


def fill(config: BaselinesConfig) -> dict[str, int]:
    """Compute what a run's rows need; counts of rows, entries, new entries and failures by reason.

    Raises:
        ValueError: no reward of the config has a baseline to store.
    """
    from transformers import AutoTokenizer

    from rl.binding import SavedModels, bind, likelihood_rewards
    from rl.rewards.kinds import open_rewards
    from rl.rows import build_data, read_rows

    tokenizer = AutoTokenizer.from_pretrained(config.model)
    store = BaselineStore(config.baselines_file)
    rewards = [reward for reward in likelihood_rewards(open_rewards(config.rewards)) if reward.config.baseline_by]
    if not rewards:
        raise ValueError("no reward of this config has a baseline to store")
    folder = Path(config.out) / "data"
    build_data(config, folder, tokenizer)
    bind(rewards, SavedModels(config), tokenizer, store)
    rows = [row for part in ("train", "eval") for row in read_rows(folder / f"{part}.jsonl", config)]
    counts: Counter[str] = Counter(rows=len(rows), entries=0)
    before = len(store.entries)
    for start in range(0, len(rows), config.batch_rows):
        part = rows[start : start + config.batch_rows]
        columns = {name: [row.get(name) for row in part] for name in {name for row in part for name in row}}
        batch = Batch([""] * len(part), columns, [row["prompt"] for row in part])
        for reward in rewards:
            trunks: list[Trunk] = []
            for row in range(len(part)):
                try:
                    trunks += reward.baseline_trunks(batch, row)
                except Unwritable:
                    counts[f"failed/{UNWRITABLE}"] += 1
            for found in reward.baselines.logprobs(trunks):
                counts[f"failed/{found}" if isinstance(found, str) else "entries"] += 1
    return {**counts, "computed": len(store.entries) - before}


def main(argv: list[str] | None = None) -> None:
    """Read the command line, fill the store, say what was done."""
    config = parse(BaselinesConfig, __doc__, argv)
    with usage_errors():
        counts = fill(config)
    print(json.dumps(counts))  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
