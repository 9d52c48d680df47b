"""Replies of judge models: the text of one, and verdicts that are remembered by what was asked.

Processes may share a file of verdicts: each verdict is one line, added in one write, so that lines do not mix.
"""

import json
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

KEPT = 200_000
"""Verdicts kept in memory; the one that was used longest ago goes first."""


class GivenVerdict(NamedTuple):
    """What a judge decided once, and in which words."""

    yes: bool
    reply: str


class VerdictMemory:
    """Verdicts by key, in memory and in a file if one is named. It has no lock: its owner asks under his own.

    Args:
        path: file that is read first and added to, a JSON object a line; empty: memory alone.
        word: what the file calls a decision, such as `equal`.
    """

    def __init__(self, path: str, word: str) -> None:
        self.path, self.word = path, word
        self.unreadable = 0
        """Lines of the file that say nothing, such as one that a crash cut off."""
        self._known: OrderedDict[str, GivenVerdict] = OrderedDict()
        if path and Path(path).is_file():
            self._read(Path(path))

    def get(self, key: str) -> GivenVerdict | None:
        """The verdict that was given, or None."""
        if key not in self._known:
            return None
        self._known.move_to_end(key)
        return self._known[key]

    def add(self, key: str, yes: bool, reply: str) -> None:
        """Remember a verdict, in the file too."""
        self._known[key] = GivenVerdict(yes, reply)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        if self.path:
            line = json.dumps({"key": key, self.word: yes, "reply": reply}) + "\n"
            with Path(self.path).open("a", encoding="utf-8") as file:
                file.write(line)

    def _read(self, path: Path) -> None:
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
                self._known[row["key"]] = GivenVerdict(bool(row[self.word]), str(row["reply"]))
            except (ValueError, KeyError, TypeError):
                self.unreadable += 1


def reply_text(answer: Any) -> str:
    """The text of a chat completion, for `common.model_server`, which names any other form `malformed`."""
    text = answer["choices"][0]["message"]["content"]
    if not isinstance(text, str):
        raise TypeError("the message has no text")
    return text
