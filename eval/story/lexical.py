"""How much of a text is copied from another: unseen trigrams and Rouge-L, on lower-cased words."""

from collections.abc import Sequence
from dataclasses import dataclass

from eval.faithfulness.words import words


@dataclass(frozen=True)
class RougeL:
    """Longest common subsequence of words against the length of either text."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Harmonic mean; 0 where nothing is common."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def lcs_length(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence, with one bit of a big integer per word of `a`.

    Source: Hyyrö, Bit-parallel LCS-length computation revisited (2004): T(len(b)) operations on len(a) bits.

    >>> lcs_length("a b c d".split(), "b x d a".split())
    2
    """
    places: dict[str, int] = {}
    for place, word in enumerate(a):
        places[word] = places.get(word, 0) | 1 << place
    every = (1 << len(a)) - 1
    open_places = every
    for word in b:
        matched = open_places & places.get(word, 0)
        open_places = ((open_places + matched) | (open_places - matched)) & every
    return len(a) - open_places.bit_count()


def rouge_l(output: str, reference: str) -> RougeL:
    """Rouge-L of an output against a reference: precision is the share of the output's words that is common."""
    found, wanted = words(output), words(reference)
    common = lcs_length(found, wanted)
    return RougeL(common / len(found) if found else 0.0, common / len(wanted) if wanted else 0.0)


def unseen_trigrams(output: str, seen: str) -> float | None:
    """Share of an output's word trigrams (each as often as it comes) that the other text has not; None without any.

    >>> unseen_trigrams("the cat sat down", "The cat sat.")
    0.5
    """
    known = set(_trigrams(words(seen)))
    found = _trigrams(words(output))
    return sum(trigram not in known for trigram in found) / len(found) if found else None


def _trigrams(tokens: Sequence[str]) -> list[tuple[str, str, str]]:
    return list(zip(tokens, tokens[1:], tokens[2:], strict=False))
