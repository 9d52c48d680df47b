"""A random chat model and a real OpenAI-compatible server, small enough to build in a test."""

import subprocess
import sys

import pytest

TEXTS = ["The cat sat on the mat. The dog ran in the park.", "Boil water, add salt, and wait for ten minutes."] * 20


@pytest.fixture(scope="session")
def chat_model(tmp_path_factory):
    """Folder of a two-layer Qwen3 with random weights, a tokenizer and a chat template; 512 positions."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    from pretrain.tokenizer import TokenizerConfig, train_tokenizer

    folder = tmp_path_factory.mktemp("chat_model")
    tokenizer = train_tokenizer(TEXTS, TokenizerConfig(vocab_size=300, phrases=["Here it is:"]))
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        max_position_embeddings=512,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
        initializer_range=0.5,  # far from uniform, so that greedy decoding has no near-ties
    )
    Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def server_url(root):
    """Base URL of a small OpenAI-compatible server (`stand_in_server.py`) in a process of its own."""
    command = [sys.executable, str(root / "tests" / "common" / "stand_in_server.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        process.kill()
