"""Lays trunks and branches out in packed rows: many continuations of shared beginnings in one sequence.

A row is a sequence of segments. Each segment continues a path: the beginning of one earlier segment, then of another,
up to where the new one starts. A trunk is a path, a branch is a segment behind a cut of its trunk's path, and a trunk
that begins like an earlier one continues that one's path, so a few-shot prefix, a row and its answer choices are
three levels of one tree. With `sight[a, b]` = the position below which segment a sees segment b (0: not at all),

    query q sees key k  iff  position[k] <= position[q]  and  position[k] < sight[segment[q], segment[k]]

The last token of a branch predicts nothing, so it is not part of the row: T + sum(m_i - 1) tokens for one trunk of T
tokens with branches of m_i.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from eval.likelihood.trunks import Branch, Trunk, needed

ALL = np.iinfo(np.int32).max
"""Sight of a segment on itself: no limit but the order of positions."""

Path = list[tuple[int, int]]
"""Segments in order, each with the position at which the path leaves it; it joins each at its first token."""


@dataclass(frozen=True)
class PackedRow:
    """One sequence of S tokens in n segments, and what is read from its rows."""

    ids: np.ndarray
    """[S] token ids."""
    positions: np.ndarray
    """[S] position ids: a token's place in its own text, not in the row."""
    segments: np.ndarray
    """[S] the segment each token belongs to."""
    sight: np.ndarray
    """[n, n], see the module."""
    rows: np.ndarray
    """[N] rows that predict a branch's token, one per token; two may be the same row."""
    targets: np.ndarray
    """[N] the tokens predicted there."""
    branches: list[tuple[int, int, int]]
    """(trunk, branch, tokens) for consecutive stretches of `rows`."""
    probe_rows: np.ndarray
    """[K] rows whose entropy is wanted."""
    probes: list[tuple[int, int]]
    """(trunk, number) for consecutive stretches of `probe_rows`."""

    def __len__(self) -> int:
        """Tokens of the row."""
        return len(self.ids)

    @property
    def read(self) -> np.ndarray:
        """[R] the rows that meet the output layer: sorted, each once."""
        return np.unique(np.concatenate([self.rows, self.probe_rows]))

    @property
    def plain(self) -> bool:
        """Is this an ordinary causal sequence?

        A segment's path holds as many tokens as the position it starts at. If that is all the tokens before it, it
        sees them all.
        """
        return bool((self.positions == np.arange(len(self))).all())

    @property
    def span(self) -> int:
        """Tokens of the longest text in the row."""
        return int(self.positions.max()) + 1


