"""From text to trunks and branches: which tokens are a text, and where it begins in a sequence of tokens.

Everything stays on token ids: a rollout is never decoded, edited and encoded again, and a reference is never searched
in decoded text. Only offsets are found by decoding.
"""

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

    Control tokens spelled in the text are text.

    Raises:
        Unwritable: the tokenizer cannot write the text exactly.
    """
    return _encode_behind(tokenizer, text, text, partial(plain_ids, tokenizer))


def _encode_behind(tokenizer: Tokenizer, text: str, source: str, encode: Callable[[str], list[int]]) -> list[int]:
    """Ids of a text that follows another, by `encode` of its `source`."""
    plain = encode(source)
    for anchor in ANCHORS:
        head = tokenizer.encode(anchor, add_special_tokens=False)
        behind = encode(anchor + source)
        candidates = [plain, behind[len(head) :]] if behind[: len(head)] == head else [plain]
        for ids in candidates:
            if decode(tokenizer, [*head, *ids]) == decode(tokenizer, head) + text:
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
    """The conversation up to where the assistant writes."""

    ids: list[int]
    """The assistant's text, then the tokens that close its turn."""

    is_text: list[bool]
    """[m] false for the closers."""


def chat_turn(tokenizer: Tokenizer, messages: Sequence[dict[str, Any]], text: str, **options: Any) -> ChatTurn:
    """Split a conversation that ends with an assistant's text, as the tokenizer's template writes it.

    The full conversation minus the one that waits for the assistant is the branch. Where the template does not write
    the one as the beginning of the other, the text is encoded behind the prefix and has no closers.

    Args:
        tokenizer: with a chat template.
        messages: the turns before.
        text: the assistant's.
        options: for the template.
    """
    masked = Masked(tokenizer, [*messages, {"role": "assistant", "content": text}])
    prompt = masked.render(masked.messages[:-1], add_generation_prompt=True, **options)
    full = masked.render(**options)
    prefix = masked.ids(prompt)
    if not masked.plain(full).startswith(masked.plain(prompt) + text):
        ids = encode_continuation(tokenizer, text)
        return ChatTurn(prefix, ids, [True] * len(ids))
    whole = masked.ids(full)
    if whole[: len(prefix)] == prefix:
        ids = whole[len(prefix) :]
    else:
        ids = _encode_behind(tokenizer, masked.plain(full[len(prompt) :]), full[len(prompt) :], masked.ids)
    spans = branch_spans(tokenizer, ids)
    # Some tokenizers write a space behind every special token; it belongs to the first word.
    head = tokenizer.encode(ANCHORS[0], add_special_tokens=False)
    space = decode(tokenizer, [*head, *ids])[len(decode(tokenizer, head)) :].startswith(" ") and text[:1] != " "
    return ChatTurn(prefix, ids, overlapping(spans, int(space), int(space) + len(text)))
