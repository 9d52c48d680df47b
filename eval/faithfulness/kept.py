"""Numbers, addresses and names that a rephrasing still has."""

import re
from typing import NamedTuple

from eval.faithfulness.words import WORD

NUMBER = re.compile(r"\d+(?:[.,:/]\d+)*%?")


URL = re.compile(r"(?:https?://|www\.)[^\s<>()\[\]\"'`]+")


ADDRESS_END = ".,;:!?*"
"""What ends a sentence, and no address."""


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


class Fact(NamedTuple):
    """A number, address or name where it stands in a text."""

    start: int
    end: int
    kind: str
    """`number`, `address` or `name`."""
    shared: bool
    """Whether the other text has it too."""


class KnownFacts(NamedTuple):
    """What a text has of what may be looked for in another one."""

    addresses: set[str]
    numbers: set[str]
    words: set[str]
    """All words: a name may open a sentence."""


def known_facts(text: str) -> KnownFacts:
    """What a text has, for `facts` of others."""
    return KnownFacts(_urls(text), set(NUMBER.findall(text)), set(WORD.findall(text)))


def facts(text: str, other: str | KnownFacts) -> list[Fact]:
    """What `numbers_kept`, `urls_kept` and `names_kept` look for, in order; digits of an address are no numbers.

    What is not shared of an organic text is lost in its rephrasing; what is not shared of that is invented.

    >>> [(fact.kind, fact.shared) for fact in facts("seen in Rome in 1871, see www.a.org/2", "Rome, in 1870")]
    [('name', True), ('number', False), ('address', False)]
    """
    known = known_facts(other) if isinstance(other, str) else other
    found = []
    for match in URL.finditer(text):
        address = match[0].rstrip(ADDRESS_END)
        found.append(Fact(match.start(), match.start() + len(address), "address", address in known.addresses))
    found += [Fact(*match.span(), "name", match[0] in known.words) for match in NAME.finditer(text)]
    found += [Fact(*match.span(), "number", match[0] in known.numbers) for match in NUMBER.finditer(text)]
    apart: list[Fact] = []
    for fact in sorted(found):
        if fact.start >= (apart[-1].end if apart else 0) and fact.end > fact.start:
            apart.append(fact)
    return apart


def _urls(text: str) -> set[str]:
    return {url.rstrip(ADDRESS_END) for url in URL.findall(text)}


def _sets(organic: set[str], rephrased: set[str]) -> Numbers:
    common = len(organic & rephrased)
    return Numbers(common / len(organic) if organic else None, common / len(rephrased) if rephrased else None)
