"""Numbers, addresses and names where they stand, and whether the other text has them."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from eval.faithfulness.kept import facts, names_kept, numbers_kept, urls_kept

ORGANIC = "In 1871 the flood reached Rome. It rose 17.2 metres, see https://a.org/1871. The pope left for Ostia."
RECYCLED = "The flood of 1871 in Rome rose 17.2 metres, and 40 people fled to Naples."


def told(text, other):
    return [(text[one.start : one.end], one.kind, one.shared) for one in facts(text, other)]


def test_facts_of_a_page_are_kept_or_lost():
    assert told(ORGANIC, RECYCLED) == [
        ("1871", "number", True),
        ("Rome", "name", True),
        ("17.2", "number", True),
        ("https://a.org/1871", "address", False),  # its digits are no number
        ("Ostia", "name", False),
    ]


def test_facts_of_a_rephrasing_are_kept_or_invented():
    assert [one for one in told(RECYCLED, ORGANIC) if not one[2]] == [
        ("40", "number", False),
        ("Naples", "name", False),
    ]


TEXT = st.text(st.sampled_from("aB1 .,https://www.x5%\n"), max_size=60)


@given(TEXT, TEXT)
def test_facts_stand_apart_and_agree_with_the_shares(text, other):
    found = facts(text, other)
    assert all(one.end <= two.start for one, two in itertools.pairwise(found))
    for kind, share in (("address", urls_kept), ("name", names_kept)):
        recall = share(text, other).recall
        if recall in (0.0, 1.0):
            assert all(one.shared == bool(recall) for one in found if one.kind == kind)
    if numbers_kept(text, other).recall == 1.0:
        assert all(one.shared for one in found if one.kind == "number")
