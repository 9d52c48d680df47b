"""The command end to end: shards in, recycled shards out, exactly once through kills, mistakes in one line."""

import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from functools import partial
from pathlib import Path

import pytest

from common.config import config_hash, load
from common.engines.open import open_engine
from common.pools.documents import page_of, read_documents, rollout_of, write_documents
from common.pools.exactly_once import process_shard
from common.pools.shards import list_shards, read_stats
from common.pools.storage import list_files, read_bytes
from common.runs.folder import read_metrics
from eval.faithfulness.pairs import read_pairs
from rephrase.config import RephraseConfig
from rephrase.rephraser import Rephraser
from rephrase.run import main

pytestmark = pytest.mark.integration

SERVED = ["model=stand-in", "engine.kind=server", "part_docs=4", "health.max_bad=1"]


@pytest.fixture
def pool(tmp_path):
    """Three shards of documents, with every kind of line that is none."""
    for number in range(3):
        write_documents(
            str(tmp_path / f"in/shard_{number}.jsonl.zst"),
            [{"id": f"{number}-{n}", "text": f"Shard {number} line {n}.", "extra": [n]} for n in range(10)],
        )
    broken = ['{"text": "fine"}', "no json", '{"no": "text"}', '{"text": ""}', '{"text": "[[mute]] last"}']
    (tmp_path / "in/shard_3.jsonl").write_text("\n".join(broken) + "\n", encoding="utf-8")
    (tmp_path / "in/shard_4.jsonl").write_text("", encoding="utf-8")
    return tmp_path


def outputs(folder):
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.is_file() and not path.name.endswith(".stats.json")
    }


def run(*arguments):
    main([str(argument) for argument in arguments])


def test_start_and_end_are_both_included(pool, server_url, capsys):
    run(1, 2, f"input={pool / 'in'}", f"output={pool / 'out'}", f"engine.url={server_url}", *SERVED)
    assert [shard.name for shard in list_shards(str(pool / "out"))] == ["shard_1", "shard_2"]
    assert "20 documents in, 20 out" in capsys.readouterr().out
    documents = list(read_documents(str(pool / "out/shard_1.jsonl.zst")))
    assert [d["id"] for d in documents] == [f"1-{n}" for n in range(10)]
    assert documents[3]["text"] == "SHARD 1 LINE 3." and documents[3]["extra"] == [3]
    run_folder = pool / "out/_rephrase"
    assert (run_folder / "config.yaml").exists() and (run_folder / "run.json").exists()
    assert json.loads((run_folder / "metrics.jsonl").read_text().splitlines()[-1])["status_frac/ok"] == 1


class Deaf(http.server.BaseHTTPRequestHandler):
    """A server that is there, and answers no request: `status` and an empty body."""

    status = 500

    def do_GET(self):
        self.reply(200, b'{"data": [{"id": "stand-in"}]}')

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.reply(self.status, b"{}")

    def reply(self, status, body):
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def deaf_url():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Deaf)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


LENIENT = ["health.max_bad=1", "health.max_engine_errors=1", "health.max_truncated=1"]


def test_an_engine_that_answers_nothing_ends_the_run_whatever_the_limits_and_marks_nothing(
    pool, deaf_url, server_url, capsys
):
    common = [f"input={pool / 'in'}", f"output={pool / 'out'}", *SERVED, *LENIENT]
    for end in (0, 3):
        with pytest.raises(SystemExit) as stop:
            run(0, end, *common, f"engine.url={deaf_url}", "engine.retries=0")
        assert stop.value.code == 1 and "answered none of the first" in capsys.readouterr().err
    assert read_stats(str(pool / "out")) == []
    run(0, 2, *common, f"engine.url={server_url}")  # nothing was committed, so nothing is lost
    assert "30 documents in, 30 out" in capsys.readouterr().out


def test_a_run_of_which_no_document_comes_out_is_an_error(pool, server_url, capsys):
    common = [f"input={pool / 'in'}", f"engine.url={server_url}", *SERVED]
    with pytest.raises(SystemExit) as stop:
        run(0, 0, *common, f"output={pool / 'out'}", "route.field=extra", "route.min_score=0.5")  # a list, no number
    assert stop.value.code == 1 and "10 no_score" in capsys.readouterr().err
    run(4, 4, *common, f"output={pool / 'empty'}")  # an empty shard is done
    capsys.readouterr()


