"""Bits per byte on held-out text: how many bits a model needs for each byte of it, whatever its tokenizer.

`bits/byte = sum of -ln p(token | context) / ln 2 / bytes of the text in UTF-8`, `nats/token` the same sum per token.
The first token of a document stands after BOS (EOS where the tokenizer has no BOS), which is not scored itself; text
that looks like a special token is plain text. A document longer than the context is cut into windows; every window but
the first begins with `overlap` tokens of the one before it, which are context only, so every token is scored once.

Of a tokenised set the contexts are scored as they are: each token but the first after what stands before it, pads left
out. The bytes are those of the scored tokens, of which the end-of-text token has none though its loss counts.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from common.command import WorkFailed
from common.pools.documents import read_documents
from common.pools.shards import list_shards
from common.runs.folder import write_json
from common.runs.progress.shown import progress
from common.tokens.counting import token_bytes
from common.tokens.token_set import is_tokenised, read_manifest_lines, read_set
from eval.likelihood.trunks import Branch, Scorer, Trunk

SLAB_DOCS = 256
"""Documents scored together."""


@dataclass(frozen=True)
class Text:
    """Tokens of one document or context, of which the first `given` are context only."""

    id: str
    ids: Sequence[int]
    bytes: int
    given: int = 1


@dataclass
class TextScores:
    """What a model needs for each document: nats, tokens, bytes; and why documents were left out."""

    ids: list[str] = field(default_factory=list)
    nats: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)

    def figures(self, draws: int = 2000, seed: int = 0) -> dict[str, Any]:
        """`bits_per_byte` (None without bytes), its 95 % interval, `nats_per_token`, and the counts behind them."""
        from eval.core.outcomes import interval

        nats, tokens, size = math.fsum(self.nats), sum(self.tokens), sum(self.bytes)
        found: dict[str, Any] = {
            "bits_per_byte": nats / math.log(2) / size if size else None,
            "nats_per_token": nats / tokens if tokens else None,
            "documents": len(self.ids),
            "tokens": tokens,
            "bytes": size,
            "skipped": dict(sorted(self.skipped.items())),
        }
        if size:
            drawn = resample(np.array([self.nats]), np.array([self.bytes]), draws, seed)
            found["interval_95"] = interval(drawn[0])
        return found

    def skip(self, reason: str) -> None:
        """Count a document that is left out."""
        self.skipped[reason] = self.skipped.get(reason, 0) + 1


def resample(nats: np.ndarray, size: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Bits per byte of `draws` resamplings of the documents, the same ones for every model: paired.

    Args:
        nats: [models, documents].
        size: [models or 1, documents] bytes.
        draws: number of resamplings.
        seed: of the random numbers.

    Returns:
        [models, draws].
    """
    random = np.random.default_rng(seed)
    documents = nats.shape[1]
    found = np.empty((nats.shape[0], draws))
    for draw in range(draws):
        times = np.bincount(random.integers(0, documents, documents), minlength=documents)
        found[:, draw] = (nats @ times) / np.log(2) / np.maximum(size @ times, 1)
    return found


def score_texts(texts: Iterable[Text], scorer: Scorer, *, seq_len: int, overlap: int, label: str = "bpb") -> TextScores:
    """Score documents window by window, holding `SLAB_DOCS` of them at a time.

    Args:
        texts: token ids, the given ones first.
        scorer: of the model.
        seq_len: tokens of a window, context included.
        overlap: tokens of context that a window after the first repeats.
        label: of the progress bar.

    Raises:
        ValueError: no document is left to score, or `overlap` leaves no room in a window.
        WorkFailed: the scorer could not score a window.
    """
    if not 1 <= overlap < seq_len:
        raise ValueError(f"overlap={overlap} should be at least 1 and below seq_len={seq_len}")
    scores = TextScores()
    stream = iter(progress(texts, label=label, unit="docs"))
    while slab := list(islice(stream, SLAB_DOCS)):
        windows = [list(_windows(text, seq_len, overlap)) for text in slab]
        results = iter(scorer.score([trunk for trunks in windows for trunk in trunks]))
        for text, trunks in zip(slab, windows, strict=True):
            nats = 0.0
            for _ in trunks:
                result = next(results)
                if result.error is not None:
                    raise WorkFailed(f"document {text.id} could not be scored: {result.error}")
                nats -= float(result.branches[0].logprobs.astype(np.float64).sum())
            scores.ids.append(text.id)
            scores.nats.append(nats)
            scores.tokens.append(len(text.ids) - text.given)
            scores.bytes.append(text.bytes)
    if not scores.ids:
        raise ValueError("no document to score")
    return scores


def _windows(text: Text, seq_len: int, overlap: int) -> Iterator[Trunk]:
    ids = list(text.ids)
    start, scored = 0, text.given
    while scored < len(ids):
        end = min(len(ids), start + seq_len)
        yield Trunk(ids[start:scored], [Branch(scored - start, ids[scored:end])])
        start, scored = end - overlap, end


