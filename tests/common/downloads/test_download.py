"""Downloads from a hub and from plain addresses: resumed, pinned, checked, and said in one line when they fail."""

import io
import os
import re
import subprocess
import sys
import tarfile
import time

import pytest
import yaml

from common.download import main
from common.downloads import http
from common.downloads.bring import bring
from common.downloads.catalogue import Offered, named, read_catalogue, read_numbers
from common.downloads.records import git_sha1, read_record
from common.runs.progress import shown


def entry(**fields):
    return Offered(**{"name": "one", "what": "a thing", "size": "small", "licence": "MIT", "wanted_by": "a", **fields})


def from_hub(address, folder, entries, *arguments, **environment):
    """The command in a process of its own, whose hub is the stand-in."""
    (folder / "list.yaml").write_text(yaml.safe_dump({"published": entries}))
    command = [sys.executable, "-m", "common.download", f"catalogue={folder / 'list.yaml'}", *arguments]
    extra = {
        "HF_ENDPOINT": address,
        "HF_HOME": str(folder / "home"),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_OFFLINE": "0",
    }
    found = {**os.environ, **extra, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=found, timeout=120)


def test_the_toolkits_own_list_is_whole():
    entries = read_catalogue().published
    assert len(entries) >= 15
    for one in entries:
        assert one.licence and one.size and one.wanted_by and not one.to.startswith("/")
    named(entries, ["fasttext", "core", "guru", "repro-rl-sample"])


def test_an_address_is_fetched_once_and_recorded(address, published, tmp_path, capsys):
    published.files["x/pages.jsonl"] = b'{"text": "a"}\n' * 1000
    one = entry(url=f"{address}/x/pages.jsonl", to=str(tmp_path / "rl" / "pages.jsonl"), revision="v1")
    record = bring(one, one.to)
    assert (tmp_path / "rl" / "pages.jsonl").read_bytes() == published.files["x/pages.jsonl"]
    assert record.commit == "v1" and record.files["pages.jsonl"]["bytes"] == 14_000
    asked = len(published.asked)
    assert bring(one, one.to) == record
    assert len(published.asked) == asked
    (tmp_path / "rl" / "pages.jsonl").write_bytes(b"x" * 14_000)
    bring(one, one.to)
    assert len(published.asked) == asked
    bring(one, one.to, verify=True)
    assert (tmp_path / "rl" / "pages.jsonl").read_bytes() == published.files["x/pages.jsonl"]
    assert capsys.readouterr().err == ""  # that was soon done


def test_a_long_download_says_how_far_it_is(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(shown, "FIRST_S", 0.05)
    monkeypatch.setattr(shown, "LOOK_S", 0.01)

    def fetch(url, path, tell, sha256):
        tell(5e6, 20e6)  # what an earlier command brought
        time.sleep(0.05)
        tell(10e6, 20e6)
        time.sleep(0.3)
        path.write_bytes(b"{}")

    monkeypatch.setattr(http, "fetch", fetch)
    place = str(tmp_path / "pages.jsonl")
    bring(entry(url="http://127.0.0.1/pages.jsonl", to=place, revision="v1"), place)
    said = re.search(r"pages.jsonl: 10 of 20 MB \(50 %\), ([\d.]+) MB/s, ", capsys.readouterr().err)
    assert float(said[1]) < 5 / 0.05 + 1  # the first 5 MB were there before


def test_a_file_that_breaks_off_is_gone_on_with(address, published, tmp_path):
    content = bytes(range(256)) * 8000
    published.files["big.bin"] = content
    published.breaks_after["big.bin"] = [700_000, 300_001, 400_000]
    published.busy = 1
    one = entry(url=f"{address}/big.bin", to=str(tmp_path / "big.bin"))
    bring(one, one.to)
    assert (tmp_path / "big.bin").read_bytes() == content
    ranges = [asked for _, path, asked in published.asked if path == "big.bin" and asked]
    assert ranges and int(ranges[-1].removeprefix("bytes=").strip("-")) >= 1_000_000
    assert not (tmp_path / "big.bin.part").exists()


def test_what_was_fetched_whole_before_a_kill_is_not_fetched_again(address, published, tmp_path):
    published.files["a.bin"] = b"abc" * 100
    (tmp_path / "a.bin.part").write_bytes(b"abc" * 100)
    one = entry(url=f"{address}/a.bin", to=str(tmp_path / "a.bin"))
    bring(one, one.to)
    assert (tmp_path / "a.bin").read_bytes() == b"abc" * 100


def test_a_file_with_another_digest_is_thrown_away(address, published, tmp_path):
    published.files["a.bin"] = b"evil"
    one = entry(url=f"{address}/a.bin", to=str(tmp_path / "a.bin"), sha256={"a.bin": "0" * 64})
    with pytest.raises(OSError, match="it was thrown away"):
        bring(one, one.to)
    assert list(tmp_path.glob("a.bin*")) == []


def test_numbered_files_are_added_one_by_one(address, published, tmp_path):
    for number in range(4):
        published.files[f"d/shard_{number:03d}.zst"] = b"%d" % number
    one = entry(url=f"{address}/d/shard_{{number:03d}}.zst", numbers="0-3", to=str(tmp_path / "pool"))
    bring(one, one.to, "0")
    assert sorted(bring(one, one.to, "0-2").files) == ["shard_000.zst", "shard_001.zst", "shard_002.zst"]
    assert len([path for _, path, _ in published.asked]) == 3
    assert (tmp_path / "pool" / "shard_002.zst").read_bytes() == b"2"


def test_a_member_outside_the_folder_is_not_written(address, published, tmp_path):
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        for name in ("top/data/a/x.jsonl", "top/data/../../../out.jsonl", "/abs/data/y.jsonl", "top/other/z.jsonl"):
            member = tarfile.TarInfo(name)
            member.size = 2
            tar.addfile(member, io.BytesIO(b"{}"))
    published.files["a.tar.gz"] = archive.getvalue()
    one = entry(url=f"{address}/a.tar.gz", members="*/data/**/*.jsonl", strip=2, to=str(tmp_path / "in" / "core"))
    assert sorted(bring(one, one.to).files) == ["a/x.jsonl"]
    assert not list(tmp_path.rglob("out.jsonl"))
    assert not (tmp_path / "in" / "core" / ".archive").exists()


def test_a_repository_is_pinned_to_the_commit_that_was_seen(address, published, commit, tmp_path):
    published.files |= {"o/n/train/a.parquet": b"rows" * 50, "o/n/README.md": b"# card", "o/n/w.bin": b"other"}
    published.in_lfs = {"train/a.parquet"}
    entries = [entry(hub="o/n", kind="dataset", files=["train/*", "*.md"], to=str(tmp_path / "out")).model_dump()]
    done = from_hub(address, tmp_path, entries, "one")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "train" / "a.parquet").read_bytes() == b"rows" * 50
    assert not (tmp_path / "out" / "w.bin").exists()
    assert read_record(str(tmp_path / "out"), False).commit == commit
    assert f"2 files, 0.0 MB of o/n at {commit}" in done.stdout
    asked = len(published.asked)
    assert from_hub(address, tmp_path, entries, "one").returncode == 0
    assert len(published.asked) == asked
    (tmp_path / "out" / "README.md").unlink()
    assert from_hub(address, tmp_path, entries, "one").returncode == 0
    assert (tmp_path / "out" / "README.md").read_bytes() == b"# card"


