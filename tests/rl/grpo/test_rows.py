"""The order of training rows: a function of seed, epoch and position."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from trl.trainer.utils import RepeatSampler

from rl.grpo.rows import EpochSampler

OPTIONS = {"mini_repeat_count": 2, "batch_size": 3, "repeat_count": 1}


def order(epoch, seed=5, rows=10):
    sampler = EpochSampler(range(rows), seed=seed, **OPTIONS)
    sampler.set_epoch(epoch)
    return list(sampler)


def test_epochs_are_those_of_a_run_that_never_stopped():
    theirs = RepeatSampler(range(10), seed=5, **OPTIONS)
    assert [list(theirs) for _ in range(4)] == [order(epoch) for epoch in range(4)]


@given(st.integers(0, 6), st.integers(0, 2**31), st.integers(3, 40))
def test_an_order_does_not_depend_on_what_was_drawn_before(epoch, seed, rows):
    sampler = EpochSampler(range(rows), seed=seed, **OPTIONS)
    for before in (3, 0, epoch):
        sampler.set_epoch(before)
        list(sampler)
    torch.manual_seed(0)
    assert list(sampler) == order(epoch, seed, rows)


def test_two_epochs_and_two_seeds_differ():
    assert order(0) != order(1)
    assert order(0) != order(0, seed=6)


@pytest.mark.integration
def test_a_loader_of_the_second_epoch_brings_its_rows(opened):
    trainer = opened()
    first = trainer.get_train_dataloader()
    seen = []
    for epoch in range(2):
        first.set_epoch(epoch)
        seen.append([row["row_index"] for batch in first for row in batch])
    resumed = trainer.get_train_dataloader()
    resumed.set_epoch(1)
    assert [row["row_index"] for batch in resumed for row in batch] == seen[1]


def test_columns_that_the_first_row_lacks_are_there(tmp_path, root):
    from types import SimpleNamespace

    from transformers import AutoTokenizer

    from rl.data.rows.conversations import ConversationsConfig
    from rl.grpo.rows import dataset

    turns = [{"role": "user", "content": "q"}]
    rows = [{"id": "a", "prompt": turns}, {"id": "b", "prompt": turns, "text": "T", "reference": "4"}]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    tokenizer = AutoTokenizer.from_pretrained(root / "rephrase" / "tiny")
    prompt = SimpleNamespace(prompt_file="", name="", system="", no_think=False)
    config = SimpleNamespace(prompt=prompt, data=ConversationsConfig(), max_prompt_length=100)
    config.model, config.max_completion_length = str(root / "rephrase" / "tiny"), 8
    found, dropped = dataset(path, config, tokenizer)
    assert dropped == 0
    assert found["reference"][:] == [None, "4"]
    assert found["text"][:] == [None, "T"]
