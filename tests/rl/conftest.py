"""A small policy made in seconds: fresh weights, a real tokenizer and chat template."""

import json

import pytest

TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SENTENCES = [
    "The harbour opens at six and the first boats come in before dawn.",
    "Bakers knead the dough twice, then let it rest under a cloth.",
    "A narrow bridge crosses the river north of the old mill.",
    "In 1912 the library moved to a larger house on the square.",
    "Bees store honey for winter, when no flowers grow outside.",
    "The train to the coast takes two hours and stops nine times.",
    "Glass is made from sand, ash and lime heated until they melt.",
    "Children learn to swim in the lake behind the village school.",
]


def documents(count=60):
    """Pages of real sentences: enough for passages of every length."""
    return [
        {
            "id": f"d{n}",
            "text": "\n\n".join(" ".join(SENTENCES[(n * 3 + i + j) % 8] for j in range(3)) for i in range(4)),
        }
        for n in range(count)
    ]


@pytest.fixture(scope="session")
def small_pool(tmp_path_factory):
    """A pool of one shard."""
    folder = tmp_path_factory.mktemp("pool")
    (folder / "shard_0.jsonl").write_text("".join(json.dumps(row) + "\n" for row in documents()), encoding="utf-8")
    return str(folder)


@pytest.fixture(scope="session")
def small_policy(tmp_path_factory):
    """A Qwen3-class model of 60 k parameters with random weights."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    folder = tmp_path_factory.mktemp("policy")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator([row["text"] for row in documents()], trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<|pad|>", eos_token="<|end|>", chat_template=TEMPLATE
    )
    wrapped.save_pretrained(folder)
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(wrapped),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=2048,
        eos_token_id=1,
        pad_token_id=0,
        tie_word_embeddings=True,
    )
    Qwen3ForCausalLM(config).save_pretrained(folder)
    return str(folder)


def sums(count=40, first=0):
    """Questions with references, as a training file has them."""
    pairs = [(n * 7 % 9 + 1, n * 5 % 8 + 1) for n in range(first, first + count)]
    return [
        {"id": f"s{n}", "prompt": [{"role": "user", "content": f"{a} + {b}?"}], "reference": str(a + b)}
        for n, (a, b) in enumerate(pairs, first)
    ]


@pytest.fixture(scope="session")
def questions(tmp_path_factory):
    """A JSONL file of sums."""
    path = tmp_path_factory.mktemp("questions") / "sums.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in sums()), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="session")
def answering_policy(small_policy, tmp_path_factory):
    """The small policy after two hundred steps on thinking and answers in tags, the answers themselves at random."""
    import random

    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(small_policy)
    model = AutoModelForCausalLM.from_pretrained(small_policy, dtype=torch.float32)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    random_ = random.Random(0)
    torch.manual_seed(0)
    for _ in range(200):
        rows = []
        for row in random_.sample(sums(), 8):
            prompt = tokenizer.apply_chat_template(row["prompt"], tokenize=False, add_generation_prompt=True)
            lines = "\n\n".join(random_.sample(["So.", "Yes.", "No."], random_.randint(1, 2)))
            rows.append(f"{prompt}<think>{lines}\n</think> <answer> {random_.randint(2, 17)} </answer><|end|>")
        batch = tokenizer(rows, return_tensors="pt", padding=True, add_special_tokens=False)
        batch.pop("token_type_ids", None)
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        loss = model(**batch, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    folder = tmp_path_factory.mktemp("answering")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture
def opened(small_policy, questions, tmp_path):
    """A function that makes a trainer with values of a config."""
    from transformers import AutoTokenizer

    from common.config import load
    from rl.grpo.config import RLConfig
    from rl.grpo.course import open_trainer, process_state
    from rl.grpo.journal import Journal
    from rl.grpo.rows import build_data, dataset
    from rl.grpo.trl_options import trainer_options

    def make(**values):
        config = load(
            RLConfig,
            [],
            {
                "model": small_policy,
                "out": str(tmp_path),
                "data": {
                    "kind": "conversations",
                    "train": [questions],
                    "rows": 4,
                    "eval_rows": 0,
                    **values.pop("data", {}),
                },
                "rewards": [{"kind": "reference_probability"}],
                "reward_weights": [1],
                "precision": "fp32",
                "gradient_checkpointing": False,
                "temperature": 0.5,
                "max_completion_length": 64,
                **values,
            },
        )
        process_state()
        tokenizer = AutoTokenizer.from_pretrained(small_policy)
        build_data(config, tmp_path / "data", tokenizer)
        rows, _ = dataset(tmp_path / "data" / "train.jsonl", config, tokenizer)
        options = trainer_options(config, 1, cpu=True)
        return open_trainer(config, tmp_path, options, tokenizer, rows, None, Journal(None, config))

    return make
