"""Stop strings found from the last tokens: what a look at the whole text at every token finds, at a bounded cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from common.engines.stopping import StopFinder

STOPS = st.lists(st.sampled_from(["</a>", "\n\n", "é", "日本", " b", "a b", "\ufffd", "🙂"]), min_size=1, max_size=3)
PIECES = ["a", " b", "</", "a>", "\n", "é", "日", "本", "🙂", "x" * 20, "  ", "ab ba ", "\ufffd"]


def byte_fallback():
    """A tokenizer as SentencePiece makes them: spaces as signs, unknown characters as bytes."""
    words = ["<unk>", "<s>", *(f"<0x{byte:02X}>" for byte in range(256)), "a", "b", "▁b", "</", "a>", "▁", "xx"]
    tokenizer = Tokenizer(models.BPE({word: place for place, word in enumerate(words)}, [], byte_fallback=True))
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", unk_token="<unk>")


@pytest.fixture(scope="module", params=["tiny", "byte fallback"])
def tokenizer(request, root):
    return (
        byte_fallback() if request.param == "byte fallback" else AutoTokenizer.from_pretrained(root / "rephrase/tiny")
    )


def decoder(tokenizer):
    return lambda ids: tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def looked_at_whole(stops, decode, ids):
    """How many tokens it takes, and the text before the first stop string."""
    for end in range(1, len(ids) + 1):
        text = decode(ids[:end])
        places = [place for place in (text.find(stop) for stop in stops) if place >= 0]
        if places:
            return end, text[: min(places)]
    return None


def found(stops, decode, ids, silent):
    finder = StopFinder(stops, decode, silent)
    for end, token in enumerate(ids, start=1):
        text = finder.add(token)
        if text is not None:
            return end, text
    return None


@given(st.data(), STOPS)
def test_the_tail_tells_what_the_whole_text_tells(tokenizer, data, stops):
    written = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
    texts = written.map(lambda text: tokenizer.encode(text, add_special_tokens=False))
    ids = data.draw(texts | st.lists(st.integers(0, len(tokenizer) - 1), max_size=60))
    decode, silent = decoder(tokenizer), tokenizer.all_special_ids
    ids = [token for number, one in enumerate(ids) for token in ([one, silent[0]] if number % 7 == 0 else [one])]
    assert found(stops, decode, ids, silent) == looked_at_whole(stops, decode, ids)


def test_the_tokens_decoded_grow_with_the_text_and_not_with_its_square(tokenizer):
    decoded = []
    for length in (200, 800, 3200):
        count = 0

        def decode(ids):
            nonlocal count
            count += len(ids)
            return decoder(tokenizer)(ids)

        (token,) = tokenizer.encode("a", add_special_tokens=False)
        assert found(["</answer>"], decode, [token] * length, ()) is None
        decoded.append(count / length)
    assert max(decoded) <= 1.2 * min(decoded)
