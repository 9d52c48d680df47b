"""Offsets and continuations with real tokenizers of several kinds, trained here in a moment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from eval.likelihood.spans import (
    answer_lead,
    chat_turn,
    cut_before,
    decode,
    encode_continuation,
    encode_start,
    overlapping,
    scored_branch,
    token_char_spans,
)

CORPUS = [
    "<think> The answer is forty two. </think> <answer> 42 </answer>",
    "</think>\n\n<answer> x = 3 </answer>\nThus we know that the sum is 12, the product 35.",
    "Ein Käse, zwei Äpfel und die Straße. <answer>",
]
TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ["<s>", "<|end|>", "<|user|>", "<|assistant|>"]


def byte_level(bos):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        CORPUS * 4, trainers.BpeTrainer(vocab_size=420, special_tokens=SPECIAL, initial_alphabet=alphabet)
    )
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="<|end|>", chat_template=TEMPLATE
    )


def sentencepiece_like():
    """A dummy space before every text, dropped again in decoding, bytes for what is unknown: as Llama 2 has it."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    bytes_ = [f"<0x{value:02X}>" for value in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=700, special_tokens=["<unk>", *SPECIAL, *bytes_], max_token_length=8)
    tokenizer.train_from_iterator(CORPUS * 4, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="<|end|>", chat_template=TEMPLATE
    )


TOKENIZERS = {
    "bytes": lambda: byte_level(False),
    "bytes_bos": lambda: byte_level(True),
    "dummy_space": sentencepiece_like,
}


@pytest.fixture(scope="module", params=TOKENIZERS)
def tokenizer(request):
    return TOKENIZERS[request.param]()


@pytest.fixture(scope="module")
def byte_tokenizer():
    return byte_level(False)


@pytest.mark.parametrize("text", ["42", " 42", "\n\n42", "x = 3", "Käse", "猫", "</answer>", "  two  spaces "])
def test_a_continuation_is_exactly_its_text(tokenizer, text):
    head = tokenizer.encode("Thus", add_special_tokens=False)
    ids = encode_continuation(tokenizer, text)
    assert decode(tokenizer, [*head, *ids]) == "Thus" + text
    assert tokenizer.bos_token_id not in ids


def test_a_bare_text_begins_with_something(tokenizer):
    assert encode_start(tokenizer, "") == [tokenizer.bos_token_id]
    assert decode(tokenizer, encode_start(tokenizer, "Thus")).removeprefix("<s>").strip() == "Thus"


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\ufffd"), max_size=30))
def test_spans_cover_the_text_in_order(byte_tokenizer, text):
    ids = byte_tokenizer.encode(text, add_special_tokens=False)
    spans = token_char_spans(byte_tokenizer, ids)
    assert len(spans) == len(ids)
    assert [start for start, _ in spans] == [0, *(end for _, end in spans[:-1])][: len(spans)]
    assert (spans[-1][1] if spans else 0) == len(text)


def test_tokens_inside_a_character_have_empty_spans(byte_tokenizer):
    ids = byte_tokenizer.encode("猫", add_special_tokens=False)
    assert token_char_spans(byte_tokenizer, ids) == [(0, 0)] * (len(ids) - 1) + [(0, 1)]


def test_a_cut_does_not_keep_half_a_character():
    # b, then two tokens of one character: a cut before it keeps only b
    assert cut_before([(0, 1), (1, 1), (1, 2)], 1) == (1, 0)
    assert cut_before([(0, 1), (1, 1), (1, 2)], 2) == (3, 0)
    assert cut_before([(0, 2)], 1) == (0, 1)


@pytest.mark.parametrize(
    "reference", ["4", "42", " 42", "x = 3", "Käse", "猫", "the sum is 12, the product 35", "\n12"]
)
def test_the_scored_tokens_hold_the_reference_and_little_else(tokenizer, reference):
    branch = scored_branch(tokenizer, 5, "answer> ", reference, " </answer>")
    assert branch.cut == 5 and branch.scored[-1]
    scored = [token for token, flag in zip(branch.token_ids, branch.scored, strict=True) if flag]
    text = decode(tokenizer, [*encode_continuation(tokenizer, "="), *scored])[1:]
    assert reference in text
    assert len(text) <= len(reference) + 8


def test_an_empty_reference_is_refused(byte_tokenizer):
    with pytest.raises(ValueError, match="empty reference"):
        scored_branch(byte_tokenizer, 1, "x", "")


@pytest.mark.parametrize("words", range(1, 13))
def test_the_gold_span_of_a_chat_is_exact_whatever_its_length(tokenizer, words):
    text = " ".join(["the", "sum", "is", "12", ",", "the", "product", "is", "35", "and", "so", "on"][:words])
    turn = chat_turn(tokenizer, [{"role": "user", "content": "Add. "}], text)
    own = [token for token, flag in zip(turn.ids, turn.is_text, strict=True) if flag]
    closers = turn.ids[len(own) :]
    assert decode(tokenizer, [*turn.prefix, *own]).replace("|> ", "|>").endswith("<|assistant|>" + text)
    assert not turn.is_text[-1] and closers[0] == tokenizer.eos_token_id


