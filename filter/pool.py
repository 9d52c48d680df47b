"""A source pool: where the user names it, and where it is on its way through the steps."""

import json
from dataclasses import dataclass

from common.pools.storage import exists, read_bytes


@dataclass(frozen=True)
class Pool:
    """A source on its way through the steps: where its documents are now, and the hash of all that led there."""

    name: str
    folder: str
    hash: str


def resolve(path: str) -> str:
    """A pool's place: the path itself, or the `dataset_url` in a DCLM dataset reference.

    Raises:
        ValueError: the reference is missing or names no pool.
    """
    if not path.endswith(".json"):
        return path
    if not exists(path):
        raise ValueError(f"no dataset reference at {path}")
    try:
        reference = json.loads(read_bytes(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is no JSON: {error}") from None
    if not isinstance(reference, dict) or not isinstance(reference.get("dataset_url"), str):
        raise ValueError(f"{path} names no dataset_url")
    return reference["dataset_url"]
