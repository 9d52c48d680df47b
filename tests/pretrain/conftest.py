"""Small tokenised sets for the trainer's tests, in the form `pretrain.tokenize` writes."""

import json
from pathlib import Path

import numpy as np
import pytest

from common.tokens.token_set import describe, id_dtype, shard_name, write_manifest


def write_token_set(folder, rows, *, vocab=300, pads=(), rows_per_shard=64, name="made", eot=0, newline=True):
    """Contexts [N, seq_len + 1] as a tokenised set; `pads` are (row, count)."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for number, start in enumerate(range(0, len(rows), rows_per_shard)):
        part = rows[start : start + rows_per_shard].astype(id_dtype(vocab))
        part.tofile(folder / f"{shard_name(number)}.bin")
        mine = [(row - start, count) for row, count in pads if start <= row < start + rows_per_shard]
        entries.append((shard_name(number), len(part), mine))
    write_manifest(folder, entries)
    if not newline:
        manifest = folder / "manifest.jsonl"
        manifest.write_text(manifest.read_text().rstrip("\n"))
    layout = {
        "seq_len": rows.shape[1] - 1,
        "dtype": id_dtype(vocab).name,
        "vocab_size": vocab,
        "eot_id": eot,
        "num_sequences": len(rows),
    }
    values = describe(layout, name=name, uuid="u", created="2026_01_01-00_00_00", data_key="bin")
    (folder / "dataset.json").write_text(json.dumps(values))
    return folder


@pytest.fixture
def make_set():
    """The writer above."""
    return write_token_set


def learnable_rows(count=64, seq_len=32, vocab=300, seed=0):
    """Contexts whose next token is mostly the last one plus one: something to learn in a few steps."""
    rng = np.random.default_rng(seed)
    rows = (rng.integers(1, vocab, (count, 1)) + np.arange(seq_len + 1)) % vocab
    noise = rng.random(rows.shape) < 0.1
    rows[noise] = rng.integers(0, vocab, noise.sum())
    return rows


@pytest.fixture
def token_set(tmp_path):
    """64 learnable contexts of 32 + 1 tokens; two of them end in pads."""
    return write_token_set(tmp_path / "set", learnable_rows(), pads=[(3, 5), (40, 32)])
