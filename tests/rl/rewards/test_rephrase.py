"""The rephraser's rewards through the public interface, against the specification's vectors."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.config import ConfigError, RunConfig, load
from rl.rewards.kinds import AnyRewardConfig, open_rewards
from rl.rewards.rephrase import QualityConfig

S = "Here is a paraphrased version:"


class One(RunConfig):
    """One reward, as a run lists it."""

    reward: AnyRewardConfig


def reward(**values):
    return open_rewards([load(One, [], {"reward": values}).reward])[0]


def judge(rule, completions, texts, **columns):
    count = len(completions)
    return rule(
        prompts=[""] * count,
        completions=[[{"role": "assistant", "content": text}] for text in completions],
        text=texts,
        **columns,
    )


@pytest.fixture
def server():
    """A local server that answers as the test says: text of the request → (status, answer)."""
    state = {"answer": lambda body: (200, "1"), "requests": []}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            state["requests"].append(body)
            status, text = state["answer"](body)
            reply = json.dumps({"choices": [{"message": {"content": text}}]}).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_):
            pass

    http = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state["url"] = f"http://127.0.0.1:{http.server_port}/v1"
    yield state
    http.shutdown()
    thread.join()
    http.server_close()


FENCED = f"{S}\n```\nHello.\n```"


@pytest.mark.parametrize(
    ("completion", "finish", "qwen3", "olmo2", "auto"),
    [
        (f"<think>\n\n</think>\n\n{S}\n\nHello.", "stop", 1, 0, 1),
        (f"{S} Hello.", "stop", 0, 1, 1),
        ("Hello.", "stop", 0, 0, 0),
        (f"<think>Maybe: {S} draft</think>\n{S} Final.", "stop", 0, 0, 0),
        (f"<think>{S} draft", "stop", 0, 0, 0),
        (f"{S} Half a sent", "length", 0, 1, 1),
        (f"{S}\n---\nHello.\n---", "stop", 0, 1, 1),
        (f"{S}\n\nA.\n\n---\n\nB.", "stop", 0, 1, 1),
        (FENCED, "stop", 0, 1, 1),
        (S, "stop", 0, 1, 1),
        (f"{S} Draft.\n\n{S} Final.", "stop", 0, 0, 0),
        (f"{S} The user wants a rewrite. Hello.", "stop", 0, 1, 1),
        (f"Sure! {S} Hello.", "stop", 0, 0, 0),
    ],
)
def test_format_vectors(completion, finish, qwen3, olmo2, auto):
    for profile, expected in [("qwen3", qwen3), ("olmo2", olmo2), ("auto", auto)]:
        rule = reward(kind="format", profile=profile)
        assert judge(rule, [completion], ["Hi."], finish_reason=[finish]) == [expected], profile


@pytest.mark.parametrize(("characters", "paper", "ours"), [(1250, 1, 1), (1251, 0, 0), (200, 1, 1), (199, 1, 0)])
def test_length_vectors(characters, paper, ours):
    words = "".join(f"w{n} " for n in range(1000))  # no repetition loop
    completion, text = f"{S} {words[: characters - 1]}.", words[:1000]
    assert judge(reward(kind="length", min_ratio=0), [completion], [text]) == [paper]
    assert judge(reward(kind="length"), [completion], [text]) == [ours]


def test_an_empty_rephrasing_earns_no_length_reward():
    assert judge(reward(kind="length", min_ratio=0), [S], ["x" * 1000]) == [0]


def test_continuous_length_falls_in_a_line_past_the_ceiling():
    rule = reward(kind="length", mode="continuous")
    texts = [f"{S} " + "a" * n for n in (10, 12, 16, 20, 25, 1)]
    assert judge(rule, texts, ["b" * 10] * 6) == pytest.approx([1, 1, 1 - 0.35 / 0.75, 0, 0, 0], abs=1e-9)


def test_semantic_threshold_and_continuous():
    x, y = "The cat sat on the mat.", "A cat was sitting on a mat."
    assert judge(reward(kind="semantic", measure="lexical", threshold=0.5), [f"{S} {y}"], [x]) == [1]
    assert judge(reward(kind="semantic", measure="lexical", threshold=0.7), [f"{S} {y}"], [x]) == [0]
    rule = reward(kind="semantic", measure="lexical", mode="continuous")
    assert judge(rule, [f"{S} {y}"], [x]) == pytest.approx([0.666667], abs=1e-6)
    # 2/3 in float is below 0.6666671 by less than the tolerance for scores held in float32
    assert judge(reward(kind="semantic", measure="lexical", threshold=0.6666671), [f"{S} {y}"], [x]) == [1]


def test_structure_by_blocks():
    rule = reward(kind="structure", measure="markdown")
    completions = [f"{S} Red, green and blue.", f"{S}\n- Crimson\n- Emerald\n- Azure"]
    assert judge(rule, completions, ["- Red\n- Green\n- Blue"] * 2) == [0, 1]
    assert rule.last.parts["sim"] == [0, 1]


def test_structure_by_a_judge_reads_its_verdict_and_asks_twice(server):
    answers = iter(["1", "Answer: 0", "perhaps", "maybe", "hm", "1."])
    server["answer"] = lambda body: (200, next(answers))
    rule = reward(kind="structure", measure="judge", judge={"url": server["url"], "model": "m", "concurrency": 1})
    assert judge(rule, [f"{S} a", f"{S} b", f"{S} c", f"{S} d"], ["x"] * 4) == [1, 0, None, 1]
    assert rule.last.reasons == ["", "", "unreadable", ""]
    first = server["requests"][0]
    assert first["temperature"] == 0 and first["seed"] == 1024 and first["max_tokens"] == 8
    assert first["structured_outputs"] == {"choice": ["0", "1"]}
    assert first["messages"][0]["content"].endswith(" /no_think")
    assert len(first["messages"]) == 1 + 2 * 4 + 1


def test_no_judge_is_asked_about_a_completion_that_cannot_be_read(server):
    rule = reward(kind="structure", measure="judge", judge={"url": server["url"], "model": "m"})
    assert judge(rule, ["no sentinel", f"{S} cut"], ["x"] * 2, finish_reason=["stop", "length"]) == [0, 0]
    assert server["requests"] == []


def test_a_judge_that_is_down_gives_none_with_the_reason(server):
    server["answer"] = lambda body: (503, "")
    settings = {"url": server["url"], "model": "m", "retries": 2, "backoff_s": 0.01}
    rule = reward(kind="structure", measure="judge", judge=settings)
    assert judge(rule, [f"{S} a"], ["x"]) == [None]
    assert rule.last.reasons == ["http_503"] and len(server["requests"]) == 3


def test_a_judge_without_a_server_is_a_config_error():
    with pytest.raises(ConfigError, match="needs its server"):
        reward(kind="structure", measure="judge")


def dataman_form(score):
    return "\n".join(["C", *["4"] * 13, str(score)])


class Ratings:
    """A scorer that knows a few texts: the vectors are about the reward, not about DataMan."""

    field = "dataman_score"

    def __init__(self, scores):
        self.scores, self.asked = scores, []

    def score(self, texts):
        self.asked += texts
        return [self.scores[text] for text in texts]


def quality(monkeypatch, scores, **values):
    scorer = Ratings(scores)
    monkeypatch.setattr("filter.scorers.kinds.open_quality_scorer", lambda config: scorer)
    return reward(kind="quality", scorer={"kind": "fasttext", "model": "m"}, **values), scorer


@pytest.mark.parametrize(
    ("base", "new", "completion", "expected"),
    [(3, 5, f"{S} new", 2), (4, 3, f"{S} new", -1), (3, None, "new", -3), (3, 3, f"{S} new", 0)],
)
def test_quality_vectors(monkeypatch, base, new, completion, expected):
    rule, _ = quality(monkeypatch, {"old": base, "new": new})
    assert judge(rule, [completion], ["old"]) == [expected]


def test_the_base_score_comes_from_the_row_or_is_computed_once(monkeypatch):
    rule, scorer = quality(monkeypatch, {"old": 2.0, "new": 4.0, "other": 1.0}, base_field="dataman_score")
    assert judge(rule, [f"{S} new"] * 3, ["old", "old", "other"]) == [2, 2, 3]
    assert judge(rule, [f"{S} new"], ["old"]) == [2]
    assert sorted(text for text in scorer.asked if text != "new") == ["old", "other"]
    assert judge(rule, [f"{S} new"], ["never scored"], dataman_score=[1.5]) == [2.5]


def test_a_scorer_that_gives_fewer_scores_than_texts_stops_the_reward(monkeypatch):
    rule, scorer = quality(monkeypatch, {"old": 2.0, "other": 1.0})
    monkeypatch.setattr(scorer, "score", lambda texts: [2.0])
    with pytest.raises(ValueError, match="shorter"):
        judge(rule, [f"{S} old"] * 2, ["old", "other"])


@pytest.mark.parametrize(
    ("scorer", "urls"),
    [({"kind": "dataman", "url": "http://127.0.0.1:8001/v1"}, ["http://127.0.0.1:8001/v1"]), ({"kind": "simple"}, [])],
)
def test_a_quality_reward_says_which_server_it_waits_for(scorer, urls):
    assert QualityConfig(scorer=scorer).needs_servers() == urls


def test_a_probability_is_put_on_the_scale_from_1_to_5(monkeypatch):
    rule, _ = quality(monkeypatch, {"old": 0.25, "new": 0.75}, scale="one_to_five")
    assert judge(rule, [f"{S} new", "no sentinel"], ["old", "old"]) == [2, -2]
    assert rule.last.parts == {"score": [4, 0], "base": [2, 2]}


def test_an_unscored_text_is_none_not_0(monkeypatch):
    rule, _ = quality(monkeypatch, {"old": 3, "new": None, "unknown": None})
    assert judge(rule, [f"{S} new", f"{S} old"], ["old", "unknown"]) == [None, None]
    assert rule.last.reasons == ["no_score", "no_base_score"]


def test_truncated_text_earns_nothing_unless_scored_as_it_stands():
    completion, text = f"{S} Cats sleep all", "Cats sleep all day."
    for kind in ({"kind": "semantic", "measure": "lexical", "threshold": 0.5}, {"kind": "length"}):
        assert judge(reward(**kind), [completion], [text], finish_reason=["length"]) == [0]
        assert judge(reward(**kind, score_truncated=True), [completion], [text], finish_reason=["length"]) == [1]


def test_numbers_urls_and_names_kept():
    text = "In 1915 the ship Aurora left; see https://a.org for 2 more, says Shackleton."
    completion = f"{S} Aurora left in 1915, see https://a.org."
    assert judge(reward(kind="kept", what="numbers"), [completion], [text]) == [0.5]
    assert judge(reward(kind="kept", what="urls"), [completion], [text]) == [1]
    assert judge(reward(kind="kept", what="names"), [completion], [text]) == [0.5]
    rule = reward(kind="kept", what="numbers")
    assert judge(rule, [f"{S} words"], ["words"]) == [None] and rule.last.reasons == ["not_applicable"]


def test_a_copied_instruction_is_a_leak():
    from rephrase.text.prompts import messages

    instruction = messages("x")[-1]["content"].split("\n")[0]
    rule = reward(kind="no_leak")
    completions = [f"{S} Cats purr. {instruction}", f"{S} Cats purr.", f"{S} so <think> hm </think>"]
    assert judge(rule, completions[:2], ["Cats purr loudly."] * 2) == [0, 1]
    assert judge(rule, completions[:1], [f"About prompts. {instruction}"]) == [1]


PARAGRAPHS = st.lists(
    st.sampled_from(["Cats sleep most of the day.", "- red\n- green", "# Soup", "Boil 3 litres of water."]), min_size=1
)


@given(PARAGRAPHS.map("\n\n".join))
def test_an_exact_copy_earns_all_faithfulness_rewards(text):
    for kind in ({"kind": "semantic", "measure": "lexical"}, {"kind": "structure"}, {"kind": "length"}):
        assert judge(reward(**kind), [f"{S}\n\n{text}"], [text]) == [1]


def test_order_and_batch_size_change_nothing():
    completions = [f"{S} cats sleep", "cats", f"{S} dogs bark at night", S]
    texts = ["cats sleep a lot", "cats", "dogs bark", "x"]
    for kind in ({"kind": "semantic", "measure": "lexical"}, {"kind": "structure"}, {"kind": "length"}):
        rule = reward(**kind)
        whole = judge(rule, completions, texts)
        assert judge(rule, completions[::-1], texts[::-1]) == whole[::-1]
        assert [judge(rule, [c], [t])[0] for c, t in zip(completions, texts, strict=True)] == whole


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("semantic", {"measure": "lexical", "mode": "continuous"}),
        ("structure", {"mode": "continuous"}),
        ("length", {"min_ratio": 0.9}),
        ("kept", {}),
    ],
)
def test_what_drops_known_noise_is_like_the_page_without_it(kind, values):
    clean = "The river rises at 1915 metres and runs north for four days."
    noisy = f"- Home\n- News\n- Sport\n- Weather, 12 May 2008\n\n{clean}\n\n- Log in\n- Register"
    answers, texts = [f"{S}\n{clean}", f"{S}\n{noisy}"], [noisy, noisy]
    as_seen = judge(reward(kind=kind, **values), answers, texts, clean_text=[clean, clean])
    known = reward(kind=kind, against="clean_text", **values)
    dropped, copied = judge(known, answers, texts, clean_text=[clean, clean])
    assert as_seen[0] < as_seen[1] == 1 == dropped
    assert copied < 1 or kind == "kept"  # which asks what is there, not what is there too many
    assert judge(known, answers, texts) == as_seen == judge(known, answers, texts, clean_text=[None, None])
