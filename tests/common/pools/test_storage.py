"""Files here and in an object store: the same answers from both, and names that exactly one writer gets."""

import os
import stat
import threading

import pytest

from common.pools.storage import (
    atomic_write,
    create,
    exists,
    join,
    list_below,
    list_folder,
    make_folder,
    read_bytes,
    remove,
    size_of,
)

FILES = {
    "a.jsonl": 3,
    "_b.jsonl": 4,  # a hidden name in a folder that is shown
    "books/c.jsonl": 5,
    "books/deep/d.jsonl": 6,
    "_parts/e.jsonl": 7,
    ".hidden/f.jsonl": 8,
    "books/_parts/g.jsonl": 9,
    "books/.hidden/deep/h.jsonl": 10,
}
SHOWN = ["_b.jsonl", "a.jsonl", "books/c.jsonl", "books/deep/d.jsonl"]


@pytest.fixture(params=["here", "store"])
def folder(request, tmp_path):
    if request.param == "here":
        yield str(tmp_path / "out")
        return
    place = f"memory://{tmp_path.name}/out"
    yield place
    remove(place)


def test_what_lies_below_a_folder_is_listed_without_hidden_folders(folder):
    assert list_below(folder) == {}
    for name, size in FILES.items():
        with atomic_write(join(folder, name)) as target:
            target.write(b"x" * size)
    assert list_below(folder) == {name: FILES[name] for name in SHOWN}
    assert {name: one.bytes for name, one in list_folder(folder).items() if one.modified > 0} == {
        "a.jsonl": 3,
        "_b.jsonl": 4,
    }
    assert size_of(join(folder, "books/c.jsonl")) == 5 and list_folder(join(folder, "nowhere")) == {}


def test_of_many_who_want_a_name_exactly_one_is_told_that_it_has_it(folder):
    path, told = join(folder, "name"), []
    wanted = [b"%d" % number for number in range(8)]
    threads = [threading.Thread(target=lambda one=one: told.append((create(path, one), one))) for one in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (owner,) = [one for has, one in told if has]
    assert read_bytes(path) == owner and len(told) == 8
    assert create(path, owner)  # an answer that was lost, and a second try
    assert not create(path, b"another")
    assert list(list_folder(folder)) == ["name"]  # nothing is left beside it


def test_what_is_removed_is_gone_and_may_be_gone_before(folder):
    for name in ("one", "books/two"):
        create(join(folder, name), b"x")
    remove(join(folder, "one"))
    assert not exists(join(folder, "one")) and exists(join(folder, "books/two"))
    remove(folder)
    remove(folder)
    assert list_below(folder) == {}


@pytest.mark.parametrize("durable", [True, False])
def test_a_name_is_given_to_a_file_that_is_on_the_disk_and_is_flushed_itself(tmp_path, monkeypatch, durable):
    steps = []
    fsync, link = os.fsync, os.link

    def flush(handle):
        steps.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "link", lambda *names: steps.append("name") or link(*names))
    assert create(str(tmp_path / "name"), b"x", durable=durable)
    assert steps == (["file", "name", "folder"] if durable else ["name"])


def test_where_files_cannot_be_linked_the_name_is_taken_all_the_same_and_by_one(tmp_path, monkeypatch):
    def refuse(*names):
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    path = str(tmp_path / "name")
    assert [create(path, one) for one in (b"first", b"second", b"first")] == [True, False, True]
    assert read_bytes(path) == b"first" and [one.name for one in tmp_path.iterdir()] == ["name"]


def test_a_folder_is_made_with_its_parents_and_may_be_there(tmp_path):
    for _ in range(2):
        make_folder(str(tmp_path / "a" / "b"))
    assert (tmp_path / "a" / "b").is_dir()
