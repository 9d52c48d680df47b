"""Where a model is looked for, and that an edit anywhere in it is seen."""

import os

import pytest

from common import weights
from common.weights import context_length, find_model, model_hash, model_identity


def model_at(folder, size=100):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(bytes(size))
    return folder


def test_what_a_name_means(tmp_path, monkeypatch, root):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    model_at(tmp_path / "mine" / "model")
    assert find_model("mine/model") == "mine/model"
    assert find_model("Qwen/Qwen3-4B") == "Qwen/Qwen3-4B"
    assert find_model("gpt2") == "gpt2"
    assert find_model("http://127.0.0.1:8000/v1") == "http://127.0.0.1:8000/v1"
    assert find_model("rephrase/tiny") == str(root / "rephrase" / "tiny")


@pytest.mark.parametrize("name", ["mine/other", "./x", "/none", "~/none", "a/b/c", "runs/x", "rephrase/tinny", ""])
def test_a_name_that_can_only_be_a_folder_is_no_download(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    with pytest.raises(ValueError, match="no model at"):
        find_model(name)


def test_a_hub_is_not_asked_where_that_is_forbidden(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="HF_HUB_OFFLINE=1"):
        find_model("Qwen/Qwen3-4B")


@pytest.mark.parametrize("digest", [model_hash, model_identity])
def test_an_edit_in_the_middle_of_a_large_file_is_another_model(digest, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "WHOLE_FILE_BYTES", 50)
    folder = model_at(tmp_path / "m", size=1000)
    before = digest(str(folder))
    assert digest(str(folder)) == before
    with (folder / "model.safetensors").open("r+b") as file:
        file.seek(500)
        file.write(b"x")
    os.utime(folder / "model.safetensors", ns=(1, 1))
    assert digest(str(folder)) != before


@pytest.mark.parametrize(
    ("config", "limit"),
    [
        ({"max_position_embeddings": 2048}, 2048),
        ({"model_type": "gpt2", "n_positions": 1024}, 1024),
        ({"text_config": {"max_position_embeddings": 131072}, "vision_config": {}}, 131072),
        ({"max_position_embeddings": None, "text_config": {"n_positions": 512}}, 512),
        ({"model_type": "mamba"}, None),
        (None, None),
    ],
)
def test_a_context_limit_is_found_under_every_name_it_has(config, limit):
    assert context_length(config) == limit