class _Builder:
    """A row while it grows."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self.positions: list[int] = []
        self.starts: list[tuple[int, int]] = []  # per segment: first row, first position
        self.paths: list[Path] = []
        self.rows: list[int] = []
        self.targets: list[int] = []
        self.branches: list[tuple[int, int, int]] = []
        self.probe_rows: list[int] = []
        self.probes: list[tuple[int, int]] = []

    def segment(self, tokens: Sequence[int], path: Path, start: int) -> Path:
        """Append tokens that follow a path of `start` tokens; the path to their end."""
        if not len(tokens):
            return path
        self.starts.append((len(self.ids), start))
        self.paths.append(path)
        self.ids.extend(tokens)
        self.positions.extend(range(start, start + len(tokens)))
        return [*path, (len(self.starts) - 1, start + len(tokens))]

    def cut(self, path: Path, end: int) -> Path:
        """The first `end` tokens of a path."""
        return [(segment, min(limit, end)) for segment, limit in path if self.starts[segment][1] < end]

    def row_of(self, path: Path, position: int) -> int:
        """The row of the token at a position of a path."""
        for segment, limit in path:
            first_row, first_position = self.starts[segment]
            if first_position <= position < limit:
                return first_row + position - first_position
        raise IndexError(f"position {position} is not on the path")

    def trunk(self, number: int, trunk: Trunk, path: Path, shared: int) -> Path:
        """Append what a trunk does not share with `path`, and its branches; the trunk's path."""
        path = self.segment(trunk.token_ids[shared : needed(trunk)], self.cut(path, shared), shared)
        for index, branch in enumerate(trunk.branches):
            if len(branch.token_ids):
                self._branch(number, index, branch, path)
        self.probe_rows.extend(self.row_of(path, row) for row in trunk.probe_rows)
        self.probes.append((number, len(trunk.probe_rows)))
        return path

    def _branch(self, number: int, index: int, branch: Branch, path: Path) -> None:
        self.rows.append(self.row_of(path, branch.cut - 1))
        fed = branch.token_ids[:-1]
        self.rows.extend(range(len(self.ids), len(self.ids) + len(fed)))
        self.targets.extend(branch.token_ids)
        self.branches.append((number, index, len(branch.token_ids)))
        self.segment(fed, self.cut(path, branch.cut), branch.cut)

    def done(self) -> PackedRow:
        count = len(self.starts)
        sight = np.zeros((count, count), np.int32)
        for segment, path in enumerate(self.paths):
            for other, limit in path:
                sight[segment, other] = limit
            sight[segment, segment] = ALL
        bounds = np.diff([*(row for row, _ in self.starts), len(self.ids)])
        return PackedRow(
            ids=np.array(self.ids, np.int64),
            positions=np.array(self.positions, np.int64),
            segments=np.repeat(np.arange(count), bounds),
            sight=sight,
            rows=np.array(self.rows, np.int64),
            targets=np.array(self.targets, np.int64),
            branches=self.branches,
            probe_rows=np.array(self.probe_rows, np.int64),
            probes=self.probes,
        )


def pack(trunks: Sequence[tuple[int, Trunk]], max_tokens: int, width: int) -> list[PackedRow]:
    """Lay numbered trunks out in rows; those that begin alike share a row where that is cheaper.

    A token costs about 24 width² operations per layer in the linear maps, a pair of tokens 4 width in attention, so a
    row of S tokens costs `6 width S + S²` in the same unit. Sharing saves the common tokens and pays for the pairs that
    a longer row holds and its mask forbids.

    Args:
        trunks: with the numbers to report them under; those without anything to score get no row.
        max_tokens: no sharing beyond this length; a single trunk may be longer.
        width: the model's hidden size; 0 = never share.
    """
    ordered = sorted(
        ((list(trunk.token_ids[: needed(trunk)]), number, trunk) for number, trunk in trunks if needed(trunk)),
        key=lambda entry: (entry[0], entry[1]),
    )
    rows: list[PackedRow] = []
    builder = _Builder()
    path: Path = []
    before: list[int] = []
    for ids, number, trunk in ordered:
        common = _common_prefix(before, ids)
        fed = len(ids) + sum(max(len(branch.token_ids) - 1, 0) for branch in trunk.branches)
        size = len(builder.ids) + fed - common
        alone = _cost(fed, width) + _cost(len(builder.ids), width)
        if not (builder.ids and common and width and size <= max_tokens and _cost(size, width) < alone):
            if builder.ids:
                rows.append(builder.done())
            builder, path, common = _Builder(), [], 0
        path = builder.trunk(number, trunk, path, common)
        before = ids
    if builder.ids:
        rows.append(builder.done())
    return rows


def _cost(tokens: int, width: int) -> int:
    return 6 * width * tokens + tokens**2


def _common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    length = min(len(a), len(b))
    differing = np.flatnonzero(np.asarray(a[:length]) != np.asarray(b[:length]))
    return int(differing[0]) if len(differing) else length


def separate(trunks: Sequence[tuple[int, Trunk]]) -> list[PackedRow]:
    """One plain row per branch, and one for the probe rows of a trunk."""
    rows = []
    for number, trunk in trunks:
        for index, branch in enumerate(trunk.branches):
            if len(branch.token_ids):
                builder = _Builder()
                path = builder.segment(trunk.token_ids[: branch.cut], [], 0)
                builder._branch(number, index, branch, path)
                rows.append(builder.done())
        if len(trunk.probe_rows):
            builder = _Builder()
            builder.trunk(number, Trunk(trunk.token_ids, probe_rows=trunk.probe_rows), [], 0)
            rows.append(builder.done())
    return rows


