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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import numpy as np
from pydantic import Field

from common.config import HOW, RunConfig, parse, usage_errors

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Branch:
    """Tokens that follow `trunk[:cut]`.

    Raises:
        ValueError: cut is below 1 (no row predicts the first token of a text: begin bare text with BOS or EOT), or
            `scored` does not fit the tokens.
    """

    cut: int
    token_ids: Sequence[int]
    scored: Sequence[bool] | None = None
    """One flag per token: does the caller's reduction count it? All of them if None. Scorers score every token."""

    def __post_init__(self) -> None:
        """Check what can be known without the trunk."""
        if self.cut < 1:
            raise ValueError(f"a branch needs at least one token of context, not cut {self.cut}: begin with BOS or EOT")
        if self.scored is None:
            object.__setattr__(self, "scored", (True,) * len(self.token_ids))
        elif len(self.scored) != len(self.token_ids):
            raise ValueError(f"{len(self.scored)} scored flags for a branch of {len(self.token_ids)} tokens")


@dataclass(frozen=True)
class Trunk:
    """A token sequence, its branches, and the rows whose next-token entropy is wanted.

    Raises:
        ValueError: a cut or probe row lies outside the trunk.
    """

    token_ids: Sequence[int]
    branches: Sequence[Branch] = ()
    probe_rows: Sequence[int] = ()
    """Row i predicts trunk token i + 1."""

    def __post_init__(self) -> None:
        """Check that every branch and probe row has its place."""
        for branch in self.branches:
            if branch.cut > len(self.token_ids):
                raise ValueError(f"cut {branch.cut} lies behind a trunk of {len(self.token_ids)} tokens")
        for row in self.probe_rows:
            if not 0 <= row < len(self.token_ids):
                raise ValueError(f"probe row {row} lies outside a trunk of {len(self.token_ids)} tokens")


def needed(trunk: Trunk) -> int:
    """Tokens of a trunk that its branches and probe rows look at."""
    cuts = [branch.cut for branch in trunk.branches if len(branch.token_ids)]
    return max([*cuts, *(row + 1 for row in trunk.probe_rows)], default=0)


def longest(trunk: Trunk) -> int:
    """Tokens of the longest text that scoring a trunk feeds to the model: a branch's last one is not fed."""
    fed = [branch.cut + len(branch.token_ids) - 1 for branch in trunk.branches if len(branch.token_ids)]
    return max([*fed, needed(trunk)])


@dataclass(frozen=True)
class BranchScores:
    """What the model says about the m tokens of one branch."""

    logprobs: np.ndarray
    """[m] float32, nats: of every token, also those whose `scored` flag is off."""
    greedy: np.ndarray
    """[m] bool: is the token the most likely one after what stands before it?"""


@dataclass(frozen=True)
class TrunkScores:
    """What the model says about one trunk; `error` is set, and nothing else, where it could not be scored."""

    branches: Sequence[BranchScores] = ()
    entropy: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    """[probe rows] float32, nats."""
    error: str | None = None
    """`too_long` (context limit), `server` … : a reason to count, never a score of 0."""


class Scorer(Protocol):
    """Anything that scores trunks: no gradient, order kept, `score([])` allowed."""

    def score(self, trunks: Sequence[Trunk]) -> list[TrunkScores]:
        """Scores of each trunk, in the order given."""
        ...


class ServerConfig(RunConfig):
    """How to ask an OpenAI-compatible server for the log-probabilities of a prompt; for frozen models only."""

    model: str = ""
    """Model name the server knows; the first one it lists if empty."""

    style: Literal["prompt_logprobs", "echo"] = "prompt_logprobs"
    """`prompt_logprobs` is vLLM's own field, which names token ids; `echo` with logprobs=1 is OpenAI's."""

    concurrency: Annotated[int, HOW] = Field(8, ge=1)
    """Requests in flight."""

    retries: Annotated[int, HOW] = Field(4, ge=0)
    """Further tries after a failed request, waiting 0.5 s, 1 s, 2 s …"""

    timeout_s: Annotated[float, HOW] = Field(120.0, gt=0)
    """Longest wait for one answer."""


