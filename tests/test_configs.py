"""Every YAML in configs/ loads alone with its config class, and says in its first line what it is."""

import importlib
from pathlib import Path

import pytest
import yaml

from common.config import load

CONFIGS = Path(__file__).parents[1] / "configs"
FILES = sorted(CONFIGS.rglob("*.yaml"))
CLASSES = {
    # the longest matching prefix of area/name wins
    "downloads": "common.downloads.catalogue:Catalogue",
    "eval/": "eval.runner.config:EvalConfig",
    "eval/task_": "eval.reasoning.task:TaskConfig",
    "eval/tasks/": "eval.reasoning.task:TaskConfig",
    "filter/": "filter.run:FilterConfig",
    "pretrain/models/": "pretrain.model.config:ModelConfig",
    "pretrain/scales/": "pretrain.training.config:PretrainConfig",
    "pretrain/tokenize": "pretrain.tokenize:TokenizeConfig",
    "pretrain/tokenizer_": "pretrain.tokenizer:TokenizerConfig",
    "rephrase/": "rephrase.run:RephraseConfig",
    "serve/": "common.serve.config:ServeConfig",
    "rl/": "rl.train:RLConfig",
    "rl/check_": "rl.learning_check:LearningCheckConfig",
    "rl/data_": "rl.data.rephrase:RephraseDataConfig",
    "rl/data_tiny_edits": "rl.data.edits:EditRowsConfig",
    "rl/sft_": "rl.sft.config:SFTRunConfig",
}
FOREIGN = ("accelerate/", "pretrain/data/")
"""Files whose keys belong to another program, or that name data which has to be there to load."""


def area(path):
    return path.relative_to(CONFIGS).as_posix()


def config_class(path):
    prefix = max((prefix for prefix in CLASSES if area(path).startswith(prefix)), key=len)
    module, name = CLASSES[prefix].split(":")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("path", [path for path in FILES if not area(path).startswith(FOREIGN)], ids=area)
def test_a_config_loads_alone(path):
    load(config_class(path), [path])


@pytest.mark.parametrize("path", [path for path in FILES if area(path).startswith(FOREIGN)], ids=area)
def test_a_file_of_another_form_is_yaml(path):
    assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)


@pytest.mark.parametrize("path", FILES, ids=area)
def test_the_first_line_says_what_it_is(path):
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# ")
    assert len(first) > 20


@pytest.mark.parametrize("path", [path for path in FILES if area(path).startswith(("serve/", "rephrase/"))], ids=area)
def test_an_engine_of_vllm_says_how_many_sequences_it_decodes_together(path):
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    if area(path).startswith("serve/"):
        at = values["arguments"].index("--max-num-seqs")
        assert int(values["arguments"][at + 1]) >= 64
    elif isinstance(values.get("engine"), dict) and values["engine"].get("kind") == "vllm":
        assert values["engine"]["in_flight"] >= values["engine"]["max_num_seqs"] >= 256
