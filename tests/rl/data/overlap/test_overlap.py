"""The command that leaves out copies: of each other and of evaluation questions; near copies are only reported."""

import json

import pytest

from common.pools import documents
from rl.data.overlap.__main__ import main
from rl.data.overlap.clean import OverlapConfig, clean
from rl.data.overlap.held_out import HeldOut
from rl.data.overlap.questions import question_of, without_numbers
from rl.data.rows.schema import new_row, read_rows, write_rows

TRAIN = {
    "cut": "What is the sum of 3 and 4?",
    "whole": "What is the sum of 3 and 4? Explain each step.",
    "again": "what is the sum of 3 AND 4?  ",
    "other numbers": "What is the sum of 5 and 6? Explain each step.",
    "alone": "Name a prime above one hundred that ends in the digit seven.",
}
LONG = "a train leaves the old station at nine and meets a second train that left the harbour two hours before noon"


def write(folder, name, questions, source="math__mine", suffix=" Please put the answer in a box."):
    rows = [
        new_row(source, question + suffix, "7", key=key, info={"original_question": question})
        for key, question in questions.items()
    ]
    write_rows(str(folder / f"{name}.parquet"), rows)
    return {row["id"]: key for row, key in zip(rows, questions, strict=True)}


def kept(path, names):
    return [names[row["id"]] for row in read_rows(str(path))]


@pytest.mark.parametrize(
    ("keep", "left", "lost"),
    [
        ("longer", ["whole", "other numbers", "alone"], {"cut": "whole", "again": "cut"}),
        ("earlier", ["cut", "other numbers", "alone"], {"whole": "cut", "again": "cut"}),
        ("both", list(TRAIN), {}),
    ],
)
def test_what_stays_and_what_each_row_lost_to(tmp_path, keep, left, lost):
    names = write(tmp_path, "train", TRAIN)
    config = OverlapConfig(files=[f"{tmp_path}/train.parquet"], out=f"{tmp_path}/out.parquet", keep=keep)
    report = clean(config)
    assert kept(config.out, names) == left
    dropped = [row for _, row in documents.read_rows(f"{config.out}.dropped.jsonl")]
    assert {names[one["id"]]: names[one["lost_to"]] for one in dropped} == lost
    assert report["read"] == report["kept"] + report["by_reason"].get("copy", 0) == 5
    assert report["by_source"]["math__mine"]["copy_share"] == len(lost) / 5


def test_copies_whose_numbers_alone_differ_stay_and_are_reported(tmp_path):
    names = write(tmp_path, "train", TRAIN)
    found = clean(OverlapConfig(files=[f"{tmp_path}/train.parquet"], out=f"{tmp_path}/out.parquet"))["near_copies"]
    assert (found["groups"], found["rows"]) == (1, 2)
    assert [[names[one] for one in group] for group in found["largest"]] == [["whole", "other numbers"]]
    assert without_numbers("Pay $1,200.50 for 3") == without_numbers("pay 7 for 12!")
    assert without_numbers("x2 + 1") != without_numbers("x + 1")


def test_short_questions_swallow_others_only_where_they_may(tmp_path):
    questions = {"short": "Why?", "long": "Why? Because the sky is blue.", "twin": "why?"}
    names = write(tmp_path, "train", questions)
    config = OverlapConfig(files=[f"{tmp_path}/train.parquet"], out=f"{tmp_path}/out.parquet", keep="earlier")
    assert clean(config)["short_questions_that_made_a_row_go"] == 2
    assert kept(config.out, names) == ["short"]
    clean(config.model_copy(update={"min_chars": 20}))
    assert kept(config.out, names) == ["short", "long"]


def test_evaluation_questions_are_found_by_what_is_shared(tmp_path):
    held = {"a": LONG, "b": "How many apples?", "c": "Is one hundred and seven a prime?", "d": "Which is larger?"}
    write(tmp_path, "eval", held, "math__math_500")
    train = {
        "same words": "how many APPLES",
        "13 words": f"Yesterday {' '.join(LONG.split()[:13])} and nobody knows why",
        "12 words": f"Yesterday {' '.join(LONG.split()[:12])} and nobody knows why",
        "alone": "How many pears are there?",
    }
    names = write(tmp_path, "train", train)
    config = OverlapConfig(
        files=[f"{tmp_path}/train.parquet"], against=[f"{tmp_path}/eval.parquet"], out=f"{tmp_path}/out.parquet"
    )
    report = clean(config)
    assert kept(config.out, names) == ["12 words", "alone"]
    counts = {"questions": 4, "met": 2, "same_words": 1, "13_words": 1, "50_characters": 0}
    assert report["against"] == {"math__math_500": counts}
    clean(config.model_copy(update={"drop": False}))
    flags = [json.loads(row["info"]).get("overlap", {}).get("reason") for row in read_rows(config.out)]
    assert flags == ["evaluation", "evaluation", None, None]


def test_code_is_compared_by_characters_and_a_sets_own_wording_betrays_nothing():
    wording = "Answer with one Python function inside a fenced block, nothing else, please. "
    bodies = [
        f"{word} the list of all numbers that divide {word} and say so" for word in ("sort", "fold", "sum", "cut")
    ]
    rows = [new_row("codegen__mbpp", wording + body, {"functional": "x"}, key=body) for body in bodies]
    held = HeldOut([*rows, rows[0]])
    assert held.sizes == {"codegen__mbpp": 4}
    fresh = new_row("codegen__taco", f"{wording}Draw a circle.", {"functional": "x"}, key=1)
    assert held.hits(fresh) == []
    spaced = bodies[1].replace(" ", "\n  ")
    stolen = new_row("codegen__taco", f"Draw a circle. {spaced}", {"functional": "x"}, key=2)
    assert [(hit.number, hit.how) for hit in held.hits(stolen)] == [(1, "50_characters")]


def test_no_shipped_question_is_taken_for_one_of_another_set(shared_data):
    """Planted copies are found among real questions, and nothing else is."""
    folder = shared_data / "reasoning"
    questions = {name: read_questions(folder / f"{name}.jsonl") for name in ("gsm8k", "math")}
    held = HeldOut(new_row("math__math_500", text, "1", key=n) for n, text in enumerate(questions["math"]))
    train = questions["gsm8k"] + [f"Hint: think. {text.upper()}" for text in questions["math"][:20] if len(text) > 150]
    found = [n for n, text in enumerate(train) if held.hits(new_row("math__mine", text, "1", key=n))]
    assert found == list(range(len(questions["gsm8k"]), len(train)))


def read_questions(path):
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row.get("question") or row.get("context") for row in rows]


def test_the_published_question_is_compared_not_its_wording():
    row = new_row("math__mine", "Q? Box it.", "1", key=1, info={"original_question": "Q?"})
    assert question_of(row) == "Q?"
    assert question_of(new_row("math__mine", "Q? Box it.", "1", key=1)) == "Q? Box it."


def test_the_command_prints_its_report(tmp_path, capsys):
    write(tmp_path, "train", TRAIN)
    main([f"{tmp_path}/train.parquet", f"out={tmp_path}/out.parquet"])
    assert json.loads(capsys.readouterr().out)["kept"] == 3


def test_where_nothing_stays_nothing_is_written(tmp_path, capsys):
    write(tmp_path, "train", TRAIN)
    file = f"{tmp_path}/train.parquet"
    with pytest.raises(SystemExit) as end:
        main([file, f"against={file}", f"out={tmp_path}/out.parquet"])
    assert end.value.code == 2
    assert "none of the 5 rows stays" in capsys.readouterr().err
    assert not (tmp_path / "out.parquet").exists()
