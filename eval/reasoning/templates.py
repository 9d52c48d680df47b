"""Text and values out of a record by a template: `{{name}}`, `{{path.0.key}}`, `{{name | filter | filter:argument}}`.

Double braces, because single ones are what LaTeX and JSON are made of. A template that is one `{{...}}` and nothing
else gives the value itself; any other gives text. A path's part in brackets is looked up first: `{{ios.0.[given]}}`.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_MARK = re.compile(r"\{\{\s*(.+?)\s*\}\}")
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def fill(template: Any, record: Mapping[str, Any]) -> Any:
    """A template filled from a record; lists and mappings of templates likewise, at any depth.

    >>> fill("{{a}} of {{b.1}}, \\\\boxed{}", {"a": 1, "b": [2, 3]}), fill("{{b}}", {"b": [2, 3]})
    ('1 of 3, \\\\boxed{}', [2, 3])

    Raises:
        ValueError: the record lacks what a path names, or there is no such filter.
    """
    if isinstance(template, Mapping):
        return {key: fill(value, record) for key, value in template.items()}
    if isinstance(template, list):
        return [fill(value, record) for value in template]
    if not isinstance(template, str):
        return template
    whole = _MARK.fullmatch(template)
    if whole and whole[1].count("{{") == 0:
        return _value(whole[1], record)
    return _MARK.sub(lambda mark: _text(_value(mark[1], record)), template)


def names_in(template: Any) -> set[str]:
    """The first parts of the paths that a template names: what a record has to have."""
    if isinstance(template, Mapping):
        return {name for value in template.values() for name in names_in(value)}
    if isinstance(template, list):
        return {name for value in template for name in names_in(value)}
    if not isinstance(template, str):
        return set()
    return {re.split(r"[.|]", mark)[0].strip() for mark in _MARK.findall(template)}


def _value(expression: str, record: Mapping[str, Any]) -> Any:
    path, *filters = [part.strip() for part in expression.split("|")]
    value: Any = record
    for part in path.split("."):
        if part.startswith("[") and part.endswith("]"):
            part = str(record.get(part[1:-1], ""))
        try:
            value = value[int(part)] if isinstance(value, Sequence) and not isinstance(value, str) else value[part]
        except (KeyError, IndexError, TypeError, ValueError):
            raise ValueError(f"the record has no {path!r} (it has {', '.join(sorted(record))[:200]})") from None
    for one in filters:
        name, _, argument = one.partition(":")
        if name not in FILTERS:
            raise ValueError(f"no filter {name!r} in {{{{{expression}}}}}; there are: {', '.join(FILTERS)}")
        value = FILTERS[name](value, argument)
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else str(value)


def _lines(value: Any, argument: str) -> str:
    del argument
    return value if isinstance(value, str) else "\n".join(map(_text, value or []))


def _options(value: Any, argument: str) -> str:
    """A line for each option: `(A) text`; the argument is another form, such as `A. ` or `A) `."""
    form = argument or "(A) "
    return "\n".join(form.replace("A", letter, 1) + _text(one) for letter, one in zip(LETTERS, value, strict=False))


def _pairs(value: Any, argument: str) -> str:
    """Demonstrations of a grid puzzle, at most as many as the argument says."""
    most = int(argument or 6)
    return "\n\n".join(f"Input: {one['input']}\nOutput: {one['output']}" for one in value[:most])


def _gpqa(value: Any, argument: str) -> str:
    """GPQA's text as lm-eval shows it: ` [title]` is a full stop, other brackets and double blanks go."""
    del argument
    found = re.sub(r"\[.*?\]", "", _text(value).strip().replace(" [title]", ". "))
    return re.sub(r"\s+([.,])", r"\1", re.sub(r" {2,}", " ", found)).strip()


FILTERS: dict[str, Callable[[Any, str], Any]] = {
    "text": lambda value, argument: _text(value),
    "strip": lambda value, argument: _text(value).strip(),
    "rstrip": lambda value, argument: _text(value).rstrip(),
    "unix": lambda value, argument: _text(value).replace("\r\n", "\n"),
    "lines": _lines,
    "json": lambda value, argument: json.dumps(value, ensure_ascii=False, sort_keys=False),
    "letter": lambda value, argument: LETTERS[int(value)],
    "options": _options,
    "pairs": _pairs,
    "gpqa": _gpqa,
    "answers": lambda value, argument: "|".join(map(_text, value)) if isinstance(value, list) else _text(value),
    "last": lambda value, argument: value[-1],
    "given": lambda value, argument: {key: item for key, item in (value or {}).items() if item is not None},
    "each_given": lambda value, argument: [FILTERS["given"](one, "") for one in value or []],
    "or_empty": lambda value, argument: value or "",
}
"""Name of a filter to what it does with a value and the text behind its colon."""
