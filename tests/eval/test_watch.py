"""A run that is watched: what is shown, where it is found, and that the watching ends with it."""

import json
import os
import pty
import signal
import subprocess
import sys
import time

import pytest

from common.config import RunConfig
from common.runs.folder import Run
from common.runs.progress import shown
from common.runs.progress.shown import CountedWork, waiting
from eval.watch import main
from eval.watching.seen import GrowingFile, Watched, find_run
from eval.watching.words import block

WORK = """
import logging, sys, time
from common.config import RunConfig
from common.runs.folder import Run
from common.runs.progress.shown import progress
with Run(sys.argv[1], RunConfig()) as run:
    print("open", flush=True)
    sys.stdin.readline()
    for step in progress(range(1, 3), 2, "work", "shards", lambda: "shard_7\\x1b[2J"):
        logging.getLogger("repro").warning("page says \\x1b]0;owned\\x07 %d", step)
        run.log({"loss": 3.0 / step}, step)
        time.sleep(float(sys.argv[2]))
"""


class Training(RunConfig):
    """As much of an RL run's config as tells its kind."""

    rewards: list[str] = ["quality"]
    max_steps: int = 64


def started(root, folder, seconds):
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", WORK, str(folder), str(seconds)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    work = subprocess.Popen(command, env=environment, **pipes)
    assert work.stdout.readline() == b"open\n"
    return work


def begin(work):
    work.stdin.write(b"\n")
    work.stdin.flush()


def test_an_rl_run_shows_rewards_pace_and_what_it_waits_for(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(shown, "LOOK_S", 0.01)
    with Run(tmp_path / "rl", Training()) as run, CountedWork("rl", 64, "steps", shown=False) as work:
        run.log({"reward": 1.95, "rewards/quality/mean": 0.4, "kl": 0.0}, step=1)
        run.log({"eval_reward": 2.4}, step=10)
        run.log({"reward": 2.31, "rewards/quality/mean": 0.61, "kl": 0.012}, step=12)
        work.at(12)
        waiting("reward quality")
        deadline = time.monotonic() + 20
        while "waits for reward quality" not in (text := "\n".join(block(Watched(tmp_path / "rl").look()))):
            assert time.monotonic() < deadline, text
        main([str(tmp_path / "rl"), "once=true"])
        waiting("")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{tmp_path}/rl: reinforcement learning, running")
    assert lines[1].startswith("  rl: 12 of 64 steps (18 %), ") and lines[1].endswith(" left")
    assert lines[2:6] == [
        "  reward 2.31, at first 1.95",
        "  held-out reward 2.4 (at step 10)",
        "  KL 0.012, at first 0",
        "  reward quality 0.61, at first 0.4",
    ]
    assert lines[6].startswith("  waits for reward quality (")
    main([str(tmp_path), "once=true"])
    assert f"{tmp_path}/rl: reinforcement learning finished" in capsys.readouterr().out


def test_off_a_terminal_it_prints_lines_and_ends_with_the_run(root, tmp_path, capfd):
    work = started(root, tmp_path / "run", 0.5)
    begin(work)
    with work:
        main([str(tmp_path / "run"), "every_s=0.05"])
        assert work.wait() == 0
    out = capfd.readouterr().out
    assert "\x1b" not in out
    assert out.count("page says \\x1b]0;owned\\x07 1\n") == 2  # when it came, and among the last ones at the end
    assert f"{tmp_path}/run: run finished" in out and "loss 1.5, at first 3" in out


def test_it_ends_with_1_where_the_run_is_killed_or_fails(root, tmp_path, capsys):
    work = started(root, tmp_path / "run", 600)
    with work:
        work.send_signal(signal.SIGKILL)
        work.wait()
        with pytest.raises(SystemExit) as ended:
            main([str(tmp_path / "run"), "every_s=0.05"])
    assert ended.value.code == 1
    assert f"stopped: its process {work.pid} is gone. The same command goes on from there" in capsys.readouterr().out
    with pytest.raises(ValueError, match="no pages"), Run(tmp_path / "run", RunConfig()):
        raise ValueError("no pages left")
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "run")])
    assert ended.value.code == 1 and "failed: ValueError: no pages left" in capsys.readouterr().out


def test_on_a_terminal_the_picture_is_drawn_again_and_no_document_steers_it(root, tmp_path):
    work = started(root, tmp_path / "run", 0.7)
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(root), "TERM": "xterm-256color", "COLUMNS": "120", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "eval.watch", str(tmp_path / "run"), "every_s=0.1"]
    with work, subprocess.Popen(command, env=environment, cwd=root, stdout=theirs, stderr=theirs) as watch:
        os.close(theirs)
        found = os.read(ours, 65536)  # it looks: now the work may begin
        begin(work)
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                break
            if not piece:
                break
            found += piece
        assert watch.wait() == 0
    os.close(ours)
    assert b"\x1b[1A" in found  # the cursor goes up, and the picture is drawn over the last one
    assert b"waits for shard_7\\x1b[2J" in found and b"page says \\x1b]0;owned\\x07" in found
    assert b"\x1b[2J" not in found and b"\x1b]0;" not in found
    assert b"finished" in found


def test_the_run_is_found_in_a_pool_and_beside_a_record(tmp_path, capsys):
    with Run(tmp_path / "pool" / "_rephrase", RunConfig()):
        pass
    with Run(tmp_path / "mine", RunConfig()):
        pass
    (tmp_path / "mine.json").write_text("{}")
    assert find_run(str(tmp_path / "pool")) == tmp_path / "pool" / "_rephrase"
    assert find_run(str(tmp_path / "mine.json")) == tmp_path / "mine"
    for path in ("nowhere", "pool/_rephrase/.."):
        (tmp_path / "pool" / "_rephrase" / "run.json").unlink(missing_ok=path != "nowhere")
        with pytest.raises(SystemExit) as ended:
            main([str(tmp_path / path)])
        assert ended.value.code == 2
        assert capsys.readouterr().err.startswith(f"error: no run at {tmp_path}/{path}")


def test_a_run_of_an_earlier_version_is_seen_by_its_metrics(tmp_path):
    (tmp_path / "config.yaml").write_text("rewards: [{kind: length}]\nmax_steps: 8\n")
    (tmp_path / "run.json").write_text("{}")
    now = time.time()
    rows = [{"step": step, "reward": step / 8, "time": now - 40 + 10 * step} for step in (1, 2, 3, 4)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines = block(Watched(tmp_path).look())
    assert "4 of 8 steps (50 %)" in lines[1]
    assert "  reward 0.5, at first 0.125" in lines
    (tmp_path / "done.json").write_text("{}")
    assert "reinforcement learning finished" in block(Watched(tmp_path).look())[0]


def test_a_growing_file_is_read_on_and_a_new_one_from_its_start(tmp_path):
    path = tmp_path / "log"
    file = GrowingFile(path)
    assert list(file.lines()) == []
    path.write_text("a\nb\nhal")
    assert list(file.lines()) == ["a", "b"]
    path.write_text("a\nb\nhalf\n")
    assert list(file.lines()) == ["half"]
    path.write_text("c\n")
    assert list(file.lines()) == ["c"]
