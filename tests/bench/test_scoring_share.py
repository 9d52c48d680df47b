"""What scoring adds to a training step; run by hand: pytest -m bench tests/bench/test_scoring_share.py -s

Every verdict's own seconds, added up although they run beside generation, over the step's seconds.
"""

import json

import pytest

from common.config import load
from rl.data.generators.arithmetic import ArithmeticConfig, write
from rl.grpo.config import RLConfig
from rl.grpo.course import train

pytestmark = [pytest.mark.bench, pytest.mark.slow, pytest.mark.timeout(900)]


def test_verdicts_take_at_most_2_percent_of_a_step(tmp_path, root, monkeypatch):
    monkeypatch.chdir(root)
    write(ArithmeticConfig(form="boxed", sft_rows=1, rows=64, eval_rows=8, out=str(tmp_path / "sums")))
    changes = {
        "model": "rephrase/tiny_text",
        "out": str(tmp_path / "run"),
        "data.train": [str(tmp_path / "sums" / "train.jsonl")],
        "data.eval": [],
        "data.eval_rows": 0,
        "max_steps": 2,
        "eval_steps": 2,
        "save_steps": 2,
        "samples_every": 1,
    }
    config = load(RLConfig, [root / "configs" / "rl" / "guru_smoke_cpu.yaml"], changes)
    train(config)
    seconds = {}
    for line in (tmp_path / "run" / "samples.jsonl").read_text().splitlines():
        row = json.loads(line)
        seconds[row["step"]] = seconds.get(row["step"], 0.0) + (row["parts"]["verifiable/seconds"] or 0.0)
    steps = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    taken = {row["step"]: row["step_time"] for row in steps if "step_time" in row}
    shares = {step: seconds[step] / taken[step] for step in taken}
    print({step: f"{share:.2%}" for step, share in shares.items()})  # noqa: T201 - the figure
    assert shares and max(shares.values()) <= 0.02
