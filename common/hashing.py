"""Digests of JSON values, and seeded 64-bit draws by id: the one place that turns names into numbers."""

import json
from hashlib import blake2b
from typing import Any


def hash_id(identity: str, *salt: object) -> int:
    """64 bits that depend on an id and a salt only: the same on every machine, for every worker and order."""
    key = "\0".join((*map(str, salt), identity))
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def step_hash(*parts: Any) -> str:
    """16 hex digits over JSON values: of what shapes a step's output, the steps before it included."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
