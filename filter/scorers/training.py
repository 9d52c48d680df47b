"""Train a fastText classifier on labelled pages and measure it on held-out ones."""

import multiprocessing
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson
from pydantic import Field

from common.config import RunConfig
from filter.scorers.fast_text import FastTextConfig, FastTextScorer, escape_markup, normalize

GOOD, POOR = "__label__hq", "__label__cc"
"""DCLM's labels."""


LABELS = {1: 1, 0: 0, "1": 1, "0": 0, "hq": 1, "cc": 0, GOOD: 1, POOR: 0}


Rows = Sequence[Mapping[str, Any]]

MALLOC = ("MALLOC_PERTURB_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")
"""What a user or a script tells glibc's allocator."""


class FastTextTraining(RunConfig):
    """fastText's own options, under its own names."""

    wordNgrams: int = Field(2, ge=1)
    """Longest word n-gram that is a feature; DCLM: 2."""

    lr: float = Field(0.5, gt=0)
    """Learning rate; fastText and DCLM: 0.1."""

    dim: int = Field(16, ge=1)
    """Size of the word vectors; fastText and DCLM: 100."""

    epoch: int = Field(25, ge=1)
    """Passes over the pages; fastText and DCLM: 5."""

    bucket: int = Field(20_000, ge=1)
    """Hash buckets for the n-grams; fastText and DCLM: 2,000,000. The model takes about bucket * dim * 4 bytes."""

    minCount: int = Field(1, ge=1)
    """Rarest word that is a feature; DCLM: 1."""

    seed: int = 42
    """Seed of the training; DCLM: 42."""

    thread: int = Field(1, ge=1)
    """More than one trains faster, and not twice to the same model."""


def train_fasttext(rows: Rows, out: str | Path, config: FastTextTraining | None = None) -> int:
    """Train a classifier and save it. Words of a page that fastText would obey are escaped (`escape_markup`).

    In a process of its own: a second training in one process fails with `Encountered NaN` in fastText's builds for
    NumPy 2.

    Returns:
        How many words were escaped.

    Raises:
        ValueError: the rows hold only one label, or something that is no label.
    """
    options = FastTextTraining.model_validate((config or FastTextTraining()).model_dump(include=_OPTIONS)).model_dump()
    labels = [read_label(row) for row in rows]
    if len(set(labels)) < 2:
        raise ValueError(f"all {len(rows)} rows have one label; a classifier needs pages of both")
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=Path(out).parent, prefix=".train_") as folder:
        lines = Path(folder) / "lines.txt"
        escaped = 0
        with lines.open("w", encoding="utf-8", errors="replace", newline="\n") as target:
            for row, label in zip(rows, labels, strict=True):
                line, number = escape_markup(normalize(row["text"]))
                target.write(f"{GOOD if label else POOR} {line}\n")
                escaped += number
        model = Path(folder) / "model.bin"
        context = multiprocessing.get_context("spawn")
        with zeroed_memory(), ProcessPoolExecutor(1, mp_context=context) as pool:
            try:
                pool.submit(_train, str(lines), str(model), options).result()
            except RuntimeError as error:
                if "NaN" not in str(error):
                    raise
                given = ", ".join(f"{name}={options[name]}" for name in ("dim", "wordNgrams", "lr"))
                raise ValueError(f"fastText met NaN with {given}; it does so with too high an lr") from None
        model.replace(out)
    return escaped


_OPTIONS = set(FastTextTraining.model_fields)


@contextmanager
def zeroed_memory() -> Iterator[None]:
    """Processes that start inside the block get memory that is all zeros (glibc; elsewhere nothing changes).

    fastText sums into vectors that it never cleared. Fresh pages are zeros, so this shows only where memory comes back:
    in a second training, with some sizes, or where `scripts/rl.sh` lets the allocator keep what was freed. It then met
    NaN.
    """
    before = {name: os.environ.pop(name, None) for name in MALLOC}
    os.environ["MALLOC_PERTURB_"] = "255"  # what is allocated is filled with the complement of this byte
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _train(lines: str, model: str, options: dict[str, Any]) -> None:
    import fasttext

    fasttext.train_supervised(lines, verbose=0, **options).save_model(model)


def read_label(row: Mapping[str, Any]) -> int:
    """1 for a good page, 0 for a poor one.

    Raises:
        ValueError: the row's label is something else.
    """
    label = row.get("label")
    if label not in LABELS:
        raise ValueError(f"label {label!r} is neither 1 (good) nor 0 (poor)")
    return LABELS[label]


def read_rows(path: str | Path) -> list[dict[str, Any]]:
    """Labelled pages from a JSONL file.

    Raises:
        ValueError: the file is missing, or a line is no labelled page; names the line.
    """
    if not Path(path).is_file():
        raise ValueError(f"no labelled pages at {path}")
    rows = []
    with Path(path).open("rb") as source:
        for number, line in enumerate(source, 1):
            if not line.strip():
                continue
            try:
                row = orjson.loads(line)
                read_label(row)
            except (orjson.JSONDecodeError, ValueError, AttributeError) as error:
                raise ValueError(f"{path}, line {number}: {error}") from None
            if not isinstance(row.get("text"), str):
                raise ValueError(f"{path}, line {number}: no text")
            rows.append(row)
    return rows


def split(rows: Rows, train_frac: float, seed: int) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """Training and held-out rows, drawn within each label by a seeded hash of the text: the same for any file order."""

    def key(row: Mapping[str, Any]) -> bytes:
        return blake2b(str(row["text"]).encode("utf-8", "surrogatepass"), salt=str(seed).encode()[:16]).digest()

    train: list[Mapping[str, Any]] = []
    held_out: list[Mapping[str, Any]] = []
    for label in (1, 0):
        of_label = sorted((row for row in rows if read_label(row) == label), key=key)
        cut = round(train_frac * len(of_label))
        train += of_label[:cut]
        held_out += of_label[cut:]
    # fastText meets its lines in file order: all good pages first and all poor ones last would train another model
    return sorted(train, key=key), held_out


def measure(model: str | Path, rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """AUC of a model on labelled pages; see `filter.scorers.separation.compare`."""
    from filter.scorers.separation import compare

    pages = list(rows)
    texts = [page["text"] for page in pages]
    scores = FastTextScorer(FastTextConfig(model=str(model))).score(texts)
    return compare([score or 0.0 for score in scores], texts, [read_label(page) for page in pages])
