"""Devices: the process group, and a model spread over them with the casting policy of the run."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard

from common.runs.processes import has_launcher
from pretrain.training.config import PretrainConfig
from pretrain.training.memory import WHOLE


@dataclass
class Devices:
    """This process among all of them."""

    rank: int
    world: int
    device: torch.device

    def sum(self, values: Tensor) -> Tensor:
        """Sum a tensor over all processes, in place."""
        if self.world > 1:
            dist.all_reduce(values)
        return values

    def any(self, said: bool) -> bool:
        """Whether any process says so."""
        return bool(self.sum(torch.tensor(float(said), device=self.device)) > 0)


def check_device(config: PretrainConfig) -> None:
    """
    Raises:
        ValueError: the config needs CUDA and this machine has none.
    """
    if config.device == "cuda" and not torch.cuda.is_available():
        what = f"scale {config.scale}" if config.scale else "device=cuda"
        raise ValueError(f"{what} needs a CUDA device and this machine has none; scale=quickstart runs here")


@contextmanager
def open_devices(config: PretrainConfig) -> Iterator[Devices]:
    """Join the process group that torchrun describes, or form one alone."""
    cuda = config.device != "cpu" and torch.cuda.is_available()
    local = int(os.environ.get("LOCAL_RANK", 0))
    device = torch.device("cuda", local) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
        torch.set_float32_matmul_precision("highest" if config.precision == "fp32" else "high")
    backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"  # background checkpoints need gloo on a GPU machine too
    if has_launcher():
        dist.init_process_group(backend)
    else:
        dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
    try:
        yield Devices(dist.get_rank(), dist.get_world_size(), device)
    finally:
        dist.destroy_process_group()


def blocks_of(model: nn.Module) -> nn.ModuleList:
    """The model's stack of layers: its longest list of modules."""
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    if not lists:
        raise ValueError(f"{type(model).__name__} has no list of layers to shard")
    return max(lists, key=len)


def distribute(model: nn.Module, config: PretrainConfig, devices: Devices) -> None:
    """Recompute, compile and shard a whole model in place, in this order.

    Weights and states stay fp32. For the bf16 precisions FSDP hands out bf16 copies of the parameters, so one device
    casts exactly as many do; `ddp` is FSDP on a mesh that shards over 1 and replicates over all.
    """
    blocks = blocks_of(model)
    if config.activation_checkpointing:
        for index, block in enumerate(blocks):
            blocks[index] = checkpoint_wrapper(block)
    if config.compile:
        for block in blocks:
            block.compile()
    if devices.world == 1 and config.precision == "fp32":
        return
    casts = {"fp32": (None, None), "amp_bf16": (torch.bfloat16, torch.float32), "bf16_reduce": (torch.bfloat16,) * 2}
    parameters, reduction = casts[config.precision]
    policy = MixedPrecisionPolicy(param_dtype=parameters, reduce_dtype=reduction)
    mesh = _mesh(config.strategy, devices)
    large = sum(parameter.numel() for parameter in model.parameters()) > WHOLE
    reshard = config.strategy == "fsdp" and devices.world > 1 and large
    for block in blocks:
        fully_shard(block, mesh=mesh, mp_policy=policy, reshard_after_forward=reshard)
    fully_shard(model, mesh=mesh, mp_policy=policy, reshard_after_forward=False)


def last_micro_batch(model: nn.Module, last: bool, small: bool) -> None:
    """Sum gradients over devices only after the last micro-batch, where a whole fp32 gradient fits on each device."""
    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(last or not small)


def _mesh(strategy: str, devices: Devices) -> DeviceMesh:
    if strategy == "ddp":
        return init_device_mesh(devices.device.type, (devices.world, 1), mesh_dim_names=("replicate", "shard"))
    return init_device_mesh(devices.device.type, (devices.world,), mesh_dim_names=("shard",))
