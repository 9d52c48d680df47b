"""Tokenising end to end: documents in, shuffled contexts out, exactly once."""

import hashlib
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.config import load
from common.pools.documents import read_documents, write_documents
from common.pools.shards import list_shards
from common.tokens.token_set import open_rows, read_manifest_lines
from common.tokens.tokenizers import ReferenceEncoder, load_tokenizer
from pretrain.tokenising.config import TokenizeConfig
from pretrain.tokenising.course import tokenize
from pretrain.tokenize import main

WORDS = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "and", "finds", "words", "in", "files"]


def sentence(number, length):
    return " ".join(WORDS[(number * 7 + place * place) % len(WORDS)] for place in range(length))


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """A byte-level BPE tokenizer of 400 entries in a folder."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|padding|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator([sentence(number, 50) for number in range(20)], trainer)
    folder = tmp_path_factory.mktemp("tokenizer")
    bpe.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    """Four shards in four forms, 60 documents of 0 to 299 words."""
    folder = tmp_path_factory.mktemp("pool")
    for number, ending in enumerate(["jsonl", "jsonl.gz", "jsonl.zst", "parquet"]):
        documents = [
            {"id": f"{number}-{place}", "text": sentence(number * 15 + place, (number * 15 + place) * 37 % 300)}
            for place in range(15)
        ]
        write_documents(str(folder / f"part_{number}.{ending}"), documents)
    return folder


def run(pool, output, tokenizer, **settings):
    values = {"input": str(pool), "output": str(output), "tokenizer": str(tokenizer), "workers": 1, "seq_len": 63}
    return tokenize(load(TokenizeConfig, [], values | settings))


def contexts(folder):
    """All contexts of a set, in stored order, with the number of pads of each."""
    described = json.loads((folder / "dataset.json").read_text())
    rows, pads = [], []
    for shard in read_manifest_lines(folder / "manifest.jsonl"):
        count, width = shard["num_sequences"], described["seq_len"] + 1
        rows.append(open_rows(folder, shard["shard"], count, width, described["dtype"]))
        counts = np.zeros(count, int)
        for row, number in shard["pads"]:
            counts[row] = number
        pads.append(counts)
    return np.concatenate(rows), np.concatenate(pads)


def expected_stream(pool, tokenizer, texts=None):
    """Per shard: the ids of its documents, EOT after each; a plain loop over `tokenizers`."""
    info = load_tokenizer(str(tokenizer))
    reference = ReferenceEncoder(info, "plain")
    streams = []
    for shard in list_shards(str(pool)):
        stream = []
        for document in read_documents(shard.path):
            if document["text"]:
                stream += [*reference.encode([document["text"]])[0].tolist(), info.eot]
        streams.append(stream)
    return streams


def expected_contexts(streams, width, pad):
    rows = []
    for stream in streams:
        for first in range(0, len(stream), width):
            row = stream[first : first + width]
            rows.append((tuple(row + [pad] * (width - len(row))), width - len(row)))
    return rows


def files_of(folder):
    """What must be the same in two runs: everything but times and the run folder."""
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    return {
        name: re.sub(rb'"seconds": [\d.]+', b"", raw) if name.endswith(".stats.json") else raw
        for name, raw in found.items()
    }


@pytest.mark.parametrize("engine", ["gigatoken", "tokenizers"])
def test_every_token_of_every_document_comes_out_once(pool, tokenizer, tmp_path, engine):
    done = run(pool, tmp_path / "set", tokenizer, engine=engine)
    rows, pads = contexts(tmp_path / "set")
    streams = expected_stream(pool, tokenizer)
    wanted = expected_contexts(streams, 64, pad=1)
    found = [(tuple(row.tolist()), int(count)) for row, count in zip(rows, pads, strict=True)]
    assert sorted(found) == sorted(wanted)
    assert found != wanted  # they are shuffled
    assert done["num_tokens"] == sum(map(len, streams)) == rows.size - pads.sum()
    assert done["engine"] == engine


def test_pack_stream_runs_on_across_shards(pool, tokenizer, tmp_path):
    run(pool, tmp_path / "set", tokenizer, pack="stream")
    rows, pads = contexts(tmp_path / "set")
    whole = [token for stream in expected_stream(pool, tokenizer) for token in stream]
    wanted = expected_contexts([whole], 64, pad=1)
    assert sorted(zip(map(tuple, rows.tolist()), pads.tolist(), strict=True)) == sorted(wanted)


def test_with_pack_stream_the_cut_of_the_pool_into_shards_changes_nothing(pool, tokenizer, tmp_path):
    documents = [document for shard in list_shards(str(pool)) for document in read_documents(shard.path)]
    (tmp_path / "other").mkdir()
    for number, part in enumerate([documents[:1], documents[1:2], documents[2:50], [], documents[50:]]):
        write_documents(str(tmp_path / "other" / f"s{number}.jsonl"), part)
    run(pool, tmp_path / "a", tokenizer, pack="stream")
    run(tmp_path / "other", tmp_path / "b", tokenizer, pack="stream")
    assert (tmp_path / "a/shard_00000000.bin").read_bytes() == (tmp_path / "b/shard_00000000.bin").read_bytes()


def test_pack_best_fit_keeps_short_documents_whole(pool, tokenizer, tmp_path):
    done = run(pool, tmp_path / "set", tokenizer, pack="best_fit", seq_len=399)
    rows, pads = contexts(tmp_path / "set")
    pieces = []
    for row, count in zip(rows.tolist(), pads.tolist(), strict=True):
        piece = []
        for token in row[: len(row) - count]:
            piece.append(token)
            if token == 0:
                pieces.append(tuple(piece))
                piece = []
        if piece:
            pieces.append(tuple(piece))
    info = load_tokenizer(str(tokenizer))
    wanted = []
    for stream in expected_stream(pool, tokenizer):
        text = ",".join(map(str, stream)).split(f",{info.eot}")
        for document in filter(None, (part.strip(",") for part in text)):
            ids = [*map(int, document.split(",")), 0]
            wanted += [tuple(ids[first : first + 400]) for first in range(0, len(ids), 400)]
    assert sorted(pieces) == sorted(wanted)
    assert done["num_pads"] == pads.sum()


def test_tail_drop_counts_what_it_leaves_out(pool, tokenizer, tmp_path):
    done = run(pool, tmp_path / "set", tokenizer, tail="drop")
    streams = expected_stream(pool, tokenizer)
    rows, pads = contexts(tmp_path / "set")
    assert pads.sum() == 0
    assert done["num_tokens"] == rows.size == sum(len(stream) // 64 * 64 for stream in streams)
    stats = [json.loads(path.read_text()) for path in sorted((tmp_path / "set").glob("*.stats.json"))]
    assert [one["tokens_dropped"] for one in stats] == [len(stream) % 64 for stream in streams]


def test_the_order_depends_on_the_seed_only(pool, tokenizer, tmp_path):
    run(pool, tmp_path / "a" / "set", tokenizer)
    run(pool, tmp_path / "b" / "set", tokenizer, workers=2, buffer_mib=1)
    run(pool, tmp_path / "c" / "set", tokenizer, engine="tokenizers", buffer_mib=1)
    run(pool, tmp_path / "d" / "set", tokenizer, seed=5)
    first = contexts(tmp_path / "a" / "set")[0]
    assert files_of(tmp_path / "a" / "set") == files_of(tmp_path / "b" / "set")
    np.testing.assert_array_equal(first, contexts(tmp_path / "c" / "set")[0])
    other = contexts(tmp_path / "d" / "set")[0]
    assert not np.array_equal(first, other)
    assert sorted(map(tuple, first.tolist())) == sorted(map(tuple, other.tolist()))


def test_shards_hold_shard_rows_and_only_the_last_is_short(pool, tokenizer, tmp_path):
    done = run(pool, tmp_path / "set", tokenizer, shard_rows=7)
    counts = [shard["num_sequences"] for shard in read_manifest_lines(tmp_path / "set" / "manifest.jsonl")]
    assert counts[:-1] == [7] * (len(counts) - 1)
    assert 0 < counts[-1] <= 7
    assert sum(counts) == done["num_sequences"]
    run(pool, tmp_path / "one", tokenizer)
    np.testing.assert_array_equal(contexts(tmp_path / "set")[0], contexts(tmp_path / "one")[0])
    np.testing.assert_array_equal(contexts(tmp_path / "set")[1], contexts(tmp_path / "one")[1])


def test_our_own_reader_opens_the_set(pool, tokenizer, tmp_path):
    from pretrain.data.mixes import open_data

    done = run(pool, tmp_path / "set", tokenizer)
    data = open_data(str(tmp_path / "set" / "dataset.json"))
    assert (data.name, data.uuid) == ("set", done["uuid"])
    rows, pads = contexts(tmp_path / "set")
    np.testing.assert_array_equal(data.sets[0].rows(np.arange(len(rows))), rows)
    np.testing.assert_array_equal(data.sets[0].pads(np.arange(len(rows))), pads)
    assert data.sets[0].eot_id == 0


def test_a_finished_set_is_found_and_other_settings_are_refused(pool, tokenizer, tmp_path, capsys):
    arguments = [f"input={pool}", f"output={tmp_path}/set", f"tokenizer={tokenizer}", "seq_len=63", "workers=1"]
    main(arguments)
    first = files_of(tmp_path / "set")
    main(arguments)
    assert files_of(tmp_path / "set") == first
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].partition("; engine")[0] == lines[1].partition("; engine")[0]
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "seed=8"])
    assert stopped.value.code == 2
    assert "choose another output folder" in capsys.readouterr().err


def test_two_pools_may_have_shards_of_one_name(pool, tokenizer, tmp_path):
    done = run(f"{pool},{pool}", tmp_path / "set", tokenizer)
    assert done["num_tokens"] == 2 * sum(map(len, expected_stream(pool, tokenizer)))
    assert (tmp_path / "set" / "01_part_0.stats.json").exists()


def test_what_is_no_document_is_counted_and_kept_with_its_reason(tokenizer, tmp_path):
    (tmp_path / "pool").mkdir()
    lines = [
        '{"text": "a b"}',
        "no json",
        '{"txt": "a"}',
        '{"text": 5}',
        '{"text": ""}',
        "",
        "[1]",
        '{"text": "x"}',
    ]
    (tmp_path / "pool" / "a.jsonl").write_text("\n".join(lines))
    (tmp_path / "pool" / "empty.jsonl").write_text("")
    done = run(tmp_path / "pool", tmp_path / "set", tokenizer)
    stats = json.loads((tmp_path / "set" / "a.stats.json").read_text())
    assert stats["drops"] == {"not_json": 1, "no_text": 2, "empty_text": 1, "no_object": 1}
    assert stats["docs_in"] == 7 == stats["docs_out"] + sum(stats["drops"].values())
    rejects = [json.loads(line) for line in (tmp_path / "set" / "a.rejects.jsonl").read_text().splitlines()]
    assert [(row["position"], row["reason"]) for row in rejects] == [
        (1, "not_json"),
        (2, "no_text"),
        (3, "no_text"),
        (6, "no_object"),
    ]
    assert done["documents"] == 2
    assert json.loads((tmp_path / "set" / "empty.stats.json").read_text())["docs_in"] == 0


def test_a_broken_zstd_frame_costs_only_what_cannot_be_read(tokenizer, tmp_path):
    (tmp_path / "pool").mkdir()
    path = tmp_path / "pool" / "a.jsonl.zst"
    write_documents(str(path), [{"text": hashlib.sha256(bytes([n % 256, n // 256])).hexdigest()} for n in range(9000)])
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    done = run(tmp_path / "pool", tmp_path / "set", tokenizer)
    stats = json.loads((tmp_path / "set" / "a.stats.json").read_text())
    assert stats["drops"]["broken_compression"] == 1
    assert 0 < done["documents"] < 9000
    assert stats["docs_in"] == done["documents"] + sum(stats["drops"].values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["input=/nowhere"], "error: no pool at /nowhere"),
        (["inptu=x"], "error: unknown key 'inptu', did you mean 'input'?"),
        (["tokenizer=/nowhere"], "error: no tokenizer at /nowhere"),
        (["add_bos=true"], "has no BOS token"),
        (["eot=<eod>"], "has no token '<eod>'"),
        (["vocab_size=260"], "outside a vocabulary of 260"),
        (["output=s3://bucket/set"], "is not local"),
    ],
)
def test_a_mistake_is_one_line_and_code_2(pool, tokenizer, tmp_path, capsys, arguments, message):
    usual = [f"input={pool}", f"output={tmp_path}/set", f"tokenizer={tokenizer}", "workers=1"]
    with pytest.raises(SystemExit) as stopped:
        main([*usual, *arguments])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_pool_without_text_is_one_line(tokenizer, tmp_path, capsys):
    (tmp_path / "a.jsonl").write_text('{"text": ""}\nnot json\n')
    with pytest.raises(SystemExit) as stopped:
        main([f"input={tmp_path}/a.jsonl", f"output={tmp_path}/set", f"tokenizer={tokenizer}"])
    assert stopped.value.code == 2
    assert "empty_text 1, not_json 1" in capsys.readouterr().err


@given(st.lists(st.text(max_size=40), min_size=1, max_size=8).filter(any), st.sampled_from(["file", "stream"]))
@settings(max_examples=6)
def test_any_text_survives_tokenise_and_read_back(tokenizer, tmp_path_factory, texts, pack):
    from tokenizers import Tokenizer

    folder = tmp_path_factory.mktemp("any")
    write_documents(str(folder / "a.jsonl"), [{"text": text} for text in texts])
    # One context of all: read back in order.
    run(folder / "a.jsonl", folder / "set", tokenizer, seq_len=2000, pack=pack, check_first=1)
    rows, pads = contexts(folder / "set")
    ids = rows[0, : len(rows[0]) - pads[0]].tolist()
    decoder = Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
    found, document = [], []
    for token in ids:
        if token == 0:
            found.append(decoder.decode(document, skip_special_tokens=False))
            document = []
        else:
            document.append(token)
    assert found == [text for text in texts if text]


def test_help_and_dry_run_do_not_wait_for_heavy_libraries(pool, tokenizer, root, tmp_path):
    code = (
        "import sys; from pretrain.tokenize import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as stopped: assert stopped.code == 0\n"
        "assert not {'torch', 'transformers', 'pyarrow'} & set(sys.modules), 'heavy'"
    )
    for arguments in (["--help"], [f"input={pool}", f"output={tmp_path}/s", f"tokenizer={tokenizer}", "--dry-run"]):
        done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=root, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert "# reads: 4 shards" in done.stdout
    assert not (tmp_path / "s").exists()
