"""From the verdicts of a task's samples to its figures: avg@k, pass@k, pass^k, maj@k, errors, lengths, what failed."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.engines.requests import NO_ROOM, OVERDUE
from eval.reasoning.store import Drawn
from eval.statistics import (
    average_at_k,
    clustered_error,
    exact_interval_95,
    least_difference,
    majority_at_k,
    middle_95,
    pass_at_k,
    pass_hat_k,
    quantiles,
    repeat_error,
    resampled_means,
)

CANONICAL = ("math", "choice", "table", "graph", "grid", "codeio", "ordering")
"""Verifiers whose extracted answers can be counted as votes."""

UNJUDGED_FLAG = 0.01
"""A larger share of samples without a verdict is flagged: what is left may be another set of questions."""

MOST_NAMED = 20


@dataclass(slots=True)
class Answered:
    """The judged samples of one question in one mode."""

    id: str
    cluster: str
    digest: str = ""
    """Of what is asked and what is right."""

    scores: list[float] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        """What a comparison with another run needs."""
        return {"id": self.id, "cluster": self.cluster, "digest": self.digest, "scores": self.scores}

    @property
    def right(self) -> int:
        """Samples with full marks."""
        return sum(score == 1.0 for score in self.scores)

    @property
    def mean(self) -> float:
        """Mean score."""
        return sum(self.scores) / len(self.scores)


def vote(extracted: str) -> str:
    """An extracted answer as a vote: case, blanks, dollars and a closing period do not count.

    >>> vote(" \\\\frac{1}{2}. ") == vote("\\\\frac{1} {2}")
    True
    """
    return re.sub(r"[\s$]+", "", extracted).rstrip(".").casefold()


def answered(states: Sequence[tuple[Any, Sequence[Drawn | None]]], mode: str) -> list[Answered]:
    """The questions with their judged samples; a question without any has an empty list.

    Args:
        states: each example with its samples (`sampling.states`).
        mode: of the verdicts.
    """
    found = []
    for example, drawn in states:
        one = Answered(example.id, example.cluster or example.id, example.digest())
        for sample in drawn:
            verdict = (sample.verdicts.get(mode) if sample else None) or {}
            if verdict.get("score") is not None:
                one.scores.append(float(verdict["score"]))
                one.answers.append(vote(str(verdict.get("extracted") or "")))
        found.append(one)
    return found


def at_k(questions: Sequence[Answered], ks: Sequence[int], votes: bool) -> dict[str, dict[str, float]]:
    """avg@k, pass@k, pass^k and, where answers can be counted, maj@k: means over the questions with k judged samples.

    A k for which some question has fewer judged samples is left out: a mean over other questions is another figure.
    """
    figures: dict[str, dict[str, float]] = {"avg_at": {}, "pass_at": {}, "pass_hat": {}}
    if votes:
        figures["maj_at"] = {}
    least = min((len(one.scores) for one in questions), default=0)
    for k in ks:
        if k > least:
            continue
        count = len(questions)
        name = str(k)
        figures["avg_at"][name] = sum(average_at_k(one.scores, k) for one in questions) / count
        figures["pass_at"][name] = sum(pass_at_k(len(one.scores), one.right, k) for one in questions) / count
        figures["pass_hat"][name] = sum(pass_hat_k(len(one.scores), one.right, k) for one in questions) / count
        if votes:
            figures["maj_at"][name] = sum(majority_at_k(one.answers, one.scores, k) for one in questions) / count
    return figures


def score_figures(questions: Sequence[Answered], name: str, draws: int, seed: int) -> dict[str, Any]:
    """The mean score and how sure it is; score None where no sample was judged."""
    judged = [one for one in questions if one.scores]
    if not judged:
        return {"score": None}
    means, clusters = [one.mean for one in judged], [one.cluster for one in judged]
    error = clustered_error(means, clusters)
    return {
        "score": sum(means) / len(means),
        "error_questions": error,
        "error_repeats": repeat_error([one.scores for one in judged]),
        "interval_95": _interval(means, clusters, draws, seed, name),
        # Two runs on these questions whose errors are independent; a paired comparison shows smaller ones.
        "least_difference": least_difference(error * 2**0.5),
        "clusters": len(set(clusters)),
    }


def _interval(means: list[float], clusters: list[str], draws: int, seed: int, name: str) -> list[float]:
    if set(means) in ({0.0}, {1.0}):
        return exact_interval_95(means[0] == 1.0, len(set(clusters)))
    return middle_95(resampled_means([means], clusters, draws, seed, name)[0])


def cell(
    name: str,
    states: Sequence[tuple[Any, Sequence[Drawn | None]]],
    *,
    modes: Sequence[str],
    ks: Sequence[int],
    verifier: str,
    draws: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """All figures of a task.

    Args:
        name: the task's.
        states: each example with its samples.
        modes: of the verdicts; the first is the score.
        ks: the k to report.
        verifier: whether answers can be counted depends on it.
        draws: resamplings behind the interval.
        seed: of the resampling.
    """
    questions = answered(states, modes[0])
    samples = [sample for _, drawn in states for sample in drawn]
    there = [sample for sample in samples if sample is not None]
    verdicts = [sample.verdicts.get(modes[0]) or {} for sample in there if sample.finish_reason != "error"]
    ended = [sample for sample in there if sample.finish_reason != "error"]
    judged = sum(len(one.scores) for one in questions)
    statuses = Counter(str(verdict.get("status", "unjudged")) for verdict in verdicts)
    reasons = Counter(str(verdict.get("reason")) for verdict in verdicts if verdict.get("status") != "correct")
    found: dict[str, Any] = {
        "questions": len(states),
        "samples": len(samples),
        "judged": judged,
        **score_figures(questions, name, draws, seed),
        **at_k(questions, ks, verifier in CANONICAL),
        "solved": sum(one.right > 0 for one in questions),
        "tokens": quantiles([sample.tokens for sample in ended]),
        "truncated": _share(sum(one.finish_reason == "length" for one in ended), len(ended)),
        "status": dict(sorted(statuses.items())),
        "reasons": dict(reasons.most_common(8)),
        "backtracking": {
            "per_answer": _share(sum(one.markers for one in ended), len(ended)),
            "answers": _share(sum(one.markers > 0 for one in ended), len(ended)),
        },
        "thinking": thinking(ended, modes[0]),
        "unjudged": unjudged(states, judged, len(samples)),
    }
    others = {mode: score_figures(answered(states, mode), name, draws, seed)["score"] for mode in modes[1:]}
    if others:
        found["other_modes"] = others
    if opinions := judged_by_model(verdicts):
        found["judge"] = opinions
    return found


def thinking(samples: Sequence[Drawn], mode: str) -> dict[str, float | None]:
    """Share of the answers that were thought about, and the mean score of these and of the others."""
    scores: dict[bool, list[float]] = {True: [], False: []}
    for sample in samples:
        score = (sample.verdicts.get(mode) or {}).get("score")
        if score is not None:
            scores[sample.thought].append(float(score))
    return {
        "answers": _share(sum(one.thought for one in samples), len(samples)),
        "score_with": _mean(scores[True]),
        "score_without": _mean(scores[False]),
    }


def unjudged(states: Sequence[tuple[Any, Sequence[Drawn | None]]], judged: int, total: int) -> dict[str, Any]:
    """The samples without a score: how many, why, and the names of stuck ones; `flag` where they are more than 1 %."""
    kinds: Counter[str] = Counter()
    stuck: list[str] = []
    for example, drawn in states:
        for number, sample in enumerate(drawn):
            if sample is None:
                kinds["never_drawn"] += 1
            elif sample.finish_reason == "error":
                overdue = sample.error.startswith(OVERDUE)
                kinds["stuck" if overdue else "no_room" if sample.error.startswith(NO_ROOM) else "failed"] += 1
                if overdue:
                    stuck.append(f"{example.id}/{number}")
    counted = sum(kinds.values())
    if total - judged > counted:
        kinds["no_verdict"] += total - judged - counted
    found: dict[str, Any] = {"count": total - judged, **dict(sorted(kinds.items()))}
    found["flag"] = bool(total) and (total - judged) / total > UNJUDGED_FLAG
    return found | ({"stuck_samples": stuck[:MOST_NAMED]} if stuck else {})


def judged_by_model(verdicts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What a judge model said of a task's samples: asked, raised, unparsed, failed, and how often it agrees with rules.

    Agreement is over the answers that both decided; with `judge_all` off those are answers that rules call wrong.
    """
    pairs = [(verdict, verdict["judge"]) for verdict in verdicts if verdict.get("judge")]
    if not pairs:
        return {}
    decided = [(rule_right(verdict), opinion["right"]) for verdict, opinion in pairs if opinion["right"] is not None]
    return {
        "model": pairs[0][1]["model"],
        "asked": len(pairs),
        "yes": sum(said for _, said in decided),
        "no": sum(not said for _, said in decided),
        "raised": sum(bool(verdict.get("rule")) for verdict, _ in pairs),
        "unparsed": sum(opinion["reason"] == "unparsed" for _, opinion in pairs),
        "failed": sum(opinion["right"] is None and opinion["reason"] != "unparsed" for _, opinion in pairs),
        "agreement": _share(sum(rule == said for rule, said in decided), len(decided)),
    }


def rule_right(verdict: Mapping[str, Any]) -> bool:
    """Whether the rules alone call an answer right, whatever a judge said after them."""
    return (verdict.get("rule") or verdict).get("status") == "correct"


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
