"""Recycled documents beside their organic ones."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.pools.documents import write_documents
from common.pools.exactly_once import Result, process_shard
from common.pools.shards import list_shards
from rephrase.inspect import main
from rephrase.inspection.columns import MISSING, marked, side_by_side

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
    main([*map(str, arguments), "width=80", *([] if "differences=true" in arguments else ["differences=false"])])
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


@pytest.fixture
def scored(tmp_path):
    """Pages with addresses and scores, in the document, its metadata and its record; two were dropped."""

    def row(number, **fields):
        record = {"chunks": [{"status": "ok", "flags": ["kept_organic"] if number == 2 else []}], "length_ratio": 0.5}
        return {"id": f"d{number}", "text": "New words.", "organic_text": "Old words.", "rephrase": record, **fields}

    rows = [
        row(0, url="https://en.wikipedia.org/wiki/A", quality=0.1),
        row(1, metadata={"WARC-Target-URI": "https://b.org/x", "score": {"deep": 0.3}}, quality=0.9),
        row(2, url="https://c.org/", quality=True),
    ]
    write_documents(str(tmp_path / "out/part/s.jsonl"), rows)
    dropped = [
        {"position": 3, "reason": "truncated", "document": {"id": "d3", "text": "Cut.", "url": "https://c.org/cut"}},
        {"position": 4, "reason": "not_json", "raw_base64": "/zw="},
    ]
    lines = "".join(json.dumps(one) + "\n" for one in dropped)
    (tmp_path / "out/part/s.rejects.jsonl").write_text(lines)
    return tmp_path / "out"


def ids(out):
    return re.findall(r"^(d\d|\?) ·", out, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (["url=wikipedia"], ["d0"]),
        (["url=b.org"], ["d1"]),
        (["url=c.org"], ["d2"]),
        (["url=c.org", "rejects=true"], ["d3"]),
        (["status=ok"], ["d0", "d1", "d2"]),
        (["status=kept_organic"], ["d2"]),
        (["status=truncated"], ["d3"]),
        (["status=not_json"], ["?"]),
        (["score=quality"], ["d0", "d1"]),  # true is no number
        (["score=quality", "min_score=0.1", "max_score=0.5"], ["d0"]),
        (["score=metadata.score.deep"], ["d1"]),
        (["score=length_ratio", "max_score=0.5", "id=d1"], ["d1"]),
    ],
)
def test_what_is_asked_for_together_holds_together(scored, capsys, asked, found):
    assert ids(shown(capsys, scored, *asked)) == found


def test_the_heading_says_address_and_score(scored, capsys):
    out = shown(capsys, scored, "score=quality", "min_score=0.5")
    assert "d1 · https://b.org/x · 1 x ok · length_ratio 0.5 · quality 0.9" in out


def test_a_shard_alone_has_its_rejects(scored, capsys):
    assert ids(shown(capsys, scored / "part/s.jsonl", "rejects=true")) == ["d3", "?"]


def test_a_bound_without_a_score_is_a_mistake(scored, capsys):
    with pytest.raises(SystemExit) as stop:
        main([str(scored), "min_score=1"])
    assert stop.value.code == 2 and "score=NAME" in capsys.readouterr().err


def test_differences_are_marked(scored, capsys):
    out = shown(capsys, scored, "id=d0", "differences=true")
    assert "[-Old-] words." in out and "{+New+} words." in out


UNMARKED = st.text(st.characters(exclude_characters="[]{}"))


@given(UNMARKED, UNMARKED)
def test_marking_loses_no_character(organic, rephrased):
    old, new = marked(organic, rephrased)
    assert re.sub(r"\[-|-\]", "", old) == organic
    assert re.sub(r"\{\+|\+\}", "", new) == rephrased


def test_hostile_pages_are_spelled_out_in_every_field(tmp_path, capsys):
    hostile = "\x1b[2J\x1b]0;title\x07\u202e"
    row = {"id": f"a{hostile}\n", "text": hostile, "organic_text": hostile + "x", "url": hostile, "reason": hostile}
    row["rephrase"] = {"chunks": [{"status": hostile, "flags": [hostile]}]}
    write_documents(str(tmp_path / "s.jsonl"), [row])
    main([str(tmp_path), "width=80"])
    out = capsys.readouterr().out
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", out) and "\\x1b[2J" in out
    assert out.split("\n")[1].startswith("─")  # the heading is one line
