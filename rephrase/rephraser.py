"""Rephrase a stream of documents: cut, ask, read, retry, join; one result per document, in order.

Every chunk is a request of its own in one unbroken stream. A document's requests depend on its id, its text and the
config, not on what else is in flight (but see `common.engines.requests` on arithmetic).
"""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from common.engines.requests import Completion, Engine, Request
from common.pools.documents import Document
from common.pools.exactly_once import Result
from common.pools.repair import id_text
from common.runs.progress.pace import duration
from rephrase.config import RephraseConfig
from rephrase.gate.checks import ChunkGate
from rephrase.health import Health
from rephrase.text.chunking import Chunk, blind_chunks, chunk
from rephrase.text.joining import LENGTHS, Job, Joiner, Piece
from rephrase.text.lines import end_mark
from rephrase.text.postprocess import read_completion, unfaithful
from rephrase.text.prompts import Message, answer_form, messages, read_prompt_file
from rephrase.text.verbatim import Passage, cut_around

SLACK_TOKENS = 8
"""A chunk beside its prompt may make a few tokens more than the two apart."""

SHOWN_ID = 60
"""Characters of an id that are shown: many are addresses."""

CARRY_CHARS = 500
"""How much of the previous output `carry` shows."""

MOST_CHARS = 32 << 20
"""Characters of the documents that are open at a time, give or take one: bounds memory where documents are huge."""

Watch = Callable[[dict[str, Any]], None]
Key = tuple[int, int, int]  # number of the job, rollout, chunk


class Rephraser:
    """The stage's work, as `common.pools.shards.process_shard` calls it.

    Args:
        config: the run's config.
        engine: an open engine.
        watch: called with a document's counts when it is done, for progress and rates.

    Raises:
        ValueError: the prompt and the completion leave no room for a text, or a token budget has no tokenizer.
    """

    def __init__(self, config: RephraseConfig, engine: Engine, watch: Watch | None = None) -> None:
        self.config = config
        self.engine = engine
        self.watch = watch
        self.count_tokens = engine.count_tokens if engine.tokenizer is not None else None
        self.joiner = Joiner(config, self.count_tokens)
        self.gate = ChunkGate(config.gate)
        self.form = answer_form(config.prompt, config.prompt_file)
        self.prompt = read_prompt_file(config.prompt_file) if config.prompt_file else None
        self.max_tokens = self._chunk_tokens()
        self.sent: dict[Key, tuple[float, str]] = {}
        """Of each request that the engine works on, the first one first: since when, and the document's id."""
        # Greedy decoding gives the same completion again.
        self.attempts = 1 + (config.retries if config.temperature > 0 else 0)

    def _chunk_tokens(self) -> int | None:
        """Tokens a chunk may have so that its prompt and a rephrasing at the length limit fit; None if not known."""
        engine, new = self.engine, self.config.max_new_tokens
        if engine.tokenizer is None:
            if self.config.max_chunk_tokens is not None:
                raise ValueError("max_chunk_tokens needs a tokenizer; name a folder that holds one (engine.tokenizer)")
            return None
        budget = self.config.max_chunk_tokens or int(new / LENGTHS[1])
        if engine.max_model_len is not None:
            overhead = len(engine.render(self.request("", "", None, 0))) + SLACK_TOKENS
            if self.config.carry != "none":
                overhead += CARRY_CHARS  # at worst every character is a token
            budget = min(budget, engine.max_model_len - new - overhead)
        if budget < 1:
            raise ValueError(
                f"{engine.model} takes {engine.max_model_len} tokens: the prompt and max_new_tokens={new} leave no "
                "room for a text"
            )
        return budget

    def __call__(self, documents: Iterator[Document]) -> Iterator[Result]:
        """Rephrase documents.

        Raises:
            Unhealthy: too many chunks fail.
        """
        return _Pass(self).run(documents)

    def waited_for(self) -> str:
        """The request that the engine has worked on the longest, for whoever watches; empty where there is none."""
        found = next(iter(self.sent.items()), None)
        if found is None:
            return ""
        (_, _, index), (since, document) = found
        return f"chunk {index + 1} of document {document[:SHOWN_ID]}, {duration(time.monotonic() - since)} so far"

    def cut(self, text: str) -> list[Passage]:
        """A document's chunks."""
        config = self.config
        if config.cut == "blind":
            return [Passage(*part) for part in blind_chunks(text, config.max_chars)]

        def cut(stretch: str) -> list[Chunk]:
            return chunk(
                stretch, config.max_chars, config.min_tail, self.max_tokens, self.count_tokens, config.max_chunk_lines
            )

        if config.verbatim or config.min_chunk_words:
            return cut_around(text, config.verbatim, config.min_chunk_words, cut)
        return [Passage(*part) for part in cut(text)]

    def request(self, name: str, text: str, before: str | None, seed: int) -> Request:
        """Ask for a rephrasing of `text`, showing what came `before` if there is something to show."""
        if before:
            text = f"(Already rewritten, only for context, not to be repeated: {before})\n\n{text}"
        config = self.config
        asked: list[Message] = messages(
            text, config.prompt, config.system, no_think=config.no_think, prompt=self.prompt
        )
        return Request(
            id=name,
            messages=asked,
            max_tokens=config.max_new_tokens,
            temperature=config.temperature,
            top_p=config.top_p,
            seed=seed,
            stop=(end_mark(text),) if self.form == "edits" else (),
        )


