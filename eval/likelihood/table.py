"""Scores from an exact table of probabilities: the oracle of tests and worked examples."""

from collections.abc import Callable, Sequence

import numpy as np

from eval.likelihood.trunks import BranchScores, Trunk, TrunkScores, finite


class TableScorer:
    """Scores from an exact table of probabilities: the oracle of tests and worked examples.

    Args:
        next_logprobs: function from context token ids to the [V] log-probabilities of the next token.
    """

    def __init__(self, next_logprobs: Callable[[Sequence[int]], Sequence[float]]) -> None:
        self.next_logprobs = next_logprobs

    def score(self, trunks: Sequence[Trunk]) -> list[TrunkScores]:
        """Look up every token of every branch."""
        return [finite(self._score(trunk)) for trunk in trunks]

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
