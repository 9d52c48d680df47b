"""Rows for training the rephraser with rewards: documents cut to the policy's room, held-out ones apart, scored once.

Writes `train.jsonl` and `eval.jsonl` with `id`, `text` and, if a scorer is named, its field (arXiv:2510.10681 ships
`{text, dataman_score}`); with `noise` also `clean_text` and, on request, the quality classifier that tells clean
passages from the same ones with boilerplate. `rl.train` builds the same folder for the `data` of its config.

Differs from the paper: a document is cut at a paragraph's end (`rephrase.text.chunking`), not after 7,000 characters.
"""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from common.config import ADDED, HOW, RunConfig, config_hash
from common.pools.documents import write_documents
from common.pools.shards import list_shards, read_pool
from common.runs.folder import write_json
from filter.scorers.kinds import AnyScorerConfig
from filter.scorers.training import FastTextTraining
from rl.data.recycling.clean_rows import RephraseDataConfig, build_rows

SAMPLED = 8
"""Passages looked at for each that is taken: a large pool is only sampled."""

Row = dict[str, Any]
Count = Callable[[str], int]


class NoiseConfig(RunConfig):
    """Clean passages of the pool with boilerplate put in, in place of its documents as they are."""

    held_out_frac: float = Field(0.05, gt=0, lt=1)
    """Share of the documents whose passages are held out. The tiny rephraser was trained with 0.05: keep this value for
    it, or the evaluation includes training pages. A small pool needs a larger share."""

    min_tokens: int = Field(16, gt=0)
    """Shortest passage, before the noise."""

    max_tokens: int = Field(96, gt=0)
    """Longest passage, before the noise."""

    max_pieces: int = Field(4, ge=1)
    """Most pieces of boilerplate in a passage."""

    clean_frac: float = Field(0.0, ge=0, le=1)
    """Share of passages left clean."""

    harvest_pages: int = Field(500, ge=0)
    """Short lines of so many pages serve as boilerplate too."""

    quality_model: Annotated[str, HOW] = ""
    """Where to save a fastText classifier of clean against noisy passages; none is trained if empty."""

    quality_rows: int = Field(4000, ge=100)
    """Passages the classifier learns from, once clean and once with noise; none of them is held out."""

    quality_training: FastTextTraining = FastTextTraining(
        dim=16, wordNgrams=2, bucket=50_000, epoch=15, lr=0.3, minCount=1
    )
    """How the classifier is trained: small, because it must load in a second."""


class RecyclingDataConfig(RunConfig):
    """Which documents become training prompts."""

    kind: Literal["recycling"] = "recycling"

    pool: str = "runs/quickstart/pool"
    """Shards of documents, or a file of rows (`{text, dataman_score}`)."""

    rows_file: Annotated[str, ADDED] = ""
    """A file of rows in place of the pool, such as the paper's 1,000 low-scoring pages."""

    rows: int = Field(1000, ge=1)
    """Training rows."""

    eval_rows: int = Field(128, ge=0)
    """Held-out rows (128: arXiv:2510.10681), taken by hash of the document's id."""

    max_chars: int = Field(7000, ge=1)
    """Longest text in characters (arXiv:2510.10681); only the first chunk of a longer document is used."""

    max_tokens: int = Field(1638, ge=1)
    """Longest text in the policy's tokens: 2,048 / 1.25, so that a rephrasing at the length ceiling fits."""

    noise: NoiseConfig | None = None
    """Build noisy passages in place of documents as they are."""

    score_field: str = ""
    """Field with the quality score of a row; rows without it, or out of its range, are left out."""

    score_range: tuple[float, float] = (1.0, 5.0)
    """The score's least and greatest value; a row at the greatest cannot improve and is left out."""

    scorer: AnyScorerConfig | None = None
    """Scores the rows that carry no `score_field`."""

    seed: int = 42
    """Seed of the noise and of the rows' order (42: arXiv:2510.10681)."""

    @model_validator(mode="after")
    def _score_has_a_field(self) -> "RecyclingDataConfig":
        if self.scorer and self.score_field and self.scorer.field != self.score_field:
            raise ValueError(f"the scorer writes {self.scorer.field!r}, but score_field is {self.score_field!r}")
        return self

    @property
    def documents(self) -> str:
        """Where the documents come from."""
        return self.rows_file or self.pool

    @property
    def field(self) -> str:
        """The field that holds the score, "" if rows are not scored."""
        return self.score_field or (self.scorer.field if self.scorer else "")


