"""Which weights score: the live policy, or those it began with, whatever training does to it."""

import shutil

import numpy as np
import pytest
import torch

from common.config import load
from eval.likelihood.open import open_scorer
from eval.likelihood.trunks import Branch, Trunk
from rl.grpo.config import RLConfig
from rl.scoring.live import TrainerModels
from rl.scoring.models import check_vocabulary, identity

TRUNKS = [Trunk([5, 6, 7, 8], [Branch(3, [9, 10]), Branch(4, [11])])]


def numbers(scorer):
    return np.concatenate([branch.logprobs for branch in scorer.score(TRUNKS)[0].branches])


@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_the_policy_moves_and_the_initial_weights_do_not(opened, small_policy, beta):
    """Also: dropout is off, training mode comes back, and the rollout temperature (0.5) plays no part."""
    trainer = opened(beta=beta)
    models = TrainerModels(trainer)
    policy, initial = models.scoring("policy", "").scorer, models.scoring("initial", "").scorer
    assert (trainer.ref_model is None) == (beta == 0)
    assert (initial.model.module is trainer.ref_model) == (beta > 0)
    expected = numbers(open_scorer(small_policy))
    trainer.model.train()
    for layer in trainer.model.model.layers:
        layer.self_attn.attention_dropout = 0.9
    for scorer in (policy, initial):
        np.testing.assert_allclose(numbers(scorer), expected, atol=1e-5)
    assert trainer.model.training
    with torch.no_grad():
        for weights in trainer.model.parameters():
            weights.add_(0.05 * torch.randn_like(weights))
    np.testing.assert_allclose(numbers(initial), expected, atol=1e-5)
    assert np.abs(numbers(policy) - expected).max() > 1e-3
    assert models.scoring("initial", "").scorer is initial


def test_a_continued_run_refuses_other_initial_weights(opened):
    trainer = opened(beta=0.0)
    trainer._bind()
    known = trainer.scored_with
    assert known and known["initial"].startswith("sha256:")
    trainer._bind()
    trainer.scored_with = {"initial": "sha256:of something else"}
    with pytest.raises(ValueError, match="other weights, same name"):
        trainer._bind()


def test_a_frozen_model_must_read_the_policys_tokens(small_policy, tmp_path):
    check_vocabulary("http://127.0.0.1:1/v1", small_policy)
    other = tmp_path / "other"
    shutil.copytree(small_policy, other)
    check_vocabulary(str(other), small_policy)
    text = (other / "tokenizer.json").read_text(encoding="utf-8")
    (other / "tokenizer.json").write_text(text.replace("<|system|>", "<|sistema|>"), encoding="utf-8")
    with pytest.raises(ValueError, match="has another vocabulary"):
        check_vocabulary(str(other), small_policy)


def test_an_identity_names_weights_dtype_temperature_and_mode(small_policy):
    config = load(RLConfig, [], {"model": "m", "out": "o", "rewards": [{"kind": "length"}], "reward_weights": [1]})
    found = identity(small_policy, config.scorer)
    assert found["model"].startswith("sha256:") and (found["dtype"], found["temperature"]) == ("float32", 1.0)
    other = identity(small_policy, config.scorer.model_copy(update={"dtype": "bfloat16", "mode": "packed"}))
    assert {name for name in found if found[name] != other[name]} == {"dtype", "mode"}
    assert identity("http://127.0.0.1:1/v1", config.scorer)["model"] == "name:http://127.0.0.1:1/v1"
