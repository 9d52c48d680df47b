"""Messages to token ids in which only the chat template's own control tokens are control tokens.

A chat rendered to text and then tokenised obeys whatever its contents spell: a page that holds the end token is cut
there, a forged turn is answered. Here each spelling in a content is masked by one private-use character before the
template is rendered, so that the control tokens found in the rendering are the template's own; what lies between them
gets its spellings back and is tokenised as plain text. Added tokens cut a text before anything else does, so the ids of
a chat that spells none are the tokenizer's own ids of the rendering, and such a chat takes that path.

A template's role marker that is no added token at all (OLMo-2's `<|user|>`) is text to the tokenizer and to the model:
ids cannot tell it from the same letters in a page.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

Message = Mapping[str, Any]
Tokenizer = Any
"""A tokenizer of transformers, fast or slow."""

PRIVATE = range(0xF0000, 0xFFFFE)
"""Code points of private use, from which the masks come."""

DELIMITERS = re.compile(r"<[|\uff5c].*[|\uff5c]>", re.DOTALL)
"""How turn markers look that a tokenizer holds as added tokens but does not call special, such as DeepSeek's."""


BYTE = re.compile("<0x[0-9A-F]{2}>")
"""A piece that stands for one byte of text, which some tokenizers call special."""


@dataclass(frozen=True)
class Controls:
    """A tokenizer's control tokens."""

    ids: frozenset[int]
    spelled: re.Pattern[str]
    """One written out; or, at the end of a text, the beginning of one, which what follows could complete."""
    whole: re.Pattern[str]
    """One written out."""
    by_offsets: bool
    """Some are looked for in the normalised text, which no pattern over the text itself finds."""


_known: "WeakKeyDictionary[Any, tuple[tuple[int, Any], Controls]]" = WeakKeyDictionary()


def controls(tokenizer: Tokenizer) -> Controls:
    """The special tokens, except the unknown one, and the added tokens that are turn markers of the chat template."""
    template = getattr(tokenizer, "chat_template", None)
    version = (len(tokenizer), str(template))
    found = _known.get(tokenizer)
    if found is None or found[0] != version:
        found = _known[tokenizer] = (version, _read(tokenizer, version[1]))
    return found[1]


def _read(tokenizer: Tokenizer, template: str) -> Controls:
    named = set(tokenizer.all_special_tokens)
    tokens = {
        number: token
        for number, token in tokenizer.added_tokens_decoder.items()
        if token.special
        or token.content in named
        or (DELIMITERS.fullmatch(token.content) and token.content in template)
    }
    names = {token.content: number for number, token in tokens.items()}
    names |= dict(zip(tokenizer.all_special_tokens, tokenizer.all_special_ids, strict=True))
    names = {
        name: number
        for name, number in names.items()
        if name and number != tokenizer.unk_token_id and not BYTE.fullmatch(name)
    }
    normalizer = getattr(getattr(tokenizer, "backend_tokenizer", None), "normalizer", None)
    longest_first = sorted(names, key=lambda name: (-len(name), name))
    whole = "|".join(map(re.escape, longest_first)) or r"(?!)"
    starts = {name[:length] for name in names for length in range(2, len(name))}
    ending = "|".join(re.escape(start) for start in sorted(starts, key=lambda start: (-len(start), start))) or r"(?!)"
    return Controls(
        ids=frozenset(names.values()),
        spelled=re.compile(rf"{whole}|(?:{ending})(?=\s*\Z)"),
        whole=re.compile(whole),
        by_offsets=normalizer is not None and any(token.normalized for token in tokens.values()),
    )


