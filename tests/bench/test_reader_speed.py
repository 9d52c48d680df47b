"""The reader's index: how long it takes, how large it is, and how a reader opens on it.

    python -m pytest tests/bench/test_reader_speed.py -m bench -s          # 1,000,000 documents
    REPRO_READER_DOCUMENTS=100000 python -m pytest tests/bench/test_reader_speed.py -m bench -s

Documents are short, 850 bytes of text each, page and rephrasing. Seconds of the build are those of the processor, with
the seconds of the clock beside them; opening is measured from the start of the process to the last byte of its first
page, the search and the document page beside it.
"""

import os
import resource
import subprocess
import sys
import time
import urllib.request

import pytest

from tests.fixtures.memory import peak_mib
from tests.fixtures.short_documents import write_short_documents

DOCUMENTS = int(os.environ.get("REPRO_READER_DOCUMENTS", "1000000"))
SHORT = 4_000
MOST_MIB = 300

BUILD = """
import sys, time
from eval.reader import pool_index
from eval.reader.store import Store, index_folder
from tests.fixtures.memory import peak_mib
store = Store(index_folder(sys.argv[1], sys.argv[2]), pool_index.SCHEMA)
began = time.perf_counter()
assert pool_index.build(sys.argv[1], store, lambda told: None)
print(time.process_time(), time.perf_counter() - began, store.path.stat().st_size, peak_mib())
"""


def built(root, pool, index):
    """Processor seconds, seconds, bytes of the index, peak memory in MiB."""
    command = [sys.executable, "-c", BUILD, str(pool), str(index)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def fetch(address):
    began = time.perf_counter()
    with urllib.request.urlopen(address, timeout=60) as answer:
        shown = answer.read().decode()
    return time.perf_counter() - began, shown


def opened(root, pool, index):
    """Seconds to the first page, processor seconds and peak memory (MiB) of the reader, seconds of other pages."""
    began = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "eval.reader", str(pool), "port=0", f"index={index}"]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            base = process.stdout.readline().split()[0].rstrip("/")
            _, shown = fetch(f"{base}/pool/{pool.name}")
            first_s = time.perf_counter() - began
            assert "doc-0000000" in shown and "index is being built" not in shown
            pages = {
                "rare words": "?q=doc+0000123",
                "a common word, worst first": "?q=read&sort=content_kept",
                "a score's range": "?score=quality&least=0.99",
                "a document": "/document?id=doc-0000123",
            }
            found = {name: fetch(f"{base}/pool/{pool.name}{address}") for name, address in pages.items()}
            peak = peak_mib(process.pid)
        finally:
            process.terminate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "doc-0000123" in found["a document"][1] and "doc-0000123" in found["rare words"][1]
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return first_s, cpu_s, peak, {name: seconds for name, (seconds, _) in found.items()}


def test_a_small_pool_opens_in_little_memory_from_a_small_index(tmp_path, root):
    pytest.importorskip("uvicorn", reason="the reader's extra is not installed")
    text = write_short_documents(tmp_path / "pool", SHORT, 2)
    cpu_s, _, size, peak = built(root, tmp_path / "pool", tmp_path / "index")
    assert size <= 1.5 * text and peak < MOST_MIB
    assert cpu_s < 600 * SHORT / 1_000_000 + 4  # what 1,000,000 may take, and the start
    _, cpu_s, peak, _ = opened(root, tmp_path / "pool", tmp_path / "index")
    assert cpu_s < 6 and peak < MOST_MIB


@pytest.mark.bench
@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_million_documents_are_indexed_in_ten_minutes_and_open_in_three_seconds(tmp_path, root):
    text = write_short_documents(tmp_path / "pool", DOCUMENTS, 20)
    build_cpu_s, wall_s, size, peak = built(root, tmp_path / "pool", tmp_path / "index")
    first_s, cpu_s, open_peak, pages = opened(root, tmp_path / "pool", tmp_path / "index")
    lines = [
        f"{DOCUMENTS:,} documents, {text / 1e6:.0f} MB of text",
        f"index: {build_cpu_s:.0f} s of CPU, {wall_s:.0f} s, {size / text:.2f} x the text, peak {peak:.0f} MiB",
        f"opens: {first_s:.2f} s ({cpu_s:.2f} s of CPU with the pages below), peak {open_peak:.0f} MiB",
        "; ".join(f"{name} {seconds:.2f} s" for name, seconds in pages.items()),
    ]
    print("", *lines, sep="\n")  # noqa: T201 - the figures
    assert build_cpu_s <= 600 and size <= 1.5 * text and max(peak, open_peak) < MOST_MIB and first_s < 3
