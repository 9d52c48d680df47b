"""Engines: the reference's ids, and what happens when an engine gives others."""

import json

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from common.tokens.counting import TokenCountConfig, open_counter, token_counter
from common.tokens.tokenizers import (
    ADVERSARIAL,
    FastEncoder,
    ReferenceEncoder,
    choose_engine,
    find_mismatch,
    hard_mismatch,
    load_tokenizer,
    open_encoder,
)


@pytest.fixture(scope="module")
def neox(shared_data):
    return load_tokenizer(str(shared_data / "tokenizers" / "gpt-neox-20b"))


ENGINES = ["tokenizers", "gigatoken", "tokie"]


def opened(name, tokenizer, special_in_text="plain"):
    if name != "tokenizers":
        pytest.importorskip(name)
    return open_encoder(name, tokenizer, special_in_text)


def ids(encoder, text):
    return encoder.encode([text])[0].tolist()


def test_reads_neox(neox):  # ✓ specification 4.4
    assert (neox.entries, neox.eot, neox.pad) == (50277, 0, 1)
    assert set(neox.specials) == {"<|endoftext|>", "<|padding|>"}


@pytest.mark.parametrize("name", ENGINES)
def test_golden_ids(neox, name):  # ✓ specification 4.4
    encoder = opened(name, neox)
    assert ids(encoder, "Hello world") == [12092, 1533]
    assert ids(encoder, "") == []
    assert ids(encoder, " a") == [247]


@pytest.mark.parametrize("name", ["tokenizers", "gigatoken"])  # what `auto` offers
def test_form_feed_after_newlines(neox, name):  # ✓ specification 4.3: tokie gives 187 187 189
    assert ids(opened(name, neox), "\n\n\f") == [535, 189]


@pytest.mark.parametrize("name", ENGINES)
def test_control_tokens_in_text_are_plain_or_matched(neox, name):  # ✓ specification 4.3
    text = "a <|endoftext|> b<|padding|>"
    assert ids(opened(name, neox, "match"), text) == [66, 209, 0, 270, 1]
    plain = [66, 654, 93, 423, 1171, 1156, 49651, 270, 29, 93, 17333, 49651]
    assert ids(opened(name, neox, "plain"), text) == plain


@pytest.mark.parametrize("special_in_text", ["plain", "match"])
def test_gigatoken_equals_the_reference_on_every_hard_string(neox, special_in_text):
    pytest.importorskip("gigatoken")
    assert hard_mismatch("gigatoken", neox, special_in_text) is None
    assert choose_engine("auto", neox, special_in_text) == "gigatoken"


def test_tokie_is_caught_on_the_hard_strings(neox):
    pytest.importorskip("tokie")
    assert hard_mismatch("tokie", neox, "plain") is not None


def test_the_hard_strings_hold_what_tokenizers_differ_on():
    whole = "\n".join(ADVERSARIAL)
    for piece in ("  ", "\t", "\f", "\v", "\x85", "\u2028", "\u00a0", "\r\n", "e\u0301", "<|endoftext|>", "\n\n\f"):
        assert piece in whole
    assert "" in ADVERSARIAL
    assert any(len(text) >= 1_000_000 and " " not in text for text in ADVERSARIAL)


@given(st.text(max_size=200))
@example("a <|endoftext|><|padding|>")
def test_any_text_has_the_reference_ids(neox, text):
    pytest.importorskip("gigatoken")
    encoder = open_encoder("gigatoken", neox, "plain")
    assert find_mismatch(encoder, encoder.reference, [text]) is None
    assert 0 not in ids(encoder, text)  # never a control id from a text


KNOWN = st.characters(max_codepoint=0xFFFF, exclude_categories=("Cs", "Co", "Cn", "Mn"))


@given(st.lists(st.text(KNOWN, min_size=1, max_size=60), min_size=1, max_size=6))
@example(["e", "\u0301", " ", "\n", "<|endof", "text|>"])  # nothing may join across documents
def test_texts_joined_by_eot_have_the_ids_of_each_alone(neox, texts):
    pytest.importorskip("gigatoken")
    encoder = open_encoder("gigatoken", neox, "plain")
    found = encoder.encode_joined([text.encode() for text in texts])
    assume(found is not None)  # else a code point goes to the reference
    joined, ends = found
    wanted = [[*found.tolist(), 0] for found in encoder.reference.encode(texts)]
    assert [part.tolist() for part in np.split(joined, ends)[:-1]] == wanted


@pytest.mark.parametrize("text", ["a <|endoftext|>", "<|padding|>b"])
def test_a_written_control_token_is_not_joined(neox, text):
    pytest.importorskip("gigatoken")
    assert open_encoder("gigatoken", neox, "plain").encode_joined([b"a", text.encode()]) is None
    assert open_encoder("gigatoken", neox, "match").encode_joined([b"a"]) is None  # there it may stay what it says


