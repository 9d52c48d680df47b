"""An error about something that is not there names the one command that brings or makes it."""

import os
import re
import subprocess
import sys

import pytest

from common.config import read_yaml
from common.downloads.advice import advice
from common.shipped import configs_folder

OWN = {
    "data/teacher_rephrasings.jsonl",  # a teacher's answers, which nobody publishes
    "data/selected",  # what the user selected
    "data/tokens",
}
"""Places that only the user can fill."""


@pytest.mark.parametrize(
    ("message", "command"),
    [
        ("no file at models/fasttext_oh_eli5.bin", "get it with: bash scripts/download.sh fasttext"),
        ("nothing matches datasets/guru/train/*.parquet", "get it with: bash scripts/download.sh guru"),
        (
            "datasets/train/rlpr_train.parquet is not there",
            "get it with: bash scripts/download.sh rlpr && python -m rl.data.prepare rlpr source=datasets/raw/rlpr "
            "out=datasets/train/rlpr_train.parquet",
        ),
        (
            "no model at runs/arithmetic/sft/export; give model=FOLDER",
            "make it with: bash scripts/sft.sh configs/rl/sft_arithmetic.yaml",
        ),
        (
            "runs/arithmetic/train.jsonl: No such file or directory",
            "make it with: python -m rl.data.arithmetic out=runs/arithmetic largest=6 guess_frac=0.5 sft_rows=700 "
            "rows=440",
        ),
        (
            "no model at runs/guru_qwen2.5_32b/export",
            "make it with: bash scripts/rl.sh configs/rl/guru_qwen2.5_32b.yaml",
        ),
        ("no model at runs/sft_4b/export", "make it with: bash scripts/sft.sh configs/rl/sft_4b.yaml"),
        ("no pool at /elsewhere/models/fasttext_oh_eli5.bin", ""),
        ("http://models/fasttext_oh_eli5.bin answers 404", ""),
        ("unknown key 'a'; write key=value", ""),
    ],
)
def test_the_command_is_named(message, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert advice(message) == command


def test_what_is_there_needs_no_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "fasttext_oh_eli5.bin").touch()
    assert advice("models/fasttext_oh_eli5.bin is no fastText model") == ""


def places(value):
    if isinstance(value, dict):
        for key, inside in value.items():
            if key not in ("out", "output", "logs", "output_dir", "quality_model"):
                yield from places(inside)
    elif isinstance(value, list):
        for inside in value:
            yield from places(inside)
    elif isinstance(value, str) and re.match(r"(runs|models|datasets|data|pools|tokenizers|rl_data)/", value):
        yield value


RECIPES = sorted(
    path
    for area in ("rl", "filter", "rephrase", "pretrain", "eval", "serve")
    for path in (configs_folder() / area).glob("*.yaml")
)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_whatever_a_recipe_looks_for_can_be_had(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    unknown = [
        place for place in places(read_yaml(recipe.read_text())) if place not in OWN and not advice(f"no {place}")
    ]
    assert unknown == []


def test_the_line_that_a_user_sees(tmp_path, root):
    command = [sys.executable, "-m", "rl.train", str(root / "configs/rl/rlpr_smoke_cpu.yaml"), "--check"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert done.returncode == 2
    assert re.search(r"; make it with: .*arithmetic", done.stderr.splitlines()[-1])
