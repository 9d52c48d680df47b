"""Stored samples to verdicts: rules in either mode, then a judge for what they call wrong; no model is needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.engines.requests import NO_ROOM
from common.hashing import step_hash
from eval.judges.upgrades import UpgradeConfig, UpgradeJudge, Wording
from eval.verifiers.registry import score
from eval.verifiers.result import Mode
from eval.verifiers.segments import answer_part

Record = dict[str, Any]


@dataclass
class Judging:
    """How the samples of a run are judged."""

    modes: Sequence[Mode] = ("strict",)
    options: Mapping[str, Any] = field(default_factory=dict)
    wording: Wording | None = None
    """Of the judge; None where rules alone decide."""

    judge: UpgradeJudge | None = None

    def fingerprint(self) -> str:
        """Changes where a verdict given before would no longer be this one's."""
        asked = self.judge.config if self.judge is not None and self.wording is not None else None
        judge = [self.wording, asked.name, asked.judge_all] if asked else []
        return step_hash(dict(self.options), judge)

    def _asks(self) -> bool:
        return self.judge is not None and self.wording is not None

    def verdicts(self, row: Mapping[str, Any], question: str, completion: str, finish_reason: str) -> dict[str, Record]:
        """Mode to verdict; in the first mode the judge may raise it, and both are in the record.

        Args:
            row: verifier, ground truth and info of the example.
            question: the prompt's text, for the judge.
            completion: what the model wrote.
            finish_reason: `stop` or `length`.
        """
        found: dict[str, Record] = {}
        for position, mode in enumerate(self.modes):
            record = score(row, completion, mode, finish_reason or None, self.options).record()
            if position == 0 and self._asks():
                record = self._raised(record, row, question, completion)
            record["with"] = self.fingerprint()
            found[mode] = record
        return found

    def _raised(self, rule: Record, row: Mapping[str, Any], question: str, completion: str) -> Record:
        judge, wording = self.judge, self.wording
        if judge is None or wording is None or rule["score"] is None:
            return rule
        right = rule["status"] == "correct"
        region = answer_part(completion, bool(row.get("think_open")))
        if (right and not judge.config.judge_all) or not region or not region.strip():
            return rule
        opinion = judge.decide(wording, question, region, str(row.get("ground_truth")))
        record = {**rule, "judge": opinion.record(judge.config.name, wording)}
        if opinion.right and not right:
            before = {name: rule[name] for name in ("status", "score", "reason")}
            record |= {"status": "correct", "score": 1.0, "reason": "ok", "rule": before}
        return record


def judging(
    modes: Sequence[str],
    options: Mapping[str, Any],
    wording: str,
    config: UpgradeConfig,
    judge: UpgradeJudge | None = None,
) -> Judging:
    """How a task's samples are judged: the judge is opened where the task names a wording and a model is named.

    Args:
        modes: `strict`, `guru`, or both.
        options: of the verifiers.
        wording: the task's, empty for rules alone.
        config: the judge.
        judge: one that is open already.

    Raises:
        ValueError: the judge's server is not named, or its key is not set.
    """
    if not wording or not config.name:
        return Judging(tuple(modes), options)  # type: ignore[arg-type]
    opened = judge or UpgradeJudge(config)
    return Judging(tuple(modes), options, wording, opened)  # type: ignore[arg-type]


def unfinished(record: Mapping[str, Any] | None, fingerprint: str) -> bool:
    """Whether a verdict is missing, was given by other settings, or failed for reasons that may have passed."""
    if record is None or record.get("with") != fingerprint or record.get("status") == "infra_error":
        return True
    opinion = record.get("judge") or {}
    return opinion.get("right", True) is None and opinion.get("reason") != "unparsed"


def is_final(finish_reason: str, error: str) -> bool:
    """Whether a sample need not be drawn again: it ended, or the model can never have room for its prompt."""
    return finish_reason != "error" or error.startswith(NO_ROOM)
