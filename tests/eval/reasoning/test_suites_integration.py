"""Each suite, with the tiny model that comes with the toolkit, on local rows: as a user runs it."""

import json

import pytest

from common.samples import read_samples
from eval.reasoning.suites import SUITES
from eval.run import main


@pytest.mark.parametrize("suite", SUITES)
def test_a_suite_runs_with_the_tiny_model(suite, shared_data, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folders = f"{shared_data / 'reasoning'},{shared_data / 'verifiable'}"
    base = ["model=rephrase/tiny", f"tasks={suite}", f"data={folders}", f"output_file={tmp_path / 'r.json'}"]
    with pytest.raises(SystemExit) as ended:
        main(base)
    refused = capsys.readouterr().err
    assert ended.value.code == 2 and refused.count("\n") == 1 and "=FILE" in refused and "missing=skip" in refused
    main([*base, "missing=skip", "limit=1", "samples=2", "max_tokens=8", "draws=50"])
    record = json.loads((tmp_path / "r.json").read_text("utf-8"))["reasoning"]
    here = [name for name in SUITES[suite] if name in record["cells"]]
    assert len(here) >= 3 and set(here) | set(record["skipped"]) == set(SUITES[suite])
    for name in here:
        cell = record["cells"][name]
        assert cell["samples"] == 2 and cell["judged"] + cell["unjudged"]["count"] == 2
        # a prompt of a grid puzzle can be longer than the tiny model's 2,048 tokens; nothing else may fail
        assert {key for key, count in cell["unjudged"].items() if count} <= {"count", "flag", "no_room"}
        assert cell["settings"]["dtype"] == "float32" and cell["settings"]["max_tokens"] == 8
    assert record["averages"][suite]["missing"] == [name for name in SUITES[suite] if name not in here]
    shown = capsys.readouterr().out
    assert all(line in shown for line in record["skipped"].values()) and "(partial: " in shown
    stored = list(read_samples(tmp_path / "r" / "samples"))
    assert len(stored) == 2 * len(here) and {one.versions["engine"] for one in stored} == {"transformers"}
