"""`repro STAGE` runs the stage's script or module; --version and foreign packages are said in one line."""

import os
import subprocess
import sys

import pytest

from common.runs.stage import STAGES
from common.shipped import VERSION, scripts_folder


def run(root, folder, *words, module="common.runs.stage"):
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-m", module, *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_every_stage_has_a_script_and_a_word_about_it(root, tmp_path):
    shown = run(root, tmp_path)
    assert shown.returncode == 0
    for name, what in STAGES.items():
        assert (scripts_folder() / f"{name}.sh").is_file()
        assert f"{name} " in shown.stdout and what in shown.stdout


def test_a_stage_runs_its_script_in_this_environment(root, tmp_path):
    done = run(root, tmp_path, "filter", "--dry-run", "source_ref_paths=none", "output_dir=out")
    assert done.returncode == 2 and "none" in done.stderr
    helped = run(root, tmp_path, "view", "--help")
    assert helped.stdout.startswith("Usage: scripts/view.sh")


def test_a_module_runs_as_behind_python_m(root, tmp_path):
    done = run(root, tmp_path, "pretrain.plan", "scale=411m_1x", "gpus=8")
    assert done.returncode == 0 and "411,665,408" in done.stdout


@pytest.mark.parametrize("name", ["tests", "os.path", "common", "rl.nothing", "../rl"])
def test_another_name_is_one_line(root, tmp_path, name):
    done = run(root, tmp_path, name)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: no stage '{name}'; there are: rl, sft,")


@pytest.mark.parametrize("module", ["common.runs.stage", "rl.score", "eval.verify", "common.download"])
def test_the_version_is_said_everywhere(root, tmp_path, module):
    assert run(root, tmp_path, "--version", module=module).stdout.startswith(f"repro-toolkit {VERSION} in {root}")


def test_a_folder_that_hides_a_package_is_named_in_one_line(root, tmp_path):
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval" / "__init__.py").touch()
    done = run(root, tmp_path, "--help", module="common.download")
    assert done.returncode == 2
    assert f"{tmp_path}/eval has the name of a package of this toolkit" in done.stderr
    assert done.stderr.count("\n") == 1
