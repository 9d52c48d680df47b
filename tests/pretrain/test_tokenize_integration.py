"""The command on real pages, and killed at any moment."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from common.config import load
from common.pools.documents import read_documents, write_documents
from common.pools.lock import wait
from common.pools.shards import list_shards
from common.tokens.token_set import open_rows, read_manifest_lines
from common.tokens.tokenizers import load_tokenizer, open_encoder
from pretrain.tokenising import encode as encode_shard
from pretrain.tokenising.config import TokenizeConfig
from pretrain.tokenising.course import tokenize
from pretrain.tokenising.tars import export_tars, import_tars

pytestmark = pytest.mark.integration

TOKENS = [647591, 638669, 653560, 631051, 649273, 654095, 599615, 646379]  # ✓ specification 4.4
CONTEXTS = [317, 312, 319, 308, 317, 320, 293, 316]


@pytest.fixture(scope="module")
def neox(shared_data):
    return str(shared_data / "tokenizers" / "gpt-neox-20b")


@pytest.fixture(scope="module")
def pages(shared_data):
    return shared_data / "web" / "pool"


def run(pool, output, tokenizer, **settings):
    return tokenize(
        load(TokenizeConfig, [], {"input": str(pool), "output": str(output), "tokenizer": tokenizer, **settings})
    )


def contexts(folder):
    described = json.loads((folder / "dataset.json").read_text())
    entries = read_manifest_lines(folder / "manifest.jsonl")
    width = described["seq_len"] + 1
    return np.concatenate(
        [open_rows(folder, entry["shard"], entry["num_sequences"], width, described["dtype"]) for entry in entries]
    )


@pytest.fixture(scope="module")
def whole(pages, neox, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "set"
    return folder, run(pages, folder, neox)


def test_all_pages_have_the_golden_numbers(whole):  # ✓ specification 4.4
    folder, done = whole
    assert (done["num_sequences"], done["num_pads"], done["num_tokens"]) == (2502, 6365, 5_120_233)
    assert (done["documents"], done["text_bytes"]) == (8111, 21_883_806)
    assert (done["vocab_size"], done["dtype"], done["eot_id"]) == (50277, "uint16", 0)
    stats = [json.loads(path.read_text()) for path in sorted(folder.glob("*.stats.json"))]
    assert [one["tokens"] for one in stats] == TOKENS
    assert [one["contexts"] for one in stats] == CONTEXTS
    assert sum(one["pads"] for one in stats) == 6365
    assert sum(one["checked"] for one in stats) >= 8 and stats[0]["checked_at_start"] >= 1000


def test_all_pages_have_the_golden_digest(pages, neox):  # ✓ specification 4.4
    encoder = open_encoder("gigatoken", load_tokenizer(neox), "plain")
    digest = hashlib.sha256()
    for shard in list_shards(str(pages)):
        for ids in encoder.encode([document["text"] for document in read_documents(shard.path)]):
            digest.update((",".join(map(str, ids.tolist())) + ",0\n").encode())
    assert digest.hexdigest()[:16] == "4353684bdceb93d4"


def test_out_as_tars_and_in_again(whole, tmp_path):
    folder, _ = whole
    export_tars(folder, tmp_path / "tars")
    import_tars(tmp_path / "tars", tmp_path / "back")
    assert (tmp_path / "back/shard_00000000.bin").read_bytes() == (folder / "shard_00000000.bin").read_bytes()
    assert (tmp_path / "back/manifest.jsonl").read_bytes() == (folder / "manifest.jsonl").read_bytes()


@pytest.mark.slow
def test_all_pages_as_one_stream(pages, neox, tmp_path):  # ✓ specification 4.4: 2,498 and a tail of 1,831
    done = run(pages, tmp_path / "set", neox, pack="stream")
    assert (done["num_sequences"], done["num_pads"]) == (2499, 2049 - 1831)


@pytest.mark.slow
def test_all_pages_by_the_reference_alone(pages, neox, whole, tmp_path):
    run(pages, tmp_path / "set", neox, engine="tokenizers")
    np.testing.assert_array_equal(contexts(tmp_path / "set"), contexts(whole[0]))


class TestEngineThatErs:
    """A fast engine that gives other ids is found out, and nothing of it is kept."""

    @pytest.fixture
    def erring(self, neox):
        """gigatoken with another id for documents that hold `Zanzibar`."""
        encoder = open_encoder("gigatoken", load_tokenizer(neox), "plain")
        right = encoder._encode

        def wrong(text):
            if isinstance(text, str):
                return spoilt(text.encode())
            *parts, _ = text.split(b"<|endoftext|>")  # many at once, each with EOT after it
            return np.concatenate([np.append(spoilt(part), np.uint32(0)) for part in parts])

        def spoilt(part):
            ids = right(part)
            return np.append(ids, np.uint32(5)) if b"Zanzibar" in part else ids

        encoder._encode = wrong
        yield
        encoder._encode = right

    @pytest.mark.parametrize("position", [3, 1499])  # among the first 1,000, and one of those sampled later
    def test_all_is_encoded_again_with_the_reference(self, erring, neox, tmp_path, position):
        (tmp_path / "pool").mkdir()
        texts = [f"page {number} " + "word " * (number % 9) for number in range(2000)]
        texts[position] += "Zanzibar"
        write_documents(str(tmp_path / "pool/a.jsonl"), [{"text": text} for text in texts[:700]])
        write_documents(str(tmp_path / "pool/b.jsonl"), [{"text": text} for text in texts[700:]])
        done = run(tmp_path / "pool", tmp_path / "set", neox, workers=1, check_every=400 if position > 1000 else 10**9)
        assert done["engine"] == "tokenizers"
        stats = json.loads((tmp_path / "set/a.stats.json").read_text())
        assert "gigatoken" in stats["mismatch"]
        run(tmp_path / "pool", tmp_path / "right", neox, workers=1, engine="tokenizers")
        np.testing.assert_array_equal(contexts(tmp_path / "set"), contexts(tmp_path / "right"))


def files_of(folder):
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    return {
        name: re.sub(rb'"seconds": [\d.]+', b"", raw) if name.endswith(".stats.json") else raw
        for name, raw in found.items()
    }


CHILD = """
import os, signal, sys
from pathlib import Path
import pretrain.tokenising.encode, pretrain.tokenising.finish
pretrain.tokenising.encode.RUN_TOKENS = 20_000
pretrain.tokenising.encode.BATCH_CHARS = 20_000
left = int(sys.argv.pop(1))
# The moments that matter are those at which a file changes: die before the N-th of them.
def mortal(function):
    def call(*arguments, **settings):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **settings)
    return call
