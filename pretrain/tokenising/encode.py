"""Pass one of tokenising: one shard of documents to sorted runs of contexts (or a stream of tokens), exactly once.

Work is committed run by run: the run's bytes are on the disk before the state file that counts them replaces the old
one. After a kill the files are cut back to what the state counts and reading goes on behind the last document in it.
"""

import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from common.pools.documents import Document, ShardReader
from common.pools.inputs import unchanged
from common.pools.lock import wait
from common.pools.marks import Unreadable, reject_row
from common.pools.shards import Shard
from common.pools.stats import count_into, documents_in
from common.runs.folder import write_json
from common.tokens.token_set import id_dtype
from common.tokens.tokenizers import (
    Encoder,
    EngineMismatch,
    EngineName,
    FastEncoder,
    ReferenceEncoder,
    SpecialInText,
    TokenizerFile,
    find_mismatch,
    open_encoder,
)
from pretrain.tokenising.packing import best_fit, cut, join_documents, pad_tail
from pretrain.tokenising.shuffle import ENTRY, Runs, append_run, context_keys

log = logging.getLogger("repro")

Pack = Literal["file", "stream", "best_fit"]
Tail = Literal["pad", "drop"]
Ids = npt.NDArray[np.unsignedinteger]

BATCH_CHARS = 1 << 22
"""Text encoded in one go: less, and reading keeps pushing the engine's words out of the processor's cache."""
RUN_TOKENS = 1 << 24
"""Tokens held in memory before a run is written: 32 MiB as uint16, and about as much again while it is sorted."""


@dataclass(frozen=True)
class EncodeJob:
    """What is done to every shard; small and picklable, since workers are other processes."""

    tokenizer: TokenizerFile
    engine: EngineName
    special_in_text: SpecialInText
    vocab_size: int
    width: int
    """Tokens in a context: seq_len + 1."""
    pack: Pack
    tail: Tail
    add_bos: bool
    seed: int
    check_every: int
    work: str
    """Folder for runs and states."""
    plan: str
    """Digest of all that shapes the output; work of another plan is not continued."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of stored ids."""
        return id_dtype(self.vocab_size)


@dataclass
class State:
    """What of a shard is committed. Written after each run; `carry` are the tokens not yet in a context."""

    plan: str
    engine: EngineName
    next_position: int = 0
    run_lengths: list[int] = field(default_factory=list)
    """Contexts in each run; tokens in each run for `pack=stream`."""
    carry: list[int] = field(default_factory=list)
    rejects_bytes: int = 0
    stats: dict[str, Any] = field(default_factory=dict)
    done: bool = False
    input: dict[str, Any] = field(default_factory=dict)
    """What tells the shard's file, as far as it was read (`common.pools.inputs`); empty in older states."""


class ShardFiles:
    """Names of one shard's work files."""

    def __init__(self, work: str, index: int) -> None:
        stem = f"{index:08d}"
        self.lock = Path(work) / f"{stem}.lock"
        self.state = Path(work) / f"{stem}.json"
        self.rows = Path(work) / f"{stem}.rows"
        self.index = Path(work) / f"{stem}.index"
        self.tokens = Path(work) / f"{stem}.tokens"
        self.rejects = Path(work) / f"{stem}.rejects.jsonl"

    def runs(self, state: State) -> Runs:
        """The shard's committed runs."""
        return Runs(str(self.rows), str(self.index), tuple(state.run_lengths))

    def read_state(self, plan: str, engine: EngineName) -> State:
        """The committed state, or a fresh one if there is none of this plan and engine."""
        if self.state.exists():
            state = State(**json.loads(self.state.read_text(encoding="utf-8")))
            if (state.plan, state.engine) == (plan, engine):
                return state
        return State(plan, engine, stats={"docs_in": 0, "docs_out": 0, "drops": {}, "seconds": 0.0})


def encode_shard(shard: Shard, job: EncodeJob) -> State:
    """Encode and pack one shard, from where an earlier run was stopped.

    Raises:
        EngineMismatch: a sampled document has other ids than `tokenizers` gives.
        ValueError: an id is outside the vocabulary.
    """
    with wait(ShardFiles(job.work, shard.index).lock):
        work = _ShardWork(shard, job)
        known = work.state.input
        if known and not unchanged(shard.path, known, whole=work.state.done):
            raise ValueError(
                f"{shard.path} changed since it was begun; delete {Path(job.work).parent} to make the set anew, or "
                "choose another output folder"
            )
        if not work.state.done:
            work.run()
        return work.state


