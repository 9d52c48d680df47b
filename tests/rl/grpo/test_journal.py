"""A run that goes wrong stops itself: on every sign there is, after some steps in a row, and says why."""

import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config import load
from common.runs.folder import read_metrics
from common.samples import SampleFile, read_samples
from rl.grpo.config import RLConfig
from rl.grpo.journal import MOST_STRETCHES, Journal, SampleLog, rollout_lines, stretches

SIGNS = {
    "rewards/length/mean": 0.5,
    "completions/mean_length": 100.0,
    "entropy": 0.2,
    "kl": 0.1,
    "completions/clipped_ratio": 0.3,
    "completions/duplicate_frac": 0.5,
}


def journal(**values):
    config = {"rewards": [{"kind": "length"}], "reward_weights": [1], "model": "m", "out": "runs/x", **values}
    return Journal(None, load(RLConfig, [], config))


def stops_at(one, name, values):
    """The step, from 1, at which the run is told to stop; None if it is not."""
    control = SimpleNamespace(should_training_stop=False)
    for step, value in enumerate(values, start=1):
        state = SimpleNamespace(global_step=step, max_steps=99)
        one.on_log(None, state, control, {"reward": 1.0, name: value})
        if control.should_training_stop:
            return step
    return None


@pytest.mark.parametrize("name", SIGNS)
@pytest.mark.parametrize("side", ["above", "below"])
def test_it_stops_after_so_many_steps_in_a_row_beyond_a_bound(name, side):
    bound = SIGNS[name]
    beyond, within = (bound + 1, bound) if side == "above" else (bound - 1, bound)
    settings = {f"stop_{side}": {name: bound}, "stop_patience": 3}
    one = journal(**settings)
    assert stops_at(one, name, [beyond, beyond, within, beyond, beyond, beyond, beyond]) == 6
    assert one.stopped == f"{name} was {side} {bound:g} for 3 steps, last {beyond:.4g}"
    assert stops_at(journal(**settings), name, [beyond, beyond, within] * 5) is None


def test_held_out_figures_do_not_count_as_steps():
    one = journal(stop_above={"kl": 0.1}, stop_patience=1)
    control = SimpleNamespace(should_training_stop=False)
    one.on_log(None, SimpleNamespace(global_step=1, max_steps=9), control, {"eval_reward": 1.0, "eval_kl": 9.0})
    assert not control.should_training_stop


def test_a_bound_on_what_is_not_logged_names_what_is():
    with pytest.raises(ValueError, match=r"'kll'; logged are: kl, reward"):
        stops_at(journal(stop_above={"kll": 0.1}, stop_patience=3), "kl", [0.0] * 3)


def test_a_step_that_lacks_a_watched_metric_neither_ends_the_run_nor_counts():
    one = journal(stop_below={"rewards/semantic/mean": 0.5}, stop_patience=3)
    control = SimpleNamespace(should_training_stop=False)
    for step, found in enumerate([{}, {"rewards/semantic/mean": 0.1}, {"rewards/semantic/mean": 0.1}, {}, {}, {}], 1):
        one.on_log(None, SimpleNamespace(global_step=step, max_steps=9), control, {"reward": 0.0, **found})
        assert not control.should_training_stop
    one.on_log(
        None, SimpleNamespace(global_step=7, max_steps=9), control, {"reward": 0.0, "rewards/semantic/mean": 0.1}
    )
    assert control.should_training_stop


RUN = """
data: {rows: 16, eval_rows: 0, noise: {max_tokens: 48, harvest_pages: 0}}
rewards: [{kind: length}]
reward_weights: [1]
num_generations: 4
prompts_per_step: 2
per_device_train_batch_size: 8
max_prompt_length: 2000
max_completion_length: 4
max_steps: 6
precision: fp32
gradient_checkpointing: false
eval_steps: 1
save_steps: 1
stop_above: {completions/clipped_ratio: 0.9} # a random policy does not end within 4 tokens
stop_patience: 2
"""


