"""A row finds its verifier or is refused; thinking is removed once; a failing verifier is an infra error."""

import pytest

from eval.verifiers.registry import VERIFIERS, gold_of, named, score, verifier_of


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("math", "math"),
        ("math__deepscaler_preview", "math"),
        ("codegen__taco", "code"),
        ("simulation__codeio", "codeio"),
        ("simulation__cruxeval-i", "cruxeval"),
        ("simulation__arcagi1", "grid"),
        ("logic__barc", "grid"),
        ("logic__zebra_puzzle_dataset", "zebra"),
        ("logic__ordering_puzzle", "ordering"),
        ("logic__graph_logical", "graph"),
        ("table__hitab", "table"),
        ("stem__gpqa_diamond", "choice"),
        ("stem_web", "judge"),
        ("stem__web", "judge"),
        ("ood__ifeval", "ifeval"),
        ("ood__ifbench", "ifbench"),
        ("ood__livebench", "livebench"),
        ("reasoning_gym__countdown", "reasoning_gym"),
    ],
)
def test_a_source_finds_its_verifier(source, name):
    assert verifier_of(source).name == name


@pytest.mark.parametrize("source", ["math_dapo", "gsm8k", "", "ood__ifeval2"])
def test_an_unknown_source_is_refused(source):
    with pytest.raises(ValueError, match="no verifier judges"):
        verifier_of(source)


def test_text_gold_stays_text():
    assert [
        gold_of(named("math"), text) for text in ('"1.50"', "1.50", "[1, 2]", '["15"]', "\\frac12", '{"any_of": ["1"]}')
    ] == [
        "1.50",
        "1.50",
        "[1, 2]",
        ["15"],
        "\\frac12",
        {"any_of": ["1"]},
    ]
    assert gold_of(named("grid"), "[[1]]") == [[1]]


def test_thinking_that_never_closes_is_truncated_for_every_verifier():
    for name in VERIFIERS:
        row = {"verifier": name, "ground_truth": "1"}
        assert score(row, "<think>\\boxed{1}").reason == "not_closed"
        assert score({**row, "think_open": True}, "\\boxed{1}").status == "truncated"
        if not VERIFIERS[name].judges_empty:
            assert score(row, "<think>1</think> \n").reason == "empty"
            assert score(row, None).status == "unparseable"
