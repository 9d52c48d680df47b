"""Likelihoods from a model in this process: packed rows, cached chunks, plain sequences.

Which of them a model allows is measured, not assumed: on first use a short trunk is scored in every mode and as plain
sequences, and a mode whose numbers differ is not used (`LocalScorer.modes`). Sliding windows, chunked attention and
position scales that change with the length do not show on a short trunk; they are read from the config, and text that
they touch is scored as plain sequences.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from eval.likelihood.causal_model import CausalModel
from eval.likelihood.config import ScorerConfig
from eval.likelihood.mask import MaskLayout, placed
from eval.likelihood.packing import PackedRow, PassCost, batches, full_rows, pack, separate
from eval.likelihood.trunks import Branch, BranchScores, Trunk, TrunkScores, finite, longest

log = logging.getLogger(__name__)

PROBE = ((3, 4), (9, 1), (9, 3), (24, 2))
"""(cut, tokens) of the branches that test a mode on a trunk of 24 tokens."""

LONGEST_SHARED = 8192
"""No trunk joins a row beyond this length; its square, 64 MB as bytes, bounds the mask of a cached chunk too."""


@dataclass
class Read:
    """What the output layer said about one row."""

    logprobs: Tensor
    """[N] of the row's targets."""
    greedy: Tensor
    """[N] bool."""
    entropy: Tensor
    """[K] of its probe rows."""

    @classmethod
    def room(cls, row: PackedRow, device: torch.device) -> "Read":
        """Space for a row's numbers."""
        targets, probes = len(row.rows), len(row.probe_rows)
        greedy = torch.zeros(targets, dtype=torch.bool, device=device)
        return cls(torch.zeros(targets, device=device), greedy, torch.zeros(probes, device=device))

    def take(self, row: PackedRow, kept: np.ndarray, logits: Tensor) -> None:
        """Fill in what some rows say: `kept` [R], sorted, and their [R, V] float32 logits."""

        def on(*values: np.ndarray) -> Tensor:  # in one copy
            return placed(np.stack(values), logits.device)

        normaliser = logits.logsumexp(-1)
        wanted = np.flatnonzero(np.isin(row.rows, kept))
        into, place, target = on(wanted, np.searchsorted(kept, row.rows[wanted]), row.targets[wanted])
        self.logprobs[into] = logits[place, target] - normaliser[place]
        self.greedy[into] = logits.argmax(-1)[place] == target
        probed = np.flatnonzero(np.isin(row.probe_rows, kept))
        if len(probed):
            into, place = on(probed, np.searchsorted(kept, row.probe_rows[probed]))
            logprobs = logits[place] - normaliser[place, None]
            self.entropy[into] = torch.special.entr(logprobs.exp()).sum(-1)


@dataclass
class Pass:
    """Rows scored together, in one forward pass over all or through a cache in several over one."""

    rows: list[PackedRow]
    chunks: list[tuple[int, int]] = field(default_factory=list)
    """First row and row after the last of each cached forward pass; none: one ordinary pass."""

    @property
    def forwards(self) -> int:
        """Forward passes that the job takes."""
        return max(len(self.chunks), 1)


