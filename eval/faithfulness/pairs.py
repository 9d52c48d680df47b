"""Organic and recycled documents joined by id; percentiles of every measure, and the table."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from common.pools.documents import before_mark, page_of, record_of, rollout_of
from common.pools.repair import id_text

PERCENTILES = (5, 25, 50, 75, 95)


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Mean and the 5th, 25th, 50th, 75th and 95th percentile (linear between ranks); {} of nothing."""
    if not values:
        return {}
    import numpy as np

    cuts = np.percentile(values, PERCENTILES)
    return {"mean": float(np.mean(values)), **{f"p{p}": float(cut) for p, cut in zip(PERCENTILES, cuts, strict=True)}}


def summarize(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Percentiles of every number the rows carry, with `n`, the rows that have one."""
    names = dict.fromkeys(name for row in rows for name, value in row.items() if isinstance(value, int | float))
    summary = {}
    for name in names:
        values = [float(row[name]) for row in rows if isinstance(row.get(name), int | float)]
        summary[name] = {"n": len(values), **percentiles(values)}
    return summary


def read_pairs(organic: str, recycled: str, limit: int | None = None) -> Iterator[dict[str, Any]]:
    """Recycled documents with `organic_text`, taken from the organic pool by the page that their record names.

    Raises:
        ValueError: a recycled document has no organic text on either side, or pages share an id so that it is not known
            which is whose; says how many.
    """
    originals = Originals(organic, recycled) if recycled else None
    for count, (shard, row) in enumerate(_rows(recycled or organic)):
        if limit is not None and count >= limit:
            return
        text = originals.text_of(shard, row) if originals else row.get("organic_text")
        if text is None:
            name = id_text(row["id"])
            raise ValueError(f"document {name!r} has no organic text: neither in {organic} nor as 'organic_text'")
        yield {**row, "organic_text": text}


def _rows(pool: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """A pool's documents with the names of their shards; that of an only shard is empty, for it has but one partner."""
    from common.pools.documents import read_documents
    from common.pools.shards import list_shards

    shards = list_shards(pool)
    for shard in shards:
        for row in read_documents(shard.path, shard.index):
            yield shard.name if len(shards) > 1 else "", row


class Originals:
    """The organic texts of a recycled pool's documents.

    A page that alone bears its id is found by it. Pages that share one are told apart by shard and order: where a
    recycled shard holds its pages in the order of the organic shard of its name, and as many under that id.

    Args:
        organic: the organic pool.
        recycled: the recycled pool, which is read once beforehand.

    Raises:
        ValueError: a document's page is one of several and cannot be told from them; says how many documents.
    """

    def __init__(self, organic: str, recycled: str) -> None:
        self.texts: dict[str, list[tuple[str, str]]] = {}  # id → (shard, text) of every page that bears it
        self.order: dict[str, list[str]] = {}  # shard → ids
        for shard, row in _rows(organic):
            identity = id_text(row["id"])
            self.texts.setdefault(identity, []).append((shard, row["text"]))
            self.order.setdefault(shard, []).append(identity)
        self.fragments = {before_mark(identity) for identity in self.texts}
        self.turns: dict[tuple[str, str], tuple[int, int]] = {}  # (shard, page) → which page of the id, its rollout
        lost = self._count_lost(recycled)
        if lost:
            raise ValueError(
                f"{lost} documents of {recycled} have an id that several pages bear, so that it is not known which is "
                "theirs; give every page an id of its own, or rows that carry 'organic_text'"
            )
        self.turns.clear()

    def text_of(self, shard: str, document: Mapping[str, Any]) -> str | None:
        """The text of the page that the next document of a recycled shard rephrases; None if it is nowhere."""
        page = self.page(document)
        pages, turn = self.texts.get(page, []), self._turn(shard, page, document)
        own = document.get("organic_text")
        if len(pages) == 1:
            return pages[0][1]
        return own if own is not None or not pages else [text for name, text in pages if name == shard][turn]

    def page(self, document: Mapping[str, Any]) -> str:
        """The id of the page, as the record says, else the document's own.

        Where no page bears that, and it ends in `#n` as the ids of rollouts did in earlier versions, it is the id
        before that, unless the pool has pages under such ids.
        """
        page = page_of(document) or id_text(document["id"])
        old = None if page in self.texts else before_mark(page)
        return old if old in self.texts and old not in self.fragments else page

    def _turn(self, shard: str, page: str, document: Mapping[str, Any]) -> int:
        """Which of the pages under one id a document comes from: the rollouts of a page come by rising number."""
        rollout = rollout_of(document)
        turn, before = self.turns.get((shard, page), (-1, -1))
        if turn < 0 or rollout is None or rollout <= before:
            turn += 1
        self.turns[shard, page] = (turn, -1 if rollout is None else rollout)
        return turn

    def _count_lost(self, recycled: str) -> int:
        """Documents that carry no organic text and whose page cannot be told from another with its id."""
        said: dict[tuple[str, int | None], set[int]] = {}  # (page, rollout) → its texts, where one page has that id
        waiting: Counter[tuple[str, str]] = Counter()  # (shard, page), where several pages have that id
        astray: set[str] = set()  # shards that are not in the order of their organic shard
        order = {shard: iter(ids) for shard, ids in self.order.items()}
        for shard, row in _rows(recycled):
            page = self.page(row)
            before = self.turns.get((shard, page), (-1, -1))[0]
            new = self._turn(shard, page, row) != before
            if page in self.texts and new and page not in order.get(shard, ()):
                astray.add(shard)
            if row.get("organic_text") is None and page in self.texts:
                if len(self.texts[page]) > 1:
                    waiting[shard, page] += 1
                else:
                    said.setdefault((page, rollout_of(row)), set()).add(hash(row["text"]))
        lost = sum(len(texts) for texts in said.values() if len(texts) > 1)
        for (shard, page), number in waiting.items():
            pages = sum(name == shard for name, _ in self.texts[page])
            if shard in astray or pages != self.turns[shard, page][0] + 1:
                lost += number
        return lost


def chunk_records(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A recycled document's record of its chunks, if it says where each stands now; [] without one."""
    chunks = (record_of(document) or {}).get("chunks") or []
    return chunks if any(one.get("out_start") is not None for one in chunks) else []


def table(summary: Mapping[str, Mapping[str, float]]) -> str:
    """A summary as aligned text, one measure a line."""
    columns = ("n", "mean", *(f"p{p}" for p in PERCENTILES))
    lines = [f"{'':<20}" + "".join(f"{column:>9}" for column in columns)]
    for name, figures in summary.items():
        lines.append(f"{name:<20}{figures['n']:>9.0f}" + "".join(f"{figures[c]:>9.4f}" for c in columns[1:]))
    return "\n".join(lines)
