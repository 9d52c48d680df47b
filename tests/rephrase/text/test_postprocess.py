"""One parser reads completions: what it finds, what it refuses and why."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from eval.faithfulness.measures import duplicate_ngrams
from rephrase.text.postprocess import STATUSES, format_ok, read_completion
from rephrase.text.prompts import SENTINEL

S = SENTINEL


# The vectors of the specification, section 5: completion, organic, finish reason, text, status, flags,
# format by profile qwen3, olmo2, auto.
VECTORS = [
    (f"<think>\n\n</think>\n\n{S}\n\nHello.", "Hi.", "stop", "Hello.", "ok", (), (1, 0, 1)),
    (f"{S} Hello.", "Hi.", "stop", "Hello.", "ok", (), (0, 1, 1)),
    ("Hello.", "Hi.", "stop", "", "missing_sentinel", (), (0, 0, 0)),
    (f"<think>Maybe: {S} draft</think>\n{S} Final.", "Hi.", "stop", "Final.", "ok", (), (0, 0, 0)),
    (f"<think>{S} draft", "Hi.", "stop", "", "unclosed_think", (), (0, 0, 0)),
    (f"{S} Half a sent", "Hi.", "length", "", "truncated", (), (0, 1, 1)),
    (f"{S}\n---\nHello.\n---", "Hi.", "stop", "Hello.", "ok", (), (0, 1, 1)),
    (f"{S}\n\nA.\n\n---\n\nB.", "Hi.", "stop", "A.\n\n---\n\nB.", "ok", (), (0, 1, 1)),
    (f"{S}\n```\nHello.\n```", "Hi.", "stop", "Hello.", "ok", ("unfenced",), (0, 1, 1)),
    (f"{S}\n```\nx = 1\n```", "Run:\n```\nx=1\n```", "stop", "```\nx = 1\n```", "ok", (), (0, 1, 1)),
    (S, "Hi.", "stop", "", "empty", (), (0, 1, 1)),
    (f"{S} Draft.\n\n{S} Final.", "Hi.", "stop", "Final.", "ok", ("multiple_sentinels",), (0, 0, 0)),
    (f"{S} The user wants a rewrite. Hello.", "Hi.", "stop", "", "meta_leak", (), (0, 1, 1)),
    (f"Sure! {S} Hello.", "Hi.", "stop", "Hello.", "ok", (), (0, 0, 0)),
]


@pytest.mark.parametrize(("completion", "organic", "finish", "text", "status", "flags", "formats"), VECTORS)
def test_published_vectors(completion, organic, finish, text, status, flags, formats):
    assert read_completion(completion, organic, finish) == (text, status, flags)
    assert tuple(int(format_ok(completion, profile)) for profile in ("qwen3", "olmo2", "auto")) == formats


PLAIN = st.text(st.characters(exclude_characters="`~-*_<>"), min_size=1, max_size=300).map(str.strip)


@given(PLAIN, st.text(max_size=50))
def test_plain_text_after_the_sentinel_comes_back_as_it_is(text, organic):
    lowered = text.lower()
    assume(text and not any(phrase in lowered for phrase in ("user", "as an ai", "sorry", "rewrite", "paraphrase")))
    assume(SENTINEL not in text + organic and duplicate_ngrams(text) <= 0.3)
    assert read_completion(SENTINEL + " " + text, organic) == (text, "ok", ())


MARKS = [S, "<think>", "</think>", "---", "***", "```", "~~~", "\n", "\n\n", " ", "\u2028", "\x00", "\ud800"]
PARTS = st.sampled_from([*MARKS, "Hello.", "I'm sorry", "the user wants", "word " * 30])


@given(st.one_of(st.text(max_size=100), st.lists(PARTS, max_size=12).map("".join)), st.text(max_size=50))
def test_any_completion_is_read_and_ok_means_text(completion, organic):
    for finish in ("stop", "length", "error", ""):
        reading = read_completion(completion, organic, finish)
        assert reading.status in STATUSES
        assert (reading.status == "ok") == bool(reading.text)
        assert "<think>" not in reading.text and "</think>" not in reading.text
        assert reading.text == reading.text.strip()


def test_an_engine_that_failed_has_no_text():
    assert read_completion(f"{S} Hello.", "Hi.", "error") == ("", "engine_error", ())


def test_an_organic_sentinel_is_not_taken_for_the_models():
    organic = f"A page about prompts. {S} goes first."
    assert read_completion(f"{S} Prompts: {S} opens.", organic).text == f"Prompts: {S} opens."


def test_a_phrase_of_the_page_itself_is_no_leak():
    assert read_completion(f"{S} I'm sorry, he said.", "I’m sorry, he said to her.").status == "ok"
    assert read_completion(f"{S} I'm sorry, but no.", "He said nothing.").status == "meta_leak"
    late = "word. " * 40 + "I'm sorry."  # past the first 200 characters
    assert read_completion(f"{S} {late[:230]} I'm sorry.", "w").status != "meta_leak"


def test_a_loop_is_found_unless_the_page_loops_too():
    loop = "the cat sat on the mat and " * 20
    assert duplicate_ngrams(loop) > 0.9
    assert read_completion(f"{S} {loop}", "A cat on a mat.").status == "repetition"
    assert read_completion(f"{S} {loop}", loop).status == "ok"


def test_two_fences_are_not_one():
    text = "```\na\n```\ntext\n```\nb\n```"
    assert read_completion(f"{S}\n{text}", "Hi.") == (text, "ok", ())


LEAKS = (
    "The user wants",
    "as an AI",
    "I\u2019m sorry",
    "I'm \u017forry",
    "I W\u0131ll reWr\u0131te",
    "\u0130 am sorry",
)
"""Talk about the task, in letters that count as `i` and `s` where case is ignored."""


@given(
    st.lists(st.sampled_from((*LEAKS, "Let me paraphrase", "A boa", "u", "\n", "\u212ahaki", "caf\u00e9")), max_size=5)
)
def test_talk_about_the_task_is_found_however_its_letters_are_written(some):
    text = " ".join(some).strip()
    assume(text)
    leaks = any(one in (*LEAKS, "Let me paraphrase") for one in some)
    assert (read_completion(f"{S} {text}", "A page.").status == "meta_leak") == leaks
