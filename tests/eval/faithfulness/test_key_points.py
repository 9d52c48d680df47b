"""Key points: rates by hand, and the protocol against a judge that follows a script."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.faithfulness.key_points import aggregate, judge_pairs, rates, summarize
from eval.judges.claims import FORWARD, REVERSE, read_list
from eval.judges.judge import Reply

S, OMITTED, C = FORWARD


def test_rates_of_one_document():
    assert rates([S, S, OMITTED, C]) == {S: 0.5, OMITTED: 0.25, C: 0.25}


def test_macro_and_micro_recall():  # 2 of 2 claims, then 4 of 8
    found = aggregate([[S, S], [S] * 4 + [OMITTED] * 4])[S]
    assert found["macro"] == 0.75 and found["micro"] == pytest.approx(0.6)
    assert 0.5 <= found["low"] <= 0.75 <= found["high"] <= 1


@given(st.lists(st.sampled_from(FORWARD), min_size=1))
def test_rates_sum_to_1(labels):
    assert sum(rates(labels).values()) == pytest.approx(1)
    assert all(0 <= rate <= 1 for rate in rates(labels).values())


def test_the_same_documents_give_the_same_interval():
    documents = [[S, OMITTED], [S], [C, C, OMITTED]]
    assert aggregate(documents) == aggregate(documents)


@pytest.mark.parametrize(
    "answer", ["", "no JSON", "[]", '{"labels": "omitted"}', '{"labels": ["odd"]}', '{"labels": ["omitted"]}', None]
)
def test_an_answer_in_another_form_is_none(answer):
    assert read_list(answer, "labels", FORWARD, 2) is None


def test_thinking_is_not_part_of_the_answer():
    assert read_list('<think>{"claims": ["x"]}</think> {"claims": ["y"]}', "claims") == ["y"]


class Script:
    """A judge: two claims for every text but `empty` and `odd`; the first is supported, the second is not."""

    def __init__(self):
        self.seeds = []

    def ask(self, conversations, schemas=(), seed=0):
        assert len(schemas) == len(conversations)
        self.seeds.append(seed)
        return [Reply(self.answer(chat[0]["content"], seed)) for chat in conversations]

    def answer(self, request, seed):
        if request.startswith("List"):
            text = request.partition("Text:\n")[2]
            if text == "odd":
                return "cannot say"
            if text == "late" and seed == 0:
                return "not yet"
            return json.dumps({"claims": [] if text == "empty" else ["one", "two"]})
        if request.startswith("Which"):
            return json.dumps({"operations": ["removal"]})
        return json.dumps({"labels": [S, "added" if "(added)" in request else OMITTED]})


def test_the_protocol_counts_what_it_leaves_out():
    judge = Script()
    rows = judge_pairs(judge, [("page", "text"), ("empty", "text"), ("odd", "text"), ("late", "text")], operations=True)
    assert rows[0]["forward"] == {"claims": ["one", "two"], "labels": [S, OMITTED]}
    assert rows[0]["reverse"]["labels"] == [S, REVERSE[1]]
    assert rows[3]["forward"]["labels"] == [S, OMITTED]  # asked a second time, with another seed
    assert [row["forward"].get("reason") for row in rows] == [None, None, "unreadable", None]
    found = summarize(rows)
    assert found["forward"]["reasons"] == {"unreadable": 1}
    assert (found["forward"]["judged"], found["forward"]["no_claims"], found["forward"]["unreadable"]) == (2, 1, 1)
    assert found["forward"]["rates"][S]["macro"] == 0.5
    assert found["operations"]["removal"] == 1 and found["operations"]["paraphrase"] == 0
