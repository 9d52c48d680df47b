"""The vectors: completions with their right verdict, one JSON object a line, in `eval/verifiers/vectors`.

A vector has `id`, `verifier`, `ground_truth`, `completion`, `score` (None: nobody can judge) and `why`; optionally
`info`, `status` and `guru` (the published score, or two: with the symbolic layer of the paper, and without). A
completion is text, or a list of texts and [text, times] pairs, so that a long one stays readable.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "vectors"
"""The vectors that come with the project."""


@dataclass(frozen=True, slots=True)
class Vector:
    """A completion and what has to be said about it."""

    id: str
    verifier: str
    ground_truth: Any
    completion: str
    score: float | None
    why: str
    status: str | None = None
    info: dict[str, Any] = field(default_factory=dict)
    guru: float | list[float] | None = None
    judged_by_guru: bool = False
    """Whether the row says what the published scorer gave; None is a verdict too."""

    @property
    def row(self) -> dict[str, Any]:
        """The row that a verifier is called with."""
        return {"id": self.id, "verifier": self.verifier, "ground_truth": self.ground_truth, "info": self.info}


def written_out(completion: str | list[Any]) -> str:
    """A completion's text: lists are joined, [text, times] repeats.

    >>> written_out(["a", ["b", 3]])
    'abbb'
    """
    if isinstance(completion, str):
        return completion
    return "".join(part if isinstance(part, str) else part[0] * part[1] for part in completion)


def read_vectors(files: Iterable[Path] = ()) -> Iterator[Vector]:
    """All vectors of some files, or of the project's own.

    Raises:
        ValueError: a line is no vector; the message names file and line.
    """
    for path in files or sorted(FOLDER.glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                yield Vector(
                    id=str(row["id"]),
                    verifier=str(row["verifier"]),
                    ground_truth=row["ground_truth"],
                    completion=written_out(row["completion"]),
                    score=row["score"],
                    why=str(row["why"]),
                    status=row.get("status"),
                    info=row.get("info") or {},
                    guru=row.get("guru"),
                    judged_by_guru="guru" in row,
                )
            except (ValueError, KeyError, TypeError, IndexError) as failure:
                raise ValueError(f"{path}, line {number}: no vector ({failure})") from failure
