"""What a wheel holds: an installed toolkit finds its configs, its scales and its tiny model from any folder."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def installed(root, tmp_path_factory):
    """The unpacked wheel of the tracked files, built apart from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    tracked = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout.split()
    for name in tracked:
        if not name.startswith("tests/"):
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / name, folder / "source" / name)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), "."]
    subprocess.run(command, cwd=folder / "source", check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "installed")
    return folder / "installed"


def test_the_images_name_extras_and_files_that_exist(root):
    setup = (root / "setup.py").read_text(encoding="utf-8")
    files = sorted((root / "configs" / "docker").glob("*.Dockerfile"))
    assert len(files) == 2
    for file in files:
        text = file.read_text(encoding="utf-8")
        extras = {name for found in re.findall(r"\.\[([\w,]+)\]", text) for name in found.split(",")}
        assert [name for name in extras if f'"{name}": [' not in setup] == []
        assert [name for name in re.findall(r"scripts/\w+\.sh", text) if not (root / name).is_file()] == []
        assert f"-f {file.relative_to(root).as_posix()}" in text


def run(installed, folder, *words):
    environment = os.environ | {"PYTHONPATH": str(installed)}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_a_wheel_holds_what_the_checkout_holds(installed, root):
    for name in (
        "eval/reader/static/reader.css",
        "common/py.typed",
        "rephrase/tiny/config.json",
        "rephrase/tiny/model.safetensors",
    ):
        assert (installed / name).is_file()
    configs = {path.relative_to(root / "configs") for path in (root / "configs").rglob("*.yaml")}
    assert configs == {
        path.relative_to(installed / "common" / "configs") for path in installed.glob("common/configs/**/*.yaml")
    }
    assert list(installed.glob("eval/verifiers/vectors/*.jsonl"))
    assert list(Path(installed).glob("*.dist-info/**/LICENSE"))


def test_a_scale_a_recipe_and_the_tiny_model_are_found_from_elsewhere(installed, tmp_path):
    plan = run(installed, tmp_path, "-m", "pretrain.plan", "scale=411m_1x", "gpus=8")
    assert "411,665,408" in plan.stdout, plan.stderr
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "a.jsonl").write_text('{"text": "One sentence of a page that says a thing."}\n')
    recipe = "configs/rephrase/rephrase_tiny_cpu.yaml"
    done = run(installed, tmp_path, "-m", "rephrase.run", "0", "0", recipe, "input=pool", "output=out")
    assert done.returncode == 0, done.stderr
    assert "1 documents in" in done.stdout
    where = run(installed, tmp_path, "-c", "import rephrase.run; print(rephrase.run.__file__)")
    assert where.stdout.startswith(str(installed))


def test_the_wheel_brings_the_scripts_and_the_command(installed, tmp_path):
    assert "repro = common.runs.stage:main" in next(installed.glob("*.dist-info/entry_points.txt")).read_text()
    recipe = "configs/rl/rephraser_smoke_cpu.yaml"
    dry = run(installed, tmp_path, "-m", "common.runs.stage", "rl", recipe, "--dry-run")
    assert "model: rephrase/tiny" in dry.stdout, dry.stderr
    default = run(
        installed, tmp_path, "-m", "common.runs.stage", "filter", "--dry-run", "source_ref_paths=a", "output_dir=b"
    )
    assert default.returncode == 2 and default.stderr.count("\n") == 1, default.stderr
