"""Several commands rephrase one pool at a time, each as a machine of its own, and meet every fault there is: in the end
each document is there once, and the shards are those of one machine that met none.

A short form is in the suite; `FAULTS_KILLS=200 pytest -m slow tests/faults/test_shared_kills.py` is the long one.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from common.pools.documents import read_documents, write_documents
from common.pools.shards import list_shards

pytestmark = pytest.mark.integration

SHORT, LONG = 3, int(os.environ.get("FAULTS_KILLS", "200"))
SEED = int(os.environ.get("FAULTS_SEED", "0"))
LEASE_S = 1.0
STOPPED = 75
KINDS = ["kill", "term", "full", "lease", "server_dies", "crash"]
FULL_BYTES = 6000
"""No file may be longer on the full disk."""


class Machines:
    """Commands that run at a time."""

    def __init__(self, root, folder, *modules):
        command = [sys.executable, "-m", "tests.fixtures.machines", *modules]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.zygote = subprocess.Popen(
            command, cwd=root, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.zygote.stdout.readline() == "ready\n"
        self.stderr = folder / "stderr.txt"
        self.count = 0

    def ask(self, **order):
        print(json.dumps(order), file=self.zygote.stdin, flush=True)
        return int(self.zygote.stdout.readline())

    def start(self, words, *, file_bytes=None):
        self.count += 1
        about = {"machine": f"m{self.count}", "file_bytes": file_bytes, "stderr": str(self.stderr)}
        return self.ask(words=[*words, f"claims.worker=m{self.count % 5}"], **about)

    def wait(self, process):
        return self.ask(wait=process)

    def said(self):
        return self.stderr.read_text(encoding="utf-8") if self.stderr.exists() else ""

    def close(self):
        self.zygote.stdin.close()
        self.zygote.wait()
        self.zygote.stdout.close()


class ModelServer:
    """The stand-in server, which may die and come back under the same address."""

    def __init__(self, root):
        self.root = root
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self):
        command = [sys.executable, str(self.root / "tests/common/stand_in_server.py"), str(self.port), "0.05"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert int(self.process.stdout.readline()) == self.port

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def server(root):
    server = ModelServer(root)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def machines(root, tmp_path_factory):
    machines = Machines(root, tmp_path_factory.mktemp("machines"))
    yield machines
    machines.close()


def outputs(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name.endswith((".zst", ".jsonl"))}


def left_over(folder):
    """What a pool should not hold in the end; its run folder is tidied by the next run."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob(".*")
        if path.name.endswith((".tmp", ".parts")) and not {".claims", "_rephrase"} & set(path.parts)
    ]


def check(folder, whole, ids):
    """Contract (a), and (b): every document once, and the bytes of one machine."""
    found = [document["id"] for shard in list_shards(folder) for document in read_documents(shard.path)]
    rejects = [json.loads(line) for path in folder.glob("*.rejects.jsonl") for line in path.read_text().splitlines()]
    found += [row["document"]["id"] for row in rejects]
    assert Counter(found) == Counter(ids)
    assert outputs(folder) == whole


