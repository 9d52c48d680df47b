"""The stage's work: every document comes out once, as text or as a counted reason, whatever the model says."""

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.config import load
from common.engines.config import ServerEngineConfig, TransformersEngineConfig
from common.engines.open import open_engine
from rephrase.config import RephraseConfig
from rephrase.health import Unhealthy
from rephrase.rephraser import Rephraser, request_seed
from rephrase.text.joining import Job, Joiner, Piece, faithfulness
from rephrase.text.postprocess import Reading
from rephrase.text.verbatim import Passage


@pytest.fixture(scope="module")
def engines(server_url):
    """Engines on the local server, by requests in flight."""
    opened = {
        size: open_engine(ServerEngineConfig(url=server_url, in_flight=size, backoff_s=0.01, retries=1), "stand-in")
        for size in (1, 8, 64)
    }
    yield opened
    for engine in opened.values():
        engine.close()


def config_of(**options):
    options = {"input": "in", "output": "out", "model": "stand-in", "engine": {"kind": "server"}, **options}
    options.setdefault("health", {"max_truncated": 1, "max_bad": 1, "max_engine_errors": 1})
    return load(RephraseConfig, [], options)


def run(engine, documents, **options):
    return list(Rephraser(config_of(**options), engine)(iter(documents)))


def documents_of(*texts):
    return [{"id": f"d{n}", "text": text, "url": f"http://x/{n}", "metadata": {"n": n}} for n, text in enumerate(texts)]


def text_of(result):
    return result.document["text"] if result.reason is None else result.reason


def test_documents_come_back_in_order_with_all_their_fields(engines):
    documents = documents_of("First one.", "[[slow 0.2]] Second.", "Third.")
    results = run(engines[8], documents)
    assert [text_of(r) for r in results] == ["FIRST ONE.", "[[SLOW 0.2]] SECOND.", "THIRD."]
    for document, result in zip(documents, results, strict=True):
        assert {k: v for k, v in result.document.items() if k != "rephrase"} == {**document, "text": text_of(result)}


def test_the_record_says_what_was_done(engines):
    (result,) = run(engines[8], documents_of("One two.\r\n\r\nThree four."), max_chars=10, min_tail=0, scores=True)
    record = result.document["rephrase"]
    assert record["model"] == "stand-in" and record["prompt"] == "repro" and record["seconds"] is None
    assert [(c["start"], c["end"]) for c in record["chunks"]] == [(0, 8), (10, 15), (16, 21)]
    assert all(c["status"] == "ok" and c["finish_reason"] == "stop" and c["attempts"] == 1 for c in record["chunks"])
    assert record["semantic"] == 1.0 and record["structure"] == 1.0 and record["length_ratio"] > 0.9
    assert result.counts["chunks_in"] == result.counts["chunks_ok"] == len(record["chunks"])
    assert result.counts["tokens_prompt"] > result.counts["tokens_completion"] > 0


def test_seconds_are_recorded_when_asked_for(engines):
    (result,) = run(engines[8], documents_of("[[slow 0.1]] One."), record_seconds=True)
    assert result.document["rephrase"]["seconds"] >= 0.1


def test_chunks_join_as_they_stood(engines):
    (result,) = run(engines[8], documents_of("Aa bb.\n\nCc dd.\nEe ff. Gg hh."), max_chars=8, min_tail=0)
    assert text_of(result) == "AA BB.\n\nCC DD.\nEE FF. GG HH."


def test_blind_cuts_join_with_a_space(engines):
    (result,) = run(engines[8], documents_of("abcdefgh"), max_chars=3, cut="blind")
    assert text_of(result) == "ABC DEF GH"


TROUBLE = ["[[mute]] a", "[[cut]] b", "[[odd]] c", "[[odd]] d", "[[refuse]] f", "[[abort]] g", "  ", "fine"]
PARTS = st.lists(st.sampled_from(TROUBLE), max_size=5)


@settings(max_examples=10)
@given(PARTS, st.sampled_from(["drop_document", "keep_organic", "drop_chunk"]), st.sampled_from([1, 3]))
def test_every_document_comes_out_once_and_concurrency_changes_nothing(engines, texts, on_bad_chunk, rollouts):
    documents = documents_of(*("\n\n".join(texts[n:]) for n in range(len(texts))))
    options = {"max_chars": 14, "min_tail": 0, "on_bad_chunk": on_bad_chunk, "rollouts_per_document": rollouts}
    one = run(engines[1], documents, **options)
    many = run(engines[64], documents, **options)
    assert one == many
    assert len(one) == len(documents)
    for document, result in zip(documents, one, strict=True):
        assert (result.reason is None) != (result.document is None)
        kept = result.document if isinstance(result.document, list) else [result.document] if result.document else []
        assert all(copy["text"] and copy["url"] == document["url"] for copy in kept)