class _ShardWork:
    def __init__(self, shard: Shard, job: EncodeJob) -> None:
        self.shard, self.job = shard, job
        self.files = ShardFiles(job.work, shard.index)
        self.state = self.files.read_state(job.plan, job.engine)
        self.began = time.monotonic()
        self.waiting: Ids = np.empty(RUN_TOKENS * 5 // 4, job.dtype)  # one run after the other, in the same memory
        self.held = 0  # tokens there that wait for a context
        self._hold(np.asarray(self.state.carry, job.dtype))
        self.ends: list[npt.NDArray[np.int64]] = []
        self.rejects: list[bytes] = []

    def run(self) -> None:
        job, state = self.job, self.state
        encoder = open_encoder(job.engine, job.tokenizer, job.special_in_text)
        self._cut_back()
        self.began = time.monotonic()  # the engine is there: start-up is over
        how = (self._reject, self._repair, state.next_position, ("id", "text"))
        self.reader = ShardReader(self.shard.path, self.shard.index, *how)
        for batch in _batches(iter(self.reader)):
            self._add(batch, encoder)
            state.next_position = batch[-1][0] + 1
            if self.held >= RUN_TOKENS:
                self._commit(last=False)
        drops = state.stats["drops"]
        if drops.get("broken_compression") and not documents_in(state.stats):
            raise Unreadable(f"no document could be read from {self.shard.path}: it is damaged from its beginning")
        if self.reader.broken:
            log.warning("%s; what was read before is kept", self.reader.broken)
        self._commit(last=True)

    def _add(self, batch: list[tuple[int, Document]], encoder: Encoder) -> None:
        """Encode a batch of documents and line their tokens up for the next run."""
        job, stats = self.job, self.state.stats
        stats["docs_in"] += len(batch)
        texts = [document["text"] for _, document in batch]
        raws = [text.encode() for text in texts]
        joined, ends = self._encode(texts, raws, encoder)
        self._check(batch, encoder)
        if len(ends) < len(texts):
            # An empty text gets no tokens, not even EOT.
            _count(stats["drops"], "empty_text", len(texts) - len(ends))
        stats["docs_out"] += len(ends)
        stats["text_bytes"] = stats.get("text_bytes", 0) + sum(map(len, raws))
        if len(joined) and int(joined.max()) >= job.vocab_size:
            self._raise_outside(batch, encoder.encode(texts))
        self.ends.append(self.held + ends)
        self._hold(joined)
        stats["tokens"] = stats.get("tokens", 0) + len(joined)

    def _hold(self, ids: Ids) -> None:
        """Put ids behind those that wait."""
        end = self.held + len(ids)
        if end > len(self.waiting):
            more = np.empty(2 * end, self.job.dtype)
            more[: self.held] = self.waiting[: self.held]
            self.waiting = more
        self.waiting[self.held : end] = ids
        self.held = end

    def _encode(
        self, texts: Sequence[str], raws: Sequence[bytes], encoder: Encoder
    ) -> tuple[Ids, npt.NDArray[np.int64]]:
        """The ids of all texts that have any, EOT after each, BOS before it if asked; and where each one ends."""
        job = self.job
        if isinstance(encoder, FastEncoder) and not job.add_bos:
            found = encoder.encode_joined([raw for raw in raws if raw])
            if found is not None and (np.diff(found[1], prepend=0) > 1).all():
                return found
        kept = [ids for ids in encoder.encode(texts) if len(ids)]
        ends = np.cumsum([len(ids) + 1 + int(job.add_bos) for ids in kept], dtype=np.int64)
        bos = job.tokenizer.bos if job.add_bos else None
        return join_documents(kept, job.tokenizer.eot, bos, np.uint32), ends

    def _check(self, batch: list[tuple[int, Document]], encoder: Encoder) -> None:
        """Compare one in `check_every` documents with the reference."""
        job = self.job
        if isinstance(encoder, ReferenceEncoder):
            return
        sample = [document for position, document in batch if (position + self.shard.index) % job.check_every == 0]
        if not sample:
            return
        _count(self.state.stats, "checked", len(sample))
        wrong = find_mismatch(encoder, encoder.reference, [document["text"] for document in sample])
        if wrong is not None:
            name = sample[wrong]["id"]
            raise EngineMismatch(f"{job.engine} and tokenizers give other ids for document {name} of {self.shard.path}")

    def _raise_outside(self, batch: list[tuple[int, Document]], documents: list[Ids]) -> None:
        for (_, document), ids in zip(batch, documents, strict=True):
            if len(ids) and int(ids.max()) >= self.job.vocab_size:
                raise ValueError(
                    f"document {document['id']} of {self.shard.path} has token id {int(ids.max())}, outside a "
                    f"vocabulary of {self.job.vocab_size}; raise vocab_size or use the tokenizer it belongs to"
                )
        raise ValueError(f"BOS or EOT is outside a vocabulary of {self.job.vocab_size}")

    def _commit(self, *, last: bool) -> None:
        """Write a run and the state that counts it."""
        state = self.state
        stream = self.waiting[: self.held]
        if self.job.pack == "stream":
            _append(self.files.tokens, stream.tobytes())
            state.run_lengths.append(len(stream))
            state.carry = []
        else:
            self._commit_contexts(stream, last=last)
        self.ends.clear()
        self.held = 0
        self._hold(np.asarray(state.carry, self.job.dtype))
        if self.rejects:
            raw = b"".join(self.rejects)
            _append(self.files.rejects, raw)
            state.rejects_bytes += len(raw)
            self.rejects.clear()
        now = time.monotonic()
        state.stats["seconds"] += now - self.began
        self.began = now
        state.done = last
        state.input = self.reader.taken()
        write_json(self.files.state, vars(state))

    def _commit_contexts(self, stream: Ids, *, last: bool) -> None:
        job, state = self.job, self.state
        if job.pack == "best_fit":
            ends = np.concatenate([np.empty(0, np.int64), *self.ends])
            rows, pads = best_fit(stream, ends, job.width, job.tokenizer.pad)
            rest = stream[:0]
        else:
            rows, rest = cut(stream, job.width)
            pads = np.zeros(len(rows), np.int64)
        if last and len(rest):
            if job.tail == "pad":
                row, count = pad_tail(rest, job.width, job.tokenizer.pad)
                rows, pads = np.concatenate([rows, row]), np.append(pads, count)
            else:
                _count(state.stats, "tokens_dropped", len(rest))
            rest = rest[:0]
        keys = context_keys(job.seed, self.shard.index, sum(state.run_lengths), len(rows))
        append_run(self.files.rows, self.files.index, rows, pads, keys)
        state.run_lengths.append(len(rows))
        state.carry = rest.tolist()
        _count(state.stats, "contexts", len(rows))
        _count(state.stats, "pads", int(pads.sum()))

    def _cut_back(self) -> None:
        """Drop what a killed run wrote behind the last committed state."""
        state, job = self.state, self.job
        count = sum(state.run_lengths)
        if job.pack == "stream":
            _truncate(self.files.tokens, count * job.dtype.itemsize)
        else:
            _truncate(self.files.rows, count * job.width * job.dtype.itemsize)
            _truncate(self.files.index, count * ENTRY.itemsize)
        _truncate(self.files.rejects, state.rejects_bytes)

    def _reject(self, position: int, reason: str, raw: bytes) -> None:
        _count(self.state.stats, "docs_in", 1)
        _count(self.state.stats["drops"], reason, 1)
        self.rejects.append(reject_row(position, reason, raw))

    def _repair(self, position: int, name: str) -> None:
        del position
        count_into(self.state.stats, {"repaired": {name: 1}})


def _batches(source: Iterator[tuple[int, Document]]) -> Iterator[list[tuple[int, Document]]]:
    """Documents in order, in batches of about `BATCH_CHARS`."""
    batch: list[tuple[int, Document]] = []
    chars = 0
    for position, document in source:
        # documents that share a line stay together, since work goes on from line to line
        if chars >= BATCH_CHARS and position != batch[-1][0]:
            yield batch
            batch, chars = [], 0
        batch.append((position, document))
        chars += len(document["text"]) + 256  # so that a pool of empty texts comes in batches too
    if batch:
        yield batch


def _count(counts: dict[str, Any], key: str, number: int) -> None:
    counts[key] = counts.get(key, 0) + number


def _append(path: Path, raw: bytes) -> None:
    with path.open("ab") as target:
        target.write(raw)
        target.flush()
        os.fsync(target.fileno())


def _truncate(path: Path, size: int) -> None:
    with path.open("ab") as target:
        target.truncate(size)
