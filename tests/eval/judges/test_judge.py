"""What is asked of a judge's server, and what comes of its failures; contests in both orders."""

import pytest

from eval.judges.judge import Judge, JudgeConfig
from eval.judges.pairwise import Contest, prefer

CHATS = [[{"role": "user", "content": f"question {number}"}] for number in range(3)]


def open_judge(server, **changes):
    return Judge(JudgeConfig(url=server.url, model="m", retries=1, backoff_s=0.01, timeout_s=5, **changes))


def test_one_answer_to_each_conversation_in_order(scripted):
    server = scripted(lambda body: f"answer to {body['messages'][0]['content']}")
    with open_judge(server) as judge:
        replies = judge.ask(CHATS, seed=2)
        assert judge.ask([]) == []
    assert [reply.text for reply in replies] == [f"answer to question {number}" for number in range(3)]
    assert {reply.reason for reply in replies} == {""} and {reply.tries for reply in replies} == {1}
    assert len(server.asked) == 3
    for body in server.asked:
        assert (body["model"], body["temperature"], body["max_tokens"], body["seed"]) == ("m", 0, 8, 1026)
        assert "structured_outputs" not in body and "response_format" not in body


@pytest.mark.parametrize(("choice", "choices", "held"), [(True, "AB", True), (False, "AB", False), (True, "", False)])
def test_a_server_is_held_to_the_allowed_answers_only_where_there_are_some_and_it_can_be(
    scripted, choice, choices, held
):
    server = scripted("A")
    with open_judge(server, choice=choice) as judge:
        judge.ask(CHATS[:1], choices=tuple(choices))
    assert server.asked[0].get("structured_outputs") == ({"choice": ["A", "B"]} if held else None)


def test_each_conversation_has_its_own_schema(scripted):
    server = scripted("{}")
    with open_judge(server, concurrency=1) as judge:
        judge.ask(CHATS[:2], schemas=[{"type": "object"}, {}])
    assert server.asked[0]["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert "response_format" not in server.asked[1]


def test_a_failure_is_a_reply_without_text_and_with_a_reason(scripted):
    with open_judge(scripted(500, 400), concurrency=1) as judge:
        (reply,) = judge.ask(CHATS[:1])
    assert (reply.text, reply.reason, reply.tries) == (None, "http_400", 2)


def test_behind_the_block_the_connections_are_closed(scripted):
    with open_judge(scripted("A")) as judge:
        judge.ask(CHATS[:1])
        assert not judge.server.closed
    assert judge.server.closed


def test_a_judge_without_a_server_is_refused():
    with pytest.raises(ValueError, match="a judge needs a server"):
        Judge(JudgeConfig())


def better(body):
    """Of two answers the longer one, and A where they are as long; what is `odd` it cannot read."""
    first, second = body["messages"][0]["content"].partition("### Answer A\n")[2].split("\n\n### Answer B\n")
    return "well ..." if "odd" in first + second else "A" if len(first) >= len(second) else "B"


def test_an_answer_wins_in_both_orders_and_the_pull_of_the_first_place_shows(scripted):
    pairs = [("long one", "one"), ("one", "longer"), ("same", "same"), ("odd", "one")]
    contests = [Contest("Q?", first, other, str(number)) for number, (first, other) in enumerate(pairs)]
    with open_judge(scripted(better)) as judge:
        found = prefer(judge, contests)
    assert found.verdicts == ["first", "other", "same", None]
    figures = found.figures(draws=200)
    assert (figures["wins"], figures["ties"], figures["losses"], figures["undecided"]) == (1, 1, 1, 1)
    assert sum(figures["failures"].values()) == 2
    assert figures["win_rate"] == 0.5 and figures["first_position"] == 4 / 6
    low, high = figures["interval_95"]
    assert 0 <= low <= 0.5 <= high <= 1


def test_a_tie_is_half_a_win(scripted):
    contests = [Contest("Q?", "same", "same", "1"), Contest("Q?", "one", "longer", "2")]
    with open_judge(scripted(better)) as judge:
        assert prefer(judge, contests).figures(draws=50)["win_rate"] == 0.75


def test_contests_that_nobody_decided_have_no_rate(scripted):
    with open_judge(scripted("well ...")) as judge:
        figures = prefer(judge, [Contest("Q?", "a", "b", "1")]).figures()
    assert figures["undecided"] == 1 and not {"win_rate", "interval_95", "first_position"} & set(figures)
