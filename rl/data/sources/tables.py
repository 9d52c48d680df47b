"""Tables: HiTab, MultiHiertt and FinQA, shown as Markdown, with boxed answers."""

import re
from collections.abc import Iterator
from fractions import Fraction
from html.parser import HTMLParser
from typing import Any

from eval.verifiers.numbers import number
from rl.data.raw.dataset import Built, DataSet, PrepareConfig, Question, Record, text_of
from rl.data.raw.files import Place, Raw, read_file

INTRO = "You are given one or more tables. Use the information in the tables to answer the question.\n\n"
BOXED = (
    "Please output the final answer in \\boxed{}. If there are multiple answers, include them in a single box, "
    "separated by |."
)


def hitab(record: Record, config: PrepareConfig) -> Built:
    """HiTab: a question about one hierarchical table, whose merged cells are written out in each of their places."""
    del config
    table, question, answers = record.get("table"), text_of(record, "question"), record.get("answer")
    if not isinstance(table, dict) or not table.get("texts"):
        return "no_table"
    if not question:
        return "no_problem"
    gold = [str(one) for one in answers] if isinstance(answers, list) else []
    if not gold or not all(one.strip() for one in gold):
        return "no_answer"
    shown = markdown(unmerged(table["texts"], table.get("merged_regions") or []))
    title = text_of(table, "title")
    prompt = f"{INTRO}Table title: {title}\n\n{shown}\n\nQuestion: {question}\n\n{BOXED}"
    info = {"table_id": record.get("table_id"), "question": question}
    return [Question(prompt, "|".join(gold), record.get("id") or [title, question], "|".join(gold), info)]


def multihier(record: Record, config: PrepareConfig) -> Built:
    """MultiHiertt: questions that the tables alone answer."""
    del config
    qa, tables = record.get("qa") or {}, record.get("tables")
    if qa.get("text_evidence") != []:
        return "needs_text"
    if not isinstance(tables, list) or not tables:
        return "no_table"
    question, answer = text_of(qa, "question"), text_of(qa, "answer")
    if not question:
        return "no_problem"
    if not answer:
        return "no_answer"
    shown = "\n\n".join(f"Table {at}:\n{markdown(html_cells(str(one)))}" for at, one in enumerate(tables, 1))
    prompt = f"{INTRO}{shown}\n\nQuestion: {question}\n\n{BOXED}"
    return [Question(prompt, answer, record.get("uid") or [shown, question], answer, {"question": question})]


def finqa(record: Record, config: PrepareConfig) -> Built:
    """FinQA: text before and after one table, and a number to work out."""
    del config
    inside = record.get("qa")
    qa = inside if isinstance(inside, dict) else record
    question, answer = text_of(qa, "question"), text_of(qa, "answer", "exe_ans")
    table = record.get("table")
    if not question or not isinstance(table, list) or not table:
        return "no_problem"
    gold = numeric(answer)
    if gold is None:
        return "no_number"
    before, after = (_lines(record.get(name)) for name in ("pre_text", "post_text"))
    parts = [part for part in (before, markdown([[str(cell) for cell in line] for line in table]), after) if part]
    asked = "Please output the final numeric answer in \\boxed{}."
    prompt = f"{INTRO}{chr(10).join(parts)}\n\nQuestion: {question}\n\n{asked}"
    return [Question(prompt, gold, record.get("id") or [parts, question], answer, {"question": question})]


def numeric(text: str) -> float | None:
    """The number that an answer of FinQA is: percent as a fraction, `a:b` as a quotient, nothing evaluated.

    >>> numeric("$1,200"), numeric("94.5%"), numeric("1:4"), numeric("yes")
    (1200.0, 0.945, 0.25, None)
    """
    parts = text.replace("$", "").replace(",", "").strip().split(":")
    found = [number(part.strip()) for part in parts]
    if not 1 <= len(found) <= 2 or any(one is None for one in found):
        return None
    values = [one.value / (100 if one.percent else 1) for one in found if one is not None]
    if len(values) == 2:
        return None if not values[1] else float(Fraction(values[0], values[1]))
    return float(values[0])


