"""The union of scorer configs, QualityScorer, open_quality_scorer, what identifies a scorer."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import Field

from common.config import RunConfig, config_hash
from filter.scorers.classifier import ClassifierConfig
from filter.scorers.dataman import DataManConfig
from filter.scorers.fast_text import FastTextConfig, FastTextScorer
from filter.scorers.simple import SimpleConfig, SimpleScorer

ScorerConfig = FastTextConfig | DataManConfig | ClassifierConfig | SimpleConfig


AnyScorerConfig = Annotated[ScorerConfig, Field(discriminator="kind")]


class QualityScorer(Protocol):
    """What every kind of scorer offers."""

    field: str

    def score(self, texts: Sequence[str]) -> list[float | None]:
        """One score per text, in order; None where there is none, never a 0 in its place."""
        ...


@lru_cache(maxsize=8)
def open_quality_scorer(config: ScorerConfig) -> QualityScorer:
    """Load a scorer; a process that asks again for the same one gets the one it has.

    Raises:
        ValueError: its model or server is not there.
    """
    if isinstance(config, FastTextConfig):
        return FastTextScorer(config)
    if isinstance(config, DataManConfig):
        from filter.scorers.dataman import DataManScorer

        return DataManScorer(config)
    if isinstance(config, SimpleConfig):
        return SimpleScorer(config)
    from filter.scorers.classifier import ClassifierScorer

    return ClassifierScorer(config)


def scorer_identity(config: Any) -> str:
    """What, beside its config, decides a scorer's results: the content of a fastText model file."""
    if not isinstance(config, FastTextConfig):
        return ""
    return _digest(config.model, Path(config.model).stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _digest(path: str, changed_ns: int) -> str:
    del changed_ns  # a part of the key: a file that changed is read again
    with Path(path).open("rb") as source:
        return hashlib.file_digest(source, "blake2b").hexdigest()[:16]


def scores_hash(config: RunConfig, scorers: Sequence[Any]) -> str:
    """Hash of a config and of the models it names: a retrained model does not pass for the old one."""
    parts = [config_hash(config), *(scorer_identity(scorer) for scorer in scorers)]
    return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]
