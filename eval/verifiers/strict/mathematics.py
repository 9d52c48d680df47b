"""Is the boxed answer the reference's value: as text, then exactly by our own reader, then by math-verify."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from eval.verifiers import workers
from eval.verifiers.mathematics import fallback
from eval.verifiers.mathematics.cleaning import LONGEST, clean, plain
from eval.verifiers.mathematics.comparing import hedges, same
from eval.verifiers.mathematics.nodes import is_scalar
from eval.verifiers.mathematics.reading import read
from eval.verifiers.result import Result, correct, infra_error, skipped, unparseable, wrong
from eval.verifiers.segments import joint_boxes, last_box

DEADLINE_S = 10.0
"""Wall seconds for the library."""

_OPTION = re.compile(r"(?:\(([A-J])\)[ :.]*|([A-J])[:.)] +)(\S.*)", re.DOTALL)
"""An option's letter before its text: `(C) 12`, `C: 12`; either may be the reference."""

_OPPOSITES = {"yes": "no", "no": "yes", "true": "false", "false": "true"}

_OPTIONS = re.compile(r"\(?[A-J]\)?(?:\s*(?:[,;&]|and)?\s*\(?[A-J]\)?)+", re.IGNORECASE)
"""Letters of several options."""

_OPTION_NAMED = re.compile(r"(?:the )?(?:correct )?(?:option|choice|answer)?(?: is)?\s*\(?([a-j])[).]*", re.IGNORECASE)
"""One option, with or without the word: `Option D`, `D)`."""

PROCESSOR_S = 2.0
"""Processor seconds for the library: a warm answer takes milliseconds."""


def math(answer: str, gold: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    """Compare what stands in the last box with the reference; several boxes in a row are one joint answer.

    Args:
        answer: the answer part.
        gold: the reference's text, or `{"any_of": [...]}` or a list, of which one must be met.
        info: not read.
        options: `unboxed="last_expression"` takes the last formula or number where there is no box.
    """
    references = _references(gold)
    if not references:
        return skipped("bad_gold", message="no text to compare with")
    boxes = joint_boxes(answer)
    if not boxes and options.get("unboxed") == "last_expression":
        boxes = last_expression(answer)
    if not boxes:
        return unparseable("no_box")
    parts = list(dict.fromkeys(box for box in boxes if box))
    if not parts:
        return unparseable("empty_box")
    text = ", ".join(parts)
    if len(text) > LONGEST:
        return wrong("too_long", text[:LONGEST])
    found = [compare(reference, text) for reference in references]
    best = next((one for one in found if one.status == "correct"), None)
    best = best or next((one for one in found if one.mask), None) or found[0]
    return best.with_(version=_version())


def _references(gold: Any) -> list[str]:
    values = gold.get("any_of") if isinstance(gold, Mapping) else gold
    values = values if isinstance(values, list) else [values]
    texts = [str(one) for one in values if isinstance(one, str | int | float)]
    boxed = [last_box(text) or text for text in texts]
    return [text for text in boxed if text.strip()] if len(texts) == len(values) else []


@lru_cache
def _version() -> str:
    return fallback.versions()


def last_expression(answer: str) -> list[str]:
    """The last formula between dollar signs, else the last number; for models that were not asked for a box."""
    formulas = re.findall(r"\$([^$]{1,1000})\$|\\\((.{1,1000}?)\\\)", answer[-5000:])
    if formulas:
        return [next(filter(None, formulas[-1]))]
    return re.findall(r"-?\d[\d,]*(?:\.\d+)?(?:/\d+)?%?", answer[-5000:])[-1:]


def compare(gold: str, answer: str) -> Result:
    """One answer against one reference, by the cheapest means that decides."""
    found = by_reading(gold, answer)
    option = _OPTION.fullmatch(clean(answer)) if found is None or found.reason == "different" else None
    for part in filter(None, option.groups() if option else ()):
        named = by_reading(gold, part)
        if named is not None and named.status == "correct":
            return named
    if (found is None or found.status != "correct") and _same_words(plain(gold), plain(answer)):
        return correct(answer, by="text")
    if found is not None:
        return found
    if fallback.readable(clean(gold)) and fallback.readable(clean(answer)):
        return _by_library(gold, answer)
    return wrong("different", answer, by="text")


def _same_words(gold: str, answer: str) -> bool:
    """Whether a reference of yes or no opens the answer, or both name the same options: `A, C` and `AC`."""
    if gold in _OPPOSITES:
        opening = re.match(r"[a-z]+(?=[,.;:!])", answer)
        return opening is not None and opening[0] == gold and not re.search(rf"\b{_OPPOSITES[gold]}\b", answer)
    if re.fullmatch(r"[a-j]", gold) and (named := _OPTION_NAMED.fullmatch(answer)):
        return named[1].lower() == gold
    if not (_OPTIONS.fullmatch(gold) and _OPTIONS.fullmatch(answer)):
        return False
    first, second = (re.findall(r"[a-j]", re.sub("and", "", text.lower())) for text in (gold, answer))
    apart = re.search(r"[ ,;&(]|and", gold + answer)  # `AB` and `BA` are two names
    return bool(apart) and sorted(first) == sorted(second) and len(set(first)) == len(first) > 1


@lru_cache(20_000)
def by_reading(gold: str, answer: str) -> Result | None:
    """As text and by our own reader; None where either does not decide."""
    if plain(gold) == plain(answer) and plain(answer):
        return correct(answer, by="text")
    left, right = read(gold), read(answer)
    found: bool | None = None
    if left is not None and right is not None:
        found = same(left, right)
        if found is not True and ("," in gold or "," in answer):
            found = _without_thousands(gold, answer) or found
        if found is not None:
            reason = "hedged" if not found and hedges(left, right) else "different"
            return correct(answer, by="value") if found else wrong(reason, answer, by="value")
        if is_scalar(left) and is_scalar(right):
            return wrong("too_large", answer, by="value")
    return None


def _without_thousands(gold: str, answer: str) -> bool:
    """`1,234` is one number or two; what one side means, the other may spell out."""
    left, right = read(gold, thousands=False), read(answer, thousands=False)
    return left is not None and right is not None and same(left, right) is True


def _by_library(gold: str, answer: str) -> Result:
    name = f"{fallback.__name__}:same"
    outcome = workers.call(name, {"gold": gold, "answer": answer}, DEADLINE_S, PROCESSOR_S)
    if outcome.failure in ("time_limit", "memory_limit"):
        alone = workers.call(name, {"gold": gold, "answer": "0"}, DEADLINE_S, PROCESSOR_S)
        if alone.failure in ("time_limit", "memory_limit"):
            return skipped("bad_gold", message=f"the reference alone exceeds the {alone.failure}")
        return wrong(outcome.failure, answer, by="library")
    if outcome.failure == "error" and outcome.message.startswith(("ImportError", "ModuleNotFoundError")):
        return wrong("different", answer, by="text", message=outcome.message)
    if outcome.failure == "error":
        return wrong("different", answer, by="library", message=outcome.message)
    if outcome.failure:
        return infra_error(outcome.failure, message=outcome.message)
    return correct(answer, by="library") if outcome.value else wrong("different", answer, by="library")
