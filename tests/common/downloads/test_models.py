"""A hub's models and pools: pinned to a revision, kept where HF_HOME says, and used from there without a hub."""

import os
import subprocess
import sys

import pytest

from common.weights import find_model, hub_is_off

PROGRAM = (
    "import sys; from common.weights import find_model; print(find_model(sys.argv[1], fetch=sys.argv[2] == 'yes'))"
)


@pytest.fixture
def found(address, published, tmp_path, root):
    """What a name means to a process of its own, whose hub is the stand-in."""
    files = {"config.json": b'{"model_type": "llama"}', "w.safetensors": b"weights", "w.gguf": b"x"}
    published.files |= {f"o/n/{name}": content for name, content in files.items()}

    def ask(name, fetch="yes", program=PROGRAM, **variables):
        environment = {
            **os.environ,
            "HF_ENDPOINT": address,
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_XET": "1",
            **variables,
        }
        command = [sys.executable, "-c", program, name, fetch]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=root)

    return ask


def test_a_pinned_model_is_fetched_once_into_hf_home(found, published, commit, tmp_path):
    assert found("o/n@v1", "no").stdout == "o/n@v1\n"
    assert published.asked == []  # a look at a configuration asks nobody
    first = found("o/n@v1")
    assert first.returncode == 0, first.stderr
    assert first.stdout.strip() == str(tmp_path / f"home/hub/models--o--n/snapshots/{commit}")
    assert (tmp_path / f"home/hub/models--o--n/snapshots/{commit}/w.safetensors").read_bytes() == b"weights"
    assert not list((tmp_path / "home").rglob("*.gguf"))
    assert any(path == "api/models/o/n/revision/v1" for _, path, _ in published.asked)
    asked = len(published.asked)
    for variables in ({"HF_HUB_OFFLINE": "true"}, {"HF_HUB_OFFLINE": "", "TRANSFORMERS_OFFLINE": "1"}):
        assert found("o/n@v1", **variables).stdout == first.stdout
    assert len(published.asked) == asked


def test_a_revision_that_is_not_there_is_one_line(found):
    done = found("o/other@v1")
    assert done.returncode == 1 and "ValueError: no model o/other@v1: " in done.stderr.splitlines()[-1]
    done = found("o/n@v2", HF_HUB_OFFLINE="yes")
    assert "HF_HUB_OFFLINE=1 keeps the hub out" in done.stderr.splitlines()[-1]


READS = """
from common.pools.documents import read_documents
from common.pools.shards import list_shards
for shard in list_shards("hf://datasets/o/pages@v1/data"):
    print([page["text"] for page in read_documents(shard.path)])
"""


def test_a_pool_may_lie_on_a_hub_at_a_pinned_revision(found, published):
    for number in range(2):
        published.files[f"o/pages/data/{number}.jsonl"] = b'{"id": "a", "text": "page %d"}\n' % number
    done = found("", program=READS)
    assert done.stdout == "['page 0']\n['page 1']\n", done.stderr
    assert any(path == "api/datasets/o/pages/revision/v1" for _, path, _ in published.asked)


@pytest.mark.parametrize(
    ("variables", "off"),
    [
        ({}, False),
        ({"HF_HUB_OFFLINE": "0"}, False),
        ({"HF_HUB_OFFLINE": "1"}, True),
        ({"HF_HUB_OFFLINE": "yes"}, True),
        ({"TRANSFORMERS_OFFLINE": "ON"}, True),
    ],
)
def test_offline_is_asked_for_in_the_hubs_own_words(variables, off, monkeypatch):
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert hub_is_off() is off


def test_a_folder_with_such_a_name_is_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs@2").mkdir()
    assert find_model("runs@2") == "runs@2"
