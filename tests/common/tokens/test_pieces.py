"""Long texts in pieces: the ids of the whole, whatever the text; tokenizers that cannot be cut are told."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.tokens import pieces
from common.tokens.pieces import can_be_cut, groups_of, pieces_of
from common.tokens.tokenizers import ReferenceEncoder, load_tokenizer

WORDS = st.sampled_from(
    [
        "the",
        " cat",
        "\n",
        "\n\n",
        " ",
        "\u6f22",
        "'s",
        "12",
        ".",
        " a",
        "e\u0301",
        "\r\n",
        "\t",
        "\u0939\u093f",
        "(",
        "B",
    ]
)


@pytest.fixture(scope="module")
def neox(shared_data):
    return ReferenceEncoder(load_tokenizer(str(shared_data / "tokenizers" / "gpt-neox-20b")), "plain")


@given(st.lists(WORDS, max_size=60).map("".join))
def test_pieces_have_the_ids_of_the_whole(neox, text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_CHARS", 1 << 20)
        whole = neox.encode([text, text])[0]
        patch.setattr(pieces, "PIECE_CHARS", 3)
        patch.setattr(pieces, "GROUP_CHARS", 9)
        np.testing.assert_array_equal(neox.encode(["x", text])[1], whole)


@given(st.lists(st.lists(WORDS, max_size=30).map("".join), max_size=5))
def test_pieces_are_the_texts_in_order(texts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_CHARS", 4)
        patch.setattr(pieces, "GROUP_CHARS", 16)
        found = [""] * len(texts)
        for group in groups_of(texts, cut=True):
            for number, piece in group:
                found[number] += piece
        assert found == texts
        assert [one for group in groups_of(texts, cut=False) for one in group] == list(enumerate(texts))


def test_a_text_without_a_place_to_cut_stays_whole():
    assert list(pieces_of("x" * (pieces.PIECE_CHARS + 9))) == ["x" * (pieces.PIECE_CHARS + 9)]
    assert max(map(len, pieces_of("word " * pieces.PIECE_CHARS))) <= pieces.PIECE_CHARS + 5


def test_tokenizers_that_join_words_are_not_cut(root):
    content = json.loads((root / "rephrase/tiny/tokenizer.json").read_text(encoding="utf-8"))
    tiny = ReferenceEncoder(load_tokenizer(str(root / "rephrase/tiny")), "plain")
    assert not can_be_cut(content, tiny.encode)  # whole phrases of its prompt are tokens
    content["added_tokens"] = []
    assert can_be_cut(content, tiny.encode)
    prefix = {**content["pre_tokenizer"], "add_prefix_space": True}
    for change in (
        {"pre_tokenizer": prefix},
        {"pre_tokenizer": {"type": "Metaspace"}},
        {"pre_tokenizer": None},
        {"normalizer": {"type": "Prepend", "prepend": "\u2581"}},
        {"added_tokens": [{"content": "<mask>", "lstrip": True}]},
        {"added_tokens": [{"content": "two words"}]},
    ):
        assert not can_be_cut(content | change, tiny.encode)
    assert not can_be_cut(content, lambda texts: [np.array([len(text)]) for text in texts])


MEMORY = """
import sys
from common.tokens.tokenizers import ReferenceEncoder, load_tokenizer
from tests.fixtures.memory import peak_mib
encoder = ReferenceEncoder(load_tokenizer(sys.argv[1]), "plain")
text = "".join(f"{number:x} words of a page\\n" for number in range(int(sys.argv[2])))
before = peak_mib()
ids = encoder.encode([text])[0]
print(peak_mib() - before, len(ids))
"""


def test_the_reference_needs_no_more_memory_for_a_longer_text(root, shared_data):
    neox = str(shared_data / "tokenizers" / "gpt-neox-20b")
    used = subprocess.run(
        [sys.executable, "-c", MEMORY, neox, "200000"], cwd=root, capture_output=True, text=True, check=True
    )
    mebibytes, count = map(float, used.stdout.split())
    assert count > 1_000_000
    assert mebibytes < 400  # 128 measured; 715 in one go
