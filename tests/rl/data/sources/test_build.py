"""Every data set builds golden rows from five made-up raw records, whoever builds them and however often killed."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eval.verifiers.registry import score
from rl.data.prepare import main
from rl.data.raw.dataset import NothingKept
from rl.data.rows.answers import gold_completion
from rl.data.rows.schema import read_rows
from rl.data.sources.build import build, size_suffix
from rl.data.sources.registry import DATA_SETS

HERE = Path(__file__).parent
WRITTEN = {
    "Write without commas.": "Here are words and no mark of that kind.",
    "Write at least three words.": "One two three four.",
    "Use small letters.": "only small ones here",
    "Write three to five words.": "one two three four",
    "Write two to nine words.": "one two three four",
    "Write four to six words, then two to nine.": "one two three four",
    "Who tells the truth? Answer in bold: yes or no, three times.": "It is **yes, no, yes**",
    "What is left? Answer in bold.": "It is a **square**",
    "What kind of column is it?": "country",
}
"""Right answers to the questions whose rows hold none."""


def raw(source):
    files = [path for path in (HERE / "raw").iterdir() if path.name in (source, f"{source}.jsonl")]
    assert len(files) == 1, f"no fixture for {source}"
    return files[0]


def built(name, tmp_path, **options):
    data_set = DATA_SETS[name]
    options = {"max_length": None, "out": str(tmp_path / "rows.parquet"), "source": str(raw(name)), **options}
    if name == "simulation__codeio":  # nine of ten records are for evaluation
        options.setdefault("split", "offline_eval")
    if name == "stem__web":
        options.setdefault("max_answer_tokens", None)
    report = build(data_set, data_set.config(**options))
    return report, list(read_rows(report["out"]))


def golden(source):
    path = HERE / "golden" / f"{source}.json"
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("source", sorted(DATA_SETS))
def test_five_raw_records_give_the_golden_rows(tmp_path, source):
    report, rows = built(source, tmp_path, gold=False)
    expected = golden(source)
    assert rows == expected["rows"]
    assert report["drops"] == expected["drops"]
    assert report["rows"] >= 2
    rejects = Path(f"{report['out']}.rejects.jsonl").read_text().splitlines()
    assert len(rejects) == sum(report["drops"].values())


@pytest.mark.parametrize("source", sorted(DATA_SETS))
def test_gold_answers_score_1_and_empty_ones_0(source):
    for row in golden(source)["rows"]:
        empty = score(row, "")
        if empty.failure == "infra" or empty.reason == "missing_resource":
            pytest.skip(f"{row['verifier']}: {empty.reason} here")
        assert empty.score == 0.0
        text = gold_completion(row) or WRITTEN.get(row["prompt"][0]["content"])
        if text is None:
            assert row["source"] == "codegen__livecodebench"  # published without solutions
            continue
        result = score(row, text)
        if json.loads(row["info"]).get("question_title") == "made-up-wrong":
            assert result.status in ("wrong", "infra_error", "skipped")
            continue
        if result.failure == "infra" or result.reason == "missing_resource":
            pytest.skip(f"{row['verifier']}: {result.reason} here")
        assert (result.status, result.score) == ("correct", 1.0), (text, result)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir()) if path.is_file()}


def many(tmp_path, count=1000):
    """A raw file of several chunks."""
    rows = [{"problem": f"What is {at} + 1?", "answer": str(at + 1)} for at in range(count)] * 2
    path = tmp_path / "many.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_one_process_and_eight_give_the_same_bytes(tmp_path):
    path = many(tmp_path)
    data_set = DATA_SETS["math__deepscaler_preview"]
    for processes in (1, 8):
        (tmp_path / str(processes)).mkdir()
        out = tmp_path / str(processes) / "rows.parquet"
        options = {"source": str(path), "out": str(out), "size": 700, "max_length": None, "gold": False}
        report = build(data_set, data_set.config(**options, processes=processes))
        assert report["drops"] == {"not_sampled": 300, "repeated": 1000}
    one, eight = contents(tmp_path / "1"), contents(tmp_path / "8")
    assert one["rows.parquet"] == eight["rows.parquet"]
    assert one["rows.parquet.rejects.jsonl"] == eight["rows.parquet.rejects.jsonl"]
    assert not list(tmp_path.glob("*/*.parts"))
    found = list(read_rows(str(tmp_path / "1" / "rows.parquet")))
    assert {json.loads(row["info"])["repeats"] for row in found} == {2}


def test_a_killed_build_goes_on_and_gives_the_same_bytes(tmp_path):
    path = many(tmp_path, 2000)
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    data_set = DATA_SETS["math__deepscaler_preview"]
    options = {"source": str(path), "max_length": None, "gold": False}
    build(data_set, data_set.config(**options, out=str(tmp_path / "whole" / "rows.parquet")))
    out = tmp_path / "killed" / "rows.parquet"
    command = [sys.executable, "-m", "rl.data.prepare", "deepscaler_preview", f"source={path}", f"out={out}"]
    child = subprocess.Popen([*command, "max_length=null", "gold=false"], stdout=subprocess.DEVNULL)
    parts = Path(f"{out}.parts")
    while child.poll() is None and len(list(parts.glob("0*.jsonl"))) < 3:
        time.sleep(0.005)
    child.kill()
    child.wait()
    if parts.exists():  # a fast machine may be done before it is killed
        left = {one.name: one.stat().st_mtime_ns for one in parts.glob("0*.jsonl")}
        assert left
    build(data_set, data_set.config(**options, out=str(out)))
    names = ("rows.parquet", "rows.parquet.rejects.jsonl")
    whole, killed = contents(tmp_path / "whole"), contents(tmp_path / "killed")
    assert [whole[name] for name in names] == [killed[name] for name in names]


def test_parts_of_another_config_are_not_used(tmp_path):
    path = many(tmp_path)
    data_set = DATA_SETS["math__deepscaler_preview"]
    out = tmp_path / "rows.parquet"
    parts = Path(f"{out}.parts")
    parts.mkdir()
    (parts / "config.json").write_text("another")
    (parts / "000000.jsonl").write_text("no JSON")
    report = build(data_set, data_set.config(source=str(path), out=str(out), max_length=None, gold=False, first=10))
    assert report["rows"] == 10


def test_all_left_out_is_exit_1_with_the_reasons(tmp_path, capsys):
    (tmp_path / "a.jsonl").write_text('{"problem": "x"}\n{"answer": "4"}\n')
    with pytest.raises(SystemExit) as ended:
        main(
            ["deepscaler_preview", f"source={tmp_path / 'a.jsonl'}", f"out={tmp_path / 'o.parquet'}", "max_length=null"]
        )
    assert ended.value.code == 1
    assert "no row is kept; left out: {'no_answer': 1, 'no_problem': 1}" in capsys.readouterr().err
    with pytest.raises(NothingKept):
        built("stem__web", tmp_path, without_categories=["Physics", "Mathematics"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no_such_set"], "no command 'no_such_set'"),
        (["arcagi1", "source=none", "out=o.parquet", "max_length=null"], "training/*.json and evaluation/*.json"),
        (["hitab", "out=o.parquet", "max_length=null"], "it is no hub id; give source=PATH; expected: a folder with"),
        (["math_500", "split=train", "out=o.parquet", "max_length=null"], "it has: offline_eval, online_eval"),
        (["math_500", "out=o.parquet", "lenght=1"], "unknown key 'lenght'"),
    ],
)
def test_a_mistake_is_one_line(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert message in (error := capsys.readouterr().err)
    assert error.count("\n") == 1


def test_a_missing_tokenizer_is_an_error(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    source = raw("math__deepscaler_preview")
    with pytest.raises(SystemExit) as ended:
        main(
            [
                "deepscaler_preview",
                f"source={source}",
                f"out={tmp_path / 'o.parquet'}",
                f"tokenizer={tmp_path / 'none'}",
            ]
        )
    assert ended.value.code == 2
    assert "give tokenizer=FOLDER, or max_length=null" in capsys.readouterr().err


def test_long_prompts_are_left_out_at_the_boundary(tmp_path, root):
    from rl.data.raw.lengths import fits, open_tokenizer, prompt_tokens

    tokenizer = str(root / "rephrase" / "tiny")
    counted = open_tokenizer(tokenizer)
    _, rows = built("math__deepscaler_preview", tmp_path)
    lengths = sorted(prompt_tokens(counted, row["prompt"][0]["content"]) for row in rows)
    report, kept = built("math__deepscaler_preview", tmp_path, max_length=lengths[1] + 100, tokenizer=tokenizer)
    assert len(kept) == sum(length <= lengths[1] for length in lengths)
    assert len(kept) < len(rows)
    assert report["drops"]["long_prompt"] >= len(rows) - len(kept)  # a question that is there twice counts twice
    assert (fits(3996, 4096), fits(3997, 4096)) == (True, False)


def test_a_wrong_gold_answer_is_a_reject(tmp_path):
    report, rows = built("codegen__leetcode2k", tmp_path)
    if any(verdict.startswith("not_judged") for verdict in report["gold"]):
        pytest.skip("programs cannot be run here")
    assert report["gold"] == {"gold_correct": 3}
    assert report["drops"] == {"gold_wrong/tests_failed": 1, "no_tests": 1}
    assert len(rows) == 3
    puzzle = {"train": [{"input": [[1]], "output": [[2]]}], "test": [{"input": [[1]], "output": [[3]]}]}
    (tmp_path / "p.json").write_text(json.dumps(puzzle))
    report, _ = built("logic__arcagi1", tmp_path, source=str(tmp_path / "p.json"))
    assert report["gold"] == {"gold_correct": 1}


def test_all_test_inputs_of_a_puzzle_can_be_rows(tmp_path):
    report, rows = built("logic__arcagi1", tmp_path, arc_tests="all")
    assert report["rows"] == 5
    assert len({row["id"] for row in rows}) == 5


def test_published_counts_stand_beside_ours(tmp_path):
    report, _ = built("codegen__taco", tmp_path, gold=False)
    assert report["counts"] == {"raw": {"ours": 5, "published": 12900}, "kept": {"ours": 2, "published": 11100}}


@pytest.mark.parametrize(
    ("rows", "name"), [(999, "999"), (1000, "1k"), (1949, "1.9k"), (54400, "54.4k"), (117192, "117.2k")]
)
def test_sizes_are_written_as_in_gurus_names(rows, name):
    assert size_suffix(rows) == name


def test_a_folder_gets_gurus_file_name(tmp_path):
    report, _ = built("codegen__taco", tmp_path, out=str(tmp_path / "data"), gold=False)
    assert report["out"] == str(tmp_path / "data" / "train" / "code__taco_2.parquet")


def test_released_files_become_one_file_of_rows(tmp_path, capsys):
    from rl.data.convert import main as convert

    for source in ("codegen__taco", "logic__arcagi1", "table__hitab"):
        report, _ = built(source, tmp_path, out=str(tmp_path / f"{source}.parquet"), gold=False)
        target = tmp_path / "guru" / "train" / f"{source}.parquet"
        convert([report["out"], str(target), "to=guru"])
    capsys.readouterr()
    main(["guru", f"source={tmp_path / 'guru'}", f"out={tmp_path / 'all.parquet'}"])
    found = json.loads(capsys.readouterr().out)
    assert found["rows"] == 9
    assert found["counts"]["logic"] == {"ours": 4, "published": 6300}
