"""A small pool holds the first fitting documents of a large one, each once."""

import pytest

from common.pools.documents import write_documents
from common.pools.shards import list_shards, read_pool
from common.sample_pool import main


def test_the_first_fitting_documents_are_dealt_to_the_shards(tmp_path):
    texts = ["short", *("x" * length for length in range(200, 220)), "y" * 9999]
    write_documents(str(tmp_path / "pool" / "a.jsonl"), [{"id": str(n), "text": text} for n, text in enumerate(texts)])
    main([str(tmp_path / "pool"), str(tmp_path / "small"), "limit=10", "shards=3"])
    assert [len(list(read_pool(shard.path))) for shard in list_shards(tmp_path / "small")] == [4, 3, 3]
    assert sorted(int(document["id"]) for document in read_pool(tmp_path / "small")) == list(range(1, 11))


def test_a_pool_without_a_fitting_document_is_refused(tmp_path, capsys):
    write_documents(str(tmp_path / "pool" / "a.jsonl"), [{"text": "short"}])
    with pytest.raises(SystemExit) as stop:
        main([str(tmp_path / "pool"), str(tmp_path / "small")])
    assert stop.value.code == 2
    assert "no document of 200 to 6000 characters" in capsys.readouterr().err