def test_a_failed_chunk_is_tried_again_with_another_seed(engines):
    documents = documents_of(*(f"[[odd]] number {n}" for n in range(40)))
    results = run(engines[64], documents, retries=1)
    for document, result in zip(documents, results, strict=True):
        seeds = [request_seed(42, document["id"], 0, 0, attempt) for attempt in range(2)]
        tries = next((n for n, seed in enumerate(seeds, 1) if seed % 2 == 0), None)
        if tries is None:
            assert result.reason == "missing_sentinel" and result.counts["attempts"] == 2
        else:
            assert result.document["rephrase"]["chunks"][0]["attempts"] == tries
    assert {r.counts["attempts"] for r in results} == {1, 2}


def test_greedy_decoding_is_not_tried_again(engines):
    (result,) = run(engines[8], documents_of("[[mute]] x"), retries=3, temperature=0)
    assert result.counts["attempts"] == 1


@pytest.mark.parametrize(
    ("on_bad_chunk", "text"),
    [
        ("drop_document", "truncated"),
        ("keep_organic", "GOOD ONE.\n\n[[cut]] bad.\n\nLAST ONE."),
        ("drop_chunk", "GOOD ONE.\n\nLAST ONE."),
    ],
)
def test_what_becomes_of_a_bad_chunk(engines, on_bad_chunk, text):
    documents = documents_of("Good one.\n\n[[cut]] bad.\n\nLast one.")
    (result,) = run(engines[8], documents, max_chars=12, min_tail=0, on_bad_chunk=on_bad_chunk)
    assert text_of(result) == text
    assert result.counts["chunk_statuses"] == {"ok": 2, "truncated": 1}
    chunks = (result.document or result.source)["rephrase"]["chunks"]
    assert chunks[1]["flags"] == (["kept_organic"] if on_bad_chunk == "keep_organic" else [])


def test_nothing_left_is_a_drop_not_an_empty_line(engines):
    results = run(engines[8], documents_of("[[mute]]", " \n "), on_bad_chunk="drop_chunk")
    assert [r.reason for r in results] == ["empty", "blank"]
    assert results[0].aside and results[0].source["text"] == "[[mute]]" and results[0].source["rephrase"]["chunks"]


def test_rollouts_are_numbered_or_the_most_faithful_is_kept(engines):
    documents = documents_of("One two three.")
    (result,) = run(engines[8], documents, rollouts_per_document=3)
    assert [copy["id"] for copy in result.document] == ["d0#0", "d0#1", "d0#2"]
    (result,) = run(engines[8], documents, rollouts_per_document=3, select_best="faithful")
    assert result.document["id"] == "d0" and result.counts["chunks_in"] == 3
    with pytest.raises(ValueError, match="rollouts_per_document above 1"):
        config_of(select_best="faithful")


def test_routing_by_score(engines):
    documents = [{"id": n, "text": "Text.", "q": score} for n, score in enumerate([0.1, 0.5, 0.9, None])]
    route = {"field": "q", "min_score": 0.2, "max_score": 0.6}
    assert [text_of(r) for r in run(engines[8], documents, route=route)] == ["Text.", "TEXT.", "Text.", "no_score"]
    found = [text_of(r) for r in run(engines[8], documents, route={**route, "outside": "discard"})]
    assert found == ["routed_out", "TEXT.", "routed_out", "no_score"]


def test_carry_shows_the_previous_output_and_goes_in_turn(engines):
    (result,) = run(engines[8], documents_of("Aa.\n\nBb.\n\nCc."), max_chars=4, min_tail=0, carry="previous_output")
    first, second, third = text_of(result).split("\n\n(")
    assert first == "AA."
    assert "TO BE REPEATED: AA.)" in second and second.endswith("BB.")
    assert third.endswith("CC.") and "BB.)" in third


