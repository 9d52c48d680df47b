import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.pools.documents import read_documents
from common.pools.shards import list_shards
from filter.duplicates.bloom import Bloom, bloom_bits, bloom_hashes
from filter.duplicates.config import DUPLICATE, EARLIER_SOURCE, MinHashDedup, NgramDedup
from filter.duplicates.exact import canonical, decide_exact, exact_keys
from filter.duplicates.minhash import collision_probability, decide_minhash, minhash_keys
from filter.duplicates.ngrams import NgramFilter
from filter.ngrams import NgramHasher, mix64


def ngram_filter(**changes):
    return NgramFilter(
        NgramDedup(**{"kind": "ngram", "ngram": 3, "expected_ngrams": 20_000, "fp_rate": 1e-9} | changes)
    )


NO_GRAMS = ("short line", "short line", 0, 0)
PAGES = [  # the specification's vectors, in order: text, what is kept, n-grams known, n-grams
    ("the cat sat on the mat\nthe dog ran in the park", "the cat sat on the mat\nthe dog ran in the park", 0, 8),
    ("the cat sat on the mat\na bird flew over the tall house", "a bird flew over the tall house", 4, 9),
    ("the cat sat on the mat\nthe dog ran in the park", None, 8, 8),
    NO_GRAMS,
    ("x y z x y z x y z", "x y z x y z x y z", 0, 7),
    ("a b c d e f g", "a b c d e f g", 0, 5),
    ("a b c d e f Q", "a b c d e f Q", 4, 5),
]


def test_pages_lose_the_paragraphs_that_came_before():
    one = ngram_filter()
    for text, kept, known, total in PAGES:
        result = one.process({"id": "a", "text": text, "url": "u"})
        assert result.counts["ngrams_known"] == known and result.counts["ngrams"] == total
        if kept is None:
            assert result.reason == "duplicate_ngrams"
        else:
            assert result.document["text"] == kept
            assert result.document["url"] == "u"
            assert result.document["bff_contained_ngram_count_before_dedupe"] == known


class ExactSet:
    """The set a Bloom filter stands for."""

    def __init__(self):
        self.items = set()

    def positions(self, items):
        return items

    def set_at(self, items):
        return np.array([item in self.items for item in items.tolist()], bool)

    def add_at(self, items):
        self.items.update(items.tolist())


TEXTS = st.lists(st.text(st.sampled_from("ab \n"), max_size=40), max_size=8)


@given(TEXTS)
def test_a_filter_with_hardly_any_false_positives_equals_an_exact_set(texts):
    first, second = ngram_filter(), ngram_filter()
    second.bloom = ExactSet()
    assert [first.paragraphs(text) for text in texts] == [second.paragraphs(text) for text in texts]


@given(TEXTS)
def test_two_filters_of_one_seed_agree(texts):
    first, second = ngram_filter(seed=5), ngram_filter(seed=5)
    assert [first.paragraphs(text) for text in texts] == [second.paragraphs(text) for text in texts]
    assert (first.bloom.words == second.bloom.words).all()


@given(st.lists(st.lists(st.integers(0, 10**9), min_size=1, max_size=12, unique=True), max_size=6))
def test_a_page_alone_whose_ngrams_are_all_distinct_is_unchanged(paragraphs):
    numbers = itertools.count()
    text = "\n".join(" ".join(f"{word}x{next(numbers)}" for word in words) for words in paragraphs)
    assert ngram_filter().paragraphs(text)[:2] == (text, 0)


def test_a_second_identical_page_goes_even_without_short_lines():
    one = ngram_filter()
    text = "one two three four\nfive six seven eight nine"
    assert one.process({"text": text}).reason is None
    assert one.process({"text": text}).reason == "duplicate_ngrams"


def test_short_paragraphs_are_never_remembered():
    one = ngram_filter()
    assert [one.paragraphs("Read more")[0] for _ in range(3)] == ["Read more"] * 3


def test_the_filter_has_the_textbooks_size():  # the specification's vector
    assert bloom_bits(1_000_000, 0.01) == 9_585_059
    assert bloom_hashes(9_585_059, 1_000_000) == 7


@pytest.mark.parametrize("rate", [0.05, 0.01, 0.001])
def test_false_positives_stay_within_twice_the_target(rate):
    random = np.random.default_rng(1)
    items, others = (random.integers(0, 2**63, 50_000).astype(np.uint64) for _ in range(2))
    bloom = Bloom(50_000, rate, seed=7)
    for chunk in np.array_split(items, 50):
        bloom.add(chunk)
    assert bloom.contains(items).all()
    measured = bloom.contains(others).mean()
    assert rate / 2 < measured < 2 * rate
    assert bloom.fp_rate() == pytest.approx(measured, rel=0.5)


def test_counting_up_makes_no_pattern():  # hashes of 0, 1, 2 … must not share positions
    bloom = Bloom(20_000, 0.01)
    bloom.add(np.arange(20_000, dtype=np.uint64))
    assert bloom.contains(np.arange(20_000, 60_000, dtype=np.uint64)).mean() < 0.02


