"""From a document's chunk completions to the recycled document, its record and its counts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from common.pools.documents import Document
from common.pools.exactly_once import Result, with_own
from common.pools.repair import id_text
from common.pools.stats import tally
from eval.faithfulness.measures import length_ratio, lexical_f1
from eval.faithfulness.structure import markdown_similarity
from rephrase.config import RephraseConfig
from rephrase.gate.config import CEILINGS
from rephrase.text.chunking import rejoin
from rephrase.text.postprocess import Reading
from rephrase.text.prompts import answer_form
from rephrase.text.verbatim import Passage

VERBATIM = "verbatim"
"""Status of a chunk that passed the model by."""

LENGTHS = (0.2, 1.25)
"""Least and greatest length of a faithful rephrasing, per character of its text: the length reward's bounds."""


@dataclass
class Piece:
    """One chunk of one rollout."""

    attempts: int = 0
    reading: Reading | None = None
    """The last attempt's; None for what is not sent: white space, verbatim blocks."""
    scores: dict[str, float] = field(default_factory=dict)
    """The gate's, of the last attempt that was in form."""
    finish_reason: str = ""
    error: str | None = None
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    control_text: int = 0
    """Control tokens that the page spells and that were broken up for a server."""


@dataclass
class Job:
    """A document in work."""

    document: Document
    chunks: list[Passage]
    rollouts: list[list[Piece]]
    open_pieces: int
    result: Result | None = None