os.fsync, os.open = mortal(os.fsync), mortal(os.open)
Path.replace, Path.unlink = mortal(Path.replace), mortal(Path.unlink)
pretrain.tokenising.finish.write_manifest = mortal(pretrain.tokenising.finish.write_manifest)
from pretrain.tokenize import main
main(sys.argv[1:])
"""


def command(root, pool, output, tokenizer, die_at, *more):
    settings = [f"input={pool}", f"output={output}", f"tokenizer={tokenizer}", "seq_len=127", "shard_rows=100", *more]
    return subprocess.run(
        [sys.executable, "-c", CHILD, str(die_at), *settings], cwd=root, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def small_pool(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small") / "pool"
    folder.mkdir()
    for number, ending in enumerate(["jsonl.zst", "jsonl", "jsonl.gz"]):
        documents = [{"text": f"document {number} {place} " + "some words, " * (place % 50)} for place in range(250)]
        write_documents(str(folder / f"part_{number}.{ending}"), documents)
    with (folder / "part_1.jsonl").open("a") as target:
        target.write('no json\n{"text": "the last one"}\n')
    return folder


@pytest.mark.parametrize("pack", ["file", pytest.param("stream", marks=pytest.mark.slow)])
def test_killed_again_and_again_it_ends_with_the_same_bytes(root, small_pool, neox, tmp_path, pack):
    usual = ("workers=1", "check_first=50", f"pack={pack}")
    done = command(root, small_pool, tmp_path / "a/set", neox, 0, *usual)
    assert done.returncode == 0, done.stderr
    wanted = files_of(tmp_path / "a/set")
    assert len(wanted) > 6
    kills, output = 0, tmp_path / "b/set"
    for die_at in (25, 35, 0):
        done = command(root, small_pool, output, neox, die_at, *usual)
        kills += done.returncode == -signal.SIGKILL
    assert done.returncode == 0, done.stderr
    assert kills >= 2
    assert files_of(output) == wanted


@pytest.mark.slow
@pytest.mark.parametrize(("pack", "step"), [("file", 1), ("stream", 3), ("best_fit", 3)])
def test_killed_before_each_change_of_a_file_it_ends_with_the_same_bytes(root, small_pool, neox, tmp_path, pack, step):
    usual = ("workers=1", "engine=tokenizers", f"pack={pack}")
    command(root, small_pool, tmp_path / "a/set", neox, 0, *usual)
    wanted = files_of(tmp_path / "a/set")
    for moment in range(1, 1000, step):
        output = tmp_path / str(moment) / "set"
        first = command(root, small_pool, output, neox, moment, *usual)
        if first.returncode == 0:
            break
        done = command(root, small_pool, output, neox, 0, *usual)
        assert done.returncode == 0, (moment, done.stderr)
        assert files_of(output) == wanted, moment
    assert moment > 60


def test_a_run_waits_for_what_a_killed_one_left_working(tmp_path):
    done = threading.Event()

    def second():
        with wait(tmp_path / "lock"):
            done.set()

    with wait(tmp_path / "lock"):  # as a worker whose parent is dead
        thread = threading.Thread(target=second)
        thread.start()
        assert not done.wait(0.3)
    thread.join(10)
    assert done.is_set()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("kill", [os.killpg, os.kill])  # all of it, or the main process alone
def test_killed_at_any_time_with_any_number_of_workers(root, pages, neox, whole, tmp_path, workers, kill):
    output = tmp_path / "set"
    arguments = [f"input={pages}", f"output={output}", f"tokenizer={neox}", f"workers={workers}"]
    kills = 0
    for delay in (2, 4, 5, 6, 8, 600):
        child = subprocess.Popen(
            [sys.executable, "-m", "pretrain.tokenize", *arguments], cwd=root, start_new_session=True
        )
        try:
            child.wait(delay)
            break
        except subprocess.TimeoutExpired:
            kill(child.pid, signal.SIGKILL)
            child.wait()
            kills += 1
    assert child.returncode == 0 and kills >= 1
    assert files_of(output) == files_of(whole[0])


@pytest.mark.slow
def test_memory_stays_bounded_for_a_shard_of_any_size(root, pages, neox, tmp_path):
    """Below 1 GiB and the shuffle's buffer, for one file of 175 MB of text: more than two full runs."""
    (tmp_path / "pool").mkdir()
    documents = [document for shard in list_shards(str(pages)) for document in read_documents(shard.path)]
    write_documents(str(tmp_path / "pool/big.jsonl.zst"), (document for _ in range(8) for document in documents))
    code = (
        "import sys; from pretrain.tokenize import main; main(sys.argv[1:])\n"
        "from tests.fixtures.memory import peak_mib; print(peak_mib())"
    )
    arguments = [f"input={tmp_path}/pool", f"output={tmp_path}/set", f"tokenizer={neox}", "workers=1", "buffer_mib=64"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=root, capture_output=True, text=True, check=True
    )
    peak_mib = float(done.stdout.splitlines()[-1])
    print(f"peak {peak_mib:.0f} MiB with a buffer of 64 MiB")  # noqa: T201
    assert peak_mib < 1024 + 64
    assert json.loads((tmp_path / "set/dataset.json").read_text())["num_tokens"] == 8 * 5_120_233
    assert encode_shard.RUN_TOKENS * 2 < 8 * 5_120_233
