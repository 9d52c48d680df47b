"""An SFT run folder: found finished, gone on with after a kill, refused to another run and to a second process."""

import json
import shutil

import pytest
from safetensors.torch import load_file

from common.runs.folder import read_metrics
from common.runs.hold import hold
from rl.sft.__main__ import main

pytestmark = pytest.mark.integration


def rows(path, count=24, word="cat"):
    turns = [
        [{"role": "user", "content": f"Who? {n}"}, {"role": "assistant", "content": f"A {word} {n}."}]
        for n in range(count)
    ]
    path.write_text("".join(json.dumps({"id": n, "messages": one}) + "\n" for n, one in enumerate(turns)))
    return path


@pytest.fixture(scope="module")
def finished(small_policy, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sft")
    arguments = [
        f"model={small_policy}", f"data={rows(folder / 'rows.jsonl')}", "max_steps=4", "save_steps=2", "precision=fp32",
        "logging_steps=1", "export_dtype=float32", "learning_rate=1e-3", "gradient_checkpointing=false",
    ]  # fmt: skip
    main([*arguments, f"out={folder / 'run'}"])
    return arguments, folder / "run"


def weights(out):
    return load_file(out / "export" / "model.safetensors")


def losses(out):
    return {row["step"]: row["loss"] for row in read_metrics(out) if "loss" in row}


def test_a_finished_run_is_found_finished(finished, capsys):
    arguments, out = finished
    before = (out / "export" / "model.safetensors").stat().st_mtime_ns
    main([*arguments, f"out={out}"])
    assert capsys.readouterr().out.strip() == str(out / "export")
    assert (out / "export" / "model.safetensors").stat().st_mtime_ns == before
    assert json.loads((out / "done.json").read_text())["steps"] == 4


def test_the_same_command_goes_on_after_a_kill_to_the_same_weights(finished, tmp_path):
    arguments, out = finished
    copy = tmp_path / "run"
    shutil.copytree(out, copy)
    (copy / "done.json").unlink()
    shutil.rmtree(copy / "export")
    (copy / "checkpoint-4" / "model.safetensors").unlink()  # killed while this one was written
    main([*arguments, f"out={copy}"])
    assert losses(copy) == pytest.approx(losses(out), rel=1e-5) and list(losses(copy)) == [1, 2, 3, 4]
    for name, tensor in weights(out).items():
        assert tensor.equal(weights(copy)[name]), name


def test_an_export_of_other_data_or_another_config_is_not_overwritten(finished, tmp_path, capsys):
    arguments, out = finished
    copy = tmp_path / "run"
    shutil.copytree(out, copy)
    other = rows(tmp_path / "rows.jsonl", word="dog")
    for change in ([f"data={other}"], ["seed=7"]):
        with pytest.raises(SystemExit, match="1"):
            main([*arguments, f"out={copy}", *change])
        assert "another config, other data or another model" in capsys.readouterr().err
    main([*arguments, f"out={copy}", f"data={other}", "resume=false"])
    assert not all(tensor.equal(weights(copy)[name]) for name, tensor in weights(out).items())


def test_a_second_process_is_one_line(finished, capsys):
    arguments, out = finished
    with hold(out), pytest.raises(SystemExit, match="1"):
        main([*arguments, f"out={out}"])
    assert capsys.readouterr().err.startswith("error: another process is working on")


def test_what_is_logged_goes_to_the_service_that_the_environment_names(
    finished, tmp_path, services, told_as_logged, monkeypatch
):
    monkeypatch.setenv("USE_WANDB", "true")
    main([*finished[0], f"out={tmp_path / 'run'}", "max_steps=2"])
    rows = read_metrics(tmp_path / "run")
    assert [row["step"] for row in rows if "loss" in row] == [1, 2]
    assert told_as_logged(services["wandb"], rows)
    assert services["trackio"] == services["tensorboard"] == []
