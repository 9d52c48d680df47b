"""Every script answers --help, is strict, and hands mistakes through as one line and exit code 2."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parents[1] / "scripts").rglob("*.sh"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_strict_and_answers_help(script):
    assert "set -euo pipefail" in script.read_text(encoding="utf-8")
    done = subprocess.run(["bash", script, "--help"], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"{script.name}" in done.stdout.splitlines()[0]
    assert done.stderr == ""


@pytest.mark.parametrize("compiler", [True, False])
def test_a_machine_that_builds_nothing_is_set_up_without_what_has_to_be_built(compiler, tmp_path):
    (tmp_path / "scripts").mkdir()
    shutil.copy(next(path for path in SCRIPTS if path.name == "setup.sh"), tmp_path / "scripts")
    (tmp_path / "requirements.txt").write_text("torch==1\nreasoning-gym==2\nnumpy==3\n")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    python = tmp_path / ".venv" / "bin" / "python"  # takes down what it is asked to install
    python.write_text(f'#!/bin/bash\ncase "$*" in *" uv") exit 1 ;; esac\necho "$*" >>{tmp_path}/asked\n')
    (tmp_path / "bin").mkdir()
    for name in ("bash", "dirname", "sha256sum", "cut", "cat", "grep", "tail"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    if compiler:
        (tmp_path / "bin" / "cc").write_text("#!/bin/bash\n")
    for path in (python, *(tmp_path / "bin").glob("cc")):
        path.chmod(0o755)
    command = ["bash", str(tmp_path / "scripts" / "setup.sh")]
    environment = {**os.environ, "PATH": str(tmp_path / "bin")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    (read,) = [line.split("-r ")[1] for line in (tmp_path / "asked").read_text().splitlines() if " -r " in line]
    kept = Path(read).read_text()
    assert ("reasoning-gym" in kept) is compiler and "numpy==3" in kept
    assert ("reasoning-gym is left out" in done.stdout) is not compiler
