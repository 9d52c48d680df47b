"""Verdicts say yes, no or in part by figures that are stated, and say it when nothing is known."""

import pytest

from eval.compare.differences import Difference
from eval.report.findings.verdicts import faithful_verdict, noise_verdict, training_verdict
from eval.report.students import StudentPair


def figures(**changed):
    quality = {"gain": 0.1, "error": 0.01}
    found = {"content_kept": 0.99, "numbers_kept": 0.98, "words_invented": 0.0, "pages": 10, "pages_changed": 0.4}
    return {**found, "pages_lost": 0, "quality": quality, "intervals": {"content_kept": [0.98, 1.0]}, **changed}


@pytest.mark.parametrize(
    ("changed", "answer"),
    [
        ({}, "yes"),
        ({"numbers_kept": 0.9}, "partly"),
        ({"content_kept": 0.5}, "no"),
        ({"words_invented": 0.2}, "partly"),
        ({"numbers_kept": None}, "yes"),
        ({"content_kept": None}, "unknown"),
    ],
)
def test_a_pool_is_faithful_by_its_words_its_numbers_and_what_it_invents(changed, answer):
    assert faithful_verdict("pool", figures(**changed)).answer == answer


def gain(value, error=0.1):
    return {"before": 1.0, "after": 1.0 + value, "gain": value, "error": error, "rows": 64}


@pytest.mark.parametrize(
    ("gains", "answer", "told"),
    [
        ({"total": gain(0.5), "quality": gain(0.7)}, "yes", "Yes: on 64 held-out rows the total reward went from 1.00"),
        ({"total": gain(0.1)}, "no", "Not by more than chance: on 64 held-out rows"),
        ({"total": gain(-0.5)}, "no", "No, it made it worse: on 64 held-out rows"),
        ({"quality": gain(0.5), "length": gain(-0.5)}, "partly", "higher are quality (+0.50, error 0.10)"),
        ({"quality": gain(0.0, 0.0)}, "no", "no single reward moved by more than twice its error"),
    ],
)
def test_training_helped_where_held_out_rewards_rose_by_more_than_twice_their_error(gains, answer, told):
    found = training_verdict("rl", gains)
    assert found.answer == answer
    assert told in found.told


@pytest.mark.parametrize(
    ("bounds", "answer", "word"),
    [([-0.2, -0.1], "yes", "Yes"), ([-0.1, 0.1], "no", "No"), (None, "unknown", "Not known")],
)
def test_a_difference_is_more_than_noise_where_its_interval_leaves_out_0(bounds, answer, word):
    found = noise_verdict(StudentPair("a", "b", Difference(-0.15, bounds, "lower")))
    assert found.answer == answer
    assert found.told.startswith(f"{word}: b needs")
