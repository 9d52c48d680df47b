"""Slots that are filled again: every row sees its own tokens, answers are those of plain decoding, few stand empty."""

import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, MistralConfig

from common.engines.config import TransformersEngineConfig
from common.engines.open import open_engine
from common.engines.requests import Request
from common.engines.slots import BatchCells, SlotCells, SlotUse, open_cells

SLOTS = 4
MOVES = st.lists(st.lists(st.integers(1, 90), max_size=SLOTS) | st.sets(st.integers(0, SLOTS - 1)), max_size=20)
SHAPE = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 2, "num_attention_heads": 1}


def states(tokens):
    """[B, 1, T, 2] keys that tell the tokens that they stand for."""
    return torch.tensor(tokens, dtype=torch.float32)[:, None, :, None].expand(-1, 1, -1, 2)


def seen(cells, mask, new):
    """The tokens that each row of a pass sees, in every layer, after it wrote `new` ones."""
    found = []
    for number in range(len(cells.cache.layers)):
        assert mask.shape[1] == cells.cache.get_seq_length(number) + len(new[0])
        keys, values = cells.cache.update(states(new), -states(new), number)
        assert cells.cache.get_mask_sizes(len(new[0]), number) == (mask.shape[1], 0)
        assert torch.equal(keys, -values)
        found.append([row[shown][:, 0].tolist() for row, shown in zip(keys[:, 0], mask, strict=True)])
    assert found[0] == found[1]
    return found[0]


@given(MOVES)
def test_each_row_sees_its_own_tokens_in_order_whatever_comes_and_goes(moves):
    cells = SlotCells(LlamaConfig(**SHAPE), SLOTS, torch.device("cpu"))
    rows, token = [], 0
    for move in moves:
        if isinstance(move, list) and 0 < len(move) <= cells.free():
            let_in = [[token := token + 1 for _ in range(length)] for length in move]
            longest = max(move)
            padded = [[0] * (longest - len(row)) + row for row in let_in]
            assert seen(cells, cells.read(move), padded) == let_in
            rows += let_in
        gone = {number for number in move if number < len(rows)} if isinstance(move, set) else set()
        order = cells.drop(gone)
        assert sorted(order) == [number for number in range(len(rows)) if number not in gone]
        rows = [rows[number] for number in order]
        for _ in range(12 if rows else 0):
            for row in rows:
                row.append(token := token + 1)
            assert seen(cells, cells.step(), [[row[-1]] for row in rows]) == rows


def test_columns_that_nobody_needs_are_given_up():
    cells = SlotCells(LlamaConfig(**SHAPE), 2, torch.device("cpu"))
    for _ in range(50):
        seen(cells, cells.read([40]), [[1] * 40])
        for _ in range(60):
            seen(cells, cells.step(), [[1]])
        assert cells.drop([0]) == []
    assert cells.columns < 300  # of 5,000 that were written


def long_tailed(count, most, seed=0):
    """Lengths of which a few are many times the usual one."""
    draw = random.Random(seed)
    return [min(most, 1 + int(draw.expovariate(0.1)) + (most if draw.random() < 0.05 else 0)) for _ in range(count)]


def chats(lengths):
    words = ["the", "cat", "sat", "on", "a", "mat", "and", "the", "dog", "ran"]
    for number, length in enumerate(lengths):
        text = " ".join(words[(number + place) % len(words)] for place in range(1 + number % 11))
        yield Request(str(number), [{"role": "user", "content": text}], max_tokens=length, temperature=0.0)


def test_nine_in_ten_slots_are_used_where_few_texts_are_long_and_half_where_batches_drain(chat_model):
    lengths = long_tailed(300, 40)
    with open_engine(TransformersEngineConfig(batch_size=8, window=64), chat_model) as engine:
        engine.end_ids = []  # as long as was asked for
        shares, texts = [], []
        for cells in (engine.cells, BatchCells(engine.lm.config, 8, engine.device)):
            engine.cells, engine.slot_use = cells, SlotUse()
            found = {one.request_id: one for one in engine.stream(chats(lengths))}
            assert [found[str(number)].tokens_out for number in range(300)] == lengths
            shares.append(engine.slot_use.share)
            texts.append({name: one.text for name, one in found.items()})
    assert shares[0] >= 0.9, shares
    assert shares[1] < 0.6, shares
    assert texts[0] == texts[1]


def plain(model, engine, request):
    """Greedy without batch or cache."""
    ids = engine.render(request)
    out = []
    while len(out) < request.max_tokens:
        out.append(int(model(torch.tensor([ids + out])).logits[0, -1].argmax()))
    return engine.tokenizer.decode(out, skip_special_tokens=True, clean_up_tokenization_spaces=False)


@pytest.fixture(scope="module")
def windowed(chat_model, tmp_path_factory):
    """Folder of a model whose layers look back 16 tokens."""
    folder = tmp_path_factory.mktemp("windowed")
    torch.manual_seed(0)
    sizes = {**SHAPE, "hidden_size": 32, "intermediate_size": 64, "num_key_value_heads": 1, "vocab_size": 512}
    config = MistralConfig(**sizes, sliding_window=16, initializer_range=0.5, eos_token_id=0, pad_token_id=0)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(chat_model).save_pretrained(folder)
    return str(folder)


@torch.no_grad()
def test_models_that_look_back_a_window_answer_as_they_do_alone(windowed):
    lengths = [3, 40, 7, 30, 12, 25, 9, 1, 33]
    with open_engine(TransformersEngineConfig(batch_size=3, window=9), windowed) as engine:
        assert isinstance(engine.cells, SlotCells)
        engine.end_ids = []
        found = {one.request_id: one.text for one in engine.stream(chats(lengths))}
        for request in chats(lengths):
            assert found[request.id] == plain(engine.lm, engine, request)


def test_a_cache_of_another_kind_keeps_to_batches():
    from transformers import Llama4TextConfig, Qwen3NextConfig

    device = torch.device("cpu")
    assert isinstance(open_cells(Qwen3NextConfig(num_hidden_layers=4), 2, device), BatchCells)
    assert isinstance(open_cells(Llama4TextConfig(num_hidden_layers=4), 2, device), BatchCells)
    assert isinstance(open_cells(LlamaConfig(), 2, device), SlotCells)
