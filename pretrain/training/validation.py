"""Nats per token and bits per byte on tokenised sets."""

import json
import logging
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pretrain.data.batches import contexts
from pretrain.data.tokenised_set import TokenisedSet
from pretrain.model.loss import LossSums
from pretrain.training.parallel import Devices

log = logging.getLogger("repro.pretrain")


def validate(
    loss: Callable[[Tensor, Tensor], LossSums], devices: Devices, data: TokenisedSet, limit: int, batch: int
) -> dict[str, float]:
    """Score the first contexts of a set, split over the devices.

    `bpb = sum(CE in nats) / ln 2 / bytes`, the bytes being those of the targets' text; EOT has none, its loss counts.

    Args:
        loss: sums over [B, T] inputs and targets, on this device.
        devices: this process among all.
        data: the set; its vocabulary is the model's.
        limit: contexts at most.
        batch: contexts at a time on each device.

    Returns:
        `val/<name>/loss` and, where the set's tokenizer is there, `val/<name>/bpb`.
    """
    name = data.description.get("name") or data.folder.name
    indices = np.arange(min(limit, len(data)))
    sizes = token_bytes(data)
    sums = torch.zeros(3, dtype=torch.float64)
    # Every device runs the same number of batches, because a sharded model is run by all or none.
    for start in range(0, len(indices), batch * devices.world):
        mine = indices[start + devices.rank * batch :][:batch]
        weight = len(mine) > 0
        mine = mine if weight else indices[:1]
        inputs, targets = contexts(data.rows(mine), data.pads(mine))
        with torch.no_grad():
            parts = loss(inputs, targets)
        if weight:
            text_bytes = float(sizes[targets[targets >= 0].numpy()].sum()) if sizes is not None else 0.0
            sums += torch.tensor([float(parts.cross_entropy), float(parts.count), text_bytes], dtype=torch.float64)
    nats, tokens, text_bytes = devices.sum(sums.to(devices.device)).tolist()
    if not tokens:
        log.warning("%s: the first %d contexts are pads alone; nothing is measured there", data.folder, len(indices))
        return {}
    values = {f"val/{name}/loss": nats / tokens}
    if text_bytes:
        values[f"val/{name}/bpb"] = nats / math.log(2) / text_bytes
    return values


def token_bytes(data: TokenisedSet) -> np.ndarray | None:
    """Bytes of text behind each id, [V]; None where the set's tokenizer is absent or not byte-level.

    In a byte-level vocabulary each character of an entry stands for one byte; added entries are plain text, and control
    entries stand for none.
    """
    place = data.description.get("tokenizer")
    file = Path(place or "", "tokenizer.json")
    file = file if file.is_absolute() or file.is_file() else data.folder / file
    if not place or not file.is_file():
        return None
    spec = json.loads(file.read_text(encoding="utf-8"))
    if "ByteLevel" not in json.dumps(spec.get("decoder")):
        return None
    sizes = {number: len(entry) for entry, number in spec["model"]["vocab"].items()}
    for added in spec.get("added_tokens", []):
        sizes[added["id"]] = 0 if added["special"] else len(added["content"].encode())
    out = np.zeros(max(max(sizes) + 1, data.vocab_size or 0), np.int64)
    out[list(sizes)] = list(sizes.values())
    return out
