"""GRPO on TRL's trainer: our rewards, our advantages, and our account of what each completion earned.

What this subclass adds to TRL 1.16's `GRPOTrainer`:
    1. A completion that one reward could not judge is left out as a whole, not scored 0 in that part.
    2. Advantages by `rl.grpo.advantages`: exactly 0 in groups of equal rewards, several forms, by token where a
       reward pays tokens. TRL takes [B] or [B, T].
    3. Rewards know how each completion ended and the prompt's token ids; those that score with a model get the
       live policy or frozen weights (`rl.scoring.models`). Every part of every reward goes to `metrics.jsonl` and
       `samples.jsonl`.
    4. Completions are sampled by `rl.grpo.rollout`: the same ones on any number of processes, and in every evaluation.
    5. Prompts whose completions hardly differ are left out and others sampled in their place (`rl.grpo.refill`).
    6. Page text in a prompt is never a control token (`common.tokens.chat`).
    7. `verifiable` judges a completion as soon as it has ended, beside the others' generation and the passes for
       log-probabilities.
"""

import json
import logging
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import gather_object
from torch import Tensor
from trl import GRPOTrainer
from trl.models.utils import unwrap_model_for_generation

from common.runs.checkpoints import mark_complete, newest_complete
from common.runs.folder import write_json
from common.runs.progress.shown import waiting
from common.tokens.chat import chat_ids
from eval.likelihood.spans import opens_thinking
from rl.grpo.advantages import advantages, process_advantages, segment_mode, total
from rl.grpo.batch.account import Account
from rl.grpo.batch.token_means import TokenMeans
from rl.grpo.journal import SampleLog, batch_metrics, evaluation_metrics, worth_of
from rl.grpo.refill import BatchShare, Refill, Rollouts
from rl.grpo.rollout import sample, uniforms, whole_weights
from rl.grpo.rows import EpochSampler
from rl.grpo.std_filter import deviations
from rl.grpo.trl_options import loss_passes
from rl.rewards.base import Reward, SkipLimit
from rl.rewards.process import ProcessReward
from rl.rewards.verifiable import VerifiableReward
from rl.scoring.baselines import BaselineStore
from rl.scoring.live import TrainerModels
from rl.scoring.models import bind, likelihood_rewards
from rl.scoring.together import RewardsTogether

if TYPE_CHECKING:
    from rl.grpo.config import RLConfig

log = logging.getLogger("repro.rl")

GENERATION_OPTIONS = {"min_p", "repetition_penalty", "generation_kwargs", "cache_implementation"}
"""TRL's options that only its own way of sampling knows."""

STATE = "reward_state.json"
"""What a checkpoint holds beside TRL's files."""


