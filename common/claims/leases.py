"""The claims that one worker holds: made, renewed, committed, released, lost.

A claim is made by creating a file that was not there. Its holder shows life by committing parts and by writing the
file anew; after `lease_s` without either it counts as ended, and the next generation of the claim may be created. Two
workers that both believe to hold a claim waste work and no more: a part counts through the first mark created for it,
which names the files that hold it.
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from common.claims.index import BEGUN, DONE, ShardIndex
from common.claims.owner import Owner, as_json, claim_content, has_ended
from common.claims.store import ClaimStore, Clock
from common.claims.view import BEYOND, END, FREE, mark_name, number_name
from common.pools.storage import StoredFile

LEASE_S = 90.0
"""How long a claim lives without a sign of life (s)."""


@dataclass(eq=False, slots=True)
class Claim:
    """Parts of a shard that this worker holds."""

    shard: str
    folder: str
    """The shard's folder of parts, inside the pool."""
    path: str
    """Of its file, inside the pool."""
    content: bytes
    first: int
    stop: int
    """The part behind the last."""
    todo: list[int]
    """Parts that are not committed."""
    token: str
    """Goes into the names of the files that are committed under it."""
    joins: bool = False
    """All parts are there, and are to be put together."""
    seen_s: float = 0.0
    """When it last showed life."""
    written_s: float = 0.0
    """When its file was last written."""
    lost: bool = False
    """Another worker has taken it over."""


def parts_folder(shard: str) -> str:
    """A shard's folder of parts, inside the pool."""
    folder, slash, name = shard.rpartition("/")
    return f"{folder}{slash}.{name}.parts"


