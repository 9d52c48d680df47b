"""Read a completion: the one parser behind the rewards, the rephrase stage and `rl.score`.

A rephraser answers with the sentinel, then the rephrasing. `read_completion` finds the text, or says in one word why
there is none; a failed completion is data to count, not an exception.
"""

import re
from typing import Literal, NamedTuple, get_args

from eval.faithfulness.measures import duplicate_ngrams, repeats
from rephrase.text.lines import EDITS, apply_edits
from rephrase.text.prompts import SENTINEL, Form

Status = Literal[
    "ok",
    "truncated",  # the model ran out of tokens
    "engine_error",  # no answer: the server failed, or the engine stopped for a reason of its own
    "unclosed_think",
    "missing_sentinel",
    "empty",
    "meta_leak",  # talk about the task in place of the text
    "repetition",  # a loop
    "unreadable_edit",  # edits: a line that is none, or a verdict against another
    "no_such_line",
    "no_such_fragment",
    "unfaithful/numbers",  # the gate's checks (`rephrase.gate`)
    "unfaithful/urls",
    "unfaithful/names",
    "unfaithful/content",
    "unfaithful/invented_words",
    "unfaithful/novel_5grams",
    "unfaithful/length",
    "unfaithful/semantic",
]
STATUSES: tuple[str, ...] = get_args(Status)

UNFAITHFUL = "unfaithful/"


def unfaithful(check: str) -> Status:
    """The status of a completion in form that fails a check of the gate.

    Raises:
        ValueError: there is no such check.
    """
    for status in get_args(Status):
        if status == UNFAITHFUL + check:
            return status
    raise ValueError(f"no check {check!r}")


Profile = Literal["qwen3", "olmo2", "auto"]

MAX_DUPLICATES = 0.3
"""A share of duplicate 10-grams above this is a loop, unless the organic text repeats itself too (ours)."""

ORGANIC_DUPLICATES = 0.1
"""From this share on, an organic text counts as repeating itself (ours)."""

_RULE = re.compile(r"[ \t]*(?:-{3,}|\*{3,}|_{3,})[ \t]*")
_OPENING_FENCE = re.compile(r"(`{3,}+|~{3,}+)[^\n`]*+\n")
_FENCE_LINE = re.compile(r"^ {0,3}(?:`{3,}|~{3,})", re.MULTILINE)
_META_PATTERNS = (
    r"\bthe user (?:wants|asked|asks|has asked|is asking)\b",
    r"\bas an ai\b",
    r"\bi(?:['’]m| am) sorry\b",
    r"\bi(?: cannot| can['’]?t| can not| will|['’]ll) (?:paraphrase|rewrite)\b",
    r"\blet me (?:paraphrase|rewrite)\b",
)
_META = [re.compile(pattern, re.IGNORECASE) for pattern in _META_PATTERNS]
_META_WORDS = ("the user", "as an ai", "sorry", "paraphrase", "rewrite")
"""Each of the patterns holds one of them."""

_AS_LETTERS = re.compile("[\u0130\u0131\u017f\u212a]")
"""Letters beyond ASCII that stand for `i`, `s` and `k` where case is ignored."""

_META_WINDOW = 200  # characters

_EMPTY_THINK = r"<think>\s*</think>"
_OPENINGS = {"qwen3": _EMPTY_THINK + r"\n\n", "olmo2": "", "auto": rf"(?:{_EMPTY_THINK}\s*)?"}
_FORMATS = {
    (form, profile): re.compile(opening + re.escape(sentinel))
    for form, sentinel in (("text", SENTINEL), ("edits", EDITS))
    for profile, opening in _OPENINGS.items()
}


class Reading(NamedTuple):
    """What a completion says: the rephrasing ("" unless `status` is "ok") and what was unusual about it."""

    text: str
    status: Status
    flags: tuple[str, ...] = ()