def joined(rows: Sequence[PackedRow]) -> PackedRow:
    """One row of several, none of which sees another: no padding, where a mask of blocks skips the rest."""
    starts = np.cumsum([0, *map(len, rows)])
    segments = np.cumsum([0, *(len(row.sight) for row in rows)])
    sight = np.zeros((segments[-1], segments[-1]), np.int32)
    for row, first, end in zip(rows, segments, segments[1:], strict=False):
        sight[first:end, first:end] = row.sight
    moved = list(zip(rows, starts, segments, strict=False))
    return PackedRow(
        ids=np.concatenate([row.ids for row in rows]),
        positions=np.concatenate([row.positions for row in rows]),
        segments=np.concatenate([row.segments + first for row, _, first in moved]),
        sight=sight,
        rows=np.concatenate([row.rows + start for row, start, _ in moved]),
        targets=np.concatenate([row.targets for row in rows]),
        branches=[branch for row in rows for branch in row.branches],
        probe_rows=np.concatenate([row.probe_rows + start for row, start, _ in moved]),
        probes=[probe for row in rows for probe in row.probes],
    )


def full_rows(rows: Sequence[PackedRow], max_tokens: int, max_read: int) -> list[PackedRow]:
    """Join rows up to `max_tokens` tokens and `max_read` output rows; one that is longer stays alone."""
    groups: list[list[PackedRow]] = []
    tokens = read = 0
    for row in sorted(rows, key=len, reverse=True):
        if not groups or tokens + len(row) > max_tokens or read + len(row.read) > max_read:
            groups.append([])
            tokens = read = 0
        groups[-1].append(row)
        tokens, read = tokens + len(row), read + len(row.read)
    return [joined(group) if len(group) > 1 else group[0] for group in groups]


LOAD = 24
"""Tokens, each with its output row, that cost as much as bringing all weights to the processor once (on a CPU)."""

DISPATCH = 1 << 24
"""Operations that a CPU could do while Python calls those of one layer."""


@dataclass(frozen=True)
class PassCost:
    """What a forward pass costs where a few rows fill the processor, in the unit of `pack`: a pair in one layer."""

    width: int
    """The model's hidden size."""
    output: float
    """What a row of the output layer costs."""

    def __call__(self, count: int, length: int, read: int, plain: bool) -> float:
        """Of `count` rows padded to `length`, each with `read` output rows; causal attention sees half of the pairs."""
        token = 6 * self.width
        row = token * length + length**2 / (2 if plain else 1) + self.output * read
        return LOAD * (token + self.output) + DISPATCH / (4 * self.width) + count * row


def batches(
    rows: Sequence[PackedRow], max_tokens: int, max_read: int, cost: PassCost | None = None
) -> list[list[PackedRow]]:
    """Group rows of like length and kind: at most `max_tokens` padded tokens and `max_read` output rows, or one row.

    Plain rows and others do not mix: the first need no mask.

    Args:
        rows: in any order.
        max_tokens: of a batch.
        max_read: likewise.
        cost: a row joins a batch only where that costs no more than a pass of its own; None: it always does.
    """
    groups: list[list[PackedRow]] = []
    for plain in (True, False):
        group: list[PackedRow] = []
        read: set[int] = set()
        for row in sorted((row for row in rows if row.plain == plain), key=len, reverse=True):
            # A plain row keeps its order, so a batch reads the union; others are put in order, their read rows first.
            own = set(row.read.tolist() if plain else range(len(row.read)))
            joined, length = read | own, len(group[0] if group else row)
            full = (len(group) + 1) * length > max_tokens or (len(group) + 1) * len(joined) > max_read
            if group and cost and not full:
                apart = cost(len(group), length, len(read), plain) + cost(1, len(row), len(own), plain)
                full = cost(len(group) + 1, length, len(joined), plain) > apart
            if group and full:
                groups.append(group)
                group, joined = [], own
            group.append(row)
            read = joined
        if group:
            groups.append(group)
    return groups
