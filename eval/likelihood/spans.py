"""From text to trunks and branches: which tokens are a text, and where it begins in a sequence of tokens.

Everything stays on token ids: a rollout is never decoded, edited and encoded again, and a reference is never searched
in decoded text. Only offsets are found by decoding.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from common.tokens.chat import Masked, plain_ids
from eval.likelihood.trunks import Branch

Tokenizer = Any
"""A tokenizer of transformers, fast or slow."""

Span = tuple[int, int]
"""First character and the one after the last."""

THINK, THOUGHT = "<think>", "</think>"

ANCHORS = ("=", "a", "\n")
"""Text that a continuation is encoded behind, where a tokenizer treats the start of a text as special."""


def decode(tokenizer: Tokenizer, ids: Sequence[int]) -> str:
    """The text of tokens, special ones included, nothing tidied."""
    return str(tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))


def encode_start(tokenizer: Tokenizer, text: str) -> list[int]:
    """Ids of a text that nothing precedes, with the special tokens that the tokenizer begins a text with.

    An empty text is one BOS token, or EOS where there is none: the first token of a text needs something before it.
    """
    ids = cast(list[int], tokenizer.encode(text, add_special_tokens=True, split_special_tokens=True))
    if not text:
        first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
        ids = ids[:1] or [first]
    return ids


def encode_continuation(tokenizer: Tokenizer, text: str) -> list[int]:
    """Ids of a text that follows another: no special tokens, no space that the tokenizer puts in front of a text.

    Control tokens spelled in the text are text. Of a tokenizer that normalises (NFC, lower case), they are the ids of
    the normalised text.

    Raises:
        Unwritable: the tokenizer cannot write the text exactly.
    """
    return _encode_behind(tokenizer, text, text, partial(plain_ids, tokenizer))


def written(tokenizer: Tokenizer, text: str) -> str:
    """A text as the tokenizer writes it: normalised, where it normalises; what it cannot write stays as it is."""
    head = tokenizer.encode(ANCHORS[0], add_special_tokens=False)
    try:
        ids = encode_continuation(tokenizer, text)
    except Unwritable:
        return text
    return decode(tokenizer, [*head, *ids])[len(decode(tokenizer, head)) :]


def _normalised(tokenizer: Tokenizer, text: str) -> str:
    """A text behind the tokenizer's own normalisation, if it has one that can be asked."""
    normalizer = getattr(getattr(tokenizer, "backend_tokenizer", None), "normalizer", None)
    return text if normalizer is None else str(normalizer.normalize_str(text))


def _encode_behind(tokenizer: Tokenizer, text: str, source: str, encode: Callable[[str], list[int]]) -> list[int]:
    """Ids of a text that follows another, by `encode` of its `source`."""
    plain = encode(source)
    for anchor in ANCHORS:
        head = tokenizer.encode(anchor, add_special_tokens=False)
        behind = encode(anchor + source)
        candidates = [plain, behind[len(head) :]] if behind[: len(head)] == head else [plain]
        wanted = decode(tokenizer, head) + text
        for ids in candidates:
            found = decode(tokenizer, [*head, *ids])
            if found == wanted or _normalised(tokenizer, found) == _normalised(tokenizer, wanted):
                return ids
    raise Unwritable(f"this tokenizer cannot write {text[:40]!r} exactly")


def token_char_spans(tokenizer: Tokenizer, ids: Sequence[int]) -> list[Span]:
    """The characters that each token ends, in `decode(ids)`; an empty span for a token that ends inside a character.

    Decodes a few tokens at a time, so the cost grows with the length, and it works with slow tokenizers.
    """
    spans: list[Span] = []
    end = 0
    context = read = 0  # tokens before `context` are done; those up to `read` are decoded again, for their spaces
    for index in range(len(ids)):
        before = decode(tokenizer, ids[context:read])
        after = decode(tokenizer, ids[context : index + 1])
        if len(after) > len(before) and not after.endswith("\N{REPLACEMENT CHARACTER}"):
            spans.append((end, end + len(after) - len(before)))
            end = spans[-1][1]
            context, read = read, index + 1
        else:
            spans.append((end, end))
    return spans


