"""Likelihoods of references without reasoning, computed once and stored by content.

Usage:
    python -m rl.baselines model=MODEL data=ROWS.jsonl store=baselines.parquet reward.kind=reference_probability

ROWS hold what training rows hold: `prompt` (text or messages), `reference`, and `messages` where the reward reads them.
The key of an entry is a hash of the weights, the tokens and how they are scored, so another model, template, prompt or
reference has other keys, and a stale number cannot be used. A missing entry is computed when it is asked for.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from common.config import HOW, RunConfig, parse, usage_errors
from common.storage import atomic_write
from eval.likelihood import Scorer, ScorerConfig, Trunk, open_scorer
from rl.rewards.base import Batch
from rl.rewards.completion import CompletionGainConfig, CompletionGainReward
from rl.rewards.likelihood import scored_logprobs
from rl.rewards.reference import ReferenceProbabilityConfig, ReferenceProbabilityReward

IDENTIFYING = ("*.safetensors", "config.json")
"""Files of a model folder that its numbers depend on; the tokens are part of each key."""


def model_identity(model: str) -> str:
    """A hash of a model's weights and config; of the name if it is no folder (a hub name, a URL).

    Reads the weights once, about a second per GB.
    """
    folder = Path(model)
    if not folder.is_dir():
        return f"name:{model}"
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


class BaselineStore:
    """Log-probabilities by key, in memory and in one Parquet file.

    Args:
        path: the file; created with the first entries. One process writes.
        scorer: computes what is missing.
        identity: what the numbers depend on beside the tokens, `model_identity` among it.
        writes: false on all processes but one.
    """

    def __init__(self, path: str | Path, scorer: Scorer, identity: Mapping[str, Any], *, writes: bool = True) -> None:
        self.path, self.scorer, self.identity, self.writes = str(path), scorer, dict(identity), writes
        self.entries: dict[str, np.ndarray] = {}
        self.computed = 0
        if Path(self.path).exists():
            import pyarrow.parquet as pq

            table = pq.read_table(self.path, columns=["key", "logprobs"]).to_pydict()
            pairs = zip(table["key"], table["logprobs"], strict=True)
            self.entries = {key: np.array(values, np.float32) for key, values in pairs}

    def logprobs(self, trunks: Sequence[Trunk]) -> list[np.ndarray | str]:
        """For each trunk's only branch the log-probabilities of its scored tokens, [m]; or why there are none.

        A failure is told and not stored: the next call tries again.
        """
        keys = [entry_key(trunk, self.identity) for trunk in trunks]
        missing = {key: trunk for key, trunk in zip(keys, trunks, strict=True) if key not in self.entries}
        # Asked even for nothing: under sharded weights all processes score together.
        found = dict(zip(missing, scored_logprobs(self.scorer, list(missing.values())), strict=True))
        new = {key: values for key, values in found.items() if not isinstance(values, str)}
        if new:
            self.entries |= new
            self.computed += len(new)
            if self.writes:
                self._write()
        return [self.entries[key] if key in self.entries else found[key] for key in keys]

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
                "model": [str(self.identity.get("model", ""))] * len(self.entries),
            }
        )
        with atomic_write(self.path) as target:
            pq.write_table(table, target)


class BaselinesConfig(RunConfig):
    """Fill a baseline store before training."""

    model: str
    """Folder or hub name of the initial or frozen weights, or a server's URL."""

    tokenizer: str = ""
    """Folder or hub name; the model's if empty."""

    data: str
    """JSONL of training rows."""

    reward: Annotated[ReferenceProbabilityConfig | CompletionGainConfig, Field(discriminator="kind")]
    """The reward whose baselines are wanted."""

    store: Annotated[str, HOW]
    """Parquet file; what it holds already is not computed again."""

    scorer: ScorerConfig = ScorerConfig()
    """How likelihoods are computed."""

    batch_rows: Annotated[int, HOW] = Field(256, ge=1)
    """Rows scored, and written, together."""


def open_store(path: str, model: str, config: ScorerConfig, scorer: Scorer | None = None) -> BaselineStore:
    """A store for one model's numbers; a scorer over the model is opened if none is given."""
    identity = {"model": model_identity(model), "dtype": config.dtype, "temperature": config.temperature}
    return BaselineStore(path, scorer or open_scorer(model, config), identity)


def fill(config: BaselinesConfig) -> dict[str, int]:
    """Compute what a data file's rows need; counts of rows, entries, new entries and failures by reason."""
    from transformers import AutoTokenizer

    rows = [json.loads(line) for line in Path(config.data).read_bytes().split(b"\n") if line.strip()]
    if not rows:
        raise ValueError(f"{config.data} holds no rows")
    store = open_store(config.store, config.model, config.scorer)
    reward: ReferenceProbabilityReward | CompletionGainReward = (
        ReferenceProbabilityReward(config.reward)
        if isinstance(config.reward, ReferenceProbabilityConfig)
        else CompletionGainReward(config.reward)
    )
    reward.bind(store.scorer, AutoTokenizer.from_pretrained(config.tokenizer or config.model), store)
    counts = {"rows": len(rows), "entries": 0, "computed": 0}
    for start in range(0, len(rows), config.batch_rows):
        part = rows[start : start + config.batch_rows]
        columns = {name: [row.get(name) for row in part] for name in {name for row in part for name in row}}
        batch = Batch([""] * len(part), columns, [row.get("prompt", "") for row in part])
        trunks = [trunk for row in range(len(part)) for trunk in reward.baseline_trunks(batch, row)]
        for found in store.logprobs(trunks):
            name = f"failed/{found}" if isinstance(found, str) else "entries"
            counts[name] = counts.get(name, 0) + 1
    return {**counts, "computed": store.computed}


def main(argv: list[str] | None = None) -> None:
    """Read the command line, fill the store, say what was done."""
    config = parse(BaselinesConfig, __doc__, argv)
    with usage_errors():
        counts = fill(config)
    print(json.dumps(counts))  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
