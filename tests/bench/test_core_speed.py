"""How fast CORE is scored on a CPU: ours against one row at a time and against lm-eval, on the shared task files.

    python -m pytest tests/bench/test_core_speed.py -m bench -s

REPRO_CORE_ROWS=1 takes one row of each file in place of four. One thread. The limit of sharing is tokens: those of all
sequences over those that are left when answers share their context.
"""

import os

import numpy as np
import pytest
import torch

from eval.core.entries import ENTRIES, entries_of
from eval.core.files import find_files
from eval.core.prompts import items
from eval.core.scoring import score_items, trunks_of
from eval.likelihood.config import ScorerConfig
from eval.likelihood.open import open_scorer
from tests.bench.harness import Side, measure

pytestmark = [pytest.mark.bench, pytest.mark.slow, pytest.mark.timeout(7200)]

ROWS = int(os.environ.get("REPRO_CORE_ROWS", "4"))
"""Of each task file; the same for all sides."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, shared_data):
    """A decoder of 33M parameters, 7.3M of them in its blocks, with the GPT-NeoX tokenizer.

    A smaller one would be mostly output layer, which plain evaluators run on every token: a larger advantage than
    models of use see.
    """
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    path = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50432, hidden_size=256, intermediate_size=768, num_hidden_layers=8, num_attention_heads=4,
        max_position_embeddings=2048,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(path)
    AutoTokenizer.from_pretrained(shared_data / "tokenizers/gpt-neox-20b").save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def work(folder, shared_data):
    """The items of 20 entries."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    files, _ = find_files(entries_of(["core20"]), shared_data / "core")
    some = {name: set(range(0, len(file.rows), -(-len(file.rows) // ROWS))) for name, file in files.items()}
    return tokenizer, {
        name: items(entry, files[entry.file].rows, tokenizer, only=some[entry.file])
        for name, entry in ENTRIES.items()
        if entry.file in files
    }


def ours(folder, work):
    """Mean loss per token of every answer."""
    scorer = open_scorer(str(folder), ScorerConfig(dtype="float32", device="cpu"))
    scorer.score([])

    def run():
        found = [score_items(asked, ENTRIES[name].kind, scorer, name) for name, asked in work.items()]
        return [loss for entry in found for item in entry for loss in item.losses]

    return run


def row_by_row(folder, work, keep):
    """Every context and answer in a forward pass of its own, as a plain evaluator does it."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    @torch.no_grad()
    def run():
        losses = []
        for context, answer in pairs(work):
            options = {"logits_to_keep": len(answer) + 1} if keep else {}
            logits = model(torch.tensor([context + answer]), **options).logits[0, -len(answer) - 1 : -1]
            losses.append(torch.nn.functional.cross_entropy(logits, torch.tensor(answer)).item())
        return losses

    return run


def lm_eval(folder, tokenizer, work, batch):
    """lm-eval's own model class on the same tokens: contexts and answers as requests, its batches, its sharing."""
    from lm_eval.models.huggingface import HFLM

    model = HFLM(pretrained=str(folder), dtype="float32", device="cpu", batch_size=batch, tokenizer=tokenizer)
    # contexts are part of what lm-eval groups and caches by
    requests = [((str(context), str(answer)), list(context), list(answer)) for context, answer in pairs(work)]

    def run():
        found = model._loglikelihood_tokens(requests, disable_tqdm=True)
        return [-total / len(answer) for (total, _), (_, _, answer) in zip(found, requests, strict=True)]

    return run


def pairs(work):
    """All (context, answer) pairs, in order."""
    return [pair for asked in work.values() for item in asked for pair in zip(item.contexts, item.answers, strict=True)]


def test_core_beside_row_by_row_and_lm_eval(folder, work):
    tokenizer, asked = work
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    whole = sum(len(context) + len(answer) - 1 for context, answer in pairs(asked))
    shared = sum(
        len(trunk.token_ids) + sum(len(branch.token_ids) - 1 for branch in trunk.branches)
        for name, items_ in asked.items()
        for item in items_
        for trunk in trunks_of(item, ENTRIES[name].kind)[0]
    )
    limit = whole / shared
    print(f"\nCORE-20, {ROWS} rows per file: {whole:,} tokens, {shared:,} when shared: at most {limit:.2f} x")  # noqa: T201
    found = measure(
        f"CORE-20, {ROWS} rows per file",
        {
            "ours": Side(ours(folder, asked)),
            "row by row": [Side(row_by_row(folder, asked, keep), name) for keep, name in KEEP.items()],
            "lm-eval": [Side(lm_eval(folder, tokenizer, asked, batch), f"batch_size={batch}") for batch in BATCHES],
        },
        lambda one, other: np.testing.assert_allclose(one, other, atol=1e-4),
        runs=RUNS,
    )
    torch.set_num_threads(threads)
    found.aim("row by row", "ours", least=0.95 * limit)
    found.aim("lm-eval", "ours", least=4, not_reached=PASSES)


KEEP = {True: "logits_to_keep", False: "all logits"}

BATCHES = (1, 4, 8)
"""Of lm-eval: 8 was the figure of before, smaller ones pad less."""

RUNS = 3

PASSES = "what is left is passes over tokens that have to be read; lm-eval too passes over some contexts once"
