"""Comparing runs: paired intervals, verdicts, published scores."""

import json

import numpy as np
import pytest

from eval.compare.__main__ import main
from eval.compare.differences import compare, read
from eval.compare.published import PUBLISHED
from eval.core.aggregate import aggregate
from eval.core.baselines import CORE
from eval.core.prompts import Item
from eval.core.row_store import RowStore
from eval.core.scoring import ScoredItem
from eval.runner.bits_per_byte import TextScores, store

ROWS = 400


def write_run(folder, name, correct, *, sha="same", nats=None):
    """A record with rows: `correct` maps entries to flags; `nats` are those of one-byte documents."""
    rows = folder / name / "rows"
    for entry, flags in correct.items():
        scored = [
            ScoredItem(Item(number, None, [[1]], [[2]], 0), [0.5], [bool(flag)], 0 if flag else -1)
            for number, flag in enumerate(flags)
        ]
        RowStore(rows).write(entry, scored, {"file": entry, "key": "k"})
    accuracies = {entry: float(np.mean(flags)) for entry, flags in correct.items()}
    record = {
        "name": name,
        "eval_metrics": {"icl": accuracies},
        **aggregate(accuracies),
        "entries": {entry: {} for entry in correct},
        "task_files": {entry: {"sha256": sha} for entry in correct},
        "rows_folder": f"{name}/rows",
        "precision": "fp32",
    }
    if nats is not None:
        scores = TextScores([str(n) for n in range(len(nats))], list(nats), [1] * len(nats), [1] * len(nats))
        store(scores, rows, {"key": "k"})
        record["bpb"] = {"bits_per_byte": float(np.sum(nats) / np.log(2) / len(nats))}
    path = folder / f"{name}.json"
    path.write_text(json.dumps(record))
    return str(path)


@pytest.fixture
def flags():
    return np.random.default_rng(0).random(ROWS) < 0.5


def test_the_interval_is_the_paired_one(flags, tmp_path):
    """The runs differ on 5 % of the rows, in one direction: plain intervals overlap, the paired one is clear of 0."""
    better = flags.copy()
    better[np.flatnonzero(~flags)[:20]] = True
    one = read(write_run(tmp_path, "one", {"copa": flags}))
    two = read(write_run(tmp_path, "two", {"copa": better}))
    found = compare(one, two)["copa"]
    assert found.value == pytest.approx(20 / ROWS) and found.verdict == "better"
    low, high = found.interval_95
    assert high - low == pytest.approx(
        2 * 1.96 * np.sqrt(0.05 * 0.95 / ROWS), rel=0.1
    )  # by hand: 20 of 400 rows differ
    assert compare(two, one)["copa"].verdict == "worse"


def test_equal_runs_are_not_distinguishable(flags, tmp_path):
    one = read(write_run(tmp_path, "one", {"copa": flags, "piqa": flags}))
    two = read(write_run(tmp_path, "two", {"copa": flags, "piqa": flags}))
    found = compare(one, two)
    assert {name: difference.verdict for name, difference in found.items()} == dict.fromkeys(
        ["copa", "piqa", "CORE-2"], "not distinguishable"
    )
    assert found["CORE-2"].interval_95 == [0, 0]


def test_core_needs_all_entries_and_is_the_mean_of_centred_differences(flags, tmp_path):
    one = read(write_run(tmp_path, "one", dict.fromkeys(CORE, flags)))
    two = read(write_run(tmp_path, "two", {**dict.fromkeys(CORE, flags), "boolq": ~flags}))
    found = compare(one, two)
    assert "CORE" in found and found["CORE"].value == pytest.approx(found["boolq"].value / 0.38 / 22)


def test_another_task_file_gives_no_interval(flags, tmp_path):
    one = read(write_run(tmp_path, "one", {"copa": flags}))
    two = read(write_run(tmp_path, "two", {"copa": flags}, sha="another"))
    assert compare(one, two)["copa"].verdict == "no shared rows"
    assert compare(one, two)["CORE-1"].interval_95 is None


def test_only_rows_that_both_scored_are_resampled(flags, tmp_path):
    one = read(write_run(tmp_path, "one", {"copa": flags}))
    two = read(write_run(tmp_path, "two", {"copa": flags[:100]}))
    assert compare(one, two)["copa"].interval_95 == [0, 0]