def cut_before(spans: Sequence[Span], offset: int) -> tuple[int, int]:
    """Where to cut so that everything before a character stays: (tokens kept, characters to write again).

    A cut inside a token moves back to the token's start; the characters between go in front of the branch, unscored.

    >>> cut_before([(0, 3), (3, 6), (6, 9)], 6), cut_before([(0, 3), (3, 6), (6, 9)], 5)
    ((2, 0), (1, 2))
    """
    kept = sum(end <= offset for _, end in spans)
    while kept and spans[kept - 1][0] == spans[kept - 1][1]:
        kept -= 1  # the first part of a character that does not stay
    return kept, offset - (spans[kept - 1][1] if kept else 0)


def scored_branch(tokenizer: Tokenizer, cut: int, lead: str, reference: str, tail: str = "") -> Branch:
    """A branch that writes `lead + reference + tail` behind a cut and scores the reference.

    Scored is each token with a character of the reference, so a space fused to its first word counts with it. Tokens
    behind the last scored one are left out: they change nothing.

    Raises:
        Unwritable: the tokenizer cannot write the text exactly.
        ValueError: the reference is empty.
    """
    if not reference:
        raise ValueError("an empty reference has no likelihood")
    lead, reference, tail = (written(tokenizer, part) if part else "" for part in (lead, reference, tail))
    ids = encode_continuation(tokenizer, lead + reference + tail)
    flags = overlapping(branch_spans(tokenizer, ids), len(lead), len(lead) + len(reference))
    last = max(index for index, flag in enumerate(flags) if flag)
    return Branch(cut, ids[: last + 1], flags[: last + 1])


def branch_spans(tokenizer: Tokenizer, ids: Sequence[int]) -> list[Span]:
    """Character spans of tokens that follow others: a leading space counts, which decoding alone may drop."""
    head = tokenizer.encode(ANCHORS[0], add_special_tokens=False)
    length = len(decode(tokenizer, head))
    spans = token_char_spans(tokenizer, [*head, *ids])[len(head) :]
    return [(start - length, end - length) for start, end in spans]


def overlapping(spans: Sequence[Span], start: int, end: int) -> list[bool]:
    """Which tokens have a character of [start, end); a token inside a character goes with the one that ends it.

    >>> overlapping([(0, 1), (1, 1), (1, 2), (2, 3)], 1, 2)
    [False, True, True, False]
    """
    flags: list[bool] = []
    for first, last in reversed(spans):
        inside = flags[-1] if first == last and flags else first < end and last > start
        flags.append(inside)
    return flags[::-1]


class Unwritable(ValueError):
    """A text that a tokenizer cannot write exactly: whoever has rows leaves the row out and counts it."""


@dataclass(frozen=True)
class ChatTurn:
    """An assistant turn as tokens."""

    prefix: list[int]
    """The conversation up to where the template puts an answer."""

    ids: list[int]
    """The assistant's text, then the tokens that close its turn."""

    is_text: list[bool]
    """[m] false for the closers."""


