"""Log-probabilities of given text under a language model: one engine for CORE, perplexity and likelihood rewards.

A `Trunk` is a token sequence, a `Branch` is text that could follow the trunk cut at some point. A scorer returns, for
every branch, log p(token | trunk[:cut], earlier tokens of the branch), however it computes them: one packed pass per
trunk, a prefill and cached chunks, or one plain sequence per branch (`mode`). Many trunks that begin alike share the
beginning.

Usage:
    python -m eval.likelihood MODEL ROWS.jsonl out=FILE.jsonl [mode=auto dtype=float32 max_tokens_per_batch=16384]
    python -m eval.likelihood http://127.0.0.1:8000/v1 ROWS.jsonl out=FILE.jsonl server.model=NAME

MODEL is a folder that transformers loads, or the URL of an OpenAI-compatible server. A row holds `trunk_ids` and
`branches: [{"cut": 5, "ids": [7, 8]}]`, or `context` and `continuations` (text). FILE gets the same rows, each branch
with its `logprobs` (nats per token) and `greedy` (was each token the most likely one); `error` says why a row has none.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from common.command import entry_point, parse, usage_errors
from common.config import HOW, Out
from common.weights import find_model
from eval.likelihood.config import ScorerConfig
from eval.likelihood.open import open_scorer
from eval.likelihood.trunks import Branch, Trunk

if TYPE_CHECKING:
    pass

log = logging.getLogger(__name__)


class LikelihoodRowsConfig(ScorerConfig):
    """Score the rows of a JSONL file."""

    model: str
    """Folder, hub name or URL."""

    rows: str
    """JSONL file of rows; their form is described above."""

    out: Annotated[str, HOW, Out()]
    """JSONL with the scores beside the rows."""


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, score the rows, write them with their scores."""
    config = parse(LikelihoodRowsConfig, __doc__, argv, positional=("model", "rows"))
    with usage_errors():
        rows = [json.loads(line) for line in Path(config.rows).read_bytes().split(b"\n") if line.strip()]
        trunks = list(_trunks(rows, config.model))
    scores = open_scorer(config.model, config).score(trunks)
    for row, trunk, result in zip(rows, trunks, scores, strict=True):
        row["branches"] = [{"cut": branch.cut, "ids": list(branch.token_ids)} for branch in trunk.branches]
        for branch, numbers in zip(row["branches"], result.branches, strict=result.error is None):
            branch.update(logprobs=numbers.logprobs.tolist(), greedy=numbers.greedy.tolist())
        if result.error is not None:
            row["error"] = result.error
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    Path(config.out).write_text(text, encoding="utf-8", newline="\n")


def _trunks(rows: Sequence[dict[str, Any]], model: str) -> Iterator[Trunk]:
    tokenizer = None
    for number, row in enumerate(rows):
        if "trunk_ids" in row:
            branches = [Branch(branch["cut"], branch["ids"]) for branch in row.get("branches", [])]
            yield Trunk(row["trunk_ids"], branches)
        elif "context" in row and "continuations" in row:
            if tokenizer is None:
                from transformers import AutoTokenizer

                from eval.likelihood.spans import encode_continuation, encode_start

                tokenizer = AutoTokenizer.from_pretrained(find_model(model))
            ids = encode_start(tokenizer, row["context"])
            texts = row["continuations"]
            yield Trunk(ids, [Branch(len(ids), encode_continuation(tokenizer, text)) for text in texts])
        else:
            raise ValueError(f"row {number} has neither trunk_ids with branches nor context with continuations")


if __name__ == "__main__":
    main()