@pytest.mark.integration
def test_a_run_beyond_its_bound_ends_early_with_the_reason(tmp_path, small_pool, small_policy, capsys):
    from rl.train import main

    (tmp_path / "config.yaml").write_text(RUN)
    out = tmp_path / "run"
    with pytest.raises(SystemExit, match="1"):
        main([str(tmp_path / "config.yaml"), f"model={small_policy}", f"data.pool={small_pool}", f"out={out}"])
    message = capsys.readouterr().err
    assert "completions/clipped_ratio was above 0.9 for 2 steps, last 1" in message and "Traceback" not in message
    steps = [row for row in read_metrics(out) if "reward" in row]
    assert [row["step"] for row in steps] == [1, 2]
    assert set(SIGNS) <= steps[0].keys()  # each sign is there to be bounded
    assert not (out / "done.json").exists() and (out / "checkpoints" / "checkpoint-2").is_dir()
    samples = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    assert len(samples) == 8 and {row["finish_reason"] for row in samples} == {"length"}  # step 1; then every tenth


def test_rollouts_are_samples_that_the_one_reader_reads(tmp_path):
    values = {"rewards": [{"kind": "length"}], "reward_weights": [1], "model": "m", "out": "runs/x"}
    config = load(RLConfig, [], values)
    rows = [
        {"id": name, "prompt": "?", "completion": text, "rewards": {"x": 1.0}, "parts": {}, "total": 1.0}
        for name, text in (("a", "1"), ("b", "2"), ("a", "3"))
    ]
    with SampleFile(tmp_path / "samples.jsonl") as file:
        file.write(*rollout_lines(rows, 5, "train", config))
    found = list(read_samples(tmp_path / "samples.jsonl"))
    assert [(one.id, one.number, one.completion, one.step) for one in found] == [
        ("a", 0, "1", 5),
        ("b", 0, "2", 5),
        ("a", 1, "3", 5),
    ]
    assert {one.versions["model"] for one in found} == {"m"} and len(found[0].versions["config"]) == 16


def test_a_training_batch_is_written_when_its_advantages_are_known(tmp_path):
    values = {"rewards": [{"kind": "length"}], "reward_weights": [1], "model": "m", "out": "runs/x"}
    log = SampleLog(tmp_path / "samples.jsonl", load(RLConfig, [], values))

    def rows(*texts):
        return [{"id": text[0], "completion": text} for text in texts]

    log.take(rows("e1"), 0, "eval")
    log.take(rows("a1", "a2", "b1", "b2"), 1, "train")
    log.take(rows("c1", "c2", "d1", "d2"), 1, "train")
    assert len((tmp_path / "samples.jsonl").read_text().splitlines()) == 1
    # two processes: the first keeps b of the first round, the second d of the second; c is one too many
    told = [{"advantage": float(number)} for number in range(4)]
    log.settle(told, 1, [(0, 2), (0, 3), (1, 2), (1, 3)], {(1, 0), (1, 1)})
    lines = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert [(line["completion"], line.get("advantage", line.get("discarded"))) for line in lines] == [
        ("e1", None),
        ("a1", "alike"),
        ("a2", "alike"),
        ("b1", 0.0),
        ("b2", 1.0),
        ("c1", "surplus"),
        ("c2", "surplus"),
        ("d1", 2.0),
        ("d2", 3.0),
    ]
    log.take(rows("f1"), 10, "train")
    log.settle([{"advantage": 7.0}], 10)
    assert json.loads((tmp_path / "samples.jsonl").read_text().splitlines()[-1])["advantage"] == 7.0


@given(st.lists(st.sampled_from([0.0, 0.5, -1.25]) | st.floats(-3, 3), max_size=300))
def test_stretches_are_few_and_end_where_the_text_ends(values):
    spans = [(2 * number, 2 * number + 2) for number in range(len(values))]
    found = stretches(values, spans)
    assert len(found) <= MOST_STRETCHES and (found[-1][0] if found else 0) == 2 * len(values)
    assert [end for end, _ in found] == sorted({end for end, _ in found})
    if len(set(values)) == 1:
        assert found == [[2 * len(values), float(f"{values[0]:.4g}")]]
