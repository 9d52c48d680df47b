"""What training with several rewards taught, in words: beside the model it began from, and beside a control."""

from collections.abc import Sequence
from typing import Any

from eval.compare.cells import CellDifference, cell_difference
from eval.compare.differences import CompareConfig, Loaded


def cells_of(run: Loaded) -> dict[str, dict[str, Any]]:
    """A run's cells of reasoning tasks that have a score."""
    cells = run.record.get("reasoning", {}).get("cells", {})
    return {name: cell for name, cell in cells.items() if cell["score"] is not None}


def difference_of(first: Loaded, other: Loaded, task: str, config: CompareConfig) -> CellDifference:
    """A task that both runs have, question by question."""
    asked = first.questions.get(task), other.questions.get(task)
    return cell_difference(cells_of(first)[task], cells_of(other)[task], asked, config.draws, config.seed)


def named(name: str, runs: Sequence[Loaded]) -> Loaded:
    """The run of this name.

    Raises:
        ValueError: there is none.
    """
    found = next((run for run in runs if run.name == name), None)
    if found is None:
        raise ValueError(f"control={name} is none of the runs: {', '.join(run.name for run in runs)}")
    return found


def told(base: Loaded, others: Sequence[Loaded], config: CompareConfig) -> list[str]:
    """For each task that all runs have three sentences: the gains, the differences to the control, the thinking.

    Args:
        base: what all the others began from.
        others: the trained runs, the control among them.
        config: its `control` names that run.

    Raises:
        ValueError: no run has the control's name.
    """
    control = named(config.control, others)
    lines = []
    for task, cell in cells_of(base).items():
        if all(task in cells_of(run) for run in others):
            gains = [f"{run.name} {_said(difference_of(base, run, task, config))}" for run in others]
            lines.append(f"{cell['title']}: {base.name} scores {_percent(cell['score'])} %. Gains: {'; '.join(gains)}.")
            beside = [
                f"{run.name} {_said(difference_of(control, run, task, config))}" for run in others if run is not control
            ]
            if beside:
                score = _percent(cells_of(control)[task]["score"])
                lines.append(f"Beside the control, {control.name}, which scores {score} %: {'; '.join(beside)}.")
            if cell.get("thinking", {}).get("answers") is not None:
                lines.append(_thinking([base, *others], task))
    return lines


def _said(found: CellDifference) -> str:
    if found.paired is None:
        return f"{100 * (found.other - found.first):+.1f} ({found.verdict})"
    low, high = found.paired.interval_95
    doubt = f", ± {100 * found.error_seeds:.1f} over seeds" if found.error_seeds is not None else ""
    doubt += "" if found.verdict in ("better", "worse") else f", {found.verdict}"
    return f"{100 * found.paired.value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f}{doubt})"


def _thinking(runs: Sequence[Loaded], task: str) -> str:
    shown = []
    for run in runs:
        found = cells_of(run)[task].get("thinking", {})
        right = [
            f"{_percent(found[key])} % {which}"
            for key, which in (("score_with", "of these"), ("score_without", "of the others"))
            if found.get(key) is not None
        ]
        shown.append(f"{run.name} {_percent(found.get('answers'))} % (right: {', '.join(right)})")
    return f"Thought about before the answer: {'; '.join(shown)}."


def _percent(share: float | None) -> str:
    return "no" if share is None else f"{100 * share:.1f}"
