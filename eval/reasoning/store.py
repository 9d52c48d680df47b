"""The samples of one task in a run folder: files that several processes append to, and what of them is done."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.samples import Key, raw_lines
from eval.reasoning.scoring import is_final

MARKERS = re.compile(
    r"\b(?:wait|hmm+|hold on|actually, no|on second thought|let me (?:re-?check|double[- ]check|re-?consider|re-?think"
    r"|try again|start over)|that(?:'s| is) (?:wrong|not right)|i made (?:a|an) (?:mistake|error)|let's (?:re-?check"
    r"|double[- ]check|go back|start over|try again))\b",
    re.IGNORECASE,
)
"""Phrases that go back on what was written before; counted in each answer, thinking included."""


@dataclass(slots=True)
class Drawn:
    """A stored sample without its text."""

    finish_reason: str
    error: str
    tokens: int
    seconds: float
    markers: int
    thought: bool = False
    """See `thought_about`."""
    verdicts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Mode to verdict, the last one of each."""


def thought_about(text: str) -> bool:
    """Whether anything stands before an answer's `</think>`, or behind a `<think>` that was never closed.

    >>> [thought_about(text) for text in ("<think>3 + 8</think> 11", "So.</think> 11", "<think></think> 11", "11")]
    [True, True, False, False]
    """
    before, closed, after = text.rpartition("</think>")
    thinking = before.replace("<think>", "") if closed else after.partition("<think>")[2]
    return bool(thinking.strip())


class TaskStore:
    """The samples of one task.

    Args:
        folder: of its files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, number: int, count: int) -> Path:
        """The file that the process with this share of the examples appends to."""
        return self.folder / f"share-{number + 1}-of-{count}.jsonl"

    def _lines(self) -> Iterator[dict[str, Any]]:
        for path in sorted(self.folder.glob("*.jsonl")):
            yield from raw_lines(path)

    def drawn(self) -> dict[Key, Drawn]:
        """All samples by key; of a sample drawn several times the one that counts."""
        found: dict[Key, Drawn] = {}
        verdicts: dict[Key, dict[str, dict[str, Any]]] = {}
        for line in self._lines():
            kind = line.get("kind")
            if kind == "sample":
                key = (str(line["id"]), int(line["sample"]), str(line["config"]))
                finish, error = line.get("finish_reason") or "", line.get("error") or ""
                if key not in found or not is_final(found[key].finish_reason, found[key].error):
                    text = line.get("completion") or ""
                    tokens, seconds = line.get("tokens_out") or 0, line.get("seconds") or 0.0
                    found[key] = Drawn(finish, error, tokens, seconds, len(MARKERS.findall(text)), thought_about(text))
            elif kind == "verdict":
                key = (str(line["id"]), int(line["sample"]), str(line["config"]))
                verdicts.setdefault(key, {})[str(line["mode"])] = line["verdict"]
        for key, record in verdicts.items():
            if key in found:
                found[key].verdicts = record
        return found

    def texts(self, keys: Iterable[Key]) -> Iterator[tuple[Key, dict[str, Any]]]:
        """The stored lines of some samples, each once."""
        wanted = set(keys)
        for line in self._lines():
            if not wanted:
                return
            if line.get("kind") != "sample":
                continue
            key = (str(line["id"]), int(line["sample"]), str(line["config"]))
            if key in wanted and is_final(line.get("finish_reason") or "", line.get("error") or ""):
                wanted.discard(key)
                yield key, line
