"""Speed and memory of the likelihood rewards themselves, texts to rewards; run by hand, alone on the machine:
python -m pytest tests/bench/test_process_speed.py -m bench -s

One thread, processor time; the published way makes the same numbers with one ordinary forward pass each.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers

from eval.likelihood.config import ScorerConfig
from eval.likelihood.open import open_scorer
from eval.likelihood.trunks import Trunk, TrunkScores
from rl.rewards.completion import CompletionGainConfig, CompletionGainReward
from rl.rewards.process import ProcessConfig, ProcessReward
from rl.rewards.reference import ReferenceProbabilityConfig, ReferenceProbabilityReward
from rl.scoring.baselines import BaselineStore, StoredBaselines
from tests.bench.harness import Side, measure
from tests.fixtures.memory import forget_peak, held_mib, peak_mib

pytestmark = [pytest.mark.bench, pytest.mark.slow, pytest.mark.timeout(3600)]

VOCAB = 8192


class Words:
    """A tokenizer of one id per character and one for `\\boxed`, which is all that rewards ask of one here."""

    bos_token_id, eos_token_id, boxed = 1, 2, VOCAB - 1
    unk_token_id, chat_template = None, None
    all_special_tokens, all_special_ids, added_tokens_decoder = (), (), {}

    def __len__(self):
        return VOCAB

    def encode(self, text, add_special_tokens=False):
        parts = re.findall(r"\\boxed|(?s:.)", text)
        return [self.boxed if part == "\\boxed" else 3 + ord(part) for part in parts]

    def __call__(self, text, add_special_tokens=False):
        return {"input_ids": self.encode(text)}

    def decode(self, ids, **options):
        return "".join("\\boxed" if token == self.boxed else chr(token - 3) for token in ids)

    def apply_chat_template(self, messages, tokenize=False, add_generation_prompt=False):
        text = "".join(f"{message['role']}: {message['content']}\x04" for message in messages)
        return text + "assistant: " if add_generation_prompt else text


def network():
    """Small enough for a CPU, and wide enough for its linear maps to weigh more than attention, as in real models."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = transformers.Qwen3Config(
        vocab_size=VOCAB,
        hidden_size=512,
        intermediate_size=1536,
        num_hidden_layers=4,
        num_attention_heads=8,
        num_key_value_heads=4,
        head_dim=64,
        max_position_embeddings=4096,
    )
    return transformers.AutoModelForCausalLM.from_config(config).eval()


@pytest.fixture(scope="module")
def model():
    threads = torch.get_num_threads()
    yield network()
    torch.set_num_threads(threads)


class OnePassEach:
    """The published way: a forward pass for every branch, one more for the entropies of a trunk, nothing shared.

    The passes are ours, one text at a time, and meet the output layer with the wanted rows only.
    """

    def __init__(self, model):
        self.scorer = open_scorer(model, ScorerConfig(mode="duplicate", max_tokens_per_batch=1))

    def score(self, trunks):
        return [self._one(trunk) for trunk in trunks]

    def _one(self, trunk: Trunk):
        found = [self.scorer.score([Trunk(trunk.token_ids, [branch])])[0].branches[0] for branch in trunk.branches]
        entropy = self.scorer.score([Trunk(trunk.token_ids, probe_rows=trunk.probe_rows)])[0].entropy
        return TrunkScores(found, entropy)


def letters(count, seed):
    return "".join(np.random.default_rng(seed).choice(list("abcdefgh "), count))


THINKING = "".join(f"{letters(86, n)}\n\n" for n in range(20))
QUESTION = [{"role": "user", "content": letters(240, 99)}]


def process_reward(scorer):
    reward = ProcessReward(ProcessConfig(k=20))
    reward.bind(scorer, Words())
    return lambda: (reward([QUESTION], [THINKING], reference=["x = 1234"]), reward.token_rewards)