class LocalScorer:
    """Scores trunks with a module of this process.

    Args:
        module: the object to call; under FSDP or ZeRO the wrapped one that the trainer calls.
        config: how.
        collective: every rank of torch.distributed calls `score` together; each then runs the same number of forward
            passes, because sharded weights are gathered inside them.
    """

    def __init__(self, module: nn.Module, config: ScorerConfig, *, collective: bool = False) -> None:
        self.model = CausalModel(module)
        self.config = config
        self.collective = collective
        on_cpu = self.model.device.type == "cpu"
        self.batch_tokens = config.max_tokens_per_batch or (2048 if on_cpu else 16384)
        self.packed_tokens = config.max_packed_tokens or (1024 if on_cpu else 8192)
        self.chunk_tokens = 512 if on_cpu else 2048
        """Of a forward pass with a cache: what a layer makes of them is little beside the keys and values."""
        self.plain_tokens = 4096 if on_cpu else 16384
        """Of the first of them, up to the end of the row's first segment: it needs no mask, which costs more."""
        self.cost = PassCost(self.model.width, self.model.output_cost) if on_cpu else None
        """By which rows are batched: on a CPU padding costs more than another pass."""
        self.blocks = {"auto": not on_cpu, "dense": False, "blocks": True}[config.mask] and self.model.takes_blocks
        """Whether packed rows are masked in blocks."""
        self.piece = 2**22 if on_cpu else 2**24
        """Logits in float32 at a time."""
        self.modes: set[str] | None = None
        """Of `packed` and `cached`, those that the model was seen to allow; None before the first use."""
        self.forwards = 0
        """Forward passes so far, those of the probe too."""

    def score(self, trunks: Sequence[Trunk]) -> list[TrunkScores]:
        """Scores of each trunk, in order; a text longer than the context limit makes its trunk `too_long`.

        Raises:
            RuntimeError: with `collective`, another rank could not plan its work.
        """
        with self._quiet():
            if self.modes is None:
                self.modes = self._probe()
            results = [_blank(trunk, self._error(trunk)) for trunk in trunks]
            numbered = [(number, trunk) for number, trunk in enumerate(trunks) if results[number].error is None]
            wanted = {"auto": {"packed", "cached"}, "duplicate": set()}.get(self.config.mode, {self.config.mode})
            for job in self._lockstep(lambda: self._plan(numbered, wanted & (self.modes or set()))):
                _fill(job.rows, self._run(job), results)
            return [finite(scores) for scores in results]

    def _error(self, trunk: Trunk) -> str | None:
        limit = self.config.max_length or self.model.max_length
        return "too_long" if limit is not None and longest(trunk) > limit else None

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """No gradients, no dropout, no gradient checkpointing (active in training mode only), restored afterwards."""
        training = [module for module in self.model.module.modules() if module.training]
        self.model.module.eval()
        try:
            with torch.no_grad(), self.model.maskable_attention():
                yield
        finally:
            for module in training:
                module.training = True

    def _plan(self, trunks: Sequence[tuple[int, Trunk]], modes: set[str]) -> list[Pass]:
        config, model = self.config, self.model
        maskable = [entry for entry in trunks if modes and longest(entry[1]) <= model.maskable_length]
        taken = {number for number, _ in maskable}
        rows = pack(maskable, LONGEST_SHARED, model.width)
        rows += separate([entry for entry in trunks if entry[0] not in taken])
        jobs, whole = [], []
        for row in rows:
            # Without a cache a row is one pass however long it is: right, only larger.
            cacheable = "cached" in modes and row.span <= model.maskable_length
            large = len(row.read) > config.max_scored_rows or (not row.plain and len(row) > self.packed_tokens)
            if cacheable and (large or (not row.plain and "packed" not in modes)):
                # A windowed model's cache forgets what the window leaves behind, in the order of the row.
                kept = len(row) <= model.maskable_length
                sizes = self.plain_tokens, self.chunk_tokens, config.max_scored_rows
                chunks = _chunks(row, *sizes) if kept else [(0, len(row))]
                jobs.append(Pass([row], chunks))
            elif model.length_dependent and row.span > model.length_dependent:
                jobs.append(Pass([row]))  # its length scales the positions of all batch mates
            else:
                whole.append(row)
        if self.blocks and "packed" in modes:
            joinable = [row for row in whole if row.span <= model.maskable_length]
            whole = [row for row in whole if row.span > model.maskable_length]
            jobs += [Pass([row]) for row in full_rows(joinable, self.batch_tokens, config.max_scored_rows)]
        jobs += [Pass(batch) for batch in batches(whole, self.batch_tokens, config.max_scored_rows, self.cost)]
        return jobs

    def _lockstep(self, plan: Callable[[], list[Pass]]) -> Iterator[Pass]:
        """Jobs of a plan, then as many dummy forwards as the busiest rank has more than this one."""
        if not self.collective:
            yield from plan()
            return
        error: ValueError | None = None
        jobs: list[Pass] = []
        try:
            jobs = plan()
        except ValueError as caught:
            error = caught
        own = sum(job.forwards for job in jobs)
        most = torch.tensor([own, int(error is not None)], device=self.model.device)
        dist.all_reduce(most, dist.ReduceOp.MAX)
        if error is not None:
            raise error
        if most[1]:
            raise RuntimeError("another rank could not plan its likelihoods; its own error says why")
        yield from jobs
        for _ in range(int(most[0]) - own):
            self._forward(np.zeros((1, 2), np.int64), np.array([1]))

    def _probe(self) -> set[str]:
        """Modes in which a short trunk scores as its plain sequences do; dense masks where blocks do not work."""
        allowed = self._probed()
        if self.blocks and "packed" not in allowed:
            log.info("likelihoods: masks of blocks do not work with this model; dense ones are used")
            self.blocks = False
            allowed = self._probed()
        if allowed != {"packed", "cached"}:
            log.warning("likelihoods: this model allows %s", " and ".join(sorted(allowed)) or "plain sequences only")
        return allowed

    def _probed(self) -> set[str]:
        start = np.zeros((1, 1), np.int64)
        vocabulary = self._forward(start, np.array([0]))[0].shape[-1]
        ids = [(7 * i * i + 3 * i + 1) % vocabulary for i in range(24)]
        branches = [
            Branch(cut, [(cut + 5 * length + 11 * i) % vocabulary for i in range(length)]) for cut, length in PROBE
        ]
        trunk = Trunk(ids, branches)
        plain = self._run(Pass(separate([(0, trunk)])))
        expected = torch.cat([read.logprobs for read in plain])
        exact = self.model.dtype in (torch.float32, torch.float64) and self.config.dtype in ("auto", "float32")
        tolerance = 1e-4 if exact else 5e-2
        allowed = set()
        (row,) = pack([(0, trunk)], 0, 0)
        # Chunks as long texts have them: the first without a mask, then one within the trunk.
        for mode, job in (
            ("packed", Pass([row])),
            ("cached", Pass([row], _chunks(row, 10, 10, self.config.max_scored_rows))),
        ):
            try:
                found = self._run(job)[0].logprobs
                difference = float((found - expected).abs().max())
            except Exception as error:  # the model is foreign code, and many refuse a mask or a cache in their own way
                log.info("likelihoods: no %s mode (%s: %s)", mode, type(error).__name__, error)
                continue
            if difference <= tolerance:
                allowed.add(mode)
            else:
                log.info("likelihoods: no %s mode (log-probabilities differ by %.2g)", mode, difference)
        if self.collective:
            verdict = torch.tensor([int("packed" in allowed), int("cached" in allowed)], device=self.model.device)
            dist.all_reduce(verdict, dist.ReduceOp.MIN)
            allowed = {mode for mode, good in zip(("packed", "cached"), verdict.tolist(), strict=True) if good}
        return allowed

    def _run(self, job: Pass) -> list[Read]:
        if job.chunks:
            return [self._run_cached(job.rows[0], job.chunks)]
        try:
            return self._run_whole(job.rows)
        except RuntimeError as error:  # a kernel that is compiled for each shape may fail at one of them
            if not self.blocks or self.collective:
                raise
            log.warning("likelihoods: dense masks from here on, since those of blocks failed: %s", error)
            self.blocks = False
            return self._run_whole(job.rows)

    def _forward(self, ids: np.ndarray, kept: np.ndarray, **arguments: Any) -> tuple[Tensor, Any]:
        self.forwards += 1
        before = self.model.attention
        self.model.attend(self.attention if arguments.get("mask") is not None else before)
        try:
            device = self.model.device
            return self.model(placed(ids, device), keep=placed(kept, device), **arguments)
        finally:
            self.model.attend(before)  # without a mask sdpa runs flash

    @property
    def attention(self) -> str:
        """Implementation that takes the masks."""
        return "flex_attention" if self.blocks else self.model.attention

    def _run_whole(self, rows: list[PackedRow]) -> list[Read]:
        """One forward pass over right-padded rows, all plain or all masked."""
        plain = all(row.plain for row in rows)
        if plain:
            kept = np.unique(np.concatenate([row.read for row in rows]))
            orders = [np.arange(len(row)) for row in rows]
        elif self.blocks:
            # in their order: a block of tokens that follow each other is seen as a whole, or not at all
            kept = np.unique(np.concatenate([row.read for row in rows]))
            orders = [np.arange(len(row)) for row in rows]
        else:
            # A masked row may stand in any order. With the rows to read in front, a batch has no more of them than
            # its busiest row, not their union.
            kept = np.arange(max(len(row.read) for row in rows))
            orders = [np.concatenate([row.read, np.setdiff1d(np.arange(len(row)), row.read)]) for row in rows]
        ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
        for index, (row, order) in enumerate(zip(rows, orders, strict=True)):
            ids[index, : len(row)] = row.ids[order]
        arguments: dict[str, Any] = {}
        if not plain:
            layout = MaskLayout(rows, orders, self.model.device)
            mask = layout.form(self.attention, self.model.dtype)
            arguments = {"positions": layout.positions.long(), "mask": mask}
        logits, _ = self._forward(ids, kept, **arguments)
        reads = []
        for index, row in enumerate(rows):
            in_order = plain or self.blocks
            places = np.searchsorted(kept, row.read) if in_order else np.arange(len(row.read))
            reads.append(Read.room(row, logits.device))
            self._read(reads[-1], row, row.read, logits[index], places)
        return reads

    def _run_cached(self, row: PackedRow, chunks: list[tuple[int, int]]) -> Read:
        """One row in chunks, each seeing the keys of those before it in the cache."""
        read = Read.room(row, self.model.device)
        layout = MaskLayout([row], [np.arange(len(row))], self.model.device)
        cache = None
        for start, end in chunks:
            kept = row.read[(row.read >= start) & (row.read < end)]
            # The beginning of the first segment is ordinary causal text and needs no mask.
            form = (self.attention, self.model.dtype, start, end)
            logits, cache = self._forward(
                row.ids[None, start:end],
                kept - start,
                positions=layout.positions[:, start:end].long(),
                mask=layout.form(*form) if start or row.segments[end - 1] else None,
                cache=cache,
                use_cache=True,
            )
            self._read(read, row, kept, logits[0], np.arange(len(kept)))
        return read

    def _read(self, read: Read, row: PackedRow, kept: np.ndarray, logits: Tensor, places: np.ndarray) -> None:
        """Take what the rows `kept` say from their places in [R, V] logits, few enough at a time.

        Float32 logits, and what is computed from them, would outweigh all else in the pass.
        """
        step = max(1, self.piece // logits.shape[-1])
        for start in range(0, len(kept), step):
            part = logits[placed(places[start : start + step], logits.device)].float()  # a copy
            read.take(row, kept[start : start + step], part.div_(self.config.temperature))


def _chunks(row: PackedRow, plain: int, most: int, most_read: int) -> list[tuple[int, int]]:
    """Cut a row into cached forward passes of at most `most` tokens, masks of bounded size, `most_read` output rows.

    The first has up to `plain` tokens of the first segment, and so no mask.
    """
    most = max(1, min(most, LONGEST_SHARED**2 // len(row)))
    first = min(plain, int((row.segments == 0).sum()))
    reads = np.zeros(len(row), np.int64)
    reads[row.read] = 1
    chunks: list[tuple[int, int]] = []
    at = 0
    while at < len(row):
        size = first if not chunks else most
        within = int(np.searchsorted(np.cumsum(reads[at : at + size]), most_read, side="right"))
        chunks.append((at, at + max(within, 1)))
        at = chunks[-1][1]
    return chunks


def _blank(trunk: Trunk, error: str | None) -> TrunkScores:
    if error is not None:
        return TrunkScores(error=error)
    empty = BranchScores(np.zeros(0, np.float32), np.zeros(0, bool))
    return TrunkScores([empty] * len(trunk.branches), np.zeros(len(trunk.probe_rows), np.float32))


def _fill(rows: Sequence[PackedRow], reads: Sequence[Read], results: list[TrunkScores]) -> None:
    # all rows of a pass together: every copy from a GPU waits for it
    parts = [(read.logprobs, read.greedy, read.entropy) for read in reads]
    logprobs, greedy, entropy = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
    start = probed = 0
    for row in rows:
        for number, branch, count in row.branches:
            branches = cast(list[BranchScores], results[number].branches)
            branches[branch] = BranchScores(logprobs[start : start + count], greedy[start : start + count])
            start += count
        for number, count in row.probes:
            results[number].entropy[:] = entropy[probed : probed + count]
            probed += count
