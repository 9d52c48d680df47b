"""CORE's entries and their prompts, to the token as LLM Foundry 0.9 builds them for DCLM.

Per entry: read and check the task file, draw each row's shots, write the text of context and answers, encode them. What
makes the tokens exact, and is easily done otherwise:

    1. One random stream per data set, 1234, consumed row after row; shots stand in the order in which a Python set of
       the drawn numbers iterates, not in draw order.
    2. Fields are stripped, the members of `choices` and `context_options` are not.
    3. Preamble (the shots), final part and answer are encoded apart and concatenated; only the preamble gets the
       tokenizer's special tokens.
    4. Context that does not fit is cut on the left and depends on the answer's length; answers are never cut.
"""

import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from eval.core_score import CORE_SETS

Row = dict[str, Any]
Kind = Literal["multiple_choice", "language_modeling", "schema"]

SHOT_SEED = 1234
SEQ_LEN = 2048
"""Tokens a context and its answer may have together; DCLM scores every model at this length."""


@dataclass(frozen=True)
class Entry:
    """One task of CORE: where its rows are and how they become prompts."""

    name: str
    file: str
    """Name of the task file, without `.jsonl`."""
    kind: Kind
    shots: int
    rows: int
    """Rows of the full published file."""
    delimiter: str = " "
    """Between a context and its answer."""
    by_category: bool = False
    """Each of the file's categories is a data set of its own; the score is the mean of theirs."""


def _entries() -> dict[str, Entry]:
    answer = "\nAnswer: "
    choice: Kind = "multiple_choice"
    text: Kind = "language_modeling"
    entries = [
        Entry("hellaswag_zeroshot", "hellaswag", choice, 0, 10042),
        Entry("hellaswag", "hellaswag", choice, 10, 10042),
        Entry("jeopardy", "jeopardy_all", text, 10, 2117, answer, by_category=True),
        Entry("bigbench_qa_wikidata", "bigbench_qa_wikidata", text, 10, 20321),
        Entry("arc_easy", "arc_easy", choice, 10, 2376, answer),
        Entry("arc_challenge", "arc_challenge", choice, 10, 1172, answer),  # DCLM's table says 2,376 by mistake
        Entry("copa", "copa", choice, 0, 100),
        Entry("commonsense_qa", "commonsense_qa", choice, 10, 1221),
        Entry("piqa", "piqa", choice, 10, 1838, answer),
        Entry("openbook_qa", "openbook_qa", choice, 0, 500),
        Entry("lambada_openai", "lambada_openai", text, 0, 5153),
        Entry("winograd", "winograd_wsc", "schema", 0, 273),
        Entry("winogrande", "winogrande", "schema", 0, 1267),
        Entry("bigbench_dyck_languages", "bigbench_dyck_languages", text, 10, 1000),
        Entry("agi_eval_lsat_ar", "agi_eval_lsat_ar", choice, 3, 230),
        Entry("bigbench_cs_algorithms", "bigbench_cs_algorithms", text, 10, 1320),
        Entry("bigbench_operators", "bigbench_operators", text, 10, 210),
        Entry("bigbench_repeat_copy_logic", "bigbench_repeat_copy_logic", text, 10, 32),
        Entry("squad", "squad", text, 10, 10570),
        Entry("coqa", "coqa", text, 0, 7983),
        Entry("boolq", "boolq", choice, 10, 3270, answer),
        Entry("bigbench_language_identification", "bigbench_language_identification", choice, 10, 10000),
        Entry("mmlu_fewshot", "mmlu", choice, 5, 14042, answer, by_category=True),
    ]
    return {entry.name: entry for entry in entries}


ENTRIES: dict[str, Entry] = _entries()


def entries_of(tasks: Sequence[str]) -> list[Entry]:
    """The entries that names of sets (`core`, `core20`, `core_repro`) and of entries ask for, each once, in order.

    Raises:
        ValueError: a name is neither.
    """
    names: list[str] = []
    for task in tasks:
        if task not in ENTRIES and task not in CORE_SETS:
            raise ValueError(f"no task {task!r}; known: {', '.join([*CORE_SETS, *ENTRIES])}")
        names += [name for name in CORE_SETS.get(task, (task,)) if name not in names]
    return [ENTRIES[name] for name in names]


@dataclass(frozen=True)
class TaskFile:
    """A task file that was read and checked."""

    path: str
    sha256: str
    bytes: int
    rows: list[Row]