def read_completion(completion: str, organic: str, finish_reason: str = "stop", form: Form = "text") -> Reading:
    """Find the rephrasing in a completion.

    The text is what follows the last sentinel after the last `</think>` (the first sentinel, where the organic text
    holds one itself), without a rule line at either end and without a code fence around the whole that the organic
    text does not have. Flags: `multiple_sentinels`, `unfenced`.

    Args:
        completion: what the model wrote, special tokens left out.
        organic: the text it was given.
        finish_reason: "stop" (or "eos") for an answer that ended by itself, "length" for one cut off.
        form: what the prompt asks for (`rephrase.text.prompts.answer_form`). Edits are applied to the organic text; the
            result may be empty, for all lines may be boilerplate. Flags then: `dropped`, `cut`, `unnamed_lines`.
    """
    if finish_reason == "length":
        return Reading("", "truncated")
    if finish_reason not in ("stop", "eos"):
        return Reading("", "engine_error")
    answer = completion.rpartition("</think>")[2]
    if "<think>" in answer:
        return Reading("", "unclosed_think")
    if form == "edits":
        return _edited(answer, organic)
    sentinels = answer.count(SENTINEL)
    if sentinels == 0:
        return Reading("", "missing_sentinel")
    flags = ("multiple_sentinels",) if sentinels > 1 else ()
    text = answer.partition(SENTINEL)[2] if SENTINEL in organic else answer.rpartition(SENTINEL)[2]
    text = _without_rules(text.strip())
    inside = _inside_fence(text)
    if inside is not None and not _FENCE_LINE.search(organic):
        text = inside.strip()
        flags = (*flags, "unfenced")
    if not text:
        return Reading("", "empty", flags)
    if _is_meta(text[:_META_WINDOW], organic):
        return Reading("", "meta_leak", flags)
    if repeats(text, MAX_DUPLICATES) and duplicate_ngrams(organic) < ORGANIC_DUPLICATES:
        return Reading("", "repetition", flags)
    return Reading(text, "ok", flags)


def _is_meta(opening: str, organic: str) -> bool:
    """Whether a text opens with talk about the task that is not the organic text's own."""
    lowered = opening.lower()
    if not any(word in lowered for word in _META_WORDS) and not _AS_LETTERS.search(opening):
        return False
    return any(phrase.search(opening) and not phrase.search(organic) for phrase in _META)


def _edited(answer: str, organic: str) -> Reading:
    edited = apply_edits(organic, answer)
    seen = {"dropped": edited.dropped, "cut": edited.cut, "unnamed_lines": edited.unnamed}
    return Reading(edited.text, edited.status, tuple(name for name, found in seen.items() if found))


def format_ok(completion: str, profile: Profile = "auto", form: Form = "text") -> bool:
    """Whether a completion opens as the profile says and holds exactly one sentinel.

    `qwen3` opens with an empty think block, a blank line and the sentinel, `olmo2` with the sentinel, `auto` with
    either (white space free).
    """
    sentinel = EDITS if form == "edits" else SENTINEL
    return completion.count(sentinel) == 1 and _FORMATS[form, profile].match(completion) is not None


def _without_rules(text: str) -> str:
    """A stripped text without the rule line (`---`, `***`, `___`) at its start and at its end, one each."""
    first, _, rest = text.partition("\n")
    if _RULE.fullmatch(first):
        text = rest
    rest, _, last = text.rstrip().rpartition("\n")
    if _RULE.fullmatch(last):
        text = rest
    return text.strip()


def _inside_fence(text: str) -> str | None:
    """The content of the one code fence that is the whole text, or None."""
    opening = _OPENING_FENCE.match(text)
    if opening is None:
        return None
    body, newline, closing = text[opening.end() - 1 :].rpartition("\n")
    mark = opening[1]
    if not newline or set(closing.strip()) != {mark[0]} or len(closing.strip()) < len(mark):
        return None
    closes = re.compile(rf"^ {{0,3}}{re.escape(mark)}{re.escape(mark[0])}*[ \t]*$", re.MULTILINE)
    return None if closes.search(body) else body