def test_a_sick_run_stops(engines):
    bad = documents_of(*["[[cut]]"] * 6, *["Fine."] * 20)
    with pytest.raises(Unhealthy, match=r"max_truncated.*share of 0\.05"):
        run(engines[64], bad, health={"max_truncated": 0.05, "max_bad": 1, "min_chunks": 26})
    with pytest.raises(Unhealthy, match="max_bad"):
        run(engines[64], bad, health={"max_truncated": 1, "max_bad": 0.1, "min_chunks": 26})
    assert len(run(engines[64], bad, health={"max_truncated": 0.25, "max_bad": 0.25, "min_chunks": 26})) == 26
    assert len(run(engines[64], bad, health={"min_chunks": 27})) == 26  # too few to judge
    with pytest.raises(Unhealthy, match="answered none of the first 20"):
        run(engines[64], documents_of(*["[[refuse]]"] * 25), health={})


def test_a_slow_document_does_not_let_memory_grow(engines):
    taken = []

    def source():
        for document in documents_of("[[slow 1]] head", *["quick"] * 100):
            taken.append(document["id"])
            yield document

    results = Rephraser(config_of(), engines[8])(source())
    assert text_of(next(results)) == "[[SLOW 1]] HEAD"
    assert len(taken) <= 64  # the most that may be open
    assert len(list(results)) == 100


def test_a_server_without_a_tokenizer_reports_no_tokens_of_texts(engines):
    (result,) = run(engines[8], documents_of("One."))
    assert "tokens_kept" not in result.counts and "tokens_organic" not in result.counts


def test_a_token_budget_needs_a_tokenizer(engines):
    with pytest.raises(ValueError, match=r"engine\.tokenizer"):
        run(engines[8], [], max_chunk_tokens=100)


def test_results_are_json(engines):
    for result in run(engines[8], documents_of("One.", "[[refuse]]")):
        json.dumps(result.document or result.source)


def test_seeds_are_spread_and_fixed():
    seeds = {
        request_seed(42, f"d{n}", c, r, a) for n in range(50) for c in range(3) for r in range(2) for a in range(2)
    }
    assert len(seeds) == 600 and all(0 <= seed < 2**31 for seed in seeds)
    assert request_seed(42, "d0", 0, 0, 0) == request_seed(42, "d0", 0, 0, 0) != request_seed(43, "d0", 0, 0, 0)


def test_a_real_model_gets_chunks_that_fit_it(tiny_model):
    with open_engine(TransformersEngineConfig(), tiny_model) as engine:
        rephraser = Rephraser(config_of(max_new_tokens=64, temperature=0, model=tiny_model), engine)
        assert rephraser.max_tokens == 51  # 64 / 1.25
        results = list(rephraser(iter(documents_of("The cat sat on the mat. " * 30, "Rain fell all day."))))
        assert len(results[0].counts) and all("engine_error" not in r.counts["chunk_statuses"] for r in results)
        assert results[0].counts["chunks_in"] > 2 and results[1].counts["tokens_organic"] > 0
        assert Rephraser(config_of(max_chunk_tokens=20, model=tiny_model, max_new_tokens=64), engine).max_tokens == 20
        with pytest.raises(ValueError, match="leave no room"):
            Rephraser(config_of(max_new_tokens=engine.max_model_len - 10, model=tiny_model), engine)


def test_the_most_faithful_of_several_is_the_one_that_keeps_words_form_and_length():
    organic = "Bees store honey for winter. Bakers knead the dough twice."
    same = "Bees store honey for winter. Bakers knead dough twice."
    less = "Bees store honey. Bakers knead."
    bullets = "- Bees store honey for winter.\n- Bakers knead the dough twice."
    grades = [faithfulness(organic, text) for text in (organic, same, less, bullets)]
    assert grades[0] == 2 and grades == [*sorted(grades[:3], reverse=True), grades[3]] and grades[3] < grades[0]
    assert faithfulness(organic, organic + " And more." * 2) == -1  # beyond 1.25 of its length, however good
    assert faithfulness(organic, organic[:11]) == -1  # below a fifth


def test_of_several_rollouts_the_best_is_kept_wherever_it_stands():
    organic = {"id": "d0", "text": "Bees store honey for winter. Bakers knead the dough twice."}
    worse, best = "Bees store honey. Bakers knead.", "Bees store honey for winter. Bakers knead dough twice."
    config = config_of(rollouts_per_document=3, select_best="faithful", keep_organic_text=True)
    for texts in itertools.permutations([worse, best, "Something else altogether, said of nothing at all here now."]):
        pieces = [[Piece(reading=Reading(text, "ok", ()))] for text in texts]
        result = Joiner(config, None).finish(Job(organic, [Passage(organic["text"], "")], pieces, 0, None))
        assert result.document["text"] == best and result.document["id"] == "d0"
