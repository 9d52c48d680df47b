"""What is multiplied with each token: tied output layers count, and of experts those that a token is sent to."""

import pytest

from pretrain.model.config import ModelConfig
from pretrain.model.hugging_face import HFModel
from pretrain.model.sizes import active_parameters, count_parameters

SIZES = {
    "vocab_size": 300, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "head_dim": 16,
}  # fmt: skip


@pytest.mark.parametrize("tied", [False, True])
def test_the_output_layer_counts_whether_it_is_tied_or_not(tied):
    from transformers import Qwen3Config

    config = ModelConfig(dim=32, layers=2, heads=2, vocab_size=300, tied=tied)
    other = config.model_copy(update={"tied": not tied})
    assert count_parameters(config).no_embed == count_parameters(other).no_embed
    one = HFModel(Qwen3Config(**SIZES, tie_word_embeddings=tied))
    whole = sum(parameter.numel() for parameter in one.parameters())
    assert active_parameters(one) == whole - (0 if tied else 300 * 32)


def test_of_experts_those_count_that_a_token_is_sent_to():
    from transformers import Qwen3MoeConfig

    shape = {**SIZES, "moe_intermediate_size": 16, "num_experts_per_tok": 2, "tie_word_embeddings": False}
    counts = [active_parameters(HFModel(Qwen3MoeConfig(**shape, num_experts=experts))) for experts in (4, 8)]
    router = 2 * 4 * 32  # four more rows in each of two layers
    assert counts[1] - counts[0] == router
