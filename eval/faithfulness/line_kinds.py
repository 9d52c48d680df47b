"""What each line of a page is: prose, or code, table, formula, badge, link or entry of a contents table.

Read from the marks that Markdown and reStructuredText set, line by line and without a parser of either: a page may be
either, or neither, or cut off in the middle. What no rule names is prose, headings and list items included.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Literal

Kind = Literal["prose", "code", "table", "math", "badge", "link", "contents", "rule", "blank"]

FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})([^\n]*)$")
INDENT = re.compile(r"[ \t]*")
BULLET = re.compile(r"[ \t]*+(?:[-*+•◦▪●○·]|\d{1,3}[.)]|#\.)[ \t]+")
FIRST_BULLET = re.compile(rf"(?<![ \t]){BULLET.pattern}")
CODE_DIRECTIVE = re.compile(r"^\s*\.\. (?:code|code-block|sourcecode|parsed-literal|highlight|doctest|prompt)::")
MATH_DIRECTIVE = re.compile(r"^\s*\.\. math::")
TABLE_DIRECTIVE = re.compile(r"^\s*\.\. (?:list-table|csv-table|table)::")
IMAGE_DIRECTIVE = re.compile(r"^\s*\.\. (?:\|[^|\n]+\| )?(?:image|figure)::")
CONTENTS_DIRECTIVE = re.compile(r"^\s*\.\. (?:contents|toctree|sectnum)::")
LINK_TARGET = re.compile(r"^\s*(?:\.\. _[^\n]+?: \S|\[[^\]\n]+\]: +\S+|__ \S+$)")
CONTENTS_TITLE = re.compile(r"^\W*(?:table of contents|contents|toc)\W*$", re.IGNORECASE)

# A bracket, a tag or a backtick that never closes ends where the next one opens: what scanned on from each of them to
# the end of the line would take the square of a line's length.
IMAGE = r"!\[[^\[\]\n]*\](?:\([^)\[\n]*\)|\[[^\[\]\n]*\])"
PICTURE = re.compile(
    rf"\[\s*{IMAGE}\s*\](?:\([^)\[\n]*\)|\[[^\[\]\n]*\])|{IMAGE}|\|[^|\s][^|\n]*\|_{{0,2}}|<img\b[^<>\n]*>",
    re.IGNORECASE,
)
TAG = re.compile(
    r"</?(?:p|div|a|br|hr|h[1-6]|center|picture|source|span|img|b|strong|i|em|sub|sup|table|tr|td|th|tbody|thead|ul|li|"
    r"details|summary|align)\b[^<>\n]*>|<!--(?:[^<\n]|<(?!!--))*?-->",
    re.IGNORECASE,
)
LINK = re.compile(
    r"(?:\*\*|__)?(?:\[[^\[\]\n]+\](?:\([^)\[\n]*\)|\[[^\[\]\n]*\])|<?https?://[^\s>]+>?|`[^`\n<]*<[^<>`\n]+>`_{1,2}"
    r"|`[^`\n]+`_{1,2}|<a\b[^<>\n]*>[^<\n]*</a>)(?:\*\*|__)?",
    re.IGNORECASE,
)
ANCHOR = re.compile(r"\[[^\[\]\n]+\]\(#[^)\[\n]*\)|`[^`<\n]+`_(?!_)|(?<![\w-])-*+\w[\w-]*+(?<=[\w-]_)(?=\s|$)")
LABEL_PART = re.compile(r"[\w./+-]+")
MARKS = ("]", "|", "<", "`", "://", "_")
"""A line without any of these holds no picture, tag, link or anchor."""
BETWEEN = re.compile(r"[\s|·•,;/\-–—:»>&.()*_]*")
RULE = re.compile(r"^[ \t]*+(?:([-*_=~.#+])[ \t]*+)(?:\1[ \t]*+){2,}$")
UNDERLINE = re.compile(r"^([=\-~^\"'`#*+.:_])\1{2,}[ \t]*$")
TABLE_RULE = re.compile(r"^[ \t]*+(?:\|[ \t]*+)?:?-{2,}+:?[ \t]*+(?:\|[ \t]*+:?-{2,}+:?[ \t]*+)*+\|?[ \t]*$")
GRID = re.compile(r"^[ \t]*\+(?:[-=]+\+)+[ \t]*$")
SIMPLE_TABLE = re.compile(r"^[ \t]*={2,}(?:[ \t]+={2,})+[ \t]*$")
CODE_MARK = re.compile(
    r"^\s*(?:>>> |\.\.\. |\$ |\# |% |//|/\*|#!|@\w|import |from \S+ import|def |class |return\b|async |await |for .*:$|"
    r"if .*:$|else:|try:|except\b|with .*:$|while .*:$|print\(|pip3? |python3? |conda |git |npm |curl |docker |cd |"
    r"sudo |export |make\b|Traceback|[{}\[\]()]+[,;]?$|[\w.\[\]'\"]+ ?(?:[-+*/|&]?=|\+=|:=) ?\S|</?\w+|[\w.-]+:$|"
    r"- \w+:|--?\w[\w-]*)|[{;\\(\[]$|(?:^|\s)(?:==|!=|->|=>|\|\||&&|::=|:=)(?:\s|$)|^\s*[\w.]+\([^)]*\)[:;]?$|\|\s*\""
)


def line_kinds(text: str) -> list[Kind]:
    """The kind of each line of `text.split("\\n")`.

    code: fenced and indented code with its fences; table: pipe, grid and simple tables; math: display formulae; badge:
    lines of pictures and tags alone; link: lines of links alone, with a label of up to three words, and link targets;
    contents: entries that point inside the page; rule: a decorative line that underlines nothing.

    >>> line_kinds("# Fast [x](y)\\n\\n[![ci](a)](b)\\n- [Docs](https://d.org)\\n```\\nx = 1\\n```")
    ['prose', 'blank', 'badge', 'link', 'code', 'code', 'code']
    """
    lines = text.split("\n")
    kinds: list[Kind] = ["blank" if not line.strip() else "prose" for line in lines]
    for mark in (_fenced, _directives, _tables, _formulae, _indented):
        for start, end, kind in mark(lines, kinds):
            for at in range(start, end):
                if kinds[at] in ("prose", "blank"):
                    kinds[at] = kind
    for at, line in enumerate(lines):
        if kinds[at] == "prose":
            kinds[at] = _single(lines, at, line, runs_on=at > 0 and kinds[at - 1] == "prose")
    return kinds


def lines_of(text: str, *wanted: Kind) -> str:
    """The lines of a text that are of the wanted kinds, below each other.

    >>> lines_of("[Docs](https://d.org)\\n\\nIt is fast.", "prose")
    'It is fast.'
    """
    return "\n".join(line for line, kind in zip(text.split("\n"), line_kinds(text), strict=True) if kind in wanted)


Spans = Iterator[tuple[int, int, Kind]]


def _fenced(lines: Sequence[str], kinds: Sequence[Kind]) -> Spans:
    opened: tuple[int, str, int] | None = None
    for at, line in enumerate(lines):
        found = FENCE.match(line.strip()) if "```" in line or "~~~" in line else None
        if not found:
            continue
        if opened is None:
            if not (found[1][0] == "`" and "`" in found[2]):
                opened = at, found[1][0], len(found[1])
        elif found[1][0] == opened[1] and len(found[1]) >= opened[2] and not found[2].strip():
            yield opened[0], at + 1, "code"
            opened = None


def _indent(line: str) -> int:
    if line[:1] not in " \t":
        return 0
    return len(INDENT.match(line)[0].expandtabs(4))  # type: ignore[index]


def _indents(lines: Sequence[str]) -> list[int | None]:
    """Columns before each line's first character; None for a blank line."""
    return [_indent(line) if line.strip() else None for line in lines]


