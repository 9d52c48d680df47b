"""What is done, a Parquet row per item, then the entry's figures."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common.runs.folder import write_json
from eval.core.outcomes import Outcomes
from eval.core.scoring import ScoredItem


class RowStore:
    """A folder with what is done: `<entry>.parquet`, a row per item, then `<entry>.json`, the entry's figures.

    Args:
        folder: made if absent.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def write(self, entry: str, scored: Sequence[ScoredItem], figures: dict[str, Any]) -> None:
        """Store an entry's rows, then its figures, whose presence says that it is done."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        ids = pa.list_(pa.list_(pa.int32()))
        columns = {
            "index": pa.array([one.item.index for one in scored], pa.int32()),
            "category": pa.array([one.item.category for one in scored], pa.string()),
            # one list where all answers have the same context, else one for each
            "context_ids": pa.array([_distinct(one.item.contexts) for one in scored], ids),
            "choices": pa.array([one.item.answers for one in scored], ids),
            "losses": pa.array([one.losses for one in scored], pa.list_(pa.float64())),
            "pred": pa.array([one.pred for one in scored], pa.int32()),
            "gold": pa.array([one.item.gold for one in scored], pa.int32()),
            "correct": pa.array([one.correct for one in scored], pa.bool_()),
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        beside = self.folder / f".{entry}.parquet"
        pq.write_table(pa.table(columns), beside, compression="zstd")
        beside.replace(self.folder / f"{entry}.parquet")
        write_json(self.folder / f"{entry}.json", figures)

    def figures(self, entry: str) -> dict[str, Any] | None:
        """What was stored about a finished entry, or None."""
        path = self.folder / f"{entry}.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def outcomes(self, entry: str) -> Outcomes | None:
        """Which of a finished entry's rows were right, or None."""
        figures = self.figures(entry)
        if figures is None:
            return None
        import pyarrow.parquet as pq

        table = pq.read_table(self.folder / f"{entry}.parquet", columns=["index", "correct", "category"]).to_pydict()
        return Outcomes(figures["file"], table["index"], table["correct"], table["category"])


def _distinct(contexts: list[list[int]]) -> list[list[int]]:
    return contexts[:1] if all(context == contexts[0] for context in contexts) else contexts
