"""Numbers, addresses and names that a rephrasing still has."""

import re
from typing import NamedTuple

from eval.faithfulness.words import WORD

NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*%?")


URL = re.compile(r"(?:https?://|www\.)[^\s<>()\[\]\"'`]+")


NAME = re.compile(r"(?<=[a-z,;)] )[A-Z]\w+(?:['’]\w+)*")


class Numbers(NamedTuple):
    """Sets compared: None where the side that is divided by is empty."""

    recall: float | None
    precision: float | None


def numbers_kept(organic: str, rephrased: str) -> Numbers:
    """Recall and precision of the set of numbers; None where there is none to find."""
    return _sets(set(NUMBER.findall(organic)), set(NUMBER.findall(rephrased)))


def urls_kept(organic: str, rephrased: str) -> Numbers:
    """Recall and precision of the set of web addresses; None where there is none to find."""
    return _sets(_urls(organic), _urls(rephrased))


def names_kept(organic: str, rephrased: str) -> Numbers:
    """Recall and precision of the set of names: capitalised words inside sentences, looked for in any position.

    A heuristic for languages that capitalise names only; a word that opens every sentence it is in is not found.
    """
    left, right = set(NAME.findall(organic)), set(NAME.findall(rephrased))
    found = left & set(WORD.findall(rephrased))
    return Numbers(
        len(found) / len(left) if left else None,
        len(right & set(WORD.findall(organic))) / len(right) if right else None,
    )


def _urls(text: str) -> set[str]:
    return {url.rstrip(".,;:!?*") for url in URL.findall(text)}


def _sets(organic: set[str], rephrased: set[str]) -> Numbers:
    common = len(organic & rephrased)
    return Numbers(common / len(organic) if organic else None, common / len(rephrased) if rephrased else None)
