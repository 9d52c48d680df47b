"""Names of data sets: every spelling of the released files, and nothing guessed."""

import pytest

from rl.data.rows.names import SOURCES, describe, domain_of, repaired, verifier_of
from rl.data.rows.schema import DOMAINS


@pytest.mark.parametrize(
    ("spelt", "name", "domain", "verifier"),
    [
        ("stem_web", "stem__web", "stem", "judge"),
        ("stem__web", "stem__web", "stem", "judge"),
        ("zebra_puzzle_dataset", "logic__zebra_puzzle_dataset", "logic", "zebra"),
        ("logic__logic__ordering_puzzle_dataset", "logic__ordering_puzzle_dataset", "logic", "ordering"),
        ("graph_logical_dataset", "logic__graph_logical_dataset", "logic", "graph"),
        ("simulation__arcagi1", "simulation__arcagi1", "logic", "grid"),
        ("simulation__codeio", "simulation__codeio", "simulation", "codeio"),
        ("simulation__cruxeval-o", "simulation__cruxeval-o", "simulation", "cruxeval"),
        ("math__aime_repeated_8x_240", "math__aime_repeated_8x_240", "math", "math"),
        ("stem__supergpqa_1k", "stem__supergpqa_1k", "stem", "choice"),
        ("codegen__taco_8.8k", "codegen__taco_8.8k", "code", "code"),
        ("reasoning_gym__chain_sum", "reasoning_gym__chain_sum", "logic", "reasoning_gym"),
    ],
)
def test_every_spelling_is_known(spelt, name, domain, verifier):
    assert (repaired(spelt), domain_of(spelt), verifier_of(spelt)) == (name, domain, verifier)


@pytest.mark.parametrize("name", ["math_dapo", "math__", "ood__ifevil", "stem__webb", "", "simulation__cruxeval"])
def test_an_unknown_name_is_refused_with_the_nearest(name):
    with pytest.raises(ValueError, match="the nearest are: "):
        describe(name)


def test_domains_are_the_schemas():
    assert {source.domain for source in SOURCES.values()} == set(DOMAINS)
