"""The judge of rejected answers against a real server: what it is asked, how its letter decides, who it is."""

import pytest

from eval.judges.upgrades import UpgradeConfig, UpgradeJudge, read_letter, request

VARIABLES = ("USED_MODEL", "CLIENT_IP", "OPENAI_API_KEY", "OPENAI_API_BASE")


@pytest.fixture
def serve(scripted, monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return scripted


def open_judge(server, **changes):
    fields = {"model": "own", "url": server.url, "tries": 3, "backoff_s": 0.01, "timeout_s": 5}
    return UpgradeJudge(UpgradeConfig(**fields | changes))


@pytest.mark.parametrize(
    ("wording", "truth", "reply", "right"),
    [
        ("math", "4", "They agree: \\boxed{Y}", True),
        ("math", "4", "\\boxed{y} at first, but no: \\boxed{N}", False),
        ("choices", "B", "\\boxed{\\text{b}}", True),
        ("choices", "(b) mill", "\\boxed{Z}", False),
        ("choices", "b mill", "\\boxed{B}", True),
        ("math", "4", "<think>\\boxed{N}</think> \\boxed{Y}", True),
    ],
)
def test_the_boxed_letter_decides_and_is_asked_for_once(serve, wording, truth, reply, right):
    server = serve(reply)
    asked = open_judge(server)
    first, second = (asked.decide(wording, "2 + 2?", "four", truth) for _ in range(2))
    assert (first.right, first.reason, first.reply, first.cached) == (right, "", reply, False)
    assert (second.right, second.reply, second.cached) == (right, reply, True)
    assert len(server.asked) == 1 and asked.counts == {"yes" if right else "no": 1, "cached": 1}


def test_ones_own_model_is_asked_again_with_another_seed_where_it_decides_nothing(serve):
    server = serve("I cannot say.", "\\boxed{B}", "\\boxed{Y}")  # a B answers no question of equality
    found = open_judge(server).decide("math", "2 + 2?", "four", "4")
    assert found.right is True
    bodies = server.asked
    assert [body["seed"] for body in bodies] == [0, 1, 2]
    assert [body["temperature"] for body in bodies] == [0.0, 0.3, 0.3]  # the first try is the same on every day
    assert all(body["model"] == "own" and body["max_tokens"] == 2048 for body in bodies)
    assert bodies[0]["messages"] == request("math", "2 + 2?", "four", "4") and server.keys == [None] * 3


def test_a_reply_without_a_verdict_decides_nothing_and_is_counted(serve):
    server = serve("I cannot say.")
    asked = open_judge(server)
    found = asked.decide("math", "2 + 2?", "four", "4")
    assert (found.right, found.reason, found.reply) == (None, "unparsed", "I cannot say.")
    assert len(server.asked) == 3 and asked.counts == {"unparsed": 1}
    assert not asked.decide("math", "2 + 2?", "four", "4").cached  # what decided nothing is not remembered


def test_a_server_that_fails_is_tried_as_often_as_the_config_says_and_then_named(serve):
    server = serve(500)
    asked = open_judge(server)
    found = asked.decide("math", "2 + 2?", "four", "4")
    assert found.right is None and found.reason and asked.counts == {found.reason: 1}
    assert len(server.asked) == 3


def test_a_hosted_model_is_sampled_as_published_and_wants_its_key(serve, monkeypatch):
    server = serve("\\boxed{Y}")
    with pytest.raises(ValueError, match="OPENAI_API_KEY"):
        UpgradeJudge(UpgradeConfig(model="gpt-4o"))
    monkeypatch.setenv("OPENAI_API_KEY", "k-1")
    assert UpgradeConfig(model="gpt-4o").address() == "https://api.openai.com/v1"
    monkeypatch.setenv("OPENAI_API_BASE", server.url)
    assert UpgradeJudge(UpgradeConfig(model="gpt-4o")).decide("math", "2 + 2?", "four", "4").right is True
    (body,) = server.asked
    assert body["temperature"] == 0.1 and "top_k" not in body and server.keys == ["Bearer k-1"]
    assert not UpgradeConfig(model="gpt-4o", url=server.url).hosted  # a server that is named is one's own
    assert [UpgradeConfig(model=name).hosted for name in ("o3-mini", "chatgpt", "own", "olmo")] == [1, 1, 0, 0]


def test_the_judge_is_named_by_the_config_or_else_by_the_environment(serve, monkeypatch):
    assert UpgradeConfig().name == ""
    monkeypatch.setenv("USED_MODEL", "no_api")
    assert UpgradeConfig().name == "" and UpgradeConfig(model="none").name == ""
    monkeypatch.setenv("USED_MODEL", "own")
    assert UpgradeConfig().name == "own" and UpgradeConfig(model="none").name == ""
    with pytest.raises(ValueError, match=r"the judge own needs a server: set judge\.url, or CLIENT_IP"):
        UpgradeConfig().address()
    monkeypatch.setenv("CLIENT_IP", "http://127.0.0.1:8001")
    assert UpgradeConfig().address() == "http://127.0.0.1:8001/v1"
    assert UpgradeConfig(url="http://a:1, http://b:2/v1").address() == "http://a:1/v1,http://b:2/v1"


def test_of_a_long_answer_the_end_is_sent_and_the_judge_of_choices_does_not_see_the_truth():
    (math,) = request("math", "Q?", "first words " + "x" * 6_000, "TRUTH")
    assert "first words" not in math["content"] and "x" * 6_000 in math["content"] and "TRUTH" in math["content"]
    (choices,) = request("choices", "Q?", "a", "TRUTH")
    assert "TRUTH" not in choices["content"]


@pytest.mark.parametrize(("reply", "letter"), [("<think>\\boxed{Y}", None), ("", None), ("\\boxed{ \\text{Y} }", "y")])
def test_a_letter_inside_thinking_that_never_ends_is_none(reply, letter):
    assert read_letter(reply) == letter


def test_a_record_shows_the_end_of_a_long_reply(serve):
    found = open_judge(serve("a" * 600 + "\\boxed{N}")).decide("math", "Q?", "a", "4").record("own", "math")
    assert (found["model"], found["wording"], found["right"], found["cached"]) == ("own", "math", False, False)
    assert found["reply"].endswith("a\\boxed{N}") and len(found["reply"]) == 500
