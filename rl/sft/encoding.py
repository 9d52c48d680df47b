"""Rows to token ids and labels."""

import json
import logging
from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from common.pools.documents import read_lines

log = logging.getLogger(__name__)

IGNORED = -100
"""Label of a token that bears no loss."""


Encoded = dict[str, list[int]]


def encode_file(path: str, tokenizer: PreTrainedTokenizerBase, max_length: int) -> list[Encoded]:
    """Token ids and labels of a file's rows; rows over `max_length` are left out and counted in the log."""
    encoded = encode_rows([json.loads(line) for line in read_lines(path)], tokenizer)
    kept = [row for row in encoded if len(row["input_ids"]) <= max_length]
    if len(kept) < len(encoded):
        longer = len(encoded) - len(kept)
        log.warning("%s: %d of %d rows are longer than %d tokens", path, longer, len(encoded), max_length)
    if not kept:
        raise ValueError(f"{path} holds no row of at most {max_length} tokens")
    return kept


def encode_rows(rows: Sequence[dict[str, Any]], tokenizer: PreTrainedTokenizerBase) -> list[Encoded]:
    """Token ids of rows, and labels that ignore all but the last assistant turn, or nothing in plain text.

    Raises:
        ValueError: a row has neither `messages` that end in an assistant turn nor `text`, or the template renders a
            prompt otherwise than the same prompt with its answer.
    """
    texts = [_prompt_and_answer(row, tokenizer) for row in rows]
    # Two parts, so that no token spans the border: at inference the prompt is encoded alone too.
    prompts, answers = (
        tokenizer(list(part), add_special_tokens=False)["input_ids"] for part in zip(*texts, strict=True)
    )
    return [
        {"input_ids": prompt + answer, "labels": [IGNORED] * len(prompt) + answer}
        for prompt, answer in zip(prompts, answers, strict=True)
    ]


def _prompt_and_answer(row: dict[str, Any], tokenizer: PreTrainedTokenizerBase) -> tuple[str, str]:
    """What bears no loss, and what does."""
    messages = row.get("messages")
    if not messages:
        if "text" not in row:
            raise ValueError(f"row {row.get('id')!r} has neither messages nor text")
        return "", row["text"] + tokenizer.eos_token
    if messages[-1]["role"] != "assistant":
        raise ValueError(f"row {row.get('id')!r} does not end in an assistant turn")
    prompt = tokenizer.apply_chat_template(messages[:-1], tokenize=False, add_generation_prompt=True)
    whole = tokenizer.apply_chat_template(messages, tokenize=False)
    if not whole.startswith(prompt):
        raise ValueError("the chat template changes the prompt once its answer follows; give another template")
    return prompt, whole[len(prompt) :]
