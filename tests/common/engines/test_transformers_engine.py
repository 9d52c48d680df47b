"""Engines: what every back-end promises, held by the one that runs anywhere."""

import importlib.util

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from common.config import RunConfig, load
from common.engines.config import EngineConfig, ServerEngineConfig, TransformersEngineConfig, VLLMEngineConfig
from common.engines.open import check_engine, open_engine
from common.engines.requests import Request
from common.engines.transformers_engine import penalised, sample

TEXT = "the cat sat on a mat and the dog ran in a park while water boiled for ten minutes"
WORDS = TEXT.split()


def ask(number, **options):
    """A chat request whose length depends on its number."""
    text = " ".join(WORDS[(number + i) % len(WORDS)] for i in range(1 + 3 * number % 17))
    options = {"max_tokens": 12, "temperature": 0.0, **options}
    return Request(id=str(number), messages=[{"role": "user", "content": text}], **options)


def answers(engine, requests):
    return {c.request_id: c for c in engine.stream(requests)}


@pytest.fixture(scope="module")
def engine(chat_model):
    with open_engine(TransformersEngineConfig(batch_size=4, window=9), chat_model) as engine:
        yield engine


def plain_ids(engine, request):
    """The slowest decoder there is: no cache, no batch."""
    ids = engine.render(request)
    out = []
    while len(out) < request.max_tokens and (not out or out[-1] not in engine.end_ids):
        out.append(int(engine.lm(torch.tensor([ids + out])).logits[0, -1].argmax()))
    return out


def plain_greedy(engine, request):
    out = plain_ids(engine, request)
    ended = out[-1] in engine.end_ids
    text = engine.tokenizer.decode(out[:-1] if ended else out, skip_special_tokens=True)
    return text, "stop" if ended else "length", len(out)


def test_greedy_batches_equal_plain_decoding(engine):
    requests = [ask(n, max_tokens=5 + n) for n in range(11)]
    found = answers(engine, requests)
    assert len(found) == 11
    for request in requests:
        completion = found[request.id]
        expected = plain_greedy(engine, request)
        assert (completion.text, completion.finish_reason, completion.tokens_out) == expected
        assert completion.tokens_in == len(engine.render(request))
        assert completion.error is None and completion.seconds > 0


def test_an_end_token_stops_a_completion_and_is_counted(engine, monkeypatch):
    request = ask(0, max_tokens=10)
    # A random model may never end by itself, so a token that it does write becomes an end token.
    monkeypatch.setattr(engine, "end_ids", [*engine.end_ids, plain_ids(engine, request)[4]])
    completion = answers(engine, [request])["0"]
    expected = plain_greedy(engine, request)
    assert (completion.text, completion.finish_reason, completion.tokens_out) == expected
    assert completion.finish_reason == "stop" and completion.tokens_out <= 5


def test_a_stop_text_ends_the_completion_and_is_not_in_it(engine):
    whole = plain_greedy(engine, ask(3))[0]
    middle = whole[len(whole) // 2 : len(whole) // 2 + 2]
    completion = answers(engine, [ask(3, stop=(middle, "never"))])["3"]
    assert completion.text == whole[: whole.index(middle)]
    assert completion.finish_reason == "stop"


def test_the_same_stream_twice_gives_the_same(engine):
    requests = [ask(n, temperature=1.0, seed=n) for n in range(20)]
    first, second = answers(engine, requests), answers(engine, requests)
    assert {i: c.text for i, c in first.items()} == {i: c.text for i, c in second.items()}


def test_a_request_samples_from_its_own_seed_whatever_is_beside_it(engine):
    alone = answers(engine, [ask(5, temperature=1.0, seed=7)])["5"].text
    crowd = [ask(n, temperature=1.0, seed=100 + n) for n in range(12) if n != 5]
    assert answers(engine, [*crowd, ask(5, temperature=1.0, seed=7)])["5"].text == alone
    assert answers(engine, [ask(5, temperature=1.0, seed=8)])["5"].text != alone


def test_a_prompt_without_room_fails_alone(engine):
    long = Request(id="long", prompt="cat " * 600, max_tokens=12)
    found = answers(engine, [ask(1), long, ask(2)])
    assert found["long"].finish_reason == "error" and "the model takes 512" in found["long"].error
    assert found["long"].text == "" and found["1"].error is None and found["2"].error is None


def test_a_retry_may_follow_from_a_completion(engine):
    queue = [ask(0)]
    seen = []

    def source():
        while len(seen) < 3:
            yield queue.pop() if queue else None

    for completion in engine.stream(source()):
        seen.append(completion.request_id)
        queue.append(ask(len(seen)))
    assert seen == ["0", "1", "2"]


def test_a_source_that_waits_for_nothing_is_told(engine):
    with pytest.raises(RuntimeError, match="none is in flight"):
        list(engine.stream([None]))


def test_the_source_is_not_read_ahead_of_the_window(engine):
    taken = []

    def source():
        for n in range(30):
            taken.append(n)
            yield ask(n)

    stream = engine.stream(source())
    next(stream)
    assert len(taken) == engine.limit == 9
    stream.close()
    assert len(answers(engine, [ask(1)])) == 1  # what was in flight is forgotten


def test_one_stream_at_a_time(engine):
    stream = engine.stream([ask(1), ask(2)])
    next(stream)
    with pytest.raises(RuntimeError, match="one stream at a time"):
        next(engine.stream([ask(3)]))
    stream.close()


def test_raw_prompts_are_not_templated(engine):
    request = Request(id="raw", prompt="the cat", max_tokens=3, temperature=0)
    assert engine.render(request) == engine.tokenizer("the cat")["input_ids"]
    assert answers(engine, [request])["raw"].tokens_out == 3


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=6), st.floats(0.05, 1.0), st.floats(0, 0.999))
def test_sampling_is_the_inverse_distribution_of_the_nucleus(logits, top_p, draw):
    row = torch.tensor(logits, dtype=torch.float64)
    token = int(sample(row[None], torch.tensor([top_p]), torch.tensor([draw], dtype=torch.float64)))
    nucleus, mass = [], 0.0
    for candidate in sorted(range(len(logits)), key=lambda i: (-float(row[i]), i)):
        if mass < top_p:
            nucleus.append((candidate, mass, mass := mass + float(row.softmax(-1)[candidate])))
    _, low, high = next(interval for interval in nucleus if interval[0] == token)
    assert low - 1e-6 <= draw * mass <= high + 1e-6


