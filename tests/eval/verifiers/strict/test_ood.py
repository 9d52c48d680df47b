"""IFEval and IFBench give the verdicts that were stored with real responses."""

import json

import pytest

from eval.verifiers.instructions import UnknownInstruction, follow
from eval.verifiers.registry import score

pytest.importorskip("if_verifiable", reason="the instructions extra is not installed")

NO_TAGGER = {"words:start_verb"}
"""Needs NLTK's tagger data, which no package carries."""


def rows(shared_data, name):
    return [json.loads(line) for line in (shared_data / "verifiable" / f"{name}.jsonl").read_text().splitlines()]


def verdict(name, row, response, mode="strict"):
    info = {"instruction_id_list": row["instruction_id_list"], "prompt": row["prompt"]}
    return score({"verifier": name, "ground_truth": row["kwargs"], "info": info}, response, mode)


@pytest.mark.parametrize("mode", ["strict", "guru"])
def test_gpt4s_stored_responses_get_their_stored_verdicts(shared_data, mode):
    judged = [row for row in rows(shared_data, "ifeval") if "strict" in row]
    assert len(judged) == 269  # of 270; one row has neither a response nor a verdict
    for row in judged:
        found = verdict("ifeval", row, row["response_gpt4"], mode)
        assert (found.detail["strict"], found.detail["loose"]) == (row["strict"], row["loose"]), row["key"]
        assert found.score == float(all(row["strict"]))


def test_ifbench_responses_get_their_stored_verdicts(shared_data):
    unjudged = []
    for row in rows(shared_data, "ifbench"):
        found = verdict("ifbench", row, row["response"])
        if found.score is None:
            unjudged.append((found.reason, row["instruction_id_list"]))
            continue
        assert (found.detail["strict"], found.detail["loose"]) == (row["strict"], row["loose"]), row["key"]
        assert (found.detail["prompt_strict"], found.detail["prompt_loose"]) == (row["strict_all"], row["loose_all"])
    # Two rows have no arguments at all; one of them needs some. The tagger's data may be on this machine.
    assert ("bad_gold", ["count:keywords_multiple"]) in unjudged
    assert all(set(ids) & (NO_TAGGER | {"count:keywords_multiple", "ratio:sentence_balance"}) for _, ids in unjudged)
    assert len(unjudged) <= 3


def test_an_empty_response_follows_nothing(shared_data):
    for name in ("ifeval", "ifbench"):
        for row in rows(shared_data, name)[:20]:
            found = verdict(name, row, "")
            assert found.status == "wrong" or found.status == "skipped", (row["key"], found)


def test_whole_floats_and_nulls_are_the_same_arguments(shared_data):
    row = next(row for row in rows(shared_data, "ifeval") if "num_words" in str(row["kwargs"]))
    loose = [
        {key: float(value) if isinstance(value, int) else value for key, value in given.items()} | {"letter": None}
        for given in row["kwargs"]
    ]
    one, other = (
        verdict("ifeval", {**row, "kwargs": kwargs}, row["response_gpt4"]) for kwargs in (row["kwargs"], loose)
    )
    assert one.detail == other.detail


def test_what_cannot_be_judged_is_said():
    with pytest.raises(UnknownInstruction):
        follow("ifeval", ["no:such"], [{}], "", "text")
    with pytest.raises(ValueError, match="small_n"):
        follow("ifbench", ["count:conjunctions"], [{}], "", "text")
    row = {"verifier": "ifeval", "ground_truth": [{}, {}], "info": {"instruction_id_list": ["punctuation:no_comma"]}}
    assert score(row, "text").reason == "bad_gold"


def test_ifbenchs_training_rows_may_ask_for_what_ifeval_asks():
    """allenai/IF_multi_constraints_upto5 mixes the instructions of both."""
    gold = {"instruction_id": ["punctuation:no_comma", "count:numbers"], "kwargs": [{}, {"N": 1}]}
    row = {"verifier": "ifbench", "ground_truth": [gold], "info": {}}
    found = score(row, "There are 7 of them.")
    assert (found.status, found.detail["strict"]) == ("correct", [True, True])
    assert score(row, "There are 7, and more.").detail["failed"] == ["punctuation:no_comma"]
    assert score({**row, "verifier": "ifeval"}, "There are 7.").reason == "unknown_instruction"


def test_a_text_made_to_take_quadratic_time_is_ended():
    info = {"instruction_id_list": ["detectable_content:number_placeholders"], "prompt": ""}
    row = {"verifier": "ifeval", "ground_truth": [{"num_placeholders": 1}], "info": info}
    found = score(row, "[" * 1_000_000)
    assert found.status == "wrong" and found.seconds < 30, found  # the first call may start a worker
    assert score(row, "A [name] here.").status == "correct"
