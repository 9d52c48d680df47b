"""The command: rows in, rows with verdicts out, mistakes as one line."""

import json

import pytest

from eval.verify import main


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_rows_come_out_with_their_verdicts_and_what_they_had(tmp_path, capsys):
    rows = [
        {"id": "a", "response": "\\boxed{1/2}", "ground_truth": "0.5", "note": "kept"},
        {"response": "\\boxed{3}", "ground_truth": "4"},
        {"response": None, "ground_truth": "4"},
        {"response": "\\boxed{3}", "ground_truth": None},
        {"response": "so far", "ground_truth": "1", "finish_reason": "length"},
    ]
    main(["math", write(tmp_path / "rows.jsonl", rows), f"out={tmp_path / 'out.jsonl'}"])
    found = read(tmp_path / "out.jsonl")
    assert [(row["status"], row["score"], row["reason"]) for row in found] == [
        ("correct", 1.0, "ok"),
        ("wrong", 0.0, "different"),
        ("unparseable", 0.0, "empty"),
        ("skipped", None, "bad_gold"),
        ("truncated", 0.0, "length_limit"),
    ]
    assert (found[0]["id"], found[0]["note"], found[0]["extracted"], found[1]["id"]) == ("a", "kept", "1/2", 2)
    assert (found[3]["mask"], found[3]["failure"]) == (True, "row")
    assert "mean score of 4 judged: 0.2500; not judged: 1" in capsys.readouterr().out


def test_auto_takes_each_rows_own_verifier_and_options_reach_it(tmp_path):
    rows = [
        {"response": "\\boxed{B}", "ground_truth": "B", "source": "stem__gpqa"},
        {"response": "it is 7", "ground_truth": "7", "verifier": "math"},
    ]
    main(
        [
            "auto",
            write(tmp_path / "rows.jsonl", rows),
            f"out={tmp_path / 'out.jsonl'}",
            "options.unboxed=last_expression",
        ]
    )
    assert [row["score"] for row in read(tmp_path / "out.jsonl")] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("verifier", "row", "said"),
    [
        ("maths", {"response": "1", "ground_truth": "1"}, "no verifier is called 'maths'"),
        ("math", {"ground_truth": "1"}, "neither 'response' nor 'completion'"),
        (
            "auto",
            {"response": "1", "ground_truth": "1", "source": "gsm8k"},
            "no verifier judges the data source 'gsm8k'",
        ),
    ],
)
def test_a_mistake_is_one_line_and_code_2(verifier, row, said, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main([verifier, write(tmp_path / "rows.jsonl", [row])])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_judge_that_is_dead_for_every_row_ends_with_1_and_the_reason(tmp_path, capsys):
    rows = [{"response": "\\boxed{a force of 9.8 N}", "ground_truth": "9.8 newtons", "question": "What force?"}]
    dead = ["options.judge={urls: ['http://127.0.0.1:9/v1'], retries: 0}"]
    with pytest.raises(SystemExit) as ended:
        main(["judge", write(tmp_path / "rows.jsonl", rows), f"out={tmp_path / 'out.jsonl'}", *dead])
    printed = capsys.readouterr()
    assert ended.value.code == 1 and "none of the verdicts could be had (judge_down 1)" in printed.err
    assert read(tmp_path / "out.jsonl")[0]["score"] is None  # the row says so too
