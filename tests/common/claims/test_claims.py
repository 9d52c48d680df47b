"""Claims by their own rules, on a store in memory whose clock goes when it is told to and that may show things late."""

import random
import threading
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.claims.claims import Claims
from common.claims.index import ShardIndex
from common.claims.leases import LEASE_S, parts_folder, reopen
from common.claims.owner import Owner, claim_content, has_ended, read_claim, this_process
from common.claims.store import FileStore
from common.claims.view import ShardView, claim_name, mark_name, number_name
from common.pools import storage
from common.pools.marks import MARK

spec = spec_from_file_location("stores", Path(__file__).with_name("stores.py"))
stores = module_from_spec(spec)
spec.loader.exec_module(stores)
MemoryStore, SetClock = stores.MemoryStore, stores.SetClock


def owner(name):
    return Owner(name, "elsewhere", 1, "1", name)


class Pool:
    """A pool of shards of so many parts, whose parts are committed as soon as they are asked for."""

    def __init__(self, shards, late_s=0.0):
        self.clock = SetClock()
        self.store = MemoryStore(self.clock, late_s)
        self.parts = dict(shards)
        self.index = ShardIndex(self.parts)
        self.joined = []
        self.made = []

    def claims(self, name, **how):
        return Claims(self.store, self.clock, self.index, owner(name), **how)

    def step(self, claims, claim, *, stop_after=None):
        """Do a claim's parts, or all but the last of them; whether anything was done."""
        if claim is None:
            self.clock.sleep(claims.pause_s)
            return False
        if claim.joins:
            if not self.store.exists(claim.shard + MARK):
                assert all(self.store.read(f"{claim.folder}/{number:06d}.json") for number in range(claim.stop))
                self.store.create(claim.shard + MARK, b"{}")
                self.joined.append(claim.shard)
            claims.joined(claim)
            return True
        last = self.parts[claim.shard] - 1
        claims.expected[claim.shard] = last + 1
        if claim.first <= last < claim.stop:
            claims.end(claim, last)
        elif claim.first > last:
            claims.end(claim, None)
        for count, number in enumerate(list(claim.todo)):
            if count == stop_after:
                return True
            self.clock.sleep(1)
            claims.renew()
            if claims.commit(claim, number, {"config_hash": "h", "last": number == last}):
                self.made.append((claim.shard, number))
        return True


def work(pool, workers, limit=100_000):
    while not all(worker.all_done for worker in workers):
        for worker in workers:
            if not worker.all_done:
                pool.step(worker, worker.next())
        limit -= 1
        assert limit, "the pool is never done"


@pytest.mark.parametrize("late_s", [0.0, 20.0])
def test_every_part_is_made_once_and_every_shard_joined_once(late_s):
    pool = Pool({f"s{number}": number % 23 + 1 for number in range(40)}, late_s)
    work(pool, [pool.claims(f"w{number}") for number in range(7)])
    # who sees late that a shard is done may make parts of it for nothing; they go nowhere
    assert len(pool.made) == len(set(pool.made)) or late_s
    assert sorted(set(pool.made)) == sorted((name, n) for name, parts in pool.parts.items() for n in range(parts))
    assert sorted(pool.joined) == sorted(pool.parts)


@given(st.integers(0, 10_000), st.booleans())
def test_workers_that_stop_anywhere_lose_no_part_and_double_none(seed, late):
    draw = random.Random(seed)
    pool = Pool({f"s{number}": draw.randint(1, 12) for number in range(6)}, 15.0 if late else 0.0)
    for number in range(8):
        worker = pool.claims(f"w{number}", most_parts=draw.randint(1, 8))
        for _ in range(draw.randint(0, 6)):
            pool.step(worker, worker.next(), stop_after=draw.randint(0, 3))
        pool.clock.sleep(draw.choice([0, 5, LEASE_S * 2]))
    work(pool, [pool.claims("x"), pool.claims("y")])
    assert len(pool.made) == len(set(pool.made)) or late
    assert sorted(set(pool.made)) == sorted((name, n) for name, parts in pool.parts.items() for n in range(parts))
    assert sorted(pool.joined) == sorted(pool.parts)


def test_a_claim_is_taken_over_when_its_lease_has_run_out_and_not_before():
    pool = Pool({"s": 4})
    first, second = pool.claims("a"), pool.claims("b")
    claim = first.next()
    assert (claim.first, claim.stop) == (0, 1)  # nobody knows yet how long the shard is
    first.expected["s"] = 4
    more = first.next()
    assert (more.first, more.stop) == (1, 2)
    pool.clock.sleep(LEASE_S - 1)
    assert second.next().first == 2  # what nobody holds
    pool.clock.sleep(2)
    taken = second.next()
    assert (taken.first, taken.todo, taken.path) == (0, [0], ".s.parts/claim.000000.01")


