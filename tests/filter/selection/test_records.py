"""Columns of score records: parsed once, then read from a file of arrays as often as it takes."""

import numpy as np
import pytest

from common.pools.documents import write_documents
from filter.selection import records
from filter.selection.records import Spool, load_columns


@pytest.fixture
def paths(tmp_path):
    found = []
    for shard, scores in enumerate([[0.5, None, 0.25], [], [0.75]]):
        path = str(tmp_path / f"{shard}.jsonl")
        rows = [{"id": f"{shard}-{n}", "scores": {"q": score}, "tokens": 7 + n} for n, score in enumerate(scores)]
        write_documents(path, rows)
        found.append(path)
    return found


@pytest.mark.parametrize("ties", [False, True])
def test_every_pass_gives_what_the_records_say_and_parses_them_once(paths, ties, monkeypatch):
    parsed = []
    monkeypatch.setattr(records, "load_columns", lambda path, *rest: parsed.append(path) or load_columns(path, *rest))
    expected = [load_columns(path, "q", ties) for path in paths]
    with Spool([paths[0], None, *paths[1:]], "q", ties) as spool:
        first = next(iter(spool()))  # a pass that breaks off
        assert first.tokens.tolist() == [7, 8, 9]
        for _ in range(3):
            found = list(spool())
            assert [len(one.scores) for one in found] == [3, 0, 0, 1]
            for one, other in zip([found[0], *found[2:]], expected, strict=True):
                np.testing.assert_array_equal(one.scores, other.scores)
                np.testing.assert_array_equal(one.tokens, other.tokens)
                np.testing.assert_array_equal(one.hashes, other.hashes)
    assert parsed == paths
    assert expected[0].hashes.any() == ties
