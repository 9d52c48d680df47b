"""Every script answers --help, is strict, and hands mistakes through as one line and exit code 2."""

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