class RewardTrainer(GRPOTrainer):
    """GRPO with the rewards of a config; see the module's docstring."""

    def __init__(self, config: "RLConfig", rewards: list[Reward], run_folder: Path, **options: Any) -> None:
        super().__init__(reward_funcs=rewards, **options)
        self.config = config
        self.weights = {reward.__name__: weight for reward, weight in zip(rewards, config.reward_weights, strict=True)}
        self.process = next((reward for reward in rewards if isinstance(reward, ProcessReward)), None)
        self.samples = SampleLog(run_folder / "samples.jsonl", config)
        self.skip_limit = SkipLimit(config.max_skipped)
        share = BatchShare(self.accelerator.process_index, self.accelerator.num_processes, self.num_generations)
        self.refill = (
            Refill(config.std_filter, self.train_dataset, config.seed, share, self._tokenizer.pad_token_id)
            if config.std_filter
            else None
        )
        self.round = 0
        self.models: TrainerModels | None = None
        self.baselines: BaselineStore | None = None
        self.scored_with: dict[str, str] | None = None
        self.prompt_ids: list[list[int]] = []
        self.early = [reward for reward in rewards if isinstance(reward, VerifiableReward)]
        self.together = RewardsTogether(rewards)
        self.token_means = TokenMeans()
        self.inputs: list[dict[str, Any]] = []
        self.told: list[dict[str, Any]] = []
        self.values = torch.empty(0)
        self.rows: list[dict[str, Any]] = []
        self.row_numbers: list[int] = []
        self.evaluated: list[dict[str, Any]] = []
        self.seen: Counter[int] = Counter()
        self.fresh: list[bool] = []

    def _get_train_sampler(self, dataset: Any = None) -> EpochSampler:
        """TRL's, with an order that a resumed run finds again."""
        theirs = super()._get_train_sampler(dataset)
        return EpochSampler(
            data_source=theirs.data_source,
            mini_repeat_count=theirs.mini_repeat_count,
            batch_size=theirs.batch_size,
            repeat_count=theirs.repeat_count,
            shuffle=theirs.shuffle,
            seed=theirs.seed,
        )

    def _tokenize_prompts(self, prompts: list[Any]) -> Any:
        """As TRL does, but that control tokens spelled in a prompt's messages are text."""
        tools = self.tools or self.environment_factories is not None
        if tools or self._is_vlm or not all(isinstance(prompt, list) for prompt in prompts):
            return super()._tokenize_prompts(prompts)
        options = {"chat_template": self.chat_template, **self.chat_template_kwargs}
        return [chat_ids(self._tokenizer, prompt, **options) for prompt in prompts], None, {}

    def _generate(self, prompts: list[Any]) -> Any:
        """As TRL does; the prompts' token ids are kept for the rewards, and those that ask servers begin."""
        kind = "" if self.model.training else "held-out "
        waiting(f"sampling {len(prompts) * self.accelerator.num_processes} {kind}completions")
        generated = super()._generate(prompts)
        self.prompt_ids, completion_ids, completions = generated[0], generated[1], generated[3]
        for row, ids in enumerate(completion_ids if self.early else []):
            self._begin(row, ids)
        if self.models is None:
            self._bind()
        self.told = [
            {**self._told(row, ids), "completion_tokens": len(ids), "prompt_ids": self.prompt_ids[row]}
            for row, ids in enumerate(completion_ids)
        ]
        self.together.begin(prompts, self._plain(completions, completion_ids), completion_ids, self.told)
        return generated

    def _told(self, row: int, completion_ids: list[int]) -> dict[str, Any]:
        """A completion's row, with how it ended and whether it began inside the thinking."""
        stopped = completion_ids and completion_ids[-1] in {*self.eos_token_ids, self._tokenizer.pad_token_id}
        open_ = self._think_open(self.inputs[row], self.prompt_ids[row])
        return {**self.inputs[row], "finish_reason": "stop" if stopped else "length", "think_open": open_}

    def _begin(self, row: int, completion_ids: list[int]) -> None:
        """Let the rewards that can begin with a completion of this process; told twice, they begin once."""
        text = self._tokenizer.decode(completion_ids, skip_special_tokens=True)
        told = self._told(row, completion_ids)
        reason = told.pop("finish_reason")
        for reward in self.early:
            reward.begin(told, text, reason)

    def _think_open(self, row: dict[str, Any], prompt_ids: list[int]) -> bool:
        """Whether a prompt ends inside the thinking; a row that says so itself is believed."""
        return bool(row.get("think_open")) or opens_thinking(self._tokenizer, prompt_ids)

    def _calculate_rewards(
        self, inputs: list[Any], prompts: list[Any], completions: list[Any], completion_ids_list: list[list[int]]
    ) -> Tensor:
        """[world·B, rewards] as TRL has them, with the rows of failed completions all NaN."""
        del inputs, prompts, completions
        values = self.accelerator.gather(self.together.values(self.accelerator.device))
        written = self._is_written()
        account = Account(self.reward_funcs, self.weights, self.process, written)
        self.rows = gather_object(account.rows(self.told, self.together.completions, completion_ids_list))
        self.row_numbers = gather_object([row["row_index"] for row in self.told])
        failed = torch.tensor([bool(row["skipped"]) for row in self.rows], device=values.device)
        values[failed] = torch.nan
        self.values = values
        self._record()
        if self.model.training:
            self.skip_limit.add([row["skipped"] for row in self.rows])
        waiting(f"training on {len(self.rows)} completions" if self.model.training else "")
        return values

    def _bind(self) -> None:
        """Give rewards their scorers: now that the models are wrapped."""
        self.models = TrainerModels(self)
        main = self.accelerator.is_main_process
        if any(reward.config.baseline_by for reward in likelihood_rewards(self.reward_funcs)):
            self.baselines = BaselineStore(self.config.baselines_file, writes=main, gather=gather_object)
        bind(self.reward_funcs, self.models, self._tokenizer, self.baselines, lambda: self.state.global_step)
        found = self.models.weights()
        if self.scored_with not in (None, found):
            raise ValueError(f"this run scored with {self.scored_with} and finds {found} now: other weights, same name")
        self.scored_with = found

    def _plain(self, completions: list[Any], completion_ids: list[list[int]]) -> list[Any]:
        """Completions as the policy wrote them: a tokenizer with a response template takes thinking out of the text."""
        parsed = getattr(self._tokenizer, "response_template", None) or getattr(
            self._tokenizer, "response_schema", None
        )
        if not parsed:
            return completions
        texts = self.processing_class.batch_decode(completion_ids, skip_special_tokens=True)
        return [[{"role": "assistant", "content": text}] for text in texts]

    def _record(self) -> None:
        """Metrics of this batch, and its rows to `samples.jsonl`; the same on every process but for the file."""
        mode = "train" if self.model.training else "eval"
        rows = self.rows if self.model.training else self._unrepeated()
        if self.model.training:
            for name, value in batch_metrics(rows).items():
                self._metrics[mode][name].append(value)
        if not self.accelerator.is_main_process or not self._is_written():
            return
        self.samples.take(rows, self.state.global_step + (mode == "train"), mode)

    def _unrepeated(self) -> list[dict[str, Any]]:
        """This batch's held-out rows, without those that only fill up the last batch of several processes."""
        self.fresh = []
        for number in self.row_numbers:
            self.seen[number] += 1
            self.fresh.append(self.seen[number] <= self.num_generations_eval)
        found = [row for row, fresh in zip(self.rows, self.fresh, strict=True) if fresh]
        self.evaluated += found
        return found

    def _get_per_token_logps_and_entropies(self, *args: Any, **options: Any) -> Any:
        """As TRL does; the loss's own pass is kept for the means over tokens."""
        found = super()._get_per_token_logps_and_entropies(*args, **options)
        if options.get("compute_entropy"):
            self.token_means.read(found[0], found[1])
        return found

    def _compute_loss(self, model: Any, inputs: Any) -> Tensor:
        """As TRL does; entropy and KL are means over all tokens of the step, each row's once."""
        loss = super()._compute_loss(model, inputs)
        first = self.accelerator.process_index * len(inputs["completion_mask"])
        fresh = None if self.model.training else self.fresh[first : first + len(inputs["completion_mask"])]
        ratio = self.importance_sampling_level if self.args.use_bias_correction_kl else ""
        self.token_means.add(inputs, fresh, ratio)
        return loss

    def prediction_step(self, model: Any, inputs: Any, *args: Any, **options: Any) -> Any:
        """Completions of held-out prompts and their rewards; TRL's loss on them only for `eval_kl`."""
        if self.config.eval_kl:
            return super().prediction_step(model, inputs, *args, **options)
        with torch.no_grad():
            self._prepare_inputs(inputs)
        return None, None, None

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """As TRL does; an evaluation's means are over its rows, each once, whatever the number of processes."""
        if self.evaluated and not self.model.training:
            self._metrics["eval"].pop("reward", None)  # TRL's is over repeats, and not finite where nothing was scored
            for name, value in evaluation_metrics(self.evaluated).items():
                self._metrics["eval"][name] = [value]
            self.evaluated, self.seen = [], Counter()
        means = self.token_means.take(self.accelerator)
        self._metrics["train" if self.model.training else "eval"].update({name: [mean] for name, mean in means.items()})
        super().log(logs, start_time)

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        """As transformers does; an evaluation in which nothing could be scored is never the best one."""
        wanted = self.args.metric_for_best_model
        if wanted is not None and wanted not in metrics:
            log.warning("step %d: not one held-out completion could be scored", self.state.global_step)
            return False
        return super()._determine_best_metric(metrics, trial)

    def _is_written(self) -> bool:
        """Whether this batch goes to `samples.jsonl`: evaluations do, of training the first and every nth."""
        step = self.state.global_step + 1
        return not self.model.training or step == 1 or step % self.config.samples_every == 0

    def rollouts(self, inputs: list[Any]) -> Rollouts:
        """Completions of this process's prompts, TRL's batch of them, and what they earned."""
        self.inputs = inputs
        with loss_passes(self, self.model.training or self.config.eval_kl):
            output = super()._generate_and_score_completions(inputs)
        first = self.accelerator.process_index * len(inputs)
        local = slice(first, first + len(inputs))
        segments = [row.get("segments", []) for row in self.rows[local]]
        return Rollouts(output, self.values[local], segments)

    def _round(self, inputs: list[Any], number: int) -> Rollouts:
        """One round of sampling for the std filter, with what all processes' groups earned."""
        self.round = number
        found = self.rollouts(inputs)
        group = self.num_generations
        rows = gather_object([row["row_index"] for row in inputs[::group]])
        spread = deviations(total(self.values, self.reward_weights).cpu().numpy(), group)
        self.round = 0
        found.groups = list(zip(rows, spread.tolist(), strict=True))
        return found

    def _refilled(self, inputs: list[Any], refill: Refill) -> Rollouts:
        found, figures = refill.batch(inputs, self._round)
        mask = found.output["completion_mask"] * found.output.get("tool_mask", 1)
        found.output["num_items_in_batch"] = self.accelerator.gather(mask.sum()).sum()
        for name, value in figures.items():
            self._metrics["train"][f"filter/{name}"].append(value)
        return found

    def _generate_and_score_completions(self, inputs: list[Any]) -> dict[str, Any]:
        """TRL's batch with our advantages, of prompts that the std filter keeps."""
        training = self.model.training
        found = self._refilled(inputs, self.refill) if self.refill and training else self.rollouts(inputs)
        group = self.num_generations if training else self.num_generations_eval
        output = found.output
        output["advantages"] = self._advantages(found, group).to(output["advantages"].dtype)
        if training and self._is_written():
            worth = gather_object(worth_of(output, self._tokenizer, self.config.samples_advantages))
            if self.accelerator.is_main_process:
                self.samples.settle(worth, self.state.global_step + 1, found.order, found.surplus)
        return output

    def _advantages(self, found: Rollouts, group: int) -> Tensor:
        """[B] of this process's completions, or [B, T] if a reward pays by token."""
        config, accelerator = self.config, self.accelerator
        values = accelerator.gather(found.values)  # statistics are of whole groups, or of the whole batch
        weights = self.reward_weights.to(values.device)
        own = advantages(values, weights, group, config.combine, config.centre, config.scale, config.advantage_eps)
        first = accelerator.process_index * len(found.values)
        local = slice(first, first + len(found.values))
        if self.process is None:
            return own[local]
        mask = found.output["completion_mask"] * found.output.get("tool_mask", 1)
        outcome = next(index for index, weight in enumerate(weights.tolist()) if weight) if weights.any() else None
        by_token = process_advantages(
            gather_object(found.segments),
            group,
            mask.size(1),
            self.process.config,
            None if outcome is None else (values[:, outcome] > 0).tolist(),
            segment_mode(config.centre, config.scale),
            local,
        )
        extra = torch.from_numpy(by_token).to(own.device)
        extra[values[local].isnan().all(1)] = 0.0  # a completion that could not be scored trains on nothing
        sums = torch.stack([(extra * mask).abs().sum(), (own[local, None] * mask).abs().sum()])
        paid, outcomes = accelerator.reduce(sums).tolist()
        mode = "train" if self.model.training else "eval"
        self._metrics[mode][f"{self.process.__name__}/share"].append(paid / outcomes if outcomes else 0.0)
        return (own[local, None] + extra) * mask

    def _generate_single_turn(self, prompt_ids: list[list[int]], *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Completions of local prompts: by `rl.grpo.rollout`, or as TRL samples where that cannot be used."""
        training = self.model.training
        config = self.config
        self.prompt_ids = prompt_ids  # a completion that ends is judged before the others do
        temperature = config.temperature if training else config.eval_temperature or config.temperature
        top_p = config.top_p if training else config.eval_top_p or config.top_p
        if self.use_vllm or self._dist.fsdp_version == 1 or GENERATION_OPTIONS & config.trl.keys():
            sampler = self.vllm_generation if self.use_vllm else self.generation_config
            sampler.temperature, sampler.top_p = temperature, top_p
            return super()._generate_single_turn(prompt_ids, *args, **kwargs)
        group = self.num_generations if training else self.num_generations_eval
        step = str(self.state.global_step) if training else "eval"  # evaluations at any step draw the same numbers
        if self.round:
            step += f".{self.round}"
        first = self.accelerator.process_index * len(prompt_ids)
        keys = [
            f"{config.seed}:{step}:{(first + row) % group}:{','.join(map(str, ids))}"
            for row, ids in enumerate(prompt_ids)
        ]
        with unwrap_model_for_generation(self.model_wrapped, self.accelerator) as model, whole_weights(model):
            model.eval()  # activation checkpointing would switch the cache off
            completion_ids = sample(
                model,
                prompt_ids,
                uniforms(keys, self.max_completion_length),
                self.eos_token_ids,
                temperature,
                top_p,
                self._begin if self.early else None,
            )
            model.train(training)
        return completion_ids, None

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """TRL's checkpoint with the rewards' state, which is there before the checkpoint counts as one."""
        if self.accelerator.is_main_process:
            folder = folder_of(self, trial)
            folder.mkdir(parents=True, exist_ok=True)
            rule = self.refill.rule.state() if self.refill else None
            write_json(folder / STATE, {"std_filter": rule, "scored_with": self.scored_with})
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            mark_complete(folder_of(self, trial))

    def restore(self, checkpoint: str) -> None:
        """Go on from what a checkpoint says about the rewards; TRL restores the rest."""
        state = json.loads((Path(checkpoint) / STATE).read_text(encoding="utf-8"))
        self.scored_with = state["scored_with"]
        if self.refill:
            self.refill.rule.restore(state["std_filter"])


def folder_of(trainer: GRPOTrainer, trial: Any) -> Path:
    """Where a checkpoint of the present step lies."""
    return Path(trainer._get_output_dir(trial=trial)) / f"checkpoint-{trainer.state.global_step}"


def last_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint among TRL's."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    return newest_complete(found, lambda one: "global_step" in json.loads((one / "trainer_state.json").read_text()))
