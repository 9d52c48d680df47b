"""The selecting step: what a cut keeps of a shard becomes a pool, with scores, tokens and source on every document."""

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from common.hashing import step_hash
from common.pools.documents import Document
from common.pools.exactly_once import Result, with_own
from common.pools.inputs import Record
from common.pools.repair import id_text
from common.pools.shards import Shard
from common.pools.stats import documents_in
from filter.selection.cut import Columns, Cut, keep
from filter.selection.histogram import Histogram, linear_bins
from filter.selection.records import columns_of, load_columns, read_records, records_path
from filter.selection.rules import All, Budget, Fraction, Threshold
from filter.steps import Draft, Stats, finished, rewrite_shard

Range = tuple[float, float]
"""From a score up to below another."""


@dataclass(frozen=True)
class SelectJob:
    """What selecting from a shard needs; goes to worker processes."""

    folder: str
    records: str
    """Folder of the score records."""
    hash: str
    source: str
    field: str | None
    cut: Cut
    rephrase: Range | None
    routed: bool = False
    """Write the documents that go to rephrasing, in place of those that are kept."""
    ties: bool = False
    """Whether the cut chooses among equal scores by hash of id."""


def select_hash(scored: str, source: str, field: str | None, cut: Cut, rephrase: Range | None) -> str:
    """What a selection's pool depends on: the scores, the source and its score, the cut by the names of its fields."""
    return step_hash("select", scored, source, field, asdict(cut), rephrase)


def first_select_hash(scored: str, source: str, field: str | None, cut: Cut, rephrase: Range | None) -> str:
    """The same as the first version worked it out, over the text that Python showed for a `Cut` of then."""
    text = (
        f"Cut(threshold={cut.threshold!r}, tie_hash={cut.tie_hash!r}, tie_quota={cut.tie_quota!r}, "
        f"asked={cut.asked!r}, reached={cut.reached!r})"
    )
    return step_hash("select", scored, source, field, text, rephrase)


def select_shard(shard: Shard, job: SelectJob) -> Stats:
    """Write what a cut keeps of one shard.

    Raises:
        RuntimeError: the shard is not the one that was scored.
    """
    path = records_path(job.records, shard)

    def work(documents: Iterator[Document]) -> Iterator[Result]:
        columns = load_columns(path, job.field, job.ties)
        kept = keep(job.cut, columns, shard.index)
        nothing: dict[str, Any] = {}
        rows = itertools.zip_longest(documents, read_records(path), fillvalue=nothing)
        for number, (document, record) in enumerate(rows):
            if id_text(document.get("id")) != id_text(record.get("id")):
                raise RuntimeError(f"{shard.path} changed since it was scored: delete {job.records}")
            yield _chosen(document, record, float(columns.scores[number]), bool(kept[number]), job)

    return rewrite_shard(shard, job.folder, work, job.hash)


class Along:
    """A selection made while its shard is scored, from the documents at hand."""

    def __init__(self, draft: Draft, job: SelectJob, target: IO[bytes]) -> None:
        self.job = job
        self.draft = draft
        self.target = target
        self.whole = False
        self.source: Record | None = None

    def take(self, documents: Sequence[Document], records: Sequence[Document]) -> None:
        """Write what the cut keeps of some documents with their score records."""
        columns = columns_of(records, self.job.field, ties=False)
        kept = keep(self.job.cut, columns).tolist()
        for document, record, score, stays in zip(documents, records, columns.scores.tolist(), kept, strict=True):
            if stays or "tokens" in record:
                self.draft.add(_chosen(document, record, score, stays, self.job), self.target)
            else:
                self.draft.drop(_route(score, self.job))

    def end(self, scored: Stats) -> None:
        """Say what the scoring step counted; a selection that missed parts scored earlier does not count."""
        self.whole = self.draft.stats["docs_in"] == scored["docs_out"]
        for reason, number in scored["drops"].items():
            self.draft.drop(reason, number)
        self.source = (scored.get("files") or {}).get("input")


class _NotWhole(Exception):
    """Some of the shard had been scored by a run that was stopped, so that this selection missed it."""