def test_records_name_the_page_and_the_rollout_and_keep_what_stood_there(pool, server_url, capsys):
    rows = [
        {"id": f"https://f.org/t/9#{n}", "text": f"Line {n}.", "organic_text": "mine", "rephrase": n} for n in (0, 1)
    ]
    write_documents(str(pool / "posts/s.jsonl"), rows)
    options = [*SERVED, "rollouts_per_document=2", "temperature=1", "keep_organic_text=true"]
    run(0, 0, f"input={pool / 'posts'}", f"output={pool / 'out'}", f"engine.url={server_url}", *options)
    found = list(read_documents(str(pool / "out/s.jsonl")))
    assert [(page_of(one), rollout_of(one)) for one in found] == [(row["id"], n) for row in rows for n in (0, 1)]
    assert all(one["organic_text_before"] == "mine" and one["organic_text"].startswith("Line") for one in found)
    assert [one["rephrase_before"] for one in found] == [0, 0, 1, 1]
    pairs = list(read_pairs(str(pool / "posts"), str(pool / "out")))
    assert [pair["organic_text"] for pair in pairs] == ["Line 0.", "Line 0.", "Line 1.", "Line 1."]
    capsys.readouterr()


def test_bad_lines_are_counted_and_kept_and_empty_shards_are_done(pool, server_url):
    run(3, 4, f"input={pool / 'in'}", f"output={pool / 'out'}", f"engine.url={server_url}", *SERVED)
    broken, empty = read_stats(str(pool / "out"))
    assert broken["docs_in"] == 5 and broken["docs_out"] == 1
    assert broken["drops"] == {"not_json": 1, "no_text": 1, "blank": 1, "missing_sentinel": 1}
    assert empty["docs_in"] == 0
    rejects = [json.loads(line) for line in (pool / "out/shard_3.rejects.jsonl").read_text().splitlines()]
    assert [row["reason"] for row in rejects] == ["not_json", "no_text", "blank", "missing_sentinel"]


def test_a_second_run_does_nothing_and_another_config_is_refused(pool, server_url, capsys):
    arguments = [0, 0, f"input={pool / 'in'}", f"output={pool / 'out'}", f"engine.url={server_url}", *SERVED]
    run(*arguments)
    before = (pool / "out/shard_0.jsonl.zst").stat().st_mtime_ns
    run(*arguments, "engine.url=http://127.0.0.1:9/v1")  # nobody there, and nobody asked
    assert (pool / "out/shard_0.jsonl.zst").stat().st_mtime_ns == before
    with pytest.raises(SystemExit) as stop:
        run(*arguments, "seed=7")
    assert stop.value.code == 2
    assert "another configuration" in capsys.readouterr().err


def test_more_workers_give_the_same_files(pool, server_url):
    common = [0, 3, f"input={pool / 'in'}", f"engine.url={server_url}", *SERVED]
    run(*common, f"output={pool / 'one'}", "engine.in_flight=1")
    run(*common, f"output={pool / 'two'}", "engine.in_flight=64", "workers=2")
    assert outputs(pool / "one") == outputs(pool / "two")


