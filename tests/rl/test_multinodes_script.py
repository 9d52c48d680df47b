"""The process paper's script: its six arguments reach the run, and what several nodes need is asked for."""

import os
import subprocess

import pytest
import yaml


def run(root, *arguments, **environment):
    return subprocess.run(
        ["bash", root / "scripts" / "run_multinodes_repro_grpo.sh", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=root,
        env={**os.environ, **environment},
    )


def test_the_six_arguments_become_the_config(root):
    done = run(root, "my/model", "1", "8", "2", "0.35", "trial", "data.train=mine.parquet", "--dry-run")
    assert done.returncode == 0, done.stderr
    config = yaml.safe_load(done.stdout)
    assert (config["model"], config["out"]) == ("my/model", "runs/trial")
    assert config["trl"]["vllm_tensor_parallel_size"] == 2
    assert config["trl"]["vllm_gpu_memory_utilization"] == 0.35
    assert config["data"]["train"] == ["mine.parquet"]
    assert [reward["kind"] for reward in config["rewards"]] == ["exact_answer", "process"]


def test_another_recipe_may_follow(root):
    recipe = "configs/rl/process_qwen3_1.7b.yaml"
    done = run(root, "my/model", "2", "8", "1", "0.6", "t", recipe, "--dry-run", NODE_RANK="1", MASTER_ADDR="node0")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["m", "1"], {}, "6 arguments are needed, 2 were given"),
        (["m", "four", "8", "1", "0.6", "t"], {}, "not 'four'"),
        (["m", "4", "8", "1", "0.6", "t"], {"NODE_RANK": "1", "MASTER_ADDR": ""}, "set NODE_RANK"),
        (["m", "1", "8", "1", "0.6", "t", "lerning_rate=1"], {}, "unknown key 'lerning_rate'"),
    ],
)
def test_a_mistake_is_one_line(root, arguments, environment, message):
    done = run(root, *arguments, **environment)
    assert done.returncode == 2
    assert message in done.stderr and len(done.stderr.strip().splitlines()) == 1
