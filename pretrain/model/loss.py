"""Cross-entropy with z-loss straight from hidden states, so that the logits are never whole in memory."""

import threading
from dataclasses import dataclass
from math import inf

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


def chunk_terms(
    logits: Tensor, targets: Tensor, z_loss: float, spare: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The three sums of one chunk and the gradient of its loss with respect to its logits.

    Args:
        logits: [R, V] in fp32; overwritten with the gradient when not compiled.
        targets: [R] token ids, or `IGNORED`.
        z_loss: weight of the squared log-partition.
        spare: [R, V] to compute in, overwritten; None takes new memory.
    """
    keep = targets != IGNORED
    rows = torch.where(keep, targets, 0).unsqueeze(1)
    kept = keep.to(logits.dtype)
    lse = torch.logsumexp(logits, dim=1) if spare is None else _logsumexp(logits, spare)
    cross_entropy = ((lse - logits.gather(1, rows).squeeze(1)) * kept).sum()
    z = (lse.square() * kept).sum()
    mean_logit = (logits.mean(dim=1) * kept).sum()
    grad = logits.sub_(lse.unsqueeze(1)).exp_().mul_((kept * (1 + 2 * z_loss * lse)).unsqueeze(1))
    grad.scatter_add_(1, rows, -kept.unsqueeze(1))
    return cross_entropy, z, mean_logit, grad


def _logsumexp(logits: Tensor, spare: Tensor) -> Tensor:
    """`torch.logsumexp` over the last dimension, to the bit, without memory of its own."""
    most = logits.amax(dim=1, keepdim=True)
    most.masked_fill_(most.abs() == inf, 0)
    return torch.sub(logits, most, out=spare).exp_().sum(dim=1).log_().add_(most.squeeze(1))


class _Kept(threading.local):
    """Memory of a chunk on a CPU, kept from step to step.

    Taken anew for each chunk it would go back to the system each time, and a twelfth of a step would pass while the
    system clears its pages.
    """

    flat: Tensor | None = None

    def room(self, rows: int, columns: int, dtype: torch.dtype) -> Tensor:
        """[2, rows, columns], with anything in it."""
        size = 2 * rows * columns
        if self.flat is None or self.flat.dtype != dtype or len(self.flat) < size:
            self.flat = None  # before the new one is there
            self.flat = torch.empty(size, dtype=dtype)
        return self.flat[:size].view(2, rows, columns)


_kept = _Kept()


def _logits(rows: Tensor, weight: Tensor, dtype: torch.dtype, room: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """`rows @ weight.T` in the room's first half, and its second half; in new memory where there is no room."""
    if room is None:
        return (rows @ weight.T).to(dtype), None
    logits, spare = room[:, : len(rows)]
    return torch.mm(rows, weight.T, out=logits) if rows.dtype == dtype else logits.copy_(rows @ weight.T), spare


_compiled_chunk_terms = None


def _terms_for(hidden: Tensor):
    """On a GPU the element-wise work is compiled into one pass over the logits; it would be seven."""
    global _compiled_chunk_terms
    if not hidden.is_cuda:
        return chunk_terms
    if _compiled_chunk_terms is None:
        _compiled_chunk_terms = torch.compile(chunk_terms, dynamic=True)
    return _compiled_chunk_terms


def _added(total: Tensor | None, one: Tensor, other: Tensor, dtype: torch.dtype) -> Tensor:
    """`total + one @ other`, in place; in `dtype`, which is fp32 because many chunks add up here."""
    if total is None:
        return (one @ other).to(dtype)
    return total.addmm_(one, other) if one.dtype == dtype else total.add_(one @ other)


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, hidden, weight, targets, z_loss, chunk_rows, with_grad):
        terms = _terms_for(hidden)
        exact = torch.promote_types(hidden.dtype, torch.float32)
        sums = torch.zeros(3, dtype=exact, device=hidden.device)
        room = _kept.room(min(chunk_rows, len(hidden)), len(weight), exact) if hidden.device.type == "cpu" else None
        grad_hidden = torch.empty_like(hidden) if with_grad else None
        grad_weight = None
        for start in range(0, hidden.shape[0], chunk_rows):
            rows = hidden[start : start + chunk_rows]
            logits, spare = _logits(rows, weight, exact, room)
            *parts, grad = terms(logits, targets[start : start + chunk_rows], z_loss, spare)
            sums += torch.stack(parts)
            if grad_hidden is not None:
                grad = grad.to(hidden.dtype)
                torch.mm(grad, weight, out=grad_hidden[start : start + chunk_rows])
                grad_weight = _added(grad_weight, grad.T, rows, exact)
        if grad_hidden is not None:
            grad_weight = torch.zeros_like(weight) if grad_weight is None else grad_weight.to(weight.dtype)
            ctx.gradients = grad_hidden, grad_weight
        cross_entropy, z, logit = sums.unbind()
        count = (targets != IGNORED).sum()
        stats = (cross_entropy.clone(), z.clone(), logit.clone(), count)
        ctx.mark_non_differentiable(*stats)
        return cross_entropy + z_loss * z, *stats

    @staticmethod
    def backward(ctx, grad_loss, *_):
        if ctx.gradients is None:
            raise RuntimeError("the gradients of this loss were asked for before; compute the loss anew")
        (grad_hidden, grad_weight), ctx.gradients = ctx.gradients, None  # in place, since no one asks for them again
        return grad_hidden.mul_(grad_loss), grad_weight.mul_(grad_loss), None, None, None, None
