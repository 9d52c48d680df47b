"""Digests of JSON values, and seeded 64-bit draws by id: the one place that turns names into numbers."""

import json
from hashlib import blake2b
from typing import Any


def hash_id(identity: str, *salt: object) -> int:
    """64 bits that depend on an id and a salt only: the same on every machine, for every worker and order."""
    key = "\0".join((*map(str, salt), identity))
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def generator_seed(seed: int, number: int) -> int:
    """A seed of 32 bits for one of a run's random generators, which differs with the run's seed and with the number.

    torch's generator on a CPU keeps 32 bits of what it is given and drops the rest in silence, so both must lie in
    those. Seed 0 gives the number itself.

    >>> generator_seed(0, 7), generator_seed(1, 7) == generator_seed(2, 7), generator_seed(1, 7) < 2**32
    (7, False, True)
    """
    return (number ^ (hash_id(str(seed), "generator") if seed else 0)) & 0xFFFFFFFF


def step_hash(*parts: Any) -> str:
    """16 hex digits over JSON values: of what shapes a step's output, the steps before it included."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
