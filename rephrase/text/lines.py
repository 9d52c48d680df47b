r"""A text as numbered lines, and edits of them: which to keep, which to drop, which fragments to cut.

A small model decides per line far better than it writes a page out, and what is kept is then the page's own, to the
byte (ProX, arXiv:2409.17115, runs programs of line edits for the same reason). A numbered line is a line of the text,
or several where one sentence or list item runs on: a title with its underline, a paragraph wrapped at some column.

    [1] Home | News | Log in          Edits:
    [2] The river rises in May.       [1] drop
    [3] It is cold. Read more » So    [2] keep
    we wait.                          [3] cut Read more »
"""

import re
from typing import Literal, NamedTuple

MARK = "\n[{number}]"
"""How a numbered line begins in the request and in the answer."""

EDITS = "Edits:"
"""How an answer of edits begins."""

KEEP, DROP, CUT = "keep", "drop", "cut"

EditStatus = Literal["ok", "missing_sentinel", "unreadable_edit", "no_such_line", "no_such_fragment"]

_ANSWER_LINE = re.compile(r"\[(\d{1,6})\] (keep|drop|cut (\S.*))")
_BULLET = re.compile(r"[ \t]*(?:[-*+•◦▪●○·»]|\d{1,3}[.)]|#\.)[ \t]+\S")
_STARTS = re.compile(r"#{1,6} |[|>\[<!]|\.\. |:\w+:|\*\*|__ ")
_ENDS = re.compile(r"[.!?:;|»\]>)\"”*_-]$")
_UNDERLINE = re.compile(r"([=\-~^\"'`#*+.:_])\1{2,}")
_GOES_ON = frozenset(
    re.split(
        " ",
        "a an the of to and or for with in on by is are was were be as at from that this it which not can your you we "
        "if but has have had will would may should into its their our",
    )
)
"""Words that end no line of their own."""

WRAPPED = (40, 120)
"""Lengths of a line that a text editor may have wrapped, in characters."""


class Numbered(NamedTuple):
    """A text cut into units: `lead` and then each unit with its separator give the text back."""

    lead: str
    """White space before the first unit."""

    units: list[str]
    """Texts of the numbered lines."""

    seps: list[str]
    """White space after each, with at least one line end, but for the last."""


class Edited(NamedTuple):
    """What a completion of edits makes of a text."""

    text: str
    status: EditStatus
    dropped: tuple[int, ...] = ()
    """Numbers of the dropped lines, from 1."""

    cut: tuple[int, ...] = ()
    """Numbers of the lines with a cut."""

    unnamed: int = 0
    """Lines that the answer does not name; they stay."""


def number_lines(text: str) -> Numbered:
    r"""Cut a text into the units that an edit can name.

    >>> number_lines("Title\n=====\n\nOne line goes on and on and on and on and on\nbelow.\n* item\n").units
    ['Title\n=====', 'One line goes on and on and on and on and on\nbelow.', '* item']
    """
    units: list[str] = []
    seps: list[str] = []
    lead = gap = ""
    for line in text.splitlines(keepends=True) if "\r" not in text else re.findall(r"[^\n]*\n|[^\n]+", text):
        body = line.rstrip()
        if not body:
            gap += line
        elif units and gap == "\n" and _goes_on(units[-1], body):
            units[-1] += gap + body
            gap = line[len(body) :]
        else:
            if units:
                seps.append(gap)
            else:
                lead = gap
            units.append(body)
            gap = line[len(body) :]
    if units:
        seps.append(gap)
    else:
        lead = gap
    return Numbered(lead, units, seps)


def _goes_on(unit: str, line: str) -> bool:
    """Whether a line continues the unit above it."""
    first, _, _ = unit.partition("\n")
    last = unit.rpartition("\n")[2]
    stripped = line.strip()
    indent, deeper = len(line) - len(line.lstrip()), len(first) - len(first.lstrip())
    if first.lstrip().startswith(".. "):
        return indent > deeper
    if _UNDERLINE.fullmatch(stripped):
        return "\n" not in unit and len(stripped) >= 0.7 * len(last.strip()) and len(last) <= 100
    if _UNDERLINE.fullmatch(first.strip()) and "\n" not in unit:  # an overline; a rule stands apart
        return len(stripped) <= len(first.strip()) and not _BULLET.match(line)
    if _BULLET.match(line) or _STARTS.match(stripped):
        return False
    if _BULLET.match(first) and indent > deeper:
        return True
    if not WRAPPED[0] <= len(last) <= WRAPPED[1]:
        return False
    if not _ENDS.search(last) and stripped[0].islower():
        return True
    word = last.split()[-1]
    return word.endswith(",") or word in _GOES_ON


