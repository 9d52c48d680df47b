"""One worker's work on a pool: claimed parts go through a stage as one stream, are committed, and are put together.

Where batches do not shape the output, the stage sees one unbroken stream of documents over all claims, so that its
engine is never drained between two of them; else it is called anew for each part, and a part's output depends on the
part alone.
"""

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from common.claims.claims import Claims
from common.claims.index import FOLDER
from common.claims.leases import Claim, parts_folder
from common.claims.reading import PartsInWork, ShardReading
from common.claims.store import FileStore
from common.claims.view import mark_name
from common.pools.documents import Document, form_of
from common.pools.exactly_once import Damaged, ShardWork, Transform
from common.pools.inputs import Record, place_of, unchanged
from common.pools.marks import MARK, Unreadable, read_done, read_mark, refuse_other
from common.pools.shards import Shard
from common.pools.stats import Stats
from common.pools.storage import is_remote, join, list_folders, listing, one_listing_each, sweep, sweep_once

POOL_LISTED = 20_000
"""Up to so many shards on this machine's disks, every mark is read before a run; beyond, and on object stores, a mark
that is there is believed."""

log = logging.getLogger("repro")

NAP_S = 0.5
"""How long a waiting worker sleeps before it looks whether it was told to stop."""


class PoolWork:
    """One worker's work on a pool.

    Args:
        claims: this worker's.
        shards: the run's.
        output: the output pool.
        config_hash: of the configuration that shapes the output.
        part_docs: input lines per part.
        form: how the output is stored, as an ending; each shard's own if None.
    """

    def __init__(
        self,
        claims: Claims,
        shards: Sequence[Shard],
        output: str,
        *,
        config_hash: str,
        part_docs: int,
        form: str | None = None,
    ) -> None:
        self.claims = claims
        self.shards = {shard.name: shard for shard in shards}
        self.output = output
        self.config_hash = config_hash
        self.part_docs = part_docs
        self.form = form
        self.done: dict[str, Stats] = {}
        """The shards that this worker put together."""
        self.unreadable: list[Unreadable] = []
        self.stopping = False
        self.tell: Callable[[str, str], None] = lambda event, shard: None
        """Told of the shard that this worker is `at`, and of one that is `done`."""
        self._reading: ShardReading | None = None
        self._pending: deque[tuple[PartsInWork, int]] = deque()
        self._clock_s: float | None = None
        self._known: set[str] = set()
        self._exhausted = True

    def stop(self) -> None:
        """Begin no part any more, commit those begun, and let go of the rest."""
        self.stopping = True

    def shard_in_turn(self) -> str:
        """The shard of the document whose result comes next."""
        return self._pending[0][0].claim.shard

    def run(self, transform: Transform, *, by_part: bool = False) -> None:
        """Work until every shard of the run is finished, by whomever, or this worker is told to stop.

        Args:
            transform: called with a stream of documents; gives one result for each, in order.
            by_part: call it anew for each part.

        Raises:
            RuntimeError: the stage lost or invented documents.
            ValueError: the output was made by other settings.
        """
        with _heartbeat(self.claims):
            try:
                while not self.stopping and not self.claims.all_done:
                    if by_part:
                        self._run_parts(transform)
                    else:
                        self._send(transform, self._documents())
                    self._nap()
            finally:
                with suppress(OSError):  # a full disk: the lease then runs out
                    self.claims.release_all()

    def _nap(self) -> None:
        left = 0.0 if self.claims.all_done else self.claims.pause_s
        while left > 0 and not self.stopping:
            self.claims.clock.sleep(min(NAP_S, left))
            left -= NAP_S

    def _documents(self) -> Iterator[Document]:
        self._exhausted = False
        while not self.stopping and (work := self._open()) is not None:
            yield from self._feed(work, work.claim.todo[0], work.claim.stop)
        self._exhausted = True

    def _run_parts(self, transform: Transform) -> None:
        while not self.stopping and (work := self._open()) is not None:
            for number in list(work.claim.todo):
                if self.stopping or work.claim.lost or number not in work.claim.todo:
                    break
                self._send(transform, self._part(work, number))

    def _part(self, work: PartsInWork, number: int) -> Iterator[Document]:
        self._exhausted = False
        yield from self._feed(work, number, number + 1)
        self._exhausted = True

    def _open(self) -> PartsInWork | None:
        """The next claim's parts; shards that are complete are put together on the way."""
        while (claim := self.claims.next()) is not None:
            if claim.joins:
                self._join(claim)
                continue
            shard = self.shards[claim.shard]
            if shard.name not in self._known:
                self._refuse_other(claim)
                self._known.add(shard.name)
            if self._reading is None or self._reading.shard is not shard:
                self._reading = ShardReading(shard, self.part_docs)
                self.tell("at", shard.name)
            exact = form_of(shard.name + self._form(shard)) == ".parquet"
            return PartsInWork(claim, self._reading, exact=exact)
        return None

    def _form(self, shard: Shard) -> str:
        return self.form or form_of(shard.path)

    def _feed(self, work: PartsInWork, first: int, stop: int) -> Iterator[Document]:
        """The documents of some parts of a claim; at its end all that is done is committed."""
        claim, reading = work.claim, work.reading
        number = first
        for position, document in reading.documents(work, first, stop):
            if position // self.part_docs != number:
                number = work.fed = position // self.part_docs
                self._commit(work)
                if self.stopping or claim.lost:
                    reading.close()
                    return
            if work.give(position):
                self._pending.append((work, position))
                yield document
        work.fed = stop
        if reading.ended:
            self._end(work)
        expected = reading.expected()
        if expected is not None:
            self.claims.expected[claim.shard] = expected
        self._commit(work)

    def _end(self, work: PartsInWork) -> None:
        """The shard holds nothing more."""
        claim = work.claim
        work.last = work.found_last()
        if work.reading.reader is not None and work.reading.reader.broken:
            log.warning("%s; what was read before is kept", work.reading.reader.broken)
        if work.last is None:
            before = (claim.todo or [claim.first])[0] - 1  # the last part, if an earlier version committed it
            content = self.claims.store.read(f"{claim.folder}/{mark_name(before)}") if before >= 0 else None
            work.last = before if content and json.loads(content)["last"] else None
        self.claims.end(claim, work.last)
        work.fed = claim.stop

    def _send(self, transform: Transform, documents: Iterator[Document]) -> None:
        """Send documents through the stage, if there are any, and commit the parts that are done."""
        first = next(documents, None)
        if first is None:
            return  # an engine is not opened for nothing
        for result in transform(self._timed(first, documents)):
            if not self._pending:
                raise RuntimeError("the stage gave more results than it had documents")
            work, position = self._pending.popleft()
            work.add(position, result)
            self._commit(work)
        if self._pending or not self._exhausted:
            raise RuntimeError(f"the stage gave no result for {len(self._pending)} documents, or left some unread")

    def _timed(self, first: Document, documents: Iterator[Document]) -> Iterator[Document]:
        if self._clock_s is None:
            self._clock_s = time.monotonic()  # the stage asks for work, so its models are there: start-up is over
        yield first
        yield from documents

    def _commit(self, work: PartsInWork) -> None:
        for part, mark in work.due():
            now = time.monotonic()
            mark |= {"seconds": now - (self._clock_s or now), "config_hash": self.config_hash}
            self._clock_s = now
            lines = {"jsonl": part.kept, **({"rejects.jsonl": part.rejects} if part.rejects else {})}
            self.claims.commit(work.claim, part.number, mark, lines)

    def _refuse_other(self, claim: Claim) -> None:
        """Refuse a shard whose committed parts other settings made; the one before the claim's is asked."""
        before = claim.todo[0] - 1
        content = self.claims.store.read(f"{claim.folder}/{mark_name(before)}") if before >= 0 else None
        if content is not None:
            refuse_other(self.output, json.loads(content)["config_hash"], self.config_hash)

    def _join(self, claim: Claim) -> None:
        """Put a complete shard together and mark it done."""
        shard = self.shards[claim.shard]
        try:
            marks = [self._mark(claim, number) for number in range(claim.stop)]
            self._put_together(claim, shard, marks)
        except FileNotFoundError:
            if not self.claims.is_finished(shard.name):  # or another worker was faster, and the parts are gone
                raise
            self.claims.held.pop(claim.path, None)

    def _put_together(self, claim: Claim, shard: Shard, marks: list[dict[str, Any]]) -> None:
        work = ShardWork(shard, self.output, self.config_hash, self.part_docs, self._form(shard))
        for mark in marks:
            refuse_other(self.output, mark["config_hash"], self.config_hash)
        if not _are_of_one_input(shard.path, marks):
            log.warning("%s changed since its first parts were committed; it is begun again", shard.path)
            self.claims.give_up(claim)
            self._reading = None
            return
        work.committed = marks
        sweep_once(work.folder)
        try:
            self.done[shard.name] = work.finish()
        except Damaged as error:
            log.warning("%s; it is done again", error)
            self.claims.store.remove(f"{claim.folder}/{mark_name(error.number)}")
            self.claims.release(claim)
        except Unreadable as error:
            self.unreadable.append(error)
            self.claims.passed.add(shard.name)
            self.claims.give_up(claim)
        else:
            self.claims.joined(claim)
            self.tell("done", shard.name)

    def _mark(self, claim: Claim, number: int) -> dict[str, Any]:
        """A part's mark, which may come into sight late."""
        name = f"{claim.folder}/{mark_name(number)}"
        end = self.claims.clock.now() + self.claims.lease_s
        while (content := self.claims.store.read(name)) is None:
            if self.claims.clock.now() > end or self.claims.finished(claim.shard):
                raise FileNotFoundError(f"{self.output}/{name} is listed and not there")
            self.claims.clock.sleep(NAP_S)
        mark: dict[str, Any] = json.loads(content)
        return mark


