"""Rows to token ids and labels."""

import json
import logging
from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from common.pools.lines import read_lines
from common.tokens.chat import Masked, plain_ids

log = logging.getLogger(__name__)

IGNORED = -100
"""Label of a token that bears no loss."""


Encoded = dict[str, list[int]]


def encode_file(path: str, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[Encoded]:
    """Token ids and labels of a file's rows; rows over `max_length` are left out and counted in the log."""
    encoded = encode_rows(_rows(path), tokenizer, path)
    kept = [row for row in encoded if len(row["input_ids"]) <= max_length]
    if len(kept) < len(encoded):
        longer = len(encoded) - len(kept)
        log.warning("%s: %d of %d rows are longer than %d tokens", path, longer, len(encoded), max_length)
    if not kept:
        raise ValueError(f"{path} holds no row of at most {max_length} tokens")
    return kept


def _rows(path: str) -> list[dict[str, Any]]:
    """The rows of a file; a line that is no JSON object is an error with its number."""
    rows = []
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path}, line {number} is no JSON: {error}") from None
        if not isinstance(row, dict):
            raise ValueError(f"{path}, line {number} is no JSON object")
        rows.append(row)
    if not rows:
        raise ValueError(f"{path} holds no row")
    return rows


def encode_rows(
    rows: Sequence[dict[str, Any]], tokenizer: PreTrainedTokenizerBase, path: str = "rows"
) -> list[Encoded]:
    """Token ids of rows, and labels that ignore all but the last assistant turn, or nothing in plain text.

    Raises:
        ValueError: a row has neither `messages` that end in an assistant turn nor `text`, or the template renders a
            prompt otherwise than the same prompt with its answer.
    """
    found: list[Encoded] = []
    for number, row in enumerate(rows, 1):
        try:
            # Two parts, so that no token spans the border: at inference the prompt is encoded alone too.
            prompt, answer = _prompt_and_answer(row, tokenizer)
        except ValueError as error:
            name = f" (id {row['id']!r})" if row.get("id") is not None else ""
            raise ValueError(f"{path}, row {number}{name}: {error}") from None
        found.append({"input_ids": prompt + answer, "labels": [IGNORED] * len(prompt) + answer})
    return found


def _prompt_and_answer(row: dict[str, Any], tokenizer: PreTrainedTokenizerBase) -> tuple[list[int], list[int]]:
    """Ids of what bears no loss, and of what does; control tokens spelled in the row are text."""
    messages = row.get("messages")
    if not messages:
        if not isinstance(row.get("text"), str):
            raise ValueError("it has neither messages nor text")
        return [], [*plain_ids(tokenizer, row["text"]), tokenizer.eos_token_id]
    _check_turns(messages)
    masked = Masked(tokenizer, messages)
    prompt = masked.render(masked.messages[:-1], add_generation_prompt=True)
    whole = masked.render()
    if not whole.startswith(prompt):
        raise ValueError(_disagreement(masked.plain(prompt), messages[-1]["content"]))
    return masked.ids(prompt), masked.ids(whole[len(prompt) :])


def _disagreement(prompt: str, answer: str) -> str:
    """Why a prompt is not how its answered rendering begins, and what mends it."""
    opened = prompt.rpartition("<think>")[2]
    if "<think>" in prompt and not opened.strip():
        wanted = f"<think>{opened}"
        return (
            f"the chat template's prompt ends with {wanted!r}, so an answer has to begin with {wanted!r}, line breaks "
            f"too; this one begins {answer[:40]!r}"
        )
    return "the chat template changes the prompt once its answer follows; give another template"


def _check_turns(messages: Any) -> None:
    """Refuse what a chat template would render to something else, or to nothing.

    Raises:
        ValueError: `messages` is no list of turns with a text each, the last one the assistant's and not empty.
    """
    turns = messages if isinstance(messages, list) else [messages]
    for turn in turns:
        if not isinstance(turn, dict) or not isinstance(turn.get("role"), str):
            raise ValueError(f"a turn is no object with a role: {turn!r:.60}")
        if not isinstance(turn.get("content"), str):
            raise ValueError(
                f"the content of its {turn['role']} turn is {type(turn.get('content')).__name__}, not text"
            )
    if turns[-1]["role"] != "assistant":
        raise ValueError("it does not end in an assistant turn")
    if not turns[-1]["content"].strip():
        raise ValueError("its answer is empty")
