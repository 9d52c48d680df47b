"""The pretraining command end to end on CPU: resume, kill, signals, guards, several processes."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from common.runs.folder import read_metrics
from common.runs.hold import hold
from pretrain.checkpoints.folder import latest, steps_saved, trainer_state
from pretrain.train import main
from pretrain.training import course as course_module
from pretrain.training import trainer as trainer_module
from pretrain.training.config import load_scale
from pretrain.training.job import prepare

pytestmark = pytest.mark.integration

BASE = ["scale=smoke", "tokens=2560", "global_bs=4", "multiple-data-passes=true"]  # 20 steps of 4 x 32 tokens


def train(folder, data, *more, name="run"):
    """Run the command in this process; the run folder."""
    main([*BASE, f"data-config={data}", f"logs={folder}", f"name={name}", *more])
    return folder / name


def losses(run):
    """Loss by step, exactly as logged."""
    return {row["step"]: row["loss"] for row in read_metrics(run) if "loss" in row}


def weights_of(run):
    from pretrain.checkpoints.hugging_face import load_checkpoint

    return load_checkpoint(run)[0].state_dict()


@pytest.fixture
def undisturbed(tmp_path, token_set):
    return train(tmp_path, token_set, name="undisturbed")


def test_stopping_anywhere_and_resuming_changes_no_bit(tmp_path, token_set, undisturbed, monkeypatch):
    more = ["checkpoint_every_steps=1", "keep_last=1"]
    stop_at = 7
    step = trainer_module.Trainer.step

    def dies(self, number, *rest):
        if number == stop_at:
            raise RuntimeError("pulled the plug")
        return step(self, number, *rest)

    monkeypatch.setattr(trainer_module.Trainer, "step", dies)
    with pytest.raises(RuntimeError, match="pulled the plug"):
        train(tmp_path, token_set, *more)
    record = json.loads((tmp_path / "run" / "record.json").read_text())
    assert record["failed"] and "pulled the plug" in record["error"]
    monkeypatch.undo()
    run = train(tmp_path, token_set, *more)
    assert losses(run) == losses(undisturbed)
    for name, value in weights_of(undisturbed).items():
        assert torch.equal(value, weights_of(run)[name]), name
    record = json.loads((run / "record.json").read_text())
    assert not record["failed"] and record["step"] == 20 and record["tokens_trained"] == 20 * 4 * 32
    again = train(tmp_path, token_set, *more)  # finished: nothing to do
    assert losses(again) == losses(undisturbed)


def test_micro_batches_change_no_loss_beyond_rounding(tmp_path, token_set, undisturbed):
    run = train(tmp_path, token_set, "acc=4", "workers=0", name="acc")
    for step, loss in losses(undisturbed).items():
        assert losses(run)[step] == pytest.approx(loss, rel=1e-5)


def test_loss_falls_below_nine_tenths(undisturbed):
    values = losses(undisturbed)
    assert values[20] < 0.9 * values[1]


def test_another_config_is_refused_unless_accepted(tmp_path, token_set, capsys):
    train(tmp_path, token_set, "tokens=1280", "checkpoint_every_steps=5")
    with pytest.raises(SystemExit) as stop:
        train(tmp_path, token_set, "tokens=1280", "lr=1e-3")
    assert stop.value.code == 2 and "begun with another config" in capsys.readouterr().err
    train(tmp_path, token_set, "tokens=1280", "lr=1e-3", "accept_changes=true")
    run = train(tmp_path, token_set, "tokens=1280", "lr=1e-3", "resume=false")
    assert len(read_metrics(run)) == 10


def test_too_little_data_is_an_error_before_training(tmp_path, token_set, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["scale=smoke", f"data-config={token_set}", f"logs={tmp_path}"])
    assert stop.value.code == 2
    assert "160 steps of 8 need 1280 contexts and made has 64: 20.00 passes" in capsys.readouterr().err
    assert not list(tmp_path.glob("made-*"))


def test_one_context_is_enough(tmp_path, make_set):
    data = make_set(tmp_path / "one", np.arange(33)[None])
    run = train(tmp_path, data, "tokens=320", "global_bs=1", name="one")
    assert read_metrics(run)[-1]["passes"] == 10.0


def test_dry_run_says_steps_and_passes(token_set, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*BASE, "--data-config", str(token_set), "--dry-run"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert "# steps: 20 of 128 tokens" in shown and "passes: 1.25" in shown


def test_checkpoints_kept_are_the_equal_parts_and_the_last_few(tmp_path, token_set):
    run = train(tmp_path, token_set, "num_checkpoints=2", "checkpoint_every_steps=3", "keep_last=2")
    assert list(steps_saved(run)) == [10, 15, 18, 20]


def test_sigterm_saves_and_says_preempted(tmp_path, token_set, undisturbed, monkeypatch):
    step = trainer_module.Trainer.step

    def interrupted(self, number, *rest):
        if number == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, number, *rest)

    monkeypatch.setattr(trainer_module.Trainer, "step", interrupted)
    run = train(tmp_path, token_set)
    assert json.loads((run / "record.json").read_text())["status"] == "preempted"
    assert trainer_state(latest(run))["step"] == 6
    monkeypatch.undo()
    train(tmp_path, token_set)
    assert losses(run) == losses(undisturbed)


def test_a_loss_that_is_not_finite_stops_or_is_skipped(tmp_path, token_set, monkeypatch):
    loss = trainer_module.Trainer.loss
    calls = []

    def broken(self, inputs, targets):
        calls.append(0)
        sums = loss(self, inputs, targets)
        if len(calls) == 4:
            sums.loss, sums.cross_entropy = sums.loss * float("nan"), sums.cross_entropy * float("nan")
        return sums

    monkeypatch.setattr(trainer_module.Trainer, "loss", broken)
    with pytest.raises(FloatingPointError, match="allows no more"):
        train(tmp_path, token_set)
    calls.clear()
    run = train(tmp_path, token_set, "skip_nonfinite=1", name="skips")
    rows = read_metrics(run)
    assert rows[3]["loss"] is None and rows[-1]["skipped/nonfinite"] == 1 and rows[-1]["loss"] < rows[0]["loss"]


@pytest.mark.parametrize("broken", [False, True])
def test_numbers_that_are_read_a_step_later_change_no_bit(tmp_path, token_set, monkeypatch, broken):
    """As on a GPU: the device decides whether to update, and the host reads the loss during the next step."""
    begin, loss = trainer_module.Trainer.__init__, trainer_module.Trainer.loss
    known, calls, defers = [], [], True

    def prepared(self, *arguments):
        begin(self, *arguments)
        self.defers = defers

    def counted(self, *arguments):
        found = step(self, *arguments)
        known.append(len(found))
        return found

    def sometimes_broken(self, inputs, targets):
        calls.append(0)
        sums = loss(self, inputs, targets)
        if broken and len(calls) == 4:
            sums.loss, sums.cross_entropy = sums.loss * float("nan"), sums.cross_entropy * float("nan")
        return sums

    step = trainer_module.Trainer.step
    monkeypatch.setattr(trainer_module.Trainer, "__init__", prepared)
    monkeypatch.setattr(trainer_module.Trainer, "step", counted)
    monkeypatch.setattr(trainer_module.Trainer, "loss", sometimes_broken)
    options = ["log_every=5", "skip_nonfinite=1", "num_checkpoints=2", "ema=0.9"]
    later = train(tmp_path, token_set, *options, name="later")
    assert {0, 1, 2} == set(known)  # the first is not known at once, and where something is due two are
    defers, known[:], calls[:] = False, [], []
    now = train(tmp_path, token_set, *options, name="now")
    assert set(known) == {1}
    assert losses(later) == losses(now) and len(losses(now)) == 5
    for one, two in zip(read_metrics(later), read_metrics(now), strict=True):
        assert one["skipped/nonfinite"] == two["skipped/nonfinite"]
    assert read_metrics(now)[-1]["skipped/nonfinite"] == int(broken)
    expected = weights_of(now)
    for name, value in weights_of(later).items():
        assert torch.equal(value, expected[name]), name


def test_what_is_logged_goes_to_the_service_that_is_named(tmp_path, token_set, services, told_as_logged):
    rows = read_metrics(train(tmp_path, token_set, "tokens=256", "warmup=0", "report_to_wandb=true", name="alias"))
    assert [row["step"] for row in rows] == [1, 2] and told_as_logged(services["wandb"], rows)
    rows = read_metrics(train(tmp_path, token_set, "tokens=256", "warmup=0", "report_to=tensorboard", name="board"))
    *scalars, last = services["tensorboard"]
    numbers = [{key: row[key] for key in row if isinstance(row[key], int | float)} for row in rows]
    wanted = [(row["step"], {key: row[key]}) for row in numbers for key in row if key not in ("step", "time")]
    assert scalars == wanted and last == "finished"


def test_validation_reports_nats_and_bits(tmp_path, token_set, make_set, shared_data):
    neox = shared_data / "tokenizers" / "gpt-neox-20b"
    rows = np.tile([12092, 1533, 0], 11)[None]  # "Hello world" and EOT, 11 times: 33 ids
    held_out = make_set(tmp_path / "held", rows, vocab=50277, name="held")
    description = json.loads((held_out / "dataset.json").read_text())
    (held_out / "dataset.json").write_text(json.dumps(description | {"tokenizer": str(neox)}))
    data = make_set(tmp_path / "train", rows.repeat(4, 0), vocab=50277)
    run = train(tmp_path, data, "tokens=128", "warmup=1", f"val={held_out}")
    last = read_metrics(run)[-1]
    # 32 targets: 10 "Hello", 11 " world", 11 EOT: 10 * 5 + 11 * 6 = 116 bytes
    expected = last["val/held/loss"] * 32 / np.log(2) / 116
    assert last["val/held/bpb"] == pytest.approx(expected, rel=1e-6)


def test_averaged_weights_follow_the_mean(tmp_path, token_set):
    from pretrain.checkpoints.hugging_face import load_checkpoint

    run = train(tmp_path, token_set, "tokens=640", "ema=0.5")
    plain, averaged = load_checkpoint(run)[0], load_checkpoint(run, averaged=True)[0]
    difference = (plain.output.weight - averaged.output.weight).abs().max()
    assert 0 < difference < 0.01


def test_a_transformers_model_trains_and_exports(tmp_path, token_set):
    from transformers import AutoModelForCausalLM, Qwen3Config

    from pretrain.checkpoints.hugging_face import to_hf

    config = Qwen3Config(
        vocab_size=300,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        tie_word_embeddings=True,
    )
    config.save_pretrained(tmp_path / "qwen")
    run = train(tmp_path, token_set, f"model=hf:{tmp_path / 'qwen'}")
    assert losses(run)[20] < 0.95 * losses(run)[1]
    to_hf(str(run), str(tmp_path / "export"))
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "export").config.model_type == "qwen3"


def torchrun(processes, folder, data, *more):
    """The command under torchrun; the run folder."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command += ["-m", "pretrain.train", *BASE, f"data-config={data}", f"logs={folder}", *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[:6000]