def find_files(entries: Sequence[Entry], data: str | Path) -> tuple[dict[str, TaskFile], list[str]]:
    """Read and check the files of these entries, before any model is loaded.

    Args:
        entries: what will be scored.
        data: folder with `<file>.jsonl` at any depth: LLM Foundry keeps them in a folder per category, and variants for
            other metrics one level below. The one nearest to the top counts.

    Returns:
        The files by name, and the names of those that are not there.

    Raises:
        ValueError: the folder or all files are missing, one is twice at the same depth, or a row does not fit.
    """
    folder = Path(data)
    if not folder.is_dir():
        raise ValueError(f"no folder of task files at {data}; give data=FOLDER with hellaswag.jsonl and the like")
    found: dict[str, TaskFile] = {}
    missing: list[str] = []
    for entry in entries:
        if entry.file in found or entry.file in missing:
            continue
        paths = sorted(folder.rglob(f"{entry.file}.jsonl"), key=lambda path: (len(path.parts), path))
        if len(paths) > 1 and len(paths[0].parts) == len(paths[1].parts):
            raise ValueError(f"{entry.file}.jsonl is in {data} twice: {paths[0]} and {paths[1]}")
        if paths:
            found[entry.file] = _read_file(paths[0], entry)
        else:
            missing.append(entry.file)
    if not found:
        wanted = ", ".join(f"{name}.jsonl" for name in missing[:4]) + (", …" if len(missing) > 4 else "")
        raise ValueError(f"{data} holds none of the task files: looked for {wanted}")
    return found, missing


def _read_file(path: Path, entry: Entry) -> TaskFile:
    content = path.read_bytes()
    rows: list[Row] = []
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            raise ValueError(f"{path}, line {number}: no valid JSON") from None
        problem = _problem(row, entry)
        if problem:
            raise ValueError(f"{path}, line {number}: {problem}")
        rows.append(row)
    if not rows:
        raise ValueError(f"{path} holds no rows")
    return TaskFile(str(path), hashlib.sha256(content).hexdigest(), len(content), rows)


def _problem(row: Any, entry: Entry) -> str | None:
    """What keeps a row from being an item of this entry, if anything."""
    if not isinstance(row, dict):
        return "not a JSON object"
    texts, options = _FIELDS[entry.kind]
    for name in (*texts, *(("category",) if entry.by_category else ())):
        if not isinstance(row.get(name), str):
            return f"{name!r} is missing or no text"
        if not row[name].strip():
            return f"{name!r} is empty"
    if options is not None:
        values = row.get(options)
        if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
            return f"{options!r} is missing or no list of texts"
        if not all(value.strip() for value in values):
            return f"{options!r} holds an empty text"
        gold = row.get("gold")
        if not isinstance(gold, int) or isinstance(gold, bool) or not 0 <= gold < len(values):
            return f"'gold' is {gold!r}, not one of 0 to {len(values) - 1}"
    return None


_FIELDS: dict[Kind, tuple[tuple[str, ...], str | None]] = {
    "multiple_choice": (("query",), "choices"),
    "language_modeling": (("context", "continuation"), None),
    "schema": (("continuation",), "context_options"),
}


@dataclass(frozen=True)
class Prompt:
    """A row as text: `contexts` has one member, or in a schema entry one for each option."""

    index: int
    category: str | None
    preamble: str
    contexts: list[str]
    answers: list[str]
    gold: int


@dataclass(frozen=True)
class Item:
    """A row as token ids: answer i is scored after context i.

    All contexts are one and the same list unless the entry is a schema or a context had to be cut.
    """

    index: int
    """Number of the row in its file."""
    category: str | None
    contexts: list[list[int]]
    answers: list[list[int]]
    gold: int
    """Index of the right answer; 0 where there is one answer, which is right if greedy decoding gives it."""


def draw_shots(rows: int, shots: int, row: int, stream: random.Random) -> list[int]:
    """The rows shown before this one: distinct, never the row itself, in the order in which their set iterates.

    Args:
        rows: size of the data set.
        shots: how many are wanted; fewer are shown where the data set has no more others.
        row: the one that will be asked.
        stream: the data set's random numbers, which every row advances. Zero shots leave it as it is.
    """
    if not shots:
        return []
    others = rows - 1
    drawn = set(stream.sample(range(rows), min(others, shots)))
    if row in drawn:
        drawn.remove(row)
        # A draw that took the row itself replaces it, unless all the others are in already.
        while len(drawn) < min(others, shots):
            candidate = stream.choice(range(rows))
            if candidate != row:
                drawn.add(candidate)
    return list(drawn)


def prompts(entry: Entry, rows: Sequence[Row], needs_space: bool = True) -> Iterator[Prompt]:
    """The rows of a file as text, in row order, category after category by name where the entry has them.

    Args:
        entry: how rows become prompts.
        rows: of the whole file; shots are drawn from all of them.
        needs_space: the tokenizer wants a space before an answer (see `needs_space`).
    """
    stripped = [
        {name: value.strip() if isinstance(value, str) else value for name, value in row.items()} for row in rows
    ]
    groups: dict[str | None, list[int]] = {}
    for index, row in enumerate(stripped):
        groups.setdefault(row["category"] if entry.by_category else None, []).append(index)
    for category in sorted(groups, key=str):
        numbers = groups[category]
        data_set = [stripped[index] for index in numbers]
        stream = random.Random(SHOT_SEED)
        for position, index in enumerate(numbers):
            drawn = draw_shots(len(data_set), entry.shots, position, stream)
            preamble = "\n".join(_shot(entry, data_set[shot]) for shot in drawn)
            before = "\n" if preamble else ""
            contexts, answers, gold = _question(entry, data_set[position], before, shown=bool(preamble))
            if needs_space:
                answers = [answer if answer.startswith(" ") else f" {answer}" for answer in answers]
            yield Prompt(index, category, preamble, contexts, answers, gold)


