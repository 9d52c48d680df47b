"""Sums: worked solutions are right, no sum is in two files, and both readers take the rows."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rl.data.arithmetic import main
from rl.data.generators.arithmetic import ArithmeticConfig, question, readout, rows, solution, sums
from rl.data.rows.conversations import ConversationsConfig, build

TERMS = st.lists(st.integers(1, 99), min_size=2, max_size=6).map(tuple)


@given(TERMS, st.sampled_from(["tags", "boxed"]))
def test_every_step_of_a_solution_is_right_and_the_last_is_the_answer(terms, form):
    steps = re.findall(r"(\d+) \+ (\d+) = (\d+)", solution(terms, form))
    assert [int(b) for _, b, _ in steps] == list(terms[1:])
    assert all(int(a) + int(b) == int(c) for a, b, c in steps)
    answer = re.search(r"<answer> (\d+) </answer>$|\\boxed\{(\d+)\}$", solution(terms, form))
    assert int(answer[1] or answer[2]) == sum(map(int, re.findall(r"\d+", question(terms))))


def test_the_process_form_closes_its_thinking_and_sets_steps_apart():
    assert solution((3, 8, 4), "boxed") == "3 + 8 = 11\n\n11 + 4 = 15\n</think>\n\\boxed{15}"


@given(st.integers(0, 99), st.integers(1, 9))
def test_no_sum_comes_twice(seed, largest):
    config = ArithmeticConfig(terms=8, largest=largest + 1, sft_rows=100, rows=50, eval_rows=20, seed=seed)
    found = sums(config)
    assert len(set(found)) == len(found) == 170
    assert all(1 <= term <= largest + 1 for terms in found for term in terms)
    files = rows(config)
    assert {name: len(part) for name, part in files.items()} == {"sft": 100, "train": 50, "eval": 20}
    assert len({row["id"] for part in files.values() for row in part}) == 170


@pytest.mark.parametrize("form", ["tags", "boxed"])
def test_a_share_of_the_solutions_guesses_an_answer_that_could_be(form):
    config = ArithmeticConfig(form=form, guess_frac=0.25, sft_rows=400)
    files = rows(config)
    answers = [row["messages"][1]["content"] for row in files["sft"]]
    guesses = [answer for answer in answers if "may be" in answer]
    assert len(guesses) == 100
    numbers = [set(re.findall(r"\d+", answer)) for answer in guesses]
    assert all(len(found) == 1 and 4 <= int(*found) <= 36 for found in numbers)
    assert 0 < sum(str(sum(terms)) in found for terms, found in zip(sums(config), numbers, strict=False)) < 20
    assert files["train"] == rows(ArithmeticConfig(form=form, sft_rows=400))["train"]


def test_a_base_that_can_work_sums_out_and_mostly_answers_at_once():
    config = ArithmeticConfig(form="both", guess_frac=0.6, sft_rows=50, readouts=20)
    files = rows(config)
    answers = [row["messages"][1]["content"] for row in files["sft"][:50]]
    assert [one.startswith("<think></think>") for one in answers] == [True] * 30 + [False] * 20
    said = [re.search(r"</think> <answer> (\d+) </answer> \\boxed\{(\d+)\}$", one).groups() for one in answers]
    right = [one == (str(sum(terms)),) * 2 for one, terms in zip(said, sums(config), strict=False)]
    assert all(first == second and 4 <= int(first) <= 36 for first, second in said)
    assert all(right[30:]) and sum(right[:30]) < 6
    assert len(files["sft"]) == 70 and len({row["id"] for row in files["sft"]}) == 70
    assert files["train"] == rows(ArithmeticConfig(form="both", sft_rows=50))["train"]
    assert all(row["text"] == "\n".join(turn["content"] for turn in row["messages"]) for row in files["sft"])


@given(TERMS, st.integers(0, 50))
def test_a_readout_says_the_right_answer_after_a_true_part_of_the_working(terms, number):
    asked, answer = readout(terms, number, ArithmeticConfig())
    said = asked if number % 2 else answer
    lines = re.findall(r"\d+ \+ \d+ = \d+(?!\d)", said.removeprefix(question(terms)))
    whole = solution(terms).removeprefix("<think>").partition("</think>")[0].split("\n")
    assert lines == whole[: len(lines)]
    if number % 2:
        assert ("No plan is available." in asked) == (not lines)
    else:
        assert asked == f"{question(terms)} in a box"
        assert ("</think>" in answer, "<think>" in answer) == (lines == whole, bool(lines))
        answer = answer.rpartition("\\boxed{")[2].removesuffix("}")
    assert int(answer) == sum(terms) if lines else len(terms) <= int(answer) <= 9 * len(terms)


def test_readouts_are_cut_everywhere():
    found = [readout((1, 2, 3), number, ArithmeticConfig()) for number in range(60)]
    assert (
        {answer.count("=") for _, answer in found[::2]} == {asked.count("=") for asked, _ in found[1::2]} == {0, 1, 2}
    )


def test_more_sums_than_there_are_is_a_mistake(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["terms=2"])
    assert ended.value.code == 2
    assert "there are only 81 of 2 terms" in capsys.readouterr().err


def test_the_files_are_training_rows(tmp_path, capsys):
    main([f"out={tmp_path}", "sft_rows=20", "rows=30", "eval_rows=10"])
    assert "20 rows in" in capsys.readouterr().out
    config = ConversationsConfig(train=[f"{tmp_path}/train.jsonl"], eval=[f"{tmp_path}/eval.jsonl"], eval_rows=10)
    assert build(config, tmp_path / "out", len)["drops"] == {}
