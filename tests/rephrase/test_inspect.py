"""Recycled documents beside their organic ones."""

import pytest

from common.pools.documents import write_documents
from common.pools.exactly_once import Result, process_shard
from common.pools.shards import list_shards
from rephrase.inspect import MISSING, main, side_by_side

RECORD = {"chunks": [{"status": "ok", "flags": []}, {"status": "ok", "flags": []}], "length_ratio": 0.5}


@pytest.fixture
def pools(tmp_path):
    organic = [{"id": f"d{n}", "text": f"Organic text {n}."} for n in range(4)]
    write_documents(str(tmp_path / "in/s.jsonl"), organic)

    def transform(documents):
        for document in documents:
            if document["id"] == "d2":
                yield Result(reason="truncated", aside=True, source=document)
            else:
                yield Result({**document, "text": document["text"].upper(), "rephrase": RECORD})

    process_shard(list_shards(str(tmp_path / "in"))[0], tmp_path / "out", transform, config_hash="x")
    return tmp_path


def shown(capsys, *arguments):
    main([*map(str, arguments), "width=80"])
    return capsys.readouterr().out


def test_both_texts_stand_side_by_side(pools, capsys):
    out = shown(capsys, pools / "out", f"organic={pools / 'in'}", "limit=2")
    assert "Organic text 0." in out and "ORGANIC TEXT 0." in out and "2 x ok · length_ratio 0.5" in out
    assert any("Organic text 1." in line and "│ ORGANIC TEXT 1." in line for line in out.splitlines())
    assert "d3" not in out


def test_one_document_by_its_id(pools, capsys):
    out = shown(capsys, pools / "out", "id=d3")
    assert out.startswith("d3") and "d0" not in out and MISSING.split(":")[0][:30] in out


def test_rejects_say_why(pools, capsys):
    out = shown(capsys, pools / "out", "rejects=true")
    assert "d2 · dropped: truncated" in out and "Organic text 2." in out


def test_a_rollout_finds_its_original(tmp_path, capsys):
    write_documents(str(tmp_path / "in/s.jsonl"), [{"id": "a#b", "text": "Left."}])
    write_documents(str(tmp_path / "out/s.jsonl"), [{"id": "a#b#1", "text": "Right."}])
    assert "Left." in shown(capsys, tmp_path / "out", f"organic={tmp_path / 'in'}")


def test_lines_wrap_within_the_width():
    text = "word " * 50 + "\n\n" + "x" * 100
    assert max(map(len, side_by_side({"id": 1, "text": text, "organic_text": text}, 60).splitlines())) <= 60


def test_nothing_to_show_is_one_line(pools, capsys):
    with pytest.raises(SystemExit) as stop:
        main([str(pools / "out"), "id=none"])
    assert stop.value.code == 2 and "nothing to show" in capsys.readouterr().err
