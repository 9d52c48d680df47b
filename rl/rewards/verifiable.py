"""Was the answer right? Verdicts of `eval.verifiers` as a reward, and the plain comparison with a reference.

`verifiable` judges any row that names a verifier or a Guru source. What could not be judged is None, never 0, and where
too many of a run's verdicts fail in infrastructure the run stops with the reason. Scoring begins when a completion is
there, not when the batch is (`begin`), so that it runs beside generation.

`exact_answer` is the plain outcome beside which likelihood rewards stand: what stands in the box or the answer tags
against the row's reference, as text and then as mathematics: `1/2`, `0.5` and `\\frac{1}{2}` are the same.
"""

import json
import re
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal

from pydantic import Field

from eval.verifiers.registry import VERIFIERS, info_of, score
from eval.verifiers.result import Mode, Result
from eval.verifiers.segments import last_answer_tag, last_box
from eval.verifiers.strict.mathematics import compare
from rl.rewards.base import NOT_APPLICABLE, Batch, Reward, RewardConfig, Scores, Stopped, Value
from rl.rewards.likelihood import references

LONGEST = 1000
"""Characters up to which an answer is read as mathematics."""

COLUMNS = ("verifier", "source", "ground_truth", "info", "id", "reference", "think_open")
"""What a verifier may read of a row."""


class VerifiableConfig(RewardConfig):
    """What the row's verifier says: 1 for a right answer, 0 for a wrong one, part of 1 where parts count."""

    kind: Literal["verifiable"] = "verifiable"

    verifier: str = ""
    """Verifier of rows that name none and have no known source; empty: such rows are not judged by this reward."""

    mode: Mode = "strict"
    """`strict`, or `guru` for the scores that Reasoning360 published (arXiv:2506.14965)."""

    truncated: Literal["zero", "none", "score"] = "zero"
    """A completion that ended at the length limit: scores 0, is left out, or is judged like any other."""

    partial: Literal["exact", "fraction"] = "exact"
    """Answers with right parts (zebra puzzles, LiveBench): 0, or their share. The paper's rewards are 0 or 1."""

    options: dict[str, Any] = Field(default_factory=dict)
    """Further settings of verifiers by name, such as a judge's address."""

    threads: int = Field(8, ge=1)
    """Verdicts at once."""

    retries: int = Field(1, ge=0)
    """How often a verdict that failed in infrastructure is tried again."""

    max_infra: float = Field(0.05, ge=0, le=1)
    """Share of infrastructure failures over `infra_steps` batches above which the run stops."""

    infra_steps: int = Field(3, ge=1)
    """Batches over which that share is taken."""


