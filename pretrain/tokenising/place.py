"""Pass two of tokenising: every context from its run to its row in the output shards."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from common.pools.lock import wait
from common.pools.shards import Shard
from common.runs.folder import write_json
from common.tokens.token_set import Pads, pads_of, shard_name
from pretrain.tokenising.encode import EncodeJob
from pretrain.tokenising.shuffle import Piece, Runs, gather_piece, plan_pieces


def place_contexts(
    job: EncodeJob,
    runs: list[Runs],
    output: Path,
    *,
    shard_rows: int,
    buffer_bytes: int,
    launch: Callable[..., list[Any]],
) -> list[Pads]:
    """Write the shuffled shards into the work folder, exactly once whatever happens.

    Args:
        job: the run's settings.
        runs: of all input shards, in their order.
        output: where finished shards go; those that are there already are complete.
        shard_rows: contexts in a shard.
        buffer_bytes: memory of one worker for the contexts it sorts.
        launch: `run_shards` with the number of workers.

    Returns:
        The pads of each shard.
    """
    row_bytes = job.width * job.dtype.itemsize
    total = sum(sum(one.lengths) for one in runs)
    pieces = _pieces(Path(job.work), runs, max(1, buffer_bytes // row_bytes))
    count = -(-total // shard_rows)
    for number in range(count):
        if (output / f"{shard_name(number)}.bin").exists():
            continue  # a killed run had all pieces done and was naming the shards
        rows = min(shard_rows, total - number * shard_rows)
        with (Path(job.work) / f"{shard_name(number)}.bin").open("ab") as target:
            target.truncate(rows * row_bytes)
    tasks = [Shard(number, job.work, f"piece_{number:06d}") for number in range(len(pieces))]
    place = partial(_place_piece, pieces=pieces, runs=runs, job=job, shard_rows=shard_rows)
    pads: list[Pads] = [[] for _ in range(count)]
    for piece_pads in launch(place, tasks, label="shuffle"):
        for row, number in piece_pads:
            pads[row // shard_rows].append((row % shard_rows, number))
    return pads


def _pieces(work: Path, runs: list[Runs], capacity: int) -> list[Piece]:
    """The pieces of the shuffle; kept, so that a run that goes on with other workers or memory knows what is done."""
    path = work / "pieces.json"
    if not path.exists():
        write_json(path, [asdict(piece) for piece in plan_pieces(runs, capacity)])
    return [Piece(**piece) for piece in json.loads(path.read_text(encoding="utf-8"))]


def _place_piece(task: Shard, pieces: list[Piece], runs: list[Runs], job: EncodeJob, shard_rows: int) -> Pads:
    """Write one piece's contexts to their final rows; returns (row in the whole set, pads). Doing it twice is safe."""
    marker = Path(job.work) / f"{task.name}.json"
    with wait(marker.with_suffix(".lock")):
        if not marker.exists():
            write_json(marker, _write_piece(pieces[task.index], runs, job, shard_rows))
    return json.loads(marker.read_text(encoding="utf-8"))


def _write_piece(piece: Piece, runs: list[Runs], job: EncodeJob, shard_rows: int) -> Pads:
    blocks, pads = gather_piece(piece, runs, job.width, job.dtype)
    row = piece.first_row
    touched: dict[int, int] = {}
    try:
        for block in blocks:
            while len(block):
                number, inside = divmod(row, shard_rows)
                part = block[: shard_rows - inside]
                if number not in touched:
                    touched[number] = os.open(Path(job.work) / f"{shard_name(number)}.bin", os.O_WRONLY)
                _write_all(touched[number], part.data.cast("B"), inside * job.width * job.dtype.itemsize)
                row, block = row + len(part), block[len(part) :]
    finally:
        for handle in touched.values():
            os.fsync(handle)
            os.close(handle)
    return pads_of(pads, piece.first_row)


def _write_all(handle: int, data: memoryview, offset: int) -> None:
    while len(data):
        written = os.pwrite(handle, data, offset)
        data, offset = data[written:], offset + written