def _body(indents: Sequence[int | None], start: int, indent: int) -> int:
    """The end of the block below `start` that is indented deeper; blank lines inside belong to it."""
    end = at = start
    while at < len(indents) and ((deep := indents[at]) is None or deep > indent):
        at += 1
        if deep is not None:
            end = at
    return end


DIRECTIVES: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (CODE_DIRECTIVE, "code"),
    (MATH_DIRECTIVE, "math"),
    (TABLE_DIRECTIVE, "table"),
    (IMAGE_DIRECTIVE, "badge"),
    (CONTENTS_DIRECTIVE, "contents"),
)


def _directives(lines: Sequence[str], kinds: Sequence[Kind]) -> Spans:
    rows = [at for at, line in enumerate(lines) if ".. " in line]
    indents = _indents(lines) if rows else []
    for at in rows:
        line = lines[at]
        for pattern, kind in DIRECTIVES if kinds[at] == "prose" else ():
            if pattern.match(line):
                yield at, max(at + 1, _body(indents, at + 1, _indent(line))), kind


def _first(rows: Sequence[int], low: int, high: int) -> int | None:
    """The first of sorted row numbers that is at least `low` and below `high`."""
    place = bisect_left(rows, low)
    return rows[place] if place < len(rows) and rows[place] < high else None


def _tables(lines: Sequence[str], kinds: Sequence[Kind]) -> Spans:
    at = 0
    last = len(lines) - 1
    rules = [row for row, line in enumerate(lines) if "==" in line and SIMPLE_TABLE.match(line)]
    closing = [row for row in rules if row == last or not lines[row + 1].strip()]
    while at < len(lines):
        line = lines[at]
        if kinds[at] != "prose":
            at += 1
            continue
        if "+" in line and GRID.match(line):
            end = at + 1
            while end < len(lines) and lines[end].lstrip().startswith(("+", "|")):
                end += 1
            yield at, end, "table"
        elif "==" in line and SIMPLE_TABLE.match(line):
            found = _first(closing, at + 1, at + 200)
            end = at + 1 if found is None else found + 1
            yield at, end, "table"
        elif "|" in line and TABLE_RULE.match(line) and at and "|" in lines[at - 1]:
            end = at + 1
            while end < len(lines) and "|" in lines[end]:
                end += 1
            yield at - 1, end, "table"
        else:
            end = at + 1
        at = end


