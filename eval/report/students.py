"""One sentence about each model scored beside the first: how many bits per byte apart, and whether that is noise."""

from collections.abc import Sequence
from typing import NamedTuple

from eval.compare.differences import Difference, compare, read
from eval.report.stages import Stage

BITS = "bits per byte"


class StudentPair(NamedTuple):
    """Two models and how many bits per byte they are apart."""

    first: str
    other: str
    difference: Difference


def student_pairs(stages: Sequence[Stage]) -> list[StudentPair]:
    """Every further model with bits per byte beside the first one, on the documents that both scored."""
    runs = [read(str(stage.path)) for stage in stages if "bpb" in stage.record]
    if not runs:
        return []
    first, *others = runs
    found = [(other, compare(first, other).get(BITS)) for other in others]
    return [StudentPair(first.name, other.name, difference) for other, difference in found if difference is not None]


def student_sentences(stages: Sequence[Stage]) -> list[str]:
    """Bits per byte of every further model beside the first one's, on the documents that both scored."""
    return [sentence(*pair) for pair in student_pairs(stages)]


def sentence(first: str, other: str, difference: Difference) -> str:
    """Who needs more, how much, and what that is worth.

    >>> told = sentence("organic", "mixed", Difference(-0.0213, [-0.04, -0.01], "lower"))
    >>> told.startswith("mixed needs 0.021 bits per byte less than organic"), "more than noise over" in told
    (True, True)
    """
    value, bounds = difference.value, difference.interval_95
    told = f"{other} needs {abs(value):.3f} bits per byte {'less' if value < 0 else 'more'} than {first}"
    if bounds is None:
        return f"{told}; they share no documents, so nothing says whether that is more than noise."
    much = "no more than noise" if bounds[0] <= 0 <= bounds[1] else "more than noise over documents"
    return (
        f"{told} on the same held-out text (95 % over documents: {bounds[0]:+.3f} to {bounds[1]:+.3f}): {much}. "
        "Another seed may move either as much."
    )
