"""vLLM's CPU build generates our model's greedy tokens from the exported folder."""

import importlib.util
import json
import os

import pytest
import torch

from pretrain.model.config import ModelConfig
from pretrain.model.decoder import build

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore"),  # vLLM's own, of many kinds
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vllm is not installed (setup_vllm.sh)"),
]

PROMPTS = [[5, 17, 101], [42] * 9, [299, 1, 2, 3, 4, 5]]
LENGTH = 12


def greedy(model, prompt):
    """Our model's continuation, without a cache."""
    ids = torch.tensor([prompt])
    with torch.no_grad():
        for _ in range(LENGTH):
            ids = torch.cat([ids, model(ids, logits_to_keep=1).logits[:, -1:].argmax(-1)], 1)
    return ids[0, len(prompt) :].tolist()


@pytest.mark.parametrize("rope_freqs", ["exact", "bf16"])
def test_vllm_generates_our_greedy_tokens(tmp_path, monkeypatch, rope_freqs):
    from pretrain.checkpoints.hugging_face import to_hf
    from pretrain.checkpoints.torch_files import save_weights

    for name, value in {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}.items():
        monkeypatch.setenv(name, os.environ.get(name, value))
    model = build(ModelConfig(dim=128, layers=2, heads=2, vocab_size=300, seq_len=64, rope_freqs=rope_freqs), seed=3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" in name:
                parameter.uniform_(0.5, 2.0, generator=torch.Generator().manual_seed(len(name)))
    (tmp_path / "ours").mkdir()
    ids = {"eot_id": 0, "bos_id": None, "pad_id": 1, "tokenizer": None, "run": "made"}
    (tmp_path / "ours" / "model.json").write_text(
        json.dumps({"kind": "open_lm", "config": model.config.model_dump(), **ids})
    )
    save_weights(tmp_path / "ours", dict(model.state_dict()))
    to_hf(str(tmp_path / "ours"), str(tmp_path / "hf"))

    from vllm import LLM, SamplingParams

    engine = LLM(
        str(tmp_path / "hf"),
        skip_tokenizer_init=True,
        dtype="float32",
        enforce_eager=True,
        max_model_len=64,
        max_num_seqs=4,
    )
    sampling = SamplingParams(temperature=0, max_tokens=LENGTH, ignore_eos=True, detokenize=False)
    outputs = engine.generate([{"prompt_token_ids": prompt} for prompt in PROMPTS], sampling)
    for prompt, output in zip(PROMPTS, outputs, strict=True):
        assert list(output.outputs[0].token_ids) == greedy(model, prompt)
