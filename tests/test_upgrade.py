"""Works that earlier versions began, in `tests/fixtures/v*`: finished ones are found, half-finished ones continued.

What a later version must not do is refuse them, begin them again, or come to other bytes or figures.
"""

import json
import tarfile
from pathlib import Path

import pytest

from common.config import Added
from tests.fixtures.fields import configs, hashed_fields
from tests.fixtures.works import Work, differences, door, matching, outcome, set_times, steady, written_again

FIXTURES = Path(__file__).parent / "fixtures"
KEPT = [
    (folder.name, Work(**work))
    for folder in sorted(FIXTURES.glob("v*"))
    for work in json.loads((folder / "works.json").read_text(encoding="utf-8"))
]
VERSIONS = sorted(folder.name for folder in FIXTURES.glob("v*"))
GONE = {"BuildConfig", "BaselinesConfig", "PlanConfig", "ScoreConfig"}
"""Configs that are no more, or read a part of a run now, and whose hash no mark of finished work holds: plans too."""
NAMES = [f"{version}-{work.name}" for version, work in KEPT]

pytestmark = pytest.mark.integration


def unpacked(archive, folder, member, name):
    """One folder of an archive under another name, every file with the time that kept works bear."""
    with tarfile.open(archive) as source:
        source.extractall(folder, filter="data")
    (folder / member).rename(folder / name)


@pytest.fixture
def begun(tmp_path, monkeypatch):
    """A function that lays out a kept work beside its inputs and goes there."""

    def lay_out(version, work, state):
        kept = FIXTURES / version
        unpacked(kept / "inputs.tar.gz", tmp_path, "inputs", "room")
        unpacked(kept / f"{work.name}.tar.gz", tmp_path, state, "taken")
        (tmp_path / "room" / "work").mkdir()
        folder = (tmp_path / "taken").rename(tmp_path / "room" / "work" / work.name)
        set_times(tmp_path / "room")
        monkeypatch.chdir(tmp_path / "room")
        return folder

    return lay_out


def expected(version, work):
    """What came of the work then, without what may differ by now."""
    kept = json.loads((FIXTURES / version / "expected.json").read_text(encoding="utf-8"))[work.name]
    return {**kept, "figures": {name: steady(rows) for name, rows in kept["figures"].items()}}


@pytest.mark.parametrize(("version", "work"), KEPT, ids=NAMES)
def test_a_finished_work_is_found_finished(version, work, begun):
    folder = begun(version, work, "finished")
    done = matching(folder, work.untouched)
    assert done
    door(work.module)([*work.arguments, *work.going_on])
    assert written_again(folder, done) == []
    assert differences(outcome(work, folder), expected(version, work)) == []


MENDED = {
    # The first version lost a bad line behind the last whole part where batches end with their parts.
    ("v0", "infer"): ["/figures/shard_1.stats.json/0/docs_in: 13, not 12"],
    # Entropy was a mean over batches, so that it depended on the number of processes; now it is one over tokens.
    ("v0", "rl_rephraser"): ["/figures/metrics.jsonl/4/entropy: 1.24", "/figures/metrics.jsonl/5/entropy: 1.41"],
}


@pytest.mark.parametrize(("version", "work"), KEPT, ids=NAMES)
def test_a_half_finished_work_goes_on_to_the_same_end(version, work, begun):
    folder = begun(version, work, "half")
    done = matching(folder, work.kept)
    assert done or not work.kept
    door(work.module)([*work.arguments, *work.going_on])
    assert written_again(folder, done) == []
    found, mended = differences(outcome(work, folder), expected(version, work)), MENDED.get((version, work.name), [])
    assert len(found) == len(mended), found
    assert all(map(str.startswith, found, mended)), found


@pytest.mark.parametrize("version", VERSIONS)
def test_a_field_that_came_later_is_marked_so_that_the_hashes_of_before_still_hold(version):
    kept = json.loads((FIXTURES / version / "hashed_fields.json").read_text(encoding="utf-8"))
    found = {}
    for config in configs():
        fields = config.model_fields.items()
        marked = {name for name, field in fields if any(isinstance(mark, Added) for mark in field.metadata)}
        found.setdefault(config.__name__, []).append((config.__module__, set(hashed_fields(config)) - marked))
    everywhere = [fields for entries in found.values() for _, fields in entries]
    for name, lists in kept.items():
        for before in [] if name in found or name in GONE else lists:
            assert set(before) in everywhere, f"{name} has another name now, and other fields"
        for module, fields in [] if name in GONE else found.get(name, []):
            nearest = min((set(one) for one in lists), key=lambda one: len(one ^ fields))
            new, gone = ", ".join(sorted(fields - nearest)), ", ".join(sorted(nearest - fields))
            assert not new, f"{module}.{name}: mark {new} as ADDED (or HOW), or finished work is refused"
            assert not gone, f"{module}.{name}: {gone} entered the hash of finished work, which is refused now"
