"""The quickstart's reasoning half: its commands fit together, its runs differ in rewards alone, and all learn."""

import contextlib
import importlib
import io
import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOORS = {"rl": "rl.train", "sft": "rl.sft.__main__", "eval": "eval.run", "report": "eval.report.__main__"}
"""What a script starts."""
TRAINED = ("verifiable", "rlpr", "process", "completion")


def stages(place="runs/reasoning"):
    """Module and arguments of each stage, as a dry run prints them, with another folder for `runs/reasoning`."""
    script = ["bash", "scripts/quickstart.sh", "reasoning", "--dry-run"]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=True)
    commands = done.stdout.replace("runs/reasoning", str(place)).splitlines()[1::2]
    for first, second, *rest in map(shlex.split, commands):
        name = Path(second).stem if first == "bash" else rest.pop(0)
        default = ["configs/eval/core.yaml"] if name == "eval" else []
        module = DOORS.get(name) or name + (".__main__" if (ROOT / name.replace(".", "/")).is_dir() else "")
        yield module, [*default, *rest]


def run(module, arguments):
    importlib.import_module(module).main(arguments)


@pytest.fixture
def at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def refusal(module, arguments):
    """Why a dry run ends early; empty if it does not."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            run(module, arguments if module.startswith("eval.compare") else [*arguments, "--dry-run"])
    except SystemExit as stop:
        return said.getvalue() if stop.code else ""
    return ""


def test_every_stage_knows_its_keys_and_misses_only_what_an_earlier_one_makes(at_root, tmp_path):
    place = tmp_path / "new"
    refused = {module: refusal(module, arguments) for module, arguments in stages(place)}
    assert len(refused) == 7
    missing = {module: said.rpartition("error: ")[2].strip() for module, said in refused.items() if said}
    assert missing.keys() == {"rl.sft.__main__", "eval.run", "eval.compare.__main__"}
    assert missing["rl.sft.__main__"].startswith(f"no rows at {place}/sums/sft.jsonl")
    assert missing["eval.run"].startswith("task_sums: there is no file of its examples")
    assert missing["eval.compare.__main__"].startswith(f"no record at {place}/scores/base.json")


def test_the_four_runs_differ_in_their_rewards_alone(at_root):
    from common.config import load, read_yaml
    from rl.grpo.config import RLConfig

    found = []
    for module, arguments in stages():
        if module == "rl.train":
            config, *values = arguments
            given = {key: read_yaml(value) for key, value in (one.split("=", 1) for one in values)}
            found.append(load(RLConfig, [ROOT / config], given))
    assert [Path(one.out).name for one in found] == list(TRAINED)
    same = [one.model_dump(exclude={"out", "rewards", "reward_weights"}) for one in found]
    assert same[0] == same[1] == same[2] == same[3]
    # all but the control are told nothing of what is right, but for the process rewards, which stand beside the outcome
    kinds = [[reward.kind for reward in one.rewards] for one in found]
    assert kinds == [
        ["verifiable", *more] for more in ([], ["reference_probability"], ["process"], ["completion_gain"])
    ]
    assert [one.reward_weights for one in found] == [[1], [0, 1], [1, 0], [0, 1]]


SHORT = {
    "rl.data.arithmetic": ["sft_rows=60", "readouts=40", "rows=16", "eval_rows=8"],
    "rl.sft.__main__": ["stages.0.steps=3"],
    "rl.train": [
        *("max_steps=1", "eval_steps=1", "save_steps=1", "prompts_per_step=2", "num_generations=4"),
        *("per_device_train_batch_size=8", "per_device_eval_batch_size=8", "data.eval_rows=8"),
        "max_completion_length=16",
    ],
    "eval.run": ["samples=1", "max_tokens=16", "draws=20"],
}


@pytest.mark.integration
@pytest.mark.timeout(1800)
def test_its_short_form_ends_with_the_table_and_the_report(at_root, tmp_path, capsys):
    left_out = re.compile(rf"{tmp_path}/(scores/)?(rlpr|process)\b")  # tests/rl/grpo trains with these
    for module, arguments in stages(tmp_path):
        if module == "eval.compare.__main__":
            arguments = [one for one in arguments if not left_out.search(one)]
        if not any(left_out.search(one) for one in arguments):
            run(module, [*arguments, *SHORT.get(module, [])])
        if module.startswith("eval.compare"):
            table = capsys.readouterr().out
    assert re.findall(r"(?m)^Sums +(\w+) ", table) == ["base", "verifiable", "completion"]
    assert "each run is one model" in table and "Beside the control, verifiable" in table
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert {"base", "verifiable", "completion"} <= set(summary)
    assert "Four rewards on the same sums, one seed" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_whole_of_it_keeps_its_promises(at_root):
    done = subprocess.run(
        ["bash", "scripts/quickstart.sh", "reasoning", "seed=7", "--fresh"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    again = subprocess.run(
        ["bash", "scripts/quickstart.sh", "reasoning", "seed=7"], capture_output=True, text=True, check=True
    )
    assert again.stdout.count("done before") == 13  # but for the report
    cells = {}
    for name in ("base", *TRAINED):
        record = json.loads((ROOT / f"runs/reasoning_seed7/scores/{name}.json").read_text(encoding="utf-8"))
        (cells[name],) = record["reasoning"]["cells"].values()
    base = cells.pop("base")
    assert base["score"] < 0.6 and base["thinking"]["answers"] < 0.5
    assert base["thinking"]["score_with"] > base["thinking"]["score_without"] + 0.3  # it can reason
    for name, cell in cells.items():
        error = (base["error_questions"] ** 2 + cell["error_questions"] ** 2) ** 0.5
        assert cell["score"] > base["score"] + max(0.1, 3 * error), name
