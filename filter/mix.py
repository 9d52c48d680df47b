"""Put the selected pools together: which documents, how often, in one seeded order, as one pool.

The order is that of a hash of (seed, source, id, copy), so it depends on neither workers nor shard order. Two passes in
bounded memory: each input shard is spread over the output shards it goes to (a run file with an index), then each
output shard gathers its pieces and sorts them.
"""

import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray
from pydantic import Field

from common.config import RunConfig
from common.documents import encode, read_documents, write_documents
from common.shards import Document, Shard
from common.storage import atomic_write, exists, join, open_read, read_bytes
from filter.select import Columns, Cut, keep, solve_budget
from filter.steps import check_hash, hash_id

BATCH_DOCS = 2_000
"""Documents whose pieces are gathered before they are written: the memory of the first pass."""


class Union(RunConfig):
    """Every selected document once (RePro)."""

    kind: Literal["union"] = "union"


class Ratio(RunConfig):
    """Shares of the mix by tokens."""

    kind: Literal["ratio"]

    ratios: dict[str, float]
    """Source → share; they are made to sum to 1. Advice differs: 0.3 recycled (arXiv:2510.01631), or 0.6 to 0.8."""

    tokens: int | None = Field(None, gt=0)
    """Size of the mix; None takes as much as the sources give within `max_epochs`."""

    max_epochs: float = Field(1.0, gt=0)
    """How often a source may be repeated at most."""


class TokenBudgets(RunConfig):
    """A number of tokens from each source, repeated where it holds fewer."""

    kind: Literal["budget"]

    tokens: dict[str, int]
    """Source → tokens."""

    max_epochs: float = Field(1.0, gt=0)
    """How often a source may be repeated at most."""


class Factors(RunConfig):
    """Each source so many times, as RedPajama's mix: 2.269 is every document twice and 0.269 of them once more."""

    kind: Literal["factor"]

    factors: dict[str, float]
    """Source → how often; a source that is not named comes once."""


AnyMix = Annotated[Union | Ratio | TokenBudgets | Factors, Field(discriminator="kind")]


@dataclass(frozen=True)
class Share:
    """How often a source's documents come: all of them `whole` times, those that `cut` keeps once more."""

    whole: int
    cut: Cut | None = None


def epochs(mix: Union | Ratio | TokenBudgets | Factors, tokens: Mapping[str, int]) -> dict[str, float]:
    """How often each source comes in a mix.

    Args:
        mix: the rule.
        tokens: source → its tokens.

    Returns:
        Source → epochs; 1.5 is one and a half passes.

    Raises:
        ValueError: a source is unknown, empty, or would be repeated more than `max_epochs`; names the numbers.

    >>> epochs(Ratio(kind="ratio", ratios={"organic": 1, "recycled": 3}), {"organic": 100, "recycled": 150})
    {'organic': 0.5, 'recycled': 1.0}
    """
    if isinstance(mix, Union):
        return dict.fromkeys(tokens, 1.0)
    wanted = mix.factors if isinstance(mix, Factors) else mix.ratios if isinstance(mix, Ratio) else mix.tokens
    for name in wanted:
        if name not in tokens:
            raise ValueError(f"mix names {name!r}, but the sources are {', '.join(tokens)}")
        if wanted[name] < 0:
            raise ValueError(f"mix gives {name!r} {wanted[name]}; it should be 0 or more")
    if isinstance(mix, Factors):
        return {name: float(mix.factors.get(name, 1)) for name in tokens}
    for name, amount in wanted.items():
        if amount and not tokens[name]:
            raise ValueError(f"mix wants {name!r}, but it holds no tokens (set tokenizer=PATH to count them)")
    if isinstance(mix, Ratio):
        total = sum(mix.ratios.values())
        if not total:
            raise ValueError("the ratios of the mix sum to 0")
        shares = {name: ratio / total for name, ratio in mix.ratios.items() if ratio}
        size = mix.tokens or min(tokens[name] * mix.max_epochs / share for name, share in shares.items())
        amounts = {name: shares.get(name, 0.0) * size for name in tokens}
    else:
        amounts = {name: float(mix.tokens.get(name, 0)) for name in tokens}
    found = {name: amount / tokens[name] if amount else 0.0 for name, amount in amounts.items()}
    for name, often in found.items():
        if often > mix.max_epochs + 1e-9:
            raise ValueError(
                f"the mix wants {round(amounts[name]):,} tokens of {name!r}, which holds {tokens[name]:,}: {often:.3g} "
                f"epochs, and max_epochs is {mix.max_epochs:g}"
            )
    return found


