"""What a judge's reply decides: the verdict that it states, not the last letter that stands in it.

A reply that thinks to its end without an answer, states nothing, or states two things decides nothing; the reason says
which, so that it can be counted.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

NO_ANSWER = "no_answer"
"""Nothing but thinking, or nothing at all."""
NO_VERDICT = "no_verdict"
"""Text, but none of the allowed answers is stated."""
CONTRADICTORY = "contradictory"
"""Two different answers are stated."""

_DECORATION = " \t\r\n*_`\"'“”‘’()[]{}<>.:,;!#=$\\"
_NOUN = r"(?:the\s+)?(?:chapter|option|version|text|answer|choice|story|candidate)\s+"
_OPEN = r"[\s*_`\"'“‘(\[{]*"
_SHUT = r"(?![\w'’]|[-/]\w|\.\d|\s*(?:,|/|or\b|and\b)\s*(?:or\s+|and\s+)?[*_`\"'(\[]*{other})"
_STATED = (
    r"(?:verdict|answer|choice|winner|decision|judg(?:e)?ment|conclusion|result|preference|rating|score|letter|digit)"
    r"[*_`\"']*\s*(?:is\b|would\s+be\b|:|=|\uff1a|->|→)\s*(?:\\boxed)?{open}(?:{noun})?{open}({choice}){shut}"
)
_BOXED = r"(?:\\boxed\s*\{{\s*(?:\\text\s*\{{\s*)?|\[\[\s*)({choice})\s*(?:\}}|\]\])"
_CHOSEN = (
    r"(?:\b(?:prefer|choose|chose|pick|select|favou?r|vote\s+for|go(?:ing)?\s+with|say|answer)(?:s|ed)?\s+){open}"
    r"(?:{noun})?{open}({choice}){shut}"
)
_BETTER = (
    r"(?<!\w)({choice})[*_`\"')\]]*\s+(?:is|has|wins?|was|shows?|develops?|offers?|gives?|reads?|does|feels?)\b"
    r"(?:(?!\bthan\b|\b(?:{choice})\b)[^.!?\n]){{0,60}}?\b(?:better|best|stronger|strongest|superior|preferable|preferred|richer|winner"
    r"|more\s+\w+|most\s+\w+|wins?)\b"
)
_WINS = r"(?<!\w)({choice})[*_`\"')\]]*\s+wins?\b"
_DENIED = re.compile(
    r"\b(?:not|never|no|neither|nor|cannot|hardly|worse|weaker|less|least|inferior|if|whether|unless)\b|n['’]t\b",
    re.IGNORECASE,
)
_WEIGHED = re.compile(
    r"(?:\b(?:if|whether|unless)\s+(?:the\s+|my\s+)?|(?:\bnot|n['’]t)\s+(?:think|believe|say|mean|agree)\b[^.!?\n]*)$",
    re.IGNORECASE,
)
"""What stands before a verdict that is only considered."""


BEGINNING, END = 1_000, 3_000
"""Characters of a long reply in which a verdict is looked for: the patterns would take the square of its length."""


@dataclass(frozen=True)
class StatedChoice:
    """A verdict, or why there is none."""

    value: str | None
    reason: str = ""


def answer_of(reply: str | None) -> str | None:
    """A reply behind its thinking; None where the thinking never ends, or nothing follows it.

    >>> answer_of("<think>A or B?</think> B"), answer_of("<think>A")
    ('B', None)
    """
    _, closed, text = (reply or "").rpartition("</think>")
    if not closed and "<think>" in text:
        return None
    return text.strip() or None


def read_choice(reply: str | None, choices: Sequence[str]) -> StatedChoice:
    """Which of some one-letter answers a reply decides for.

    The first of these that a reply has decides: it is the answer and nothing else (in either case); it states a verdict
    ("Final answer: B", `\\boxed{B}`; the last one counts); a line is the answer alone, or the reply begins with it
    ("A: it is shorter"); a sentence prefers one ("B is better than A"). Sentences that deny or weigh state nothing. Of
    a reply of more than 4,000 characters only the beginning and the end are read.

    Args:
        reply: the judge's text, thinking and all.
        choices: the answers, such as `A`, `B`, `C` or `0`, `1`.

    >>> [read_choice(text, "ABC").value for text in ("B is better than A", "b", "(A)", "A or B, who knows")]
    ['B', 'B', 'A', None]
    """
    text = answer_of(reply)
    if text is None:
        return StatedChoice(None, NO_ANSWER)
    if len(text) > BEGINNING + END:
        text = f"{text[:BEGINNING]}\n…\n{text[-END:]}"
    alone = _alone(text, choices)
    if alone:
        return StatedChoice(alone)
    stated = _found((_STATED, _BOXED), text, choices, any_case=True)
    if stated:
        return StatedChoice(stated[-1])
    for claims in (_lines(text, choices), _preferred(text, choices)):
        if claims:
            return StatedChoice(claims[0]) if len(set(claims)) == 1 else StatedChoice(None, CONTRADICTORY)
    return StatedChoice(None, NO_VERDICT)


def read_object(reply: str | None) -> dict[str, Any] | None:
    """The JSON object of a reply behind any thinking, also within a code block or a sentence; None without one."""
    text = answer_of(reply)
    if text is None:
        return None
    for piece in (text, text[text.find("{") : text.rfind("}") + 1]):
        try:
            found = json.loads(piece)
        except (ValueError, RecursionError):
            continue
        return found if isinstance(found, dict) else None
    return None


def _alone(text: str, choices: Sequence[str]) -> str:
    """The answer that a text consists of, but for marks and what it is an answer to; empty if it is more or less."""
    label = re.match(r"[A-Za-z][A-Za-z ]{1,40}(?:\([^)]*\))?[:?]\s*(?=\S+$)", text)
    if label and not _DENIED.search(label[0]):
        text = text[label.end() :]
    bare = re.sub(rf"(?i)^{_NOUN}", "", text.strip(_DECORATION)).strip(_DECORATION)
    return next((choice for choice in choices if bare.casefold() == choice.casefold()), "")


def _lines(text: str, choices: Sequence[str]) -> list[str]:
    """The lines that are an answer alone; without any, the answer that the reply begins with, set off by a mark."""
    lines = [line for line in text.splitlines() if line.strip()]
    alone = [found for line in lines if (found := _alone(line, choices))]
    if alone:
        return alone
    marked = [re.match(rf"[\s*_`\"'(\[]*({_any(choices)})[*_`\"')\]]*\s*[:)–—-]+(?!\w|\d)", line) for line in lines]
    return [match[1] for match in marked if match] if marked and marked[0] else []


def _preferred(text: str, choices: Sequence[str]) -> list[str]:
    """What sentences that deny nothing choose or call better."""
    found = []
    for sentence in re.split(r"(?<=[.!?])\s+|\n+", text):
        if not _DENIED.search(sentence):
            found += _found((_CHOSEN, _WINS, _BETTER), sentence, choices, any_case=False)
    return found


def _found(patterns: Sequence[str], text: str, choices: Sequence[str], *, any_case: bool) -> list[str]:
    """The answers that patterns find, in the order of the text; words around them may be written in either case."""
    letter = _any(choices)
    hits = []
    for pattern in patterns:
        shut = _SHUT.replace("{other}", f"(?-i:{letter})(?!\\w)")
        whole = pattern.format(choice=letter if any_case else f"(?-i:{letter})", open=_OPEN, shut=shut, noun=_NOUN)
        for match in re.finditer(whole, text, re.IGNORECASE):
            article = match[1] == "a" and re.match(r"\s+\w", text[match.end(1) :])  # "the answer is a hard one"
            if not article and not _WEIGHED.search(text[: match.start()]):
                hits.append((match.start(1), match[1]))
    return [next(one for one in choices if one.casefold() == hit.casefold()) for _, hit in sorted(set(hits))]


def _any(choices: Sequence[str]) -> str:
    return "|".join(map(re.escape, choices))
