"""A tiny model that has learnt to answer, and a local server: what the stage's tests run on."""

import subprocess
import sys

import pytest

from rephrase.prompts import answer, fixed_parts, messages

SENTENCES = [
    "The cat sat on the mat.",
    "Boil water and add salt.",
    "Click here to subscribe.",
    "The dog ran in the park.",
    "Rain fell all day.",
    "Copy the file to the server.",
    "Nobody came to the party.",
    "Stir it for ten minutes.",
]


def texts(count):
    """Texts of one to three sentences, each another mix."""
    return [" ".join(SENTENCES[(n * 5 + i * (n % 7 + 1)) % 8] for i in range(1 + n % 3)) for n in range(count)]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """Folder of a two-layer Qwen3 that has learnt to say the sentinel, some words and the end."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    from pretrain.tokenizer import TokenizerConfig, train_tokenizer

    folder = tmp_path_factory.mktemp("tiny_model")
    tokenizer = train_tokenizer(texts(100), TokenizerConfig(vocab_size=400, phrases=fixed_parts()))
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=512,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = Qwen3ForCausalLM(config)
    rows = []
    for text in texts(48):
        prompt = tokenizer.apply_chat_template(messages(text), tokenize=False, add_generation_prompt=True)
        whole = tokenizer.apply_chat_template([*messages(text), answer(text)], tokenize=False)
        ids = tokenizer(whole, add_special_tokens=False)["input_ids"]
        rows.append((ids, len(tokenizer(prompt, add_special_tokens=False)["input_ids"])))
    longest = max(len(ids) for ids, _ in rows)
    inputs = torch.tensor([ids + [tokenizer.pad_token_id] * (longest - len(ids)) for ids, _ in rows])
    labels = torch.tensor([[-100] * cut + ids[cut:] + [-100] * (longest - len(ids)) for ids, cut in rows])
    mask = (inputs != tokenizer.pad_token_id).long()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for step in range(60):
        batch = slice(step % 3 * 16, step % 3 * 16 + 16)
        loss = model(input_ids=inputs[batch], attention_mask=mask[batch], labels=labels[batch]).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def server_url(root):
    """Base URL of the small OpenAI-compatible server of the engine's tests."""
    command = [sys.executable, str(root / "tests" / "common" / "stand_in_server.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        process.kill()