def share_of(often: float, columns: Sequence[Columns]) -> Share:
    """Epochs as whole passes and a cut for the rest: that share of the tokens to within a document, by hash of id."""
    whole = math.floor(often + 1e-9)
    rest = often - whole
    total = sum(int(one.tokens.sum()) for one in columns)
    need = math.ceil(rest * total - 1e-6 * max(total, 1))
    if need <= 0:
        return Share(whole)
    return Share(whole, solve_budget(lambda: columns, need, exact=True))


@dataclass(frozen=True)
class MixJob:
    """What the two passes need to know; goes to worker processes."""

    folder: str
    """For the run files."""
    output: str
    seed: int
    buckets: int
    config_hash: str
    form: str


def pool_columns(shards: Sequence[Shard], seed: int) -> list[Columns]:
    """Ids and tokens of a selected pool, to choose documents by a seeded hash: [N] arrays, 24 bytes a document."""
    found = []
    for shard in shards:
        hashes, tokens = [], []
        for document in read_documents(shard.path, shard.index):
            hashes.append(hash_id(str(document["id"]), seed, "draw"))
            tokens.append(document.get("token_count", 1))
        # the score is the same for all, so that the hash alone decides
        zeros = np.zeros(len(hashes))
        found.append(Columns(zeros, np.array(tokens, np.int64), np.array(hashes, np.uint64)))
    return found


def spread_shard(shard: Shard, job: MixJob, source: str, share: Share, dropped: NDArray[np.uint64]) -> dict[str, Any]:
    """First pass: write a shard's documents, grouped by the output shard they go to.

    Args:
        shard: of a selected pool.
        job: the mix.
        source: name of the pool.
        share: how often its documents come.
        dropped: sorted hashes of ids that stay out because their page's other version is kept.

    Returns:
        Documents and tokens that go into the mix, and documents dropped by reason.
    """
    run = join(job.folder, f"{source}/{shard.name}.run")
    index_path = f"{run}.json"
    if exists(index_path):
        return json.loads(read_bytes(index_path))["stats"]
    cut_columns = pool_columns([shard], job.seed)[0] if share.cut else None
    once_more = keep(share.cut, cut_columns, shard.index) if share.cut and cut_columns else None
    stats: dict[str, Any] = {"docs_in": 0, "docs_out": 0, "copies": 0, "tokens": 0, "drops": {}}
    index: list[tuple[int, int, int]] = []
    offset = 0
    with atomic_write(run) as target:
        for groups in _grouped(shard, job, source, share, once_more, dropped, stats):
            for bucket, lines in sorted(groups.items()):
                piece = b"".join(lines)
                target.write(piece)
                index.append((bucket, offset, len(piece)))
                offset += len(piece)
    with atomic_write(index_path) as target:
        target.write(json.dumps({"stats": stats, "index": index}).encode())
    return stats


def _grouped(
    shard: Shard,
    job: MixJob,
    source: str,
    share: Share,
    once_more: NDArray[np.bool_] | None,
    dropped: NDArray[np.uint64],
    stats: dict[str, Any],
) -> Iterator[dict[int, list[bytes]]]:
    groups: dict[int, list[bytes]] = {}
    for number, document in enumerate(read_documents(shard.path, shard.index)):
        stats["docs_in"] += 1
        copies = share.whole + int(once_more is not None and once_more[number])
        reason = "other_version_kept" if len(dropped) and _contains(dropped, page_hash(document)) else "over_budget"
        if copies == 0 or reason == "other_version_kept":
            stats["drops"][reason] = stats["drops"].get(reason, 0) + 1
            continue
        stats["docs_out"] += copies
        stats["copies"] += copies - 1
        stats["tokens"] += copies * document.get("token_count", 0)
        for copy in range(copies):
            key = hash_id(str(document["id"]), job.seed, source, copy)
            line = encode(document | {"copy": copy} if copy else document)
            groups.setdefault(key * job.buckets >> 64, []).append(b"%016x %b" % (key, line))
        if stats["docs_in"] % BATCH_DOCS == 0:
            yield groups
            groups = {}
    yield groups


