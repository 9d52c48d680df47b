"""What every family of puzzles shares: a row as a pure function of seed, index and config, and files of such rows.

A family draws from a stream of its own for each puzzle, named by seed, index, config and attempt. What takes more
steps than its budget is thrown away and the next attempt is made, so the output never depends on a clock, on the
number of processes or on what else was generated.
"""

import json
import multiprocessing
import random
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field

from common.config import HOW, Out, RunConfig, config_hash
from common.pools.documents import read_rows, write_documents
from common.pools.storage import atomic_write, exists, join, read_bytes, remove
from rl.data.rows.schema import Row, new_row
from rl.data.rows.schema import write_rows as write_parquet

ATTEMPTS = 50
"""Attempts at one puzzle before its config is called impossible."""

CHUNK = 200
"""Puzzles made by one process at a time, and kept as one part until all are there."""


@dataclass(frozen=True)
class Made:
    """One puzzle as its family made it."""

    prompt: str
    ground_truth: Any
    """In the form of the family's verifier."""
    reference: str
    """The answer for people."""
    difficulty: dict[str, Any]
    """What says how hard it is: sizes and counts."""


class GenerateConfig(RunConfig):
    """How many puzzles of a family, and where they go."""

    family: ClassVar[str]
    source: ClassVar[str]
    """Name of the data set that the rows belong to."""
    published: ClassVar[int] = 0
    """Training rows that Guru's authors made of this family before their filters (arXiv:2506.14965); 0: none."""

    n: Annotated[int, HOW] = Field(1000, ge=1)
    """Puzzles to make: those with index 0 to n - 1."""

    seed: Annotated[int, HOW] = 0
    """Seed of all puzzles."""

    out: Annotated[str, HOW, Out(".parquet", ".jsonl")]
    """File of the rows, `.parquet` or `.jsonl`."""

    workers: Annotated[int, HOW] = Field(1, ge=1)
    """Processes; the file's bytes are the same for any number."""

    test_frac: float = Field(0.05, ge=0, le=1)
    """Share of the puzzles whose `split` is `offline_eval`; the others are `train`."""

    @classmethod
    def free(cls) -> set[str]:
        """Names of the fields that make no other puzzle: those marked `HOW`."""
        return {name for name, field in cls.model_fields.items() if HOW in field.metadata}

    @abstractmethod
    def make(self, index: int, rng: random.Random) -> Made | None:
        """One puzzle from a stream of random numbers; None if this attempt went over its budget of steps."""


def generate(seed: int, index: int, config: GenerateConfig) -> Row:
    """The row of one puzzle: the same bytes on any machine, in any process, in any order.

    Args:
        seed: of the whole set; the config's own is not looked at.
        index: number of the puzzle in it.
        config: the family and its sizes; where the rows go and how many there are makes no difference.

    Raises:
        ValueError: no attempt led to a puzzle.
    """
    shape = config_hash(config)
    for attempt in range(ATTEMPTS):
        made = config.make(index, random.Random(f"{config.family}:{shape}:{seed}:{index}:{attempt}"))
        if made is not None:
            break
    else:
        raise ValueError(
            f"{ATTEMPTS} attempts led to no {config.family} puzzle of number {index}; ask for smaller ones"
        )
    held_out = random.Random(f"split:{config.family}:{seed}:{index}").random() < config.test_frac
    settings = config.model_dump(mode="json", exclude=config.free())
    return new_row(
        config.source,
        made.prompt,
        made.ground_truth,
        key=[seed, index, settings],
        reference=made.reference,
        info={
            "seed": seed,
            "index": index,
            "config": settings,
            "difficulty": {**made.difficulty, "rejected_attempts": attempt},
        },
        split="offline_eval" if held_out else "train",
        provenance={"generator": config.family, "seed": seed, "index": index},
    )


def rows(config: GenerateConfig) -> Iterator[Row]:
    """All rows of a config, in order, made in this process."""
    for index in range(config.n):
        yield generate(config.seed, index, config)


def write(config: GenerateConfig) -> int:
    """Write a config's file of rows, which appears whole or not at all; finished parts of a killed run are taken over.

    Returns:
        How many attempts were thrown away because they went over their budget of steps.

    Raises:
        ValueError: the file's ending is none of rows, or the parts beside it are those of another config.
    """
    if not config.out.endswith((".parquet", ".jsonl")):
        raise ValueError(f"out={config.out} should end in .parquet or .jsonl")
    parts = f"{config.out}.parts"
    shape = json.dumps([config_hash(config), config.seed, CHUNK])
    mark = join(parts, "config.json")
    if exists(mark) and read_bytes(mark).decode() != shape:
        raise ValueError(f"{parts} holds parts of other settings; remove it or give another out=")
    with atomic_write(mark) as file:
        file.write(shape.encode())
    names = [join(parts, f"{start // CHUNK:06d}.jsonl") for start in range(0, config.n, CHUNK)]
    tasks = [(config, number, name) for number, name in enumerate(names) if not _complete(config, number, name)]
    if config.workers == 1 or len(tasks) < 2:
        for task in tasks:
            _write_part(task)
    else:
        # Forked workers would inherit whatever threads the caller runs.
        with multiprocessing.get_context("spawn").Pool(min(config.workers, len(tasks))) as pool:
            for _ in pool.imap_unordered(_write_part, tasks):
                pass
    rejected = 0

    def together() -> Iterator[Row]:
        nonlocal rejected
        for name in names:
            for _, row in read_rows(name):
                rejected += json.loads(row["info"])["difficulty"]["rejected_attempts"]
                yield row  # type: ignore[misc]

    if config.out.endswith(".parquet"):
        write_parquet(config.out, together())
    else:
        write_documents(config.out, together())
    remove(parts)
    return rejected


def _part_rows(config: GenerateConfig, number: int) -> range:
    return range(number * CHUNK, min(config.n, (number + 1) * CHUNK))


def _complete(config: GenerateConfig, number: int, name: str) -> bool:
    """Whether a part is there with as many rows as it should have (a run may have been asked for fewer before)."""
    return exists(name) and sum(1 for _ in read_rows(name)) == len(_part_rows(config, number))


def _write_part(task: tuple[GenerateConfig, int, str]) -> None:
    config, number, name = task
    write_documents(name, (generate(config.seed, index, config) for index in _part_rows(config, number)))
