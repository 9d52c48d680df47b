"""Which checkpoint a pretraining run goes on from."""

import json

import pytest

from common.runs.checkpoints import MARKER, mark_complete
from pretrain.checkpoints.folder import latest, steps_saved, whole


def save(run, step, *, marked=True):
    folder = run / "checkpoints" / f"step_{step:08d}"
    folder.mkdir(parents=True)
    (folder / ".metadata").write_bytes(b"m")
    (folder / "trainer.json").write_text(json.dumps({"step": step}))
    if marked:
        mark_complete(folder)
    return folder


@pytest.mark.parametrize("marked", [True, False])  # earlier versions wrote no marker
def test_the_newest_whole_one_is_gone_on_from(tmp_path, marked):
    assert latest(tmp_path) is None and steps_saved(tmp_path) == {}
    folders = {step: save(tmp_path, step, marked=marked) for step in (5, 10, 100)}
    assert latest(tmp_path) == folders[100] and steps_saved(tmp_path) == folders
    (folders[100] / ".metadata").unlink()
    assert latest(tmp_path) == folders[10] and list(steps_saved(tmp_path)) == [5, 10]


def test_without_a_marker_both_the_weights_and_the_step_must_be_there(tmp_path):
    folder = save(tmp_path, 5, marked=False)
    assert whole(folder)
    (folder / "trainer.json").write_text("{}")
    assert not whole(folder)
    (folder / "trainer.json").write_text('{"step": 5}')
    assert whole(folder)
    (folder / ".metadata").unlink()
    assert not whole(folder) and not (folder / MARKER).exists()
