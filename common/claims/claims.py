"""Where one worker finds work in a pool: a shard that nobody has begun, or parts of one that others work on.

Nothing here waits and nothing here reads documents, so that a simulation runs the same code: it calls `next`, `commit`
and `renew` at the moments of its own clock. The requests that each makes do not grow with the pool.
"""

import random
from collections.abc import Callable

from common.claims.index import BEGUN, DONE, FOLDER, ShardIndex, digest_of
from common.claims.leases import LEASE_S, Claim, Leases, parts_folder
from common.claims.owner import Owner, claim_content, read_claim
from common.claims.store import ClaimStore, Clock
from common.claims.view import FREE, JOIN, ShardView, claim_name
from common.pools.marks import MARK

MOST_PARTS = 8
"""Parts in one claim, where a shard is long enough."""

LOOKS = 4
"""Shards that `next` looks at for free parts before it gives up for now."""

TRIES = 8
"""How often a worker goes on along a shard's claims that others made meanwhile."""

FIRST_PAUSE_S = 0.05
"""The first wait for work that others hold; each further one is twice as long, up to a third of a lease,
and two thirds on an object store."""

ROUND_LEASES = 12
"""In so many leases a waiting worker looks at every bucket of a large pool: it waits less between two of many."""


class Claims(Leases):
    """One worker's way through a pool, claim after claim.

    Args:
        store: where the pool lies.
        clock: what time it is.
        index: the shards of the run.
        owner: this worker.
        lease_s: after so long without a sign of life a claim is free again.
        most_parts: parts in one claim.
        finished: whether a shard is finished already; its mark is looked for if None.
    """

    def __init__(
        self,
        store: ClaimStore,
        clock: Clock,
        index: ShardIndex,
        owner: Owner,
        *,
        lease_s: float = LEASE_S,
        most_parts: int = MOST_PARTS,
        finished: Callable[[str], bool] | None = None,
    ) -> None:
        super().__init__(store, clock, index, owner, lease_s)
        self.most_parts = most_parts
        self.finished = finished or (lambda shard: store.exists(shard + MARK))
        self.pause_s = 0.0
        """How long to wait where `next` found nothing."""
        self.all_done = False
        """Every shard of the run is finished."""
        self.expected: dict[str, int] = {}
        """Shard → how many parts it seems to have, as this worker has read it."""
        self.shard: str | None = None
        """The shard that this worker is at."""
        self._random = random.Random(digest_of(owner.worker))
        start = digest_of(owner.worker) % index.buckets
        self._fresh = index.round_from(start)
        """Buckets that may hold shards that nobody has begun."""
        self._open = index.round_from(start)
        """Buckets that may hold shards that are not done."""
        self._untaken: list[str] = []
        """Keys of the bucket in hand that nobody had begun when it was listed, the last one first."""
        self._listed_s = 0.0
        self._tried: set[str] = set()
        """Keys of the bucket in hand that somebody has begun, whatever a late listing says."""
        self._fruitless = 0
        self._came_back = False

    def next(self) -> Claim | None:
        """The next claim. None: there is nothing to do for `pause_s`, or, with `all_done`, for good."""
        if not self._came_back:
            self._came_back = True
            self.shard = self._last_shard()
        # a shard whose last parts may have been committed since: it is put together by whom it was left to
        left = dict.fromkeys([*self.ended, *([self.shard] if self.shard is not None else [])])
        self.ended.clear()
        for shard in left:
            claim = self._look(shard) if shard not in self.passed else None
            if claim is not None:
                self.ended += [other for other in left if other != shard]
                return claim
        self.shard = None
        claim = self._begin_shard() or self._help()
        if claim is not None:
            self._fruitless, self.pause_s = 0, 0.0
            self.shard = claim.shard
            self.store.overwrite(self._note, claim.shard.encode(errors="surrogatepass"))
        return claim

    @property
    def _note(self) -> str:
        return f"{FOLDER}/workers/{digest_of(self.owner.worker):016x}"

    def _last_shard(self) -> str | None:
        """The shard that this worker was at before it was stopped; it goes on from that shard's bucket."""
        found = self.store.read(self._note)
        shard = found.decode(errors="surrogatepass") if found else None
        if shard is None or not self.index.holds(shard):
            return None
        self._fresh = self.index.round_from(self.index.bucket(shard))
        if shard in self.passed:
            return None
        return None if self.store.exists(self.index.entry(shard) + DONE) else shard

    def _begin_shard(self) -> Claim | None:
        """A claim on a shard that nobody has begun."""
        while True:
            while self._untaken:
                shard = self.index.names[self._untaken.pop()]
                claim = self._begin(shard)
                if claim is not None:
                    return claim
                if len(self._tried) % LOOKS == 0 or self.clock.now() - self._listed_s > self.lease_s:
                    break  # the listing is old: others have begun much of it since
            if not self._fresh:
                return None
            bucket = self._fresh[0]
            keys, listed = self.index.keys[bucket], self.store.list(self.index.folder(bucket))
            self._listed_s = self.clock.now()
            offset = digest_of(f"{self.owner.worker} {bucket}") % max(1, len(keys))
            fresh = [key for key in keys[offset:] + keys[:offset] if key not in listed and key not in self._tried]
            self._untaken = [key for key in fresh if self.index.names[key] not in self.passed][::-1]
            if not self._untaken:
                self._leave(self._fresh, BEGUN, whole=all(key in listed for key in keys))
                self._tried.clear()

    def _begin(self, shard: str) -> Claim | None:
        self._tried.add(f"{digest_of(shard):016x}")
        if not self.store.create(self.index.entry(shard), claim_content(self.owner)):
            return None
        return self._look(shard)

    def _help(self) -> Claim | None:
        """A claim on a shard that others work on, or worked on until they ended."""
        while self._open:
            bucket = self._open[0]
            names, listed = self.index.names, self.store.list(self.index.folder(bucket))
            running = [
                key for key in self.index.keys[bucket] if key + DONE not in listed and names[key] not in self.passed
            ]
            if not running:
                self._leave(self._open, DONE, whole=all(key + DONE in listed for key in self.index.keys[bucket]))
                continue
            for key in self._random.sample(running, min(LOOKS, len(running))):
                taken = listed.get(key)
                claim = self._look(names[key], taken.modified) if taken else self._begin(names[key])
                if claim is not None:
                    return claim
            self._open.append(self._open.pop(0))
            self._wait()
            return None
        self.all_done = True
        return None

    def _leave(self, buckets: list[int], kind: str, *, whole: bool) -> None:
        """Leave out the first of some buckets, and those of which others noted that there is nothing more in them.

        Args:
            buckets: those that may hold something.
            kind: of what is noted.
            whole: it holds of every shard of the first bucket, whoever looks.
        """
        bucket = buckets.pop(0)
        if self.index.summary is None:
            return
        noted = self.store.list(self.index.summary)
        if whole and f"{bucket}{kind}" not in noted:
            self.store.create(f"{self.index.summary}/{bucket}{kind}", b"{}")
        buckets[:] = [one for one in buckets if f"{one}{kind}" not in noted]

    def _wait(self) -> None:
        """Say how long to wait: longer and longer, since many others look too, and a store may ask for each look."""
        most = min(self.lease_s / (3 if self.store.local else 1.5), ROUND_LEASES * self.lease_s / len(self._open))
        longest = min(most, FIRST_PAUSE_S * 2.0 ** min(self._fruitless, 30))
        self._fruitless += 1
        self.pause_s = longest * (0.5 + self._random.random() / 2)

    def _look(self, shard: str, taken_s: float | None = None) -> Claim | None:
        """A claim on a shard, if something of it is free.

        Args:
            shard: its name.
            taken_s: when another worker entered it in the index, by the store's clock.
        """
        files = self.store.list(parts_folder(shard))
        view = ShardView(files, self.ends.get(shard))
        self.set_clock(parts_folder(shard), files)
        if not view.claims:
            # its first worker is about to claim, or ended before it could, or the shard is done and this comes late
            if taken_s is not None and not self.has_lapsed(taken_s, self.index.entry(shard)):
                return None
            if self.is_finished(shard):
                return None
        if view.last is not None and view.complete:
            return self._claim_join(shard, view.last)
        return self._claim_parts(shard, view)

    def is_finished(self, shard: str) -> bool:
        """Whether a shard is finished; the index then says so too."""
        if shard in self.passed:
            return True
        if self.finished(shard):
            self.set_done(shard)
            return True
        return False

    def _claim_parts(self, shard: str, view: ShardView) -> Claim | None:
        """The parts of a worker that ended, else those that nobody has claimed."""
        folder, expected = parts_folder(shard), None
        if view.last is not None:
            stop = view.last + 1
        elif view.claims:
            last = max(view.claims)
            name = claim_name(last, view.claims[last][0])
            if shard in self.newest and self.newest[shard][0] == name:
                _, stop, expected = self.newest[shard]
            else:
                about = read_claim(self.store.read(f"{folder}/{name}"))
                stop, expected = int(about.get("stop", last + 1)), about.get("expected")
        else:
            stop = view.begun()
        live = 0
        for first, end, todo in view.left(stop):
            generation, modified = view.claims[first]
            name = claim_name(first, generation)
            path = f"{folder}/{name}"
            held = path in self.held or not (
                name in view.free or self.has_lapsed(view.newest(first, end, modified), path)
            )
            if held:
                live += 1
                continue
            if self.is_finished(shard):
                return None
            claim = self.make(shard, claim_name(first, generation + 1), end, todo, expected)
            if claim is not None:
                return claim
        return self._claim_more(shard, view, stop, self.expected.get(shard, expected), live)

    def _claim_more(self, shard: str, view: ShardView, first: int, expected: int | None, live: int) -> Claim | None:
        """The parts behind the last claim."""
        if view.last is not None:
            return None
        for _ in range(TRIES):
            if view.beyond is not None and first >= view.beyond:
                return None
            stop = first + self._size(first, expected, live)
            todo = [number for number in range(first, stop) if number not in view.committed]
            name = claim_name(first, 0)
            claim = self.make(shard, name, stop, todo, expected)
            if claim is not None and todo:
                return claim
            about = read_claim(self.store.read(f"{parts_folder(shard)}/{name}"))
            first, expected = int(about.get("stop", first + 1)), about.get("expected", expected)
        return None

    def _size(self, first: int, expected: int | None, live: int) -> int:
        """Parts of a new claim: one where nobody knows the shard yet, fewer towards its end, so that nobody is late."""
        if expected is None:
            return 1
        return max(1, min(self.most_parts, (expected - first) // (2 * (live + 1))))

    def _claim_join(self, shard: str, last: int) -> Claim | None:
        """The right to put a shard together, if nobody has it. It stays in the index when the parts are gone."""
        folder, _, key = self.index.entry(shard).rpartition("/")
        files = self.store.list(folder)
        generations = [name for name in files if name.startswith(f"{key}.{JOIN}.") and not name.endswith(FREE)]
        number = 0
        if generations:
            name = max(generations)
            free = f"{name}.{FREE}" in files
            if f"{folder}/{name}" in self.held:
                return None
            if not free and not self.has_lapsed(files[name].modified, f"{folder}/{name}"):
                return None
            number = int(name.rpartition(".")[2]) + 1
        if self.is_finished(shard):
            return None
        return self.make_join(shard, f"{folder}/{key}.{JOIN}.{number:02d}", last + 1)