def test_bits_per_byte_are_paired_by_document_and_lower_is_better(tmp_path):
    nats = np.random.default_rng(1).normal(5, 2, 300).clip(0.1)
    one = read(write_run(tmp_path, "one", {}, nats=nats))
    two = read(write_run(tmp_path, "two", {}, nats=nats - 0.01))
    found = compare(one, two)["bits per byte"]
    assert found.value == pytest.approx(-0.01 / np.log(2)) and found.verdict == "better"
    assert found.interval_95 == pytest.approx([found.value] * 2)
    assert compare(two, one)["bits per byte"].verdict == "worse"


def test_documents_that_only_one_run_has_or_that_changed_between_them_are_no_pairs(tmp_path):
    nats = np.full(50, 5.0)
    one = read(write_run(tmp_path, "one", {}, nats=nats))
    two = read(write_run(tmp_path, "two", {}, nats=nats - 0.01))
    documents = two.documents
    documents.ids[0], documents.nats[0] = "new", 50.0
    documents.bytes[1], documents.nats[1] = 2, 50.0  # the same name, another text
    found = compare(one, two)["bits per byte"]
    assert found.interval_95 == pytest.approx([-0.01 / np.log(2)] * 2)


def test_the_command_prints_scores_differences_and_published_ones(flags, tmp_path, capsys):
    paths = [write_run(tmp_path, name, {"copa": flags}) for name in ("one", "two")]
    main([paths[0], str(tmp_path / "two"), "--published", "mistral_7b,repro_400m_recycled", "draws=50"])
    shown = capsys.readouterr().out
    assert "compared with one: two" in shown and "not distinguishable" in shown
    lines = {line.split()[0]: line.split() for line in shown.splitlines() if line}
    assert lines["mistral_7b"][1:4] == ["CORE", "0.5743", "0.5623"]
    assert lines["repro_400m_recycled"][1:3] == ["CORE", "0.2166"]
    main([paths[0]])
    assert "CORE-1" in capsys.readouterr().out


def test_published_scores_are_those_of_the_records(shared_data):
    for name, file in (("mistral_7b", "evaluation_mistral_7b_heavy"), ("olmo_1b", "evaluation_olmo_1b_heavy")):
        record = json.loads((shared_data / "core_records" / f"{file}.json").read_text())
        assert PUBLISHED[name].v1 == pytest.approx(record["Core_v1"], abs=5e-5)
        assert PUBLISHED[name].v2 == pytest.approx(record["Core_v2"], abs=5e-5)


def test_records_of_dclm_compare_without_intervals(shared_data, capsys):
    paths = sorted(str(path) for path in (shared_data / "core_records").glob("evaluation_*7b_heavy.json"))
    main(paths[:2])
    assert "no shared rows" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "runs is required"),
        (["absent.json"], "no record at absent.json"),
        (["{path}", "published=none"], "no published score 'none'; known: 411m_c4"),
        (["{other}"], "is no evaluation record"),
    ],
)
def test_mistakes_are_one_line(arguments, says, flags, tmp_path, capsys):
    path = write_run(tmp_path, "one", {"copa": flags})
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(SystemExit) as ended:
        main([argument.format(path=path, other=tmp_path / "other.json") for argument in arguments])
    assert ended.value.code == 2 and says in capsys.readouterr().err


def test_two_records_of_one_name_are_told_apart(flags, tmp_path, capsys):  # DCLM's are all called by their evaluation
    paths = [write_run(tmp_path / side, "heavy", {"copa": flags}) for side in ("one", "two")]
    main(paths)
    shown = capsys.readouterr().out
    assert shown.startswith("compared with heavy (one/heavy): heavy (two/heavy)")
    assert "heavy (two/heavy)  CORE-1" in shown


def test_the_same_record_twice_is_a_mistake(flags, tmp_path, capsys):
    path = write_run(tmp_path, "one", {"copa": flags})
    with pytest.raises(SystemExit) as ended:
        main([path, path.removesuffix(".json")])
    assert ended.value.code == 2 and "named twice" in capsys.readouterr().err
