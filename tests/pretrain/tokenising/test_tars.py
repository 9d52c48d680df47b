"""DCLM's tars of contexts, out and in again."""

import gzip
import io
import json
import tarfile

import numpy as np
import pytest

from common.tokens.token_set import read_manifest_lines
from pretrain.export import main as export_main
from pretrain.tokenising.tars import export_tars, import_tars, read_tar


def rows_of(count, width=9, vocab=300, seed=0):
    return np.random.default_rng(seed).integers(0, vocab, (count, width))


def bins(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.bin"))}


def write_tar(path, members):
    with tarfile.open(path, "w") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


@pytest.mark.parametrize("newline", [True, False])
def test_out_and_in_again_is_the_same_set(make_set, tmp_path, newline):
    made = make_set(tmp_path / "set", rows_of(150), pads=[(3, 5), (149, 1)], newline=newline)
    assert export_tars(made, tmp_path / "tars") == 150
    assert import_tars(tmp_path / "tars", tmp_path / "back") == 150
    assert bins(tmp_path / "back") == bins(made)
    assert read_manifest_lines(tmp_path / "back" / "manifest.jsonl") == read_manifest_lines(made / "manifest.jsonl")
    back, first = (json.loads((folder / "dataset.json").read_text()) for folder in (tmp_path / "back", made))
    assert {key: back[key] for key in first} == first
    assert back["num_pads"] == 6 and back["num_tokens"] == 150 * 9 - 6


def test_the_commands_write_tars_and_read_them_back(make_set, tmp_path, capsys):
    made = make_set(tmp_path / "set", rows_of(70), pads=[(3, 5)])
    export_main(["tar-out", str(made), str(tmp_path / "tars")])
    assert sorted(path.name for path in (tmp_path / "tars").glob("*.tar")) == [
        "shard_00000000.tar",
        "shard_00000001.tar",
    ]
    export_main(["tar-in", str(tmp_path / "tars"), str(tmp_path / "back")])
    assert bins(tmp_path / "back") == bins(made)
    assert read_manifest_lines(tmp_path / "back/manifest.jsonl") == read_manifest_lines(made / "manifest.jsonl")
    assert capsys.readouterr().out.split() == [str(tmp_path / "tars"), str(tmp_path / "back")]


def test_members_are_named_and_stored_as_dclm_stores_them(make_set, tmp_path):
    rows = rows_of(3)
    export_tars(make_set(tmp_path / "set", rows), tmp_path / "tars")
    with tarfile.open(tmp_path / "tars" / "shard_00000000.tar") as archive:
        names = archive.getnames()
        contents = [json.loads(gzip.decompress(archive.extractfile(name).read())) for name in names]
    assert contents == rows.tolist()
    assert [name[:18] for name in names] == [f"00000000_{row:08d}_" for row in range(3)]
    assert all(name.endswith(".json.gz") and name.count(".") == 2 for name in names)
    manifest = (tmp_path / "tars" / "manifest.jsonl").read_bytes()
    assert manifest == b'{"shard": "shard_00000000", "num_sequences": 3}\n'


def test_equal_sets_give_equal_tars(make_set, tmp_path):
    made = make_set(tmp_path / "set", rows_of(5))
    for name in ("a", "b"):
        export_tars(made, tmp_path / name)
    assert (tmp_path / "a/shard_00000000.tar").read_bytes() == (tmp_path / "b/shard_00000000.tar").read_bytes()


@pytest.mark.parametrize(
    "manifest", ['{"shard": "x", "num_chunks": 2}', '\n{"shard": "x", "num_sequences": 2}\n\n', None]
)
@pytest.mark.parametrize("key", ["json.gz", "json", "txt"])
def test_reads_others_tars(tmp_path, manifest, key):
    lists = [[1, 2, 3, 50256, 50256], [5, 50256, 7, 8, 9]]
    texts = [json.dumps(ids).encode() for ids in lists]
    members = [(f"0_{n}.{key}", gzip.compress(text) if key.endswith("gz") else text) for n, text in enumerate(texts)]
    write_tar(tmp_path / "x.tar", [*members, ("0_0.metadata", b"{}")])
    if manifest is not None:
        (tmp_path / "manifest.jsonl").write_text(manifest)
    assert import_tars(tmp_path, tmp_path / "set") == 2
    assert np.fromfile(tmp_path / "set/x.bin", "<u2").reshape(2, 5).tolist() == lists
    assert "vocab_size" not in json.loads((tmp_path / "set/dataset.json").read_text())
    import_tars(tmp_path, tmp_path / "padded", import_pad=50256)
    assert read_manifest_lines(tmp_path / "padded/manifest.jsonl")[0]["pads"] == [[0, 2]]
    assert read_manifest_lines(tmp_path / "set/manifest.jsonl")[0]["pads"] == []


def test_ids_above_65535_widen_a_set_whose_vocabulary_is_unknown(tmp_path):
    write_tar(tmp_path / "x.tar", [("a.json", b"[1, 2]"), ("b.json", b"[3, 128000]")])
    import_tars(tmp_path, tmp_path / "set")
    assert np.fromfile(tmp_path / "set/x.bin", "<u4").tolist() == [1, 2, 3, 128000]
    assert json.loads((tmp_path / "set/dataset.json").read_text())["dtype"] == "uint32"


@pytest.mark.parametrize(
    ("members", "manifest", "message"),
    [
        ([("a.json", b"[1, 2]"), ("b.json", b"[1, 2, 3]")], None, "b.json holds 3 ids where 2"),
        ([("a.json", b"[1, 2")], None, "a.json holds no JSON list"),
        ([("a.json.gz", b"[1, 2]")], None, "a.json.gz holds no JSON list"),
        ([("a.json", b"[1.5]")], None, "a.json holds no list of ids"),
        ([("a.json", b"[1, -2]")], None, "has ids -2 to 1"),
        ([("a.json", b"[1, 2]")], '{"shard": "x", "num_sequences": 2}', "holds 1 contexts, the manifest says 2"),
        ([("a.json", b"[1, 2]")], '{"shard": "y", "num_sequences": 1}', "there is no y.tar"),
        ([], None, "hold no contexts"),
        ([("a.json", b"[1, 2]")], '{"shard": "../x", "num_sequences": 1}', "names '../x', which is no place inside"),
        (
            [("a.json", b"[1, 2]")],
            '{"shard": "/tmp/x", "num_sequences": 1}',
            "names '/tmp/x', which is no",
        ),
        ([("a.json", b"[1, 2]")], '{"shard": "s3://b/x", "num_sequences": 1}', "which is no place inside"),
        ([("a.json", b"[1, 2]")], '{"shard": "a/..\\\\../x", "num_sequences": 1}', "which is no place inside"),
    ],
)
def test_what_is_no_set_of_tars_is_one_line_and_code_2(tmp_path, capsys, members, manifest, message):
    write_tar(tmp_path / "x.tar", members)
    if manifest is not None:
        (tmp_path / "manifest.jsonl").write_text(manifest)
    with pytest.raises(SystemExit) as stopped:
        export_main(["tar-in", str(tmp_path), str(tmp_path / "set")])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_broken_tar_is_one_line(tmp_path):
    (tmp_path / "x.tar").write_bytes(b"no tar at all" * 100)
    with pytest.raises(ValueError, match=r"x\.tar is no readable tar"):
        list(read_tar(tmp_path / "x.tar"))
