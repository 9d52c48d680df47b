"""What the trainer measures against real text: scores on CORE while it trains, gradients of any micro-batches, loss."""

import json

import numpy as np
import pytest
import torch

from common.runs.folder import read_metrics
from eval.core.evaluate import evaluate
from pretrain.checkpoints.hugging_face import load_checkpoint, to_hf
from pretrain.train import main
from pretrain.training.config import load_scale
from pretrain.training.job import prepare

TASKS = ("copa", "winogrande", "lambada_openai")


@pytest.fixture(scope="module")
def neox(shared_data):
    return shared_data / "tokenizers/gpt-neox-20b"


@pytest.fixture
def pages(make_set, neox, tmp_path):
    """16 contexts of 64 + 1 tokens with the GPT-NeoX vocabulary."""
    rows = np.random.default_rng(0).integers(1, 50_000, (16, 65))
    folder = make_set(tmp_path / "set", rows, vocab=50277)
    file = folder / "dataset.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"tokenizer": str(neox)}))
    return folder


@pytest.mark.integration
def test_core_is_scored_while_training_and_alike_from_checkpoint_and_export(pages, neox, shared_data, tmp_path):
    main([
        "scale=smoke", f"data-config={pages}", f"logs={tmp_path}", "name=run", "tokens=1024", "global_bs=4", "warmup=1",
        "eval_every_steps=2", f"eval_tasks={','.join(TASKS)}", f"eval_data={shared_data}/core", "eval_limit=12",
    ])  # fmt: skip
    scored = [row for row in read_metrics(tmp_path / "run") if "core/copa" in row]
    assert [row["step"] for row in scored] == [2, 4]
    assert scored[-1]["core_partial/n"] == len(TASKS)

    from transformers import AutoTokenizer

    to_hf(str(tmp_path / "run"), str(tmp_path / "export"))
    tokenizer = AutoTokenizer.from_pretrained(neox)
    model = load_checkpoint(tmp_path / "run")[0]
    checkpoint, export = (
        evaluate(one, tokenizer, TASKS, shared_data / "core", 12, seq_len=64)
        for one in (model, str(tmp_path / "export"))
    )
    assert checkpoint["eval_metrics"] == export["eval_metrics"]
    assert {f"core/{name}": accuracy for name, accuracy in export["eval_metrics"]["icl"].items()} == {
        name: value for name, value in scored[-1].items() if name.startswith("core/")
    }


def test_scores_need_task_files_and_a_tokenizer(pages, token_set, shared_data, tmp_path, capsys):
    for data, given, message in (
        (pages, (), "eval_every_steps needs eval_data=FOLDER"),
        (pages, (f"eval_data={tmp_path}/absent",), "no folder of task files"),
        (token_set, (f"eval_data={shared_data}/core",), "names none that is here"),
    ):
        with pytest.raises(SystemExit) as stopped:
            main(["scale=smoke", f"data-config={data}", f"logs={tmp_path}", "tokens=256", "global_bs=4", "warmup=1",
                  "multiple-data-passes=true", "eval_every_steps=2", *given])  # fmt: skip
        assert stopped.value.code == 2 and message in capsys.readouterr().err


@pytest.mark.parametrize("acc", [2, 8])
def test_micro_batches_give_the_gradient_of_the_whole_batch(token_set, tmp_path, monkeypatch, acc):
    """To 1e-6 of its norm in fp32, with pads in one of the eight contexts."""
    whole, split = (gradient(token_set, tmp_path, monkeypatch, count) for count in (1, acc))
    assert float((whole - split).norm() / whole.norm()) < 1e-6


def gradient(data, folder, monkeypatch, acc):
    """The gradient of the first step, unclipped, in one vector."""
    from pretrain.training.build import build_model
    from pretrain.training.parallel import open_devices
    from pretrain.training.trainer import Trainer

    config = load_scale(
        "smoke",
        data_config=str(data),
        logs=str(folder),
        global_bs=8,
        tokens=256,
        warmup=0,
        acc=acc,
        grad_clip=1e9,
        device="cpu",
    )
    job = prepare(config)
    with open_devices(config) as devices:
        model, description = build_model(config, job, devices.device)
        trainer = Trainer(config, job, model, description, devices)
        kept = []

        def keep(*args, **kwargs):
            kept.append(torch.cat([parameter.grad.flatten().clone() for parameter in model.parameters()]))

        monkeypatch.setattr(trainer.optimizer, "step", keep)
        batch = trainer.read(0)
        assert len(batch.micro_batches) == acc
        trainer.step(0, batch)
    return kept[0]


@pytest.mark.slow
@pytest.mark.integration
def test_loss_falls_below_nine_tenths_in_50_steps_on_real_pages(shared_data, neox, tmp_path):
    from pretrain.tokenize import main as tokenize

    data = tmp_path / "set"
    tokenize([f"input={shared_data}/web/pool", f"output={data}", f"tokenizer={neox}", "seq_len=256"])
    main([
        "scale=tiny", f"data-config={data}", f"logs={tmp_path}", "name=run", f"tokens={50 * 16 * 256}", "global_bs=16",
        "warmup=5", "num_checkpoints=1", "log_every=1", "device=cpu",
    ])  # fmt: skip
    losses = [row["loss"] for row in read_metrics(tmp_path / "run") if "loss" in row]
    assert len(losses) == 50 and losses[0] > 10
    assert np.mean(losses[-5:]) < 0.9 * losses[0]
