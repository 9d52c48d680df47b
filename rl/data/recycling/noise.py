"""Put boilerplate into clean text, seeded: between, before, after and inside its paragraphs.

Taking the inserted spans out again gives the clean text back to the character. The pieces come from
`rl.data.recycling.boilerplate`; how well a cleaner removes them, `eval.cleaning` measures.
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rl.data.recycling.boilerplate import INLINE, SEEN, Maker
from rl.data.recycling.boilerplate_unseen import UNSEEN

_SENTENCE_END = re.compile(r"[.!?][\"”’)]*(?= )")
_SEAM = re.compile(r"\n+")


@dataclass(frozen=True)
class Span:
    """One inserted piece: `noisy[start:end]`, with the white space that came with it."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True)
class Noisy:
    """A text with boilerplate in it."""

    text: str
    spans: tuple[Span, ...]

    def clean(self) -> str:
        """The text without what was inserted."""
        parts, position = [], 0
        for span in self.spans:
            parts.append(self.text[position : span.start])
            position = span.end
        return "".join([*parts, self.text[position:]])

    def pieces(self) -> list[dict[str, str]]:
        """The inserted pieces as rows hold them: `kind`, `text`."""
        return [{"kind": span.kind, "text": self.text[span.start : span.end].strip()} for span in self.spans]


def add_noise(
    text: str, key: str, *, seed: int = 0, pieces: int = 3, unseen: bool = False, harvest: Sequence[str] = ()
) -> Noisy:
    """Insert boilerplate at random seams of a text.

    Args:
        text: clean text; paragraphs and lines end at line breaks.
        key: the document's id: with `seed` it decides everything.
        seed: of the run.
        pieces: how many pieces to insert.
        unseen: take the kinds kept for measuring in place of those for training.
        harvest: short lines of other pages; about a quarter of the pieces come from there (kind `harvested`).
    """
    rng = random.Random(f"{seed}:{key}")
    kinds: dict[str, Maker] = UNSEEN if unseen else SEEN
    inline: dict[str, Maker] = UNSEEN if unseen else INLINE
    seams = [0, len(text), *(match.end() for match in _SEAM.finditer(text))]
    inner = [match.end() for match in _SENTENCE_END.finditer(text)]
    gaps = [match.start() for match in re.finditer(r"(?<=\w) (?=\w)", text)]
    inserts: dict[int, list[tuple[str, str]]] = {}
    repeat: tuple[str, str] | None = None
    for _ in range(pieces):
        if inner and rng.random() < 0.2:
            mark = not unseen and gaps and rng.random() < 0.25
            kind = "inline_mark" if mark else rng.choice(sorted(inline))
            piece = " " + inline[kind](rng).splitlines()[0].strip()
            at = rng.choice(gaps if mark else inner)
        else:
            if repeat and rng.random() < 0.15:  # pages say some lines twice
                kind, piece = repeat
            elif harvest and not unseen and rng.random() < 0.25:
                kind, piece = "harvested", "\n".join(rng.sample(list(harvest), rng.randint(1, min(4, len(harvest)))))
            else:
                kind = rng.choice(sorted(kinds))
                piece = kinds[kind](rng)
            repeat = kind, piece
            at = rng.choice(seams[:2]) if rng.random() < 0.55 else rng.choice(seams)
            piece = _with_breaks(rng, text, at, piece)
        if piece.strip():
            inserts.setdefault(at, []).append((kind, piece))
    return _insert(text, inserts)


def _with_breaks(rng: random.Random, text: str, at: int, piece: str) -> str:
    """A piece with the line breaks that make it lines of its own at this seam."""
    style = rng.choice(("\n", "\n", "\n\n"))
    if at == len(text):
        return style + piece
    return piece + (style if at == 0 else _SEAM.findall(text[:at])[-1])


def _insert(text: str, inserts: dict[int, list[tuple[str, str]]]) -> Noisy:
    parts, spans, position, length = [], [], 0, 0
    for at in sorted(inserts):
        parts.append(text[position:at])
        length += at - position
        position = at
        for kind, piece in inserts[at]:
            parts.append(piece)
            spans.append(Span(kind, length, length + len(piece)))
            length += len(piece)
    return Noisy("".join([*parts, text[position:]]), tuple(spans))