def documents(pool: str, tokenizer: Any, skipped: TextScores, limit: int | None = None) -> Iterator[Text]:
    """The documents of a pool as tokens behind BOS, with their size in UTF-8.

    Args:
        pool: folder, glob or file of shards.
        tokenizer: the model's.
        skipped: counts what is left out: lines that are no documents, empty texts, lone surrogates (no UTF-8).
        limit: documents at most.

    Raises:
        ValueError: the tokenizer has neither BOS nor EOS, or there is no such pool.
    """
    first = next((one for one in (tokenizer.bos_token_id, tokenizer.eos_token_id) if one is not None), None)
    if first is None:
        raise ValueError("the tokenizer has neither BOS nor EOS, so nothing can stand before a document's first token")
    found = 0
    for shard in list_shards(pool):
        for document in read_documents(shard.path, shard.index, lambda position, reason, raw: skipped.skip(reason)):
            if limit is not None and found >= limit:
                return
            text = document["text"]
            try:
                size = len(text.encode())
            except UnicodeEncodeError:
                skipped.skip("no_utf8")
                continue
            ids = tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"]
            if not ids:
                skipped.skip("empty")
                continue
            found += 1
            yield Text(str(document["id"]), [first, *ids], size)


def contexts(folder: str | Path, sizes: np.ndarray | None, limit: int | None = None) -> Iterator[Text]:
    """The contexts of a tokenised set, pads left out.

    Args:
        folder: with `dataset.json`, `manifest.jsonl` and the `.bin` files it lists.
        sizes: [V] bytes of each token; without them the texts have no size.
        limit: contexts at most.

    Raises:
        ValueError: a file is missing or does not fit the manifest.
    """
    folder = Path(folder)
    about = read_set(folder)
    width = int(about["seq_len"]) + 1
    number = 0
    for entry in read_manifest_lines(folder / "manifest.jsonl"):
        rows = entry["num_sequences"]
        path = folder / f"{entry['shard'].removesuffix('.bin')}.bin"
        kind = np.dtype(about["dtype"]).newbyteorder("<")
        if not path.is_file() or path.stat().st_size != rows * width * kind.itemsize:
            raise ValueError(f"{path} is missing or does not hold {rows} contexts of {width} ids")
        pads = {int(row): int(count) for row, count in entry.get("pads", [])}
        for row, ids in enumerate(np.memmap(path, kind, "r", shape=(rows, width)) if rows else ()):
            if limit is not None and number >= limit:
                return
            kept = ids[: width - pads.get(row, 0)].astype(np.int64)
            if len(kept) > 1:
                yield Text(
                    f"{entry['shard']}-{row}", kept.tolist(), int(sizes[kept[1:]].sum()) if sizes is not None else 0
                )
            number += 1


def measure(
    scorer: Scorer,
    tokenizer: Any,
    source: str,
    *,
    seq_len: int,
    overlap: int | None = None,
    limit: int | None = None,
) -> TextScores:
    """Score a pool of documents or a tokenised set.

    Args:
        scorer: of the model.
        tokenizer: the model's.
        source: pool or tokenised folder.
        seq_len: tokens of a window.
        overlap: context that windows after a document's first repeat; a quarter of `seq_len` if None.
        limit: documents or contexts at most, from the front.

    Raises:
        ValueError: nothing to score, or the set was made with a larger vocabulary.
    """
    overlap = max(1, seq_len // 4) if overlap is None else overlap
    if is_tokenised(source):
        about = read_set(source)
        if (about.get("vocab_size") or 0) > len(tokenizer):
            raise ValueError(
                f"{source} was tokenised with {about['vocab_size']} ids, the model's tokenizer has {len(tokenizer)}: "
                "give the documents instead"
            )
        texts = contexts(source, token_bytes(tokenizer), limit)
        # Its contexts hold one id more than the model reads: the last one is only predicted.
        return score_texts(texts, scorer, seq_len=seq_len + 1, overlap=overlap)
    left_out = TextScores()
    scores = score_texts(documents(source, tokenizer, left_out, limit), scorer, seq_len=seq_len, overlap=overlap)
    scores.skipped = left_out.skipped
    return scores


def store(scores: TextScores, folder: str | Path, figures: Mapping[str, Any]) -> None:
    """Keep a row per document in `bpb.parquet`, then the figures in `bpb.json`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    columns = {"id": scores.ids, "nats": scores.nats, "tokens": scores.tokens, "bytes": scores.bytes}
    beside = target / ".bpb.parquet"
    pq.write_table(pa.table(columns), beside, compression="zstd")
    beside.replace(target / "bpb.parquet")
    write_json(target / "bpb.json", dict(figures))


def stored(folder: str | Path) -> tuple[dict[str, Any], TextScores] | None:
    """What `store` kept, or None."""
    path = Path(folder) / "bpb.json"
    if not path.is_file():
        return None
    import pyarrow.parquet as pq

    rows = pq.read_table(Path(folder) / "bpb.parquet").to_pydict()
    return json.loads(path.read_text(encoding="utf-8")), TextScores(
        rows["id"], rows["nats"], rows["tokens"], rows["bytes"]
    )
