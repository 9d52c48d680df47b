"""Which checks of a chunk's rephrasing are on, and their thresholds."""

from pydantic import Field, model_validator

from common.config import RunConfig


class GateConfig(RunConfig):
    """Checks of every chunk's rephrasing after its format; null: off.

    A chunk that fails one is tried again where decoding is sampled, then treated by `on_bad_chunk`, and counted as
    `unfaithful/<check>`. `python -m rephrase.calibrate PAIRS` prints what each threshold would reject.
    """

    numbers: float | None = Field(None, ge=0, le=1)
    """Least share of the organic prose's numbers that is kept."""

    urls: float | None = Field(None, ge=0, le=1)
    """Least share of the organic prose's web addresses that is kept."""

    names: float | None = Field(None, ge=0, le=1)
    """Least share of the organic prose's names (capitalised words inside sentences) that is kept."""

    content: float | None = Field(None, ge=0, le=1)
    """Least share of the organic prose's content words that is kept (words of four letters and more, multisets)."""

    invented_words: float | None = Field(None, ge=0, le=1)
    """Greatest share of the rephrasing's words that stand nowhere in the chunk; for models that clean, not rewrite."""

    novel_5grams: float | None = Field(None, ge=0, le=1)
    """Greatest share of the rephrasing's runs of five words that the chunk lacks; for models that clean."""

    length: float | None = Field(None, ge=0)
    """Least length of the rephrasing, in characters per character of the organic prose."""

    semantic: float | None = Field(None, ge=0, le=1)
    """Least BERTScore F1 by `semantic_model`; it costs an encoder pass per chunk."""

    semantic_model: str = ""
    """Folder or hub name of the encoder."""

    semantic_layer: int = Field(18, ge=1)
    """Layer of the encoder (18 of microsoft/deberta-large-mnli: arXiv:2510.10681)."""

    empty_passes: bool = True
    """Whether an answer that drops every line passes unseen: a chunk may be nothing but boilerplate."""

    @model_validator(mode="after")
    def _semantic_has_a_model(self) -> "GateConfig":
        if self.semantic is not None and not self.semantic_model:
            raise ValueError("gate.semantic needs gate.semantic_model")
        return self

    def on(self) -> dict[str, float]:
        """The checks that are on, with their thresholds."""
        return {name: value for name in CHECKS if (value := getattr(self, name)) is not None}


CHECKS = ("numbers", "urls", "names", "content", "length", "invented_words", "novel_5grams", "semantic")
"""In the order in which they are judged."""

CEILINGS = frozenset({"invented_words", "novel_5grams"})
"""Checks whose threshold is the greatest value that passes; of the others it is the least."""