def build(config: RecyclingDataConfig, folder: str | Path, count: Count) -> dict[str, Any]:
    """Write `train.jsonl`, `eval.jsonl` and `data.json` into a folder, unless the same config has done so before.

    Args:
        config: what to build.
        folder: where.
        count: tokens of a text by the policy's tokenizer.

    Returns:
        The figures of `data.json`: rows kept and left out, by reason.

    Raises:
        ValueError: the pool gives no row.
    """
    folder = Path(folder)
    done = folder / "data.json"
    fingerprint = config_hash(config)
    if done.is_file() and (figures := json.loads(done.read_text(encoding="utf-8")))["config_hash"] == fingerprint:
        return figures
    folder.mkdir(parents=True, exist_ok=True)
    drops: Counter[str] = Counter()
    if config.noise:
        held_out = _noisy(config, config.noise, count, "held_out", config.eval_rows) if config.eval_rows else []
        seen = {row["clean_text"] for row in held_out}  # documents may share passages
        train = _noisy(config, config.noise, count, "train", config.rows, without=seen)
        if config.noise.quality_model:
            _train_quality(config, config.noise, count)
    else:
        train, held_out = _plain(config, count, drops)
    if not train:
        raise ValueError(f"{config.documents} gives no training row; left out: {dict(drops)}")
    write_documents(str(folder / "train.jsonl"), train)
    write_documents(str(folder / "eval.jsonl"), held_out)
    figures = {"config_hash": fingerprint, "train": len(train), "eval": len(held_out), "drops": dict(drops)}
    if config.noise:
        figures |= {"train_passages": _different(train), "eval_passages": _different(held_out)}
    write_json(done, figures)
    return figures


def _different(rows: Sequence[Row]) -> int:
    return len({row["clean_text"] for row in rows})


def _noisy(
    config: RecyclingDataConfig, noise: NoiseConfig, count: Count, part: str, rows: int, without: Collection[str] = ()
) -> list[Row]:
    """Passages in an order that has nothing to do with the pool's, none twice before each was there once."""
    pairs = RephraseDataConfig(
        pool=config.documents,
        part=part,
        held_out_frac=noise.held_out_frac,
        rows=SAMPLED * rows,
        repeat=False,
        min_tokens=noise.min_tokens,
        max_tokens=noise.max_tokens,
        max_pieces=noise.max_pieces,
        clean_frac=noise.clean_frac,
        harvest_pages=noise.harvest_pages,
        seed=config.seed,
    )
    found = {row["clean_text"]: row for row in build_rows(pairs, count) if row["clean_text"] not in without}
    different = sorted(found.values(), key=lambda row: blake2b(row["id"].encode(), digest_size=8).digest())[:rows]
    if len(different) < rows:
        again = pairs.model_copy(update={"rows": SAMPLED * rows, "repeat": True, "seed": config.seed + 2})
        more = (row for row in build_rows(again, count) if row["clean_text"] not in without)
        different += [{**row, "id": f"{row['id']}.again"} for row in itertools.islice(more, rows - len(different))]
    for row in different:
        del row["messages"]  # rl.train writes the prompt, by its own config
    return different


def _train_quality(config: RecyclingDataConfig, noise: NoiseConfig, count: Count) -> None:
    from filter.scorers.training import train_fasttext

    # Another seed: other passages, lengths and noise than those the policy trains on.
    other = config.model_copy(update={"seed": config.seed + 1})
    pairs = _noisy(other, noise.model_copy(update={"clean_frac": 0.0}), count, "train", noise.quality_rows)
    rows = [{"text": row["clean_text"], "label": 1} for row in pairs]
    rows += [{"text": row["text"], "label": 0} for row in pairs]
    rows.sort(key=lambda row: blake2b(row["text"].encode(), digest_size=8).digest())  # not all of one label in a row
    train_fasttext(rows, noise.quality_model, noise.quality_training)


def _plain(config: RecyclingDataConfig, count: Count, drops: Counter[str]) -> tuple[list[Row], list[Row]]:
    """First chunks of the pool's documents; those with the smallest hashes of their ids are held out."""
    list_shards(config.documents)
    wanted = config.rows + config.eval_rows
    rows = []
    for row in _kept(config, count, drops):
        rows.append(row)
        if len(rows) >= 4 * wanted:  # a larger pool is only sampled; the hash below picks evenly from what was read
            break
    rows.sort(key=lambda row: blake2b(f"{config.seed}:{row['id']}".encode(), digest_size=8).digest())
    return rows[config.eval_rows : wanted], rows[: config.eval_rows]


def _kept(config: RecyclingDataConfig, count: Count, drops: Counter[str]) -> Iterator[Row]:
    from rephrase.text.chunking import chunk

    scorer = None
    if config.scorer:
        from filter.scorers.kinds import open_quality_scorer

        scorer = open_quality_scorer(config.scorer)
    batch: list[Row] = []
    for document in read_pool(config.documents):
        chunks = chunk(document["text"], config.max_chars, 0, config.max_tokens, count)
        if not chunks or not chunks[0].text.strip():
            drops["empty"] += 1
            continue
        row = {"id": document["id"], "text": chunks[0].text}
        if config.field in document and chunks[0].text == document["text"]:  # the score of a longer text is another's
            row[config.field] = document[config.field]
        batch.append(row)
        if len(batch) == 64:
            yield from _scored(config, scorer, batch, drops)
            batch = []
    yield from _scored(config, scorer, batch, drops)


def _scored(config: RecyclingDataConfig, scorer: Any, rows: Sequence[Row], drops: Counter[str]) -> Iterator[Row]:
    field = config.field
    if scorer:
        missing = [row for row in rows if row.get(field) is None]
        for row, score in zip(missing, scorer.score([row["text"] for row in missing]), strict=True):
            row[field] = score
    low, high = config.score_range
    for row in rows:
        value = row.get(field)
        if not field:
            yield row
        elif not isinstance(value, int | float):
            drops["no_score"] += 1
        elif not low <= value <= high:
            drops["score_out_of_range"] += 1
        elif value == high:
            drops["top_score"] += 1
        else:
            yield row
