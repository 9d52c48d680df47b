"""A run's training and held-out rows: built into its folder, each with the prompt that the policy is shown."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from trl.trainer.utils import RepeatSampler

from common.pools import documents
from common.tokens.chat import chat_ids
from rephrase.text.prompts import answer_form, messages, read_prompt_file
from rl.data.recycling import build as recycling
from rl.data.rows import conversations
from rl.grpo.check import check_lengths

if TYPE_CHECKING:
    from datasets import Dataset

    from rl.grpo.config import RLConfig, RowsConfig

Row = dict[str, Any]

CARRIED = (
    "id",
    "text",
    "clean_text",
    "reference",
    "messages",
    "data_source",
    "ability",
    "domain",
    "source",
    "verifier",
    "ground_truth",
    "info",
    "think_open",
)
"""Columns that rewards may read, beside the score field of recycled rows."""


def build_data(config: "RowsConfig", folder: Path, tokenizer: Any) -> dict[str, Any]:
    """Write `train.jsonl` and `eval.jsonl` for a run's `data`, unless they are there; what was kept and left out."""

    def count(text: str) -> int:
        return len(tokenizer.encode(text, add_special_tokens=False))

    if isinstance(config.data, conversations.ConversationsConfig):
        return conversations.build(config.data, folder, count)
    return recycling.build(config.data, folder, count)


def read_rows(path: Path, config: "RowsConfig") -> Iterator[Row]:
    """Rows of a file with their prompts: their own, or the request of the config about their text."""
    prompt = read_prompt_file(config.prompt.prompt_file) if config.prompt.prompt_file else None
    score = config.data.field if isinstance(config.data, recycling.RecyclingDataConfig) else ""
    form = answer_form(config.prompt.name, config.prompt.prompt_file)
    for _, row in documents.read_rows(str(path)):
        chat = row.get("prompt") or messages(
            row["text"], config.prompt.name, config.prompt.system, no_think=config.prompt.no_think, prompt=prompt
        )
        carried = {name: row[name] for name in (*CARRIED, score) if name in row}
        yield {"prompt": chat, **carried, **({"answer_form": form} if form != "text" and "prompt" not in row else {})}


class EpochSampler(RepeatSampler):
    """TRL's order of prompts, as a function of (seed, epoch): the same after a resume, on any number of processes.

    TRL draws each epoch's permutation from one generator as it comes to it, so that a run which goes on in its second
    epoch sees the first one's order again. Here epoch e takes the permutation that the e-th pass would have drawn.
    """

    epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each pass over the rows."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        """The rows' numbers, each as often as its prompt has completions."""
        if self.shuffle:
            self.generator.manual_seed(self.seed)
            for _ in range(self.epoch):
                torch.randperm(self.num_samples, generator=self.generator)
        return super().__iter__()


def dataset(path: Path, config: "RLConfig", tokenizer: Any) -> "tuple[Dataset, int]":
    """Rows with their prompts, numbered (`row_index`), those with too long a prompt left out, and how many those are.

    Raises:
        ValueError: no row is left.
    """
    from datasets import Dataset

    rows: list[Row] = []
    dropped = longest = 0
    for row in read_rows(path, config):
        length = len(chat_ids(tokenizer, row["prompt"]))
        if length > config.max_prompt_length:
            dropped += 1
            continue
        longest = max(longest, length)
        rows.append({**row, "row_index": len(rows)})
    if not rows:
        raise ValueError(
            f"{path}: all {dropped} prompts are over max_prompt_length {config.max_prompt_length}; "
            "give a longer one or shorter texts"
        )
    check_lengths(config, longest)
    names = dict.fromkeys(name for row in rows for name in row)  # `from_list` takes the columns of the first row alone
    return Dataset.from_list([{name: row.get(name) for name in names} for row in rows]), dropped
