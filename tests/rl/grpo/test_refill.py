"""A batch filled in rounds by the real trainer: right size, whole groups, nothing used twice, sums that fit."""

import collections
import json

import pytest
import torch

from rl.rewards.general import RepetitionConfig


@pytest.fixture
def trainer(opened, answering_policy):
    """A trainer that keeps about half of the prompts from its second batch on."""
    reward = RepetitionConfig(words=1, times=2, penalty=-1.0).model_dump()
    made = opened(
        model=answering_policy,
        data={"rows": 30},
        rewards=[{"kind": "reference_probability"}, reward],
        reward_weights=[1, 0.2],
        num_generations=4,
        prompts_per_step=4,
        per_device_train_batch_size=16,
        max_completion_length=24,
        max_skipped=1.0,
        std_filter={"beta": 1.0, "record_from": 1, "filter_from": 2, "max_rounds": 6},
    )
    made.model.train()
    return made


def test_every_batch_has_its_rows_whole_groups_and_its_number_of_tokens(trainer):
    rounds = []
    seen = set()
    for step in range(3):
        trainer.state.global_step = step
        inputs = [trainer.train_dataset[row] for row in range(4 * step, 4 * step + 4) for _ in range(4)]
        output = trainer._generate_and_score_completions(inputs)
        rounds.append(trainer._metrics["train"]["filter/rounds"][-1])
        assert output["completion_ids"].size(0) == 16 == len(output["advantages"])
        assert output["num_items_in_batch"] == output["completion_mask"].sum()
        assert (output["completion_ids"].shape, output["prompt_ids"].shape) == (
            output["completion_mask"].shape,
            output["prompt_mask"].shape,
        )
        prompts = [
            tuple(ids[mask.bool()].tolist())
            for ids, mask in zip(output["prompt_ids"], output["prompt_mask"], strict=True)
        ]
        for first in range(0, 16, 4):
            assert len(set(prompts[first : first + 4])) == 1
            group = output["advantages"][first : first + 4]
            assert group.sum() == pytest.approx(0, abs=1e-4)
        if step:  # kept groups differ in reward
            assert all(output["advantages"][first : first + 4].abs().max() > 0 for first in range(0, 16, 4))
        for prompt, ids in zip(prompts, output["completion_ids"], strict=True):
            seen.add((step, prompt, tuple(ids.tolist())))
    assert rounds[0] == 1 < max(rounds) and len(seen) >= 40
    rule = trainer.refill.rule
    assert rule.cursor > 0  # the first further round began with an empty queue: it drew from the stream
    assert set(rule.queue) <= set(range(len(trainer.train_dataset)))


def test_samples_say_what_a_completion_was_worth_and_what_was_discarded(trainer):
    texts = []
    for step in (0, 9, 19):  # steps 1, 10 and 20 are written
        trainer.state.global_step = step
        inputs = [trainer.train_dataset[row] for row in range(step, step + 4) for _ in range(4)]
        output = trainer._generate_and_score_completions(inputs)
        texts += [
            (
                step + 1,
                trainer._tokenizer.decode(ids[mask.bool()], skip_special_tokens=True),
                pytest.approx(worth, abs=2e-6),
            )
            for ids, mask, worth in zip(
                output["completion_ids"], output["completion_mask"], output["advantages"].tolist(), strict=True
            )
        ]
    lines = [json.loads(line) for line in trainer.samples.file.read_text().splitlines()]
    kept = [line for line in lines if "discarded" not in line]
    assert sorted((line["step"], line["completion"]) for line in kept) == sorted(
        (step, text) for step, text, _ in texts
    )
    for line in kept:
        assert any((line["step"], line["completion"], line["advantage"]) == one for one in texts)
    gone = [line for line in lines if "discarded" in line]
    assert {line["discarded"] for line in gone} <= {"alike", "surplus"} and gone
    assert all("advantage" not in line for line in gone)
    groups = collections.Counter((line["step"], line["discarded"], line["id"]) for line in gone)
    assert all(count % 4 == 0 for count in groups.values())


def test_evaluation_is_not_filtered(trainer):
    trainer.model.eval()
    trainer.refill.rule.ema, trainer.refill.rule.step = 1e9, 50
    output = trainer._generate_and_score_completions([trainer.train_dataset[0]] * 4)
    assert torch.equal(output["num_items_in_batch"], output["completion_mask"].sum())
    assert "filter/rounds" not in trainer._metrics["eval"] and trainer.refill.rule.step == 50
