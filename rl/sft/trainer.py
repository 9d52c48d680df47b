"""Supervised fine-tuning on TRL's SFTTrainer: rows to token ids, a curriculum of length-sorted batches, the export."""

import json
import logging
import shutil
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch.utils.data import DataLoader
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TrainerCallback,
    set_seed,
)
from trl import SFTConfig, SFTTrainer

from common.command import WorkFailed
from common.runs.checkpoints import mark_complete
from common.runs.folder import Run
from common.runs.hold import hold
from common.runs.processes import launched
from common.runs.progress.shown import CountedWork
from common.runs.protocol import finish, finished
from common.weights import find_model
from rephrase.text.lines import MARK
from rephrase.text.prompts import MARKED
from rl.adapters import adapter_of, base_options, merged, peft_config
from rl.sft.config import SFTRunConfig
from rl.sft.copying_init import copying_init
from rl.sft.curriculum import curriculum
from rl.sft.encoding import IGNORED, Encoded, encode_file
from rl.sft.reading_init import reading_init
from rl.sft.state import begun_with, last_checkpoint, of_before, prepare, start_over

log = logging.getLogger("repro")


def train(config: SFTRunConfig) -> Path:
    """Train or go on, log to the run folder, export; returns the exported folder.

    Raises:
        ValueError: the folder holds another run, another process is at work in it, or a row cannot be used.
        WorkFailed: fewer steps were trained than the config says.
    """
    with hold(config.out):
        return _train(config, Path(config.out))


def _train(config: SFTRunConfig, out: Path) -> Path:
    fingerprint = begun_with(config)
    main = launched()[0] == 0
    if not config.resume:
        if main:
            start_over(out)
    elif finished(out, fingerprint) or of_before(out, config):
        log.info("%s is finished", out)
        return out / "export"
    set_seed(config.seed)
    tokenizer = AutoTokenizer.from_pretrained(find_model(_tokenizer_source(config)))
    files = {path: encode_file(path, tokenizer, config.max_length) for path in config.files()}
    held_out = _held_out(config, tokenizer)
    model = load_model(config, tokenizer)
    dataset, ranges = _joined(files)
    batches = curriculum(config, dataset["length"], ranges)
    run = None
    if main:
        prepare(out, fingerprint)
        run = Run(out, config, seed=config.seed)
    checkpoint = last_checkpoint(out) if config.resume else None
    with run or nullcontext(), CountedWork(out.name, unit="steps") as shown:
        trainer = StagedTrainer(
            model=model,
            args=training_arguments(config, len(batches)),
            train_dataset=dataset.remove_columns("length"),
            eval_dataset=held_out,
            processing_class=tokenizer,
            callbacks=[_Metrics(run, shown)] if run else [],
            batches=batches,
            peft_config=peft_config(config.adapter),
        )
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        steps, wanted = trainer.state.global_step, trainer.state.max_steps
        if not 0 < wanted == steps:
            raise WorkFailed(f"training ended at step {steps} of {wanted}; the same command goes on from there")
        _export(trainer, tokenizer, out / "export", config)
        if run:
            finish(out, fingerprint, {"steps": steps, "rows": len(dataset)})
    return out / "export"


