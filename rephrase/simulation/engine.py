"""How long parts of documents take on an engine with so many requests in flight, worked out once, request by request.

Every request in flight advances at the same speed, `tok_s / in_flight` tokens a second: that is how decoding behaves
while memory is its limit. A request that ends lets the next one in, across the borders of documents and parts, and a
part is there when the last of its requests has ended and all parts before it are there. So at that moment the engine
has worked on more than these parts: `PartTimes.ahead_s` says by how much, in seconds of the engine.
"""

import heapq
import random
from collections.abc import Sequence

LOOKED_PARTS = 60
"""Parts that are gone through request by request; the first ones, which find the engine empty, do not count."""

SKIPPED_PARTS = 4


def draw_requests(draw: random.Random, mean_tokens: float, spread: float, most_tokens: float) -> list[float]:
    """The requests of one document: log-normal tokens in all, cut into equal chunks of at most `most_tokens`."""
    tokens = mean_tokens * draw.lognormvariate(-(spread**2) / 2, spread)
    chunks = max(1, -(-tokens // most_tokens))
    return [tokens / chunks] * int(chunks)


class PartTimes:
    """What a part takes on one engine.

    Args:
        documents: the requests of documents, in tokens, as a pool has them; gone through again and again.
        part_docs: documents in a part.
        in_flight: requests that the engine works on at a time.
        tok_s: tokens per second while that many are in flight.
    """

    def __init__(self, documents: Sequence[Sequence[float]], part_docs: int, in_flight: int, tok_s: float) -> None:
        self.tok_s = tok_s
        totals = [sum(document) for document in documents]
        self.mean_tokens = part_docs * sum(totals) / len(totals)
        variance = sum((total - self.mean_tokens / part_docs) ** 2 for total in totals) / len(totals)
        self.spread_tokens = (part_docs * variance) ** 0.5
        """Standard deviation of a part's tokens."""
        speed = tok_s / in_flight
        ends: list[float] = []  # of the requests in flight
        tokens = done = begins = 0.0
        ahead, inside = [], []
        for number in range(LOOKED_PARTS):
            for place in range(part_docs):
                for request in documents[(number * part_docs + place) % len(documents)]:
                    begins = heapq.heappop(ends) if len(ends) == in_flight else 0.0
                    end = begins + request / speed
                    heapq.heappush(ends, end)
                    done = max(done, end)
                    tokens += request
            if number >= SKIPPED_PARTS:
                ahead.append(max(0.0, done - tokens / tok_s))
                inside.append(tokens / tok_s - begins)
        self.ahead_s = ahead
        """Of single parts: seconds from when the engine had done as much to when the part is there."""
        self.inside_s = sum(inside) / len(inside)
        """Seconds of work that the requests in flight still hold: so much earlier documents are wanted."""

    def draw(self, draw: random.Random) -> tuple[float, float]:
        """A part's tokens, and its `ahead_s`."""
        tokens = draw.gauss(self.mean_tokens, self.spread_tokens)
        return max(tokens, 0.1 * self.mean_tokens), draw.choice(self.ahead_s)
