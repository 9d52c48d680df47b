"""Reasoning tasks from their names to the record: found, drawn in shares, judged, summed up."""

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from common.hashing import step_hash
from common.runs.folder import write_json
from common.runs.launch import find_gpus, run_shards
from eval.reasoning.config import ReasoningConfig, share_of
from eval.reasoning.examples import HubUnreachable, absent, fetch, locate
from eval.reasoning.metrics import answered, cell
from eval.reasoning.sampling import ExampleShare, Job, Plan, draw_share, states
from eval.reasoning.suites import averages, expand
from eval.reasoning.task import load_task

log = logging.getLogger("repro")

Record = dict[str, Any]


def found_tasks(
    names: Sequence[str], config: ReasoningConfig, folders: Sequence[str], fetching: bool = True
) -> tuple[list[Job], dict[str, str]]:
    """The tasks whose examples are here (or could be fetched), and for each of the others one line that says why not.

    Args:
        names: suites and tasks, as the command line has them.
        config: of the run.
        folders: where files are looked for.
        fetching: ask hubs for what is not here.

    Raises:
        ValueError: an unknown task, a file that is named and not there, or k above the samples.
    """
    jobs: list[Job] = []
    missing: dict[str, str] = {}
    unknown = set(config.task_data) - set(expand(names))
    if unknown:
        raise ValueError(f"task_data.{sorted(unknown)[0]} is for no task of this run: {', '.join(expand(names))}")
    for name in expand(names):
        task = load_task(name)
        config.ks(config.count(task))
        short = Path(name).stem
        place = locate(short, task, folders, config.task_data.get(name, ""))
        if place is None and fetching:
            try:
                place = fetch(short, task)
            except HubUnreachable:
                fetching = False  # each would wait as long
            except ValueError as error:
                missing[short] = str(error)
                continue
        if place is None:
            missing[short] = absent(short, task, "not here" if fetching else "not here, and no hub answers")
        else:
            jobs.append(Job(short, task, place))
    return jobs, missing


def refuse_missing(jobs: Sequence[Job], missing: Mapping[str, str], config: ReasoningConfig) -> None:
    """Raises:
    ValueError: a task's examples are not there and the run does not skip such, or there are none at all.
    """
    if missing and (config.missing == "error" or not jobs):
        more = f" (and {len(missing) - 1} more; missing=skip runs the others)" if len(missing) > 1 else ""
        raise ValueError(next(iter(missing.values())) + more)
    for line in missing.values():
        log.warning("skipped: %s", line)


def draw(plan: Plan) -> None:
    """Draw and judge all that is missing of the plan's share, with as many engines as the config asks for."""
    number, count = share_of(plan.config.share) if plan.config.share else (0, 1)
    workers = plan.config.workers
    shares = [ExampleShare(number * workers + worker, count * workers) for worker in range(workers)]
    work = partial(draw_share, plan=plan)
    counts = run_shards(work, shares, workers=workers, cluster=plan.config.cluster, label="shares")  # type: ignore[arg-type]
    for name in ("failed", "stuck"):
        total = sum(one[name] for one in counts)
        if total:
            log.warning("%d samples %s; the same command asks for them again", total, name)


def planned(
    config: ReasoningConfig, jobs: Sequence[Job], model: str, identity: str, folder: Path, limit: int | None, seed: int
) -> Plan:
    """The plan of a run."""
    gpus = [] if config.engine.kind == "server" else find_gpus()
    return Plan(config, model, identity, list(jobs), folder, limit, seed, gpus)


def undrawn(plan: Plan) -> dict[str, int]:
    """Task to how many samples were never drawn: those of shares that have not run yet; a whole run has none."""
    if not plan.config.share:
        return {}
    counts = {job.name: sum(one is None for _, drawn in states(plan, job) for one in drawn) for job in plan.jobs}
    return {name: count for name, count in counts.items() if count}


def summed_up(plan: Plan, names: Sequence[str], missing: Mapping[str, str], draws: int = 2000) -> Record:
    """The record of all tasks: a cell each, the suites' averages, what was skipped; scores by question go to files.

    Args:
        plan: the run.
        names: suites and tasks as the command line has them.
        missing: tasks without examples.
        draws: resamplings behind the intervals.
    """
    cells: dict[str, Record] = {}
    for job in plan.jobs:
        found = list(states(plan, job))
        count = plan.config.count(job.task)
        figures = cell(
            job.name,
            found,
            modes=plan.config.modes,
            ks=plan.config.ks(count),
            verifier=job.task.verifier,
            draws=draws,
            seed=plan.seed,
        )
        plan.folder.joinpath("questions").mkdir(parents=True, exist_ok=True)
        asked = [one.record() for one in answered(found, plan.config.modes[0])]
        write_json(plan.folder / "questions" / f"{job.name}.json", asked)
        cells[job.name] = {
            "title": job.task.title,
            "domain": job.task.domain,
            **figures,
            "settings": settings(plan, job, figures),
            "published": job.task.published,
            **({"note": job.task.note} if job.task.note else {}),
        }
    return {"cells": cells, "averages": _averages(cells, names), "skipped": dict(missing)}


def settings(plan: Plan, job: Job, figures: Mapping[str, Any]) -> Record:
    """What a cell was made with: two cells with other settings may not be compared."""
    examples = plan.examples(job)
    made = plan.settings(job)
    judge = figures.get("judge") or {}
    return {
        "model": plan.model,
        **{name: made[name] for name in ("engine", "temperature", "top_p", "top_k", "max_tokens", "template")},
        "dtype": plan.dtype(),
        "samples": plan.config.count(job.task),
        "think_open": job.task.think_open if plan.config.think_open is None else plan.config.think_open,
        "verifier": job.task.verifier,
        "mode": plan.config.modes[0],
        "judge": judge.get("model", ""),
        "limit": plan.limit,
        "prompts": step_hash(sorted(example.digest() for example in examples)),
        "revision": job.found.revision,
    }


def _averages(cells: Mapping[str, Record], names: Sequence[str]) -> dict[str, Record]:
    """Plain means over the tasks of a suite; `missing` names those that are not in it."""
    found = {}
    for label, tasks in averages(names).items():
        scored = [cells[task] for task in tasks if task in cells and cells[task]["score"] is not None]
        left = [task for task in tasks if task not in cells or cells[task]["score"] is None]
        mean = sum(one["score"] for one in scored) / len(scored) if scored else None
        # the tasks' questions are different ones, so that their errors are independent
        error = sum(one["error_questions"] ** 2 for one in scored) ** 0.5 / len(scored) if scored else None
        found[label] = {"score": mean, "error_questions": error, "tasks": len(scored), "missing": left}
    return found


def prompts_of(plan: Plan) -> str:
    """The first prompts of each task with their ground truths, for a reader."""
    lines: list[str] = []
    for job in plan.jobs:
        for example in plan.examples(job)[: plan.config.show]:
            lines.append(f"=== {job.name}, {example.id} ({example.verifier})")
            lines += [f"--- {turn['role']}\n{turn['content']}" for turn in example.messages]
            lines.append(f"--- ground truth\n{example.ground_truth!s:.2000}")
    return "\n".join(lines)