class VerifiableReward(Reward):
    """See `VerifiableConfig`."""

    kind = "verifiable"

    def __init__(self, config: VerifiableConfig) -> None:
        super().__init__(config.name)
        if config.verifier and config.verifier not in VERIFIERS:
            raise ValueError(f"no verifier is called {config.verifier!r}; there are: {', '.join(VERIFIERS)}")
        self.config = config
        self.options = {"partial": config.partial, **config.options}
        self.pool = ThreadPoolExecutor(config.threads, thread_name_prefix="verdict")
        self.begun: dict[tuple[str, str, str], Future[Result]] = {}
        self.recent: deque[list[str]] = deque(maxlen=config.infra_steps)

    def begin(self, row: Mapping[str, Any], completion: str, finish_reason: str) -> None:
        """Start judging a completion in the background; `score` of the batch it belongs to picks the verdict up."""
        row = self._row(row) if self.is_for(row) else {}
        if row and not self._is_cut(finish_reason):
            self.begun.setdefault(_key(row, completion, finish_reason), self._submit(row, completion, finish_reason))

    def score(self, batch: Batch) -> Scores:
        """The verdicts of a batch.

        Raises:
            Stopped: more than `max_infra` of the last batches' verdicts failed in infrastructure.
            ValueError: a row names a verifier or source that does not exist.
        """
        columns = {name: batch.columns[name] for name in COLUMNS if name in batch.columns}
        jobs: list[Future[Result] | str] = []
        rows = [self._row({name: values[n] for name, values in columns.items()}) for n in range(len(batch.completions))]
        for number, (row, text) in enumerate(zip(rows, batch.completions, strict=True)):
            reason = batch.finish_reason(number)
            if not row:
                jobs.append(NOT_APPLICABLE)
            elif self._is_cut(reason):
                jobs.append("truncated")
            else:
                key = _key(row, text, reason)
                jobs.append(self.begun[key] if key in self.begun else self._submit(row, text, reason))
        found = [job if isinstance(job, str) else job.result() for job in jobs]
        self.begun.clear()
        self._watch([one.reason if one.failure == "infra" else "" for one in found if isinstance(one, Result)])
        return self._scores(rows, found)

    def _row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What the registry needs of a row; empty if no verifier is known for it."""
        kept = {name: row[name] for name in COLUMNS if row.get(name) not in (None, "")}
        if not kept.get("verifier") and not kept.get("source") and not info_of(kept).get("verifiers"):
            if not self.config.verifier:
                return {}
            kept["verifier"] = self.config.verifier
        if "ground_truth" not in kept:
            kept["ground_truth"] = kept.get("reference")
        return kept

    def _is_cut(self, finish_reason: str) -> bool:
        return finish_reason == "length" and self.config.truncated != "score"

    def _submit(self, row: dict[str, Any], text: str, finish_reason: str) -> Future[Result]:
        return self.pool.submit(self.judge, row, text, finish_reason)

    def judge(self, row: Mapping[str, Any], text: str, finish_reason: str) -> Result:
        """One verdict; what failed in infrastructure is tried again."""
        for _ in range(self.config.retries + 1):
            found = score(row, text, self.config.mode, finish_reason, self.options)
            if found.failure != "infra":
                break
        return found

    def _watch(self, reasons: list[str]) -> None:
        self.recent.append(reasons)
        judged = [reason for batch in self.recent for reason in batch]
        failed = Counter(filter(None, judged))
        if len(self.recent) == self.config.infra_steps and failed.total() > self.config.max_infra * len(judged):
            worst, _ = failed.most_common(1)[0]
            raise Stopped(
                f"{failed.total()} of {len(judged)} verdicts in {len(self.recent)} batches failed in infrastructure, "
                f"mostly {worst}; more than the allowed share of {self.config.max_infra:g} (max_infra)"
            )

    def _scores(self, rows: Sequence[Mapping[str, Any]], found: Sequence[Result | str]) -> Scores:
        values = [self._value(one) for one in found]
        reasons = [
            "" if value is not None else one.reason if isinstance(one, Result) else one
            for value, one in zip(values, found, strict=True)
        ]
        status = [one.status if isinstance(one, Result) else one if one == "truncated" else None for one in found]
        parts: dict[str, list[Any]] = {
            "status": status,
            "seconds": [one.seconds if isinstance(one, Result) else None for one in found],
        }
        sources = [str(row.get("source") or row.get("verifier") or "") for row in rows]
        for source in dict.fromkeys(filter(None, sources)):
            here = [one == source for one in sources]
            parts[f"{source}/score"] = [value if own else None for own, value in zip(here, values, strict=True)]
            for name in ("correct", "unparseable", "truncated", "infra_error"):
                parts[f"{source}/{name}"] = [
                    float(each == name) if own else None for own, each in zip(here, status, strict=True)
                ]
        return Scores(values, reasons, parts)

    def _value(self, found: Result | str) -> Value:
        if found == "truncated":
            return 0.0 if self.config.truncated == "zero" else None
        if isinstance(found, str) or found.score is None:
            return None
        return found.score if self.config.partial == "fraction" else float(found.score == 1.0)


def _key(row: Mapping[str, Any], completion: str, finish_reason: str) -> tuple[str, str, str]:
    return json.dumps(row, sort_keys=True, default=str), completion, finish_reason


class ExactAnswerConfig(RewardConfig):
    """1 if the final answer equals the reference, else 0."""

    kind: Literal["exact_answer"] = "exact_answer"

    where: Literal["any", "boxed", "tags"] = "any"
    """Where the answer stands: in the last `\\\\boxed{}`, in the last answer tags, or in what there is, boxes first."""

    mathematics: bool = True
    """Compare as mathematics what differs as text."""

    column: str = "reference"
    """The row's answer; a list is several, of which one must be met."""


def final_answer(text: str, where: str = "any") -> str | None:
    """The answer of a completion, None if it gives none; see `ExactAnswerConfig.where`."""
    if where != "any":
        return last_box(text) if where == "boxed" else last_answer_tag(text)
    found = last_box(text)
    return found if found is not None else last_answer_tag(text)


def plain(text: str) -> str:
    """An answer as text to compare: case, spaces, dollar signs, thousands commas and a final full stop do not count.

    >>> plain(" $1,000$. "), plain("The Mill")
    ('1000', 'the mill')
    """
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text.strip().strip("$").rstrip(".").strip("$"))
    return " ".join(text.lower().split())


class ExactAnswerReward(Reward):
    """See `ExactAnswerConfig`."""

    kind = "exact_answer"

    def __init__(self, config: ExactAnswerConfig) -> None:
        super().__init__(config.name)
        self.config = config

    def score(self, batch: Batch) -> Scores:
        """1 or 0 by completion, 0 for one without an answer; None for a row without a reference."""
        answers = [final_answer(text, self.config.where) for text in batch.completions]
        golds = [references(value) for value in batch.column(self.config.column)]
        values = [self._right(texts, answer) if texts else None for texts, answer in zip(golds, answers, strict=True)]
        reasons = [
            "" if value is not None else "verifier_failed" if texts else "no_reference"
            for texts, value in zip(golds, values, strict=True)
        ]
        return Scores(values, reasons, {"answered": [float(answer is not None) for answer in answers]})

    def _right(self, texts: Sequence[str], answer: str | None) -> Value:
        if answer is None:
            return 0.0
        # A reference may stand in a box itself.
        texts = [final_answer(text) or text for text in texts]
        if any(plain(text) == plain(answer) for text in texts):
            return 1.0
        if not self.config.mathematics or not answer or len(answer) > LONGEST:
            return 0.0
        found = [compare(text, answer).score for text in texts]
        return 1.0 if 1.0 in found else None if None in found else 0.0


REWARDS = (VerifiableReward, ExactAnswerReward)
