"""Which questions share text with evaluation questions: the same words, 13 words in a row, or 50 characters of code.

What many evaluation questions of a set have in common is the set's own wording (`answer in a code block`), not a
question: such a piece betrays nothing and is passed over.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from rl.data.overlap.questions import one_line, question_of, words

WORDS = 13
"""Words in a row that betray a question (the 13-grams of GPT-3's decontamination, arXiv:2005.14165)."""

CHARACTERS = 50
"""Characters in a row that betray a question about code, blanks counted once."""

COMMON = 10
"""A piece that more evaluation questions of one set hold is that set's wording."""


class Hit(NamedTuple):
    """An evaluation question that a text shares something with."""

    source: str
    """The evaluation set."""
    number: int
    """Of the question in it, repeated ones counted once."""
    how: str
    """`same_words`, `13_words` or `50_characters`."""


class HeldOut:
    """Evaluation questions, looked up by what they hold."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Index the questions of these rows; a question that a set repeats counts once."""
        self.sizes: Counter[str] = Counter()
        self.same: dict[str, Hit] = {}
        self.pieces: dict[str, dict[str, Hit]] = {"13_words": {}, "50_characters": {}}
        self.passed_over = 0
        texts: defaultdict[str, dict[str, tuple[str, bool]]] = defaultdict(dict)
        for row in rows:
            text = question_of(row)
            texts[row["source"]].setdefault(" ".join(words(text)), (text, row["domain"] == "code"))
        for source, questions in texts.items():
            self._add(source, questions)

    def _add(self, source: str, questions: Mapping[str, tuple[str, bool]]) -> None:
        self.sizes[source] = len(questions)
        counts: Counter[tuple[str, str]] = Counter()
        pieces: list[set[tuple[str, str]]] = []
        for number, (plain, (text, is_code)) in enumerate(questions.items()):
            if plain:
                self.same.setdefault(plain, Hit(source, number, "same_words"))
            found = set(pieces_of(text, is_code))
            counts.update(found)
            pieces.append(found)
        most = min(COMMON, len(questions) // 2) if len(questions) > 2 else COMMON
        self.passed_over += sum(count > most for count in counts.values())
        for number, found in enumerate(pieces):
            for how, piece in found:
                if counts[how, piece] <= most:
                    self.pieces[how].setdefault(piece, Hit(source, number, how))

    def hits(self, row: Mapping[str, Any]) -> list[Hit]:
        """The evaluation questions that a row shares something with, one for each set, the surest kind first."""
        text = question_of(row)
        found: dict[str, Hit] = {}
        if same := self.same.get(" ".join(words(text))):
            found[same.source] = same
        for how, piece in pieces_of(text, row["domain"] == "code"):
            if hit := self.pieces[how].get(piece):
                found.setdefault(hit.source, hit)
        return list(found.values())


def pieces_of(text: str, is_code: bool) -> Iterable[tuple[str, str]]:
    """Kind and text of all pieces of a question that would betray it: windows of characters for code, else of words."""
    if is_code:
        line = one_line(text)
        return (("50_characters", line[at : at + CHARACTERS]) for at in range(len(line) - CHARACTERS + 1))
    found = words(text)
    return (("13_words", " ".join(found[at : at + WORDS])) for at in range(len(found) - WORDS + 1))


def by_set(found: Sequence[Sequence[Hit]], sizes: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """For each evaluation set: its questions, how many of them were met, and the rows that met one, by kind."""
    report: dict[str, dict[str, int]] = {
        source: {"questions": size, "met": 0, "same_words": 0, "13_words": 0, "50_characters": 0}
        for source, size in sorted(sizes.items())
    }
    met: defaultdict[str, set[int]] = defaultdict(set)
    for hits in found:
        for hit in hits:
            report[hit.source][hit.how] += 1
            met[hit.source].add(hit.number)
    for source, numbers in met.items():
        report[source]["met"] = len(numbers)
    return report