@pytest.mark.timeout(1200)  # four starts of torch, minutes on a machine that is busy with other work
def test_two_processes_continue_what_one_began_and_back(tmp_path, token_set, undisturbed, monkeypatch):
    step = trainer_module.Trainer.step

    def until(last):
        def stops(self, number, *rest):
            self.stopping = self.stopping or number + 1 == last
            return step(self, number, *rest)

        return stops

    monkeypatch.setattr(trainer_module.Trainer, "step", until(6))
    run = train(tmp_path, token_set, name="moved")
    torchrun(2, tmp_path, token_set, "name=moved", "checkpoint_every_steps=7", "num_checkpoints=1")
    assert trainer_state(steps_saved(run)[7])["world"] == 2
    for step_number, loss in losses(undisturbed).items():
        assert losses(run)[step_number] == pytest.approx(loss, rel=1e-5)
    for newer in (20, 14):  # and back to one process from the middle
        (steps_saved(run)[newer] / ".metadata").unlink()
    monkeypatch.undo()
    (run / "record.json").unlink()
    train(tmp_path, token_set, name="moved")
    for step_number, loss in losses(undisturbed).items():
        assert losses(run)[step_number] == pytest.approx(loss, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("more", ["strategy=ddp", "precision=amp_bf16", "precision=amp_bf16 strategy=ddp acc=2"])
def test_strategies_and_precisions_agree(tmp_path, token_set, undisturbed, more):
    torchrun(2, tmp_path, token_set, "name=two", *more.split())
    tolerance = 1e-5 if "bf16" not in more else 0.02
    for step_number, loss in losses(undisturbed).items():
        assert losses(tmp_path / "two")[step_number] == pytest.approx(loss, rel=tolerance)


def test_a_kill_while_saving_leaves_the_checkpoint_before(tmp_path, token_set, undisturbed):
    arguments = [*BASE, f"data-config={token_set}", f"logs={tmp_path}", "name=killed", "checkpoint_every_steps=1"]
    command = [sys.executable, "-m", "pretrain.train", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folder = tmp_path / "killed" / "checkpoints"
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:  # in the middle of some save after the third
        if len(list(folder.glob("step_*"))) >= 2 and list(folder.glob(".step_*")):
            process.kill()
            break
        time.sleep(0.001)
    process.wait()
    main(arguments)
    assert losses(tmp_path / "killed") == losses(undisturbed)


def test_bf16_on_one_process_follows_the_sharded_policy(tmp_path, token_set, undisturbed):
    run = train(tmp_path, token_set, "precision=amp_bf16", "activation_checkpointing=true", name="bf16")
    for step_number, loss in losses(undisturbed).items():
        assert losses(run)[step_number] == pytest.approx(loss, rel=0.02)
    assert all(value.dtype == torch.float32 for value in weights_of(run).values())


def test_prepare_names_the_dataset_it_cannot_use(token_set):
    config = load_scale("411m_1x", data_config=str(token_set))
    with pytest.raises(ValueError, match="trains on 2048 tokens and made has contexts of 32"):
        prepare(config)


def test_a_kill_after_the_last_step_leaves_validation_record_and_export_to_the_next_start(
    tmp_path, token_set, make_set, monkeypatch
):
    held_out = make_set(tmp_path / "held", learnable(9), name="held")
    more = [f"val={held_out}", "val_every_steps=8", "export=true"]
    whole = train(tmp_path, token_set, *more, name="whole")
    wanted = [row for row in rows_of(whole) if "val/held/loss" in row]
    assert [row["step"] for row in wanted] == [8, 16, 20]

    def die(*_, **__):
        raise KeyboardInterrupt

    for moment in ("validate", "write_record", "_export"):
        with monkeypatch.context() as patch:
            place = trainer_module if moment == "validate" else course_module
            calls = []
            original = getattr(place, moment)
            last = lambda *args, **how: die() if len(calls) == 2 else calls.append(1) or original(*args, **how)  # noqa: B023,E731
            patch.setattr(place, moment, last if moment == "validate" else die)
            with pytest.raises(SystemExit, match="130"):
                train(tmp_path, token_set, *more, name=moment)
        run = train(tmp_path, token_set, *more, name=moment)
        assert rows_of(run) == rows_of(whole)
        assert read_record_of(run)["results"] == read_record_of(whole)["results"]
        for name, tensor in exported(run).items():
            assert tensor.equal(exported(whole)[name])


def test_a_second_start_in_a_run_folder_is_one_line(tmp_path, token_set, undisturbed, capsys):
    with hold(undisturbed), pytest.raises(SystemExit, match="1"):
        train(tmp_path, token_set, name="undisturbed")
    assert capsys.readouterr().err.startswith("error: another process is working on")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["warmup=21"], "the warm-up of 21 steps is longer than the run of 20"),
        (["val=nowhere"], "no manifest at nowhere"),
        (["val=SET,SET"], "both called 'made'"),
    ],
)
def test_what_can_be_known_before_training_is_exit_2(tmp_path, token_set, capsys, more, message):
    with pytest.raises(SystemExit, match="2"):
        train(tmp_path, token_set, *[one.replace("SET", str(token_set)) for one in more])
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_batch_of_pads_alone_is_passed_over_and_counted(tmp_path, make_set):
    data = make_set(tmp_path / "padded", learnable(16), pads=[(row, 33) for row in range(8)])
    run = train(tmp_path, data, f"val={data}", "val_sequences=8", "log_every=1")
    found = [row for row in read_metrics(run) if "lr" in row]
    assert found[-1]["skipped/pads"] > 0 and any(row["loss"] is None for row in found)
    assert all(values.isfinite().all() for values in weights_of(run).values())
    assert not [row for row in read_metrics(run) if "val/made/loss" in row]


def learnable(count):
    """Contexts that differ."""
    return (np.arange(count)[:, None] * 7 + np.arange(33)) % 300


def rows_of(run):
    """What was logged, without times and speeds."""
    return [
        {key: value for key, value in row.items() if key == "step" or key == "loss" or key.startswith("val/")}
        for row in read_metrics(run)
    ]


def read_record_of(run):
    return json.loads((run / "record.json").read_text())


def exported(run):
    from safetensors.torch import load_file

    return load_file(run / "export" / "model.safetensors")
