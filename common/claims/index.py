"""A small index of a pool's shards, so that nobody lists the pool to find work: which are taken, which are done.

Shards fall into buckets of about 300 by a hash of their names. A bucket is a folder with a file for each shard that was
begun (`<key>`), one for each that is put together (`<key>.join.00`) and one for each that is done (`<key>.done`). One
listing shows where work is left. Workers begin at places that a hash of their names gives, so that they seldom meet.
"""

from collections.abc import Iterable
from hashlib import blake2b

FOLDER = ".claims"
BUCKET = 300
"""Shards in a bucket, about: with three files for each an object store lists it in one answer."""

BEGUN, DONE = ".begun", ".done"

MANY_BUCKETS = 8
"""From so many on, it is noted of whole buckets that all their shards are begun, or done: nobody lists them again."""


def digest_of(name: str) -> int:
    """64 bits of a name."""
    return int.from_bytes(blake2b(name.encode(errors="surrogatepass"), digest_size=8).digest(), "big")


class ShardIndex:
    """Where the shards of one run stand in the index; the same for all its workers, and never changed.

    Args:
        names: the shards'.
    """

    def __init__(self, names: Iterable[str]) -> None:
        keys = {digest_of(name): name for name in names}
        self.count = len(keys)
        self.buckets = 1 << max(0, ((len(keys) - 1) // BUCKET).bit_length())
        """A power of two; it is in the folders' names, so that runs over other shards have an index of their own."""
        self.keys: list[list[str]] = [[] for _ in range(self.buckets)]
        self.names: dict[str, str] = {}
        for number in sorted(keys):
            key = f"{number:016x}"
            self.keys[number % self.buckets].append(key)
            self.names[key] = keys[number]
        every = digest_of("".join(self.names))
        self.summary = f"{FOLDER}/{self.buckets}-all-{every:016x}" if self.buckets >= MANY_BUCKETS else None
        """The folder with what is noted of whole buckets; runs over other shards have another one."""

    def folder(self, bucket: int) -> str:
        """The folder of a bucket."""
        return f"{FOLDER}/{self.buckets}-{bucket}"

    def entry(self, shard: str) -> str:
        """The file that says that a shard was begun; with `DONE` behind it, that it is done."""
        number = digest_of(shard)
        return f"{self.folder(number % self.buckets)}/{number:016x}"

    def bucket(self, shard: str) -> int:
        """The bucket of a shard."""
        return digest_of(shard) % self.buckets

    def round_from(self, first: int) -> list[int]:
        """All buckets, from one of them on."""
        return [(first + step) % self.buckets for step in range(self.buckets)]

    def holds(self, shard: str) -> bool:
        """Whether a shard is one of the run."""
        return f"{digest_of(shard):016x}" in self.names