def test_an_overfull_filter_warns_with_its_true_rate(caplog):
    one = ngram_filter(expected_ngrams=10, fp_rate=0.01)
    one.paragraphs(" ".join(str(number) for number in range(100)))
    report = one.report()
    assert report["ngrams_added"] == 98 and report["fp_rate"] > 0.5
    assert "98 n-grams and was sized for 10" in caplog.text


def test_ngram_hashes_equal_a_plain_loop():
    hasher = NgramHasher(3, seed=2)
    words = ["a", "rose", "is", "a", "rose", "is", "a", "rose"]
    single = {word: int(hasher.words([word])[0]) for word in words}
    expected = []
    for start in range(len(words) - 2):
        value = np.zeros(1, np.uint64)
        for word in words[start : start + 3]:
            value = mix64(value + np.uint64(0x9E3779B97F4A7C15) + np.array([single[word]], np.uint64))
        expected.append(int(value[0]))
    assert hasher.ngrams(words).tolist() == expected
    assert expected[0] == expected[3] and len(set(expected)) == 3


def test_exact_duplicates_ignore_case_space_and_composition():
    assert canonical("Caf\u0065\u0301 \n X") == canonical("caf\u00e9 x")
    one, other, third = exact_keys(["Caf\u0065\u0301 \n X", "caf\u00e9 x", "cafe x"]).tolist()
    assert one == other != third


@given(st.lists(st.lists(st.sampled_from("abcde"), max_size=12), min_size=1, max_size=3), st.integers(1, 4))
def test_exact_verdicts_equal_a_plain_loop(sources, partitions):
    verdicts = decide_exact([exact_keys(texts) for texts in sources], partitions)
    earlier = set()
    for texts, verdict in zip(sources, verdicts, strict=True):
        seen = set()
        for text, found in zip(texts, verdict.tolist(), strict=True):
            expected = DUPLICATE if text in seen else EARLIER_SOURCE if text in earlier else 0
            assert found == expected
            seen.add(text)
        earlier |= seen
        # what is left holds no duplicate: a second pass changes nothing
        left = [text for text, found in zip(texts, verdict.tolist(), strict=True) if found != DUPLICATE]
        assert not decide_exact([exact_keys(left)], partitions)[0].any()


def test_the_pool_holds_six_exact_duplicates(shared_data):
    shards = list_shards(str(shared_data / "web" / "pool"))
    texts = (document["text"] for shard in shards for document in read_documents(shard.path, shard.index))
    (verdict,) = decide_exact([exact_keys(texts)])
    assert len(verdict) == 8111 and verdict.sum() == 6


@pytest.mark.parametrize(("similarity", "chance"), [(0.5, 0.0533), (0.72, 0.6499), (0.8, 0.9235), (0.9, 0.9996)])
def test_the_minhash_curve(similarity, chance):  # the specification's vectors
    assert collision_probability(similarity) == pytest.approx(chance, abs=5e-5)
    assert pytest.approx(0.719, abs=5e-4) == (1 / 14) ** (1 / 8)


def planted_pairs(similarity, number, words=400, seed=0):
    """Pairs of word lists with single words as n-grams: of Jaccard similarity `similarity` exactly."""
    random = np.random.default_rng(seed)
    shared = round(2 * words * similarity / (1 + similarity))
    for pair in range(number):
        common = [f"c{pair}_{place}" for place in range(shared)]
        pages = []
        for side in "ab":
            page = common + [f"{side}{pair}_{place}" for place in range(words - shared)]
            random.shuffle(page)
            pages.append(" ".join(page))
        yield pages


def find_pairs(texts, config):
    keys, has = minhash_keys(texts, config)
    return decide_minhash([(lambda band: keys[:, band], has)], config.bands)[0]


@pytest.mark.parametrize("similarity", [0.5, 0.72, 0.8])
def test_minhash_finds_planted_pairs_as_often_as_the_curve_says(similarity):
    number = 150
    config = MinHashDedup(kind="minhash", ngram=1)
    texts = [text for pair in planted_pairs(similarity, number) for text in pair]
    found = int(find_pairs(texts, config).astype(bool).sum())
    shared = round(800 * similarity / (1 + similarity))
    chance = collision_probability(shared / (800 - shared))
    # four standard deviations of a binomial count
    assert abs(found - number * chance) <= 4 * math.sqrt(number * chance * (1 - chance)) + 1


def test_near_duplicates_keep_the_first_and_repeat():
    config = MinHashDedup(kind="minhash")
    base = " ".join(f"w{number}" for number in range(300))
    other = " ".join(f"v{number}" for number in range(300))
    texts = [other, base, "too short", base + " end", "too short", "start " + base]
    assert find_pairs(texts, config).tolist() == [0, 0, 0, DUPLICATE, 0, DUPLICATE]
    assert (minhash_keys(texts, config)[0] == minhash_keys(texts, config)[0]).all()


def test_a_near_copy_in_a_later_source_is_told_from_one_in_its_own():
    config = MinHashDedup(kind="minhash")
    base = " ".join(f"w{number}" for number in range(300))
    sources = []
    for texts in ([base], [base + " x", base + " y"]):
        keys, has = minhash_keys(texts, config)
        sources.append((lambda band, keys=keys: keys[:, band], has))
    first, second = decide_minhash(sources, config.bands)
    assert first.tolist() == [0] and second.tolist() == [EARLIER_SOURCE, DUPLICATE]
