"""How much memory a device needs, and how many micro-batches make it fit; estimates, within about a third."""

from pretrain.model.config import ModelConfig
from pretrain.model.sizes import count_parameters
from pretrain.training.config import PretrainConfig

STATE_BYTES = 16
"""Per parameter: fp32 weight, gradient and two AdamW moments."""

USABLE = 0.8
"""Share of a device's memory that the estimate may fill."""


WHOLE = 2_000_000_000
"""Parameters up to which their bf16 copies (4 GB) stay whole on every device between forward and backward pass, and so
are gathered once for both."""


def device_gib(config: PretrainConfig, model: ModelConfig, devices: int, acc: int) -> float:
    """GiB on each of so many devices: states over the shards, a micro-batch's kept activations, bf16 copies, logits.

    A block keeps about 14 d + 4 h values of 2 bytes per token (with recomputation only its input, d), and the output's
    gradient takes V d of 4 bytes beside two bf16 copies of its matrix.
    """
    shards = devices if config.strategy == "fsdp" else 1
    parameters = count_parameters(model).total
    rows = -(-config.global_bs // (devices * acc))
    whole = 14 * model.dim + 4 * model.hidden
    kept = model.dim if config.activation_checkpointing else whole
    activations = 2 * rows * (model.seq_len or 0) * (model.layers * kept + whole)
    gathered = parameters if devices > 1 and parameters <= WHOLE else parameters / model.layers
    unsharded = 8 * model.known_vocab() * model.dim + 2 * gathered
    logits = 2**28 * 8
    return (STATE_BYTES * parameters / shards + activations + unsharded + logits) / 2**30


def fitting_acc(config: PretrainConfig, model: ModelConfig, devices: int, memory_gib: float) -> int:
    """The fewest micro-batches per step, at least `acc`, whose estimate fits into each device's memory."""
    most = max(1, config.global_bs // devices)
    for acc in range(config.acc, most):
        if device_gib(config, model, devices, acc) <= USABLE * memory_gib:
            return acc
    return max(config.acc, most)
