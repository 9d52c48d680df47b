"""Science: WebInstruct's verified questions for a judge, GPQA and SuperGPQA with options."""

import re
from functools import lru_cache
from typing import Any, Literal

from pydantic import Field

from rl.data.raw.dataset import Built, DataSet, PrepareConfig, Question, Record, draws, text_of

ASKED = (
    "You are a knowledgeable assistant. Answer the following questions and think step by step. "
    "Please output the final answer within \\boxed{}. "
)
LETTERS = "ABCDEFGHIJ"


class WebConfig(PrepareConfig):
    """Preparation of questions whose answers a judge compares."""

    without_categories: list[str] = ["Mathematics"]
    """Categories that are left out; the paper names physics, chemistry and biology alone, its code leaves out this."""

    max_answer_tokens: int | None = Field(30, ge=1)
    """Longest answer in tokens; null keeps every length."""

    answer_tokenizer: str = "Qwen/Qwen3-8B"
    """Folder or hub id of the tokenizer that counts them."""


class ChoiceConfig(PrepareConfig):
    """Preparation of questions with options."""

    form: Literal["boxed", "answer_line"] = "boxed"
    """How the letter is asked for: in a box, or on a last line `Answer: $LETTER`."""


def web(record: Record, config: WebConfig) -> Built:
    """WebInstruct-verified: hard questions outside mathematics with a short answer that has to be found."""
    question, answer = text_of(record, "question"), text_of(record, "answer")
    if not question:
        return "no_problem"
    if text_of(record, "category") in config.without_categories:
        return "category"
    if text_of(record, "difficulty") not in ("University", "PhD"):
        return "difficulty"
    if text_of(record, "answer_type") in ("Boolean", "Multiple Choice"):
        return "answer_type"
    if not answer:
        return "no_answer"
    if re.fullmatch(r"[A-Za-z]", answer):
        return "one_letter"
    if re.search(r"\d\.\d{4,}", answer):
        return "many_decimals"
    if config.max_answer_tokens and _tokens(config.answer_tokenizer, answer) > config.max_answer_tokens:
        return "long_answer"
    names = ("category", "difficulty", "answer_type")
    info = {"question": question, "id": record.get("id"), **{name: text_of(record, name) for name in names}}
    return [Question(ASKED + question, answer, record.get("id") or question, answer, info)]


def gpqa(record: Record, config: ChoiceConfig) -> Built:
    """GPQA: the right and three wrong answers, shuffled by record."""
    question = cleaned(record.get("Question"))
    names = ("Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")
    answers = [cleaned(record.get(name)) for name in names]
    if not question or not all(answers):
        return "no_options"
    key = text_of(record, "Record ID") or question
    order = list(range(4))
    draws(config.seed, "gpqa", key).shuffle(order)
    info = {"subdomain": text_of(record, "Subdomain"), "category": text_of(record, "High-level domain")}
    return _choice(question, [answers[at] for at in order], order.index(0), key, info, config)


def supergpqa(record: Record, config: ChoiceConfig) -> Built:
    """SuperGPQA: up to ten options, in their own order."""
    question, options = text_of(record, "question"), record.get("options")
    letter = text_of(record, "answer_letter").upper()
    if not question or not isinstance(options, list) or not 2 <= len(options) <= len(LETTERS):
        return "no_options"
    if len(letter) != 1 or letter not in LETTERS[: len(options)]:
        return "no_answer"
    info = {name: text_of(record, name) for name in ("discipline", "field", "subfield", "difficulty")}
    key = text_of(record, "uuid") or question
    return _choice(question, [str(one).strip() for one in options], LETTERS.index(letter), key, info, config)


def cleaned(text: Any) -> str:
    """GPQA's text as lm-eval shows it: ` [title]` is a full stop, other brackets and double blanks go.

    >>> cleaned("A  cell [title] divides [x].")
    'A cell. divides.'
    """
    found = str(text or "").strip().replace(" [title]", ". ")
    found = re.sub(r"\[.*?\]", "", found)
    return re.sub(r"\s+([.,])", r"\1", re.sub(r" {2,}", " ", found)).strip()


def _choice(
    question: str, options: list[str], right: int, key: Any, info: dict[str, Any], config: ChoiceConfig
) -> Built:
    shown = "\n".join(f"({letter}) {option}" for letter, option in zip(LETTERS, options, strict=False))
    if config.form == "boxed":
        asked = "Choose one of the options, and please output its letter within \\boxed{}."
    else:
        asked = "Choose one of the options. The last line of the reply should be `Answer: $LETTER`, without quotes."
    info = {"options": options, "form": config.form, **{name: value for name, value in info.items() if value}}
    return [Question(f"{question}\n\n{shown}\n\n{asked}", LETTERS[right], key, options[right], info)]


@lru_cache(maxsize=2)
def _counter(tokenizer: str) -> Any:
    from rl.data.raw.lengths import open_tokenizer

    return open_tokenizer(tokenizer)


def _tokens(tokenizer: str, text: str) -> int:
    return len(_counter(tokenizer).encode(text, add_special_tokens=False))


DATA_SETS = (
    DataSet(
        "stem__web",
        web,
        "TIGER-Lab/WebInstruct-verified",
        "Apache-2.0",
        "records {id, question, answer, answer_type, category, difficulty}",
        files={"train": ("*train*", "*.jsonl")},
        config=WebConfig,
        published={"raw": 232_000, "kept": 31_700},
    ),
    *(
        DataSet(
            f"stem__{name}",
            gpqa,
            "Idavidrein/gpqa",
            "CC-BY-4.0; do not publish the questions",
            "GPQA's CSV, {Question, Correct Answer, Incorrect Answer 1, …}",
            files={"offline_eval": (f"{file}.*",)},
            config=ChoiceConfig,
            published=counts,
        )
        for name, file, counts in (("gpqa_diamond", "gpqa_diamond", {"offline_eval": 198}), ("gpqa", "gpqa_main", {}))
    ),
    DataSet(
        "stem__supergpqa",
        supergpqa,
        "m-a-p/SuperGPQA",
        "ODC-BY",
        "records {uuid, question, options, answer_letter}",
        files={"offline_eval": ("*.jsonl", "*.parquet"), "online_eval": ("*.jsonl", "*.parquet")},
        sizes={"offline_eval": 1_000, "online_eval": 200},
        config=ChoiceConfig,
        published={"offline_eval": 1_000, "online_eval": 200},
    ),
)
