"""fastText, computed exactly as DCLM does."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from common.config import ADDED, RunConfig


class FastTextConfig(RunConfig):
    """Probability of good text by a fastText classifier, computed exactly as DCLM does."""

    kind: Literal["fasttext"] = "fasttext"

    model: str
    """fastText model file (`.bin`): DCLM's published `fasttext_oh_eli5.bin`, or one from `filter.train_quality`."""

    field: str = "fasttext_oh_eli5_vs_rw_v2_prob"
    """Name of the score's field in each document."""

    negative_label: str = "__label__cc"
    """The label of poor text: where it is the likelier one, the score is 1 minus its probability."""

    positive_label: Annotated[str | None, ADDED] = None
    """The label of good text; None takes the model's only other one. A model with more labels is asked for this one's
    probability."""


def normalize(text: str) -> str:
    """One line, as DCLM feeds fastText: strip, split lines at every line boundary of Unicode, join with one space.

    No lower-casing, no other change (DCLM, arXiv:2406.11794).

    >>> normalize("  A\\nB\\r\\nC\\u2028D\\n\\nE  ")
    'A B C D  E'
    """
    line = text.strip()
    # the rare marks are looked for one by one, because `in` is far faster than `splitlines` on a text without them
    if (
        "\r" in line or "\v" in line or "\f" in line or "\x1c" in line or "\x1d" in line or "\x1e" in line
        or "\x85" in line or "\u2028" in line or "\u2029" in line
    ):  # fmt: skip
        return " ".join(line.splitlines())
    return line.replace("\n", " ")


def positive_probability(
    label: str, probability: float, negative_label: str = "__label__cc", positive_label: str = "__label__hq"
) -> float:
    """The likeliest label's probability as a score in [0, 1]: p of the positive label, 1 - p of the negative one.

    Clamped: fastText returns up to 1.00001.

    Raises:
        ValueError: the label is neither, so that its probability tells of neither.
    """
    if label not in (negative_label, positive_label):
        raise ValueError(f"the label {label} is neither {positive_label} nor {negative_label}")
    return _clamped(1 - probability if label == negative_label else probability)


def _clamped(score: float) -> float:
    return min(max(score, 0.0), 1.0)


_OBEYED = re.compile(r"(?<![^ \t\v\f\r\n\0])(__label__|</s>(?![^ \t\v\f\r\n\0]))")


def escape_markup(line: str) -> tuple[str, int]:
    """A training line in which no word of the page is fastText's own markup, and how many words were changed.

    A word that begins with `__label__` would be a label of the page, and `</s>` the end of its line: both get a
    backslash in front.

    >>> escape_markup("see __label__hq or </s> and </s>x")
    ('see \\\\__label__hq or \\\\</s> and </s>x', 2)
    """
    return _OBEYED.subn(r"\\\1", line)


class FastTextScorer:
    """Scores with a fastText model; see `FastTextConfig`."""

    def __init__(self, config: FastTextConfig) -> None:
        self.field = config.field
        self.negative_label = config.negative_label
        if not Path(config.model).is_file():
            raise ValueError(
                f"no fastText model at {config.model}; train one with `python -m filter.train_quality DATA out=FILE`, "
                "or fetch DCLM's mlfoundations/fasttext-oh-eli5 (configs/filter/smoke_cpu.yaml needs neither)"
            )
        import fasttext  # takes NumPy and a compiled library along: not needed for --help

        self.model = fasttext.load_model(config.model)
        known = self.model.labels
        if self.negative_label not in known:
            raise ValueError(
                f"{config.model} knows the labels {', '.join(known[:5])}, not {self.negative_label}; "
                "set negative_label to its label for poor text"
            )
        others = [label for label in known if label != self.negative_label]
        if config.positive_label is None and len(others) != 1:
            raise ValueError(
                f"{config.model} knows {len(known)} labels ({', '.join(known[:5])}); set positive_label to its label "
                "for good text"
            )
        self.positive_label = config.positive_label or others[0]
        if self.positive_label not in others:
            raise ValueError(f"{config.model} knows the labels {', '.join(known[:5])}, not {self.positive_label}")
        self.two = len(known) == 2

    def score(self, texts: Sequence[str]) -> list[float | None]:
        """Scores in [0, 1]; a text without words scores as the model's prior says, clamped."""
        if not texts:
            return []
        # The likeliest label says all where there are two, as in DCLM; else the wanted one is looked for among all.
        labels, probabilities = self.model.predict([normalize(text) for text in texts], k=1 if self.two else -1)
        rows = zip(labels, probabilities, strict=True)
        if not self.two:
            return [_clamped(float(dict(zip(*row, strict=True)).get(self.positive_label, 0.0))) for row in rows]
        return [
            positive_probability(label, float(probability), self.negative_label, self.positive_label)
            for (label,), (probability,) in rows
        ]
