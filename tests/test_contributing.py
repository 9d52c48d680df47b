"""The worked examples of CONTRIBUTING: followed word by word in a copy of the repository, each of them works."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / ".github/CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?m)^(?P<said>.+:)\n\n```(?P<form>\w+)\n(?P<body>[\s\S]*?)^```$")
BESIDE = re.compile(r"(Above|Below) the line that begins with `(.+)` in `(.+)`:$")
NEW = re.compile(r"New file `(.+)`:$")
END = re.compile(r"At the end of `(.+)`:$")


def steps(text):
    """(heading, what is said before a block, its language, its lines) of every block, in order."""
    headings = [(found.start(), found[1]) for found in re.finditer(r"(?m)^## (.+)$", text)]
    for found in BLOCK.finditer(text):
        heading = [name for start, name in headings if start < found.start()][-1]
        yield heading, found["said"], found["form"], found["body"]


def follow(said, body, root):
    """Do what a sentence says with the block behind it."""
    if named := NEW.search(said):
        path = root / named[1]
        assert not path.exists(), path
        path.write_text(body, encoding="utf-8")
    elif named := END.search(said):
        path = root / named[1]
        path.write_text(path.read_text(encoding="utf-8") + body, encoding="utf-8")
    else:
        where, begins, name = BESIDE.search(said).groups()
        lines = (root / name).read_text(encoding="utf-8").splitlines(keepends=True)
        at = [number for number, line in enumerate(lines) if line.lstrip().startswith(begins)]
        assert len(at) == 1, (name, begins, at)
        lines.insert(at[0] + (where == "Below"), body)
        (root / name).write_text("".join(lines), encoding="utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The repository with all five additions."""
    root = tmp_path_factory.mktemp("copy")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in listed.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, root / name)
    for _, said, form, body in steps(TEXT):
        if form != "bash":
            follow(said, body, root)
    return root


def run(root, *command):
    home = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{home}:{os.environ['PATH']}", "VIRTUAL_ENV": str(home.parent)}
    environment.pop("PYTHONPATH", None)
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def check_reward(root, shown):
    assert re.search(r"closing +1 +1 +1\.0000", shown), shown


def check_verifier(root, shown):
    judged = json.loads((root / "judged.jsonl").read_text())
    assert (judged["status"], judged["score"], judged["verifier"]) == ("correct", 1.0, "roman")
    assert re.search(r"ours:roman", shown), shown


def check_data_set(root, shown):
    report = json.loads((root / "ages.parquet.report.json").read_text())
    assert (report["rows"], report["drops"]) == (1, {"no_answer": 1})


def check_task(root, shown):
    assert "What is the capital of Peru?" in shown
    assert "Lima" in shown


def check_form(root, shown):
    assert "1 passed" in shown


CHECKS = {
    "Add a reward": check_reward,
    "Add a verifier": check_verifier,
    "Add a data set": check_data_set,
    "Add an evaluation task": check_task,
    "Add a shard form": check_form,
}


def test_every_addition_is_followed():
    assert re.findall(r"(?m)^## (Add .+)$", TEXT) == list(CHECKS)
    found = list(steps(TEXT))
    assert {heading for heading, *_ in found} == set(CHECKS)
    assert len(found) == TEXT.count("\n```\n")  # no block stands without a sentence that says what to do with it
    for _, said, form, _ in found:
        assert form == "bash" or NEW.search(said) or END.search(said) or BESIDE.search(said), said


@pytest.mark.parametrize("heading", CHECKS)
def test_the_commands_of_an_addition_work(heading, copy):
    (script,) = (body for name, _, form, body in steps(TEXT) if name == heading and form == "bash")
    done = run(copy, "bash", "-euo", "pipefail", "-c", script)
    assert done.returncode == 0, done.stdout + done.stderr
    CHECKS[heading](copy, done.stdout)


def test_the_additions_obey_the_checks(copy):
    for command in (["format", "--quiet", "."], ["check", "."]):  # who adds something has it formatted
        done = run(copy, "ruff", *command, "--no-cache")
        assert done.returncode == 0, done.stdout