class Masked:
    """Messages, or a text, whose spelled control tokens are masked: render `messages`, then ask for the `ids`."""

    def __init__(self, tokenizer: Tokenizer, messages: Sequence[Message]) -> None:
        self.tokenizer = tokenizer
        self.controls = controls(tokenizer)
        self.count = 0
        """Control tokens spelled in the messages."""
        self._masks: dict[str, str] = {}
        texts = [text for message in messages for text in _texts(message)]
        used = set("".join(texts)) if any(self._spans(text) for text in texts) else set()
        self._free = (character for character in map(chr, PRIVATE) if character not in used)
        self.messages = [self._masked(message) for message in messages]

    def unused(self) -> str:
        """A private-use character that no message holds and no mask is."""
        held = {*"".join(text for message in self.messages for text in _texts(message)), *self._masks.values()}
        return next(character for character in map(chr, reversed(PRIVATE)) if character not in held)

    def _spans(self, text: str) -> list[tuple[int, int]]:
        """Where control tokens are spelled in a text."""
        spans = [match.span() for match in self.controls.spelled.finditer(text)]
        if not self.controls.by_offsets:
            return spans
        return _merged([*spans, *control_spans(self.tokenizer, text)])

    def text(self, text: str) -> str:
        """A text with masks in place of what it spells."""
        parts, end = [], 0
        for first, last in self._spans(text):
            spelled = text[first:last]
            self.count += self.controls.whole.fullmatch(spelled) is not None or self.controls.by_offsets
            if spelled not in self._masks:
                self._masks[spelled] = next(self._free)
            parts += [text[end:first], self._masks[spelled]]
            end = last
        return "".join([*parts, text[end:]])

    def plain(self, masked: str) -> str:
        """The text behind a masked one."""
        for spelled, mask in self._masks.items():
            masked = masked.replace(mask, spelled)
        return masked

    def _masked(self, value: Any, key: str = "") -> Any:
        if isinstance(value, str):
            return value if key == "role" else self.text(value)
        if isinstance(value, Mapping):
            return {name: self._masked(item, name) for name, item in value.items()}
        return [self._masked(item) for item in value] if isinstance(value, list) else value

    def render(self, messages: Sequence[Message] | None = None, **options: Any) -> str:
        """The template's text of the masked messages, or of those given."""
        chosen = self.messages if messages is None else messages
        return str(self.tokenizer.apply_chat_template(list(chosen), tokenize=False, **options))

    def ids(self, rendered: str) -> list[int]:
        """Token ids of a rendering: its control tokens are the template's, its masks are plain text again."""
        if not self._masks:
            return list(self.tokenizer(rendered, add_special_tokens=False)["input_ids"])
        ids: list[int] = []
        end = 0
        for first, last in control_spans(self.tokenizer, rendered):
            ids += plain_ids(self.tokenizer, self.plain(rendered[end:first]))
            ids += self.tokenizer(rendered[first:last], add_special_tokens=False)["input_ids"]
            end = last
        return ids + plain_ids(self.tokenizer, self.plain(rendered[end:]))


def chat_ids(
    tokenizer: Tokenizer, messages: Sequence[Message], *, add_generation_prompt: bool = True, **options: Any
) -> list[int]:
    """Token ids of a chat as the tokenizer's template writes it; no content writes a control token.

    Args:
        tokenizer: with a chat template.
        messages: the chat.
        add_generation_prompt: end where the assistant is to write.
        options: for the template.
    """
    masked = Masked(tokenizer, messages)
    return masked.ids(masked.render(add_generation_prompt=add_generation_prompt, **options))


def plain_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    """Token ids of a text of which no part is a control token; the tokenizer's own ids where it spells none."""
    if not text:
        return []
    known = controls(tokenizer)
    ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])
    if known.ids.isdisjoint(ids):
        return ids
    ids = list(tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])
    if known.ids.isdisjoint(ids):
        return ids
    # Markers that are not special stay whole so far, and a model's own vocabulary may hold a control token.
    ids, end = [], 0
    for first, last in _merged([*control_spans(tokenizer, text), *(m.span() for m in known.whole.finditer(text))]):
        pieces = [text[end:first], *text[first:last]]
        for piece in filter(None, pieces):
            found = tokenizer(piece, add_special_tokens=False, split_special_tokens=True)["input_ids"]
            ids += [number for number in found if number not in known.ids]
        end = last
    if end < len(text):
        found = tokenizer(text[end:], add_special_tokens=False, split_special_tokens=True)["input_ids"]
        ids += [number for number in found if number not in known.ids]
    return ids


def control_spans(tokenizer: Tokenizer, text: str) -> list[tuple[int, int]]:
    """Where the tokenizer finds control tokens in a text: first character and the one after the last."""
    known = controls(tokenizer)
    if not getattr(tokenizer, "is_fast", False):
        return [match.span() for match in known.whole.finditer(text)]
    read = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    return [
        (first, last)
        for number, (first, last) in zip(read["input_ids"], read["offset_mapping"], strict=True)
        if number in known.ids and last > first
    ]


def _merged(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans in order, those that overlap as one."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if merged and first < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def _texts(value: Any, key: str = "") -> Iterator[str]:
    """Every text in a message but its role."""
    if isinstance(value, str):
        if key != "role":
            yield value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _texts(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
