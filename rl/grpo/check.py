"""What can be wrong on this machine before anything heavy loads; servers asked; what --dry-run shows."""

import logging
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from common.runs.processes import launched
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
    local = Path(config.model)
    if local.parts[0] in ("runs", "rephrase", ".", "..", "/") and not (local / "config.json").is_file():
        raise ValueError(f"no model at {config.model}; give model=FOLDER")
    if _needs_gpu(config) and not _has_gpu():
        raise ValueError(
            "this config needs an NVIDIA GPU and there is none here; "
            "configs/rl/rephraser_smoke_cpu.yaml runs on this machine: bash scripts/rl.sh "
            "configs/rl/rephraser_smoke_cpu.yaml"
        )
    if config.generation != "transformers" and find_spec("vllm") is None:
        raise ValueError("this config samples with vLLM, which is not installed: pip install -e .[gpu]")


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
