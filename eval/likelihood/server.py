"""Likelihoods from an OpenAI-compatible server, through the log-probabilities of a prompt; for frozen models.

The prompt goes out as token ids and the answer is cut by token count. Where the server names the ids it scored, they
must be the ids sent. Sharing a trunk's beginning is the server's own affair (vLLM: prefix caching).
"""

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from common.model_server import UNREADABLE, Failure, ModelServer
from eval.likelihood.config import ScorerConfig
from eval.likelihood.trunks import Branch, BranchScores, Trunk, TrunkScores, finite, longest

log = logging.getLogger(__name__)

ID = "token_id:"
"""What vLLM puts before a token id that stands where OpenAI has the token's text."""


class ServerScorer:
    """Scores trunks by asking a server, one request per branch.

    Args:
        url: up to and with `/v1`; the key, if one is needed, is read from OPENAI_API_KEY.
        config: how.

    Raises:
        ValueError: the server cannot be asked for what the config wants, or lists no model.
    """

    def __init__(self, url: str, config: ScorerConfig) -> None:
        if config.temperature != 1.0:
            raise ValueError(f"a server scores at temperature 1, not {config.temperature:g}")
        self.server = ModelServer(
            url,
            api_key_env="OPENAI_API_KEY" if os.environ.get("OPENAI_API_KEY") else "",
            retries=config.server.retries,
            backoff_s=0.5,
            timeout_s=config.server.timeout_s,
            connections=config.server.concurrency,
        )
        self.config = config
        self.model = config.server.model or self._first_model()

    def _first_model(self) -> str:
        found = self.server.models()
        if not found:
            raise ValueError(f"{', '.join(self.server.urls)} serves no model")
        return str(found[0]["id"])

    def score(self, trunks: Sequence[Trunk]) -> list[TrunkScores]:
        """Scores of each trunk, in order; a request that fails for good makes its trunk's error `server`.

        Raises:
            ValueError: a trunk has probe rows: a server tells no entropy.
        """
        if any(len(trunk.probe_rows) for trunk in trunks):
            raise ValueError("a server tells no entropy; probe rows need a local model")
        limit = self.config.max_length
        errors = ["too_long" if limit and longest(trunk) > limit else None for trunk in trunks]
        tasks = [
            (number, trunk, branch)
            for number, trunk in enumerate(trunks)
            for branch in trunk.branches
            if errors[number] is None
        ]
        with ThreadPoolExecutor(self.config.server.concurrency) as pool:
            answers = list(pool.map(lambda task: self._branch(task[1], task[2]), tasks))
        branches: list[list[BranchScores]] = [[] for _ in trunks]
        for (number, _, _), answer in zip(tasks, answers, strict=True):
            if isinstance(answer, str):
                errors[number] = answer
            else:
                branches[number].append(answer)
        return [
            TrunkScores(error=error) if error else finite(TrunkScores(found))
            for error, found in zip(errors, branches, strict=True)
        ]

    def _branch(self, trunk: Trunk, branch: Branch) -> BranchScores | str:
        """The scores of a branch, or why there are none."""
        if not len(branch.token_ids):
            return BranchScores(np.zeros(0, np.float32), np.zeros(0, bool))
        ids = [int(token) for token in (*trunk.token_ids[: branch.cut], *branch.token_ids)]
        body: dict[str, Any] = {"model": self.model, "prompt": ids, "max_tokens": 1, "temperature": 1.0}
        if self.config.server.style == "echo":
            body |= {"echo": True, "logprobs": 1, "return_tokens_as_token_ids": True}
        else:
            body |= {"prompt_logprobs": 1}
        read = _read_echo if self.config.server.style == "echo" else _read_prompt_logprobs
        found = self.server.post("completions", body, lambda answer: answer["choices"][0])
        if isinstance(found, Failure):
            log.warning("likelihoods: no answer of the server (%s: %s)", found.reason, found.detail)
            return "server"
        try:
            return read(found.value, ids, branch.cut)
        except UNREADABLE as error:
            log.warning("likelihoods: an answer of the server cannot be read (%s: %s)", type(error).__name__, error)
            return "server_answer"


def _read_prompt_logprobs(choice: dict[str, Any], ids: Sequence[int], cut: int) -> BranchScores:
    """vLLM's form: per position a map from token id to its log-probability and rank; none at the first position."""
    places = choice["prompt_logprobs"]
    if len(places) != len(ids):
        raise ValueError(f"{len(places)} positions for {len(ids)} tokens")
    found = [places[position][str(ids[position])] for position in range(cut, len(ids))]
    logprobs = np.array([entry["logprob"] for entry in found], np.float32)
    return BranchScores(logprobs, np.array([entry["rank"] == 1 for entry in found]))


def _read_echo(choice: dict[str, Any], ids: Sequence[int], cut: int) -> BranchScores:
    """OpenAI's form: parallel lists over the prompt's tokens and, behind them, the generated one."""
    numbers = choice["logprobs"]
    tokens, logprobs, tops = (numbers[name][: len(ids)] for name in ("tokens", "token_logprobs", "top_logprobs"))
    if len(logprobs) != len(ids):
        raise ValueError(f"{len(logprobs)} positions for {len(ids)} tokens")
    named = [(int(token.removeprefix(ID)), sent) for token, sent in zip(tokens, ids, strict=True) if ID in token]
    if any(returned != sent for returned, sent in named):
        raise ValueError("the server scored other token ids than were sent")
    best = [max(top.values()) <= logprob for top, logprob in zip(tops[cut:], logprobs[cut:], strict=True)]
    return BranchScores(np.array(logprobs[cut:], np.float32), np.array(best, bool))
