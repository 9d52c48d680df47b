"""Hashes of word n-grams, by the array."""

from collections.abc import Collection
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
STEP = np.uint64(0x9E3779B97F4A7C15)
KNOWN_WORDS = 1 << 20
"""Words whose hashes are remembered; then the memory of them starts over. Bounded, and it changes no hash."""


def mix64(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread the bits of 64-bit integers: one-to-one, every input bit moves about half of the output's (splitmix64)."""
    values = (values ^ (values >> np.uint64(30))) * MIX[0]
    values = (values ^ (values >> np.uint64(27))) * MIX[1]
    return values ^ (values >> np.uint64(31))


class NgramHasher:
    """64-bit hashes of the n-grams of a word list.

    `h(w1 … wn)` folds the words' own hashes (BLAKE2b with the seed as salt) in order: `h = mix64(h + step + word)`.
    The same seed gives the same hashes on every machine.

    Args:
        size: words per n-gram.
        seed: another seed gives unrelated hashes.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self.size = size
        self.salt = seed.to_bytes(8, "little", signed=True)
        self.known: dict[str, int] = {}

    def words(self, words: list[str]) -> NDArray[np.uint64]:
        """[T] hash of each word."""
        if len(self.known) > KNOWN_WORDS:
            self.known.clear()
        known = self.known
        found = []
        for word in words:
            value = known.get(word)
            if value is None:
                raw = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8, salt=self.salt).digest()
                value = known[word] = int.from_bytes(raw, "little")
            found.append(value)
        return np.array(found, np.uint64)

    def ngrams(self, words: list[str], size: int | None = None) -> NDArray[np.uint64]:
        """[max(T - size + 1, 0)] hash of each n-gram, in order."""
        size = size or self.size
        return self.of_sizes(words, [size])[size]

    def of_sizes(self, words: list[str], sizes: Collection[int]) -> dict[int, NDArray[np.uint64]]:
        """Size -> [max(T - size + 1, 0)] hash of each n-gram; the n-grams of a size are begun by those below it."""
        found = {size: np.array([], np.uint64) for size in sizes}
        longest = min(max(sizes), len(words))
        if longest < min(sizes):
            return found
        hashes = self.words(words)
        folded = np.zeros(len(words), np.uint64)
        for place in range(longest):
            number = len(words) - place
            folded = mix64(folded[:number] + STEP + hashes[place:])
            if place + 1 in found:
                found[place + 1] = folded
        return found