class ScorerConfig(RunConfig):
    """How likelihoods are computed; the numbers agree to 1e-5 per token in float32 whatever the mode."""

    mode: Annotated[Literal["auto", "packed", "cached", "duplicate"], HOW] = "auto"
    """`auto`: packed up to `max_packed_tokens`, cached beyond, duplicate where the model allows neither."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Of a model loaded from a folder; `auto` is the one it was saved in. Sums are float32 always. Of a live module
    that computes in another one than its weights': which."""

    device: Annotated[str, HOW] = "auto"
    """Of a model loaded from a folder; `auto` is the GPU if there is one."""

    max_tokens_per_batch: Annotated[int | None, HOW] = Field(None, ge=1)
    """Padded tokens of one forward pass; a longer row goes alone. null: 16384, on a CPU 2048 (more is slower)."""

    max_packed_tokens: Annotated[int | None, HOW] = Field(None, ge=1)
    """Longest packed row, cached beyond. null: 8192 (its mask: 64 MB), on a CPU 1024 (masks are slow there)."""

    max_scored_rows: Annotated[int, HOW] = Field(4096, ge=1)
    """Rows of one forward pass that meet the output layer: 2.5 GB in float32 at a vocabulary of 152k."""

    max_length: int | None = Field(None, ge=2)
    """Context limit in tokens; the model's own if null. A longer branch is not scored (`too_long`)."""

    temperature: float = Field(1.0, gt=0)
    """Divides the logits; 1 is the model's own distribution."""

    server: ServerConfig = ServerConfig()
    """Used when the model is a URL."""


def open_scorer(
    model: "str | Path | nn.Module", config: ScorerConfig | None = None, *, collective: bool = False
) -> Scorer:
    """A scorer for a model folder, a live module or the URL of a server.

    Args:
        model: folder or hub name for transformers; URL (`http…/v1`); or any module that is called with `input_ids`,
            `position_ids`, `attention_mask` ([B, 1, S, S] bool) and `logits_to_keep` and returns logits or an
            object that holds them.
        config: defaults if None.
        collective: all ranks of torch.distributed score together (sharded weights); each call of `score` by one is
            then a call by all.
    """
    config = config or ScorerConfig()
    if isinstance(model, str) and model.startswith(("http://", "https://")):
        from eval.server_scorer import ServerScorer

        return ServerScorer(model, config)
    from eval.causal_model import load_model
    from eval.local_scorer import LocalScorer

    if isinstance(model, str | Path):
        model = load_model(model, config.dtype, config.device)
    return LocalScorer(model, config, collective=collective)


class TableScorer:
    """Scores from an exact table of probabilities: the oracle of tests and worked examples.

    Args:
        next_logprobs: function from context token ids to the [V] log-probabilities of the next token.
    """

    def __init__(self, next_logprobs: Callable[[Sequence[int]], Sequence[float]]) -> None:
        self.next_logprobs = next_logprobs

    def score(self, trunks: Sequence[Trunk]) -> list[TrunkScores]:
        """Look up every token of every branch."""
        return [self._score(trunk) for trunk in trunks]

    def _score(self, trunk: Trunk) -> TrunkScores:
        ids = list(trunk.token_ids)
        scores = []
        for branch in trunk.branches:
            rows = [
                np.asarray(self.next_logprobs(ids[: branch.cut] + list(branch.token_ids[:position])))
                for position in range(len(branch.token_ids))
            ]
            logprobs = [row[token] for row, token in zip(rows, branch.token_ids, strict=True)]
            greedy = [row.argmax() == token for row, token in zip(rows, branch.token_ids, strict=True)]
            scores.append(BranchScores(np.array(logprobs, np.float32), np.array(greedy, bool)))
        probed = [np.asarray(self.next_logprobs(ids[: row + 1]), np.float64) for row in trunk.probe_rows]
        entropy = [-(np.exp(row) * np.where(row > -np.inf, row, 0)).sum() for row in probed]
        return TrunkScores(scores, np.array(entropy, np.float32))


class LikelihoodConfig(ScorerConfig):
    """Score the rows of a JSONL file."""

    model: str
    """Folder, hub name or URL."""

    rows: str
    """JSONL of rows, see above."""

    out: Annotated[str, HOW]
    """JSONL with the scores beside the rows."""


def main(argv: list[str] | None = None) -> None:
    """Read the command line, score the rows, write them with their scores."""
    config = parse(LikelihoodConfig, __doc__, argv, positional=("model", "rows"))
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

                from eval.spans import encode_continuation, encode_start

                tokenizer = AutoTokenizer.from_pretrained(model)
            ids = encode_start(tokenizer, row["context"])
            texts = row["continuations"]
            yield Trunk(ids, [Branch(len(ids), encode_continuation(tokenizer, text)) for text in texts])
        else:
            raise ValueError(f"row {number} has neither trunk_ids with branches nor context with continuations")


if __name__ == "__main__":
    main()
