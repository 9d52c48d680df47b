"""Parquet in row groups: written in bounded memory, read around damage."""

import random
import weakref

import pyarrow
import pyarrow.parquet
import pytest

from common.pools.documents import ShardReader, write_documents
from common.pools.parquet import BATCH_CHARS, BATCH_ROWS, write_parquet
from filter.quality import main


class Tracked(dict):
    """A document of which one can tell whether it is still held."""

    __slots__ = ("__weakref__",)


@pytest.mark.parametrize(("chars", "count"), [(1 << 20, 60), (10, 6000)])
def test_writing_holds_two_row_groups_at_most(tmp_path, chars, count):
    most, alive = 0, weakref.WeakValueDictionary()

    def documents():
        nonlocal most
        for number in range(count):
            document = Tracked(id=str(number), text=chr(97 + number % 26) * chars)
            alive[number] = document
            most = max(most, len(alive))
            yield document

    written, _ = write_parquet(str(tmp_path / "a.parquet"), documents)
    assert written == count
    assert most <= 2 * min(BATCH_ROWS, BATCH_CHARS // chars) + 1  # the one being written, and the next
    metadata = pyarrow.parquet.read_metadata(tmp_path / "a.parquet")
    assert metadata.num_row_groups == -(-count // min(BATCH_ROWS, BATCH_CHARS // chars))
    assert metadata.num_rows == count


@pytest.fixture
def three_groups(tmp_path):
    """A shard of three row groups of 100 rows, and where each one's `text` lies in the file."""
    path = tmp_path / "pool/a.parquet"
    path.parent.mkdir()
    draw = random.Random(3)
    texts = [" ".join(draw.choice(("cat", "dog", "mat", "the")) for _ in range(40)) for _ in range(300)]
    table = pyarrow.table({"id": [str(number) for number in range(300)], "text": texts})
    pyarrow.parquet.write_table(table, path, row_group_size=100, compression="zstd", use_dictionary=False)
    groups = pyarrow.parquet.read_metadata(path)
    columns = [groups.row_group(number).column(1) for number in range(3)]
    return path, [(one.data_page_offset, one.total_compressed_size) for one in columns]


@pytest.mark.parametrize("broken", [0, 1, 2])
@pytest.mark.parametrize("where", ["page header", "page"])
def test_a_damaged_row_group_is_told_with_its_rows_and_the_others_are_read(
    three_groups, broken, where, tmp_path, capsys
):
    path, places = three_groups
    start, size = places[broken]
    raw = bytearray(path.read_bytes())
    first, last = (start, start + 8) if where == "page header" else (start + size // 2, start + size // 2 + 40)
    raw[first:last] = bytes(byte ^ 0xA5 for byte in raw[first:last])
    path.write_bytes(bytes(raw))
    rejected = []
    found = [document["id"] for _, document in ShardReader(str(path), 0, lambda *one: rejected.append(one))]
    lost = range(broken * 100, broken * 100 + 100)
    assert found == [str(number) for number in range(300) if number not in lost]
    assert [position for position, *_ in rejected] == list(lost)
    assert {reason for _, reason, _ in rejected} == {"broken_row_group"}
    assert f"row group {broken}".encode() in rejected[0][2] and str(path).encode() in rejected[0][2]
    main(["score", str(path.parent), str(tmp_path / "out"), "kind=simple", "name=character_length", "field=q"])
    assert "'broken_row_group': 100" in capsys.readouterr().out
    assert pyarrow.parquet.read_metadata(tmp_path / "out/a.parquet").num_rows == 200


def test_bytes_changed_anywhere_lose_no_row_without_a_word(three_groups):
    path, _ = three_groups
    whole = path.read_bytes()
    draw = random.Random(7)
    for _ in range(60):
        raw = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            raw[draw.randrange(len(raw))] ^= draw.randint(1, 255)
        path.write_bytes(bytes(raw))
        told = []
        reader = ShardReader(str(path), 0, lambda *one: told.append(one))  # noqa: B023
        positions = [position for position, _ in reader] + [position for position, *_ in told]
        assert reader.broken or sorted(positions) == list(range(300))


def test_documents_written_by_row_groups_come_back_in_order(tmp_path):
    documents = [{"id": str(number), "text": "x" * (number % 7)} for number in range(2 * BATCH_ROWS + 5)]
    write_documents(str(tmp_path / "a.parquet"), documents)
    assert [document for _, document in ShardReader(str(tmp_path / "a.parquet"))] == documents
