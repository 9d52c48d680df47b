"""What Guru's authors had before and after these rules, to stand beside our own counts (arXiv:2506.14965)."""

from collections.abc import Mapping
from typing import Any

COUNTS = {
    "codegen__leetcode2k": (2_400, 1_300),
    "codegen__livecodebench": (599, 451),
    "codegen__primeintellect": (9_600, 7_600),
    "codegen__taco": (11_100, 8_900),
    "simulation__arcagi1": (297, 117),
    "simulation__arcagi2": (653, 197),
    "simulation__barc": (3_400, 1_600),
    "logic__arcagi1": (297, 117),
    "logic__arcagi2": (653, 197),
    "logic__barc": (3_400, 1_600),
    "logic__graph_logical_dataset": (2_800, 1_200),
    "logic__ordering_puzzle_dataset": (2_900, 1_900),
    "logic__zebra_puzzle_dataset": (5_700, 1_300),
    "simulation__codeio": (12_100, 3_800),
    "table__hitab": (7_400, 4_500),
    "table__multihier": (2_900, 1_600),
}
"""Data set to rows before and after the thresholds; most are published in thousands."""


def beside(by_source: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, Any]]:
    """Our rows before and after the rules with the published ones, for each data set that has such.

    Args:
        by_source: data set to rows by what became of them; `kept` are those that stay.
    """
    return {
        source: {
            "before": {"ours": sum(counts.values()), "published": COUNTS[source][0]},
            "after": {"ours": counts.get("kept", 0), "published": COUNTS[source][1]},
        }
        for source, counts in sorted(by_source.items())
        if source in COUNTS
    }
