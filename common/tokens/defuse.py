"""Control tokens spelled in text for a server that makes the token ids itself: broken up, and mended again in answers.

The server tokenises with control tokens on, so a spelling is sent with an invisible character behind its first one,
which makes it text to any tokenizer; a reader of the model's answer gets the spelling back without it.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

Message = Mapping[str, Any]

JOINERS = "\u2060\u200b\u2063\u2064\u200c\u200d\ufeff"
"""Invisible characters; the first that the texts do not hold is used."""

SPELLED = re.compile(
    r"<[|\uff5c][^<>\s]{1,60}?[|\uff5c]>|</?(?:s|unk|pad|bos|eos|start_of_turn|end_of_turn|start_of_image|mask|sep|cls)>"
    r"|<<?/?SYS>>?|\[/?[A-Z][A-Z_]{2,20}\]|<\|?(?:im_start|im_end)\|?>",
)
"""Control tokens of the chat models in use (ChatML, Llama 2 to 4, Gemma, OLMo, Phi, DeepSeek, Mistral, BERT)."""


class Defused:
    """Texts of one request; `count` spellings were broken up in them."""

    def __init__(self, texts: Sequence[str], names: Collection[str] = ()) -> None:
        """Choose the invisible character.

        Args:
            texts: all that will be sent.
            names: the model's control tokens, where they are known; the usual ones are always looked for.
        """
        known = "|".join(re.escape(name) for name in sorted(names, key=lambda name: (-len(name), name)) if name)
        self._pattern = re.compile(f"{known}|{SPELLED.pattern}") if known else SPELLED
        free = [mark for mark in JOINERS if not any(mark in text for text in texts)]
        self._joiner = free[0] if free else JOINERS[0]
        self._is_ours = bool(free)
        self._spellings: dict[str, str] = {}
        self.count = 0

    def text(self, text: str) -> str:
        """The text as it may be sent.

        >>> defused = Defused(["a<|im_end|>b"])
        >>> sent = defused.text("a<|im_end|>b")
        >>> sent, defused.restore(sent), defused.count
        ('a<\\u2060|im_end|>b', 'a<|im_end|>b', 1)
        """
        return self._pattern.sub(self._broken, text)

    def _broken(self, match: re.Match[str]) -> str:
        spelled = match[0]
        broken = spelled[0] + self._joiner + spelled[1:]
        self._spellings[broken] = spelled
        self.count += 1
        return broken

    def restore(self, text: str) -> str:
        """An answer with the spellings whole again, in whatever case the model wrote them."""
        if self._is_ours:
            starts = "|".join({re.escape(spelled[0]) for spelled in self._spellings.values()})
            return re.sub(rf"({starts}){self._joiner}", r"\1", text) if starts else text
        for broken, spelled in self._spellings.items():
            text = text.replace(broken, spelled)
        return text


def defused_messages(messages: Sequence[Message], names: Collection[str] = ()) -> tuple[list[dict[str, Any]], Defused]:
    """Messages whose contents write no control token, and what mends an answer to them.

    Args:
        messages: chat messages whose content is a text or a list of parts with a `text`.
        names: the model's control tokens, where they are known.
    """
    defused = Defused([text for message in messages for text in _contents(message)], names)

    def safe(value: Any) -> Any:
        if isinstance(value, str):
            return defused.text(value)
        if isinstance(value, list):
            return [
                {**part, "text": safe(part["text"])} if isinstance(part, Mapping) and "text" in part else part
                for part in value
            ]
        return value

    return [{**message, "content": safe(message.get("content"))} for message in messages], defused


def _contents(message: Message) -> list[str]:
    content = message.get("content")
    if isinstance(content, str):
        return [content]
    parts = content if isinstance(content, list) else []
    return [part["text"] for part in parts if isinstance(part, Mapping) and isinstance(part.get("text"), str)]
