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


def read_truth(name: str) -> Iterator[Vector]:
    """Vectors of a file in either form: vectors, or rows of a reference with right and wrong answers.

    A row of the second form has `gold` (or `ground_truth`), and answers, or lists of them, in `right` and `wrong` (or
    in HardVerify's `correct_answer_rules_miss` and `wrong_answer`). They are put in a box.

    Raises:
        ValueError: a line is in neither form.
    """
    path = Path(name)
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    rows = [json.loads(line) for line in lines]
    if all(isinstance(row, dict) and "completion" in row for row in rows):
        yield from read_vectors([path])
        return
    for number, row in enumerate(rows, 1):
        gold = row.get("gold", row.get("ground_truth"))
        answers = {
            1.0: row.get("right", row.get("correct_answer_rules_miss")),
            0.0: row.get("wrong", row.get("wrong_answer")),
        }
        if gold is None or not any(answers.values()):
            raise ValueError(f"{name}, line {number}: neither a vector nor gold with right or wrong answers")
        for score, given in answers.items():
            for at, answer in enumerate(given if isinstance(given, list) else [given] if given else []):
                yield Vector(
                    id=f"{path.stem}-{row.get('id', number)}-{'right' if score else 'wrong'}{at or ''}",
                    verifier=str(row.get("verifier", "math")),
                    ground_truth=gold,
                    completion=f"\\boxed{{{answer}}}",
                    score=score,
                    why="a right answer" if score else "a wrong answer",
                )