class Joiner:
    """Turns finished jobs into results.

    Args:
        config: the run's config.
        count_tokens: tokens of a text; None where no tokenizer is at hand, and then tokens of texts are not reported.
    """

    def __init__(self, config: RephraseConfig, count_tokens: Callable[[str], int] | None) -> None:
        self.config = config
        self.count_tokens = count_tokens
        # Only where a choice is made that came with them: half-finished work of before goes on to the same bytes.
        edits = answer_form(config.prompt, config.prompt_file) == "edits"
        self.tells_places = edits or bool(config.verbatim or config.min_chunk_words or config.gate.on())

    def finish(self, job: Job) -> Result:
        """Join a document's chunks, or say why it is dropped."""
        counts = self._counts(job)
        if spelled := sum(piece.control_text for pieces in job.rollouts for piece in pieces):
            counts["control_text"] = spelled
        made = [self._join(job, rollout) for rollout in range(len(job.rollouts))]
        kept = [document for document, _ in made if document is not None]
        if not kept:
            reason = next(reason for _, reason in made if reason)
            failed = with_own(job.document, {"rephrase": self._record(job, 0, None)})
            return Result(reason=reason, counts=counts, aside=self.config.rejects, source=failed)
        if self.config.select_best == "faithful":
            kept = [max(kept, key=lambda document: faithfulness(job.document["text"], document["text"]))]
        counts["chars_out"] = sum(len(document["text"]) for document in kept)
        if self.count_tokens is not None:
            counts["tokens_kept"] = sum(self.count_tokens(document["text"]) for document in kept)
        return Result(kept if len(kept) > 1 else kept[0], counts=counts)

    def _join(self, job: Job, rollout: int) -> tuple[Document | None, str | None]:
        """The recycled document of one rollout, or the reason why there is none."""
        pieces = job.rollouts[rollout]
        texts = []
        for piece, part in zip(pieces, job.chunks, strict=True):
            if piece.reading is None:
                texts.append(part.text if part.kind else "")
            elif piece.reading.status == "ok":
                texts.append(piece.reading.text)
            elif self.config.on_bad_chunk == "drop_document":
                return None, piece.reading.status
            else:
                organic = part.text if self.tells_places else part.text.strip()
                texts.append(organic if self.config.on_bad_chunk == "keep_organic" else "")
        blind = self.config.cut == "blind"
        text = " ".join(texts).strip() if blind else rejoin(texts, [part.sep for part in job.chunks])
        if not text:
            return None, "empty"
        own: dict[str, Any] = {"organic_text": job.document["text"]} if self.config.keep_organic_text else {}
        own["rephrase"] = self._record(job, rollout, text, texts)
        document = with_own({**job.document, "text": text}, own)
        if self.config.rollouts_per_document > 1 and self.config.select_best == "none":
            document["id"] = f"{id_text(job.document['id'])}#{rollout}"  # for people: programs read the record
        return document, None

    def _record(self, job: Job, rollout: int, text: str | None, texts: list[str] | None = None) -> dict[str, Any]:
        config, organic, pieces = self.config, job.document["text"], job.rollouts[rollout]
        chunks: list[dict[str, Any]] = []
        position = 0
        places: list[tuple[int, int] | None] = [None] * len(pieces)
        if text is not None and texts is not None and self.tells_places:
            places = _places(text, texts)
        for piece, part, place in zip(pieces, job.chunks, places, strict=True):
            start, position = position, position + len(part.text) + len(part.sep)
            where = {"out_start": place[0], "out_end": place[1]} if place else {}
            if part.kind:
                here = {"start": start, "end": start + len(part.text), **where}
                chunks.append({**here, "status": VERBATIM, "kind": part.kind})
                continue
            if piece.reading is None:
                continue
            flags = [*piece.reading.flags, *(["control_text"] if piece.control_text else [])]
            if piece.reading.status != "ok" and text is not None and config.on_bad_chunk == "keep_organic":
                flags.append("kept_organic")
            chunks.append(
                {
                    "start": start,  # in the text with line ends normalised
                    "end": start + len(part.text),
                    **where,
                    "status": piece.reading.status,
                    "finish_reason": piece.finish_reason,
                    "tokens_in": piece.tokens_in,
                    "tokens_out": piece.tokens_out,
                    "attempts": piece.attempts,
                    "flags": flags,
                    **({"error": piece.error} if piece.error else {}),
                }
            )
        # a page with one rephrasing lends it its id, so that the record need not repeat it
        page = {"page": job.document["id"], "rollout": rollout} if config.rollouts_per_document > 1 else {}
        record: dict[str, Any] = {
            **page,
            "model": config.model,
            "prompt": config.prompt_file or config.prompt,
            "chunks": chunks,
            "seconds": round(sum(piece.seconds for piece in pieces), 3) if config.record_seconds else None,
        }
        if text is not None:
            record["length_ratio"] = round(length_ratio(organic, text), 4)
            for name in dict.fromkeys(name for piece in pieces for name in piece.scores):
                values = [piece.scores[name] for piece in pieces if name in piece.scores]
                record[name] = round(max(values) if name in CEILINGS else min(values), 4)  # the worst chunk's
            if config.scores:
                record["semantic"] = round(lexical_f1(organic, text), 4)
                record["structure"] = round(markdown_similarity(organic, text).sim, 4)
        return record

    def _counts(self, job: Job) -> dict[str, Any]:
        done = [(piece, piece.reading) for rollout in job.rollouts for piece in rollout if piece.reading is not None]
        statuses = tally([reading.status for _, reading in done])
        counts: dict[str, Any] = {
            "chunks_in": len(done),
            "chunks_ok": statuses.get("ok", 0),
            "chunk_statuses": statuses,
            "flags": tally([flag for _, reading in done for flag in reading.flags]),
            "attempts": sum(piece.attempts for piece, _ in done),
            "tokens_prompt": sum(piece.tokens_in for piece, _ in done),
            "tokens_completion": sum(piece.tokens_out for piece, _ in done),
            "chars_in": len(job.document["text"]),
            "chars_out": 0,
        }
        verbatim = [part for part in job.chunks if part.kind]
        if verbatim:
            counts["verbatim"] = tally([part.kind for part in verbatim])
            counts["chars_verbatim"] = sum(len(part.text) for part in verbatim)
        if self.count_tokens is not None:
            counts["tokens_organic"] = self.count_tokens(job.document["text"])
            counts["tokens_kept"] = 0
        return counts


def _places(text: str, texts: list[str]) -> list[tuple[int, int] | None]:
    """Where in the joined text each chunk's text stands."""
    places: list[tuple[int, int] | None] = []
    position = 0
    for one in texts:
        start = text.find(one, position) if one else -1
        places.append((start, start + len(one)) if start >= 0 else None)
        position = start + len(one) if start >= 0 else position
    return places


def faithfulness(organic: str, rephrased: str) -> float:
    """What `select_best: faithful` compares: lexical F1 + Markdown similarity, -1 for a length out of bounds."""
    least, most = LENGTHS
    if not least <= length_ratio(organic, rephrased) <= most:
        return -1.0
    return lexical_f1(organic, rephrased) + markdown_similarity(organic, rephrased).sim