def test_a_renewed_claim_is_not_taken_over_and_a_late_worker_finds_its_claim_lost():
    pool = Pool({"s": 1})
    first, second = pool.claims("a"), pool.claims("b")
    claim = first.next()
    first.end(claim, 0)
    for _ in range(10):
        pool.clock.sleep(LEASE_S / 3)
        first.renew()
        assert second.next() is None
    pool.clock.sleep(LEASE_S + 1)
    taken = second.next()
    assert taken is not None
    assert second.commit(taken, 0, {}) and not first.commit(claim, 0, {})
    assert claim.lost and not first.held


@pytest.mark.parametrize("beyond", [False, True])
def test_a_shard_whose_end_nobody_could_note_is_put_together_all_the_same(beyond):
    pool = Pool({"s": 4})
    first = pool.claims("a", most_parts=4)
    whole = [first.next()]
    first.expected["s"] = 7
    whole += [first.next(), first.next(), first.next()]
    assert [(one.first, one.stop) for one in whole] == [(0, 1), (1, 2), (2, 3), (3, 4)]
    for number, claim in enumerate(whole):
        first.commit(claim, number, {"config_hash": "h", "last": number == 3})
    if beyond:  # another one looked for more there and found nothing
        pool.store.create(".s.parts/beyond.000004", b"{}")
    pool.clock.sleep(LEASE_S + 1)  # the power went before `first` could write where the shard ends
    work(pool, [pool.claims("c")])
    assert pool.joined == ["s"]


@given(
    st.sets(st.integers(0, 2100)),
    st.dictionaries(st.integers(0, 2100), st.integers(0, 3), max_size=30),
    st.none() | st.integers(0, 2100),
    st.none() | st.integers(1, 2100),
    st.integers(0, 2100),
)
def test_a_listing_is_read_rightly_however_many_parts_there_are(committed, claims, last, beyond, stop):
    names = {mark_name(number): number for number in committed}
    names |= {f"{number:06d}.a.1.jsonl": number for number in committed}
    names |= {claim_name(first, older): first for first, newest in claims.items() for older in range(newest + 1)}
    names |= {} if last is None else {number_name("end", last): 0}
    names |= {} if beyond is None else {number_name("beyond", beyond): 0}
    view = ShardView({name: storage.StoredFile(1, float(number)) for name, number in names.items()})
    assert view.committed == committed
    assert view.claims == {first: (newest, float(first)) for first, newest in claims.items()}
    if last is None and beyond is not None and committed >= set(range(beyond)):
        last = beyond - 1
    assert view.last == last
    assert view.complete == (last is not None and committed >= set(range(last + 1)))
    bound = min(stop, 5000 if last is None else last + 1, 5000 if beyond is None else beyond)
    firsts = sorted(claims)
    wanted = []
    for first, end in zip(firsts, [*firsts[1:], stop], strict=True) if firsts else []:
        todo = [number for number in range(first, min(end, bound)) if number not in committed]
        wanted += [(first, end, todo)] if todo else []
    assert view.left(stop) == wanted


def test_a_worker_that_finds_nothing_to_do_leaves_the_store_in_peace():
    pool = Pool({f"s{number}": 2 for number in range(1500)})
    for number in range(1500):
        busy = pool.claims(f"busy {number}")
        busy.end(busy.next(), 0)
    idle = pool.claims("idle", lease_s=900)
    before, began = pool.store.requests, pool.clock.now()
    while pool.clock.now() < began + 800:
        assert idle.next() is None and not idle.all_done
        pool.clock.sleep(idle.pause_s)
        assert idle.pause_s <= 600
    assert pool.store.requests - before < 120


def test_a_restarted_worker_does_not_list_again_what_it_found_taken():
    pool = Pool({f"s{number}": 1 for number in range(1500)})
    worker = pool.claims("a")
    for _ in range(1000):
        pool.step(worker, worker.next())
    before = pool.store.requests
    claim = pool.claims("a").next()
    assert claim is not None and pool.store.requests - before < 10


