"""Code points that engines read differently: found, remembered, and sent to the reference, in ids and in counts."""

import json
import random
import unicodedata

import numpy as np
import pytest

from common.tokens.apart import Apart, apart_of, differing
from common.tokens.counting import TokenCountConfig, open_counter
from common.tokens.tokenizers import find_mismatch, load_tokenizer, open_encoder

pytest.importorskip("gigatoken")
regex = pytest.importorskip("regex")  # its Unicode tables are newer than Python's


@pytest.fixture(scope="module")
def neox(shared_data):
    return load_tokenizer(str(shared_data / "tokenizers" / "gpt-neox-20b"))


@pytest.mark.parametrize(
    "text",
    [
        "\u0314\u1add",  # the order of two marks
        "a\u0345\u0c3c",
        "\U00016121\U00016120",  # a composite of Unicode 16
        "\U000105d2\u0307",
        "a new page \U0001e4ee\u0316 of text",
    ],
)
def test_a_text_with_newer_marks_or_composites_has_the_ids_of_the_reference_wherever_it_stands(neox, text):
    encoder = open_encoder("gigatoken", neox, "plain")
    wanted = encoder.reference.encode([text])[0].tolist()
    for texts in ([text], ["plain", text], [text, "plain", "caf\u00e9"]):
        assert encoder.encode(texts)[texts.index(text)].tolist() == wanted
    assert open_counter(TokenCountConfig(tokenizer=neox.path))([text]) == [len(wanted) + 1]


def strings(count):
    """Random texts over all assigned code points, over the lower ones, and of marks among them."""
    points = [point for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    assigned = [point for point in points if regex.match(r"\P{Cn}", chr(point))]
    marks = [point for point in assigned if regex.match(r"\p{M}", chr(point))]
    lower = [point for point in assigned if point < 0x3000]
    draw = random.Random(8)
    for number in range(count):
        some = (assigned, lower, marks)[number % 3]
        length = draw.randint(1, 12)
        yield "".join(chr(draw.choice(some if draw.random() < 0.7 else lower)) for _ in range(length))


@pytest.mark.parametrize("count", [6_000, pytest.param(200_000, marks=pytest.mark.slow)])
def test_random_strings_over_all_assigned_code_points_have_the_ids_of_the_reference(neox, count):
    encoder = open_encoder("gigatoken", neox, "plain")
    counter = open_counter(TokenCountConfig(tokenizer=neox.path))
    texts = list(strings(count))
    for first in range(0, count, 2_000):
        batch = texts[first : first + 2_000]
        wrong = find_mismatch(encoder, encoder.reference, batch)
        assert wrong is None, ascii(batch[wrong])
        assert counter(batch) == [len(ids) + 1 for ids in encoder.reference.encode(batch)]


def test_most_texts_still_take_the_fast_way(neox):
    encoder = open_encoder("gigatoken", neox, "plain")
    usual = [
        "caf\u00e9 \u201cquoted\u201d \u2014",
        "\u6f22\u5b57",
        "\U0001f600\U0001fae8",
        "e\u0301 \ufb01",
        "\u0939\u093f",
    ]
    assert all(encoder.encode_joined([text.encode()]) is not None for text in usual)
    assert encoder.encode_joined(["\u0c3c".encode()]) is None


def letters(texts):
    return [np.array([unicodedata.category(character) == "Lu" for character in text]) for text in texts]


def test_code_points_that_two_encoders_class_differently_are_found_and_no_others():
    def other(texts):
        return [
            np.where([c in "\u0100\u1e9e" for c in text], False, ids)
            for text, ids in zip(texts, letters(texts), strict=True)
        ]

    assert differing(other, letters) == [0x100, 0x1E9E]
    assert differing(letters, letters) == []


def test_composites_that_only_one_encoder_knows_are_found_by_their_halves():
    def composed(texts):
        return [np.frombuffer(text.replace("u\u0308", "\u00fc").encode("utf-32-le"), np.uint32) for text in texts]

    def plain(texts):
        return [np.frombuffer(text.encode("utf-32-le"), np.uint32) for text in texts]

    assert differing(composed, plain) == [0x308]  # ASCII is in every text, so the other half tells


def test_what_was_found_is_remembered_by_the_tokenizers_content_and_a_broken_file_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setenv("REPRO_CACHE", str(tmp_path))
    asked = []

    def encode(texts):
        asked.append(len(texts))
        return [
            np.array(["\u0c3c" in text for text in texts[:1]]) if "\u0c3c" in text else letters([text])[0]
            for text in texts
        ]

    def open_one(sha256):
        asked.clear()
        return apart_of("tokenizers", sha256, encode, letters)

    assert open_one("a" * 64).inside("\u0c3c".encode()) and asked
    (path,) = tmp_path.rglob("*.json")
    assert json.loads(path.read_text())["sha256"] == "a" * 64
    again = open_one("a" * 64)
    assert again.inside("\u0c3c".encode()) and not again.inside("\u0c3d".encode()) and not asked
    path.write_text('{"ranges": [[1')
    assert open_one("a" * 64).inside("\u0c3c".encode()) and asked
    assert open_one("b" * 64).inside("\u0c3c".encode()) and asked


def test_a_look_at_many_texts_names_those_that_hold_one():
    apart = Apart([(0x1ABF, 0x1ADD), (0x1E4EC, 0x1E4EF)])
    raws = [text.encode() for text in ("plain", "\u1abe\u1ade", "x\u1acd", "", "\U0001e4ec")]
    assert apart.each(raws) == [False, False, True, False, True]
    assert apart.each(raws[:2]) == [False, False]
