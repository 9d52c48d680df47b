"""All published data sets by name."""

import difflib

from rl.data.raw.dataset import DataSet
from rl.data.sources import logic, mathematics, ood, programs, simulation, stem, tables

DATA_SETS: dict[str, DataSet] = {
    one.source: one
    for module in (mathematics, programs, stem, logic, simulation, tables, ood)
    for one in module.DATA_SETS
}
"""Guru's name of a data set to what it is."""


def named(name: str) -> DataSet:
    """A data set by its name, the domain before it or not: `codegen__taco`, `taco`.

    Raises:
        ValueError: there is none; the nearest names are given.
    """
    found = [one for source, one in DATA_SETS.items() if name in (source, source.split("__")[1])]
    if len(found) == 1:
        return found[0]
    short = [source.split("__")[1] for source in DATA_SETS]
    near = difflib.get_close_matches(name, [*short, *DATA_SETS], n=3, cutoff=0.4)
    raise ValueError(f"no data set {name!r}; there are: {', '.join(near or ['story', 'rlpr', 'guru', *short])}")
