"""The pool made of documents that every machine holds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.local_pool import LocalPoolConfig, main, split_at_headings, write_pool
from common.pools.documents import read_documents
from common.pools.shards import list_shards


def read_pool(folder):
    return [document for shard in list_shards(str(folder)) for document in read_documents(shard.path, shard.index)]


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pool")
    write_pool(LocalPoolConfig(out=str(folder)))
    return folder


def test_holds_several_hundred_real_documents_of_both_kinds(pool):
    documents = read_pool(pool)
    assert len(documents) >= 200
    assert len({document["id"] for document in documents}) == len(documents)
    assert {document["metadata"]["source"] for document in documents} == {"package", "topic"}
    assert all(len(document["text"]) >= 200 for document in documents)
    names = [document["metadata"]["name"] for document in documents]
    assert "pydantic" in names
    assert "assert" in names


def test_the_same_environment_gives_the_same_bytes_and_a_limit_a_prefix(pool, tmp_path):
    write_pool(LocalPoolConfig(out=str(tmp_path / "again")))
    for file in sorted(pool.iterdir()):
        if file.suffix == ".zst":
            assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()
    main([str(tmp_path / "small"), "limit=30", "shards=2"])
    small = read_pool(tmp_path / "small")
    assert small == read_pool(pool)[:30]
    assert len(list_shards(str(tmp_path / "small"))) == 2


def test_more_shards_than_documents_is_one_line_and_code_2(tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([str(tmp_path), "limit=2"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "error: 2 documents do not fill 4 shards; raise limit or lower shards\n"


def test_shards_of_an_earlier_pool_are_not_mixed_in(tmp_path, capsys):
    main([str(tmp_path), "limit=30", "shards=3"])
    with pytest.raises(SystemExit):
        main([str(tmp_path), "limit=30", "shards=2"])
    assert "shard_00000002_processed.jsonl.zst" in capsys.readouterr().err


def test_a_heading_inside_a_fence_or_a_list_rule_does_not_cut():
    page = "# A\n\n```\n# comment\n```\n\n- item\n---\n\ntail"
    assert split_at_headings(page, 5) == [page]


def test_underlined_titles_cut_before_the_title():
    assert split_at_headings("One\n***\n\nx\n\nTwo\n===\n\ny", 12) == ["One\n***\n\nx", "Two\n===\n\ny"]


@given(st.lists(st.sampled_from(["# A", "## B", "text", "more text", "", "Title", "====", "```"])), st.integers(1, 60))
def test_cutting_loses_no_line_but_empty_ones(lines, max_chars):
    pieces = split_at_headings("\n".join(lines), max_chars)
    kept = [line for piece in pieces for line in piece.split("\n") if line]
    assert kept == [line for line in lines if line]
