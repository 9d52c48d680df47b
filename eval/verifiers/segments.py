"""Where an answer stands in a completion: thinking removed once, then the last box, the last tag, a fenced block.

Every search here is linear in the length of the text, so that a megabyte of brackets costs milliseconds.
"""

import re
from typing import Literal, NamedTuple

LONGEST_ANSWER_PART = 50_000
"""Characters of the answer part that are read, from its end."""

ENDS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "</s>")
"""Tokens that end a turn; what follows the first of them is not part of the answer."""

Habit = Literal["whole", "after_last", "after_first", "between"]
"""What a scorer of Reasoning360 reads: the whole text, what follows the last or the first `</think>`, or what stands
between the first `</think>` and the second."""

_END = re.compile("|".join(map(re.escape, ENDS)))
_BOX = re.compile(r"\\(?:boxed|fbox)\b\s*")
_FENCE = re.compile(
    r"^[ \t]*(?P<marks>`{3,}|~{3,})[ \t]*(?P<info>[^\n`]*?)[ \t\r]*$|(?<![`~])(?P<tail>`{3,}|~{3,})[ \t]*$",
    re.MULTILINE,
)

_ONLY_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{(.{0,2000})\}", re.DOTALL)
_BARE = re.compile(r"-?[^\s{}$\\,;.]+(?:\.\d+)?")
_TAG = re.compile(r"</?answer>", re.IGNORECASE)
_JOINT = re.compile(r"(?:[\s.,;:&$|]|\\(?:quad|qquad|text|mathrm|[,;:!() \[\]])|[{}]|\bor\b|\band\b)*", re.IGNORECASE)


class Box(NamedTuple):
    """What one box holds, and where it stands in the text."""

    text: str
    start: int
    end: int


class Fence(NamedTuple):
    """A fenced block: its body, the first word after the opening marks in lower case, and where it starts."""

    body: str
    language: str
    start: int


def answer_part(text: str, think_open: bool = False) -> str | None:
    """What follows the thinking, up to the first token that ends a turn; None if the thinking was never closed.

    Args:
        text: the completion.
        think_open: the prompt already ended with `<think>`, so the completion begins inside the thinking.
    """
    _, closed, answer = text.rpartition("</think>")
    if not closed and (think_open or "<think>" in text):
        return None
    end = _END.search(answer)
    return (answer[: end.start()] if end else answer)[-LONGEST_ANSWER_PART:]


def by_habit(text: str, habit: Habit) -> str:
    """What a scorer of Reasoning360 would read of a completion; the whole text where there is no `</think>`."""
    if habit == "whole" or "</think>" not in text:
        return text
    parts = text.split("</think>")
    if habit == "after_last":
        return parts[-1]
    return parts[1] if habit == "between" else "</think>".join(parts[1:])


def boxes(text: str) -> list[Box]:
    """Every closed `\\boxed{...}` or `\\fbox{...}` in order, braces matched, and `\\boxed 5` without braces.

    A box inside a box counts as part of the outer one, and one that holds only a box is that box. Escaped braces do not
    open or close.

    >>> [box.text for box in boxes(r"\\boxed{1} or \\boxed{\\frac{1}{2}} or \\boxed{2")]
    ['1', '\\\\frac{1}{2}']
    """
    closing = _closing_braces(text) if "boxed" in text or "fbox" in text else {}
    found: list[Box] = []
    for mark in _BOX.finditer(text):
        if found and mark.start() < found[-1].end:
            continue
        start = mark.end()
        if text[start : start + 1] == "{":
            if start in closing:
                content = text[start + 1 : closing[start]].strip()
                while (inner := _ONLY_BOX.fullmatch(content)) and _balanced(inner[1]):
                    content = inner[1].strip()
                found.append(Box(content, mark.start(), closing[start] + 1))
        elif bare := _BARE.match(text, start):
            found.append(Box(bare[0], mark.start(), bare.end()))
    return found


def _balanced(text: str) -> bool:
    depth = 0
    for mark in re.finditer(r"\\.|[{}]", text, re.DOTALL):
        depth += {"{": 1, "}": -1}.get(mark[0], 0)
        if depth < 0:
            return False
    return not depth


def _closing_braces(text: str) -> dict[int, int]:
    """Position of each opening brace that is closed, to the position of its closing one."""
    pairs: dict[int, int] = {}
    open_: list[int] = []
    for mark in re.finditer(r"\\.|[{}]", text, re.DOTALL):
        if mark[0] == "{":
            open_.append(mark.start())
        elif mark[0] == "}" and open_:
            pairs[open_.pop()] = mark.start()
    return pairs


def last_box(text: str) -> str | None:
    """What stands in the last closed box; None without one."""
    found = boxes(text)
    return found[-1].text if found else None


def joint_boxes(text: str) -> list[str]:
    """The last box and those before it that only punctuation, "or" and "and" part from it: one joint answer.

    >>> joint_boxes(r"First \\boxed{7}. So \\boxed{1} or $\\boxed{2}$.")
    ['1', '2']
    """
    found = boxes(text)
    joint = found[-1:]
    for box in reversed(found[:-1]):
        between = text[box.end : joint[0].start]
        if len(joint) == 32 or len(between) > 200 or not _JOINT.fullmatch(between):
            break
        joint.insert(0, box)
    return [box.text for box in joint]


def last_answer_tag(text: str) -> str | None:
    """What stands in the last closed `<answer>...</answer>`, on one line or several; None without one."""
    end = None
    for mark in reversed(list(_TAG.finditer(text))):
        if mark[0].startswith("</"):
            end = mark.start()
        elif end is not None:
            return text[mark.end() : end].strip()
    return None


def fences(text: str) -> list[Fence]:
    """Every closed fenced block in order, of backticks or tildes, indented or not, with any info string.

    A block ends at the first line that holds only marks of its own kind, at least as many. Where a model forgot the
    line break before them, it ends at marks that close a line: if nothing else closes it, or another block opens first.
    """
    found: list[Fence] = []
    opening: re.Match[str] | None = None
    glued: re.Match[str] | None = None
    text = text.replace("\r\n", "\n")

    def close(begin: re.Match[str], end: re.Match[str]) -> None:
        info = begin["info"].split()
        found.append(Fence(text[begin.end() + 1 : end.start()], info[0].lower() if info else "", begin.start()))

    for mark in _FENCE.finditer(text):
        marks = mark["marks"] or mark["tail"]
        if opening is None:
            opening = mark if mark["marks"] else None
        elif marks[0] != opening["marks"][0] or len(marks) < len(opening["marks"]):
            continue
        elif mark["tail"]:
            glued = glued or mark
        elif not mark["info"]:
            close(opening, mark)
            opening = glued = None
        elif glued:
            close(opening, glued)
            opening, glued = mark, None
    if opening and glued:
        close(opening, glued)
    return found