def test_sampled_shares_follow_the_distribution():
    logits = torch.tensor([0.5, 0.3, 0.2]).log().repeat(10_000, 1)
    draws = torch.arange(10_000) / 10_000
    counts = sample(logits, torch.full((10_000,), 0.75), draws).bincount(minlength=3)
    # The nucleus of 0.75 is the first two, rescaled: 0.5 / 0.8 and 0.3 / 0.8.
    assert counts.tolist() == pytest.approx([6250, 3750, 0], abs=2)


@pytest.mark.parametrize(
    ("top_k", "top_p", "shares"),
    [(2, 1.0, [6250, 3750, 0]), (0, 1.0, [5000, 3000, 2000]), (1, 1.0, [10_000, 0, 0]), (2, 0.6, [10_000, 0, 0])],
)
def test_the_nucleus_is_taken_from_the_likeliest_k(top_k, top_p, shares):
    # 0.5 / 0.8 is above 0.6, so of the first two only the first is in that nucleus.
    logits = torch.tensor([0.5, 0.3, 0.2]).log().repeat(10_000, 1)
    found = sample(logits, torch.full((10_000,), top_p), torch.arange(10_000) / 10_000, torch.full((10_000,), top_k))
    assert found.bincount(minlength=3).tolist() == pytest.approx(shares, abs=2)


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=8), st.lists(st.integers(0, 2), min_size=1), st.floats(0.5, 2))
def test_the_repetition_penalty_is_that_of_transformers(logits, seen, penalty):
    from transformers import RepetitionPenaltyLogitsProcessor

    row = torch.tensor(logits)
    theirs = RepetitionPenaltyLogitsProcessor(penalty)(torch.tensor([seen]), row[None].clone())[0]
    torch.testing.assert_close(penalised(row, seen, penalty), theirs)


def test_a_penalised_request_leaves_its_neighbours_alone(engine):
    plain = Request(id="plain", prompt="the cat the cat", max_tokens=8, temperature=0)
    other = Request(id="other", prompt="the cat the cat", max_tokens=8, temperature=0, repetition_penalty=50.0)
    alone = answers(engine, [plain])["plain"].text
    both = answers(engine, [plain, other])
    assert both["plain"].text == alone != both["other"].text


class Holder(RunConfig):
    """Something with an engine."""

    engine: EngineConfig = TransformersEngineConfig()


def test_an_engine_is_named_by_a_word_or_a_url():
    assert isinstance(load(Holder, [], {"engine": "server"}).engine, ServerEngineConfig)
    assert isinstance(load(Holder, [], {"engine": "vllm"}).engine, VLLMEngineConfig)
    found = load(Holder, [], {"engine": "server", "engine.url": "http://127.0.0.1:1/v1"}).engine
    assert found == ServerEngineConfig(url="http://127.0.0.1:1/v1")
    with pytest.raises(ValueError, match=r"engine.*'sglang'"):
        load(Holder, [], {"engine": "sglang"})


@pytest.mark.parametrize(
    ("config", "model", "message"),
    [
        ({"kind": "transformers"}, "./nowhere", "no model at ./nowhere"),
        ({"kind": "server", "url": "http://127.0.0.1:9/v1", "start_timeout_s": 0}, "m", "no server at http"),
        ({"kind": "server", "api_key_env": "NO_SUCH_KEY_SET"}, "m", "NO_SUCH_KEY_SET"),
    ],
)
def test_what_is_missing_is_said_in_one_line(config, model, message):
    with pytest.raises(ValueError, match=message):
        open_engine(TypeAdapter(EngineConfig).validate_python(config), model)


def test_vllm_is_missed_before_anything_loads(chat_model):
    if importlib.util.find_spec("vllm"):
        pytest.skip("vllm is installed here")
    with pytest.raises(ValueError, match="vllm package is not installed"):
        check_engine(VLLMEngineConfig(), chat_model)


def test_requests_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="messages or a prompt"):
        Request(id="a")
    with pytest.raises(ValueError, match="max_tokens"):
        Request(id="a", prompt="x", max_tokens=0)


def test_a_row_leaves_its_batch_at_its_deadline(chat_model):
    messages = [{"role": "user", "content": "the cat"}]
    requests = [
        Request(id="late", messages=messages, max_tokens=400, temperature=1.0, top_p=1.0, seed=1, deadline_s=1e-6),
        Request(id="fine", messages=messages, max_tokens=4, temperature=0.0, deadline_s=600),
    ]
    with open_engine(TransformersEngineConfig(), chat_model) as engine:
        found = {completion.request_id: completion for completion in engine.stream(requests)}
    assert found["late"].error.startswith("deadline: no end") and found["fine"].finish_reason in ("stop", "length")
