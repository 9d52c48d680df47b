"""Quality scores of documents; each scorer writes one float field.

Usage:
    python -m filter.quality score POOL OUT kind=fasttext model=quality.bin field=quality
    python -m filter.quality score POOL OUT scorers.yaml workers=8

Several scorers run in one pass when a YAML file lists them under `scorers`. Every document comes out with its scores as
fields; a text that a scorer cannot score gets null there and is counted. At the end a histogram and the quantiles of
each score are printed: a threshold is a number, not a rate, and what share it keeps differs from pool to pool.
"""

import hashlib
import itertools
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field, model_validator

from common.config import HOW, RunConfig, config_hash, parse, usage_errors
from common.launch import run_shards
from common.shards import Document, Result, Shard, add_stats, list_shards, process_shard, read_pool
from filter.classifier import ClassifierConfig
from filter.dataman import DataManConfig

PUBLISHED_FIELDS = {
    "fasttext_oh_eli5_vs_rw_v2_prob": "fasttext_openhermes_reddit_eli5_vs_rw_v2_bigram_200k_train_prob",
}
"""A score's field → the name under which the published DCLM-baseline holds the same score."""

BATCH_DOCS = 256
"""Documents scored together. fastText gains nothing from more; a classifier forms its own token-budget batches."""


class FastTextConfig(RunConfig):
    """Probability of good text by a fastText classifier, computed exactly as DCLM does."""

    kind: Literal["fasttext"] = "fasttext"

    model: str
    """fastText model file (`.bin`): DCLM's published `fasttext_oh_eli5.bin`, or one from `filter.train_quality`."""

    field: str = "fasttext_oh_eli5_vs_rw_v2_prob"
    """Name of the score's field in each document."""

    negative_label: str = "__label__cc"
    """The label of poor text: where it is the likelier one, the score is 1 minus its probability."""


class SimpleConfig(RunConfig):
    """A score that needs no model: what a trained one has to beat, and what a trial run can do with."""

    kind: Literal["simple"]

    name: Literal["stop_word_share", "character_length"] = "stop_word_share"
    """`filter.separation` says what each is worth on labelled pages."""

    field: str = "stop_word_share"
    """Name of the score's field in each document."""


ScorerConfig = FastTextConfig | DataManConfig | ClassifierConfig | SimpleConfig
AnyScorerConfig = Annotated[ScorerConfig, Field(discriminator="kind")]


class Scorer(Protocol):
    """What every kind of scorer offers."""

    field: str

    def score(self, texts: Sequence[str]) -> list[float | None]:
        """One score per text, in order; None where there is none, never a 0 in its place."""
        ...


@lru_cache(maxsize=8)
def open_scorer(config: ScorerConfig) -> Scorer:
    """Load a scorer; a process that asks again for the same one gets the one it has.

    Raises:
        ValueError: its model or server is not there.
    """
    if isinstance(config, FastTextConfig):
        return FastTextScorer(config)
    if isinstance(config, DataManConfig):
        from filter.dataman import DataManScorer

        return DataManScorer(config)
    if isinstance(config, SimpleConfig):
        return SimpleScorer(config)
    from filter.classifier import ClassifierScorer

    return ClassifierScorer(config)


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


class SimpleScorer:
    """Scores with a formula; see `SimpleConfig`."""

    def __init__(self, config: SimpleConfig) -> None:
        from filter.separation import SIMPLE_SCORES

        self.field = config.field
        self.formula = SIMPLE_SCORES[config.name]

    def score(self, texts: Sequence[str]) -> list[float | None]:
        """One score per text."""
        return [self.formula(text) for text in texts]


def read_score(document: Document, field: str) -> float | None:
    """A document's score under its field's name, or under the name of the published DCLM data; None if not a number."""
    value = document.get(field)
    if value is None and field in PUBLISHED_FIELDS:
        value = document.get(PUBLISHED_FIELDS[field])
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def score_batches(
    documents: Iterable[Document], scorers: Sequence[Scorer]
) -> Iterator[tuple[list[Document], dict[str, list[float | None]]]]:
    """Documents in batches, in order, with every scorer's scores: field → one per document.

    Raises:
        RuntimeError: a scorer scored none of the first documents: the scorer is at fault, not they.
    """
    for number, batch in enumerate(_batches(documents, BATCH_DOCS)):
        texts = [document["text"] for document in batch]
        columns = {scorer.field: scorer.score(texts) for scorer in scorers}
        for field, scores in columns.items():
            if number == 0 and all(score is None for score in scores):
                raise RuntimeError(f"the scorer of {field!r} scored none of the first {len(scores)} documents")
        yield batch, columns


