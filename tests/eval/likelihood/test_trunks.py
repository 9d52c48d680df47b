"""Nothing is decided by a number that is none."""

import numpy as np
import pytest

from eval.core.prompts import Item
from eval.core.scoring import score_items
from eval.likelihood.table import TableScorer
from eval.likelihood.trunks import Branch, BranchScores, Trunk, TrunkScores, finite


def scores(value, entropy=0.0):
    return TrunkScores([BranchScores(np.array([-1.0, value]), np.array([True, True]))], np.array([entropy]))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_an_error_with_a_name(value):
    assert finite(scores(value)).error == "not_finite"
    assert finite(scores(-1.0, value)).error == "not_finite"
    fine = scores(-1.0)
    assert finite(fine) is fine
    assert finite(TrunkScores(error="too_long")).error == "too_long"


def test_a_broken_model_is_not_scored_on_core():
    scorer = TableScorer(lambda context: np.full(8, np.nan))
    assert scorer.score([Trunk([1], [Branch(1, [2])])])[0].error == "not_finite"
    items = [Item(0, None, [[1], [1]], [[2], [3]], 0)]
    with pytest.raises(RuntimeError, match="could not be scored: not_finite"):
        score_items(items, "multiple_choice", scorer)
