"""fastText, computed exactly as DCLM does."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from common.config import RunConfig


class FastTextConfig(RunConfig):
    """Probability of good text by a fastText classifier, computed exactly as DCLM does."""

    kind: Literal["fasttext"] = "fasttext"

    model: str
    """fastText model file (`.bin`): DCLM's published `fasttext_oh_eli5.bin`, or one from `filter.train_quality`."""

    field: str = "fasttext_oh_eli5_vs_rw_v2_prob"
    """Name of the score's field in each document."""

    negative_label: str = "__label__cc"
    """The label of poor text: where it is the likelier one, the score is 1 minus its probability."""


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


def positive_probability(label: str, probability: float, negative_label: str = "__label__cc") -> float:
    """The likeliest label's probability as a score in [0, 1]: p, or 1 - p where the label is the negative one.

    Clamped: fastText returns up to 1.00001.
    """
    score = 1 - probability if label == negative_label else probability
    return min(max(score, 0.0), 1.0)


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
        if self.negative_label not in self.model.labels:
            raise ValueError(
                f"{config.model} knows the labels {', '.join(self.model.labels[:5])}, not {self.negative_label}; "
                "set negative_label to its label for poor text"
            )

    def score(self, texts: Sequence[str]) -> list[float | None]:
        """Scores in [0, 1]; a text without words scores as the model's prior says, clamped."""
        if not texts:
            return []
        labels, probabilities = self.model.predict([normalize(text) for text in texts], k=1)
        return [
            positive_probability(label, float(probability), self.negative_label)
            for (label,), (probability,) in zip(labels, probabilities, strict=True)
        ]
