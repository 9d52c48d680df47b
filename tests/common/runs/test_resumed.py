"""An output that a stopped run goes on with: what it refuses, what it keeps, what a kill leaves."""

import json

import pytest

from common.config import RunConfig
from common.pools.lock import alone
from common.runs.resumed import resumed_lines, whole_lines


class Wish(RunConfig):
    """What is asked for."""

    out: str
    seed: int = 0
    limit: int = 1
    api_key: str = ""


def open_lines(path, model="sha256:a", **fields):
    config = Wish(out=str(path), **fields)
    return resumed_lines(str(path), config, model, lambda row: row["id"], apart=("out", "limit"))


@pytest.fixture
def out(tmp_path):
    path = tmp_path / "lines.jsonl"
    with open_lines(path) as lines:
        assert not lines.has("x", "question")
        lines.write({"id": "x"}, "question")
    return path


def test_what_is_there_is_found_and_more_can_be_wanted(out):
    with open_lines(out, limit=2) as lines:
        assert lines.has("x", "question") and not lines.has("y", "question")
        lines.write({"id": "y"}, "question")
    assert [row["id"] for row in whole_lines(out)] == ["x", "y"]


@pytest.mark.parametrize(
    ("changed", "named"), [({"seed": 1}, "seed 0, and now it is 1"), ({"model": "sha256:b"}, "model .sha256:a")]
)
def test_another_making_is_refused_and_the_file_stays(out, changed, named):
    before = out.read_bytes()
    with pytest.raises(ValueError, match=named), open_lines(out, **changed):
        pass
    assert out.read_bytes() == before


def test_another_question_under_the_same_key_is_refused(out):
    with open_lines(out) as lines, pytest.raises(ValueError, match="another prompt for x"):
        lines.has("x", "another question")


def test_lines_of_nobody_knows_what_are_refused(out):
    (out.parent / "_lines" / "made_of.json").unlink()
    with pytest.raises(ValueError, match="says what made them"), open_lines(out):
        pass


def test_a_line_cut_short_is_written_again(out):
    whole = out.read_bytes()
    out.write_bytes(whole + b'{"id": "y", "as')
    with open_lines(out) as lines:
        assert not lines.has("y", "question")
    assert out.read_bytes() == whole


def test_a_second_writer_is_refused_and_the_first_goes_on(out, monkeypatch):
    monkeypatch.setattr("common.pools.lock.GRACE_S", 0.1)
    with alone(out.parent / "_lines"), pytest.raises(ValueError, match=r"another process is working on .*lines\.jsonl"):
        open_lines(out).__enter__()


def test_no_secret_is_written_beside_the_lines(tmp_path):
    with open_lines(tmp_path / "lines.jsonl", api_key="SECRET"):
        pass
    written = [path.read_text() for path in (tmp_path / "_lines").iterdir()]
    assert written and "SECRET" not in "".join(written)
    assert json.loads((tmp_path / "_lines" / "made_of.json").read_text())["seed"] == 0
