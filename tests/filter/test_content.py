"""A recipe's tokenizer and evaluation items count by their content: moved is the same work, edited is other work."""

import json
import shutil

import pytest

from common.pools.documents import write_documents
from filter.config import FilterConfig
from filter.content import by_content, keep_names
from filter.recipe import Recipe


def recipe(room, tokenizer="tokenizer", items="items"):
    return FilterConfig(
        source_ref_paths=[str(room / "pool")],
        output_dir=str(room / "out"),
        tokenizer=str(room / tokenizer),
        decontaminate={"data": [str(room / items)], "min_words": 2},
    )


@pytest.fixture
def room(tmp_path, root):
    write_documents(str(tmp_path / "pool/a.jsonl"), [{"id": str(n), "text": f"page {n} of words"} for n in range(9)])
    (tmp_path / "tokenizer").mkdir()
    shutil.copy(root / "rephrase/tiny/tokenizer.json", tmp_path / "tokenizer")
    (tmp_path / "items").mkdir()
    (tmp_path / "items/task.jsonl").write_text(json.dumps({"context": "page of", "continuation": "other words"}) + "\n")
    return tmp_path


def steps(room):
    return sorted(path.name for path in (room / "out/steps").iterdir() if path.is_dir())


def test_what_lies_elsewhere_now_is_the_same_work_and_what_was_edited_is_not(room):
    Recipe(recipe(room)).run()
    done = steps(room)
    (room / "out/dataset.json").unlink()
    (room / "tokenizer").rename(room / "moved")
    shutil.copytree(room / "items", room / "copied")
    Recipe(recipe(room, "moved", "copied")).run()
    assert steps(room) == done  # every step was found, none begun beside it
    (room / "copied/task.jsonl").write_text(json.dumps({"context": "page of", "continuation": "words"}) + "\n")
    with pytest.raises(ValueError, match="another configuration"):
        Recipe(recipe(room, "moved", "copied")).check()
    content = json.loads((room / "moved/tokenizer.json").read_text())
    content["version"] = "1.1"
    (room / "moved/tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="another configuration"):
        Recipe(recipe(room, "moved")).check()


def test_the_first_names_are_the_paths_so_that_work_of_earlier_versions_is_found(room):
    config = recipe(room)
    assert by_content(config, str(room / "out"))[0] == config


def test_two_contents_under_one_path_have_two_names_each_for_good(room):
    config, folder = recipe(room), str(room / "steps")
    first, names = by_content(config, folder)
    keep_names(folder, names)
    path = room / "tokenizer/tokenizer.json"
    before = path.read_text()
    path.write_text(before + " ")
    second, names = by_content(config, folder)
    keep_names(folder, names)
    assert second.tokenizer.startswith(f"{first.tokenizer}@") and second.decontaminate == first.decontaminate
    assert by_content(config, folder)[0] == second
    path.write_text(before)
    assert by_content(config, folder)[0] == first
