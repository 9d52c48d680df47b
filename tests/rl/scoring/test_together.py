"""Rewards that ask servers begin together and beside the rest, and nobody's number changes."""

import threading
import time

import pytest
import torch

from rl.rewards.base import Reward, RewardConfig, Scores
from rl.rewards.kinds import open_rewards
from rl.rewards.likelihood import LikelihoodReward
from rl.rewards.rephrase import LengthConfig, StructureConfig
from rl.scoring.together import RewardsTogether

PROMPTS = ["a", "b", "c"]
TEXTS = ["x", "yy", "zzz"]
TOLD = [{"id": name, "text": text, "prompt": "not passed on"} for name, text in zip("abc", TEXTS, strict=True)]


class Slow(Reward):
    """As long as its text, after a while, and None for the middle one."""

    kind = "slow"

    def __init__(self, name, seconds, asks_servers):
        super().__init__(name)
        self.seconds, self.asks_servers = seconds, asks_servers
        self.thread = None

    def score(self, batch):
        time.sleep(self.seconds)
        self.thread = threading.current_thread().name
        assert "prompt" not in batch.columns and batch.column("id") == ["a", "b", "c"]
        return Scores.of([None if text == "yy" else float(len(text)) for text in batch.completions])


def judged(rewards, beside=lambda: None):
    together = RewardsTogether(rewards)
    began = time.monotonic()
    together.begin(PROMPTS, TEXTS, [[1]] * 3, TOLD)
    beside()
    return together.values(), time.monotonic() - began


def test_all_servers_are_asked_at_once_beside_what_else_goes_on():
    rewards = [Slow("one", 0.6, True), Slow("here", 0.1, False), Slow("two", 0.6, True), Slow("three", 0.6, True)]
    values, seconds = judged(rewards, lambda: time.sleep(0.5))  # the passes for reference log-probabilities
    assert seconds < 1.4  # one after another: 2.4 s
    nan = torch.nan
    torch.testing.assert_close(values, torch.tensor([[1.0] * 4, [nan] * 4, [3.0] * 4]), equal_nan=True)
    assert [reward.thread.startswith("reward") for reward in rewards] == [True, False, True, True]
    assert [reward.last.reasons[1] for reward in rewards] == ["unscored"] * 4


def test_values_are_those_of_the_rewards_called_in_turn():
    rewards = open_rewards([LengthConfig(), LengthConfig(name="long", max_ratio=9.0)])
    told = [{"text": "one two three", "id": str(n), "finish_reason": "stop"} for n in range(3)]
    texts = ["one two", "", "one " * 9]
    together = RewardsTogether(rewards)
    together.begin(PROMPTS, texts, [[1]] * 3, told)
    columns = {name: [row[name] for row in told] for name in told[0]}
    for column, reward in zip(together.values().T.tolist(), rewards, strict=True):
        assert column == reward(prompts=PROMPTS, completions=texts, completion_ids=[[1]] * 3, **columns)


def test_an_error_of_a_server_reward_is_raised_where_its_values_are_wanted():
    class Broken(Slow):
        def score(self, batch):
            raise ConnectionError("no judge")

    together = RewardsTogether([Broken("one", 0, True)])
    together.begin(PROMPTS, TEXTS, [[1]] * 3, TOLD)
    with pytest.raises(ConnectionError, match="no judge"):
        together.values()


def test_which_rewards_ask_servers_is_what_their_configs_say():
    judge = {"url": "http://127.0.0.1:1/v1", "model": "m"}
    structure, length = open_rewards([StructureConfig(measure="judge", judge=judge), LengthConfig()])
    assert structure.asks_servers and not length.asks_servers
    assert RewardsTogether([structure, length]).beside == [structure]


def test_likelihoods_stay_in_line_since_all_processes_gather_weights_together():
    class Likelihood(LikelihoodReward):
        kind = "likelihood"

        def __init__(self):
            super().__init__(RewardConfig())
            self.asks_servers = True

        def score(self, batch):
            return Scores.of([0.0] * len(batch.completions))

    assert RewardsTogether([Likelihood()]).beside == []
