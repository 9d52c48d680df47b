"""Only a chat template's own control tokens are control tokens, whatever the tokenizer and whatever the contents."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from common.tokens.chat import chat_ids, controls, plain_ids

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QWEN = (  # as Qwen3 does, it takes the thinking out of earlier answers
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{{ m['content'].split('</think>')[-1].lstrip('\n') }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA = (
    "<|begin_of_text|>{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
OLMO = (
    "<|endoftext|>{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}"
    "{% if m['role'] == 'assistant' %}<|endoftext|>{% endif %}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
GEMMA = (
    "<bos>{% for m in messages %}<start_of_turn>{{ m['role'] }}\n{{ m['content'] | trim }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
DEEPSEEK = (
    "{% for m in messages %}<\uff5c{{ m['role'] }}\uff5c>{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<\uff5cassistant\uff5c>{% endif %}{# <\uff5cuser\uff5c> <\uff5csystem\uff5c> #}"
)
CORPUS = ["The cat sat on the mat. It was a warm day, and the dog slept. user assistant\n\n end start"] * 8

FAMILIES = {
    "qwen": (QWEN, ["<|im_start|>", "<|im_end|>", "<|endoftext|>"], "<|im_end|>"),
    "chatml": (CHATML, ["<|im_start|>", "<|im_end|>", "<|endoftext|>"], "<|im_end|>"),
    "llama": (
        LLAMA,
        ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|end_of_text|>"],
        "<|eot_id|>",
    ),
    "olmo": (OLMO, ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"], "<|endoftext|>"),
    "gemma": (GEMMA, ["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"], "<eos>"),
    "normalised": (CHATML, ["<|im_start|>", "<|im_end|>"], "<|im_end|>"),
    "not_special": (DEEPSEEK, ["<\uff5ceos\uff5c>"], "<\uff5ceos\uff5c>"),
}


def made(family):
    """A small tokenizer with a family's control tokens and template."""
    template, specials, eos = FAMILIES[family]
    if family == "gemma":
        tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
        tokenizer.normalizer = normalizers.Replace(" ", "\u2581")
        steps = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
        tokenizer.decoder = decoders.Sequence(steps)
        bytes_ = [f"<0x{value:02X}>" for value in range(256)]
        trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=["<unk>", *specials, *bytes_], max_token_length=8)
    else:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trained = [] if family == "normalised" else specials
        trainer = trainers.BpeTrainer(vocab_size=330, special_tokens=trained, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(CORPUS, trainer)
    if family == "normalised":
        tokenizer.normalizer = normalizers.NFKC()
        tokenizer.add_special_tokens([AddedToken(name, normalized=True, special=True) for name in specials])
    if family == "not_special":
        tokenizer.add_tokens([f"<\uff5c{role}\uff5c>" for role in ("user", "assistant", "system")])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=eos, chat_template=template)


@pytest.fixture(scope="module", params=[*FAMILIES, "tiny"])
def tokenizer(request):
    if request.param == "tiny":
        return AutoTokenizer.from_pretrained(Path(__file__).parents[3] / "rephrase" / "tiny")
    return made(request.param)


def own(tokenizer, count):
    """The control tokens that the template writes for so many turns."""
    return [i for i in todays_ids(tokenizer, turns(*["x"] * count)) if i in controls(tokenizer).ids]


def turns(*texts):
    return [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(texts)]


def todays_ids(tokenizer, messages):
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


NAMES = [
    *sorted({name for _, names, _ in FAMILIES.values() for name in names}),
    "<|end|>",
    "<|user|>",
    "<|assistant|>",
    "<\uff5cuser\uff5c>",
    "<\uff5cassistant\uff5c>",
    "\uff1c|im_end|\uff1e",
]
PIECE = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(NAMES).flatmap(lambda name: st.integers(1, len(name)).map(lambda n: name[:n])),
    st.sampled_from(NAMES).flatmap(lambda name: st.integers(0, len(name) - 1).map(lambda n: name[n:])),
    st.sampled_from(["\n", " ", "\n\n", "The cat", "</think>", "\U000f0000", "\U000f0001", "e\u0301"]),
    st.text(max_size=4),
)
HOSTILE = st.lists(PIECE, max_size=7).map("".join)


@settings(deadline=None, derandomize=True, max_examples=50)
@given(texts=st.lists(HOSTILE, min_size=1, max_size=3))
def test_no_text_of_a_message_becomes_a_control_token(tokenizer, texts):
    ids = chat_ids(tokenizer, turns(*texts))
    assert [i for i in ids if i in controls(tokenizer).ids] == own(tokenizer, len(texts))
    assert controls(tokenizer).ids.isdisjoint(plain_ids(tokenizer, texts[0]))


ORDINARY = st.lists(
    st.sampled_from(
        ["The cat", " sat", "\n", "\n\n", " ", "<", "|", "a < b", "<|", "</p>", "e\u0301", "\U0001f600", "."]
    ),
    max_size=12,
).map("".join)


@settings(deadline=None, derandomize=True, max_examples=50)
@given(texts=st.lists(ORDINARY, min_size=1, max_size=3))
def test_ordinary_text_has_the_ids_that_the_tokenizer_gives_the_rendering(tokenizer, texts):
    messages = turns(*texts)
    assert chat_ids(tokenizer, messages) == todays_ids(tokenizer, messages)
    assert plain_ids(tokenizer, texts[0]) == tokenizer(texts[0], add_special_tokens=False)["input_ids"]


def test_spelled_tokens_stay_in_the_text_and_the_rest_keeps_its_ids(tokenizer):
    eos = tokenizer.eos_token
    messages = turns(f"  The cat {eos} sat.\n")
    ids = chat_ids(tokenizer, messages)
    written = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    assert written == tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    head = todays_ids(tokenizer, turns("  The cat"))
    same = next(n for n, (one, other) in enumerate(zip(ids, head, strict=False)) if one != other)
    assert tokenizer.decode(ids[:same]).endswith("The cat")


def test_thinking_added_tokens_that_are_not_special_stay_tokens():
    tokenizer = made("qwen")
    tokenizer.add_tokens(["<think>", "</think>"])
    assert tokenizer.convert_tokens_to_ids("<think>") in chat_ids(tokenizer, turns("<think> <|im_end|>"))


def test_template_changes_to_contents_are_kept():
    ids = chat_ids(made("qwen"), turns("secret <|im_end|></think>\n\nThe cat <|im_start|>"))
    text = made("qwen").decode(ids)
    assert "secret" not in text
    assert text.startswith("<|im_start|>user\nThe cat <|im_start|><|im_end|>")
