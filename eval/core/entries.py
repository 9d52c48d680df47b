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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from eval.core.baselines import CORE_SETS

Row = dict[str, Any]
Kind = Literal["multiple_choice", "language_modeling", "schema"]


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
