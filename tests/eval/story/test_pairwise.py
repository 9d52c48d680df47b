"""Win counts, win percent and Bradley-Terry against the published annotations and tables of VR-CLI."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.story.pairwise import ASPECTS, Wins, count, read_annotations, strengths, table

# wins of the first, of the second, ties; plot, character, creativity, development, language, overall
PUBLISHED = {
    ("base3b", "basewr_3b"): "7/10/3 8/9/3 6/12/2 7/11/2 6/10/4 8/12/0",
    ("base3b", "basesft_3b"): "17/1/2 14/3/3 14/3/3 14/4/2 17/3/0 16/1/3",
    ("basesft_3b", "basewr_3b"): "3/15/2 4/16/0 4/14/2 5/14/1 4/15/1 3/17/0",
    ("basewr_3b", "trained_3b"): "6/8/6 4/9/7 8/5/7 6/8/6 8/6/6 6/10/4",
    ("base3b", "trained_3b"): "5/10/5 8/9/3 6/7/7 5/10/5 8/7/5 8/9/3",
    ("basesft_3b", "trained_3b"): "3/15/2 1/16/3 2/13/5 1/13/6 1/17/2 1/16/3",
}
# arXiv:2503.22828, 3B, overall quality: Bradley-Terry percent and win percent of the second over the first
TABLE = {
    ("base3b", "basesft_3b"): (5.9, 5),
    ("base3b", "basewr_3b"): (60.0, 60),
    ("basesft_3b", "basewr_3b"): (85.0, 85),
    ("basesft_3b", "trained_3b"): (94.1, 80),
    ("base3b", "trained_3b"): (52.9, 45),
    ("basewr_3b", "trained_3b"): (62.5, 50),
}


@pytest.fixture(scope="module")
def annotations(shared_data):
    return read_annotations(shared_data / "story" / "3b_pairwise_annotations.csv")


@pytest.mark.parametrize("pair", PUBLISHED, ids="-".join)
def test_counts_of_the_published_annotations(annotations, pair):
    wanted = [tuple(map(int, text.split("/"))) for text in PUBLISHED[pair].split()]
    found = [count(annotations, aspect)[pair] for aspect in ASPECTS]
    assert [(one.first, one.second, one.ties) for one in found] == wanted


@pytest.mark.parametrize("pair", TABLE, ids="-".join)
def test_the_published_table_of_overall_quality(annotations, pair):
    found = count(annotations)[pair]
    assert (round(100 * found.bradley_terry(), 1), round(100 * found.win_rate())) == TABLE[pair]


def test_the_table_has_a_row_per_pair_and_aspect(annotations):
    found = table(annotations)
    assert len(found) == 36
    assert all(row["first_wins"] + row["second_wins"] + row["ties"] == 20 for row in found)


WINS = st.integers(0, 20)


@given(WINS, WINS, st.integers(0, 20))
def test_for_two_options_bradley_terry_is_the_share_of_decided_comparisons(first, second, ties):
    counts = Wins(first, second, ties)
    if first + second == 0:
        assert math.isnan(counts.bradley_terry())
        return
    found = strengths({("a", "b"): counts})
    assert found["b"] == pytest.approx(counts.bradley_terry(), abs=1e-9) == pytest.approx(second / (first + second))


@given(st.lists(st.integers(1, 20), min_size=6, max_size=6))
def test_strengths_are_at_the_likelihoods_maximum(wins):
    pairs = {("a", "b"): wins[:2], ("a", "c"): wins[2:4], ("b", "c"): wins[4:]}
    counts = {pair: Wins(*two, 0) for pair, two in pairs.items()}

    def loglikelihood(values):
        return sum(
            found.first * math.log(values[a] / (values[a] + values[b]))
            + found.second * math.log(values[b] / (values[a] + values[b]))
            for (a, b), found in counts.items()
        )

    best = strengths(counts)
    assert sum(best.values()) == pytest.approx(1)
    for name in best:
        for factor in (0.99, 1.01):
            assert loglikelihood({**best, name: best[name] * factor}) <= loglikelihood(best) + 1e-9


def test_published_strengths_rank_sft_last(annotations):
    found = strengths(count(annotations))
    assert sorted(found, key=found.get) == ["basesft_3b", "base3b", "basewr_3b", "trained_3b"]


def test_a_winner_that_was_not_compared_is_a_mistake(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text('options,plot\n"a,b",c\n', encoding="utf-8")
    with pytest.raises(ValueError, match="row 0: plot is 'c', neither of"):
        read_annotations(path)
    path.write_text("plot\na\n", encoding="utf-8")
    with pytest.raises(ValueError, match="column `options`"):
        read_annotations(path)
