"""One document through the stage without a model: its tokens, its requests, and the bytes of what would come of it."""

import zstandard

from common.pools.documents import ZSTD_LEVEL, Document, form_of
from common.pools.repair import encode
from rephrase.planning.config import PlanConfig
from rephrase.planning.yardstick import Yardstick
from rephrase.rephraser import Rephraser
from rephrase.text.joining import Job, Joiner, Piece
from rephrase.text.postprocess import Reading
from rephrase.text.verbatim import Passage

CHARS_PER_TOKEN = 4.4
"""English web text under a vocabulary of 100,000 or more; used where no tokenizer is at hand."""

COLUMNS = ("chars_looked", "tokens", "tokens_taken", "tokens_sent", "requests", "tokens_prompt", "bytes_out")
"""Of a document: its characters; its tokens; the same if it is rephrased at all; tokens that are sent, once for each
rollout; requests; tokens of the prompts with what stands around the text; and bytes of the recycled document if every
chunk came back as it was sent, uncompressed."""

MOST_SQUEEZED = 32 << 20
"""Bytes of output that are compressed to see how much smaller they become."""


class Looker:
    """Looks at documents as the stage would take them."""

    def __init__(self, config: PlanConfig) -> None:
        self.config = config
        self.yardstick = Yardstick(config.engine, config.model)
        self.rephraser = Rephraser(config, self.yardstick)
        self.joiner = Joiner(config, None)
        self.around = self._count_prompt()
        self.lines: list[bytes] = []
        self.held = 0

    @property
    def counted(self) -> bool:
        """Whether tokens are counted by the model's tokenizer, and not estimated from characters."""
        return self.yardstick.tokenizer is not None

    def tokens(self, text: str) -> float:
        """Tokens of a text."""
        return self.yardstick.count_tokens(text) if self.counted else len(text) / CHARS_PER_TOKEN

    def _count_prompt(self) -> float:
        """Tokens of a prompt beside the text in it."""
        request = self.rephraser.request("", "", None, 0)
        if self.counted:
            return len(self.yardstick.render(request))
        return sum(len(message["content"]) for message in request.messages or ()) / CHARS_PER_TOKEN

    def look(self, document: Document) -> list[float]:
        """A document's `COLUMNS`."""
        text = document["text"]
        tokens = self.tokens(text)
        route = self.config.route
        if route is not None and not route.takes(document):
            kept = route.takes(document) is False and route.outside == "keep"
            return [len(text), tokens, 0.0, 0.0, 0.0, 0.0, float(self._hold(encode(document))) if kept else 0.0]
        chunks = self.rephraser.cut(text)
        sent = [self.tokens(part.text) for part in chunks if part.text.strip() and not part.kind]
        rollouts = self.config.rollouts_per_document
        requests = rollouts * len(sent)
        asked = rollouts * sum(sent) + self.around * requests
        return [len(text), tokens, tokens, rollouts * sum(sent), requests, asked, self._written(document, chunks)]

    def _written(self, document: Document, chunks: list[Passage]) -> int:
        """Bytes of the recycled document, if every chunk came back as it was sent."""
        pieces = [
            Piece(1, Reading(part.text, "ok")) if part.text.strip() and not part.kind else Piece() for part in chunks
        ]
        if not any(part.text.strip() for part in chunks):
            return 0
        result = self.joiner.finish(Job(document, chunks, [pieces] * self.config.rollouts_per_document, 0))
        made = result.document
        return sum(self._hold(encode(one)) for one in (made if isinstance(made, list) else [made]))

    def _hold(self, line: bytes) -> int:
        if self.held < MOST_SQUEEZED:
            self.lines.append(line)
            self.held += len(line)
        return len(line)

    def squeezed(self) -> float:
        """What is left of a byte of output on the disk, where the pool's form compresses."""
        if not self.held:
            return 1.0
        return len(zstandard.compress(b"".join(self.lines), ZSTD_LEVEL)) / self.held


def compresses(path: str) -> bool:
    """Whether shards of a path's form are stored compressed."""
    return form_of(path) not in (".jsonl", ".ndjson")
