"""What a door costs before it does anything: `--help` takes less than half a second of CPU."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("common", "eval", "filter", "rephrase", "pretrain", "rl")
DOORS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")
)
MOST_S = 0.5
TRIES = 4
"""The least of them counts: a machine with other work on it takes more seconds for the same."""


def cpu_s(command, environment):
    before = os.times()
    subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Byte code is written, as it is where somebody works, and elsewhere than into the sources' folders."""
    folder = tmp_path_factory.mktemp("bytecode")
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(folder)}


def test_help_of_every_door_takes_less_than_half_a_second(environment):
    slow = {}
    for door in DOORS:
        command = [sys.executable, "-m", door, "--help"]
        found = []
        while len(found) < TRIES and min(found, default=MOST_S) >= MOST_S:
            found.append(cpu_s(command, environment))  # the first one may be writing byte code
        if min(found) >= MOST_S:
            slow[door] = found
    assert not slow
