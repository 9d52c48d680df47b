"""Speed of the semantic reward and of a training step; run by hand: pytest -m bench tests/bench/test_rl_speed.py -s"""

import statistics
import time

import pytest

pytestmark = [pytest.mark.bench, pytest.mark.slow]

WORDS = ["river", "stone", "market", "winter", "light", "engine", "garden", "paper", "signal", "harbour", "copper"]


def texts(count, words, start=0):
    return [" ".join(WORDS[(start + i * j + j) % 11] for j in range(words)) for i in range(count)]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """A BERT of 6 layers with random weights."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("encoder")
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 256, "num_hidden_layers": 6, "num_attention_heads": 4, "intermediate_size": 1024}
    config = BertConfig(vocab_size=len(vocabulary), max_position_embeddings=512, initializer_range=0.2, **sizes)
    BertModel(config).save_pretrained(folder)
    return str(folder)


def test_the_semantic_reward_is_at_least_1_7_times_as_fast_as_the_package(encoder):
    package = pytest.importorskip("bert_score")
    from eval.bertscore import BertScorer

    references = [text for text in texts(8, 200) for _ in range(8)]  # 8 prompts x 8 rollouts
    candidates = [text for n in range(8) for text in texts(8, 120 + 20 * n, start=n)]
    ours = BertScorer(encoder, layer=5, max_tokens=512, device="cpu")
    theirs = package.BERTScorer(model_type=encoder, num_layers=5, device="cpu")
    theirs._tokenizer.model_max_length = 512
    times = {"ours": [], "package": []}
    for _ in range(3):
        began = time.perf_counter()
        found = ours.f1(candidates, references)
        times["ours"].append(time.perf_counter() - began)
        began = time.perf_counter()
        expected = theirs.score(candidates, references, batch_size=1)[2].tolist()  # as the paper ran it
        times["package"].append(time.perf_counter() - began)
    assert found == pytest.approx(expected, abs=1e-4)
    ratio = statistics.median(times["package"]) / statistics.median(times["ours"])
    print(f"\nsemantic reward, 64 pairs: {ratio:.2f} x the package ({times})")  # noqa: T201
    assert ratio >= 1.7


SMOKE = """
data: {rows: 64, eval_rows: 0, noise: {max_tokens: 64, harvest_pages: 0}}
rewards:
  - {kind: semantic, measure: lexical, threshold: 0.5}
  - {kind: structure}
  - {kind: length}
  - {kind: format}
reward_weights: [1, 1, 1, 1]
num_generations: 4
prompts_per_step: 4
per_device_train_batch_size: 16
max_prompt_length: 2000
max_completion_length: 64
max_steps: 6
precision: fp32
gradient_checkpointing: false
eval_steps: 1000
save_steps: 1000
"""


def test_a_step_takes_at_most_5_percent_more_than_plain_trl(root, tmp_path, shared_data, tmp_path_factory):
    from trl import GRPOTrainer

    from common.config import load
    from common.run import read_metrics
    from rl.rewards.kinds import open_rewards
    from rl.train import RLConfig
    from rl.trainer import dataset, train, trainer_options

    model = root / "rephrase" / "tiny"
    if not (model / "config.json").is_file():
        pytest.skip("no tiny rephraser")
    (tmp_path / "config.yaml").write_text(SMOKE)
    pool = str(shared_data / "web" / "pool" / "shard_00000000_processed.jsonl.zst")
    values = {"model": str(model), "out": str(tmp_path / "ours"), "data.pool": pool}
    config = load(RLConfig, [tmp_path / "config.yaml"], values)
    train(config)
    ours = [row["step_time"] for row in read_metrics(tmp_path / "ours") if "step_time" in row]

    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    rows, _ = dataset(tmp_path / "ours" / "data" / "train.jsonl", config, tokenizer)
    options = trainer_options(config, 1, cpu=True)
    options.output_dir = str(tmp_path / "plain")
    plain = GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(model),
        reward_funcs=open_rewards(config.rewards),
        args=options,
        train_dataset=rows,
        processing_class=tokenizer,
    )
    plain.train()
    theirs = [row["step_time"] for row in plain.state.log_history if "step_time" in row]
    # The first step warms up.
    ratio = statistics.median(ours[1:]) / statistics.median(theirs[1:])
    print(f"\nstep: {statistics.median(ours[1:]):.2f} s, plain TRL's {statistics.median(theirs[1:]):.2f} s")  # noqa: T201
    assert ratio <= 1.05
