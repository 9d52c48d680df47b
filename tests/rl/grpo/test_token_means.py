"""Entropy and KL are means over tokens, whatever the micro-batches and the processes."""

import pytest
import torch

from rl.grpo.batch.token_means import TokenMeans


class Processes:
    """Adds up what several would hold."""

    def __init__(self, *others):
        self.others = others

    def reduce(self, sums, reduction):
        assert reduction == "sum"
        return sums + sum(other._sums for other in self.others)


def batch(rows, length=7, seed=0):
    draw = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, length + 1, (rows,), generator=draw)
    mask = (torch.arange(length) < lengths[:, None]).long()
    names = ("logprobs", "entropies", "ref_per_token_logps")
    return {name: torch.rand((rows, length), generator=draw) for name in names} | {"completion_mask": mask}


def counted(means, inputs, rows, fresh=None, ratio=""):
    part = {name: value[rows] for name, value in inputs.items()}
    means.read(part["logprobs"], part["entropies"])
    means.add(part, fresh, ratio)
    return means


def test_cutting_the_batch_up_changes_nothing():
    inputs = batch(6)
    (whole,) = [counted(TokenMeans(), inputs, slice(0, 6)).take(Processes())]
    mask = inputs["completion_mask"].bool()
    assert whole["entropy"] == pytest.approx(inputs["entropies"][mask].double().mean().item(), rel=1e-6)
    gap = (inputs["ref_per_token_logps"] - inputs["logprobs"])[mask].double()
    assert whole["kl"] == pytest.approx((gap.exp() - gap - 1).mean().item(), rel=1e-5)
    parts = TokenMeans()
    for rows in (slice(0, 1), slice(1, 4), slice(4, 6)):
        counted(parts, inputs, rows)
    assert parts.take(Processes()) == pytest.approx(whole, rel=1e-6)
    two, other = (counted(TokenMeans(), inputs, rows) for rows in (slice(0, 2), slice(2, 6)))
    assert two.take(Processes(other)) == pytest.approx(whole, rel=1e-6)
    means = [counted(TokenMeans(), inputs, slice(n, n + 1)).take(Processes())["entropy"] for n in range(6)]
    assert abs(sum(means) / 6 - whole["entropy"]) > 1e-3  # the mean of means is another number


def test_rows_that_only_fill_up_a_batch_do_not_count():
    inputs = batch(4)
    alone = counted(TokenMeans(), inputs, slice(0, 3)).take(Processes())
    assert counted(TokenMeans(), inputs, slice(0, 4), [True, True, True, False]).take(Processes()) == alone


@pytest.mark.parametrize("ratio", ["token", "sequence"])
def test_a_kl_that_is_weighted_by_the_ratio_to_the_sampler_is_a_mean_over_tokens_too(ratio):
    # TRL weighs it so by default; its mean of micro-batches' means was another number for each batch size
    inputs = batch(6)
    assert counted(TokenMeans(), inputs, slice(0, 6), ratio=ratio).take(Processes()) == pytest.approx(
        counted(TokenMeans(), inputs, slice(0, 6)).take(Processes())
    )  # without the sampler's numbers the policy itself has sampled
    inputs["old_per_token_logps"] = torch.rand((6, 7), generator=torch.Generator().manual_seed(1))
    expected, tokens = 0.0, 0
    for row in range(6):
        live = inputs["completion_mask"][row].bool()
        logprobs, old, reference = (
            inputs[name][row][live].double() for name in ("logprobs", "old_per_token_logps", "ref_per_token_logps")
        )
        drift = logprobs - old if ratio == "token" else (logprobs - old).mean()
        expected += (((reference - logprobs).exp() - (reference - logprobs) - 1) * drift.exp()).sum().item()
        tokens += int(live.sum())
    parts = TokenMeans()
    for rows in (slice(0, 2), slice(2, 6)):
        counted(parts, inputs, rows, ratio=ratio)
    assert parts.take(Processes())["kl"] == pytest.approx(expected / tokens, rel=1e-5)


def test_a_small_gap_is_not_lost_in_rounding():
    inputs = {name: torch.zeros(1, 4) for name in ("logprobs", "entropies")} | {"completion_mask": torch.ones(1, 4)}
    inputs["ref_per_token_logps"] = torch.full((1, 4), 1e-4)
    assert counted(TokenMeans(), inputs, slice(0, 1)).take(Processes())["kl"] == pytest.approx(5e-9, rel=1e-3)


def test_nothing_is_said_of_no_pass_and_of_no_reference():
    means = TokenMeans()
    assert means.take(Processes()) == {}
    inputs = batch(2)
    del inputs["ref_per_token_logps"]
    found = counted(means, inputs, slice(0, 2)).take(Processes())
    assert set(found) == {"entropy"}
    assert means.take(Processes()) == {}  # each line has its own
