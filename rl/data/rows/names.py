"""Names of data sets: Guru's spelling, the spellings that its own files and tools use for them, domain, verifier."""

import difflib
import re
from typing import NamedTuple

from eval.verifiers import registry


class Source(NamedTuple):
    """What a data set's name says about its rows."""

    domain: str
    ability: str
    """The column of Guru's and verl's files."""


ARITHMETIC = "arithmetic"
"""The sums of `rl.data.arithmetic`."""

SOURCES: dict[str, Source] = {
    # a name ending in __ stands for every name that begins so
    "math__": Source("math", "math"),
    ARITHMETIC: Source("math", "math"),
    "codegen__": Source("code", "codegen"),
    "stem__web": Source("stem", "QA"),
    "stem__gpqa": Source("stem", "stem"),
    "stem__gpqa_diamond": Source("stem", "stem"),
    "stem__supergpqa": Source("stem", "stem"),
    "logic__zebra_puzzle_dataset": Source("logic", "logical_reasoning"),
    "logic__ordering_puzzle_dataset": Source("logic", "logical_reasoning"),
    "logic__graph_logical_dataset": Source("logic", "logical_reasoning"),
    "logic__arcagi1": Source("logic", "reasoning"),
    "logic__arcagi2": Source("logic", "reasoning"),
    "logic__barc": Source("logic", "reasoning"),
    "simulation__arcagi1": Source("logic", "reasoning"),
    "simulation__arcagi2": Source("logic", "reasoning"),
    "simulation__barc": Source("logic", "reasoning"),
    "simulation__codeio": Source("simulation", "coding-inference"),
    "simulation__cruxeval-i": Source("simulation", "simulation"),
    "simulation__cruxeval-o": Source("simulation", "simulation"),
    "table__": Source("table", "table"),
    "ood__ifeval": Source("ood", "ood"),
    "ood__ifbench": Source("ood", "ood"),
    "ood__livebench": Source("ood", "ood"),
    "reasoning_gym__": Source("logic", "logical_reasoning"),
}
"""Source, or beginning of sources, to what it says (their spelling: Guru's files)."""

UNPREFIXED = ("zebra_puzzle_dataset", "ordering_puzzle_dataset", "graph_logical_dataset")
"""Raw puzzle files lack `logic__`; running the original's post-processing twice doubles it."""


def repaired(name: str) -> str:
    """The spelling of this toolkit for any spelling that Guru's files use; unknown names stay as they are.

    >>> repaired("stem_web"), repaired("zebra_puzzle_dataset"), repaired("logic__logic__graph_logical_dataset")
    ('stem__web', 'logic__zebra_puzzle_dataset', 'logic__graph_logical_dataset')
    """
    if name == "stem_web":
        return "stem__web"
    name = re.sub(r"^(logic__)+", "logic__", name)
    return f"logic__{name}" if name.startswith(UNPREFIXED) else name


def describe(name: str) -> Source:
    """What a data set's name says; a size at its end is not part of it (`codegen__taco_8.8k`).

    Raises:
        ValueError: no data set has that name. Nothing is guessed.
    """
    name = repaired(name)
    prefix = name.split("__")[0] + "__"
    whole = (name, re.sub(r"_\d+(\.\d+)?k?$", "", name), prefix)
    found = next((SOURCES[one] for one in whole if one in SOURCES), None) if name != prefix else None
    if found is None:
        near = difflib.get_close_matches(name, SOURCES, n=3, cutoff=0.3) or list(SOURCES)
        raise ValueError(f"no data set is called {name!r}; the nearest are: {', '.join(near)}")
    return found


def domain_of(name: str) -> str:
    """The domain of a data set's rows.

    >>> domain_of("simulation__arcagi1")
    'logic'
    """
    return describe(name).domain


def verifier_of(name: str) -> str:
    """The verifier of a data set's rows.

    >>> verifier_of("stem__web")
    'judge'
    """
    describe(name)  # the verifiers' patterns alone would take names that no data set has
    return registry.verifier_of(repaired(name)).name
