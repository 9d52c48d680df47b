"""LiveBench in strict mode: eleven tasks of reasoning, data analysis and language, each with its fraction.

The rules are those of LiveBench (livebench/reasoning, data_analysis, language, June to July 2024), read from the answer
part only. `info.task` names the task; `tablereformat` also needs the prompt, which names the format to write.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from eval.verifiers.literals import balanced, literal
from eval.verifiers.result import Result, of_score, skipped, unparseable
from eval.verifiers.segments import fences, last_box
from eval.verifiers.table_text import read_table, same_tables, target_format

_NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
NUMBER_WORDS = dict(enumerate(_NUMBERS.split()))
"""Numbers that an answer may write as a word."""

_BOLD = re.compile(r"(?<!\*)\*\*(?!\*)([^*\n]+(?:\n[^*\n]+)*)\*\*(?!\*)")
_BOLD_ITALIC = re.compile(r"\*\*\*([^*\n]+)\*\*\*")
_YES_NO = re.compile(r"\b(yes|no|unknown)\b", re.IGNORECASE)
_TRIPLE = re.compile(r"\b((?:yes|no|unknown)\b(?:\s*,\s*\b(?:yes|no|unknown)\b){2,})", re.IGNORECASE)
_SENTENCE = re.compile(r"[^.!?]+[.!?]*[\"'\u201d\u2019]*\s*")

Score = float | None


def livebench(answer: str, gold: Any, info: Mapping[str, Any], options: Mapping[str, Any]) -> Result:
    """The task's own fraction; None from a rule means that the answer lacks the asked form."""
    task = str(info.get("task", ""))
    if task not in RULES or not isinstance(gold, str | dict | list):
        return skipped("bad_gold", task=task)
    text = gold if isinstance(gold, str) else repr(gold)
    if not text.strip():
        return skipped("bad_gold", task=task)
    if task == "tablereformat" and not target_format(prompt_of(info)):
        return skipped("bad_gold", task=task)
    score = RULES[task](text, answer, info)
    if score is None:
        return unparseable("no_answer", task=task)
    return of_score(score, answer[-200:], "partial" if score else "different", task=task)


def prompt_of(info: Mapping[str, Any]) -> str:
    """The prompt's text, whether the row keeps it as text or as messages."""
    prompt = info.get("prompt", "")
    if isinstance(prompt, Sequence) and not isinstance(prompt, str):
        return "\n".join(str(turn.get("content", "")) for turn in prompt if isinstance(turn, Mapping))
    return str(prompt)


def _clean(text: str) -> str:
    return re.sub(r"[^\w]+", "", text).casefold()


def column_type(gold: str, answer: str, info: Mapping[str, Any]) -> Score:
    """Which class a column is of: the cleaned answer is the cleaned gold text, or ends with it."""
    box = last_box(answer)
    cleaned, wanted = _clean(box if box is not None else answer), _clean(gold)
    return float(bool(wanted) and cleaned.endswith(wanted)) if cleaned else None


def join_map(gold: str, answer: str, info: Mapping[str, Any]) -> Score:
    """F1 of the pairs of a mapping between columns, to two decimals: 2 * right / (pairs given + pairs of gold)."""
    wanted, given = _mapping(gold), _mapping(answer)
    if not wanted or given is None:
        return None
    right = sum(given.get(key, object()) == value for key, value in wanted.items())
    f1 = 2 * right / (len(given) + len(wanted))
    return f1 if f1 == 1 else min(round(f1, 2), 0.99)


def _mapping(text: str) -> dict[str, Any] | None:
    blocks = [fence.body for fence in fences(text)][-1:]
    for candidate in (*blocks, text):
        for braces in balanced(candidate, "{"):
            try:
                found = literal(braces)
            except ValueError:
                continue
            if isinstance(found, dict):
                return found
    return None


def reformat(gold: str, answer: str, info: Mapping[str, Any]) -> Score:
    """A table written in another format: the same columns, rows and cells, numbers to 1e-6."""
    form = target_format(prompt_of(info))
    wanted = read_table(gold, form)
    if wanted is None:
        return None
    blocks = [fence.body for fence in fences(answer)][-1:]
    given = next((table for text in (*blocks, answer) if (table := read_table(text, form)) is not None), None)
    return None if given is None else float(same_tables(wanted, given))


def _answers(text: str) -> list[str]:
    return [word.lower() for word in _YES_NO.findall(text)]


def _web_candidates(answer: str) -> Iterator[str]:
    if solution := re.findall(r"<solution>([^<]*)</solution>", answer):
        yield solution[-1]
    yield from reversed(_BOLD.findall(answer))
    if box := last_box(answer):
        yield re.sub(r"\\text(?:bf)?|[{}]", " ", box)
    yield from _TRIPLE.findall(answer)[-1:]


def web_of_lies(gold: str, answer: str, info: Mapping[str, Any]) -> Score:
    """Who tells the truth: every yes and no right, and as many as asked."""
    given = _web_of_lies(gold, answer)
    return None if given is None else float(given == _answers(gold))


def web_of_lies_shared(gold: str, answer: str, info: Mapping[str, Any]) -> Score:
    """The same with half of the score for the share that is right: ((all right) + share right) / 2."""
    given, wanted = _web_of_lies(gold, answer), _answers(gold)
    if given is None or not wanted:
        return None
    share = sum(ours == theirs for ours, theirs in zip(given, wanted)) / max(len(given), len(wanted))  # noqa: B905
    return (float(given == wanted) + share) / 2


