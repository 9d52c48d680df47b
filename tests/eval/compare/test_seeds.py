"""Seeds of one recipe compare as their mean, document by document, with their spread in the name."""

import json
from math import log

import pytest

from eval.compare.__main__ import main
from eval.compare.differences import CompareConfig, compare
from eval.compare.lessons import difference_of
from eval.compare.seeds import read_groups
from eval.runner.bits_per_byte import TextScores, store


def record(folder, name, nats):
    """A record of documents of ten bytes each."""
    scores = TextScores([str(at) for at in range(len(nats))], nats, [2] * len(nats), [10] * len(nats))
    store(scores, folder / name, {"key": "k"})
    about = {"name": name, "eval_metrics": {}, "rows_folder": name, "bpb": scores.figures(draws=20)}
    (folder / f"{name}.json").write_text(json.dumps(about))
    return str(folder / f"{name}.json")


def test_the_mean_of_two_seeds_is_compared_and_their_spread_told(tmp_path, capsys):
    organic = [record(tmp_path, "o1", [5.0, 7.0]), record(tmp_path, "o2", [6.0, 8.0])]
    mixed = [record(tmp_path, "m1", [4.0, 6.0]), record(tmp_path, "m2", [5.0, 7.0])]
    one, two = read_groups([",".join(organic), ",".join(mixed)])
    assert one.documents.nats == [5.5, 7.5]
    difference = compare(one, two)["bits per byte"]
    assert difference.value == pytest.approx(-1 / log(2) / 10)  # one nat less for each ten bytes
    assert difference.verdict == "better"
    assert f"{0.05 / log(2):.4f} over seeds" in one.name  # by hand: 12 and 14 nats in 20 bytes
    main([",".join(organic), ",".join(mixed)])
    assert "m1 and 1 more" in capsys.readouterr().out


def answers(folder, name, right, thought=0.5, digest="d"):
    """A record of one task with two samples of each question: right, or wrong."""
    asked = [
        {"id": str(at), "cluster": str(at), "digest": digest, "scores": [float(one)] * 2}
        for at, one in enumerate(right)
    ]
    cell = {"title": "Sums", "score": sum(right) / len(right), "error_questions": 0.1, "settings": {}}
    cell |= {"tokens": {"mean": 10.0}, "thinking": {"answers": thought, "score_with": 1.0, "score_without": None}}
    about = {"name": name, "eval_metrics": {}, "reasoning": {"cells": {"sums": cell}, "averages": {}}}
    (folder / name / "questions").mkdir(parents=True)
    (folder / name / "questions" / "sums.json").write_text(json.dumps(asked))
    (folder / f"{name}.json").write_text(json.dumps(about))
    return str(folder / f"{name}.json")


def seeds_of(folder, name, *seeds, **fields):
    """Records of one name in a folder for each seed."""
    return ",".join(answers(folder / str(number), name, right, **fields) for number, right in enumerate(seeds))


def test_seeds_of_answers_are_one_run_with_all_their_samples(tmp_path, capsys):
    base = seeds_of(tmp_path, "base", [1, 0, 0, 0] * 8, [1, 1, 0, 0] * 8)
    rlpr = seeds_of(tmp_path, "rlpr", [1, 1, 1, 0] * 8, [1, 1, 1, 1] * 8, thought=1.0)
    one, two = read_groups([base, rlpr])
    assert (one.name, two.name) == ("base", "rlpr")
    assert one.questions["sums"]["1"]["scores"] == [0, 0, 1, 1]
    assert two.record["reasoning"]["cells"]["sums"]["by_seed"] == [0.75, 1]
    found = difference_of(one, two, "sums", CompareConfig(runs=[]))
    # by hand: gains of 0.5 in both seeds
    assert (found.paired.value, found.error_seeds, found.verdict) == (0.5, 0, "better")
    main([base, rlpr, "control=rlpr"])
    shown = capsys.readouterr().out
    assert "± seeds is the standard error over 2 seeds" in shown
    assert "Sums: base scores 37.5 %. Gains: rlpr +50.0 (+" in shown and ", ± 0.0 over seeds)" in shown
    assert "Thought about before the answer: base 50.0 % (right: 100.0 % of these); rlpr 100.0 %" in shown


def test_a_difference_within_the_spread_of_the_seeds_is_none(tmp_path):
    one, two = read_groups(
        [seeds_of(tmp_path, "a", [0] * 32, [0] * 32), seeds_of(tmp_path, "b", [0] * 32, [1, 0, 0, 0] * 8)]
    )
    found = difference_of(one, two, "sums", CompareConfig(runs=[]))
    assert (found.paired.value, found.error_seeds) == (0.125, 0.125)
    assert found.paired.distinguishable and found.verdict == "not distinguishable"


def test_seeds_of_other_questions_are_refused(tmp_path):
    one, two = answers(tmp_path / "0", "a", [1]), answers(tmp_path / "1", "a", [1], digest="reworded")
    with pytest.raises(ValueError, match="different questions of sums"):
        read_groups([f"{one},{two}"])


def test_runs_beside_a_control_are_told_in_words(tmp_path, capsys):
    base = answers(tmp_path, "base", [1, 0, 0, 0] * 8)
    control = answers(tmp_path, "outcome", [1, 1, 1, 0] * 8)
    same = answers(tmp_path, "rlpr", [1, 1, 0, 1] * 8)
    main([base, control, same, "control=outcome"])
    table, words = capsys.readouterr().out.split("\n\n")[-2:]
    assert "each run is one model: the errors are over questions" in table and "± seeds" not in table
    assert [line.split()[:3] for line in table.splitlines()[1:4]] == [
        ["Sums", "base", "25.00"],
        ["Sums", "outcome", "75.00"],
        ["Sums", "rlpr", "75.00"],
    ]
    assert len(words.splitlines()) == 3
    assert "Beside the control, outcome, which scores 75.0 %: rlpr +0.0 (" in words
    assert "not distinguishable" in words.splitlines()[1] and "not distinguishable" not in words.splitlines()[0]
    with pytest.raises(SystemExit) as ended:
        main([base, control, "control=base"])
    assert ended.value.code == 2
    assert "control=base is none of the runs: outcome" in capsys.readouterr().err


def test_seeds_of_different_documents_are_refused(tmp_path):
    pair = [record(tmp_path, "o1", [5.0, 7.0]), record(tmp_path, "o2", [6.0])]
    with pytest.raises(ValueError, match="different documents"):
        read_groups([",".join(pair)])
