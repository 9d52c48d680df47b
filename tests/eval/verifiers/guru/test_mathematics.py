"""Mathematics as published: both variants of the paper's time and of the public code, real references."""

import itertools
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.verifiers.audit.vectors import read_vectors
from eval.verifiers.registry import score

VECTORS = [vector for vector in read_vectors() if vector.verifier == "math" and vector.judged_by_guru]


def verdict(gold, text, **options):
    return score({"verifier": "math", "ground_truth": gold}, text, mode="guru", options=options).score


@pytest.mark.parametrize("vector", VECTORS, ids=[vector.id for vector in VECTORS])
def test_a_vector_in_the_papers_variant_and_in_the_public_codes(vector):
    expected = vector.guru if isinstance(vector.guru, list) else [vector.guru] * 2
    found = [
        score(vector.row, vector.completion, "guru", options={"prime_symbolic": one}).score for one in ("on", "off")
    ]
    assert found == expected


def test_the_prime_metric_takes_what_follows_the_answer_is_and_asks_for_a_digit():
    row = {"verifier": "math", "ground_truth": "42", "info": {"reward_metric": "prime_math"}}
    assert score(row, "So the answer is: 42", mode="guru").score == 1.0
    assert score(row, "So the answer is: x", mode="guru").score == 0.0


def test_references_are_right_when_boxed_and_not_for_the_next_row(shared_data):
    lines = (shared_data / "reasoning/math.jsonl").read_text(encoding="utf-8").splitlines()
    golds = [json.loads(line)["answer"] for line in lines]
    assert all(verdict(gold, f"\\boxed{{{gold}}}") == 1.0 for gold in golds)
    assert not any(verdict(gold, "") for gold in golds)
    met = [(gold, other) for gold, other in itertools.pairwise(golds) if verdict(gold, f"\\boxed{{{other}}}")]
    assert met == []


@given(st.text(max_size=200))
def test_any_text_gets_a_score(text):
    assert verdict("1/2", f"\\boxed{{{text}}}") in (0.0, 1.0)
    assert verdict("x", text) in (0.0, 1.0)
    assert verdict(text, "\\boxed{1}") in (0.0, 1.0)


@pytest.mark.parametrize(
    "text", ["{" * 1_000_000, "\\boxed{1} " * 100_000, "\\boxed{9^{9^{9^9}}}", "answer is " * 100_000]
)
def test_a_megabyte_costs_less_than_a_second(text):
    start = time.process_time()
    verdict("5", text)
    assert time.process_time() - start < 1