def _web_of_lies(gold: str, answer: str) -> list[str] | None:
    """The first place, in LiveBench's order, that holds as many answers as asked; else the first that holds any."""
    found = [words for text in _web_candidates(answer) if (words := _answers(text))]
    fitting = [words for words in found if len(words) == len(_answers(gold))]
    return next(iter(fitting or found), None)


def house_traversal(gold: str, answer: str, info: Mapping[str, Any]) -> Score:
    """Names in the order of the houses, in the last bold text that holds a name."""
    wanted = [name.casefold() for name in re.findall(r"[\w'-]+", gold)]
    for bold in reversed(_bold(answer)):
        given = [word.casefold() for word in re.findall(r"[\w'-]+", bold)]
        if set(given) & set(wanted):
            return float([word for word in given if word in wanted] == wanted)
    return None


def _bold(answer: str) -> list[str]:
    marks = [*_BOLD.finditer(answer), *_BOLD_ITALIC.finditer(answer)]
    return [mark[1] for mark in sorted(marks, key=lambda mark: mark.start())]


def _as_word(text: str) -> str:
    word = re.sub(r"[^\w\s-]", "", text).strip().casefold()
    return NUMBER_WORDS.get(int(word), word) if re.fullmatch("[0-9]{1,2}", word) else word


def zebra_puzzle(gold: str, answer: str, info: Mapping[str, Any]) -> Score:
    """The last `***word***`, else the last box, else the last word; digits count as number words."""
    solution = re.findall(r"<solution>([^<]*)</solution>", answer)
    marked = solution or _BOLD_ITALIC.findall(answer)
    words = re.findall(r"[\w'-]+", answer)
    box = last_box(answer)
    given = marked[-1] if marked else box if box else words[-1] if words else None
    return None if given is None else float(_as_word(given) == _as_word(gold))


def spatial(gold: str, answer: str, info: Mapping[str, Any]) -> Score:
    """One of the last three bold words, or the last box; digits count as number words."""
    bold = [_as_word(text) for text in _bold(answer)][-3:]
    if box := last_box(answer):
        bold.append(_as_word(re.sub(r"\\text(?:bf)?|[{}]", " ", box)))
    return float(_as_word(gold) in bold) if bold else None


def connections(gold: str, answer: str, info: Mapping[str, Any]) -> Score:
    """Groups of four words: the share of gold's groups among those of the best bold list."""
    wanted = _groups(gold)
    texts = re.findall(r"<solution>([^<]*)</solution>", answer) or _bold(answer)
    if not wanted or not texts:
        return None
    return max(len(wanted & _groups(text)) for text in [*texts[-20:], ", ".join(texts)]) / len(wanted)


def _groups(text: str) -> set[frozenset[str]]:
    words = [word for part in re.split(r"[,\n]", text) if (word := " ".join(part.strip(" .*'\"").casefold().split()))]
    return {frozenset(words[at : at + 4]) for at in range(0, len(words) - len(words) % 4, 4)}


def plot(gold: str, answer: str, info: Mapping[str, Any]) -> Score:
    """Sentences put back in order: 1 - edit distance of the order / number of sentences, at least 0.

    Each sentence of the answer stands for the sentence of gold that shares most of its words.
    """
    summary = re.findall(r"<PLOT_SUMMARY>([^<]*)</PLOT_SUMMARY>", answer)
    wanted = [_words(sentence) for sentence in _sentences(gold)]
    given = [_words(sentence) for sentence in _sentences(summary[-1] if summary else answer)]
    if not wanted or not given:
        return None
    given = given[: 4 * len(wanted)]
    order = [max(range(len(wanted)), key=lambda at: _likeness(sentence, wanted[at])) for sentence in given]
    return max(0.0, 1 - _edit_distance(list(range(len(wanted))), order) / len(wanted))


def _sentences(text: str) -> list[str]:
    return [found for part in _SENTENCE.findall(text) if (found := part.strip()) and re.search(r"\w", found)]


def _words(sentence: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", sentence.casefold()))


def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / (len(one | other) or 1)


def _edit_distance(one: Sequence[int], other: Sequence[int]) -> int:
    row = list(range(len(other) + 1))
    for at, left in enumerate(one, 1):
        before, row[0] = row[0], at
        for place, right in enumerate(other, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (left != right))
    return row[-1]


def typos(gold: str, answer: str, info: Mapping[str, Any]) -> Score:
    """The text without its typing errors stands in the answer, whatever its line breaks."""
    solution = re.findall(r"<solution>([^<]*)</solution>", answer)
    given = " ".join((solution[-1] if solution else answer).split())
    return float(" ".join(gold.split()) in given)


RULES: dict[str, Callable[[str, str, Mapping[str, Any]], Score]] = {
    "cta": column_type,
    "tablejoin": join_map,
    "tablereformat": reformat,
    "web_of_lies_v2": web_of_lies,
    "web_of_lies_v3": web_of_lies_shared,
    "house_traversal": house_traversal,
    "zebra_puzzle": zebra_puzzle,
    "spatial": spatial,
    "connections": connections,
    "plot_unscrambling": plot,
    "typos": typos,
}
"""LiveBench's tasks by their name in `info.task`."""
