"""Names of suites to their tasks, in the papers' order."""

from collections.abc import Sequence

from eval.reasoning.task import task_names

SUITES: dict[str, tuple[str, ...]] = {
    # arXiv:2506.14965, Table 3
    "guru17": (
        "guru_aime24",
        "guru_math500",
        "guru_livecodebench",
        "guru_humaneval",
        "guru_mbpp",
        "guru_gpqa_diamond",
        "guru_supergpqa",
        "guru_arcagi1",
        "guru_zebra",
        "guru_codeio",
        "guru_cruxeval_i",
        "guru_cruxeval_o",
        "guru_finqa",
        "guru_hitab",
        "guru_multihiertt",
        "guru_ifeval",
        "guru_livebench",
    ),
    # arXiv:2506.18254, Table 1
    "rlpr7": (
        "rlpr_mmlu_pro",
        "rlpr_gpqa_diamond",
        "rlpr_theoremqa",
        "rlpr_webinstruct",
        "rlpr_math500",
        "rlpr_minerva",
        "rlpr_aime24",
    ),
    # arXiv:2512.01925
    "process6": (
        "process_aime24",
        "process_aime25",
        "process_math500",
        "process_livemathbench",
        "process_gpqa_diamond",
        "process_mbpp",
    ),
}

GENERAL = ("rlpr_mmlu_pro", "rlpr_gpqa_diamond", "rlpr_theoremqa", "rlpr_webinstruct")
"""RLPR's "General" average is over these four; its "All" over the seven."""


def is_task(name: str) -> bool:
    """Whether a name on the command line means a suite or a task of this room."""
    return name in SUITES or name.endswith((".yaml", ".yml")) or name in task_names()


def expand(names: Sequence[str]) -> list[str]:
    """Suites as their tasks, each task once, in order.

    >>> expand(["process6", "process_aime24"])[:2]
    ['process_aime24', 'process_aime25']
    """
    return list(dict.fromkeys(task for name in names for task in SUITES.get(name, (name,))))


def averages(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The averages that the command line's suites ask for: label to the tasks of its plain mean."""
    found = {name: SUITES[name] for name in names if name in SUITES}
    return found | ({"rlpr7 general": GENERAL} if "rlpr7" in found else {})
