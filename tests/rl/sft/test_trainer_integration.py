"""The recipe of the tiny rephraser in small: tokenizer, rows, fresh weights, training, a folder that loads anywhere."""

import json
import math
import os
import subprocess

import pytest

from common.runs.folder import read_metrics
from rl.sft.__main__ import main


@pytest.fixture(scope="module")
def unit_model(small_pool, root, tmp_path_factory):
    """What `scripts/make_tiny.sh POOL --unit` makes, in a folder of its own."""
    folder = tmp_path_factory.mktemp("unit")
    command = ["bash", str(root / "scripts" / "make_tiny.sh"), small_pool, "--unit"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "runs" / "tiny_unit"


@pytest.mark.integration
def test_the_unit_variant_has_a_million_parameters_and_has_begun_to_learn(unit_model):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(unit_model / "sft" / "export")
    assert 0.5e6 < sum(weight.numel() for weight in model.parameters()) < 1.5e6
    losses = [row["loss"] for row in read_metrics(unit_model / "sft") if "loss" in row]
    assert losses[-1] < losses[0] < 1.2 * math.log(2048)


@pytest.mark.integration
def test_plain_rows_without_stages_train_too(unit_model, tmp_path):
    rows = tmp_path / "rows.jsonl"
    turns = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "A cat."}]
    rows.write_text("".join(json.dumps({"id": n, "messages": turns}) + "\n" for n in range(40)))
    model = unit_model / "sft" / "export"
    main(
        [
            f"model={model}",
            f"data={rows}",
            f"eval_data={rows}",
            f"out={tmp_path / 'run'}",
            "max_steps=4",
            "save_steps=2",
            "logging_steps=1",
            "precision=fp32",
            "export_dtype=float32",
            "learning_rate=1e-3",
            "gradient_checkpointing=false",
            "per_device_train_batch_size=4",
        ]
    )
    metrics = read_metrics(tmp_path / "run")
    assert [row["eval/loss"] for row in metrics if "eval/loss" in row][-1] < metrics[0]["loss"]
    assert (tmp_path / "run" / "export" / "model.safetensors").exists()


@pytest.mark.integration
def test_cleaning_figures_come_out_of_one_command(unit_model, tmp_path):
    from eval.cleaning import main as clean

    out = tmp_path / "figures.json"
    rows = unit_model / "data" / "short.jsonl"
    clean([f"model={unit_model / 'sft' / 'export'}", f"rows={rows}", "max_rows=3", "max_new_tokens=8", f"out={out}"])
    assert json.loads(out.read_text())["pages"] == 3


@pytest.mark.integration
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("mixed", 2e-2)])
def test_the_loss_of_a_padded_batch_is_the_models_own(unit_model, tmp_path, precision, tolerance):
    import torch
    from transformers import AutoTokenizer

    from rl.sft.config import SFTRunConfig
    from rl.sft.encoding import encode_rows
    from rl.sft.trainer import StagedTrainer, load_model, open_dataset, training_arguments

    folder = str(unit_model / "sft" / "export")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = SFTRunConfig(model=folder, data=["rows"], out=str(tmp_path), precision=precision)
    model = load_model(config, tokenizer).float()
    answers = ("A cat.", "A cat that purrs, and a dog that does not, and a horse.")
    question = {"role": "user", "content": "Who?"}
    turns = [[question, {"role": "assistant", "content": answer}] for answer in answers]
    rows = open_dataset(encode_rows([{"messages": messages} for messages in turns], tokenizer)).remove_columns("length")
    trainer = StagedTrainer(
        model=model,
        args=training_arguments(config, 1),
        train_dataset=rows,
        processing_class=tokenizer,
        batches=[[0, 1]],
    )
    inputs = next(iter(trainer.get_train_dataloader()))
    assert (inputs["attention_mask"] == 0).any()
    with torch.no_grad():
        expected = model(**inputs).loss
        assert trainer.compute_loss(model.train(), inputs).item() == pytest.approx(expected.item(), rel=tolerance)
