"""`cluster=ray` on two local nodes: one actor for each engine; a node that dies costs nothing but the part in work.

Needs Ray: `scripts/test.sh ray=true`.
"""

import json
import os
import subprocess
import sys
import time

import pytest

from common.pools.documents import write_documents

pytestmark = [pytest.mark.integration, pytest.mark.ray]

SERVED = ["model=stand-in", "engine.kind=server", "engine.in_flight=2", "part_docs=4", "health.max_bad=1"]


@pytest.fixture
def nodes(root):
    """Starts a cluster of two nodes; its process, which ends one for each line that it gets, and its address."""
    # a busy machine takes longer than Ray allows to start a worker and to answer when it asks whether a node lives
    patience = {"RAY_worker_register_timeout_seconds": "240", "RAY_health_check_failure_threshold": "20"}
    environment = {**os.environ, "PYTHONPATH": str(root), **patience}
    command = [sys.executable, "-m", "tests.fixtures.ray_nodes"]
    with subprocess.Popen(
        command, cwd=root, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield process, process.stdout.readline().strip()
        process.stdin.close()
        process.wait(60)


def owners(folder):
    """Machines' processes that hold claims on a shard's parts."""
    found = set()
    for path in folder.glob("claim.*"):
        if path.suffix != ".free":
            found.add(json.loads(path.read_text())["owner"]["process"])
    return found


def test_a_node_that_dies_is_taken_over_and_every_document_comes_once(root, nodes, server_url, tmp_path):
    process, address = nodes
    texts = [f"[[slow 0.1]] Page {n} of the pool." for n in range(240)]
    write_documents(str(tmp_path / "in/s.jsonl"), [{"id": str(n), "text": text} for n, text in enumerate(texts)])
    out = tmp_path / "out"
    words = [f"input={tmp_path / 'in'}", f"output={out}", f"engine.url={server_url}", *SERVED, "cluster=ray"]
    environment = {**os.environ, "RAY_ADDRESS": address, "PYTHONPATH": str(root)}
    command = [sys.executable, "-m", "rephrase.run", "0", "0", *words, "workers=2"]
    run = subprocess.Popen(
        command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    end = time.monotonic() + 180
    while len(owners(out / ".s.parts")) < 2 and run.poll() is None and time.monotonic() < end:
        time.sleep(0.2)
    assert len(owners(out / ".s.parts")) == 2, run.communicate(timeout=60)  # an actor on each node is at work
    process.stdin.write("end the second node\n")
    process.stdin.flush()
    assert process.stdout.readline() == "gone\n"
    assert not (out / "s.jsonl").exists()
    printed, said = run.communicate(timeout=300)
    assert run.returncode == 0, said
    assert "240 documents in, 240 out" in printed
    assert [json.loads(line)["id"] for line in (out / "s.jsonl").read_text().splitlines()] == list(map(str, range(240)))