def worker_of(process, patience_s=20.0):
    """A worker process of a command, once it is at work; None where the command ends before it has one."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, IndexError):
                fields = (place / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == process and b"spawn_main" in (place / "cmdline").read_bytes():
                    return int(place.name)
        with contextlib.suppress(OSError):
            if (Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return None
        time.sleep(0.05)
    return None


class Trial:
    """Rounds of commands and faults, until there were enough faults."""

    def __init__(self, machines, words, out, seed, kinds, server=None):
        self.kinds = kinds
        self.machines = machines
        self.words = [*words, f"output={out}", f"claims.lease_s={LEASE_S}", "claims.most_parts=2"]
        self.server = server
        self.out = out
        self.draw = random.Random(seed)
        self.hits = Counter()
        self.statuses = Counter()

    def round(self, faults, span):
        """Three commands beside each other and faults among them; one that was ended is begun again."""
        running = [self.machines.start(self.words) for _ in range(3)]
        for _ in range(faults):
            time.sleep(self.draw.uniform(0.05, 0.7) * span)
            number = self.draw.randrange(3)
            kind = self.draw.choice(self.kinds)
            if kind == "crash" and self.draw.random() < 0.5:  # it takes ten times as long as the others
                kind = "kill"
            self.hits[kind] += getattr(self, kind)(running, number)
            running[number] = self.machines.start(self.words) if running[number] is None else running[number]
        for process in running:
            self.statuses[self.machines.wait(process)] += 1

    def end(self, running, number, name):
        os.kill(running[number], name)
        status = self.machines.wait(running[number])
        running[number] = None
        self.statuses[status] += 1
        return status

    def kill(self, running, number):
        return self.end(running, number, signal.SIGKILL) == -signal.SIGKILL

    def term(self, running, number):
        status = self.end(running, number, signal.SIGTERM)
        assert status in (0, 1, STOPPED, -signal.SIGTERM), status  # the last: before it could listen
        return status in (STOPPED, -signal.SIGTERM)

    def full(self, running, number):
        """A command on a disk that is full takes the place of one that is killed."""
        self.end(running, number, signal.SIGKILL)
        running[number] = self.machines.start(self.words, file_bytes=FULL_BYTES)
        status = self.machines.wait(running[number])
        running[number] = None
        self.statuses[status] += 1
        return status == 1

    def lease(self, running, number):
        """A machine that stands still for longer than its lease finds that others went on."""
        os.kill(running[number], signal.SIGSTOP)  # one that has ended is not waited for yet, so its id is its own
        time.sleep(1.5 * LEASE_S)
        os.kill(running[number], signal.SIGCONT)
        return True

    def crash(self, running, number):
        """A command of two workers, one of which dies, takes the place of one that is killed."""
        self.end(running, number, signal.SIGKILL)
        running[number] = self.machines.start([*self.words, "workers=2"])
        victim = worker_of(running[number])
        if victim is None:
            return False
        time.sleep(self.draw.uniform(0, 1))
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
            return True
        return False

    def server_dies(self, running, number):
        self.server.stop()
        time.sleep(self.draw.uniform(0, 0.5))
        self.server.start()
        return True

    def finish(self):
        """One more command, which meets no fault, ends the pool."""
        status = self.machines.wait(self.machines.start(self.words))
        assert status == 0, self.machines.said()[-2000:]


def kills(machines, words, folder, straight, least, kinds, server=None):
    """Trials with fresh outputs until `least` faults hit a command at work."""
    whole, ids, span = straight
    hits, statuses, seed = Counter(), Counter(), SEED
    while hits.total() < least:
        out = folder / f"out_{seed}"
        trial = Trial(machines, words, out, seed, kinds, server)
        trial.round(min(8, least - hits.total()), span)
        trial.finish()
        check(out, whole, ids)
        assert left_over(out) == []
        hits += trial.hits
        statuses += trial.statuses
        shutil.rmtree(out)
        seed += 1
    assert "Traceback" not in machines.said(), machines.said()[-4000:]
    return hits, statuses


@pytest.fixture(scope="module")
def real_pool(shared_data, tmp_path_factory):
    """Some pages of each of the real shards; one shard has bad lines too."""
    folder = tmp_path_factory.mktemp("real")
    for number, shard in enumerate(list_shards(shared_data / "web/pool")[:4]):
        pages = []
        for page in read_documents(shard.path):
            if len(page["text"]) < 4000 and len(pages) < 90 - 20 * number:
                pages.append({"id": page["id"], "url": page["url"], "text": page["text"]})
        write_documents(str(folder / "pool" / f"{shard.name}.jsonl.zst"), pages)
    return folder


PATIENT = "engine.retries=14"
"""The server is gone for a second or two, and a page that it never answered would be dropped, with its reason."""
SERVED = ["model=stand-in", "engine.kind=server", "engine.in_flight=8", "engine.backoff_s=0.05"]
LENIENT = ["health.max_bad=1", "health.max_engine_errors=1", "health.max_truncated=1"]


def one_machine(machines, words, folder):
    """What one command makes that meets nothing, the ids of its input, and how long it took."""
    whole = folder / "whole"
    began = time.monotonic()
    assert machines.wait(machines.start([*words, f"output={whole}"])) == 0, machines.said()[-2000:]
    ids = [document["id"] for shard in list_shards(folder / "pool") for document in read_documents(shard.path)]
    return outputs(whole), ids, time.monotonic() - began


def served(machines, server, folder, least, kinds):
    words = [f"input={folder / 'pool'}", f"engine.url={server.url}", "part_docs=8", PATIENT, *SERVED, *LENIENT]
    whole, ids, span = one_machine(machines, words, folder)
    return kills(machines, words, folder, (whole, ids, span), least, kinds, server)


def test_machines_that_share_a_real_pool_survive_every_fault(machines, server, real_pool):
    hits, _ = served(machines, server, real_pool, SHORT, KINDS[:-1])
    assert hits.total() >= SHORT


@pytest.mark.slow
def test_machines_that_share_a_real_pool_survive_very_many_faults(machines, server, real_pool, capsys):
    began = time.monotonic()
    hits, statuses = served(machines, server, real_pool, LONG, KINDS)
    tell(capsys, hits, statuses, began)


def tell(capsys, hits, statuses, began):
    with capsys.disabled():
        seconds = time.monotonic() - began
        print(f"\n{hits.total()} faults in {seconds:.0f} s: {dict(hits)}; exit codes {dict(statuses)}")  # noqa: T201


@pytest.fixture(scope="module")
def sentences(tmp_path_factory):
    """A pool that the tiny model can answer, with chunks of many lengths."""
    folder = tmp_path_factory.mktemp("sentences")
    words = ["The cat sat on the mat.", "Rain fell all day.", "Boil water and add salt.", "The dog ran in the park."]
    for shard in range(2):
        texts = [" ".join(words[(n + i + shard) % 4] for i in range(1 + n * 3 % 5)) for n in range(24 + 9 * shard)]
        rows = [{"id": f"{shard}-{n}", "text": text} for n, text in enumerate(texts)]
        write_documents(str(folder / "pool" / f"s{shard}.jsonl.zst"), rows)
    return folder


@pytest.fixture(scope="module")
def tiny(root, tmp_path_factory):
    """Commands that have torch and the tiny model's code imported, and the words that a command takes."""
    folder = root / "rephrase" / "tiny_text"
    if not (folder / "config.json").is_file():
        pytest.skip("no tiny rephraser here (scripts/make_tiny.sh)")
    warm = ["common.engines.transformers_engine", "transformers.models.llama.modeling_llama"]
    machines = Machines(root, tmp_path_factory.mktemp("tiny"), *warm)
    words = [f"model={folder}", "engine=transformers", "engine.device=cpu", "temperature=0", "max_new_tokens=40"]
    yield machines, [*words, "part_docs=4", *LENIENT]
    machines.close()


def greedy(tiny, folder, least):
    machines, words = tiny
    words = [*words, f"input={folder / 'pool'}"]
    return kills(machines, words, folder, one_machine(machines, words, folder), least, KINDS[:4])


@pytest.mark.slow
def test_machines_with_the_tiny_model_make_the_same_bytes_through_many_kills(tiny, sentences, capsys):
    began = time.monotonic()
    hits, statuses = greedy(tiny, sentences, LONG // 5)
    tell(capsys, hits, statuses, began)
