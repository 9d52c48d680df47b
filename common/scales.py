"""The pretraining scales: their files, their names, and the tokens that each trains on.

A scale is one file in `configs/pretrain/scales`. `pretrain` trains by it, and `filter` cuts a pool to what it needs.
"""

from pathlib import Path
from typing import Any

from common.config import read_yaml
from common.shipped import configs_folder

ALIASES = {
    "1b_1x_fast": "1b_1x",
    "3b_1x_fast_3e-3_lr_1e-4_zloss": "3b_1x",
    "7b_1x_fast_2e-3_lr_5e-6_zloss": "7b_1x",
    "7b_2x_fast_2e-3_lr_5e-6_zloss": "7b_2x",
}
"""DCLM's name of a scale → ours."""

VOCABULARY = 50432
"""Rows of DCLM's embeddings: GPT-NeoX's vocabulary, rounded up."""

TOKENS_PER_PARAMETER = 20
"""DCLM's 1x budget (arXiv:2406.11794)."""


def scales_folder() -> Path:
    """Where the scales' files lie."""
    return configs_folder() / "pretrain" / "scales"


def scale_file(name: str) -> Path:
    """The YAML file of a scale, by our name or DCLM's.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    file = scales_folder() / f"{ALIASES.get(name, name)}.yaml"
    if not file.is_file():
        raise ValueError(f"no scale {name!r}; there are {', '.join(scale_names())}")
    return file


def scale_names() -> list[str]:
    """Our names of the scales, by the alphabet."""
    return sorted(file.stem for file in scales_folder().glob("*.yaml"))


def hidden_width(dim: int) -> int:
    """Width inside a feed-forward part of open_lm, `256 ceil(int(8 d / 3) / 256)`.

    >>> hidden_width(1024)
    2816
    """
    return 256 * -(-int(8 * dim / 3) // 256)


def published_parameters(dim: int, layers: int, hidden: int, vocab: int, tied: bool = False) -> int:
    """`L (4 d^2 + 3 d h + 2 d) + d + 2 V d`: parameters without the gains of q/k norms, the number that budgets use.

    Args:
        dim: width of the residual stream, d.
        layers: blocks, L.
        hidden: width inside the feed-forward part, h.
        vocab: rows of the embedding, V.
        tied: the output uses the embedding's matrix, so that V d counts once.

    >>> published_parameters(1024, 24, 2816, 50432)
    411616256
    """
    matrices = 1 if tied else 2
    return layers * (4 * dim**2 + 3 * dim * hidden + 2 * dim) + dim + matrices * vocab * dim


def budget(tokens: int | None, parameters: int, multiplier: float) -> int:
    """Tokens of a run: those given, or 20 for each published parameter, times the multiplier.

    >>> budget(None, 411616256, 1.0)
    8232325120
    """
    return int((TOKENS_PER_PARAMETER * parameters if tokens is None else tokens) * multiplier)


def scale_tokens(name: str) -> int:
    """Tokens that a scale trains on, from its file and its model's.

    Raises:
        ValueError: no such scale; names those there are.

    >>> scale_tokens("411m_1x")
    8232325120
    """
    scale = _values(scale_file(name))
    parameters = 0
    if scale.get("tokens") is None:
        model = _values(configs_folder() / "pretrain" / "models" / f"{scale['model']}.yaml")
        hidden = model.get("ffn_hidden") or hidden_width(model["dim"])
        shape = model["dim"], model["layers"], hidden, model.get("vocab_size", VOCABULARY)
        parameters = published_parameters(*shape, tied=model.get("tied", False))
    return budget(scale.get("tokens"), parameters, float(scale.get("chinchilla_multiplier", 1)))


def _values(file: Path) -> dict[str, Any]:
    values = read_yaml(file.read_text(encoding="utf-8"))
    if not isinstance(values, dict):
        raise ValueError(f"{file} holds no keys and values")
    return values