def show(numbered: Numbered) -> str:
    """The units with their numbers, as the request shows them.

    >>> show(number_lines("One.\\n\\nTwo."))
    '\\n[1] One.\\n[2] Two.'
    """
    return "".join(f"{MARK.format(number=number)} {unit}" for number, unit in enumerate(numbered.units, 1))


def end_mark(text: str) -> str:
    r"""The mark of the first line that a text does not have: an answer that comes to it is complete.

    >>> end_mark("One.\n\nTwo.")
    '\n[3]'
    """
    return MARK.format(number=len(number_lines(text).units) + 1)


def write_edits(numbered: Numbered, spans: list[tuple[int, int]]) -> str | None:
    """The answer that takes `spans` of the text (sorted, apart) out; None where no edit can say that.

    A unit that lies in the spans but for white space is dropped; a span inside a unit is a cut.
    """
    verdicts, position = [EDITS], len(numbered.lead)
    for number, (unit, sep) in enumerate(zip(numbered.units, numbered.seps, strict=True), 1):
        mark = MARK.format(number=number)
        inside = [
            (max(start, position) - position, min(end, position + len(unit)) - position)
            for start, end in spans
            if start < position + len(unit) and end > position
        ]
        left, at, cuts = "", 0, []
        for start, end in inside:
            left += unit[at:start]
            at = end
            fragment = unit[start:end].strip()
            if fragment:
                cuts.append((unit.index(fragment, start), fragment))
        left += unit[at:]
        if not left.strip():
            verdicts.append(f"{mark} {DROP}")
        elif not cuts:
            verdicts.append(f"{mark} {KEEP}")
        else:
            from_here = 0
            for start, fragment in cuts:
                if "\n" in fragment or unit.find(fragment, from_here) != start:
                    return None
                from_here = start + len(fragment)
                verdicts.append(f"{mark} {CUT} {fragment}")
        position += len(unit) + len(sep)
    return "".join(verdicts)


def apply_edits(text: str, completion: str) -> Edited:
    r"""Read an answer and edit the text by it; a text without drops and cuts comes back to the byte.

    The answer names lines in any order, a line more than once only for the same verdict or for further cuts. What it
    does not name stays.

    >>> apply_edits("Home | News\nIt rains. Read more » We wait.", "Edits:\n[1] drop\n[2] cut Read more »").text
    'It rains. We wait.'
    """
    answer = completion.strip()
    if not answer.startswith(EDITS):
        return Edited("", "missing_sentinel")
    numbered = number_lines(text)
    verdicts: dict[int, list[str]] = {}
    for line in answer[len(EDITS) :].strip().split("\n") if answer != EDITS else ():
        found = _ANSWER_LINE.fullmatch(line.strip())
        if not found:
            return Edited("", "unreadable_edit")
        number, verdict = int(found[1]), found[2]
        if not 1 <= number <= len(numbered.units):
            return Edited("", "no_such_line")
        before = verdicts.setdefault(number, [])
        if verdict in before and not verdict.startswith(CUT):
            continue  # said twice, meant once
        if before and not (verdict.startswith(CUT) and before[0].startswith(CUT)):
            return Edited("", "unreadable_edit")
        before.append(verdict)
    units: list[str] = []
    dropped, cut = [], []
    for number, unit in enumerate(numbered.units, 1):
        said = verdicts.get(number, [KEEP])
        if said == [DROP]:
            dropped.append(number)
            units.append("")
        elif said == [KEEP]:
            units.append(unit)
        else:
            left = _without(unit, [verdict[len(CUT) + 1 :].strip() for verdict in said])
            if left is None:
                return Edited("", "no_such_fragment")
            cut.append(number)
            units.append(left)
    kept = _join(numbered, units)
    return Edited(kept, "ok", tuple(dropped), tuple(cut), len(numbered.units) - len(verdicts))


def _without(unit: str, fragments: list[str]) -> str | None:
    at = 0
    for fragment in fragments:
        found = unit.find(fragment, at)
        if found < 0:
            return None
        before, after = unit[:found], unit[found + len(fragment) :]
        if before.endswith((" ", "\n")) or not before:
            after = after.lstrip(" ") if before.endswith(" ") or not before else after
        unit, at = before + after, len(before)
    return unit.rstrip()


def _join(numbered: Numbered, units: list[str]) -> str:
    """Units that are left, with the largest gap that stood between each two of them."""
    joined, gap = numbered.lead, ""
    first = True
    for unit, sep in zip(units, numbered.seps, strict=True):
        if unit.strip():
            joined += ("" if first else gap) + unit
            first, gap = False, sep
        elif sep.count("\n") > gap.count("\n") and not first:
            gap = sep
    return joined + gap if not first else ""
