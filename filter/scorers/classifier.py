"""A Hugging Face sequence classifier as a quality scorer (FineWeb-Edu's and its kind)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from common.config import HOW, RunConfig


class ClassifierConfig(RunConfig):
    """Score by any Hugging Face sequence classifier, such as `HuggingFaceFW/fineweb-edu-classifier`."""

    kind: Literal["classifier"] = "classifier"

    model: str
    """Model folder or hub name."""

    field: str = "classifier_score"
    """Name of the score's field in each document."""

    read: Literal["auto", "regression", "probability", "expected"] = "auto"
    """How the outputs become a score: `regression` = the one output as it is (FineWeb-Edu: 0 to 5); `probability` = of
    `label`; `expected` = sum of class number times probability. `auto`: regression for one output, else probability."""

    label: int = -1
    """The class whose probability is the score; -1 is the last."""

    max_tokens: int = Field(512, ge=8)
    """Tokens of a text that are read; the rest is cut off (FineWeb-Edu: 512)."""

    batch_tokens: Annotated[int, HOW] = Field(16_384, ge=8)
    """Padded tokens per forward pass: short texts go many at a time, long ones few."""

    device: Annotated[str, HOW] = "auto"
    """`cpu`, `cuda`, `cuda:1`, or `auto` for the GPU if there is one."""


def length_batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Group rows of like length so that rows times the longest stays within a budget.

    Args:
        lengths: [N] tokens per row.
        batch_tokens: most padded tokens in a batch; a longer row goes alone.

    Returns:
        Row numbers per batch, each row in exactly one.

    >>> length_batches([5, 1, 2, 9], 6)
    [[3], [0], [2, 1]]
    """
    order = sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    batches: list[list[int]] = []
    for row in order:
        if batches and (len(batches[-1]) + 1) * lengths[batches[-1][0]] <= batch_tokens:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


class ClassifierScorer:
    """Scores with a sequence classifier; see `ClassifierConfig`.

    A text's score does not depend on the texts beside it beyond float rounding (1e-5 in fp32): padding is masked.
    """

    def __init__(self, config: ClassifierConfig) -> None:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        if "/" in config.model and config.model.startswith((".", "/")) and not Path(config.model).is_dir():
            raise ValueError(f"no classifier at {config.model}")
        device = config.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self.config = config
        self.field = config.field
        self.device = device
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(config.model)
            self.model = AutoModelForSequenceClassification.from_pretrained(config.model).to(device).eval()
        except OSError as error:  # the library's word for a folder or hub name that holds no model
            raise ValueError(f"no classifier {config.model}: {str(error).splitlines()[0]}") from None
        outputs = self.model.config.num_labels
        self.read = config.read if config.read != "auto" else ("regression" if outputs == 1 else "probability")
        if self.read == "regression" and outputs != 1:
            raise ValueError(f"{config.model} has {outputs} classes, so read=regression does not fit")
        if not -outputs <= config.label < outputs:
            raise ValueError(f"{config.model} has {outputs} classes; label {config.label} is not one of them")

    def score(self, texts: Sequence[str]) -> list[float | None]:
        """One score per text, in the classifier's own range; None for a text without tokens."""
        import torch

        if not texts:
            return []
        ids = self.tokenizer(list(texts), truncation=True, max_length=self.config.max_tokens)["input_ids"]
        scores: list[float | None] = [None] * len(texts)
        with torch.inference_mode():
            for rows in length_batches([len(one) for one in ids], self.config.batch_tokens):
                filled = [row for row in rows if ids[row]]
                if not filled:
                    continue
                padded = self.tokenizer.pad({"input_ids": [ids[row] for row in filled]}, return_tensors="pt")
                logits = self.model(**padded.to(self.device)).logits.float()  # [B, classes]
                for row, value in zip(filled, self._reduce(logits), strict=True):
                    scores[row] = value
        return scores

    def _reduce(self, logits: Any) -> list[float]:
        import torch

        if self.read == "regression":
            return logits[:, 0].tolist()
        probabilities = logits.softmax(-1)
        if self.read == "expected":
            return (probabilities @ torch.arange(logits.shape[1], dtype=torch.float32, device=logits.device)).tolist()
        return probabilities[:, self.config.label].tolist()