@contextlib.contextmanager
def selecting_along(shard: Shard, job: SelectJob | None) -> Iterator[Along | None]:
    """Select from a shard while it is scored; `select_shard` does later what this could not do whole."""
    if job is None or finished(shard, job.folder, job.hash) is not None:
        yield None
        return
    with contextlib.suppress(_NotWhole):
        draft = Draft(shard, job.folder, job.hash)
        with draft.open() as target:
            selection = Along(draft, job, target)
            yield selection
            if not selection.whole:
                raise _NotWhole  # the file is not kept
        draft.commit(selection.source)


def _chosen(document: Document, record: Document, score: float, kept: bool, job: SelectJob) -> Result:
    counts = {"tokens_in": record["tokens"]} if "tokens" in record else {}
    route = "kept" if kept else _route(score, job)
    if route != ("to_rephrase" if job.routed else "kept"):
        return Result(reason=route, counts=counts)
    if counts:
        counts["tokens_out"] = counts["tokens_in"]
    return Result(_selected(document, record, job.source), counts=counts)


def _route(score: float, job: SelectJob) -> str:
    """Where a document goes that is not kept: `to_rephrase`, or the reason why it is discarded."""
    if score != score:
        return "no_score"
    if job.rephrase and job.rephrase[0] <= score < job.rephrase[1]:
        return "to_rephrase"
    return "tied_over_budget" if score == job.cut.threshold else "below_threshold"


def _selected(document: Document, record: Document, source: str) -> Document:
    scores = {field: score for field, score in record["scores"].items() if score is not None}
    tokens = {"token_count": record["tokens"]} if "tokens" in record else {}
    return with_own(document, {**scores, **tokens, "source": source})


def refuse_no_scores(stats: Stats, field: str | None, pool: str) -> None:
    """Say that a pool cannot be selected from by a score: of its documents none has it as a number.

    Raises:
        ValueError: that is so.
    """
    documents = documents_in(stats)
    if documents and stats["drops"].get("no_score") == documents:
        raise ValueError(
            f"no document of {pool} has a number in {field!r} ({documents:,} have none): a score is a field of its own "
            "and no text; add a scorer, or name another field"
        )


def selection_figures(rule: All | Threshold | Fraction | Budget, cut: Cut) -> dict[str, Any]:
    """What `dataset.json` says of a selection: its mode, threshold, what was asked for and what was reached."""
    overshoot = None if cut.asked is None or cut.reached is None else cut.reached - cut.asked
    finite = cut.threshold if np.isfinite(cut.threshold) else None
    return {"mode": rule.kind, "threshold": finite, "asked": cut.asked, "reached": cut.reached, "overshoot": overshoot}


def score_figures(columns: Callable[[], Iterable[Columns]], cut: Cut, field: str | None) -> dict[str, Any]:
    """Histogram in 100 bins of all scored documents and of the kept ones, and quantiles: what the report draws."""
    if field is None:
        return {"histogram": None, "quantiles": {}}
    whole = Histogram()
    edges, rows = _binned(columns, cut, linear_bins(0, 1), whole)
    if not whole.total:
        return {"histogram": None, "quantiles": {}}
    if whole.low < 0 or whole.high > 1:
        edges, rows = _binned(columns, cut, linear_bins(whole.low, whole.high))
    picture = {"edges": [round(float(edge), 6) for edge in edges], **{name: row.tolist() for name, row in rows.items()}}
    return {"histogram": picture, "quantiles": whole.quantiles()}


def _binned(
    columns: Callable[[], Iterable[Columns]], cut: Cut, edges: NDArray[np.float64], whole: Histogram | None = None
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.int64]]]:
    """Documents and tokens per bin, of all scored and of the kept; counts all scores into `whole` on the way."""
    rows = {name: np.zeros(len(edges) - 1, np.int64) for name in ("documents", "kept", "tokens", "tokens_kept")}
    for number, one in enumerate(columns()):
        kept = keep(cut, one, number)
        scored = ~np.isnan(one.scores)
        if whole is not None:
            whole.add(one.scores[scored], one.tokens[scored])
        for name, which in (("", scored), ("_kept", kept)):
            documents, _ = np.histogram(one.scores[which], edges)
            tokens, _ = np.histogram(one.scores[which], edges, weights=one.tokens[which])
            rows["kept" if name else "documents"] += documents
            rows["tokens" + name] += tokens.astype(np.int64)
    return edges, rows
