"""The audit finds what is wrong with two bad verifiers and with public ones, and survives crashes and hangs."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from eval.verifiers.audit.__main__ import main
from eval.verifiers.audit.course import KINDS, Audit, kind_of
from eval.verifiers.audit.targets import form_of, number
from eval.verifiers.audit.vectors import read_truth, read_vectors

MATH = {vector.id: vector for vector in read_vectors() if vector.verifier == "math"}
BY_WHY = {vector.why: vector for vector in MATH.values()}

BAD = '''
import os, sys, time

def evaluates(solution_str, ground_truth, data_source=None, extra_info=None):
    """Runs what stands in the box, as the first public reward functions did."""
    answer = solution_str.split("boxed{")[-1].rsplit("}", 1)[0]
    if "^" in answer:
        while True:
            pass
    if "binom" in answer:
        os.abort()
    if "frac" in answer:
        return "right"
    try:
        return float(eval(answer) == eval(ground_truth))
    except Exception:
        return float(answer == ground_truth)

def contains(completions, solution, **kwargs):
    """Looks for the reference anywhere in the text; None for sets."""
    return [None if "{" in gold else float(gold in chat[0]["content"]) for chat, gold in zip(completions, solution)]

def plain(gold, prediction):
    return gold in prediction

def unclear(first, second, third):
    return True
'''


@pytest.fixture
def bad(tmp_path, monkeypatch):
    (tmp_path / "bad_rewards.py").write_text(BAD)
    monkeypatch.chdir(tmp_path)


def kinds(target, *vectors, limit_s=1.0):
    with Audit(target, limit_s) as audit:
        audit.start()
        return [audit.judge(vector) for vector in vectors]


def test_a_verifier_that_evaluates_is_unsafe_slow_and_crashes_and_the_audit_goes_on(bad):
    vectors = [
        BY_WHY["code in the box: nothing is run"],
        BY_WHY["a tower of powers: bounded work"],
        BY_WHY["a binomial coefficient"],
        BY_WHY["a fraction without braces"],
        BY_WHY["the plain case"],
        BY_WHY["thousands separator"],
        BY_WHY["a hundred times too large"],
        BY_WHY["a hedge inside the box"],
    ]
    found = kinds("bad_rewards:evaluates", *vectors)
    expected = ["unsafe", "slow", "crashed", "crashed", "fine", "missed", "fine", "accepted"]
    assert [case.kind for case in found] == expected, found
    assert "verifier_was_here" in found[0].message
    assert found[7].vector.completion == "\\boxed{1 or 2}"


def test_a_verifier_that_looks_for_the_reference_accepts_hedges_and_other_forms(bad):
    vectors = [BY_WHY[why] for why in ("a hedge over two boxes", "no box", "a set has no order", "a factorial")]
    found = kinds("bad_rewards:contains", *vectors)
    assert [case.kind for case in found] == ["accepted", "form", "unjudged", "missed"]


def test_the_command_prints_what_is_wrong_with_inputs_and_a_table(bad, tmp_path, capsys):
    own = tmp_path / "mine.jsonl"
    own.write_text(json.dumps({"gold": "7", "right": ["7", "7.0"], "wrong": "8 or 7"}) + "\n")
    vector = {"id": "mine-1", "verifier": "mine", "ground_truth": "7", "completion": "7", "score": 1.0, "why": "mine"}
    (tmp_path / "vectors.jsonl").write_text(json.dumps(vector) + "\n")
    main(["bad_rewards:plain", "verifiers=mine", "truth=vectors.jsonl,mine.jsonl", "out=found.jsonl"])
    printed = capsys.readouterr().out
    assert "== bad_rewards:plain" in printed
    assert printed.splitlines()[-1].split()[:4] == ["bad_rewards:plain", "1", "0", "0"]
    rows = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    assert [(row["id"], row["kind"]) for row in rows] == [("mine-1", "fine")]
    assert [(vector.score, vector.completion) for vector in read_truth(str(own))] == [
        (1.0, "\\boxed{7}"),
        (1.0, "\\boxed{7.0}"),
        (0.0, "\\boxed{8 or 7}"),
    ]


@pytest.mark.parametrize("target", ["bad_rewards:unclear", "bad_rewards:absent", "no_such_module:f", "ours"[:3]])
def test_a_target_that_cannot_be_called_is_one_line(bad, target, capsys):
    with pytest.raises(SystemExit) as stop:
        main([target])
    assert stop.value.code == 2
    assert "target" in capsys.readouterr().err


def test_a_verdict_that_changes_beside_busy_processes_is_found(bad, tmp_path):
    # Time by the clock decides: alone the second call is quick, and a marker stands for the load that slows it.
    (tmp_path / "hurried.py").write_text(
        "calls = []\ndef reward(completion, ground_truth):\n    calls.append(1)\n    return len(calls) == 1\n"
    )
    with Audit("hurried:reward", 5) as audit:
        audit.start()
        (case,) = audit.run([BY_WHY["the plain case"]], busy=1)
    assert case.kind == "load-dependent"
    assert "fine (1.0) alone" in case.message


class Endpoint(BaseHTTPRequestHandler):
    """An endpoint that says yes to everything, and fails for fractions."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        data = b'{"score": 1.0}'
        self.send_response(500 if "frac" in body["completion"] else 200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def test_an_endpoint_is_audited_over_http():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        vectors = [BY_WHY[why] for why in ("the plain case", "another base", "a fraction without braces")]
        found = kinds(f"http://127.0.0.1:{server.server_port}/score", *vectors, limit_s=5)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert [case.kind for case in found] == ["fine", "accepted", "crashed"]
    assert "http_500" in found[2].message


@pytest.mark.parametrize(
    ("target", "missed", "accepted"),
    [
        ("math-verify", "a percent sign on one side: the fraction", "another base"),
        ("trl", "a percent sign on one side: the fraction", "another base"),
        ("lm-eval-hendrycks", "a power worked out", None),
        pytest.param(
            "lm-eval-minerva", "a percent sign on one side: the fraction", "another base", marks=pytest.mark.slow
        ),
    ],
)
def test_public_verifiers_miss_and_accept(target, missed, accepted):
    pytest.importorskip("math_verify")
    pytest.importorskip("lm_eval")
    vectors = [BY_WHY["the plain case"], BY_WHY[missed], *([BY_WHY[accepted]] if accepted else [])]
    found = kinds(target, *vectors, limit_s=5)
    assert [case.kind for case in found] == ["fine", "missed", "accepted"][: len(vectors)], found


def test_ours_misses_nothing_and_accepts_nothing():
    names = ("math", "choice", "table", "graph", "ordering", "grid", "zebra")
    own = [vector for vector in read_vectors() if vector.verifier in names]
    with Audit("ours") as audit:
        found = list(audit.run(own))
    assert {case.kind for case in found} == {"fine"}, [case for case in found if case.kind != "fine"]


def test_verdicts_of_many_shapes_are_numbers():
    assert [number(one) for one in (True, 0, {"score": 0.5}, [1], None, {"correct": False})] == [1, 0, 0.5, 1, None, 0]
    with pytest.raises(TypeError):
        number("right")


def test_functions_are_called_as_their_arguments_say():
    assert form_of(lambda data_source, solution_str, ground_truth, extra_info=None: 0) == "verl"
    assert form_of(lambda completions, **kwargs: 0) == "trl"
    assert form_of(lambda answer, gold: 0) == "plain"


def test_a_kind_is_said_for_each_verdict():
    right, wrong, form = BY_WHY["the plain case"], BY_WHY["another base"], BY_WHY["no box"]
    assert [kind_of(right, one) for one in (1, 0.99, None)] == ["fine", "missed", "unjudged"]
    assert [kind_of(wrong, one) for one in (1, 0.5, None)] == ["accepted", "fine", "unjudged"]
    assert kind_of(form, 1) == "form"
    assert set(KINDS) > {"missed", "accepted", "form", "crashed", "slow", "unsafe", "load-dependent"}