def score_documents(documents: Iterable[Document], scorers: Sequence[Scorer]) -> Iterator[Result]:
    """Add every scorer's field to every document, in order; see `score_batches`."""
    for batch, columns in score_batches(documents, scorers):
        for row, document in enumerate(batch):
            unscored = [field for field, scores in columns.items() if scores[row] is None]
            counts: dict[str, Any] = {"unscored": dict.fromkeys(unscored, 1)} if unscored else {}
            if not document["text"].strip():
                counts["empty_text"] = 1
            yield Result(document | {field: scores[row] for field, scores in columns.items()}, counts=counts)


class ScoreConfig(RunConfig):
    """Score a pool."""

    command: Literal["score"] = "score"

    pool: str
    """Folder, glob, file or fsspec URL of shards."""

    out: Annotated[str, HOW]
    """Folder for the scored pool."""

    scorer: AnyScorerConfig | None = None
    """One scorer; on the command line its keys stand alone: `kind=fasttext model=FILE`."""

    scorers: list[AnyScorerConfig] = []
    """Several scorers for one pass (from a YAML file)."""

    workers: Annotated[int, HOW] = Field(1, ge=1)
    """Processes on this machine."""

    cluster: Annotated[Literal["local", "ray"], HOW] = "local"
    """Where the shards are worked on."""

    @model_validator(mode="after")
    def _has_scorers(self) -> "ScoreConfig":
        fields = [scorer.field for scorer in self.all_scorers()]
        if not fields:
            raise ValueError("no scorer given; add kind=fasttext model=FILE, or list scorers in a YAML file")
        if len(set(fields)) < len(fields):
            raise ValueError(f"two scorers write one field ({', '.join(fields)}); give each its own field")
        return self

    def all_scorers(self) -> list[Any]:
        """The one scorer and the listed ones."""
        return ([self.scorer] if self.scorer else []) + self.scorers


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


def score_shard(shard: Shard, config: ScoreConfig, identity: str) -> dict[str, Any]:
    """Score one shard of a pool; what a worker process runs."""

    def transform(documents: Iterator[Document]) -> Iterator[Result]:
        return score_documents(documents, [open_scorer(scorer) for scorer in config.all_scorers()])

    # batches end with their part, so that a resumed run forms the same ones
    return process_shard(shard, config.out, transform, config_hash=identity, restart_each_part=True)


def main(argv: list[str] | None = None) -> None:
    """Read the command line, score the pool, print what came out."""
    arguments = [_into_scorer(argument) for argument in (sys.argv[1:] if argv is None else argv)]
    config = parse(ScoreConfig, __doc__, arguments, positional=("command", "pool", "out"), plan=_plan)
    with usage_errors():
        shards = list_shards(config.pool)
        for scorer in config.all_scorers():
            open_scorer(scorer)  # a missing model ends here with one line, not in a worker
    from filter.histogram import Histogram, text_histogram

    work = partial(score_shard, config=config, identity=scores_hash(config, config.all_scorers()))
    stats = run_shards(work, shards, workers=config.workers, cluster=config.cluster, label=f"score {config.pool}")
    total = {key: value for key, value in _sum(stats).items() if key not in ("seconds", "config_hash")}
    print(total)  # noqa: T201 - the command's output
    fields = [scorer.field for scorer in config.all_scorers()]
    histograms = {field: Histogram() for field in fields}
    for document in read_pool(config.out):
        for field in fields:
            score = read_score(document, field)
            if score is not None:
                histograms[field].add(score)
    for field in fields:
        print(text_histogram(field, histograms[field]))  # noqa: T201 - the command's output


def _plan(config: ScoreConfig) -> dict[str, Any]:
    return {"reads": f"{len(list_shards(config.pool))} shards of {config.pool}", "writes": config.out}


def _sum(stats: Sequence[dict[str, Any]]) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for one in stats:
        total = add_stats(total, one) if total else dict(one)
    return total


def _into_scorer(argument: str) -> str:
    """`model=FILE` → `scorer.model=FILE`: a scorer's own keys may stand alone on the command line."""
    key, equals, value = argument.removeprefix("--").partition("=")
    own = key.replace("-", "_").partition(".")[0] in ScoreConfig.model_fields
    if not equals or own or argument.endswith((".yaml", ".yml")):
        return argument
    return f"scorer.{key}={value}"


def _batches(items: Iterable[Document], size: int) -> Iterator[list[Document]]:
    source = iter(items)
    while batch := list(itertools.islice(source, size)):
        yield batch


if __name__ == "__main__":
    main()