def _shot(entry: Entry, row: Row) -> str:
    if entry.kind == "schema":
        return row["context_options"][row["gold"]] + entry.delimiter + row["continuation"]
    if entry.kind == "multiple_choice":
        return row["query"] + entry.delimiter + row["choices"][row["gold"]]
    return row["context"] + entry.delimiter + row["continuation"]


def _question(entry: Entry, row: Row, before: str, shown: bool) -> tuple[list[str], list[str], int]:
    """The texts after the preamble: contexts, answers, the number of the right one."""
    if entry.kind == "schema":
        # Without shots the options stand as they are: no delimiter, no stripping.
        after = entry.delimiter.rstrip() if shown else ""
        contexts = [f"{before}{option}{after}" for option in row["context_options"]]
        return contexts, [row["continuation"]] * len(contexts), row["gold"]
    text = row["query" if entry.kind == "multiple_choice" else "context"]
    context = f"{before}{text}{entry.delimiter}".rstrip()
    if entry.kind == "multiple_choice":
        return [context], list(row["choices"]), row["gold"]
    return [context], [row["continuation"]], 0


class Tokenizer(Protocol):
    """What is used of a transformers tokenizer."""

    eos_token_id: int | None

    def __call__(self, text: list[str], *, add_special_tokens: bool = True, verbose: bool = True) -> Any:
        """Encode texts; the ids lie under `input_ids`."""


def needs_space(tokenizer: Tokenizer) -> bool:
    """Whether " a" is one token, so that an answer is to be encoded with the space before it."""
    return len(_encode(tokenizer, [" a"])[0]) == 1


def items(
    entry: Entry,
    rows: Sequence[Row],
    tokenizer: Tokenizer,
    *,
    seq_len: int = SEQ_LEN,
    only: set[int] | None = None,
) -> list[Item]:
    """Encode an entry's prompts.

    Args:
        entry: how rows become prompts.
        rows: of the whole file.
        tokenizer: the model's.
        seq_len: tokens that context and answer may have together; more context is cut on the left.
        only: numbers of the rows that are wanted; the others are still shots, and still advance the random numbers.

    Raises:
        ValueError: an answer alone has more than `seq_len` tokens, or a context has none.
    """
    texts = [prompt for prompt in prompts(entry, rows, needs_space(tokenizer)) if only is None or prompt.index in only]
    preambles = _encode(tokenizer, [prompt.preamble for prompt in texts], special=True)
    contexts = iter(_encode(tokenizer, [context for prompt in texts for context in prompt.contexts]))
    answers = iter(_encode(tokenizer, [answer for prompt in texts for answer in prompt.answers]))
    return [
        _item(
            prompt,
            _open_ended(preamble, tokenizer.eos_token_id),
            [next(contexts) for _ in prompt.contexts],
            [next(answers) for _ in prompt.answers],
            entry,
            seq_len,
        )
        for prompt, preamble in zip(texts, preambles, strict=True)
    ]


def _item(
    prompt: Prompt, preamble: list[int], parts: list[list[int]], answers: list[list[int]], entry: Entry, seq_len: int
) -> Item:
    wholes = [preamble + part for part in parts]
    fitted = []
    for position, answer in enumerate(answers):
        context = wholes[position if entry.kind == "schema" else 0]
        room = seq_len - len(answer)
        if room < 1 or not context or not answer:
            what = "no room for a context" if room < 1 else "a context or an answer without tokens"
            raise ValueError(f"{entry.name}, row {prompt.index}: {what} at seq_len={seq_len}")
        fitted.append(context if len(context) <= room else context[-room:])
    return Item(prompt.index, prompt.category, fitted, answers, prompt.gold)


def _open_ended(preamble: list[int], eos: int | None) -> list[int]:
    """Some tokenizers end every text with EOS, after which nothing would follow."""
    return preamble[:-1] if len(preamble) > 1 and eos is not None and preamble[-1] == eos else preamble


def _encode(tokenizer: Tokenizer, texts: list[str], special: bool = False) -> list[list[int]]:
    if not texts:
        return []
    # verbose=False: the warning that a text is longer than the model's context is no news here.
    encoded = tokenizer(texts, add_special_tokens=special, verbose=False)["input_ids"]
    return [list(ids) for ids in encoded]


def sequences(item: Item) -> list[tuple[list[int], list[int]]]:
    """The (context, answer) pairs of an item, as they would be scored one by one."""
    return list(zip(item.contexts, item.answers, strict=True))
