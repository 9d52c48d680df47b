"""Which model a command line names."""

import json
import os

import pytest

from common.weights import model_hash
from eval.models.folder import ModelSource, export, find_model


def model(path, **config):
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps({"model_type": "llama", **config}))
    return path


def checkpoint(run, step):
    path = run / "checkpoints" / f"step_{step:08d}"
    path.mkdir(parents=True)
    (path / ".metadata").write_text("")
    return path


def find(model="", method="", checkpoint="last", logs="logs"):
    return find_model(model, method, checkpoint, str(logs))


def test_a_hugging_face_folder_is_itself(tmp_path):
    folder = model(tmp_path / "m")
    assert find(model=str(folder)) == find(method=str(folder)) == ModelSource(folder=str(folder))
    assert find(method="m", logs=tmp_path) == ModelSource(folder=str(folder))


def test_a_run_gives_its_export_unless_a_checkpoint_is_newer(tmp_path):
    run = tmp_path / "run"
    last = checkpoint(run, 200)
    first = checkpoint(run, 100)
    exported = model(run / "export")
    os.utime(exported / "config.json", (2e9, 2e9))
    assert find(model=str(run)) == find(method="run", logs=tmp_path) == ModelSource(folder=str(exported))
    os.utime(last / ".metadata", (3e9, 3e9))
    assert find(method="run", logs=tmp_path) == ModelSource(checkpoint=str(last))
    assert find(method="run", checkpoint="100", logs=tmp_path) == ModelSource(checkpoint=str(first))
    assert find(method="run", checkpoint=str(first), logs=tmp_path) == ModelSource(checkpoint=str(first))
    with pytest.raises(ValueError, match="has no checkpoint 150; it has: 100, 200"):
        find(method="run", checkpoint="150", logs=tmp_path)


def test_an_unfinished_checkpoint_does_not_count(tmp_path):
    run = tmp_path / "run"
    whole = checkpoint(run, 100)
    (checkpoint(run, 200) / ".metadata").unlink()
    assert find(model=str(run)) == ModelSource(checkpoint=str(whole))


def test_an_open_lm_run_gives_its_epoch_and_the_models_shape(tmp_path, root):
    run = tmp_path / "run" / "checkpoints"
    run.mkdir(parents=True)
    (run / "epoch_6.pt").write_text("")
    shape = tmp_path / "shape.json"
    shape.write_text("{}")
    found = find(model=str(shape), method="run", checkpoint="6", logs=tmp_path)
    assert found == ModelSource(checkpoint=str(run / "epoch_6.pt"), model_config=str(shape))
    assert find(method=str(run / "epoch_6.pt")) == ModelSource(checkpoint=str(run / "epoch_6.pt"))


def test_what_is_not_there_is_told_with_what_is(tmp_path):
    model(tmp_path / "logs" / "one")
    with pytest.raises(ValueError, match=r"no model at .*two; runs in .*: one"):
        find(method="two", logs=tmp_path / "logs")
    with pytest.raises(ValueError, match="name what to evaluate"):
        find()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no model"):
        find(model=str(tmp_path / "empty"))


def test_an_export_that_fails_says_why(tmp_path):
    with pytest.raises(RuntimeError, match=r"pretrain\.export to-hf .* failed: "):
        export(ModelSource(checkpoint=str(checkpoint(tmp_path, 1))), tmp_path / "out")


def test_a_models_hash_is_of_its_contents(tmp_path):
    one, other = model(tmp_path / "a"), model(tmp_path / "b")
    for folder in (one, other):
        (folder / "model.safetensors").write_bytes(b"weights")
    (one / "README.md").write_text("a card")
    assert model_hash(str(one)) == model_hash(str(other))
    (other / "model.safetensors").write_bytes(b"Weights")
    assert model_hash(str(one)) != model_hash(str(other))