def test_one_file_of_a_repository_gets_its_own_name_and_others_lies_are_found(address, published, tmp_path):
    published.files["o/n/long_name.bin"] = b"weights"
    entries = [entry(hub="o/n", files=["*.bin"], to=str(tmp_path / "models" / "short.bin")).model_dump()]
    published.lies["o/n/long_name.bin"] = b"weighty"
    done = from_hub(address, tmp_path, entries, "one")
    assert done.returncode == 1
    assert "is not the file that the hub describes" in done.stderr and done.stderr.count("\n") <= 2
    published.lies.clear()
    assert from_hub(address, tmp_path, entries, "one").returncode == 0
    assert (tmp_path / "models" / "short.bin").read_bytes() == b"weights"
    assert [path.name for path in (tmp_path / "models").iterdir() if path.name.endswith(".part")] == []


@pytest.mark.parametrize(
    ("environment", "message"),
    [({}, "o/absent at main"), ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE=1 keeps the hub out")],
)
def test_what_is_not_there_is_one_line(address, tmp_path, environment, message):
    entries = [entry(hub="o/absent", to=str(tmp_path / "out")).model_dump()]
    done = from_hub(address, tmp_path, entries, "one", **environment)
    assert done.returncode == 1
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name something to fetch"),
        (["fastext"], "nothing is called 'fastext'; there are: fasttext"),
        (["dclm-refinedweb", "numbers=600"], "there are 0-599"),
        (["dclm-refinedweb", "numbers=a"], "write 3, 0-7 or 0-3,9"),
        (["guru", "numbers=1"], "is not a numbered set"),
        (["guru", "rlpr", "to=x"], "for one name at a time"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_the_list_says_what_a_person_asks(capsys):
    main(["--list"])
    printed = capsys.readouterr().out
    for one in read_catalogue().published:
        assert f"{one.name}: {one.what}" in printed and one.licence in printed and one.source in printed


def test_another_sources_files_are_not_mixed(address, published, tmp_path):
    published.files |= {"a.bin": b"a", "b.bin": b"b"}
    bring(entry(url=f"{address}/a.bin", to=str(tmp_path / "f.bin")), str(tmp_path / "f.bin"))
    with pytest.raises(ValueError, match="holds files of"):
        bring(entry(url=f"{address}/b.bin", to=str(tmp_path / "f.bin")), str(tmp_path / "f.bin"))
    (tmp_path / ".f.bin.download.json").write_text("[]")
    with pytest.raises(ValueError, match="is no record of a download"):
        bring(entry(url=f"{address}/a.bin", to=str(tmp_path / "f.bin")), str(tmp_path / "f.bin"))


def test_numbers_and_gits_digest(tmp_path):
    assert read_numbers("", "0-3") == [0, 1, 2, 3]
    assert read_numbers("2, 0-1", "0-3") == [0, 1, 2]
    (tmp_path / "hello").write_bytes(b"hello\n")
    assert git_sha1(tmp_path / "hello") == "ce013625030ba8dba906f756967f9e9ca394464a"  # git hash-object
