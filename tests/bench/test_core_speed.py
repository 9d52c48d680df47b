"""How fast CORE is scored on a CPU: ours against one row at a time and against lm-eval, on the shared task files.

python -m pytest tests/bench/test_core_speed.py -m bench -s
"""

import time

import pytest
import torch

from eval.core.entries import ENTRIES, entries_of
from eval.core.files import find_files
from eval.core.prompts import items
from eval.core.scoring import score_items
from eval.likelihood.config import ScorerConfig
from eval.likelihood.open import open_scorer

pytestmark = [pytest.mark.bench, pytest.mark.slow]

ROWS = 4
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
    scorer = open_scorer(str(folder), ScorerConfig(dtype="float32", device="cpu"))
    scorer.score([])
    began = time.process_time()
    for name, asked in work.items():
        score_items(asked, ENTRIES[name].kind, scorer, name)
    return time.process_time() - began


@torch.no_grad()
def row_by_row(folder, work):
    """Every context and answer in a forward pass of its own, with all its logits, as a plain evaluator does it."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    began = time.process_time()
    for asked in work.values():
        for item in asked:
            for context, answer in zip(item.contexts, item.answers, strict=True):
                logits = model(torch.tensor([context + answer])).logits[0, len(context) - 1 : -1]
                torch.nn.functional.cross_entropy(logits, torch.tensor(answer))
    return time.process_time() - began


def lm_eval_time(folder, tokenizer, work):
    """lm-eval's own model class on the same tokens: contexts and answers as requests, its batches, its sharing."""
    from lm_eval.models.huggingface import HFLM

    model = HFLM(pretrained=str(folder), dtype="float32", device="cpu", batch_size=8, tokenizer=tokenizer)
    requests = [
        (("", ""), list(context), list(answer))
        for asked in work.values()
        for item in asked
        for context, answer in zip(item.contexts, item.answers, strict=True)
    ]
    # Contexts are part of what lm-eval groups and caches by.
    requests = [((str(context), str(answer)), context, answer) for _, context, answer in requests]
    began = time.process_time()
    model._loglikelihood_tokens(requests, disable_tqdm=True)
    return time.process_time() - began


def test_core_is_three_times_faster_than_row_by_row_and_lm_eval(folder, work):
    tokenizer, asked = work
    pairs = sum(len(item.answers) for one in asked.values() for item in one)
    tokens = sum(
        len(c) + len(a) for one in asked.values() for i in one for c, a in zip(i.contexts, i.answers, strict=True)
    )
    first, plain, theirs, second = (
        ours(folder, asked), row_by_row(folder, asked), lm_eval_time(folder, tokenizer, asked), ours(folder, asked),
    )  # fmt: skip
    best = min(first, second)
    print(  # noqa: T201 - the figure is the point
        f"\nCORE-20, {ROWS} rows per file, {pairs} sequences, {tokens:,} tokens, {torch.get_num_threads()} threads: "
        f"CPU seconds: ours {first:.1f} and {second:.1f} ({tokens / best:,.0f} tok/s), row by row {plain:.1f} "
        f"({plain / best:.1f} x), lm-eval {theirs:.1f} ({theirs / best:.1f} x)"
    )
    assert plain > 3 * best and theirs > 3 * best
