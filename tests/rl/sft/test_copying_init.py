"""A freshly drawn model copies before it is trained, and what does not fit is refused."""

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from rl.sft.copying_init import copying_init


def fresh(**changes):
    shape = {
        "vocab_size": 1024,
        "hidden_size": 256,
        "intermediate_size": 512,
        "num_hidden_layers": 3,
        "num_attention_heads": 8,
        "num_key_value_heads": 8,
        "head_dim": 32,
        "attention_bias": True,
        "tie_word_embeddings": True,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e9},
    }
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**{**shape, **changes})).eval()


@torch.no_grad()
def copied_frac(model, length):
    generator = torch.Generator().manual_seed(1)
    frequency = 1 / (torch.arange(1000) + 5.0)  # Zipf, as words are
    first = torch.multinomial(frequency, 4 * length, replacement=True, generator=generator).view(4, length) + 10
    tokens = torch.cat([first, torch.ones(4, 1, dtype=torch.long), first], 1)
    predicted = model(tokens).logits[:, length:-1].argmax(-1)
    return (predicted == first).float().mean().item()


@pytest.mark.parametrize("length", [64, 128])
def test_a_fresh_model_copies_nearly_all_of_a_sequence_said_twice(length):
    model = fresh()
    assert copied_frac(model, length) < 0.05
    copying_init(model)
    assert copied_frac(model, length) > 0.95


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"attention_bias": False}, "attention_bias is off"),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": 1e4}}, "rope_theta is below 1e9"),
        ({"num_key_value_heads": 4}, "key-value heads are shared"),
    ],
)
def test_a_model_of_another_form_is_refused(changes, problem):
    with pytest.raises(ValueError, match=problem):
        copying_init(fresh(**changes))