class _Pass:
    """One pass over documents: what is open, what is to be sent, what is to be given back in order."""

    def __init__(self, rephraser: Rephraser) -> None:
        self.rephraser = rephraser
        rephraser.sent.clear()
        self.config = rephraser.config
        self.in_turn = self.config.carry == "previous_output"
        self.jobs: deque[Job] = deque()
        self.first = 0  # the number of jobs[0]
        self.queue: deque[Key] = deque()
        self.in_flight = 0
        self.ended = False
        # Far more than is in flight: a slow document at the head must not keep the engine waiting.
        self.most_open = max(64, 4 * rephraser.engine.limit)
        self.open_chars = 0
        self.health = Health(self.config.health)
        self.given = 0

    def run(self, documents: Iterator[Document]) -> Iterator[Result]:
        """Results in the documents' order."""
        while not self.ended or self.jobs:
            for completion in self.rephraser.engine.stream(self._requests(documents)):
                self._take(completion)
                yield from self._ready()
            self.health.refuse_silence()
            yield from self._ready()
        self.health.judge()

    def _requests(self, documents: Iterator[Document]) -> Iterator[Request | None]:
        while True:
            if self.queue:
                key = self.queue.popleft()
                self.in_flight += 1
                yield self._request(key)
            elif self.ended or len(self.jobs) >= self.most_open or self.open_chars >= MOST_CHARS:
                if self.in_flight == 0:
                    return  # whatever is open is done: it is given back before more is read
                yield None
            else:
                document = next(documents, None)
                if document is None:
                    self.ended = True
                else:
                    self._open(document)

    def _request(self, key: Key) -> Request:
        number, rollout, index = key
        job = self.jobs[number - self.first]
        pieces = job.rollouts[rollout]
        before = None
        if self.in_turn and index > 0:
            reading = pieces[index - 1].reading
            before = reading.text[-CARRY_CHARS:] if reading else None
        name = id_text(job.document["id"])
        self.rephraser.sent[key] = (time.monotonic(), name)
        seed = request_seed(self.config.seed, name, index, rollout, pieces[index].attempts)
        return self.rephraser.request(f"{number} {rollout} {index}", job.chunks[index].text, before, seed)

    def _open(self, document: Document) -> None:
        number = self.first + len(self.jobs)
        result = self._route(document)
        chunks = [] if result else self.rephraser.cut(document["text"])
        todo = [index for index, part in enumerate(chunks) if part.text.strip() and not part.kind]
        count = self.config.rollouts_per_document
        if not any(part.text.strip() for part in chunks) and result is None:
            counts = {"chars_in": len(document["text"])}
            result = Result(reason="blank", counts=counts, aside=self.config.rejects, source=document)
        rollouts = [[Piece() for _ in chunks] for _ in range(count)]
        job = Job(document, chunks, rollouts, count * len(todo), result)
        if not todo and result is None:  # nothing but verbatim blocks
            job.result = self.rephraser.joiner.finish(job)
        self.jobs.append(job)
        self.open_chars += len(document["text"])
        for rollout in range(count):
            self.queue.extend((number, rollout, index) for index in (todo[:1] if self.in_turn else todo))

    def _route(self, document: Document) -> Result | None:
        """The result of a document that is not to be rephrased; None for one that is."""
        route = self.config.route
        if route is None:
            return None
        taken = route.takes(document)
        if taken is None:
            return Result(reason="no_score", aside=self.config.rejects, source=document)
        if taken:
            return None
        if route.outside == "keep":
            return Result(document, counts={"routed_past": 1})
        return Result(reason="routed_out")

    def _take(self, completion: Completion) -> None:
        self.in_flight -= 1
        self.health.hear(completion.error)
        number, rollout, index = map(int, completion.request_id.split())
        self.rephraser.sent.pop((number, rollout, index), None)
        job = self.jobs[number - self.first]
        piece = job.rollouts[rollout][index]
        piece.attempts += 1
        piece.tokens_in += completion.tokens_in
        piece.tokens_out += completion.tokens_out
        piece.seconds += completion.seconds
        piece.finish_reason = completion.finish_reason
        piece.error = completion.error
        piece.control_text = completion.control_text
        organic = job.chunks[index].text
        reading = read_completion(completion.text, organic, completion.finish_reason, self.rephraser.form)
        if reading.status == "ok":
            piece.scores, check = self.rephraser.gate.judge(organic, reading.text)
            if check:
                reading = reading._replace(text="", status=unfaithful(check))
        piece.reading = reading
        # The engine has retries of its own: what it could not answer would fail again.
        failed = piece.reading.status not in ("ok", "engine_error")
        if failed and piece.attempts < self.rephraser.attempts:
            self.queue.appendleft((number, rollout, index))
            return
        job.open_pieces -= 1
        if self.in_turn and index + 1 < len(job.chunks):
            self.queue.appendleft((number, rollout, index + 1))
        if job.open_pieces == 0:
            job.result = self.rephraser.joiner.finish(job)

    def _ready(self) -> Iterator[Result]:
        """Results at the head of the line; none before the engine has shown that it is there."""
        while not self.health.deaf() and self.jobs and (result := self.jobs[0].result) is not None:
            self.open_chars -= len(self.jobs.popleft().document["text"])
            self.first += 1
            self.given += 1
            self.health.see(result.counts.get("chunk_statuses", {}))
            if self.given % self.config.part_docs == 0:
                self.health.judge()
            if self.rephraser.watch:
                self.rephraser.watch({"docs": 1, **result.counts})
            yield result


def request_seed(seed: int, document_id: str, chunk: int, rollout: int, attempt: int) -> int:
    """A request's own seed, 31 bits: the same whenever, wherever and beside whatever it is sent."""
    name = f"{seed}\n{document_id}\n{chunk}\n{rollout}\n{attempt}".encode(errors="surrogatepass")
    return int.from_bytes(hashlib.blake2b(name, digest_size=4).digest(), "big") >> 1
