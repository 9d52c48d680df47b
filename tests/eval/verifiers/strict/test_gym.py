"""reasoning-gym's own answers earn 1, and what its scorers would run is refused."""

import json

import pytest

from eval.verifiers.gym_library import is_expression, refused
from eval.verifiers.registry import score

FAMILIES = (
    "spiral_matrix",
    "n_queens",
    "countdown",
    "simple_integration",
    "basic_arithmetic",
    "word_sorting",
    "zebra_puzzles",
)


def entries(family, size=3):
    reasoning_gym = pytest.importorskip("reasoning_gym", reason="the gym extra is not installed")
    return list(reasoning_gym.create_dataset(family, size=size, seed=3))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_familys_own_answers_are_right_and_empty_ones_are_not(family):
    for entry in entries(family):
        row = {"source": f"reasoning_gym__{family}", "ground_truth": json.dumps(entry)}
        assert score(row, f"<answer>{entry['answer']}</answer>").status == "correct", entry
        assert score(row, f"{entry['answer']}").status == "correct", entry  # without the tag
        assert score(row, "<answer></answer>").score == 0
        assert score(row, "").score == 0


@pytest.mark.parametrize("family", ["spiral_matrix", "n_queens", "countdown", "simple_integration"])
def test_code_is_refused_where_the_library_would_run_it(family, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    entry = entries(family, 1)[0]
    for text in ("__import__('os').system('touch x')", "[open('x', 'w')]", "().__class__", "exit()", "x" * 5000 + "()"):
        found = score({"verifier": "reasoning_gym", "ground_truth": entry}, f"<answer>{text}</answer>")
        assert (found.score, found.reason) == (0, "blocked_construct"), text
    assert not list(tmp_path.iterdir())


def test_what_is_an_expression():
    assert is_expression("(8 - 2)*x^2/3 + sin(x) + C")
    assert not any(map(is_expression, ("eval(x)", "x.real", "a__b", "'a'", "x; y", "[1]", "lambda: 0", "1" * 3000)))
    assert not refused("spiral_matrix", "1 2 3", {"answer": "3 2 1"})
    assert refused("spiral_matrix", "f(1)", {"answer": "3 2 1"})


def test_a_reference_that_is_no_entry_is_skipped():
    assert score({"verifier": "reasoning_gym", "ground_truth": {"question": "q"}}, "a").reason == "bad_gold"
    entry = {"answer": "1", "metadata": {"source_dataset": "no_such_family"}}
    assert score({"verifier": "reasoning_gym", "ground_truth": entry}, "a").status == "skipped"
