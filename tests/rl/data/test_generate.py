"""The command that writes puzzles."""

import json

import pytest

from eval.verifiers.registry import score
from rl.data import arithmetic, generate


def test_it_writes_rows(tmp_path, capsys):
    generate.main(["zebra", "n=3", "seed=1", f"out={tmp_path}/z.jsonl", "sizes=2x4:12*,3x3:6*"])
    found = [json.loads(line) for line in (tmp_path / "z.jsonl").read_text().splitlines()]
    assert [json.loads(row["info"])["difficulty"]["attributes"] for row in found] == [2, 3, 2]
    assert "3 rows in" in capsys.readouterr().out


def test_ordering_puzzles_come_with_worked_solutions(tmp_path, capsys):
    words = ["ordering", "n=40", "min_objects=3", "max_objects=3", f"out={tmp_path}/o.jsonl"]
    generate.main([*words, f"solutions={tmp_path}/taught.jsonl", "guess_frac=0.5"])
    assert "published: 2900" in capsys.readouterr().out
    rows = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    taught = [json.loads(line) for line in (tmp_path / "taught.jsonl").read_text().splitlines()]
    replies = [one["messages"][1]["content"] for one in taught]
    worked = ["may be" not in reply for reply in replies]
    assert 10 < sum(worked) < 30
    right = [score(row, reply).status == "correct" for row, reply in zip(rows, replies, strict=True)]
    assert all(good for good, is_worked in zip(right, worked, strict=True) if is_worked)
    assert not all(right)
    assert all("solutions" not in row["info"] for row in rows)
    generate.main([*words[:-1], f"out={tmp_path}/again.jsonl"])
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "o.jsonl").read_bytes()


def test_arithmetic_is_the_same_command_as_before(tmp_path):
    generate.main(["arithmetic", "n=20", "seed=3", f"out={tmp_path}/new", "sft_rows=10", "eval_rows=5"])
    arithmetic.main(["rows=20", "seed=3", f"out={tmp_path}/old", "sft_rows=10", "eval_rows=5"])
    for name in ("sft", "train", "eval"):
        assert (tmp_path / "new" / f"{name}.jsonl").read_bytes() == (tmp_path / "old" / f"{name}.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "no command is named"),
        (["sudoku", "n=3"], "no command 'sudoku'"),
        (["zebra", "n=3"], "out is required"),
        (["zebra", "n=3", "out=x.jsonl", "levels=3"], "unknown key 'levels'"),
        (["ordering", "n=3", "out=x.csv"], "must end in .parquet or .jsonl"),
    ],
)
def test_a_mistake_is_one_line(words, says, capsys):
    with pytest.raises(SystemExit) as end:
        generate.main(words)
    assert end.value.code == 2
    assert says in capsys.readouterr().err


def test_help_names_the_families(capsys):
    with pytest.raises(SystemExit) as end:
        generate.main(["--help"])
    assert end.value.code == 0
    assert "ordering" in capsys.readouterr().out
