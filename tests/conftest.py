"""Settings and fixtures for the whole suite."""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# Before torch is imported: two spinning OpenMP threads stall each other on shared cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# What is worked out once for each tokenizer is worked out once for all of the suite.
os.environ.setdefault("REPRO_CACHE", str(Path(tempfile.gettempdir()) / f"repro-tests-{os.getuid()}"))

settings.register_profile("repro", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("repro")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("REPRO_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder} (set REPRO_DATA)")
    return folder


@pytest.fixture
def uncompiled_flex(monkeypatch):
    """Flex attention as it is written: compiling it takes a GPU or minutes, and the numbers are the same."""
    import torch
    from torch.nn.attention import flex_attention
    from transformers.integrations import flex_attention as theirs

    monkeypatch.setattr(flex_attention, "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", True)
    monkeypatch.setattr(theirs.WrappedFlexAttention, "__call__", lambda self: flex_attention.flex_attention)
    monkeypatch.setattr(theirs.WrappedFlexAttention, "__init__", lambda self, training: None)
    with torch._dynamo.config.patch(disable=True):
        yield
