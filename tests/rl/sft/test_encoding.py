"""Supervised training: what bears loss, how batches form, what the config refuses."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config import ConfigError, load
from rl.sft.__main__ import main
from rl.sft.config import SFTRunConfig


@pytest.fixture(scope="module")
def tokenizer():
    from pretrain.tokenizer import TokenizerConfig, train_tokenizer

    return train_tokenizer(["The cat sat on the mat."] * 5, TokenizerConfig(vocab_size=400))


def test_only_the_last_assistant_turn_bears_loss(tokenizer):
    from rl.sft.encoding import IGNORED, encode_rows

    turns = [
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": "The cat"},
        {"role": "assistant", "content": "sat on the mat."},
    ]
    [row] = encode_rows([{"messages": turns}], tokenizer)
    target = [label for label in row["labels"] if label != IGNORED]
    assert tokenizer.decode(target) == "sat on the mat.<|end|>"
    assert row["input_ids"][-len(target) :] == target
    assert tokenizer.decode(row["input_ids"]) == tokenizer.apply_chat_template(turns, tokenize=False)


def test_plain_text_bears_loss_throughout_and_ends(tokenizer):
    from rl.sft.encoding import encode_rows

    [row] = encode_rows([{"text": "The mat."}], tokenizer)
    assert row["labels"] == row["input_ids"]
    assert tokenizer.decode(row["input_ids"]) == "The mat.<|end|>"


@pytest.mark.parametrize("row", [{"id": 1}, {"messages": [{"role": "user", "content": "Hi."}]}])
def test_a_row_without_an_answer_or_text_is_refused(row, tokenizer):
    from rl.sft.encoding import encode_rows

    with pytest.raises(ValueError, match=r"neither messages nor text|assistant turn"):
        encode_rows([row], tokenizer)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=60), st.integers(20, 300), st.integers(0, 100))
def test_batches_use_each_row_once_a_round_within_their_size(lengths, batch_tokens, seed):
    from rl.sft.curriculum import batches_of

    batches = batches_of(range(len(lengths)), lengths, batch_tokens, random.Random(seed))
    seen = []
    while len(seen) < len(lengths):
        batch = next(batches)
        seen += batch
        assert len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= batch_tokens
    assert sorted(seen) == list(range(len(lengths)))


def test_batches_of_mixed_lengths_waste_little_room():
    from rl.sft.curriculum import batches_of

    rng = random.Random(0)
    lengths = [rng.randint(10, 300) for _ in range(5000)]
    batches = batches_of(range(5000), lengths, 4096, rng)
    taken = [next(batches) for _ in range(100)]
    used = sum(lengths[row] for batch in taken for row in batch)
    room = sum(len(batch) * max(lengths[row] for row in batch) for batch in taken)
    assert used > 0.93 * room


def test_rows_have_to_be_named():
    with pytest.raises(ConfigError, match="give data=FILE, or a config with stages"):
        load(SFTRunConfig, [], {})


def test_missing_rows_are_one_line_and_exit_code_2(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["model=nowhere", "data=nowhere.jsonl"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "error: no rows at nowhere.jsonl; `python -m rl.data.rephrase` writes them\n"


def test_the_paper_arm_has_the_published_numbers(root):
    config = load(SFTRunConfig, [root / "configs/rl/sft_4b.yaml"])
    assert (config.learning_rate, config.num_train_epochs, config.max_length) == (5e-5, 1, 8192)
    assert (config.per_device_train_batch_size, config.gradient_accumulation_steps) == (4, 2)
    assert (config.warmup_frac, config.max_grad_norm) == (0.03, 0.2)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{broken", "line 2 is no JSON"),
        ("[1]", "line 2 is no JSON object"),
        ('{"id": "x"}', "row 2 (id 'x'): it has neither messages nor text"),
        ('{"messages": []}', "row 2: it has neither messages nor text"),
        ('{"messages": [{"role": "user", "content": "q"}]}', "row 2: it does not end in an assistant turn"),
        ('{"messages": [{"role": "assistant", "content": " "}]}', "row 2: its answer is empty"),
        ('{"messages": [{"role": "assistant", "content": ["a"]}]}', "row 2: the content of its assistant turn is list"),
        ('{"messages": ["hello"]}', "row 2: a turn is no object with a role"),
        ('{"text": null}', "row 2: it has neither messages nor text"),
    ],
)
def test_a_row_that_cannot_be_trained_on_is_named(tmp_path, tokenizer, line, message):
    from rl.sft.encoding import encode_file

    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "fine"}\n' + line + "\n")
    with pytest.raises(ValueError, match=re.escape(f"{path}, {message}")):
        encode_file(str(path), tokenizer, 64)


def test_an_empty_file_is_named(tmp_path, tokenizer):
    from rl.sft.encoding import encode_file

    (tmp_path / "rows.jsonl").write_text("\n")
    with pytest.raises(ValueError, match="holds no row"):
        encode_file(str(tmp_path / "rows.jsonl"), tokenizer, 64)


def test_control_tokens_spelled_in_rows_do_not_teach_to_stop(tokenizer):
    from rl.sft.encoding import IGNORED, encode_rows

    spelled = "The cat <|end|><|assistant|> sat"
    rows = [
        {"messages": [{"role": "user", "content": spelled}, {"role": "assistant", "content": spelled}]},
        {"text": spelled},
    ]
    chat, plain = encode_rows(rows, tokenizer)
    target = [label for label in chat["labels"] if label != IGNORED]
    for ids in (target, plain["labels"]):
        assert tokenizer.decode(ids) == f"{spelled}<|end|>"
        assert ids.count(tokenizer.eos_token_id) == 1
    assert chat["input_ids"].count(tokenizer.eos_token_id) == 2


def test_a_template_that_opens_thinking_says_which_line_break_an_answer_begins_with(tokenizer, monkeypatch):
    from rl.sft.encoding import encode_rows

    opens = (
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}"
    )
    monkeypatch.setattr(tokenizer, "chat_template", opens)
    answers = ["<think>\nSat.</think> Mat.", "<think> Sat.</think> Mat."]
    rows = [
        {"id": n, "messages": [{"role": "user", "content": "Cat?"}, {"role": "assistant", "content": answer}]}
        for n, answer in enumerate(answers)
    ]
    assert len(encode_rows(rows[:1], tokenizer)) == 1
    with pytest.raises(ValueError, match=r"row 2 \(id 1\).*has to begin with '<think>\\n', line breaks too"):
        encode_rows(rows, tokenizer)


def test_data_on_the_command_line_takes_the_place_of_a_configs_stages():
    stages = [{"data": "a.jsonl", "steps": 1}]
    config = load(SFTRunConfig, [], {"stages": stages, "data": "mine.jsonl"})
    assert config.data == ["mine.jsonl"] and config.stages == []
    with pytest.raises(ConfigError, match="max_steps 0 trains nothing"):
        load(SFTRunConfig, [], {"data": "mine.jsonl", "max_steps": 0})
