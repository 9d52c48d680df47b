"""The index of a run's samples follows a run that is alive, is cut back to a checkpoint, or begins anew."""

import json
import shutil

import pytest

from eval.reader import run_index
from eval.reader.run_index import SAMPLES, RunSearch, is_fresh, refresh
from eval.reader.store import Store, get_meta


@pytest.fixture
def alive(run, tmp_path):
    """A copy of the run that may be written to, with its index."""
    shutil.copytree(run, tmp_path / "rl")
    store = Store(tmp_path / "index", run_index.SCHEMA)
    refresh(tmp_path / "rl", store)
    yield tmp_path / "rl", store
    store.close()


def search(alive):
    folder, store = alive
    return RunSearch(store.reader(), folder / SAMPLES)


def told(alive):
    return [(one.step, one.split, one.prompts, one.samples) for one in search(alive).batches()]


def test_steps_say_what_was_sampled_and_earned(alive):
    assert told(alive) == [(0, "eval", 3, 3), (1, "train", 3, 12), (10, "train", 3, 13)]
    first, _, last = search(alive).batches()
    assert first.reward == pytest.approx(1 + 0) and first.rewards == {"exact": 0.0, "format": 1.0}
    assert (last.discarded, last.skipped) == (4, 1) and last.reward == pytest.approx(1.5)  # of those trained on


def test_what_is_added_is_read_and_an_unfinished_line_waits(alive):
    folder, store = alive
    line = json.dumps(
        {"step": 11, "mode": "train", "id": "new", "completion": "fresh words", "rewards": {}, "total": 1}
    )
    with (folder / SAMPLES).open("a") as file:
        file.write(line[:40])
    refresh(folder, store)
    assert len(told(alive)) == 3 and not is_fresh(folder, store)
    with (folder / SAMPLES).open("a") as file:
        file.write(line[40:] + "\n")
    refresh(folder, store)
    assert told(alive)[-1] == (11, "train", 1, 1) and is_fresh(folder, store)
    assert [one["id"] for one in search(alive).search(['"fresh"'], 0, 9)] == ["new"]


def test_a_run_that_went_back_to_a_checkpoint_is_read_anew(alive):
    folder, store = alive
    lines = (folder / SAMPLES).read_text().splitlines(keepends=True)
    (folder / SAMPLES).write_text("".join(lines[:15]))
    refresh(folder, store)
    assert told(alive) == [(0, "eval", 3, 3), (1, "train", 3, 12)]


def test_another_run_in_its_place_is_read_anew(alive):
    folder, store = alive
    other = json.dumps(
        {"step": 5, "mode": "train", "id": "x", "completion": "y" * 20_000, "rewards": {}, "total": None}
    )
    (folder / SAMPLES).write_text(f"{other}\n")
    refresh(folder, store)
    assert told(alive) == [(5, "train", 1, 1)]


def test_lines_that_are_no_samples_are_counted(alive):
    folder, store = alive
    hostile = [
        "nonsense",
        "[1]",
        '{"step": "x"}',
        json.dumps({"step": 12, "mode": 3, "id": {"a": 1}, "rewards": [1], "parts": 7, "total": "x", "sample": "y"}),
        json.dumps({"step": 12, "mode": "train", "id": "\ud800", "completion": None, "rewards": {"r": "NaN"}}),
    ]
    with (folder / SAMPLES).open("a") as file:
        file.write("".join(f"{line}\n" for line in hostile))
    refresh(folder, store)
    assert get_meta(store.reader(), "unreadable") == 4  # half of a surrogate pair is no JSON
    assert any(step == 12 for step, *_ in told(alive))


def test_a_prompts_samples_are_read_from_their_places(alive):
    found = search(alive)
    assert [one["sample"] for one in found.samples(10, "train", "q1", 99)] == [0, 1, 2, 3, 4]
    assert [one.id for one in found.groups(10, "train", 0, 99)] == ["q0", "q1", "q9"]
    assert found.steps_of("q1") == [(0, "eval"), (1, "train"), (10, "train")]