def test_process_rewards_beside_a_pass_per_segment(model):
    """20 segments, 2,048 tokens with the prompt, an answer of 8."""
    assert 2000 <= len(THINKING) + 240 <= 2100

    def equal(one, other):
        if other is None:
            return
        (mine, paid), (theirs, expected) = one, other
        assert mine == pytest.approx(theirs, abs=1e-4) and len(paid[0]) == 20
        np.testing.assert_allclose(np.array(paid[0]), np.array(expected[0]), atol=1e-4)

    @torch.no_grad()
    def plain_pass():
        length = len(THINKING) + 240 + 21 * 7
        model(input_ids=torch.arange(length)[None] % VOCAB, logits_to_keep=torch.linspace(0, length - 1, 200).long())

    found = measure(
        "process reward",
        {
            "ours": Side(process_reward(open_scorer(model))),
            "a pass per segment": Side(process_reward(OnePassEach(model)), "wanted rows only"),
            "one plain pass": Side(plain_pass, "over as many tokens"),
        },
        equal,
    )
    found.aim("a pass per segment", "ours", least=10)
    found.aim("one plain pass", "ours", least=0.8)


def group_of(kind, scorer, folder):
    """8 rollouts of one prompt that is four times as long as each of them, baselines stored."""
    # Each rollout or plan has 200 characters, the prompt 800.
    prompt = [{"role": "user", "content": letters(800, 1)}]
    if kind == "reference_probability":
        reward = ReferenceProbabilityReward(ReferenceProbabilityConfig())
        texts = [f"<think>{letters(170, n)}</think> <answer> a </answer>" for n in range(8)]
    else:
        reward = CompletionGainReward(CompletionGainConfig())
        texts = [f"In summary: {letters(190, n)}" for n in range(8)]
    store = BaselineStore(folder / f"{kind}.parquet")
    reward.bind(scorer, Words(), StoredBaselines(store, scorer, {"model": "m"}))
    return reward, prompt, texts


@pytest.mark.parametrize("kind", ["reference_probability", "completion_gain"])
def test_a_group_that_shares_its_prompt_is_twice_as_fast_as_each_rollout_alone(model, kind, tmp_path):
    reward, prompt, texts = group_of(kind, open_scorer(model), tmp_path)
    gold = letters(16, 5)

    def together():
        return reward([prompt] * 8, texts, reference=[gold] * 8)

    def alone():
        return [reward([prompt], [text], reference=[gold])[0] for text in texts]

    def equal(one, other):
        assert one == pytest.approx(other, abs=1e-4)

    measure(kind, {"together": Side(together), "alone": Side(alone)}, equal).aim("alone", "together", least=2)


def peak(what):
    """Bytes that a process needs above its model for one plain pass, or for a process reward; the least of three."""
    command = [sys.executable, __file__, what]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    # What is freed goes back to the system at once: else a pass reuses what loading left in the heap, or leaves holes
    # of its own, and the figure of one and the same pass moves by 40 MB from run to run.
    environment["MALLOC_MMAP_THRESHOLD_"] = "65536"
    runs = [
        subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout for _ in range(3)
    ]
    return min(map(json.loads, runs))


def test_process_rewards_need_at_most_1_3_times_the_memory_of_a_plain_pass(model):
    plain, ours = peak("plain"), peak("process")
    weights = 4 * sum(parameter.numel() for parameter in model.parameters())
    print(f"\npeak above the model: plain pass {plain:.0f} MiB, process reward {ours:.0f} MiB")  # noqa: T201
    print(f"with the model: {(weights + ours) / (weights + plain):.2f} x")  # noqa: T201
    assert ours <= 1.3 * plain


def _measure(what):
    """In a process of its own: peak memory of the pass minus what stood before."""
    model = network()
    scorer = open_scorer(model)
    ids = Words().encode(letters(2048, 3))
    if what == "process":
        job = process_reward(scorer)
        scorer.modes = {"packed", "cached"}  # what the probe finds; its own small passes come before the measurement
    before = held_mib()
    forget_peak()  # the peak so far is that of loading
    if what == "process":
        job()
    else:
        with torch.no_grad():
            model(input_ids=torch.tensor([ids]), logits_to_keep=8).logits.log_softmax(-1)
    print(peak_mib() - before)  # noqa: T201 - read by `peak`


if __name__ == "__main__":
    _measure(sys.argv[1])
