"""Rollouts of a policy in training and the engines of inference: tokens per second."""

import importlib.util
from functools import partial
from pathlib import Path
from typing import Any

from common.engines.config import TransformersEngineConfig, VLLMEngineConfig
from common.engines.open import open_engine
from common.engines.requests import Request
from rl.gpu_check.clock import seconds
from rl.gpu_check.config import GpuCheckConfig
from rl.gpu_check.models import model_folder

GROUP = 8
"""Completions of one prompt."""

SPECULATION = {"method": "ngram", "num_speculative_tokens": 5, "prompt_lookup_max": 4}
"""vLLM's speculation by n-grams of the prompt, which suits texts that are copied in part."""

TEXT = "The bridge over the river opened in 1779 and spans thirty metres; tolls were taken until 1950. "


def rollouts(config: GpuCheckConfig, folder: Path) -> dict[str, Any]:
    """A batch of completions by `rl.grpo.rollout` on the policy itself, and by vLLM."""
    import torch
    from transformers import AutoModelForCausalLM

    from rl.grpo.rollout import sample, uniforms

    place = model_folder(config, folder)
    dtype = torch.bfloat16 if config.device == "cuda" else torch.float32
    model = AutoModelForCausalLM.from_pretrained(place, dtype=dtype).to(config.device).eval()
    length = 32 if config.device == "cpu" else 512
    groups = -(-config.rollouts // GROUP)
    prompts = [[(7 * row * token + token) % 4096 for token in range(length)] for row in range(groups)]
    every = [prompt for prompt in prompts for _ in range(GROUP)][: config.rollouts]
    numbers = uniforms([str(row) for row in range(len(every))], config.tokens)
    taken = seconds(partial(sample, model, every, numbers, ()), config.device, runs=1)
    figures = {"transformers: tokens per s": len(every) * config.tokens / taken}
    del model
    if config.device == "cuda":
        torch.cuda.empty_cache()
    return _with_vllm(config, place, figures, {"vllm": {}})


def infer(config: GpuCheckConfig, folder: Path) -> dict[str, Any]:
    """The engines as the rephrase stage uses them, greedy; vLLM with and without speculation."""
    place = model_folder(config, folder)
    batch = TransformersEngineConfig(device=config.device, batch_size=config.rollouts)
    figures = {"transformers: tokens per s": _engine_speed(batch, place, config)}
    settings = {"vllm": {}, "vllm, n-gram speculation": {"speculative_config": SPECULATION}}
    return _with_vllm(config, place, figures, settings)


def _with_vllm(
    config: GpuCheckConfig, place: str, figures: dict[str, float], settings: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    if importlib.util.find_spec("vllm") is None:
        return {"figures": figures, "missing": "vllm is not installed: pip install -e .[gpu]"}
    for name, options in settings.items():
        engine = VLLMEngineConfig(
            max_num_seqs=max(config.rollouts, 256), max_model_len=4096, gpu_memory_utilization=0.6, options=options
        )
        figures[f"{name}: tokens per s"] = _engine_speed(engine, place, config)
    return {"figures": figures}


def _engine_speed(engine_config: Any, place: str, config: GpuCheckConfig) -> float:
    """Generated tokens per second of a stream of requests; a first stream warms up and does not count."""
    produced = 0
    with open_engine(engine_config, place) as engine:

        def stream() -> None:
            nonlocal produced
            requests = (
                Request(str(number), prompt=f"{number}. {TEXT * 8}", max_tokens=config.tokens, temperature=0.0)
                for number in range(config.rollouts)
            )
            found = list(engine.stream(requests))
            failed = [one for one in found if one.finish_reason == "error"]
            if failed:
                raise RuntimeError(f"{len(failed)} of {len(found)} requests failed: {failed[0].error}")
            produced = sum(one.tokens_out for one in found)

        taken = seconds(stream, config.device, runs=1)
    return produced / taken
