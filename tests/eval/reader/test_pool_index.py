"""The index of a pool: every document once, resumed after a kill, added to, made anew where the pool changed."""

import gzip
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from common.pools.documents import write_documents
from eval.reader import pool_index
from eval.reader.pool_index import build, is_complete
from eval.reader.search import Filters, PoolSearch
from eval.reader.store import Store, get_meta


def ids(store, **filters):
    return [one.document["id"] for one in PoolSearch(store.reader()).page(Filters(**filters), 1000)]


def test_every_document_and_every_reject_is_in_it_once(pool, store):
    told = []
    assert build(str(pool), store, told.append)
    assert sorted(ids(store)) == sorted(f"page/{number}" for number in range(20))
    assert sorted(ids(store, show="dropped")) == ["page/17", "page/7"]
    assert told[-1].bytes_done == told[-1].bytes_all > 0 and told[-1].documents == 20
    assert is_complete(str(pool), store)


def test_facets_count_what_can_be_filtered_by(pool, store):
    build(str(pool), store, lambda told: None)
    connection = store.reader()
    assert get_meta(connection, "facet_reason") == [["truncated", 2]]
    statuses = {"ok": 18, "missing_sentinel": 1, "dropped": 1, "kept_organic": 1}
    assert dict(get_meta(connection, "facet_status")) == statuses
    assert dict(get_meta(connection, "facet_topic")) == {"Science": 10, "History": 10}
    assert (get_meta(connection, "documents"), get_meta(connection, "dropped")) == (18, 2)


def test_a_new_shard_is_added_and_a_changed_one_read_anew(tmp_path, store):
    write_documents(str(tmp_path / "pool/a.jsonl"), [{"id": "a", "text": "Alpha."}])
    build(str(tmp_path / "pool"), store, lambda told: None)
    write_documents(str(tmp_path / "pool/b.jsonl"), [{"id": "b", "text": "Beta."}])
    assert not is_complete(str(tmp_path / "pool"), store)
    build(str(tmp_path / "pool"), store, lambda told: None)
    assert ids(store) == ["a", "b"] and ids(store, q="beta") == ["b"]
    write_documents(str(tmp_path / "pool/a.jsonl"), [{"id": "c", "text": "Gamma."}])
    build(str(tmp_path / "pool"), store, lambda told: None)
    assert ids(store) == ["c", "b"] and ids(store, q="alpha") == []


def test_an_index_of_another_form_is_made_anew(pool, store):
    build(str(pool), store, lambda told: None)
    with store.writing() as connection:
        connection.execute("PRAGMA user_version = 999")
    assert not is_complete(str(pool), store)
    build(str(pool), store, lambda told: None)
    assert len(ids(store)) == 20


def test_what_is_no_document_is_counted_and_hostile_values_are_kept(tmp_path, store):
    rows = [
        {"id": 7, "text": "A\0B \ud800 seven", "big": 10**30, "quality": 0.5, "rephrase": {"chunks": "x"}},
        {"text": "no id", "topic": ["x"], "source": "a|b", "metadata": {"topic": "T"}},
        {"id": "<b>", "text": "x" * 300_000},
    ]
    lines = [json.dumps(rows[0]), "{broken", json.dumps(rows[1]), '{"id": 1}', json.dumps(rows[2])]
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool/a.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    build(str(tmp_path / "pool"), store, lambda told: None)
    assert [str(one) for one in ids(store)] == ["7", "00000000-00000002", "<b>"]
    assert get_meta(store.reader(), "unreadable") == 2
    assert ids(store, q="seven") == [7] and ids(store, topic="T") == ["00000000-00000002"]
    assert ids(store, score="big", least=1e29) == [7]


def test_more_numbers_than_there_are_columns_are_counted(tmp_path, store):
    row = {"text": "x", **{f"n{number}": number for number in range(40)}}
    write_documents(str(tmp_path / "pool/a.jsonl"), [row])
    build(str(tmp_path / "pool"), store, lambda told: None)
    assert get_meta(store.reader(), "left_out") > 0 and len(ids(store)) == 1


BUILD = """
import sys
from eval.reader import pool_index
from eval.reader.store import Store
from pathlib import Path
pool_index.COMMIT_BYTES = 20_000
store = Store(Path(sys.argv[2]), pool_index.SCHEMA)
def told(progress):
    print(progress.documents, flush=True)
print("done", pool_index.build(sys.argv[1], store, told))
"""


def test_two_that_build_at_once_index_every_document_once(pool, tmp_path):
    stores = [Store(tmp_path / "index", pool_index.SCHEMA) for _ in range(2)]
    threads = [threading.Thread(target=build, args=(str(pool), store, lambda told: None)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ids(stores[0])) == sorted(f"page/{number}" for number in range(20))


@pytest.mark.integration
def test_a_killed_build_goes_on_and_ends_with_every_document_once(tmp_path, root):
    for shard in range(3):
        rows = [{"id": f"{shard}-{row}", "text": f"word{row % 7} " + f"filler{row} " * 40} for row in range(400)]
        write_documents(str(tmp_path / f"pool/{shard}.jsonl"), rows)
    command = [sys.executable, "-c", BUILD, str(tmp_path / "pool"), str(tmp_path / "index")]
    kills = 0
    for _ in range(40):
        with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
            line = process.stdout.readline()
            if kills < 4 and not line.startswith("done"):
                time.sleep(0.005 * kills)
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
                continue
            rest = process.stdout.read()
        assert "done True" in line + rest
        break
    store = Store(Path(tmp_path / "index"), pool_index.SCHEMA)
    assert kills == 4
    assert ids(store) == [f"{shard}-{row}" for shard in range(3) for row in range(400)][:1000]
    found = store.reader().execute("SELECT count(*) FROM words WHERE words MATCH 'word3'").fetchone()[0]
    assert found == 3 * len(range(3, 400, 7)) == PoolSearch(store.reader()).count(Filters(q="word3"))
