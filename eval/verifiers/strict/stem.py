"""Which option was chosen, read from a box or from an answer line; two options are a hedge, none is no answer."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from eval.verifiers.mathematics.cleaning import plain
from eval.verifiers.result import Result, correct, skipped, unparseable, wrong
from eval.verifiers.segments import joint_boxes

MOST_OPTIONS = 26
USUAL_OPTIONS = 10
"""Letters A to J are options where the row does not say how many there are."""

LONGEST = 2_000
"""Characters of a box that are read."""

_DRESS = re.compile(r"[*_`$#]|\\(?:text|textbf|mathrm|mathbf|textit|rm|bf)(?![A-Za-z])|\\[,;:! ()\[\]]|[{}]")
_ALONE = re.compile(r"\(?\s*([A-Za-z])\s*(?:\)|[.:]|$)(.*)", re.DOTALL)
_MORE = re.compile(r"\s*(?:,|;|/|&|\band\b|\bor\b)\s*(?:option\s+|choice\s+)?\(?([A-Z])\)?(?![\w'])", re.IGNORECASE)
_LINE = re.compile(
    r"\banswer\b\s*(?:choice\b\s*|option\b\s*)?(?::|=|\bis\b|\bwould be\b|\bshould be\b|\bmust be\b)\s*:?\s*"
    r"(?:option\b\s*|choice\b\s*|letter\b\s*)?(?P<mark>\(?)\s*(?P<letter>[A-Za-z])\s*(?P<closed>\)?)(?![\w'])",
    re.IGNORECASE,
)
_PRONOUN = re.compile(r"[ \t]+(?!because\b|since\b|as\b)[a-z]")


def choice(answer: str, gold: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    """Compare the chosen option's letter with the reference's.

    Args:
        answer: the answer part.
        gold: the right letter, also as `(C)`, or the text of one of the options.
        info: `options`, a list of texts or an object of letters to texts, where the row has them.
        options: not read.
    """
    texts = _options(info.get("options"))
    right = _gold(gold, texts)
    if right is None:
        return skipped("bad_gold", message="the reference is no letter of an option")
    most = max(len(texts) or USUAL_OPTIONS, ord(right) - 64)
    found = chosen(answer, texts, most)
    if not found:
        return unparseable("no_letter")
    if len(set(found)) > 1:
        return wrong("hedged", ", ".join(found))
    return correct(found[0]) if found[0] == right else wrong("different", found[0])


def chosen(answer: str, texts: Sequence[str] = (), most: int = USUAL_OPTIONS) -> list[str]:
    """The letters that an answer names as its choice: none, one, or several where it hedges.

    The last box counts before the last line of the form "answer: X" or "answer is X".

    Args:
        answer: the answer part.
        texts: the options' texts, of which a box may hold one.
        most: how many options there are.
    """
    boxed = [box for box in joint_boxes(answer) if box]
    letters = [_in_box(box, texts, most) for box in boxed]
    if letters and letters[-1]:  # a last box without an option takes back those before it
        return list(dict.fromkeys(letter for found in letters for letter in found))
    return _in_line(answer, most)


def _in_box(box: str, texts: Sequence[str], most: int) -> list[str]:
    same = [index for index, text in enumerate(texts) if plain(text) == plain(box[:LONGEST])]
    bare = _DRESS.sub(" ", box[:LONGEST]).strip().rstrip(".")
    bare = re.sub(r"^(?:option|choice|answer)\b\s*:?\s*", "", bare, flags=re.IGNORECASE)
    found = _ALONE.match(bare)
    if len(same) == 1 and not (found and not found[2].strip()):
        return [chr(65 + same[0])]
    first = re.match(r"\(?\s*([A-Za-z])\s*\)?(?![\w'])", bare)
    if first and _letter(first[1], most) and _MORE.match(bare, first.end()):
        return _with_more(bare, first.end(), first[1], most)
    if found and _letter(found[1], most):
        return _letter(found[1], most)
    return [chr(65 + same[0])] if len(same) == 1 else []


def _in_line(answer: str, most: int) -> list[str]:
    text = _DRESS.sub(lambda dress: " " if dress[0][0] == "\\" else "", answer)
    for line in reversed(list(_LINE.finditer(text))):
        letter = line["letter"]
        closed = line["mark"] or line["closed"]
        following = text[line.end() : line.end() + 40]
        if letter.islower() and not closed and following.strip(" .\t")[:1] not in ("", "\n"):
            continue  # "the answer is a matter of taste"
        if letter in "Ii" and not closed and _PRONOUN.match(following):
            continue  # "Answer: I think that"
        if _letter(letter, most):
            return _with_more(text, line.end(), letter, most)
    return []


def _with_more(text: str, position: int, letter: str, most: int) -> list[str]:
    """A letter and those that follow it after a comma, "and" or "or"."""
    found = _letter(letter, most)
    while more := _MORE.match(text, position):
        if more[1].islower() and "(" not in more[0]:
            break
        found += _letter(more[1], most)
        position = more.end()
    return list(dict.fromkeys(found))


def _letter(text: str, most: int) -> list[str]:
    upper = text.upper()
    return [upper] if 0 <= ord(upper) - 65 < min(most, MOST_OPTIONS) else []


def _options(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        value = [value[key] for key in sorted(value, key=str)]
    return [str(one) for one in value][:MOST_OPTIONS] if isinstance(value, list | tuple) else []


def _gold(gold: Any, texts: Sequence[str]) -> str | None:
    text = str(gold).strip() if isinstance(gold, str) else ""
    if re.fullmatch(r"\(?[A-Za-z]\)?\.?", text):
        return text.strip("().").upper()
    same = [index for index, one in enumerate(texts) if plain(one) == plain(text)]
    return chr(65 + same[0]) if text and len(same) == 1 else None