def finished_before(
    shards: Sequence[Shard], output: str, config_hash: str, *, form: str | None = None, verify: bool = False
) -> tuple[dict[str, Stats], list[str]]:
    """The shards that are finished, with their stats, and those whose marks are there while their outputs are not.

    Of an object store, or of very many shards, nothing is looked at unless `verify`: no pool is too large to begin.

    Raises:
        ValueError: other settings made the output, or the input of a finished shard is another than it was.
    """
    if not verify and (is_remote(output) or len(shards) > POOL_LISTED):
        return {}, []
    finished, lost = {}, []
    with one_listing_each():
        for shard in shards:
            outputs = [shard.name + (form or form_of(shard.path))]
            stats = read_done(output, shard.name, config_hash, source=shard.path, outputs=outputs, verify=verify)
            if stats is not None:
                finished[shard.name] = stats
            elif shard.name + MARK in listing(output):
                lost.append(shard.name)
    return finished, lost


def read_others(shards: Sequence[Shard], output: str, known: Mapping[str, Stats]) -> Iterator[Stats]:
    """The stats of all shards; what other machines finished is read."""
    for shard in shards:
        found = known.get(shard.name)
        yield found if found is not None else read_mark(join(output, shard.name + MARK))


def sweep_parts(shards: Sequence[Shard], output: str) -> None:
    """Remove what is left of the parts of finished shards: of a worker that died between the mark and the broom, or
    that woke up when all was done. One listing of each folder shows it; a very large pool on an object store is spared
    even that."""
    if is_remote(output) and len(shards) > POOL_LISTED:
        return
    store, names = FileStore(output), {parts_folder(shard.name): shard.name for shard in shards}
    for folder in {name.rpartition("/")[0] for name in names}:
        for found in list_folders(join(output, folder)):
            place = f"{folder}/{found}" if folder else found
            if place in names and store.exists(names[place] + MARK):
                store.remove(place)
        sweep(join(output, folder))
    for found in list_folders(join(output, FOLDER)):
        sweep(join(output, f"{FOLDER}/{found}"))


def refuse_unreadable(errors: Sequence[Unreadable]) -> None:
    """Raise the first error of shards of which not one document could be read; several workers may have met one."""
    messages = list(dict.fromkeys(map(str, errors)))
    if messages:
        more = f" (and {len(messages) - 1} more shards)" if len(messages) > 1 else ""
        raise Unreadable(f"{messages[0]}{more}; the other shards are done")


def _are_of_one_input(path: str, marks: Sequence[Mapping[str, Any]]) -> bool:
    """Whether all parts were made from one and the same file, which is still there as it was."""
    records: list[Record] = [found for mark in marks if (found := (mark.get("files") or {}).get("input"))]
    now = place_of(path)[1:]  # a device has another number on every machine
    different = [record for record in records if record["place"][1:] != now]
    whole = marks[-1].get("files", {}).get("input")
    return all(unchanged(path, record, whole=record is whole) for record in different)


@contextmanager
def _heartbeat(claims: Claims) -> Iterator[None]:
    """Renew claims from a thread while the block works."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(claims.lease_s / 6):
            try:
                claims.renew()
            except OSError as error:  # the next one may get through; if none does, the lease runs out
                log.warning("a claim could not be renewed: %s", error)

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
