"""Read a value that a model wrote down, as JSON or as a Python literal, without evaluating anything.

One parser for both spellings: `[1, 'a', True, None, {"k": (1, 2)}]`. It is a loop over tokens, so that a megabyte of
brackets is refused in milliseconds instead of exhausting the stack, and it warns about nothing.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

DEEPEST = 60
"""Brackets inside brackets that are still read."""

LONGEST = 50_000
"""Characters of the longest text that is read."""

_TOKEN = re.compile(
    r"""\s*(?:(?P<open>[\[{(])|(?P<close>[\]})])|(?P<mark>[,:])"""
    r"""|(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
    r"""|(?P<number>(?>[-+]?(?:[0-9][0-9_]*(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)(?![\w.]))"""
    r"""|(?P<word>true|false|null|True|False|None|NaN|-?Infinity)(?!\w))""",
    re.DOTALL,
)
_WORDS: dict[str, Any] = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None}
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\n": ""}
_PAIRS = {"]": "[", "}": "{", ")": "("}


def literal(text: str) -> Any:
    """The value of a JSON text or a Python literal: numbers, strings, lists, tuples, dicts, true, false, null.

    Raises:
        ValueError: the text is none, is longer than `LONGEST` or nested deeper than `DEEPEST`.
    """
    if len(text) > LONGEST:
        raise ValueError(f"longer than {LONGEST} characters")
    try:
        return _strict_json(text)
    except (ValueError, RecursionError):
        return _Reader(text).value()


def _strict_json(text: str) -> Any:
    if text.count("[") + text.count("{") > 10_000:  # deep or huge: the loop below knows the depth
        raise ValueError("many brackets")

    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


class _Reader:
    """A stack machine over the tokens; each open bracket is a list of the values read in it so far."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.stack: list[tuple[str, list[Any], list[int]]] = []
        self.wants_value = True

    def value(self) -> Any:
        position, done, result = 0, False, None
        end = len(self.text.rstrip())
        while position < end:
            token = _TOKEN.match(self.text, position)
            if token is None or done:
                raise ValueError(f"no literal at character {position}")
            position = token.end()
            if token["open"]:
                self._open(token["open"])
            elif token["mark"]:
                self._mark(token["mark"])
            else:
                item = self._close(token["close"]) if token["close"] else _scalar(token)
                if not token["close"] and not self.wants_value:
                    raise ValueError("two values side by side")
                self.wants_value = False
                if self.stack:
                    self.stack[-1][1].append(item)
                else:
                    done, result = True, item
        if not done:
            raise ValueError("nothing, or an open bracket")
        return result

    def _open(self, bracket: str) -> None:
        if not self.wants_value or len(self.stack) >= DEEPEST:
            raise ValueError("a bracket where none belongs, or too many")
        self.stack.append((bracket, [], []))

    def _mark(self, mark: str) -> None:
        if self.wants_value or not self.stack:
            raise ValueError(f"{mark} without a value before it")
        bracket, values, keys = self.stack[-1]
        inside_pair = len(keys) * 2 == len(values) + 1 if bracket == "{" else False
        if mark == ":":
            if bracket != "{" or len(values) != len(keys) * 2 + 1:
                raise ValueError("a colon outside a dict")
            keys.append(len(values) - 1)
        elif inside_pair or (bracket == "{" and len(values) != len(keys) * 2):
            raise ValueError("a dict's entry without its value")
        self.wants_value = True

    def _close(self, bracket: str) -> Any:
        if not self.stack or self.stack[-1][0] != _PAIRS[bracket]:
            raise ValueError(f"{bracket} closes nothing")
        opened, values, keys = self.stack.pop()
        if opened == "{":
            if len(values) != len(keys) * 2:
                raise ValueError("a dict's entry without its value")
            pairs = list(zip(values[::2], values[1::2], strict=True))
            if not all(isinstance(key, str | int | float | bool | type(None)) for key, _ in pairs):
                raise ValueError("a key that is no scalar")
            return dict(pairs)
        if opened == "(" and len(values) == 1 and not self.wants_value:
            return values[0]  # (1) is 1; (1,) is a tuple
        return tuple(values) if opened == "(" else values


def _scalar(token: re.Match[str]) -> Any:
    if token["word"] is not None:
        if token["word"] not in _WORDS:
            raise ValueError(f"{token['word']} is no value that is compared")
        return _WORDS[token["word"]]
    if token["text"] is not None:
        return _ESCAPE.sub(_unescaped, token["text"][1:-1])
    number = token["number"]
    if re.fullmatch(r"[-+]?[0-9_]+", number):
        if len(number) > 4_000:
            raise ValueError("an integer of thousands of digits")
        return int(number)
    return float(number)


def _unescaped(mark: re.Match[str]) -> str:
    if mark[1] or mark[2]:
        return chr(int(mark[1] or mark[2], 16))
    return _ESCAPED.get(mark[3], mark[3] if mark[3] in "\\\"'/" else mark[0])


def balanced(text: str, opening: str) -> Iterator[str]:
    """The outermost bracketed parts that begin with `opening` (`[`, `{` or `(`), the last one first.

    A bracket that stays open and one that closes nothing are passed over; neither hides what stands beside it.

    >>> list(balanced("a [1, [2]] ] b [3] c [4", "["))
    ['[3]', '[1, [2]]']
    """
    closing = {"[": "]", "{": "}", "(": ")"}[opening]
    open_: list[int] = []
    pairs: list[tuple[int, int]] = []
    for mark in re.finditer(re.escape(opening) + "|" + re.escape(closing), text):
        if mark[0] == opening:
            open_.append(mark.start())
        elif open_:
            pairs.append((open_.pop(), mark.end()))
    before = len(text) + 1
    for start, end in reversed(pairs):  # by their ends: what lies inside a pair ends before it and starts after it
        if end <= before:
            before = start
            yield text[start:end]


def last_balanced(text: str, opening: str) -> str | None:
    """The last outermost bracketed part that begins with `opening`; None without a closed one."""
    return next(balanced(text, opening), None)