def test_flags_of_spans():
    assert overlapping([(0, 2), (2, 4), (4, 6)], 2, 4) == [False, True, False]
    assert overlapping([(0, 3), (3, 6)], 2, 4) == [True, True]


def test_a_plan_and_a_gold_text_write_no_control_token(tokenizer):
    spelled = "go<|end|><s> on"
    plain = chat_turn(tokenizer, [{"role": "user", "content": "go on"}], "go on")
    turn = chat_turn(tokenizer, [{"role": "user", "content": spelled}], spelled)
    special = set(tokenizer.all_special_ids) - {tokenizer.convert_tokens_to_ids("<unk>")}
    for found, wanted in ((turn.prefix, plain.prefix), (turn.ids, plain.ids)):
        assert [i for i in found if i in special] == [i for i in wanted if i in special]
    assert special.isdisjoint(i for i, text in zip(turn.ids, turn.is_text, strict=True) if text)
    assert special.isdisjoint(encode_continuation(tokenizer, spelled))


HEAD = "{% for message in messages %}{% if message.role != 'assistant' %}<|{{ message.role }}|>{{ message.content }}"
ANSWERS = {
    # DeepSeek-R1's: prompts open the thinking, an answered turn has none
    "opens": "{% else %}<|assistant|>{{ message.content.split('</think>')[-1] }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}",
    # Qwen3's: prompts end with the header, an answered turn has an empty thinking
    "empty": "{% else %}<|assistant|><think>\n\n</think>\n\n{{ message.content.strip('\n') }}<|end|>\n"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}",
    "spaced": "{% else %}<|assistant|> {{ message.content | trim }} <|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}",
}
BEFORE_GOLD = {"opens": "<|assistant|>", "empty": "<|assistant|><think>\n\n</think>\n\n", "spaced": "<|assistant|>"}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("gold", ["Yes.", "12", "The sum is 12, the product 35."])
@pytest.mark.parametrize("earlier", [[], [{"role": "system", "content": "Be brief."}]], ids=["alone", "system"])
def test_the_gold_stands_where_the_template_puts_an_answer(byte_tokenizer, name, gold, earlier):
    turns = [*earlier, {"role": "user", "content": "Add."}]
    template = HEAD + ANSWERS[name]
    turn = chat_turn(byte_tokenizer, turns, gold, chat_template=template)
    text = byte_tokenizer.apply_chat_template(
        [*turns, {"role": "assistant", "content": gold}], tokenize=False, chat_template=template
    )
    assert decode(byte_tokenizer, [*turn.prefix, *turn.ids]) == text
    assert decode(byte_tokenizer, turn.prefix).rstrip(" ").endswith(BEFORE_GOLD[name])
    scored = [token for token, flag in zip(turn.ids, turn.is_text, strict=True) if flag]
    assert decode(byte_tokenizer, scored).strip() == gold and turn.is_text[0]


@pytest.mark.parametrize(
    ("template", "lead"),
    [(None, ""), (TEMPLATE, ""), (HEAD + ANSWERS["empty"], "<think>\n\n</think>\n\n"), (HEAD + ANSWERS["opens"], "")],
)
def test_what_a_template_writes_before_an_answer_without_thinking(byte_tokenizer, monkeypatch, template, lead):
    monkeypatch.setattr(byte_tokenizer, "chat_template", template)
    assert answer_lead(byte_tokenizer) == lead


def test_a_template_that_rewrites_the_question_once_it_is_answered_is_one_line(byte_tokenizer):
    moody = (
        "{% if add_generation_prompt %}[brief]{% endif %}{% for m in messages %}{{ m.content }}|{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    with pytest.raises(ValueError, match="otherwise once its answer follows"):
        chat_turn(byte_tokenizer, [{"role": "user", "content": "Add."}], "12", chat_template=moody)
    silent = "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}<|assistant|>"
    with pytest.raises(ValueError, match="does not write an assistant's text once"):
        chat_turn(byte_tokenizer, [{"role": "user", "content": "Add."}], "12", chat_template=silent)


def normalising(form):
    tokenizer = byte_level(False)
    tokenizer.backend_tokenizer.normalizer = getattr(normalizers, form)()
    return tokenizer


@pytest.mark.parametrize("form", ["NFC", "NFKC", "Lowercase"])
@pytest.mark.parametrize(
    "text", ["5 \u2126", "3 \u212b", "273 \u212a", "cafe\u0301 noir", "\u0041\u030angstrom", "plain"]
)
def test_what_a_tokenizer_normalises_is_scored_as_it_writes_it(form, text):
    tokenizer = normalising(form)
    said = tokenizer.backend_tokenizer.normalizer.normalize_str(text)
    assert decode(tokenizer, encode_continuation(tokenizer, text)) == said
    branch = scored_branch(tokenizer, 1, "Answer: cafe\u0301 ", text, " </answer>")
    scored = [token for token, flag in zip(branch.token_ids, branch.scored, strict=True) if flag]
    assert decode(tokenizer, scored).strip() == said
    turn = chat_turn(tokenizer, [{"role": "user", "content": "u\u0308ber"}], text)
    scored = [token for token, flag in zip(turn.ids, turn.is_text, strict=True) if flag]
    assert decode(tokenizer, scored) == said
