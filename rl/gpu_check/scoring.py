"""Packed and cached likelihoods against one sequence at a time, and bf16 against fp32."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from eval.likelihood.config import ScorerConfig
from eval.likelihood.open import open_scorer
from eval.likelihood.trunks import Branch, Scorer, Trunk
from rl.gpu_check.clock import seconds
from rl.gpu_check.config import GpuCheckConfig
from rl.gpu_check.models import model_folder


def workloads(vocabulary: int, small: bool) -> dict[str, list[Trunk]]:
    """What likelihood rewards ask: a group of rollouts of one prompt, and many cuts on long texts."""
    random = np.random.default_rng(0)

    def ids(count: int) -> list[int]:
        return random.integers(0, vocabulary, count).tolist()

    part = 32 if small else 256
    prompt = ids(2 * part)
    group = [[*prompt, *ids(2 * part)] for _ in range(4 if small else 32)]
    cuts = np.linspace(part, 8 * part, 21).astype(int).tolist()
    texts = [ids(8 * part) for _ in range(1 if small else 8)]
    return {
        "group": [Trunk(text, [Branch(len(text), ids(part // 4))]) for text in group],
        "cuts": [Trunk(text, [Branch(cut, ids(8)) for cut in cuts]) for text in texts],
    }


def scoring(config: GpuCheckConfig, folder: Path) -> dict[str, Any]:
    """Tokens per second of both ways, their ratio, and how far apart their numbers are."""
    place = model_folder(config, folder)
    figures: dict[str, Any] = {}
    numbers: dict[tuple[str, str, str], np.ndarray] = {}
    for dtype in ("bfloat16", "float32"):
        ways: dict[str, dict[str, Any]] = {"auto": {}, "duplicate": {"mode": "duplicate"}}
        if config.device == "cuda":  # beside masks of blocks
            ways["dense masks"] = {"mask": "dense"}
        how = {"dtype": dtype, "device": config.device}
        scorers = {name: open_scorer(place, ScorerConfig.model_validate({**how, **way})) for name, way in ways.items()}
        opened: Any = scorers["auto"]  # of a folder, so its model is in this process
        vocabulary = min(8192, opened.model.config.vocab_size)
        for name, trunks in workloads(vocabulary, config.device == "cpu").items():
            tokens = sum(one.cut + len(one.token_ids) for trunk in trunks for one in trunk.branches)
            for mode, scorer in scorers.items():
                numbers[dtype, name, mode] = _logprobs(scorer, trunks)
                taken = seconds(partial(scorer.score, trunks), config.device)
                figures[f"{name}, {dtype}, {mode}: tokens of texts per s"] = tokens / taken
            figures[f"{name}, {dtype}: shared beside one sequence each"] = (
                figures[f"{name}, {dtype}, auto: tokens of texts per s"]
                / figures[f"{name}, {dtype}, duplicate: tokens of texts per s"]
            )
        del scorers
        if config.device == "cuda":
            torch.cuda.empty_cache()
    outside = []
    for name in ("group", "cuts"):
        same = float(np.abs(numbers["float32", name, "auto"] - numbers["float32", name, "duplicate"]).max())
        apart = float(np.abs(numbers["bfloat16", name, "auto"] - numbers["float32", name, "duplicate"]).mean())
        figures[f"{name}: fp32, shared from single, most (nats)"] = same
        figures[f"{name}: bf16 from fp32, mean (nats)"] = apart
        if not same <= config.same_tolerance:
            outside.append(f"{name}: fp32 numbers differ by {same:.2g}, bound {config.same_tolerance:g}")
        if not apart <= config.logp_tolerance:
            outside.append(f"{name}: bf16 is {apart:.2g} from fp32, bound {config.logp_tolerance:g}")
    return {"figures": figures, "outside": outside}


def _logprobs(scorer: Scorer, trunks: list[Trunk]) -> np.ndarray:
    return np.concatenate([branch.logprobs for score in scorer.score(trunks) for branch in score.branches])