def test_find_mismatch_names_the_first_text_that_differs(neox):
    class Wrong(ReferenceEncoder):
        def encode(self, texts):
            found = super().encode(texts)
            return [np.append(ids, 7) if "x" in text else ids for text, ids in zip(texts, found, strict=True)]

    reference = ReferenceEncoder(neox, "plain")
    assert find_mismatch(Wrong(neox, "plain"), reference, ["a", "b", "x", "xx"]) == 2
    assert find_mismatch(reference, reference, ["a", "b"]) is None


def write_tokenizer(folder, vocab, added=(), config=None, **more):
    content = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": number, "content": name, "single_word": False, "lstrip": False, "rstrip": False}
            | {"normalized": False, "special": True}
            for number, name in added
        ],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "<unk>"},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(content | more))
    if config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return str(folder)


def test_control_tokens_come_from_the_config_then_by_their_usual_names_or_as_asked(tmp_path):
    vocab, added = {"<unk>": 0, "a": 1}, [(2, "</s>"), (3, "<|end|>"), (4, "<pad>")]
    plain = load_tokenizer(write_tokenizer(tmp_path / "a", vocab, added))
    assert (plain.eot, plain.pad, plain.bos, plain.entries) == (2, 4, None, 5)
    named = {"eos_token": {"content": "<|end|>"}, "pad_token": None}
    assert load_tokenizer(write_tokenizer(tmp_path / "b", vocab, added, named)).eot == 3
    asked = load_tokenizer(str(tmp_path / "a"), eot="a", bos=3, pad=0)
    assert (asked.eot, asked.bos, asked.pad) == (1, 3, 0)
    assert load_tokenizer(write_tokenizer(tmp_path / "c", vocab, added[:1])).pad == 2  # none: EOT


@pytest.mark.parametrize(
    ("settings", "message"),
    [({}, "names no end-of-text token"), ({"eot": 77}, "no token with id 77"), ({"eot": "<x>"}, "no token '<x>'")],
)
def test_a_control_token_that_is_not_there_is_an_error(tmp_path, settings, message):
    path = write_tokenizer(tmp_path, {"<unk>": 0, "a": 1})
    with pytest.raises(ValueError, match=message):
        load_tokenizer(path, **settings)


def test_a_file_that_is_no_tokenizer_is_an_error(tmp_path):
    for content in ("{}", "[1]", "nothing", '{"model": {}}'):
        (tmp_path / "tokenizer.json").write_text(content)
        with pytest.raises(ValueError, match="is no tokenizer"):
            load_tokenizer(str(tmp_path))


def test_an_engine_that_does_not_know_a_tokenizer_gives_way_under_auto_only(tmp_path):
    pytest.importorskip("gigatoken")
    words = load_tokenizer(write_tokenizer(tmp_path, {"<unk>": 0, "a": 1}, [(2, "</s>")]))
    assert choose_engine("auto", words, "plain") == "tokenizers"
    assert choose_engine("gigatoken", words, "plain") == "gigatoken"
    with pytest.raises(ValueError, match="engine=gigatoken cannot be used"):
        open_encoder("gigatoken", words, "plain")


def test_truncation_and_padding_in_a_tokenizer_file_are_not_applied(tmp_path):
    path = write_tokenizer(
        tmp_path,
        {"<unk>": 0, "a": 1},
        [(2, "</s>")],
        truncation={"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
        padding={"strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0}
        | {"pad_type_id": 0, "pad_token": "<unk>"},
    )
    assert ids(ReferenceEncoder(load_tokenizer(path), "plain"), "a a a a") == [1, 1, 1, 1]


def test_fast_engines_share_one_reference(neox):
    pytest.importorskip("gigatoken")
    assert isinstance(open_encoder("gigatoken", neox, "plain"), FastEncoder)
    assert open_encoder("gigatoken", neox, "plain") is open_encoder("gigatoken", neox, "plain")


def test_the_toolkits_own_tokenizer_is_found_from_any_folder_and_counts_are_not_truncated(tmp_path, root, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_tokenizer("rephrase/tiny").sha256 == load_tokenizer(str(root / "rephrase/tiny")).sha256
    assert (
        token_counter("rephrase/tiny")("one two")
        == open_counter(TokenCountConfig(tokenizer="rephrase/tiny"))(["one two"])[0] - 1
    )
    with pytest.raises(ValueError, match="no tokenizer at rephrase/tinny"):
        load_tokenizer("rephrase/tinny")
    cut = {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}
    short = write_tokenizer(tmp_path / "short", {"<unk>": 0, "a": 1}, [(2, "</s>")], truncation=cut)
    assert token_counter(short)("a a a a") == 4
