"""Token ids to contexts of one length: cut a running stream, or fit whole documents together.

A document here is its ids with BOS before them if asked and EOT after them. Every token goes into exactly one context.
"""

import bisect
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.unsignedinteger]
Ints = npt.NDArray[np.int64]


def join_documents(documents: Sequence[Ids], eot: int, bos: int | None, dtype: npt.DTypeLike) -> Ids:
    """Documents one after the other, EOT after each, BOS before each if given: [sum(T + 1 or T + 2)] ids."""
    before = 0 if bos is None else 1
    lengths = np.fromiter((len(document) for document in documents), np.int64, len(documents))
    ends = np.cumsum(lengths + 1 + before)
    joined = np.empty(int(ends[-1]) if len(ends) else 0, dtype)
    start = 0
    for document, end in zip(documents, ends.tolist(), strict=True):
        joined[start + before : end - 1] = document
        start = end
    joined[ends - 1] = eot
    if bos is not None:
        joined[ends - lengths - 2] = bos
    return joined


def cut(stream: Ids, width: int) -> tuple[Ids, Ids]:
    """Whole contexts [N, width] from the front of a stream, and the rest, shorter than `width`."""
    whole = len(stream) // width * width
    return stream[:whole].reshape(-1, width), stream[whole:]


def pad_tail(rest: Ids, width: int, pad: int) -> tuple[Ids, int]:
    """One context [1, width] from a rest that is not empty, and the number of pads at its end."""
    row = np.full((1, width), pad, rest.dtype)
    row[0, : len(rest)] = rest
    return row, width - len(rest)


def best_fit(stream: Ids, ends: Ints, width: int, pad: int) -> tuple[Ids, Ints]:
    """Pack documents whole where they fit: best-fit decreasing (arXiv:2404.10830).

    A document longer than a context is cut into full contexts and a rest; documents and rests, the longest first, go
    into the open context with the least room that still takes them. Where a document is not the first of its context,
    the one before it ended there with EOT, so `document_ids` can tell them apart.

    Args:
        stream: the documents, one after the other.
        ends: [D] where each one ends in the stream.
        width: context length, in tokens.
        pad: id that fills what stays empty.

    Returns:
        [N, width] contexts and [N] pads at the end of each.
    """
    starts = np.concatenate([[0], ends[:-1]]) if len(ends) else ends
    full, pieces = _full_and_rests(starts.tolist(), ends.tolist(), width)
    bins = _fit([last - first for first, last in pieces], width)
    rows = np.full((len(full) + len(bins), width), pad, stream.dtype)
    pads = np.zeros(len(rows), np.int64)
    for number, first in enumerate(full):
        rows[number] = stream[first : first + width]
    for number, members in enumerate(bins, len(full)):
        used = 0
        for member in members:
            first, last = pieces[member]
            rows[number, used : used + last - first] = stream[first:last]
            used += last - first
        pads[number] = width - used
    return rows, pads


def document_ids(rows: npt.NDArray[np.integer], eot: int) -> Ints:
    """Which document of its context each token belongs to, from 0: [B, T] from [B, T].

    EOT belongs to the document it ends. Attention from a token to one with another number crosses documents; mask it.
    Numbers of pads mean nothing.

    >>> document_ids(np.array([[5, 0, 7, 8, 0, 9]]), eot=0).tolist()
    [[0, 0, 1, 1, 1, 2]]
    """
    ended = np.cumsum(rows == eot, axis=1)
    ended[:, 1:] = ended[:, :-1]
    ended[:, 0] = 0
    return ended


def _full_and_rests(starts: Sequence[int], ends: Sequence[int], width: int) -> tuple[list[int], list[tuple[int, int]]]:
    """Starts of full contexts inside long documents, and (start, end) of what remains of each document."""
    full: list[int] = []
    rests: list[tuple[int, int]] = []
    for start, end in zip(starts, ends, strict=True):
        rest = start + (end - start) // width * width
        full.extend(range(start, rest, width))
        if rest < end:
            rests.append((rest, end))
    return full, rests


def _fit(lengths: Sequence[int], width: int) -> list[list[int]]:
    """Bins of indices, filled best-fit decreasing; equal lengths keep their order."""
    bins: list[list[int]] = []
    open_bins: dict[int, list[int]] = {}  # room left -> bins with that much
    rooms: list[int] = []  # its keys, ascending
    for member in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        length = lengths[member]
        place = bisect.bisect_left(rooms, length)
        if place == len(rooms):
            chosen, room = len(bins), width
            bins.append([])
        else:
            room = rooms[place]
            chosen = open_bins[room].pop()
            if not open_bins[room]:
                del open_bins[room], rooms[place]
        bins[chosen].append(member)
        left = room - length
        if left:
            if left not in open_bins:
                open_bins[left] = []
                bisect.insort(rooms, left)
            open_bins[left].append(chosen)
    return bins