def chat_turn(tokenizer: Tokenizer, messages: Sequence[dict[str, Any]], text: str, **options: Any) -> ChatTurn:
    """Split a conversation that ends with an assistant's text, as the tokenizer's template writes it.

    The text stands where the template puts an answer: behind the empty thinking that Qwen3's writes there, behind the
    header, and not behind the `<think>`, where the prompt of a template opens thinking.

    Args:
        tokenizer: with a chat template.
        messages: the turns before.
        text: the assistant's.
        options: for the template.

    Raises:
        Unwritable: the template or the tokenizer writes another text.
        ValueError: the template renders the turns before otherwise once their answer follows.
    """
    text = written(tokenizer, text)
    masked = Masked(tokenizer, [*messages, {"role": "assistant", "content": text}])
    prompt = masked.render(masked.messages[:-1], add_generation_prompt=True, **options)
    before, after = _around_answer(masked, prompt, **options)
    full = masked.render(**options)
    said = masked.plain(full[len(before) : len(full) - len(after)])
    # A template may open the thinking again before a text that closes it.
    if not (full.startswith(before) and full.endswith(after) and said.rstrip().endswith(text.strip())):
        raise Unwritable(f"the chat template writes another answer than {text[:40]!r}")
    # A space before the answer belongs to its first word: it stays with the answer where the prompt lacks it.
    start = len(prompt) if before.startswith(prompt) else len(before)
    prefix, whole = masked.ids(full[:start]), masked.ids(full)
    rest = masked.plain(full[start:])
    if whole[: len(prefix)] == prefix:
        ids = whole[len(prefix) :]
    else:
        ids = _encode_behind(tokenizer, rest, full[start:], masked.ids)
    spans = branch_spans(tokenizer, ids)
    # Some tokenizers write a space behind every special token; it belongs to the first word.
    head = tokenizer.encode(ANCHORS[0], add_special_tokens=False)
    space = decode(tokenizer, [*head, *ids])[len(decode(tokenizer, head)) :].startswith(" ") and rest[:1] != " "
    first = int(space) + len(masked.plain(full[start : len(before)]))
    own = len(said.rstrip()) - len(text.strip()) if said.strip() != text.strip() else 0
    is_text = overlapping(spans, first + own, first + len(said))
    lead = is_text.index(True) if any(is_text) else 0  # what the template writes before an answer is no part of it
    return ChatTurn([*prefix, *ids[:lead]], ids[lead:], is_text[lead:])


def answer_lead(tokenizer: Tokenizer) -> str:
    """What a chat template writes between its prompt and an answer without thinking: Qwen3's empty `<think>` block.

    Empty for most templates, and for a tokenizer without one.

    Raises:
        ValueError: the template renders a question otherwise once its answer follows.
    """
    if not getattr(tokenizer, "chat_template", None):
        return ""
    masked = Masked(tokenizer, [{"role": "user", "content": "Question."}, {"role": "assistant", "content": "Answer."}])
    prompt = masked.render(masked.messages[:-1], add_generation_prompt=True)
    before, _ = _around_answer(masked, prompt)
    lead = before[len(prompt) :] if before.startswith(prompt) else ""
    return lead if lead.strip() else ""


def opens_thinking(tokenizer: Tokenizer, prompt_ids: Sequence[int]) -> bool:
    """Whether a prompt ends with an open `<think>`, so that what follows it is thinking."""
    return decode(tokenizer, prompt_ids[-16:]).rstrip().endswith(THINK)


def _around_answer(masked: Masked, prompt: str, **options: Any) -> tuple[str, str]:
    """What the template writes before and behind the last turn's text."""
    mark = masked.unused()
    shell = masked.render([*masked.messages[:-1], {**masked.messages[-1], "content": mark}], **options)
    before, found, after = shell.partition(mark)
    if not found or mark in after:
        raise ValueError("the chat template does not write an assistant's text once; give another chat template")
    if not before.startswith(prompt.rstrip()) and _unopened(before) != _unopened(prompt):
        raise ValueError(
            "the chat template renders a conversation otherwise once its answer follows: its prompt ends "
            f"{masked.plain(prompt)[-60:]!r}, before an answer stands {masked.plain(before)[-60:]!r}; give a template "
            "that writes both alike"
        )
    return before, after


def _unopened(text: str) -> str:
    """A rendering without the thinking that is opened, or left empty, at its end."""
    return re.sub(rf"{THINK}\s*(?:{THOUGHT}\s*)?\Z", "", text).rstrip()
