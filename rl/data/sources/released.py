"""Guru's released files, all domains, as one file of rows.

Usage:
    python -m rl.data.prepare guru source=LLM360/guru-RL-92k revision=COMMIT out=rows.parquet
    python -m rl.data.prepare guru source=FOLDER out=rows.parquet split=train

FOLDER holds `train/`, `online_eval/` and `offline_eval/` with Parquet files, plain or compressed. Rows keep all that
the files say: `python -m rl.data.convert rows.parquet FOLDER to=guru` gives the files back.
"""

import json
from collections import Counter
from typing import Annotated, Any

from common.config import HOW, Out, RunConfig
from rl.data.raw.dataset import NothingKept, Split

PUBLISHED = {"math": 54_400, "code": 18_100, "stem": 3_600, "logic": 6_300, "simulation": 3_700, "table": 6_100}
"""Rows of the training split by domain; the paper's own figures do not all add up."""


class ReleasedConfig(RunConfig):
    """Which released files are read."""

    source: str = "LLM360/guru-RL-92k"
    """Folder, or hub id."""

    revision: str = "main"
    """Commit on the hub."""

    out: Annotated[str, HOW, Out(".parquet")]
    """Parquet file to write."""

    split: Split | None = "train"
    """Rows of one split; of all if null."""


def convert(config: ReleasedConfig) -> dict[str, Any]:
    """Write the rows; returns counts by data set and by domain, the published ones beside them.

    Raises:
        NothingKept: the files hold no row.
    """
    from rl.data.raw.files import find
    from rl.data.rows.files import read_any, schemas_of
    from rl.data.rows.guru_files import SCHEMAS
    from rl.data.rows.schema import write_rows

    patterns = [f"{config.split}/*.parquet"] if config.split else ["*.parquet"]
    place = find(config.source, config.revision, patterns, "a folder with train/, online_eval/, offline_eval/")
    counts: Counter[str] = Counter()
    domains: Counter[str] = Counter()
    schemas: dict[str, str] = {}
    for _, path in place.files:
        schemas |= schemas_of(str(path))

    def rows() -> Any:
        for _, path in place.files:
            for row in read_any(str(path)):
                counts[row["source"]] += 1
                domains[row["domain"]] += 1
                yield row

    write_rows(config.out, rows(), {SCHEMAS: json.dumps(schemas, sort_keys=True)})
    if not counts:
        raise NothingKept(f"{config.source}: no row is kept; its files hold none")
    beside = {
        name: {"ours": domains[name], "published": number}
        for name, number in PUBLISHED.items()
        if config.split == "train" and domains[name]
    }
    return {"rows": sum(counts.values()), "sources": counts, "counts": beside}
