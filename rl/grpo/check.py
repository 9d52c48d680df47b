"""What can be wrong on this machine before anything heavy loads; servers asked; what --dry-run shows."""

import json
import logging
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from common.config import read_yaml
from common.pools.shards import list_shards
from common.runs.launch import find_gpus
from common.runs.processes import launched
from common.runs.tracking import check_tracker
from common.weights import context_length, find_model
from rl.adapters import check_bits
from rl.data.recycling.build import RecyclingDataConfig
from rl.grpo.config import RLConfig
from rl.rewards.kinds import reward_name


def processes() -> int:
    """Processes of this launch (torchrun's and accelerate's `WORLD_SIZE`)."""
    return launched()[1]


def check(config: RLConfig) -> None:
    """What can be wrong on this machine, found before anything heavy is imported.

    Raises:
        ValueError: the batch does not divide, or what the config needs is not here.
    """
    config.accumulation(processes())
    _check_launch(config)
    check_bits(config.adapter)
    check_tracker(config)
    if _needs_gpu(config) and not _has_gpu():
        raise ValueError(
            "this config needs an NVIDIA GPU and there is none here; "
            "configs/rl/rephraser_smoke_cpu.yaml runs on this machine: bash scripts/rl.sh "
            "configs/rl/rephraser_smoke_cpu.yaml"
        )
    if config.generation != "transformers" and find_spec("vllm") is None:
        raise ValueError("this config samples with vLLM, which is not installed: pip install -e .[gpu]")
    local = Path(find_model(config.model, fetch=False))
    if local.is_dir() and not (local / "config.json").is_file():
        raise ValueError(f"no model at {config.model}; give model=FOLDER")
    check_lengths(config)
    _check_data(config)


def _check_launch(config: RLConfig) -> None:
    """The processes of this launch against the machine, and what is sharded over them."""
    values = {name: os.environ.get(name, default) for name, default in (("NNODES", "1"), ("NODE_RANK", "0"))}
    wrong = [f"{name}={value}" for name, value in values.items() if not value.isdigit()]
    if wrong:
        raise ValueError(f"{wrong[0]} is no number from 0")
    nodes, rank = int(values["NNODES"]), int(values["NODE_RANK"])
    if rank >= nodes:
        raise ValueError(f"NODE_RANK={rank} on {nodes} nodes; the ranks are 0 to {nodes - 1}")
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "0")) or processes() // nodes
    gpus = find_gpus()
    if gpus and here > len(gpus):
        raise ValueError(
            f"{here} processes on a machine with {len(gpus)} visible GPUs; give NPROC={len(gpus)}, or fewer"
        )
    tensor_parallel = int(config.trl.get("vllm_tensor_parallel_size", 1))
    if config.generation == "vllm_colocate" and here > 1 and here % tensor_parallel:
        raise ValueError(
            f"trl.vllm_tensor_parallel_size {tensor_parallel} does not divide the {here} GPUs of a machine; give "
            f"{', '.join(str(size) for size in range(1, here + 1) if here % size == 0)}"
        )
    if _wants_deepspeed() and find_spec("deepspeed") is None:
        raise ValueError(
            "this launch shards with DeepSpeed, which is not installed: pip install -e .[gpu], or give "
            "ACCELERATE=configs/accelerate/fsdp2.yaml"
        )


def _wants_deepspeed() -> bool:
    if os.environ.get("ACCELERATE_USE_DEEPSPEED", "").lower() == "true":
        return True
    file = Path(os.environ.get("ACCELERATE", ""))
    values = read_yaml(file.read_text(encoding="utf-8")) if file.is_file() else {}
    return isinstance(values, dict) and values.get("distributed_type") == "DEEPSPEED"


def _check_data(config: RLConfig) -> None:
    """The files that rows are built from, unless they are built."""
    if (Path(config.out) / "data" / "data.json").is_file():
        return
    if isinstance(config.data, RecyclingDataConfig):
        list_shards(config.data.pool)
        return
    for key, paths in (("train", config.data.train), ("eval", config.data.eval)):
        for path in paths:
            if not Path(path).is_file():
                raise ValueError(f"no rows at {path} (data.{key}); `python -m rl.data.prepare` writes such files")


def check_lengths(config: RLConfig, longest_prompt: int = 1) -> None:
    """The lengths of a run against its model's context; of a model on a hub nothing is known yet.

    Raises:
        ValueError: completions could not be as long as the config says.
    """
    file = Path(find_model(config.model, fetch=False)) / "config.json"
    context = context_length(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None
    if context and longest_prompt + config.max_completion_length > context:
        what = f" behind a prompt of {longest_prompt}" if longest_prompt > 1 else ""
        raise ValueError(
            f"max_completion_length {config.max_completion_length}{what} is beyond the {context} tokens that "
            f"{config.model} can read; give max_completion_length={max(1, context - longest_prompt)} or less"
        )


def check_stop(tokenizer: Any, model: str) -> None:
    """Whether a turn's end in the chat template ends a completion too.

    Raises:
        ValueError: it is another token than those that stop: every completion would run to its limit.
    """
    from common.tokens.chat import controls

    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "ANSWER"}]
    behind = str(tokenizer.apply_chat_template(turns, tokenize=False)).rpartition("ANSWER")[2].lstrip()
    found = controls(tokenizer).whole.match(behind)
    file = Path(find_model(model)) / "generation_config.json"
    said = json.loads(file.read_text(encoding="utf-8")).get("eos_token_id") if file.is_file() else None
    stops = {tokenizer.eos_token_id, *(said if isinstance(said, list) else [said])} - {None}
    if found and tokenizer.convert_tokens_to_ids(found.group()) not in stops:
        names = ", ".join(repr(token) for token in tokenizer.convert_ids_to_tokens(sorted(stops)))
        raise ValueError(
            f"the chat template of {model} ends an answer with {found.group()!r}, which stops no completion (these "
            f"do: {names or 'none'}); make a folder in which it does: python -m rl.chat_template -i {model} -o FOLDER "
            f"--eos '{found.group()}'"
        )


def check_servers(config: RLConfig) -> None:
    """Ask every server that a reward needs for a sign of life.

    Raises:
        ValueError: one does not answer.
    """
    from common.model_server import healthy

    for reward in config.rewards:
        for url in reward.needs_servers():
            if not healthy(url):
                raise ValueError(
                    f"reward {reward_name(reward)!r} needs a server at {url} and none answers; "
                    "start it with scripts/serve.sh NAME, or name it in the config's servers"
                )


def _needs_gpu(config: RLConfig) -> bool:
    return config.generation != "transformers" or config.attention.startswith("flash")


def _has_gpu() -> bool:
    return Path("/dev/nvidiactl").exists() or bool(os.environ.get("CUDA_VISIBLE_DEVICES"))


def plan(config: RLConfig) -> dict[str, str]:
    """What a run would read, write and do."""
    count = processes()
    sources = (
        config.data.documents if config.data.kind == "recycling" else ", ".join([*config.data.train, *config.data.eval])
    )
    return {
        "reads": f"{config.model}, {sources}",
        "writes": config.out,
        "step": (
            f"{config.prompts_per_step} prompts x {config.num_generations} = {config.completions_per_step} completions "
            f"= {config.per_device_train_batch_size} per device x {config.accumulation(count)} accumulated x {count}"
        ),
        "servers": ", ".join(url for reward in config.rewards for url in reward.needs_servers()) or "none",
    }


def show_progress() -> None:
    """Print what the run logs, a line a step."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line per judged completion
