"""Chunked cross-entropy with z-loss: value and gradient of the plain form."""

import math

import pytest
import torch
from torch.nn import functional as F

from pretrain.model.loss import IGNORED, chunk_terms, linear_cross_entropy


def plain(hidden, weight, targets, z_loss):
    """The sum written with whole logits."""
    keep = targets != IGNORED
    logits = (hidden @ weight.T)[keep]
    lse = logits.logsumexp(-1)
    return F.cross_entropy(logits, targets[keep], reduction="sum") + z_loss * (lse**2).sum()


@pytest.mark.parametrize("chunk_rows", [1, 3, 7, 100])
def test_value_and_gradient_equal_the_plain_form(chunk_rows):
    generator = torch.Generator().manual_seed(chunk_rows)
    hidden = torch.randn(2, 5, 8, generator=generator, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(11, 8, generator=generator, dtype=torch.float64, requires_grad=True)
    targets = torch.randint(0, 11, (2, 5), generator=generator)
    targets[0, 2] = targets[1, 4] = IGNORED
    ours = linear_cross_entropy(hidden, weight, targets, 0.1, chunk_rows)
    theirs = plain(hidden, weight, targets, 0.1)
    assert ours.loss.detach().item() == pytest.approx(theirs.detach().item(), rel=1e-12)
    assert int(ours.count) == 8
    mine = torch.autograd.grad(ours.loss * 0.25, (hidden, weight))
    expected = torch.autograd.grad(theirs * 0.25, (hidden, weight))
    for one, other in zip(mine, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_loss_with_z_equals_hand_computation():
    # logits (ln 1, ln 3), target 1: CE = ln 4 - ln 3, lse = ln 4
    hidden, weight = torch.eye(1), torch.tensor([[0.0], [math.log(3)]])
    sums = linear_cross_entropy(hidden, weight, torch.tensor([1]), z_loss=0.01)
    assert sums.cross_entropy.item() == pytest.approx(math.log(4 / 3), abs=1e-6)
    assert sums.z.item() == pytest.approx(math.log(4) ** 2, abs=1e-6)
    assert sums.loss.item() == pytest.approx(math.log(4 / 3) + 0.01 * math.log(4) ** 2, abs=1e-6)
    assert sums.logits.item() == pytest.approx(math.log(3) / 2, abs=1e-6)


def test_ignored_targets_contribute_nothing():
    hidden = torch.randn(4, 8, requires_grad=True)
    weight = torch.randn(9, 8)
    targets = torch.tensor([1, IGNORED, 3, IGNORED])
    linear_cross_entropy(hidden, weight, targets, 1e-2).loss.backward()
    assert bool((hidden.grad[[1, 3]] == 0).all()) and bool((hidden.grad[[0, 2]] != 0).any())


def test_no_gradient_is_computed_where_none_is_wanted():
    with torch.no_grad():
        sums = linear_cross_entropy(torch.randn(4, 8), torch.randn(9, 8, requires_grad=True), torch.zeros(4).long())
    assert not sums.loss.requires_grad


def test_bf16_states_give_fp32_sums():
    hidden, weight = torch.randn(6, 16).bfloat16().requires_grad_(), torch.randn(20, 16).bfloat16().requires_grad_()
    targets = torch.randint(0, 20, (6,))
    sums = linear_cross_entropy(hidden, weight, targets, chunk_rows=4)
    assert sums.loss.dtype == torch.float32
    sums.loss.backward()
    expected = torch.autograd.grad(plain(hidden.float(), weight.float(), targets, 0.0), hidden)[0]
    torch.testing.assert_close(hidden.grad.float(), expected.float(), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_memory_that_is_kept_from_chunk_to_chunk_changes_no_bit(dtype):
    generator = torch.Generator().manual_seed(3)
    make = lambda *shape: torch.randn(*shape, generator=generator).to(dtype).requires_grad_()  # noqa: E731
    # longer and shorter ones by turns, so that the kept memory grows and holds what an earlier loss left
    for rows, vocab in ((5, 40), (64, 300), (9, 11), (64, 300)):
        hidden, weight = make(rows, 16), make(vocab, 16)
        targets = torch.randint(0, vocab, (rows,), generator=generator)
        sums = linear_cross_entropy(hidden, weight, targets, 0.1, chunk_rows=rows)
        logits = (hidden @ weight.T).detach().float()
        cross_entropy, z, mean_logit, grad = chunk_terms(logits, targets, 0.1)  # in memory of its own
        assert torch.equal(sums.cross_entropy, cross_entropy)
        assert torch.equal(sums.z, z) and torch.equal(sums.logits, mean_logit)
        found = torch.autograd.grad(sums.loss, (hidden, weight))
        linear_cross_entropy(make(rows, 16), weight, targets).loss.backward()  # in the same memory
        grad = grad.to(dtype)
        assert torch.equal(found[0], grad @ weight.detach()) and torch.equal(found[1], grad.T @ hidden.detach())


def test_infinite_logits_give_what_torch_gives():
    logits = torch.tensor([[-math.inf, -math.inf], [math.inf, 0.0], [1.0, -math.inf]])
    targets = torch.tensor([IGNORED, IGNORED, 0])
    plain = chunk_terms(logits.clone(), targets, 0.1)
    spared = chunk_terms(logits.clone(), targets, 0.1, torch.empty(3, 2))
    for one, other in zip(plain, spared, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


def test_gradients_that_were_scaled_in_place_are_not_given_twice():
    hidden, weight = torch.randn(4, 8, requires_grad=True), torch.randn(9, 8, requires_grad=True)
    loss = linear_cross_entropy(hidden, weight, torch.tensor([1, 2, 3, 4])).loss
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="compute the loss anew"):
        loss.backward()