def test_of_a_large_pool_that_others_finished_few_buckets_are_listed_and_what_is_reopened_is_found():
    pool = Pool({f"s{number}": 1 for number in range(3000)})
    work(pool, [pool.claims("a"), pool.claims("b")])
    assert pool.index.buckets == 16 and len(pool.joined) == 3000
    before, late = pool.store.requests, pool.claims("c")
    assert late.next() is None and late.all_done and pool.store.requests - before < 12
    pool.store.remove(f"s7{MARK}")
    reopen(pool.store, pool.index, "s7")
    work(pool, [pool.claims("d")])
    assert len(pool.joined) == 3001 and pool.joined[-1] == "s7"
    other = ShardIndex([*(f"s{number}" for number in range(3000)), "another"])  # shares buckets, not what is noted
    assert other.folder(0) == pool.index.folder(0) and other.summary != pool.index.summary


def test_what_is_let_go_is_free_at_once():
    pool = Pool({"s": 3})
    first, second = pool.claims("a"), pool.claims("b")
    claim = first.next()
    first.end(claim, 0)
    first.release_all()
    assert second.next().todo == [0]


def test_a_restarted_worker_finds_its_shard_again():
    pool = Pool({f"s{number}": 3 for number in range(50)})
    first = pool.claims("a")
    claim = first.next()
    first.release_all()
    assert pool.claims("a").next().shard == claim.shard


def test_a_store_whose_clock_is_far_off_is_understood():
    pool = Pool({"s": 9})
    pool.store.ahead_s = 86_400.0
    first, second = pool.claims("a"), pool.claims("b")
    first.expected["s"] = 9
    claim = first.next()
    second.next()
    assert second.next() is not None  # it has seen times of its own by now
    assert abs(second.skew_s - 86_400) < 1
    assert not second.has_lapsed(86_400 + pool.clock.now(), claim.path)


def test_requests_for_a_part_do_not_grow_with_the_pool():
    def requests(shards, workers):
        pool = Pool({f"s{number}": 24 for number in range(shards)})
        work(pool, [pool.claims(f"w{number}") for number in range(workers)])
        return pool.store.requests / (shards * 24)

    small, large = requests(20, 4), requests(400, 4)
    assert large < 8
    assert large < small * 1.1


def test_a_shard_that_an_earlier_run_finished_is_no_work():
    pool = Pool({"s": 3, "t": 2})
    pool.store.create("s" + MARK, b"{}")
    work(pool, [pool.claims("a")])
    assert {shard for shard, _ in pool.made} == {"t"}


def test_folders_in_names_lead_to_folders():
    assert parts_folder("a/b/c") == "a/b/.c.parts"
    view = ShardView({".x.tmp": storage.StoredFile(0, 0), "lock": storage.StoredFile(0, 0)})
    assert not view.complete and not view.committed and view.begun() == 0


def test_of_many_who_create_a_file_one_is_told_so(tmp_path):
    for place in (str(tmp_path), "memory://claims_test"):
        store, won, barrier = FileStore(place), [], threading.Barrier(8)

        def claim(number, store=store, won=won, barrier=barrier):
            barrier.wait()
            if store.create("f/claim", str(number).encode()):
                won.append(number)

        threads = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if store.local:  # fsspec's memory looks, then writes
            assert len(won) == 1
        assert store.read("f/claim") in [str(number).encode() for number in won]
        assert store.create("f/claim", store.read("f/claim"))  # an answer was lost: it is this writer's all the same
        assert not store.create("f/claim", b"another")
        assert set(store.list("f")) == {"claim"} and store.list("f")["claim"].modified > 1e9
        store.remove("f")
        assert not store.exists("f/claim") and store.list("f") == {}


def test_where_files_cannot_be_linked_they_are_created_exclusively(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError("no links here")

    monkeypatch.setattr("os.link", refused)
    store = FileStore(str(tmp_path))
    assert store.create("claim", b"mine") and not store.create("claim", b"yours")
    assert store.read("claim") == b"mine" and [path.name for path in tmp_path.iterdir()] == ["claim"]


def test_a_worker_whose_name_is_no_unicode_claims_like_any_other():
    pool = Pool({"s": 1})
    claim = pool.claims("a\udcff").next()
    assert read_claim(pool.store.read(claim.path))["owner"]["worker"] == "a\udcff"


def test_a_process_of_this_machine_that_is_gone_has_ended_and_one_of_another_may_live():
    mine = this_process("a")
    assert not has_ended(claim_content(mine))
    assert has_ended(claim_content(Owner("a", mine.machine, 4_194_303, "1", "t")))
    assert has_ended(claim_content(Owner("a", mine.machine, mine.process, "an earlier one", "t")))
    assert not has_ended(claim_content(owner("a")))
    assert not has_ended(None) and not has_ended(b"") and not has_ended(b"[1]") and not has_ended(b"no json")
