"""Costs per document stay what they are at 4 and at 16 times as many documents, by counts of opens, reads and writes.

`tests/bench/test_scaling_speed.py` takes seconds of larger sizes.
"""

import pytest

from filter import ngrams
from tests.fixtures import scaling
from tests.fixtures.scaling import TIMES, costs


def per_document(tmp_path, work, figure):
    found = []
    for times in TIMES:
        folder = tmp_path / str(times)
        folder.mkdir()
        run, documents = work(folder, times)
        with costs() as cost:
            run()
        found.append(figure(cost) / documents)
    return found


@pytest.mark.parametrize(
    ("work", "figure"),
    [
        pytest.param(scaling.baselines, lambda cost: cost.written, id="a store of baselines writes"),
        pytest.param(scaling.mixing, lambda cost: cost.opens[".index.npy"], id="a mix opens indexes"),
        pytest.param(scaling.near_duplicates, lambda cost: cost.read, id="MinHash reads signatures"),
        pytest.param(scaling.selection, lambda cost: cost.opens[".jsonl.zst"], id="a selection parses records"),
        pytest.param(scaling.report, lambda cost: cost.opens[".jsonl"], id="a report opens shards"),
        pytest.param(scaling.report, lambda cost: cost.read, id="a report reads"),
    ],
)
def test_the_cost_per_document_stays_within_a_fifth(tmp_path, work, figure):
    found = per_document(tmp_path, work, figure)
    assert found[0] > 0
    assert max(found) <= 1.2 * min(found), found


def test_each_record_is_parsed_once_in_all_passes(tmp_path):
    run, documents = scaling.selection(tmp_path, 1)
    with costs() as cost:
        run()
    assert cost.opens[".jsonl.zst"] == documents // 20  # one for each shard


def test_each_signature_is_read_once_for_all_bands(tmp_path):
    run, documents = scaling.near_duplicates(tmp_path, 1, size=20_000)
    with costs() as cost:
        run()
    keys = 8 * (14 + 1) * documents  # 14 bands and whether to compare
    assert keys <= cost.read <= 1.2 * keys


def test_ngrams_of_all_sizes_are_folded_together(tmp_path, monkeypatch):
    folded = []
    plain = ngrams.mix64
    monkeypatch.setattr(ngrams, "mix64", lambda values: folded.append(len(values)) or plain(values))
    run, _ = scaling.contamination(tmp_path, 1, size=1)
    run()
    assert len(folded) <= 13 + 13 * 6  # the page's 13 words of the longest, and those of six items


def test_all_sizes_together_are_what_each_is_alone():
    hasher = ngrams.NgramHasher(5)
    words = ["a", "b", "c", "a", "b", "c", "d", "e", "f", "a"]
    together = hasher.of_sizes(words, [1, 3, 5, 10, 12])
    for size, hashes in together.items():
        alone = [hasher.ngrams(words[start : start + size], size) for start in range(len(words) - size + 1)]
        assert hashes.tolist() == [one.item() for one in alone]
