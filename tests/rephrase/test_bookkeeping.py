"""What the stage's own work costs, by counts: looks at a page, opens of files, pages open at a time."""

from collections import Counter

import pytest

from common.claims.work import finished_before
from common.config import load
from common.pools.documents import write_documents
from common.pools.shards import list_shards
from common.pools.storage import one_listing_each
from rephrase import run
from rephrase.config import RephraseConfig
from rephrase.rephraser import Rephraser
from rephrase.worker import RephraseWorker, run_hash
from tests.fixtures.instant import InstantEngine
from tests.fixtures.scaling import costs

TEXT = "The bridge over the river opened in 1779 and spans thirty metres. Tolls were taken until 1950. "


class CountingEngine(InstantEngine):
    """Counts how often each text is counted; a token is four characters."""

    def __init__(self, **options):
        super().__init__(tokenizer=object(), **options)
        self.counted = Counter()

    def count_tokens(self, text):
        self.counted[text] += 1
        return len(text) // 4


def config_of(folder, root, **options):
    values = {"input": str(folder / "in"), "output": str(folder / "out"), **options}
    return load(RephraseConfig, [root / "configs/rephrase/rephrase_4b.yaml"], values)


def rephrase(config, engine):
    with one_listing_each():
        worker = RephraseWorker(config, list_shards(config.input), [], [], 0)
        worker._rephraser = Rephraser(config, engine)
        with costs() as cost:
            done = worker.work()
        worker.close()
    assert done.all_done
    return cost


def test_a_page_of_one_chunk_is_counted_when_it_is_cut_and_when_it_is_done(tmp_path, root):
    pages = [{"id": str(number), "text": f"{number}. {TEXT * 40}"} for number in range(300)]
    write_documents(str(tmp_path / "in/s.jsonl.zst"), pages)
    engine = CountingEngine(limit=64, more=" .")
    cost = rephrase(config_of(tmp_path, root, part_docs=100), engine)
    assert engine.requests == 300 and engine.most == 64
    assert max(engine.counted[page["text"]] for page in pages) == 1  # of the whole page; its text was cut at the blanks
    assert engine.counted.total() == 3 * 300  # cut, whole, rephrased
    assert cost.opens.total() < 60, cost.opens  # three parts, and none of them by the page


@pytest.mark.parametrize("limit", [8, 64])
def test_few_pages_are_open_however_many_a_shard_has(tmp_path, root, limit):
    taken, most = 0, 0

    def documents():
        nonlocal taken
        for number in range(2000):
            taken += 1
            yield {"id": str(number), "text": TEXT}

    results = Rephraser(config_of(tmp_path, root), InstantEngine(limit))(documents())
    for given, _ in enumerate(results, 1):
        most = max(most, taken - given)
    assert taken == 2000 and most <= max(64, 4 * limit) + limit


def test_a_pool_that_is_done_is_found_done_by_one_look_at_each_mark(tmp_path, root):
    for number in range(40):
        write_documents(str(tmp_path / f"in/shard_{number:02d}.jsonl"), [{"id": str(number), "text": TEXT}])
    config = config_of(tmp_path, root)
    rephrase(config, InstantEngine(64))
    with one_listing_each(), costs() as cost:
        shards = list_shards(config.input)
        finished, lost = finished_before(shards, config.output, run_hash(config))
    assert len(finished) == 40 and not lost
    assert cost.opens[".stats.json"] == 40 and cost.opens.total() <= 45, cost.opens


def test_a_command_that_finds_all_done_sweeps_what_dead_workers_left(tmp_path, root):
    write_documents(str(tmp_path / "in/s.jsonl"), [{"id": "a", "text": TEXT}])
    config = config_of(tmp_path, root)
    rephrase(config, InstantEngine(more=" ."))
    (left := tmp_path / "out/.s.parts").mkdir()
    (left / "000000.json").write_text("{}")
    total = run.rephrase(config, list_shards(config.input))
    assert total["docs_out"] == 1 and not left.exists()
