"""What a published data set is to this toolkit: where it lies, how a raw record becomes questions, its counts."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from common.config import HOW, Out, RunConfig
from common.hashing import hash_id
from rl.data.raw.files import Place, Raw

Record = Mapping[str, Any]
Split = Literal["train", "online_eval", "offline_eval", "raw"]


class NothingKept(RuntimeError):
    """All records were left out; the message counts why. The command ends with exit code 1."""


class PrepareConfig(RunConfig):
    """Which rows of a data set are built."""

    source: str = ""
    """File, folder or glob of raw records (JSONL, JSON, Parquet, CSV, zip), or a hub id; its own if empty."""

    revision: str = ""
    """Commit, tag or branch on the hub; the data set's own if empty. The commit is recorded in every row."""

    out: Annotated[str, HOW, Out(folder=None)]
    """Parquet file to write; a folder gets `<split>/<domain>__<name>_<size>.parquet`."""

    split: Split | None = None
    """Split to build; the data set's first if null."""

    size: int | None = Field(None, ge=-1)
    """Rows to keep, drawn by seed and record; the data set's own number if null, all if -1."""

    first: int | None = Field(None, ge=1)
    """Raw records to read; the data set's own number if null."""

    seed: int = 42
    """Seed of every draw. Each row's draw depends on the seed, the data set and the record alone."""

    max_length: int | None = Field(4096, ge=101)
    """Context in tokens: a prompt, in the chat template, may have 100 fewer. Null keeps every length."""

    tokenizer: str = "Qwen/Qwen2.5-7B"
    """Folder or hub id of the tokenizer that counts; it is an error if it is not there."""

    gold: bool = True
    """Judge each row's own gold answer, and reject rows whose own answer is wrong."""

    processes: Annotated[int, HOW] = Field(1, ge=1)
    """Processes; the file does not depend on it."""


class Question(NamedTuple):
    """What a raw record asks."""

    prompt: str
    ground_truth: Any
    """In the form of the source's verifier."""
    key: Any
    """What tells the record from the others of its data set."""
    reference: str = ""
    info: dict[str, Any] = {}


Built = list[Question] | str
"""Questions of a raw record, or why it has none."""


@dataclass(frozen=True)
class DataSet:
    """One line of the registry."""

    source: str
    """Guru's name of the data set; also its name on the command line, with or without the domain."""

    build: Callable[[Record, Any], Built]
    """A raw record and the config to questions, or to the reason why not. Pure: draws come from `draws`."""

    hub: str
    """Where it is published: a hub id, or words where it is no hub data set."""

    licence: str
    expects: str
    """What a raw record looks like, for the message when none is found."""

    revision: str = "main"
    files: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: {"train": ("*.jsonl", "*.parquet", "*.json")})
    """Split to the patterns of its files' names below the source; the first split is the default."""

    shares: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Split to its part of one file's records, as a range between 0 and 1 of a draw by record."""

    sizes: Mapping[str, int] = field(default_factory=dict)
    """Split to the rows that are kept unless `size` says otherwise."""

    first: int | None = None
    """Raw records that are read unless `first` says otherwise."""

    repeats: bool = False
    """Its files repeat questions on purpose or by mistake: those of one key become one row, `info.repeats` times."""

    config: type[PrepareConfig] = PrepareConfig
    load: Callable[[Place], Iterator[Raw]] | None = None
    """Reads the raw records where one file is not enough."""

    published: Mapping[str, int] = field(default_factory=dict)
    """Published counts: `raw`, `kept` (after the domain's filters), by split."""


def draws(seed: int, source: str, key: Any) -> random.Random:
    """The random numbers of one record: they depend on seed, data set and record, never on order or process."""
    return random.Random(hash_id(str(key), seed, source))


def share(seed: int, source: str, key: Any) -> float:
    """A record's place between 0 and 1, by which splits and samples are drawn."""
    return hash_id(str(key), seed, source, "share") / 2**64


def text_of(record: Record, *names: str) -> str:
    """The first of some fields that holds text or a number, as text without blanks at its ends; "" if none does."""
    for name in names:
        value = record.get(name)
        if isinstance(value, str) and value.strip():
            return value.strip()
        if isinstance(value, int | float) and not isinstance(value, bool):
            return repr(int(value)) if value == int(value) else repr(value)
    return ""