def gather_shard(shard: Shard, job: MixJob, runs: Sequence[str]) -> dict[str, Any]:
    """Second pass: sort the pieces of one output shard and write it.

    Args:
        shard: the output shard; its index is the bucket.
        job: the mix.
        runs: all run files.
    """
    stats_path = join(job.output, f"{shard.name}.stats.json")
    if exists(stats_path):
        stats = json.loads(read_bytes(stats_path))
        check_hash(job.output, stats["config_hash"], job.config_hash)
        return stats
    began = time.monotonic()
    lines: list[bytes] = []
    for run in runs:
        pieces = [piece for piece in json.loads(read_bytes(f"{run}.json"))["index"] if piece[0] == shard.index]
        if not pieces:
            continue
        with open_read(run) as source:
            for _, offset, length in pieces:
                source.seek(offset)
                # at newlines only: page text holds other line separators
                lines += source.read(length).split(b"\n")[:-1]
    lines.sort()  # by key, then by content: documents that share an id have an order too
    tokens = 0

    def documents() -> Iterator[Document]:
        nonlocal tokens
        for line in lines:
            document = orjson.loads(line[17:])
            tokens += document.get("token_count", 0)
            yield document

    written = write_documents(join(job.output, shard.name + job.form), documents())
    stats = {
        "shard": shard.name,
        "docs_in": written,
        "docs_out": written,
        "drops": {},
        "tokens": tokens,
        "seconds": round(time.monotonic() - began, 3),
        "config_hash": job.config_hash,
    }
    with atomic_write(stats_path) as target:
        target.write(json.dumps(stats, indent=1).encode())
    return stats


def page_hash(document: Mapping[str, Any]) -> int:
    """Hash of the page a document comes from: rollouts of one page carry its id with `#n` behind."""
    identity = str(document["id"])
    return hash_id(identity.rpartition("#")[0] or identity if "rephrase" in document else identity)


def versions(
    documents: Iterable[Mapping[str, Any]], field: str | None
) -> tuple[NDArray[np.uint64], NDArray[np.float64], NDArray[np.bool_]]:
    """[N] page hashes, [N] scores (NaN if none) and [N] whether recycled, of one selected pool."""
    rows = [(page_hash(one), one.get(field) if field else None, "rephrase" in one) for one in documents]
    scores = [math.nan if score is None else float(score) for _, score, _ in rows]
    return (
        np.array([row[0] for row in rows], np.uint64),
        np.array(scores, np.float64),
        np.array([row[2] for row in rows], bool),
    )


def settle_versions(
    pages: NDArray[np.uint64],
    scores: NDArray[np.float64],
    recycled: NDArray[np.bool_],
    prefer: Literal["allow", "prefer_best", "prefer_recycled"],
) -> tuple[int, NDArray[np.uint64], NDArray[np.uint64]]:
    """Pages that are there as organic and as recycled text, and which form of each stays out.

    Args:
        pages: [N] page hashes over all sources.
        scores: [N] scores of one and the same scorer.
        recycled: [N] whether a document is recycled text.
        prefer: `allow` keeps both; `prefer_best` keeps the better scored form, the recycled one where equal.

    Returns:
        Number of such pages, sorted page hashes whose organic form is dropped, and whose recycled form is dropped.
    """
    both = np.intersect1d(pages[recycled], pages[~recycled])
    none = np.array([], np.uint64)
    if prefer == "allow" or not len(both):
        return len(both), none, none
    if prefer == "prefer_recycled":
        return len(both), both, none
    best = np.full((2, len(both)), -np.inf)
    places = np.searchsorted(both, pages)
    shared = (places < len(both)) & (both[np.minimum(places, len(both) - 1)] == pages) & ~np.isnan(scores)
    np.maximum.at(best, (recycled[shared].astype(int), places[shared]), scores[shared])
    organic_wins = best[0] > best[1]
    return len(both), both[~organic_wins], both[organic_wins]


def _contains(sorted_hashes: NDArray[np.uint64], value: int) -> bool:
    place = int(np.searchsorted(sorted_hashes, np.uint64(value)))
    return place < len(sorted_hashes) and int(sorted_hashes[place]) == value
