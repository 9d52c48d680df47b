"""All published data sets by name."""

from rl.data.raw.dataset import DataSet
from rl.data.sources import logic, mathematics, ood, programs, simulation, stem, tables

DATA_SETS: dict[str, DataSet] = {
    one.source: one
    for module in (mathematics, programs, stem, logic, simulation, tables, ood)
    for one in module.DATA_SETS
}
"""Guru's name of a data set to what it is."""


SHORT_NAMES: dict[str, str] = {source.split("__")[1]: source for source in DATA_SETS}
"""A data set's name without its domain → its whole name: `taco` → `codegen__taco`."""
