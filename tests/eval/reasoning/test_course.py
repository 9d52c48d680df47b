"""Whole runs against a real server: failures, stuck samples, kills, shares, and nothing asked twice."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from common.samples import read_samples
from eval.run import main

QUESTIONS, SAMPLES = 24, 4
ROOT = Path(__file__).parents[3]

DRIVER = """
import os, random, signal, sys, time
import httpx, numpy.ma
import common.engines.server_engine, eval.runner.course, eval.verifiers.strict.mathematics
from eval.run import main

kills, path, arguments = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
chance = random.Random(kills)
inside = 0

def size():
    return os.path.getsize(path) if os.path.exists(path) else 0

for attempt in range(kills):
    stop_at = size() + chance.randrange(1, 2500)
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        try:
            main(arguments)
        finally:
            os._exit(0)
    end = time.monotonic() + chance.uniform(0.05, 3)
    while size() < stop_at and time.monotonic() < end and os.waitpid(child, os.WNOHANG) == (0, 0):
        time.sleep(0.0005)
    inside += 0 < size() and size() >= stop_at
    try:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    except (ProcessLookupError, ChildProcessError):
        pass
main(arguments)
print("killed while it wrote:", inside)
"""
"""Imports once, then starts a run in a fork, kills it, and again; the last one may end."""


@pytest.fixture
def arguments(sums, sums_task, tmp_path):
    def make(name="out", **more):
        options = {
            "model": "sums",
            "tasks": str(sums_task),
            "data": str(sums_task.parent),
            "engine.url": sums.url,
            "engine.backoff_s": 0.01,
            "engine.in_flight": 8,
            "output_file": str(tmp_path / f"{name}.json"),
            "draws": 200,
            **more,
        }
        return [f"{key}={value}" for key, value in options.items()]

    return make


def cell(tmp_path, name="out"):
    record = json.loads((tmp_path / f"{name}.json").read_text("utf-8"))
    return record["reasoning"]["cells"]["sums"]


def test_a_run_against_a_slow_and_failing_server_counts_right(arguments, sums, tmp_path, capsys):
    main(arguments())
    found = cell(tmp_path)
    assert found["questions"] == QUESTIONS and found["samples"] == found["judged"] == QUESTIONS * SAMPLES
    samples = list(read_samples(tmp_path / "out" / "samples"))
    assert len(samples) == QUESTIONS * SAMPLES
    statuses = Counter(sample.verdicts["strict"]["status"] for sample in samples)
    assert found["status"] == dict(statuses) and set(statuses) >= {"correct", "wrong", "truncated", "unparseable"}
    right = Counter(sample.id for sample in samples if f"\\boxed{{{eval_sum(sample.id)}}}" in sample.completion)
    assert statuses["correct"] == sum(right.values())
    assert found["score"] == pytest.approx(sum(right.values()) / len(samples))
    assert found["truncated"] == sum(sample.finish_reason == "length" for sample in samples) / len(samples)
    assert found["backtracking"]["answers"] == sum("Wait" in sample.completion for sample in samples) / len(samples)
    assert found["settings"]["temperature"] == 1.0 and found["settings"]["engine"] == "server"
    assert "Sums (avg@4)" in capsys.readouterr().out
    assert len(sums.asked) > QUESTIONS * SAMPLES  # some failed, and were asked again


def eval_sum(identity):
    a, b = map(int, identity.split("+"))
    return a + b


def test_a_rerun_asks_for_nothing_and_for_what_is_missing_alone(arguments, sums, tmp_path):
    sums.failing = 0
    main(arguments())
    before = cell(tmp_path)
    sums.asked.clear()
    main(arguments())
    assert sums.asked == [] and cell(tmp_path) == before
    (path,) = (tmp_path / "out" / "samples" / "sums").glob("*.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    gone = [at for at, line in enumerate(lines) if b'"kind":"sample"' in line][5:12]
    path.write_bytes(b"".join(line for at, line in enumerate(lines) if at not in gone) + b'{"kind":"sample","id":"1+')
    main(arguments())
    assert len(sums.asked) == 7 and cell(tmp_path) == before
    sums.asked.clear()
    main(arguments(samples=6))  # two more of each, and none of the four again
    assert len(sums.asked) == 2 * QUESTIONS and cell(tmp_path)["samples"] == 6 * QUESTIONS
    sums.asked.clear()
    main(arguments(temperature=0.5))  # another config: all of them, and the others stay
    assert len(sums.asked) == SAMPLES * QUESTIONS
    sums.asked.clear()
    main(arguments())
    assert sums.asked == [] and cell(tmp_path) == before


def test_other_verdicts_ask_no_model(arguments, sums, tmp_path):
    sums.failing = 0
    main(arguments())
    sums.asked.clear()
    main(arguments(modes="strict,guru"))
    assert sums.asked == [] and set(cell(tmp_path)["other_modes"]) == {"guru"}


def test_a_server_that_is_down_for_some_is_asked_again_by_the_next_run(arguments, sums, tmp_path):
    sums.failing = 0.4
    main(arguments(**{"engine.retries": 0}))
    failed = cell(tmp_path)["unjudged"]
    assert 0 < failed["count"] == failed["failed"] < QUESTIONS * SAMPLES and failed["flag"]
    sums.failing = 0
    sums.asked.clear()
    main(arguments(**{"engine.retries": 0}))
    assert len(sums.asked) == failed["count"] and cell(tmp_path)["unjudged"]["count"] == 0


def test_a_stuck_sample_is_named_and_holds_up_nothing(arguments, sums, tmp_path, capsys):
    sums.failing, sums.stuck, sums.hang_s = 0, 0.06, 30
    began = time.monotonic()
    main(arguments(deadline_s=1))
    assert time.monotonic() - began < 15
    missing = cell(tmp_path)["unjudged"]
    assert 0 < missing["stuck"] == missing["count"] == len(missing["stuck_samples"])
    assert missing["stuck_samples"][0] in capsys.readouterr().out
    assert cell(tmp_path)["judged"] == QUESTIONS * SAMPLES - missing["count"]
    sums.stuck = 0
    sums.asked.clear()
    main(arguments(deadline_s=1))
    assert len(sums.asked) == missing["count"] and cell(tmp_path)["unjudged"]["count"] == 0


def test_twenty_kills_change_nothing(arguments, sums, tmp_path):
    main(arguments("whole"))
    path = tmp_path / "killed" / "samples" / "sums" / "share-1-of-1.jsonl"
    command = [sys.executable, "-c", DRIVER, "20", str(path), *arguments("killed")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert cell(tmp_path, "killed") == cell(tmp_path, "whole")
    assert int(done.stdout.split()[-1]) >= 10
    assert path.read_bytes().count(b'"kind":"example"') > QUESTIONS  # it was begun more than once
    assert len(list(read_samples(tmp_path / "killed" / "samples"))) == QUESTIONS * SAMPLES


@pytest.mark.slow
def test_twenty_kills_of_whole_processes_change_nothing(arguments, sums, tmp_path):
    sums.slow_s = 0.2
    main(arguments("whole"))
    for attempt in range(20):
        process = subprocess.Popen(
            [sys.executable, "-m", "eval.run", *arguments("killed", workers=2)], cwd=ROOT, start_new_session=True
        )
        time.sleep(1.5 + 0.1 * attempt)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    main(arguments("killed", workers=2))
    assert cell(tmp_path, "killed") == cell(tmp_path, "whole")


def test_shares_of_an_array_make_the_same_table(arguments, sums, tmp_path, capsys):
    main(arguments("whole"))
    for share in ("2/3", "3/3"):
        main(arguments("array", share=share))
        assert "not drawn yet: {'sums'" in capsys.readouterr().out
        assert not (tmp_path / "array.json").exists()
    main(arguments("array", share="1/3"))
    assert cell(tmp_path, "array") == cell(tmp_path, "whole")
    assert len(list((tmp_path / "array" / "samples" / "sums").glob("share-?-of-3.jsonl"))) == 3


def test_several_engines_make_the_same_table(arguments, sums, tmp_path):
    main(arguments("whole"))
    main(arguments("two", workers=2))
    assert cell(tmp_path, "two") == cell(tmp_path, "whole")


def test_engines_of_a_ray_cluster_make_the_same_table(arguments, sums, tmp_path):
    pytest.importorskip("ray", reason="the cluster extra is not installed")
    main(arguments("whole"))
    main(arguments("ray", workers=2, cluster="ray"))
    assert cell(tmp_path, "ray") == cell(tmp_path, "whole")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"k": "[1,8]"}, "k=8 needs as many samples, and 4 are drawn"),
        ({"share": "4/3"}, "write 3/8 for the third of eight"),
        ({"modes": "lenient"}, "modes are strict and guru"),
        ({"task_data.other": "x.jsonl"}, "task_data.other is for no task of this run"),
        ({"tasks": "guru_hitab"}, "guru_hitab: there is no file of its examples"),
    ],
)
def test_a_mistake_is_one_line_before_anything_is_asked(arguments, sums, monkeypatch, capsys, more, says):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SystemExit) as ended:
        main(arguments(**more))
    shown = capsys.readouterr().err
    assert ended.value.code == 2 and says in shown and shown.count("\n") == 1 and sums.asked == []


def test_prompts_are_shown_without_a_model(sums_task, capsys):
    main([f"tasks={sums_task}", f"data={sums_task.parent}", "--show", "2"])
    shown = capsys.readouterr().out
    assert "What is 2 + 7? Answer within \\boxed{}." in shown and "ground truth\n5" in shown


def test_the_judge_of_a_task_is_asked_and_counted(arguments, sums, tmp_path, monkeypatch):
    """The server answers every judge's question with a number in a box: a reply, and no verdict."""
    sums.failing = 0
    main(arguments())
    rules = cell(tmp_path)
    sums.asked.clear()
    judge = {"judge.model": "sums", "judge.url": sums.url, "judge.tries": 1}
    main(arguments(**judge))
    found = cell(tmp_path)
    wrong = sum(count for status, count in rules["status"].items() if status not in ("correct", "truncated"))
    assert found["judge"]["asked"] == found["judge"]["unparsed"] > 0 and found["score"] == rules["score"]
    assert found["judge"]["asked"] <= wrong and found["settings"]["judge"] == "sums"
    assert len(sums.asked) <= found["judge"]["asked"]  # equal answers to one question are one request
    sums.asked.clear()
    main(arguments(**judge))
    assert sums.asked == []  # a reply without a verdict is no reason to ask again
    dead = {**judge, "judge.url": "http://127.0.0.1:9/v1"}
    main(arguments(temperature=0.9, **dead))
    assert cell(tmp_path)["judge"]["failed"] > 0
    sums.asked.clear()
    main(arguments(temperature=0.9, **judge))
    assert cell(tmp_path)["judge"]["failed"] == 0 and sums.asked  # one that failed is
