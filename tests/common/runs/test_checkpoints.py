"""A checkpoint counts when all of it is there, and only then."""

import json
import logging

import pytest

from common.runs.checkpoints import MARKER, is_complete, mark_complete, newest_complete, remove_checkpoint


def never(folder):
    return False


def make(folder):
    (folder / "deep").mkdir(parents=True)
    (folder / "weights.bin").write_bytes(b"w" * 100)
    (folder / "deep" / "state.json").write_text("{}")
    return folder


def lose(folder):
    (folder / "weights.bin").unlink()


def cut(folder):
    (folder / "weights.bin").write_bytes(b"w" * 99)


def lose_marker(folder):
    (folder / MARKER).unlink()


def break_marker(folder):
    (folder / MARKER).write_text('{"files": ')


@pytest.mark.parametrize("damage", [lose, cut, lose_marker, break_marker])
def test_a_damaged_checkpoint_does_not_count(damage, tmp_path):
    folder = make(tmp_path / "c")
    assert not is_complete(folder, never)
    mark_complete(folder)
    assert is_complete(folder, never)
    damage(folder)
    assert not is_complete(folder, never)


def test_one_of_a_version_without_the_marker_counts_by_what_that_version_looked_at(tmp_path):
    folder = make(tmp_path / "c")
    assert is_complete(folder, lambda one: (one / "weights.bin").exists())
    assert not is_complete(folder, lambda one: json.loads((one / "none.json").read_text()))
    assert not is_complete(tmp_path / "absent", lambda one: True)


def test_the_newest_complete_one_is_taken_and_the_others_are_named(tmp_path, caplog):
    folders = [make(tmp_path / name) for name in ("1", "2", "3")]
    for folder in folders[:2]:
        mark_complete(folder)
    with caplog.at_level(logging.WARNING):
        assert newest_complete(folders, never) == folders[1]
    assert str(folders[2]) in caplog.text
    assert newest_complete([], never) is None


def test_a_removal_that_is_cut_off_leaves_nothing_under_the_name(tmp_path, monkeypatch):
    folder = make(tmp_path / "c")
    monkeypatch.setattr("common.runs.checkpoints.shutil.rmtree", lambda path, ignore_errors=False: None)
    remove_checkpoint(folder)
    assert not folder.exists()
