"""Two processes that score together: uneven work, none at all, and one that cannot plan."""

import sys

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import transformers

from eval.likelihood.open import open_scorer
from eval.likelihood.trunks import Branch, Trunk


def model_of():
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=61,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        initializer_range=0.15,
    )
    return transformers.LlamaForCausalLM(config).eval()


TRUNKS = [Trunk(range(5 * n, 5 * n + 10 * n + 10), [Branch(n + 5, [1, 2, 3]), Branch(9, [4])]) for n in range(3)]


def work(rank, folder):
    """Shard the model over two ranks and score 1 and 2 trunks, 0 and 3, then let rank 1 fail."""
    from torch.distributed.fsdp import fully_shard

    from eval.likelihood.config import ScorerConfig

    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    model = model_of()
    for layer in model.model.layers:
        fully_shard(layer)
    fully_shard(model)
    scorer = open_scorer(model, ScorerConfig(max_tokens_per_batch=1), collective=True)
    shares = [(TRUNKS[:1], TRUNKS[1:]), ([], TRUNKS), ([], [])]
    found = [scorer.score(share[rank]) for share in shares]
    assert all(score.error is None for scores in found for score in scores)
    plan = scorer._plan

    def failing(trunks, modes):
        if rank:
            raise ValueError("cannot plan")
        return plan(trunks, modes)

    scorer._plan = failing
    with pytest.raises(ValueError if rank else RuntimeError, match="cannot plan" if rank else "another rank"):
        scorer.score(TRUNKS)
    numbers = [branch.logprobs for scores in found for score in scores for branch in score.branches]
    np.savez(f"{folder}/{rank}.npz", *numbers)
    dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.integration
@pytest.mark.skipif(sys.platform != "linux", reason="gloo over a file, two processes")
def test_sharded_ranks_with_uneven_work_neither_hang_nor_differ(tmp_path):
    mp.spawn(work, (str(tmp_path),), nprocs=2)
    expected = [branch.logprobs for score in open_scorer(model_of()).score(TRUNKS) for branch in score.branches]
    with np.load(tmp_path / "0.npz") as zero, np.load(tmp_path / "1.npz") as one:
        together = [zero[name] for name in zero.files] + [one[name] for name in one.files]
    for a, b in zip(together, [*expected, *expected], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
