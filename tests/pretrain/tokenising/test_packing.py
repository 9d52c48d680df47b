"""Packing loses and repeats no token."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pretrain.tokenising.packing import best_fit, cut, document_ids, join_documents, pad_tail

LENGTHS = st.lists(st.integers(1, 40), max_size=30)


def documents_of(lengths):
    """Documents of distinct ids, from 2 on."""
    starts = np.cumsum([2, *lengths])
    return [np.arange(start, start + length) for start, length in zip(starts, lengths, strict=False)]


def joined(lengths):
    documents = documents_of(lengths)
    ends = np.cumsum([length + 1 for length in lengths], dtype=np.int64)
    return join_documents(documents, 0, None, np.uint32), ends


@given(LENGTHS, st.sampled_from([None, 1]))
def test_joining_is_a_plain_loop(lengths, bos):
    wanted = []
    for document in documents_of(lengths):
        wanted += [] if bos is None else [bos]
        wanted += [*document.tolist(), 0]
    assert join_documents(documents_of(lengths), 0, bos, np.uint32).tolist() == wanted


@given(LENGTHS, st.integers(1, 20))
def test_cutting_and_padding_keep_every_token_in_order(lengths, width):
    stream, _ = joined(lengths)
    rows, rest = cut(stream, width)
    assert np.concatenate([rows.ravel(), rest]).tolist() == stream.tolist()
    assert len(rest) < width
    if len(rest):
        row, pads = pad_tail(rest, width, pad=1)
        assert row.shape == (1, width)
        assert row[0, : width - pads].tolist() == rest.tolist()
        assert set(row[0, width - pads :].tolist()) <= {1}


def pieces_of(rows, pads):
    """What stands between ends of documents, pads left out."""
    for row, count in zip(rows.tolist(), pads.tolist(), strict=True):
        piece = []
        for token in row[: len(row) - count]:
            piece.append(token)
            if token == 0:
                yield piece
                piece = []
        if piece:
            yield piece


@given(LENGTHS, st.integers(2, 25))
def test_best_fit_keeps_documents_whole_where_they_fit(lengths, width):
    stream, ends = joined(lengths)
    rows, pads = best_fit(stream, ends, width, pad=1)
    wanted = []
    for document in documents_of(lengths):
        whole = [*document.tolist(), 0]
        wanted += [whole[first : first + width] for first in range(0, len(whole), width)]
    assert sorted(pieces_of(rows, pads)) == sorted(wanted)
    assert rows.size - pads.sum() == len(stream)
    assert (pads < width).all()  # no context of pads only


def test_best_fit_by_hand():
    # 7, 5, 3, 3 and 2 tokens with EOT into contexts of 10: 7 + 3, 5 + 3 + 2
    stream, ends = joined([6, 4, 2, 2, 1])
    rows, pads = best_fit(stream, ends, 10, pad=1)
    assert pads.tolist() == [0, 0]
    assert [[len(piece) for piece in pieces_of(rows[n : n + 1], pads[n : n + 1])] for n in (0, 1)] == [
        [7, 3],
        [5, 3, 2],
    ]


def test_best_fit_takes_the_tightest_place():
    # 8 and 6 leave rooms of 2 and 4; 2 goes where it leaves nothing
    stream, ends = joined([7, 5, 1])
    rows, _ = best_fit(stream, ends, 10, pad=1)
    assert [len(piece) for piece in pieces_of(rows[:1], np.zeros(1, int))] == [8, 2]


@given(LENGTHS, st.integers(2, 25))
def test_best_fit_needs_no_more_contexts_than_first_fit(lengths, width):
    stream, ends = joined(lengths)
    rows, _ = best_fit(stream, ends, width, pad=1)
    rests = [(length + 1) % width for length in lengths if (length + 1) % width]
    rooms = []
    for rest in sorted(rests, reverse=True):
        place = next((n for n, room in enumerate(rooms) if room >= rest), None)
        if place is None:
            rooms.append(width - rest)
        else:
            rooms[place] -= rest
    assert len(rows) <= sum((length + 1) // width for length in lengths) + max(1, round(len(rooms) * 11 / 9 + 1))


@given(LENGTHS.filter(bool), st.integers(2, 25))
def test_document_ids_change_after_each_end(lengths, width):
    stream, ends = joined(lengths)
    rows, pads = best_fit(stream, ends, width, pad=1)
    for row, count, numbers in zip(rows, pads, document_ids(rows, eot=0), strict=True):
        number = 0
        for place in range(width - count):
            assert numbers[place] == number
            number += row[place] == 0


@pytest.mark.parametrize("width", [1, 3, 100])
def test_nothing_packs_to_nothing(width):
    rows, pads = best_fit(np.empty(0, np.uint16), np.empty(0, np.int64), width, pad=1)
    assert rows.shape == (0, width)
    assert len(pads) == 0
