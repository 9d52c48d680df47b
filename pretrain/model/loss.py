"""Cross-entropy with z-loss straight from hidden states, so that the logits are never whole in memory."""

from dataclasses import dataclass

import torch
from torch import Tensor

IGNORED = -100
"""A target with this value counts in no sum and passes no gradient."""


@dataclass
class LossSums:
    """Sums over the targets that count; divide by `count` for means. Cross-entropy in nats."""

    loss: Tensor
    """`sum(CE) + z * sum(logsumexp^2)`, the only one with a gradient."""

    cross_entropy: Tensor
    z: Tensor
    """`sum(logsumexp(logits)^2)`, without its weight."""

    logits: Tensor
    """Sum over targets of the mean logit."""

    count: Tensor


def linear_cross_entropy(
    hidden: Tensor, weight: Tensor, targets: Tensor, z_loss: float = 0.0, chunk_rows: int | None = None
) -> LossSums:
    """Cross-entropy and z-loss of `hidden @ weight.T` against `targets`, a chunk of rows at a time.

    `loss = sum_t [ lse_t - logit_t(target) + z lse_t^2 ]` over the targets that are not `IGNORED`. The gradients are
    computed with the forward pass, while a chunk's logits exist: `d loss / d logit = softmax (1 + 2 z lse) - onehot`.

    Args:
        hidden: [..., d] states after the final norm.
        weight: [V, d] output matrix.
        targets: [...] token ids, or `IGNORED`.
        z_loss: weight of the squared log-partition.
        chunk_rows: rows at a time; None: about 4M logits on CPU (stays in cache), 256M on a GPU.

    Returns:
        The sums; logits are cast to fp32 before any reduction.
    """
    hidden, targets = hidden.flatten(0, -2), targets.flatten()
    if chunk_rows is None:
        chunk_rows = max(128, (2**28 if hidden.is_cuda else 2**22) // weight.shape[0])
    with_grad = torch.is_grad_enabled() and (hidden.requires_grad or weight.requires_grad)
    return LossSums(*_LinearCrossEntropy.apply(hidden, weight, targets, z_loss, chunk_rows, with_grad))


def chunk_terms(logits: Tensor, targets: Tensor, z_loss: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The three sums of one chunk and the gradient of its loss with respect to its logits.

    Args:
        logits: [R, V] in fp32; overwritten with the gradient when not compiled.
        targets: [R] token ids, or `IGNORED`.
        z_loss: weight of the squared log-partition.
    """
    keep = targets != IGNORED
    rows = torch.where(keep, targets, 0).unsqueeze(1)
    kept = keep.to(logits.dtype)
    lse = torch.logsumexp(logits, dim=1)
    cross_entropy = ((lse - logits.gather(1, rows).squeeze(1)) * kept).sum()
    z = (lse.square() * kept).sum()
    mean_logit = (logits.mean(dim=1) * kept).sum()
    grad = logits.sub_(lse.unsqueeze(1)).exp_().mul_((kept * (1 + 2 * z_loss * lse)).unsqueeze(1))
    grad.scatter_add_(1, rows, -kept.unsqueeze(1))
    return cross_entropy, z, mean_logit, grad


_compiled_chunk_terms = None


def _terms_for(hidden: Tensor):
    """On a GPU the element-wise work is compiled into one pass over the logits; it would be seven."""
    global _compiled_chunk_terms
    if not hidden.is_cuda:
        return chunk_terms
    if _compiled_chunk_terms is None:
        _compiled_chunk_terms = torch.compile(chunk_terms, dynamic=True)
    return _compiled_chunk_terms


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden, weight, targets, z_loss, chunk_rows, with_grad):
        terms = _terms_for(hidden)
        exact = torch.promote_types(hidden.dtype, torch.float32)
        sums = torch.zeros(3, dtype=exact, device=hidden.device)
        if with_grad:
            grad_hidden = torch.empty_like(hidden)
            # fp32, because many chunks add up here
            grad_weight = torch.zeros(weight.shape, dtype=exact, device=weight.device)
        for start in range(0, hidden.shape[0], chunk_rows):
            rows = hidden[start : start + chunk_rows]
            logits = (rows @ weight.T).to(exact)
            *parts, grad = terms(logits, targets[start : start + chunk_rows], z_loss)
            sums += torch.stack(parts)
            if with_grad:
                grad = grad.to(hidden.dtype)
                torch.mm(grad, weight, out=grad_hidden[start : start + chunk_rows])
                if grad.dtype == exact:
                    grad_weight.addmm_(grad.T, rows)
                else:
                    grad_weight += grad.T @ rows
        if with_grad:
            ctx.save_for_backward(grad_hidden, grad_weight.to(weight.dtype))
        cross_entropy, z, logit = sums.unbind()
        count = (targets != IGNORED).sum()
        stats = (cross_entropy.clone(), z.clone(), logit.clone(), count)
        ctx.mark_non_differentiable(*stats)
        return cross_entropy + z_loss * z, *stats

    @staticmethod
    def backward(ctx, grad_loss, *_):
        grad_hidden, grad_weight = ctx.saved_tensors
        return grad_hidden * grad_loss, grad_weight * grad_loss, None, None, None, None