def load_model(config: SFTRunConfig, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """The model to start from: trained weights, or fresh ones of a configuration file, sized to the tokenizer."""
    dtype = torch.bfloat16 if config.precision == "bf16" else torch.float32
    if not config.model.endswith(".json"):
        options = base_options(config.adapter, config.precision) if config.adapter else {"dtype": dtype}
        return AutoModelForCausalLM.from_pretrained(find_model(config.model), **options)
    values = json.loads(Path(config.model).read_text(encoding="utf-8"))
    shape = AutoConfig.for_model(
        **values,
        vocab_size=len(tokenizer),
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    model = AutoModelForCausalLM.from_config(shape, dtype=dtype)
    if config.init == "copying":
        copying_init(model, config.seed)
    elif config.init == "reading":
        reading_init(model, _marks(tokenizer), config.seed)
    return model


def _marks(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Entries of the tokenizer that begin a numbered line."""
    entries = tokenizer.get_added_vocab()
    marks = (entries.get(MARK.format(number=number)) for number in range(1, MARKED + 1))
    return [mark for mark in marks if mark is not None]


class StagedTrainer(SFTTrainer):
    """SFTTrainer that takes its batches from a list, if that is not empty."""

    def __init__(self, *args: Any, batches: list[list[int]], **kwargs: Any) -> None:
        self.batches = batches
        super().__init__(*args, **kwargs)
        if batches and self.accelerator.num_processes > 1:
            raise ValueError("stages run in one process; give data instead, or one process")

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """TRL's checkpoint, and the marker that says it is complete."""
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            mark_complete(Path(self._get_output_dir(trial=trial)) / f"checkpoint-{self.state.global_step}")

    def get_train_dataloader(self) -> DataLoader:
        """The listed batches in their order, or the library's own."""
        if not self.batches:
            return super().get_train_dataloader()
        return DataLoader(self.train_dataset, batch_sampler=self.batches, collate_fn=self.data_collator)

    def compute_loss(
        self,
        model: PreTrainedModel,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """Mean loss over the tokens that bear it; in a curriculum, logits are made for these alone.

        TRL's head makes them for all positions, in chunks and again in the backward pass: it saves memory where the
        vocabulary is large, and takes 2.3 times as long for a small model on CPU.
        """
        if not self.batches or return_outputs or not model.training:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        labels = inputs["labels"][:, 1:]  # [B, T - 1]
        bearing = labels != IGNORED
        with torch.autocast(labels.device.type, torch.bfloat16, enabled=self.args.bf16):
            # Padding is on the right, where no token that bears loss can see it: causal attention needs no mask.
            decoded = model.get_decoder()(inputs["input_ids"], use_cache=False)
            logits = model.get_output_embeddings()(decoded.last_hidden_state[:, :-1][bearing]).float()  # [N, V]
        wanted = labels[bearing]  # [N]
        right = (logits.detach().argmax(-1) == wanted).float().mean().item()
        self._metrics["train"]["mean_token_accuracy"].append(right)
        loss = torch.nn.functional.cross_entropy(logits, wanted, reduction="sum")
        return loss / (len(wanted) if num_items_in_batch is None else num_items_in_batch)


class _Metrics(TrainerCallback):
    """Writes what the trainer logs to the run folder, and says how far it is."""

    def __init__(self, run: Run, shown: CountedWork) -> None:
        self.run, self.shown = run, shown

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """How much there is to do."""
        self.shown.begin(state.global_step, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """One step more."""
        self.shown.at(state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """One line of metrics."""
        if "loss" in (logs or {}):
            self.shown.note = f"loss {logs['loss']:.4g}"  # type: ignore[index]
        self.run.log({key.replace("eval_", "eval/"): value for key, value in (logs or {}).items()}, state.global_step)


def _joined(files: dict[str, list[Encoded]]) -> tuple[Dataset, dict[str, range]]:
    ranges, start = {}, 0
    for path, rows in files.items():
        ranges[path] = range(start, start + len(rows))
        start += len(rows)
    return open_dataset(row for rows in files.values() for row in rows), ranges


def open_dataset(rows: Iterable[Encoded]) -> Dataset:
    """The rows of a file as TRL reads them."""
    rows = list(rows)
    return Dataset.from_dict(
        {
            "input_ids": [row["input_ids"] for row in rows],
            "labels": [row["labels"] for row in rows],
            "length": [len(row["input_ids"]) for row in rows],
        }
    )


def _held_out(config: SFTRunConfig, tokenizer: PreTrainedTokenizerBase) -> Dataset | None:
    rows = [row for path in config.eval_data for row in encode_file(path, tokenizer, config.max_length)]
    return open_dataset(rows).remove_columns("length") if rows else None


def training_arguments(config: SFTRunConfig, staged_steps: int) -> SFTConfig:
    """A run's config as the options of TRL's trainer."""
    return SFTConfig(
        output_dir=config.out,
        learning_rate=config.learning_rate,
        lr_scheduler_type=config.lr_scheduler_type,
        lr_scheduler_kwargs=config.lr_scheduler_kwargs,
        warmup_steps=config.warmup_frac,  # a share, where below 1
        num_train_epochs=config.num_train_epochs,
        max_steps=staged_steps if config.max_steps < 0 and staged_steps else config.max_steps,
        per_device_train_batch_size=config.per_device_train_batch_size,
        gradient_accumulation_steps=config.gradient_accumulation_steps,
        max_length=config.max_length,
        dataset_kwargs={"skip_prepare_dataset": True},  # rows are ids and labels already
        max_grad_norm=config.max_grad_norm,
        weight_decay=config.weight_decay,
        adam_beta2=config.adam_beta2,
        bf16=config.precision == "mixed" or (config.precision == "bf16" and torch.cuda.is_available()),
        use_cpu=not torch.cuda.is_available(),
        activation_checkpointing=config.gradient_checkpointing,
        seed=config.seed,
        logging_steps=config.logging_steps,
        save_steps=config.save_steps,
        save_total_limit=config.save_total_limit,
        eval_strategy="steps" if config.eval_data else "no",
        eval_steps=config.save_steps,
        dataloader_pin_memory=torch.cuda.is_available(),
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to=[],
    )


def _export(trainer: SFTTrainer, tokenizer: PreTrainedTokenizerBase, folder: Path, config: SFTRunConfig) -> None:
    """The trained model as a Hugging Face folder; all processes gather its weights, the first one writes."""
    accelerator = trainer.accelerator
    gathers = accelerator.num_processes > 1 and config.adapter is None
    weights = accelerator.get_state_dict(trainer.model) if gathers else None
    if accelerator.is_main_process:
        model = accelerator.unwrap_model(trainer.model)
        if config.adapter:
            model = merged(adapter_of(model), config.model, folder.with_name("adapter"))
        export(model, tokenizer, folder, config.export_dtype, weights)
    accelerator.wait_for_everyone()


def export(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    dtype: str,
    weights: dict[str, torch.Tensor] | None = None,
) -> Path:
    """Write model and tokenizer as a Hugging Face folder of one safetensors file, greedy by default.

    Args:
        model: the trained one.
        tokenizer: its own.
        folder: appears whole or not at all; another export there is replaced.
        dtype: of the stored weights.
        weights: the model's weights where they were gathered from several processes.
    """
    number = getattr(torch, dtype)
    draft = folder.with_name(f".{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    model.config.use_cache = True
    if weights is None:
        model.to(number).save_pretrained(draft)
    else:
        model.config.dtype = number
        model.save_pretrained(draft, state_dict={name: tensor.to(number) for name, tensor in weights.items()})
    tokenizer.save_pretrained(draft)
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)
    return folder


def _tokenizer_source(config: SFTRunConfig) -> str:
    if config.tokenizer is None and config.model.endswith(".json"):
        raise ValueError("fresh weights need tokenizer=FOLDER")
    return config.tokenizer or config.model