def _formulae(lines: Sequence[str], kinds: Sequence[Kind]) -> Spans:
    closings = {"$$": "$$", "\\[": "\\]", "\\begin{": "\\end{"}
    opens = tuple(closings)
    rows = [row for row, line in enumerate(lines) if ("$" in line or "\\" in line) and line.lstrip().startswith(opens)]
    marks = closings.values() if rows else ()
    where = {mark: [row for row, line in enumerate(lines) if mark in line] for mark in marks}
    done = 0
    for at in rows:
        if at < done or kinds[at] != "prose":
            continue
        start = lines[at].strip()
        opening = next(mark for mark in opens if start.startswith(mark))
        closing = closings[opening]
        if closing in start[len(opening) :]:
            if start.endswith(closing) or opening == "\\begin{":
                yield at, at + 1, "math"
            continue
        found = _first(where[closing], at + 1, at + 60)
        if found is not None:
            done = found + 1
            yield at, done, "math"


def _indented(lines: Sequence[str], kinds: Sequence[Kind]) -> Spans:
    """Indented blocks that a `::` announces, or most of whose lines look like code; doctests."""
    at, indents = 0, _indents(lines)
    ends: dict[int, int] = {}  # indent → end of the block deeper than it that was looked at last
    while at < len(lines):
        deep = indents[at]
        if kinds[at] != "prose" or deep is None:
            at += 1
            continue
        if ">>> " in lines[at] and lines[at].lstrip().startswith(">>> "):
            end = at + 1
            while end < len(lines) and lines[end].strip():
                end += 1
            yield at, end, "code"
            at = end
            continue
        if deep < 3 or (at and indents[at - 1] is not None):
            at += 1
            continue
        before = next((row for row in range(at - 1, -1, -1) if indents[row] is not None), None)
        base = (indents[before] or 0) if before is not None else 0
        outer = base if base < deep else deep - 1
        end = ends.get(outer, 0)
        if end <= at:
            end = ends[outer] = _body(indents, at, outer)
        announced = before is not None and lines[before].rstrip().endswith("::") and base < deep
        if announced and not lines[before].lstrip().startswith(".. "):  # type: ignore[index]
            yield at, end, "code"
            at = end
            continue
        stop = at
        while stop < end and lines[stop].strip():
            stop += 1
        block = lines[at:stop]
        if sum(bool(CODE_MARK.search(line)) for line in block) * 2 >= len(block) and not _is_list(lines, at):
            yield at, stop, "code"
        at = stop


def _is_label(text: str) -> bool:
    """Whether up to three words and a colon or dash are all of a text."""
    text = text.rstrip()
    if not text.endswith((":", "-", "–", "—")):
        return False
    body = text[:-1].rstrip()
    parts = list(LABEL_PART.finditer(body))
    return bool(parts) and parts[-1].end() == len(body) and sum(_has_word(part[0]) for part in parts) <= 3


def _has_word(text: str) -> bool:
    return re.search(r"\w", text) is not None


def _is_list(lines: Sequence[str], at: int) -> bool:
    return bool(BULLET.match(lines[at]))


def _single(lines: Sequence[str], at: int, line: str, *, runs_on: bool) -> Kind:
    """The kind of a line that stands for itself; right below prose, a link belongs to that unless it is an item."""
    if LINK_TARGET.match(line):
        return "link"
    previous = lines[at - 1].strip() if at else ""
    if RULE.match(line):
        following = lines[at + 1].strip() if at + 1 < len(lines) else ""
        titles = bool(previous) and bool(UNDERLINE.match(line.strip()))
        overlines = bool(following) and at + 2 < len(lines) and lines[at + 2].strip() == line.strip()
        return "prose" if titles or overlines else "rule"
    if CONTENTS_TITLE.match(line):
        return "contents"
    if not any(mark in line for mark in MARKS):
        return "prose"
    body = FIRST_BULLET.sub("", line, count=1)
    bare = TAG.sub("", PICTURE.sub("", body))
    if bare != body and not re.search(r"\w", LINK.sub("", bare)):
        return "badge"
    if BULLET.match(line) and ANCHOR.search(body) and not re.search(r"\w", ANCHOR.sub("", body)):
        return "contents"
    rest = LINK.sub("", bare)
    if rest != bare and (BETWEEN.fullmatch(rest) or _is_label(rest)) and not (runs_on and body == line):
        return "link"
    return "prose"
