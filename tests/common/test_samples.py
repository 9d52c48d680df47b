"""Samples of every stage through one reader; kills, sizes and odd texts lose nothing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.samples import Sample, SampleFile, encoded, mend, raw_lines, read_samples

SAMPLE = {"kind": "sample", "id": "a", "sample": 0, "config": "c", "completion": "42", "finish_reason": "stop"}
EXAMPLE = {"kind": "example", "id": "a", "config": "c", "messages": [{"role": "user", "content": "6 x 7?"}]}
EXAMPLE |= {"verifier": "math", "ground_truth": "42", "versions": {"model": "m"}}
VERDICT = {"kind": "verdict", "id": "a", "sample": 0, "config": "c", "mode": "strict", "verdict": {"score": 1.0}}


def write(path, *lines):
    with SampleFile(path) as file:
        file.write(*lines)
    return path


def test_example_sample_and_verdict_are_joined(tmp_path):
    path = write(tmp_path / "s.jsonl", EXAMPLE, SAMPLE, VERDICT)
    (sample,) = read_samples(path)
    assert sample.messages == EXAMPLE["messages"] and sample.completion == "42"
    assert sample.row == {"verifier": "math", "ground_truth": "42"}
    assert sample.verdicts == {"strict": {"score": 1.0}}
    assert sample.versions == {"model": "m", "config": "c"} and sample.key == ("a", 0, "c")


def test_the_last_verdict_of_a_mode_counts(tmp_path):
    path = write(tmp_path / "s.jsonl", SAMPLE, VERDICT, {**VERDICT, "verdict": {"score": 0.0}})
    assert [sample.verdicts["strict"]["score"] for sample in read_samples(path)] == [0.0]


def test_of_a_sample_drawn_twice_the_one_that_came_through_counts(tmp_path):
    failed = {**SAMPLE, "completion": "", "finish_reason": "error", "error": "HTTP 500"}
    path = write(tmp_path / "s.jsonl", failed, SAMPLE, {**SAMPLE, "completion": "later"})
    assert [sample.completion for sample in read_samples(path)] == ["42"]


def test_files_of_several_processes_are_one_set(tmp_path):
    write(tmp_path / "t" / "share-1-of-2.jsonl", EXAMPLE, SAMPLE)
    write(tmp_path / "t" / "share-2-of-2.jsonl", {**SAMPLE, "sample": 1}, {**VERDICT, "sample": 1})
    assert sorted(sample.number for sample in read_samples(tmp_path / "t")) == [0, 1]


@pytest.mark.parametrize("size", [0, 10, 10_000_000])
def test_a_kill_in_the_middle_of_a_sample_loses_that_line_alone(tmp_path, size):
    path = write(tmp_path / "s.jsonl", EXAMPLE, SAMPLE)
    whole = path.read_bytes()
    line = encoded({**SAMPLE, "sample": 1, "completion": "x" * size})
    for cut in (1, len(line) // 2, len(line) - 2, len(line) - 1):
        survives = [1] if cut == len(line) - 1 else []  # only its line break is missing
        path.write_bytes(whole + line[:cut])
        assert [sample.number for sample in read_samples(path)] == [0, *survives]  # while it is still so
        write(path, {**SAMPLE, "sample": 2})
        assert path.read_bytes().startswith(whole)
        assert [sample.number for sample in read_samples(path)] == [0, *survives, 2]


def test_a_sample_of_ten_megabytes_comes_back(tmp_path):
    text = "é\x00\n" * 3_400_000
    path = write(tmp_path / "s.jsonl", {**SAMPLE, "completion": text})
    (sample,) = read_samples(path)
    assert sample.completion == text


@given(st.text(st.characters(), max_size=40))
def test_any_text_is_one_line(text):
    line = encoded({**SAMPLE, "completion": text, "n": 2**70})
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert json.loads(line)["completion"] == text.encode("utf-8", "replace").decode()


def test_a_file_that_is_only_a_torn_line_becomes_empty(tmp_path):
    path = tmp_path / "s.jsonl"
    path.write_bytes(b'{"kind": "sam')
    assert mend(path) == 13 and path.read_bytes() == b"" and mend(path) == 0


def test_a_broken_line_in_the_middle_is_named(tmp_path):
    path = tmp_path / "s.jsonl"
    path.write_bytes(b'{"kind": \n{"id": 1}\n')
    with pytest.raises(ValueError, match="line 1"):
        list(raw_lines(path))


def test_rollouts_of_a_training_run_are_samples(tmp_path):
    row = {"step": 3, "mode": "eval", "id": "r1", "prompt": [{"role": "user", "content": "?"}], "completion": "7"}
    row |= {"finish_reason": "stop", "tokens": 5, "rewards": {"verifiable": 1.0}, "parts": {"x": 1}, "total": 1.0}
    row |= {"skipped": "", "verifier": "math", "ground_truth": "7"}
    (sample,) = read_samples(write(tmp_path / "samples.jsonl", row))
    assert (sample.stage, sample.step, sample.split, sample.tokens_out) == ("rl", 3, "eval", 5)
    assert sample.rewards == {"verifiable": 1.0} and sample.total == 1.0 and sample.row["verifier"] == "math"
    assert sample.messages == row["prompt"] and sample.extra == {"skipped": ""}


def test_samples_behind_pass_rates_are_samples(tmp_path):
    row = {"id": "q", "sample": 4, "score": 0.0, "status": "wrong", "reason": "different", "completion": "8"}
    (sample,) = read_samples(write(tmp_path / "samples_weak.jsonl", {**row, "tokens": 9, "shape": "abc"}))
    assert (sample.stage, sample.number, sample.verdicts["strict"]["status"]) == ("difficulty", 4, "wrong")


def test_chunks_of_recycled_documents_are_samples(tmp_path):
    chunks = [
        {"start": 0, "end": 5, "out_start": 0, "out_end": 4, "status": "ok", "finish_reason": "stop", "tokens_out": 3},
        {"start": 6, "end": 11, "out_start": 5, "out_end": 9, "status": "ok", "finish_reason": "length"},
    ]
    document = {"id": "d", "text": "help bord", "organic_text": "Hello World", "rephrase": {"model": "m"}}
    path = write(tmp_path / "pool.jsonl", {**document, "rephrase": {"model": "m", "chunks": chunks}})
    found = list(read_samples(path))
    assert [(one.messages[0]["content"], one.completion) for one in found] == [("Hello", "help"), ("World", "bord")]
    assert found[1].finish_reason == "length" and found[0].versions == {"model": "m"}
    (whole,) = read_samples(write(tmp_path / "whole.jsonl", document))
    assert whole.completion == "help bord" and whole.messages[0]["content"] == "Hello World"


def test_a_whole_record_reads_back_equal(tmp_path):
    sample = Sample("a", 2, [{"role": "user", "content": "?"}], "42", "stop", tokens_out=3, stage="eval", task="t")
    sample.row, sample.versions, sample.extra = {"verifier": "math"}, {"config": "c"}, {"note": 1}
    sample.verdicts = {"strict": {"score": 1.0}}
    assert list(read_samples(write(tmp_path / "s.jsonl", sample.record()))) == [sample]


def test_a_line_of_no_known_form_is_named(tmp_path):
    with pytest.raises(ValueError, match="line 1: no sample"):
        list(read_samples(write(tmp_path / "s.jsonl", {"id": 1})))
    with pytest.raises(ValueError, match="no samples at"):
        list(read_samples(tmp_path / "none.jsonl"))
