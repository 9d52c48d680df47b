"""From nothing to a GRPO run on one GPU by the README alone: its commands in order, each fed by those before it.

Nothing is trained here. Every command is run dry, and what it would leave behind is put there by hand, small. A command
may refuse only in words that lead on: to a card, to an extra of the README's table, or to data of its table.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
SENTENCES = "A page about tea. It says how long the leaves should stay in the water. " * 30
PAGE = '{"id": "p%d", "text": "' + SENTENCES + '"}\n'


def section(heading):
    return re.search(rf"(?ms)^## {heading}\n(.*?)(?=^## |\Z)", TEXT)[1]


def one_gpu():
    """The loop's commands on one GPU, in order."""
    block = re.search(r"```bash\n(.*?)```", section("The recycling loop"), re.DOTALL)[1]
    return [line for line in block.splitlines() if line.strip()]


def names():
    """NAME of every row of the data table → where it goes."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section("Get the data").splitlines()]
    return {row[1].strip("`"): row[5] for row in rows if len(row) == 7 and row[1].startswith("`")}


def extras():
    return {name for found in re.findall(r"-e \.\[([\w,]+)\]", TEXT) for name in found.split(",")}


@pytest.fixture
def home(tmp_path):
    """A folder with what the commands say they would make."""
    for name in ("POOL", "RECYCLED", "SELECTED"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "shard_00000000.jsonl").write_text("".join(PAGE % number for number in range(20)))
    return tmp_path


def run(line, home):
    place = Path(sys.executable).parent
    ours = {"PATH": f"{place}:{os.environ['PATH']}", "VIRTUAL_ENV": str(place.parent), "PYTHONPATH": str(ROOT)}
    environment = {**os.environ, **ours, "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        ["bash", "-c", line.replace("scripts/", f"{ROOT}/scripts/")],
        cwd=home,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def leads_on(refusal):
    """Whether a reader of the README knows what to do next."""
    extra = re.search(r"pip install -e \.\[(\w+)\]", refusal)
    data = re.search(r"bash scripts/download\.sh ([\w-]+)", refusal)
    gpu = "needs an NVIDIA GPU" in refusal
    return gpu or (extra and extra[1] in extras()) or (data and data[1] in names())


def test_the_install_commands_name_extras_that_exist():
    listed = re.findall(r'(?m)^        "(\w+)": \[', (ROOT / "setup.py").read_text(encoding="utf-8"))
    assert extras() <= set(listed)
    assert {"gpu", "eval"} <= extras()


def test_every_name_of_the_data_table_can_be_brought(home):
    assert len(names()) >= 10
    done = run(f"bash scripts/download.sh {' '.join(names())} --dry-run", home)
    assert done.returncode == 0, done.stderr
    for name in names():
        assert name in done.stdout


def test_the_loop_on_one_gpu_needs_nothing_that_the_readme_does_not_bring(home):
    lines = one_gpu()
    assert [re.search(r"scripts/(\w+)\.sh", line)[1] for line in lines] == [
        "rl",
        "infer",
        "filter",
        "tokenize",
        "pretrain",
        "eval",
    ]
    made = {"POOL"}  # of the data table, or a reader's own pages
    for line in lines:
        done = run(f"{line} --dry-run", home)
        said = done.stderr.strip()
        assert done.returncode == 0 or (done.returncode == 2 and leads_on(said)), f"{line}: {said}"
        needs = set(re.findall(r"=([A-Z][A-Z_,]+)\b", line))
        outputs = set(re.findall(r"\boutput(?:_dir)?=([A-Z]+)\b", line))
        inputs = {one for need in needs for one in need.split(",")} - outputs
        assert inputs <= made, f"{line}: nothing before it makes {inputs - made}"
        made |= outputs
        if "scripts/rl.sh" in line:
            out = re.search(r"(?m)^out: (\S+)$", done.stdout)[1]
            assert re.search(r"(?m)^# launch: .*python3 -m rl\.train ", done.stdout), done.stdout
            shutil.copytree(ROOT / "rephrase/tiny", home / out / "export")
            assert f"model={out}/export" in lines[1]
        if "scripts/tokenize.sh" in line:
            small = re.sub(r"tokenizer=\S+", "tokenizer=rephrase/tiny", line)
            assert run(small, home).returncode == 0
        if "scripts/pretrain.sh" in line:
            made |= {"RUN", "TASK_FILES"}  # its run folder, and CORE's task files of the data table
            shutil.copytree(ROOT / "rephrase/tiny", home / "logs" / "RUN" / "export")