class Leases:
    """The claims that one worker holds in one pool.

    Args:
        store: where the pool lies.
        clock: what time it is.
        index: the shards of the run.
        owner: this worker.
        lease_s: after so long without a sign of life a claim is free again; it is renewed three times as often.
    """

    def __init__(self, store: ClaimStore, clock: Clock, index: ShardIndex, owner: Owner, lease_s: float) -> None:
        self.store = store
        self.clock = clock
        self.index = index
        self.owner = owner
        self.lease_s = lease_s
        self.held: dict[str, Claim] = {}
        """By the path of their files."""
        self.ended: list[str] = []
        """Shards of claims that were ended since somebody looked."""
        self.passed: set[str] = set()
        """Shards that are no work for this worker: finished, or unreadable."""
        self.ends: dict[str, str] = {}
        """Shard → the name of the file that says where it ends, as this worker wrote it: a listing may lack it yet."""
        self.newest: dict[str, tuple[str, int, int | None]] = {}
        """Shard → the last claim that this worker made of it: its name, the part behind its last, and `expected`."""
        self.skew_s = 0.0
        """How far the store's clock is ahead of this one's."""
        self.lock = threading.Lock()
        self._serial = 0

    def make(self, shard: str, name: str, stop: int, todo: list[int], expected: int | None = None) -> Claim | None:
        """A claim under a name that nobody else has taken; None where somebody has.

        Args:
            shard: of which.
            name: of the claim's file.
            stop: the part behind its last.
            todo: its parts that are not committed.
            expected: how many parts the shard seems to have, for those who claim more of it.
        """
        folder, first = parts_folder(shard), int(name.split(".")[1])
        content = claim_content(self.owner, stop=stop, expected=expected)
        if not self.store.create(f"{folder}/{name}", content):
            return None
        self.newest[shard] = name, stop, expected
        claim = self._hold(Claim(shard, folder, f"{folder}/{name}", content, first, stop, todo, self._token()))
        if not todo:
            self.held.pop(claim.path)
        return claim

    def make_join(self, shard: str, path: str, stop: int) -> Claim | None:
        """The right to put a shard of `stop` parts together; None where somebody has it."""
        content = claim_content(self.owner)
        if not self.store.create(path, content):
            return None
        return self._hold(Claim(shard, parts_folder(shard), path, content, 0, stop, [], self._token(), joins=True))

    def _token(self) -> str:
        self._serial += 1
        return f"{self.owner.token}{self._serial:x}"

    def _hold(self, claim: Claim) -> Claim:
        claim.seen_s = claim.written_s = self.clock.now()
        self.held[claim.path] = claim
        return claim

    def renew(self) -> None:
        """Show life for every claim that has not for a third of a lease. Call it at least twice as often."""
        for claim in list(self.held.values()):
            now = self.clock.now()
            if now - claim.seen_s < self.lease_s / 3:
                continue
            with self.lock:
                if claim.path not in self.held or (now - claim.seen_s > self.lease_s and self._is_lost(claim)):
                    continue
                self.store.overwrite(claim.path, claim.content)
                claim.seen_s = claim.written_s = now

    def commit(
        self, claim: Claim, number: int, mark: Mapping[str, Any], lines: Mapping[str, Iterable[bytes]] | None = None
    ) -> bool:
        """Make a part count.

        Args:
            claim: which holds it.
            number: the part.
            mark: what its mark says; `files` is added to.
            lines: kind of file → its lines.

        Returns:
            False where another worker committed it before.
        """
        files: dict[str, Any] = {"by": claim.token}
        try:
            for kind, rows in (lines or {}).items():
                name = f"{number:06d}.{claim.token}.{kind}"
                files[kind] = {**self.store.write(f"{claim.folder}/{name}", rows), "name": name}
            content = as_json({**mark, "files": {**files, **mark.get("files", {})}})
            first = self.store.create(f"{claim.folder}/{mark_name(number)}", content, durable=True)
        except FileNotFoundError:  # the folder was removed under it: its shard is done
            first = False
        if first:
            claim.seen_s = self.clock.now()
        else:
            for kind in files.keys() - {"by"}:
                self.store.remove(f"{claim.folder}/{files[kind]['name']}")
            self._is_lost(claim)
        claim.todo.remove(number)
        self._end_if_done(claim)
        return first

    def end(self, claim: Claim, last: int | None) -> None:
        """Say that the shard ends in this claim.

        Args:
            claim: its parts behind `last` are none, and are no longer to be done.
            last: the last part; None: the shard ends before this claim.
        """
        name = number_name(BEYOND, claim.first) if last is None else number_name(END, last)
        self.store.create(f"{claim.folder}/{name}", b"{}")
        self.ends[claim.shard] = name
        claim.todo = [number for number in claim.todo if last is not None and number <= last]
        self._end_if_done(claim)

    def release(self, claim: Claim) -> None:
        """Let go of a claim: whoever looks next may take over what is left of it."""
        with self.lock:
            if self.held.pop(claim.path, None) is not None and not claim.lost:
                self.store.create(f"{claim.path}.{FREE}", b"{}")

    def release_all(self) -> None:
        """Let go of every claim."""
        for claim in list(self.held.values()):
            self.release(claim)

    def joined(self, claim: Claim) -> None:
        """Say that a shard is put together and marked, and remove its parts."""
        with self.lock:
            self.held.pop(claim.path, None)
            self.set_done(claim.shard)

    def set_done(self, shard: str) -> None:
        """Let the index say that a shard is finished, then remove its parts: whoever misses them finds it done."""
        self.store.create(self.index.entry(shard) + DONE, b"{}")
        self.store.remove(parts_folder(shard))
        self.ends.pop(shard, None)
        self.newest.pop(shard, None)
        self.passed.add(shard)

    def give_up(self, claim: Claim) -> None:
        """Remove all that was made of a shard: it is begun anew, by whomever."""
        with self.lock:
            self.held.pop(claim.path, None)
            self.store.remove(claim.folder)
            self.ends.pop(claim.shard, None)
            self.newest.pop(claim.shard, None)
            reopen(self.store, self.index, claim.shard)

    def age(self, modified: float) -> float:
        """How long ago the store's clock showed a time."""
        return self.clock.now() + self.skew_s - modified

    def has_lapsed(self, modified: float, path: str) -> bool:
        """Whether the writer of a file has ended: no sign of life for a lease, or its process is one of this machine's
        and is gone."""
        return self.age(modified) > self.lease_s or (self.store.local and has_ended(self.store.read(path)))

    def set_clock(self, folder: str, files: Mapping[str, StoredFile]) -> None:
        """Learn from the times of this worker's own files how far the store's clock is from this one's."""
        for claim in self.held.values():
            about = files.get(claim.path.removeprefix(f"{folder}/"))
            if about is not None and about.modified:
                self.skew_s = about.modified - claim.written_s
                return

    def _is_lost(self, claim: Claim) -> bool:
        """Whether another worker took over a claim whose holder was silent for too long."""
        name, _, generation = claim.path.rpartition(".")
        if self.store.exists(f"{name}.{int(generation) + 1:02d}"):
            claim.lost = True
            self.held.pop(claim.path, None)
        return claim.lost

    def _end_if_done(self, claim: Claim) -> None:
        if not claim.todo:
            self.held.pop(claim.path, None)
            self.ended.append(claim.shard)


def reopen(store: ClaimStore, index: ShardIndex, shard: str) -> None:
    """Take a shard for one that nobody has begun: its output is gone or is not what its mark says."""
    folder, _, key = index.entry(shard).rpartition("/")
    if index.summary is not None:
        for kind in (BEGUN, DONE):
            store.remove(f"{index.summary}/{index.bucket(shard)}{kind}")
    for name in store.list(folder):
        if name == key or name.startswith(f"{key}."):
            store.remove(f"{folder}/{name}")