def markdown(cells: list[list[str]]) -> str:
    """Rows of cells as a Markdown table: the first row is its head, short rows are filled up.

    >>> print(markdown([["a", "b|c"], ["1"]]))
    | a | b\\|c |
    | --- | --- |
    | 1 |  |
    """
    width = max(map(len, cells), default=0)
    lines = [[re.sub(r"\s+", " ", cell).strip().replace("|", "\\|") for cell in row] for row in cells]
    shown = ["| " + " | ".join(line + [""] * (width - len(line))) + " |" for line in lines]
    return "\n".join([*shown[:1], "|" + " --- |" * width, *shown[1:]])


def unmerged(texts: list[list[Any]], regions: list[dict[str, int]]) -> list[list[str]]:
    """A table's cells with the text of each merged region in all of its places."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in texts]
    for region in regions:
        top, left = region["first_row"], region["first_column"]
        for row in range(top, min(region["last_row"] + 1, len(cells))):
            for column in range(left, min(region["last_column"] + 1, len(cells[row]))):
                cells[row][column] = cells[top][left]
    return cells


class _Cells(HTMLParser):
    """Rows of cells of HTML tables; a cell over several columns is followed by empty ones."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.inside = False
        self.empty = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows = self.rows or [[]]
            self.rows[-1].append("")
            self.inside = True
            span = dict(attrs).get("colspan") or "1"
            self.empty = min(int(span), 100) - 1 if span.isdigit() else 0

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self.inside:
            self.inside = False
            self.rows[-1] += [""] * self.empty

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.rows[-1][-1] += data


def html_cells(text: str) -> list[list[str]]:
    """The cells of an HTML table.

    >>> html_cells("<tr><td colspan=2>a</td><td>b</td></tr><tr><td>1</td></tr>")
    [['a', '', 'b'], ['1']]
    """
    parser = _Cells()
    parser.feed(text)
    return [row for row in parser.rows if row]


def load_hitab(place: Place) -> Iterator[Raw]:
    """HiTab's samples, each with its table: `*_samples.jsonl` and the tables' JSON files or zip.

    Raises:
        ValueError: there is no file of samples.
    """
    tables: dict[str, Any] = {}
    samples = [(name, path) for name, path in place.files if name.endswith("_samples.jsonl")]
    if not samples:
        raise ValueError("HiTab's samples (*_samples.jsonl) are not there; expected beside them: tables.zip or tables/")
    for name, path in place.files:
        if (name, path) not in samples:
            for raw in read_file(name, path):
                # the plain form of a table (`raw`) has its texts; the other form (`hmt`) is a tree
                if isinstance(raw.value, dict) and "texts" in raw.value:
                    tables[str(raw.value.get("table_id") or raw.value.get("file_stem"))] = raw.value
    for name, path in samples:
        for raw in read_file(name, path):
            yield raw._replace(value={**raw.value, "table": tables.get(str(raw.value.get("table_id")))})


def _lines(value: Any) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value or "").strip()


DATA_SETS = (
    DataSet(
        "table__hitab",
        hitab,
        "the GitHub repository microsoft/HiTab, folder data",
        "C-UDA-1.0",
        "a folder with train_samples.jsonl, test_samples.jsonl and tables.zip",
        files={
            "train": ("train_samples.jsonl", "*.zip", "tables/*.json", "raw/*.json"),
            "offline_eval": ("test_samples.jsonl", "*.zip", "tables/*.json", "raw/*.json"),
            "online_eval": ("test_samples.jsonl", "*.zip", "tables/*.json", "raw/*.json"),
        },
        sizes={"offline_eval": 1_000, "online_eval": 200},
        load=load_hitab,
        published={"raw": 7_500, "kept": 7_400, "offline_eval": 1_000, "online_eval": 200},
    ),
    DataSet(
        "table__multihier",
        multihier,
        "the folder that MultiHiertt's repository links to",
        "MIT",
        "train.json and dev.json, lists of {uid, tables, qa}",
        files={"train": ("train.json",), "offline_eval": ("dev.json",), "online_eval": ("dev.json",)},
        sizes={"offline_eval": 500, "online_eval": 200},
        published={"raw": 7_800, "kept": 2_900, "offline_eval": 336, "online_eval": 200},
    ),
    DataSet(
        "table__finqa",
        finqa,
        "nanoverl/finqa",
        "MIT",
        "records {pre_text, table, post_text, question, answer}",
        files={"offline_eval": ("*test*",)},
        published={"offline_eval": 1_100},
    ),
)