def start(*arguments):
    command = [sys.executable, "-m", "rephrase.run", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill_after_a_part(process, parts):
    """SIGKILL as soon as the first part is committed."""
    for _ in range(1200):
        if any(parts.glob("*.json")) or process.poll() is not None:
            break
        time.sleep(0.05)
    assert process.poll() is None, "it ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_killed_and_run_again_equals_never_killed(tmp_path, server_url):
    texts = [f"[[slow 0.02]] Number {n}." if n % 5 else f"[[mute]] {n}" for n in range(40)]
    write_documents(str(tmp_path / "in/s.jsonl.gz"), [{"id": str(n), "text": text} for n, text in enumerate(texts)])
    common = [0, 0, f"input={tmp_path / 'in'}", f"engine.url={server_url}", *SERVED, "engine.in_flight=2"]
    run(*common, f"output={tmp_path / 'whole'}")
    process = start(*common, f"output={tmp_path / 'killed'}")
    kill_after_a_part(process, tmp_path / "killed/.s.parts")
    assert not (tmp_path / "killed/s.jsonl.gz").exists()
    run(*common, f"output={tmp_path / 'killed'}")
    assert outputs(tmp_path / "killed") == outputs(tmp_path / "whole")


def greedy(tiny_model, folder):
    return [
        f"input={folder / 'in'}",
        f"model={tiny_model}",
        "engine=transformers",
        "temperature=0",
        "max_new_tokens=40",
        "part_docs=4",
        "health.max_bad=1",
        "health.max_truncated=1",
    ]


@pytest.fixture
def sentences(tmp_path):
    """A pool that the tiny model can answer, with chunks of many lengths."""
    words = ["The cat sat on the mat.", "Rain fell all day.", "Boil water and add salt.", "The dog ran in the park."]
    texts = [" ".join(words[(n + i) % 4] for i in range(1 + n * 3 % 5)) for n in range(14)]
    write_documents(str(tmp_path / "in/s.jsonl"), [{"id": str(n), "text": text} for n, text in enumerate(texts)])
    return tmp_path


class Stop(BaseException):
    """The end of a process, without the process."""


def test_greedy_batches_stopped_anywhere_give_the_same_bytes(tiny_model, sentences):
    overrides = dict(argument.split("=", 1) for argument in greedy(tiny_model, sentences))
    numbers = {key: int(value) for key, value in overrides.items() if value.isdigit()}
    config = load(RephraseConfig, [], {**overrides, **numbers, "output": "unused"})
    (shard,) = list_shards(str(sentences / "in"))
    settings = {"config_hash": config_hash(config), "part_docs": 4, "restart_each_part": True}
    with open_engine(config.engine, config.model) as engine:
        rephraser = Rephraser(config, engine)
        stats = process_shard(shard, sentences / "whole", rephraser, **settings)
        assert stats["docs_in"] == 14 and stats["chunks_ok"] > 0
        for after in (0, 4, 13):

            def stopping(documents, done):
                for result in rephraser(documents):
                    yield result
                    if next(done, None) is None:
                        raise Stop

            with pytest.raises(Stop):
                process_shard(shard, sentences / f"{after}", partial(stopping, done=iter(range(after))), **settings)
            process_shard(shard, sentences / f"{after}", rephraser, **settings)
            assert outputs(sentences / "whole") == outputs(sentences / f"{after}")


@pytest.mark.slow
def test_a_killed_greedy_command_gives_the_same_bytes(tiny_model, sentences, root):
    common = [0, 0, *greedy(tiny_model, sentences)]
    run(*common, f"output={sentences / 'whole'}")
    process = start(*common, f"output={sentences / 'killed'}")
    kill_after_a_part(process, sentences / "killed/.s.parts")
    command = ["bash", str(root / "scripts/infer.sh"), "0", "0", "engine=transformers", *map(str, common[2:])]
    config = sentences / "empty.yaml"
    config.write_text("")
    environment = {**os.environ, "VIRTUAL_ENV": os.environ.get("VIRTUAL_ENV") or sys.prefix}
    environment["PATH"] = f"{sys.prefix}/bin:{environment['PATH']}"
    done = subprocess.run(
        [*command, str(config), f"output={sentences / 'killed'}"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert outputs(sentences / "whole") == outputs(sentences / "killed")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["3", "1", "input=IN"], "START 3 is after END 1"),
        (["0", "9", "input=IN"], "has shards 0 to 4; 0 to 9 were asked for"),
        (["0", "1", "input=NOWHERE"], "no pool at NOWHERE"),
        (["0", "1", "input=IN", "max_char=5"], "unknown key 'max_char', did you mean 'max_chars'?"),
        (["0", "1", "input=IN", "output=IN"], "is the input"),
        (["0", "1", "input=IN", "engine=transformers", "model=./nowhere"], "no model at ./nowhere"),
        (["0", "1", "input=IN", "engine.url=http://127.0.0.1:9/v1"], "no server at http://127.0.0.1:9/v1"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(pool, capsys, arguments, message):
    arguments = [a.replace("IN", str(pool / "in"), 1) if a.endswith("=IN") else a for a in arguments]
    defaults = ["model=stand-in", "engine.kind=server", "engine.start_timeout_s=0", f"output={pool / 'out'}"]
    with pytest.raises(SystemExit) as stop:
        main([*defaults, *arguments])
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert message in error and error.count("\n") == 1


def test_a_sick_run_ends_with_code_1_and_goes_on_when_allowed(tmp_path, server_url, capsys):
    write_documents(str(tmp_path / "in/s.jsonl"), [{"text": "[[cut]] x"}] * 12)
    common = [f"input={tmp_path / 'in'}", f"output={tmp_path / 'out'}", f"engine.url={server_url}"]
    common += ["model=stand-in", "health.min_chunks=10"]
    with pytest.raises(SystemExit) as stop:
        run(*common)
    assert stop.value.code == 1 and "cut off at the token limit" in capsys.readouterr().err
    run(*common, "health.max_truncated=1", "health.max_bad=1")
    assert read_stats(str(tmp_path / "out"))[0]["drops"] == {"truncated": 12}


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="the default config may run here")
def test_the_bare_script_says_what_is_missing_and_what_runs_here(root, tmp_path):
    environment = {**os.environ, "PATH": f"{sys.prefix}/bin:{os.environ['PATH']}", "VIRTUAL_ENV": sys.prefix}
    done = subprocess.run(
        ["bash", str(root / "scripts/infer.sh"), "0", "7"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "no pool at" in done.stderr and "vllm package is not installed" in done.stderr
    assert "configs/rephrase/rephrase_tiny_cpu.yaml" in done.stderr


def test_an_edited_prompt_is_another_run(pool, server_url, capsys):
    prompt = pool / "prompt.txt"
    prompt.write_text("Rewrite.\n\nText:\n{text}\n\nNow.")
    common = [0, 0, f"input={pool / 'in'}", f"output={pool / 'out'}", f"engine.url={server_url}", *SERVED]
    run(*common, f"prompt_file={prompt}")
    assert next(read_documents(str(pool / "out/shard_0.jsonl.zst")))["text"] == "SHARD 0 LINE 0."
    prompt.write_text("Please rewrite.\n\nText:\n{text}\n\nNow.")
    with pytest.raises(SystemExit):
        run(*common, f"prompt_file={prompt}")
    assert "another configuration" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        run(*common, "prompt_file=nowhere.txt")
    assert stop.value.code == 2


def test_dry_run_writes_nothing(pool, capsys):
    with pytest.raises(SystemExit) as stop:
        run(0, 1, f"input={pool / 'in'}", f"output={pool / 'out'}", *SERVED, "--dry-run")
    assert stop.value.code == 0
    assert "2 shards of" in capsys.readouterr().out and not (pool / "out").exists()


def asked(server_url):
    """Requests that the stand-in server has answered or begun to answer."""
    with urllib.request.urlopen(server_url.removesuffix("/v1") + "/seen") as answer:
        return json.loads(answer.read())["requests"]


def test_committed_work_is_never_asked_for_again_and_every_document_comes_once(tmp_path, server_url):
    texts = [f"[[slow 0.02]] Page {n} of the pool." for n in range(40)]
    write_documents(str(tmp_path / "in/s.jsonl"), [{"id": str(n), "text": text} for n, text in enumerate(texts)])
    out = tmp_path / "out"
    words = [
        0,
        0,
        f"input={tmp_path / 'in'}",
        f"output={out}",
        f"engine.url={server_url}",
        *SERVED,
        "engine.in_flight=2",
    ]
    kill_after_a_part(start(*words), out / ".s.parts")
    time.sleep(0.2)  # what was on its way when the client died
    marks = [json.loads(path.read_text()) for path in (out / ".s.parts").glob("*.json")]
    committed, before = sum(mark["docs_in"] for mark in marks), asked(server_url)
    assert 0 < committed < 40
    run(*words)
    assert asked(server_url) - before == 40 - committed
    rows = [json.loads(line) for line in (out / "s.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == [str(n) for n in range(40)]
    whole, before = (out / "s.jsonl").read_bytes(), asked(server_url)
    (out / "s.jsonl").write_bytes(whole.replace(b"PAGE 7", b"PAGE 8"))  # as long as before
    run(*words)
    assert asked(server_url) == before  # the length is that of the mark
    run(*words, "verify=true")
    assert asked(server_url) - before == 40 and (out / "s.jsonl").read_bytes() == whole


def test_sigterm_commits_what_was_begun_and_ends_with_75(tmp_path, server_url):
    texts = [f"[[slow 0.02]] Page {n} of the pool." for n in range(60)]
    write_documents(str(tmp_path / "in/s.jsonl"), [{"id": str(n), "text": text} for n, text in enumerate(texts)])
    out = tmp_path / "out"
    words = [f"input={tmp_path / 'in'}", f"output={out}", f"engine.url={server_url}", *SERVED, "engine.in_flight=2"]
    process = start(0, 0, *words)
    while process.poll() is None and not list((out / ".s.parts").glob("*.json")):
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 75
    assert not (out / "s.jsonl").exists()
    marks = [json.loads(path.read_text()) for path in (out / ".s.parts").glob("*.json")]
    before, committed = asked(server_url), sum(mark["docs_in"] for mark in marks)
    assert 0 < committed < 60
    began = time.monotonic()
    run(0, 0, *words)
    assert time.monotonic() - began < 30  # what was let go is not waited for
    assert asked(server_url) - before == 60 - committed
    assert [json.loads(line)["id"] for line in (out / "s.jsonl").read_text().splitlines()] == [
        str(n) for n in range(60)
    ]


def test_commands_that_are_given_the_same_shard_share_it(tmp_path, server_url):
    texts = [f"[[slow 0.01]] Page {n} of the pool." for n in range(120)]
    write_documents(str(tmp_path / "in/s.jsonl"), [{"id": str(n), "text": text} for n, text in enumerate(texts)])
    out, before = tmp_path / "out", asked(server_url)
    words = [f"input={tmp_path / 'in'}", f"output={out}", f"engine.url={server_url}", *SERVED, "engine.in_flight=2"]
    commands = [start(0, 0, *words, f"logs={tmp_path}/logs_{number}") for number in range(2)]
    assert [command.wait(120) for command in commands] == [0, 0]
    assert [json.loads(line)["id"] for line in (out / "s.jsonl").read_text().splitlines()] == list(map(str, range(120)))
    assert asked(server_url) - before == 120  # each document was asked for once
    for number in range(2):
        assert read_metrics(tmp_path / f"logs_{number}")  # and both of them did something


def test_a_pool_in_memory_is_like_an_object_store(pool, server_url, capsys):
    words = [0, 3, f"input={pool / 'in'}", f"engine.url={server_url}", *SERVED, f"logs={pool / 'logs'}"]
    run(*words, f"output={pool / 'local'}")
    run(*words, "output=memory://recycled/pool")
    capsys.readouterr()
    remote = {Path(path).name: read_bytes(path) for path in list_files("memory://recycled/pool")}
    local = outputs(pool / "local")
    assert {name: remote.get(name) for name in local} == local
    run(*words, "output=memory://recycled/pool")
    assert "35 documents in, 31 out" in capsys.readouterr().out


def test_off_a_terminal_a_line_says_which_request_is_waited_for(tmp_path, server_url, monkeypatch, capsys):
    monkeypatch.setattr("common.runs.progress.shown.FIRST_S", 0.3)
    texts = ["Line 0.", "[[slow 2.5]] Line 1.", "Line 2."]
    rows = [{"id": f"d{n}\x1b[2J", "text": text} for n, text in enumerate(texts)]
    write_documents(str(tmp_path / "in/s.jsonl"), rows)
    run(0, 0, f"input={tmp_path / 'in'}", f"output={tmp_path / 'out'}", f"engine.url={server_url}", *SERVED)
    said = capsys.readouterr().err
    assert "rephrase: 0 of 1 shards" in said and "waits for chunk 1 of document d1\\x1b[2J, " in said
    assert "document d0" not in said and "\x1b" not in said  # the one that takes longest; no codes of a page
