"""Settings and fixtures for the whole suite."""

import os
import sys
import tempfile
import types
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


@pytest.fixture
def services(monkeypatch):
    """Stand-ins for Weights & Biases, trackio and TensorBoard; gives what each was told, a list of (step, metrics)."""
    told: dict[str, list] = {"wandb": [], "trackio": [], "tensorboard": []}

    class Session:
        def __init__(self, name):
            self.name = name

        def log(self, metrics, step=None):
            told[self.name].append((step, metrics))

        def finish(self):
            told[self.name].append("finished")

    class SummaryWriter:
        def __init__(self, folder):
            assert folder.endswith("tensorboard")

        def add_scalar(self, name, value, step):
            told["tensorboard"].append((step, {name: value}))

        def flush(self):
            pass

        def close(self):
            told["tensorboard"].append("finished")

    def stand_in(name):
        session = Session(name)
        if name != "tensorboard":
            return name, {"init": lambda **options: session, "finish": session.finish}
        return "torch.utils.tensorboard", {"SummaryWriter": SummaryWriter}

    def opened(name, really):
        module, content = stand_in(name)

        def open_one(*arguments):  # transformers and TRL look for these packages too, and would find half of one
            with monkeypatch.context() as patch:
                patch.setitem(sys.modules, module, types.ModuleType(module))
                vars(sys.modules[module]).update(content)
                return really(*arguments)

        return open_one

    from common.runs import tracking

    for name, really in list(tracking._OPEN.items()):
        monkeypatch.setitem(tracking._OPEN, name, opened(name, really))
    found = types.SimpleNamespace(util=types.SimpleNamespace(find_spec=lambda name: name))
    monkeypatch.setattr(tracking, "importlib", found)
    monkeypatch.delenv("USE_WANDB", raising=False)
    return told


@pytest.fixture
def told_as_logged():
    """Whether a service was told every row of a run's metrics under the same names, and that it is over."""

    def compared(told, rows):
        wanted = [
            (row.get("step"), {key: row[key] for key in row if row[key] is not None and key not in ("step", "time")})
            for row in rows
        ]
        return told[:-1] == wanted and told[-1] == "finished"

    return compared
