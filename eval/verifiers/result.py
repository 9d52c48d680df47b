"""What a verifier says: a status, a score, and a reason from a closed list.

A score of 1.0 means `correct` and nothing else does. None means that nobody judged (`infra_error`, `skipped`); it is
never 0, because a completion that could not be judged is not a wrong one, and a trainer has to leave it out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

Status = Literal["correct", "wrong", "unparseable", "truncated", "infra_error", "skipped"]
"""`correct`: full marks. `wrong`: an answer was found and is not fully right, or the completion's own program broke a
limit. `unparseable`: no answer in the asked form. `truncated`: thinking never closed, or the length limit came before
any answer. `infra_error`: sandbox, judge or worker failed. `skipped`: the row itself cannot be scored."""

Mode = Literal["strict", "guru"]
"""`strict` is the default; `guru` gives the scores that Reasoning360 published."""

UNJUDGED: tuple[Status, ...] = ("infra_error", "skipped")

REASONS: dict[str, str] = {
    "ok": "the answer is right",
    "different": "an answer was found and does not equal the reference",
    "no_box": "there is no \\boxed{} in the answer",
    "empty_box": "the last \\boxed{} holds nothing",
    "no_tag": "there are no closed <answer> tags in the answer",
    "no_fence": "there is no fenced block of the asked kind",
    "no_letter": "no option is named",
    "no_answer": "there is no answer in any form that the verifier reads",
    "empty": "the completion, or what follows its thinking, is empty",
    "not_closed": "the thinking was opened and never closed",
    "length_limit": "generation stopped at the length limit before an answer",
    "hedged": "several answers were given where one was asked for",
    "shape": "the answer has another shape than the reference (rows, columns, number of parts)",
    "type": "the answer is of another kind than asked (text for a number, a wrong key)",
    "too_long": "the answer is longer than any answer that is compared",
    "too_large": "comparing would need numbers beyond any bound",
    "missing_header": "a table's header is missing or names other columns",
    "not_a_permutation": "the list does not hold the asked items once each",
    "partial": "some parts are right, not all",
    "syntax": "the answer does not parse as what was asked for",
    "entry_missing": "no block defines the function that is called",
    "tests_failed": "the program ran and failed a test",
    "no_tests_run": "the program ended before the tests",
    "time_limit": "the completion's own work exceeded its time",
    "memory_limit": "the completion's own work exceeded its memory",
    "output_limit": "the program printed more than is read",
    "network": "the program asked for a connection",
    "blocked_construct": "the answer uses a construct that is not allowed there",
    "instructions_failed": "at least one instruction was not followed",
    "judge_no": "the judge model said no",
    "judge_down": "the judge did not answer",
    "judge_garbled": "the judge answered without a decision",
    "sandbox_down": "the sandbox failed, not the program",
    "overloaded": "the machine had no processor for the work within its wall time",
    "worker_died": "the process that compared ended for no reason of the answer's",
    "verifier_error": "the verifier itself failed; its message is in the detail",
    "bad_gold": "the row's reference cannot be read, or a field that the verifier needs is missing",
    "missing_resource": "an optional package or a file is not installed",
    "unknown_instruction": "the row names an instruction that is not known",
}
"""Every reason there is, and what it says."""


@dataclass(frozen=True, slots=True)
class Result:
    """One verdict.

    Raises:
        ValueError: status, score and reason contradict each other, or the reason is not in `REASONS`.
    """

    status: Status

    score: float | None
    """1.0 if and only if `correct`, None if and only if nobody judged, else from 0 up to but not including 1."""

    reason: str = "ok"
    """A key of `REASONS`; `ok` if and only if `correct`."""

    extracted: str = ""
    """The answer that was read out of the completion."""

    detail: Mapping[str, Any] = field(default_factory=dict)
    """What a verifier adds: cells, tests passed, the judge's reply, the isolation level. JSON values only."""

    seconds: float = 0.0
    """Wall time of the verdict; filled in by the registry."""

    verifier: str = ""
    """The registry's name of the verifier; filled in by the registry."""

    mode: str = "strict"
    """`strict` or `guru`; filled in by the registry."""

    version: str = ""
    """Whatever else decides the verdict: versions of libraries and their runtimes."""

    def __post_init__(self) -> None:
        if self.status not in get_args(Status) or self.reason not in REASONS:
            raise ValueError(f"no such status or reason: {self.status!r}, {self.reason!r}")
        fits = {
            "correct": self.score == 1.0,
            "wrong": self.score is not None and 0 <= self.score < 1,
            "infra_error": self.score is None,
            "skipped": self.score is None,
        }.get(self.status, self.score == 0.0)
        if not fits or (self.reason == "ok") != (self.status == "correct"):
            raise ValueError(f"status {self.status!r} with score {self.score!r} and reason {self.reason!r}")

    @property
    def mask(self) -> bool:
        """Whether a trainer has to leave this completion out of its loss and of its group's baseline."""
        return self.score is None

    @property
    def failure(self) -> Literal["", "infra", "row"]:
        """Whose fault a missing score is: `infra` (try again, count, stop the run), `row` (mend the data), or none."""
        return {"infra_error": "infra", "skipped": "row"}.get(self.status, "")  # type: ignore[return-value]

    def with_(self, **changes: Any) -> "Result":
        """The same result with some fields changed."""
        return replace(self, **changes)

    def record(self) -> dict[str, Any]:
        """The result as a JSON object, with `mask` and `failure` for a trainer."""
        return {
            "status": self.status,
            "score": self.score,
            "extracted": self.extracted,
            "reason": self.reason,
            "seconds": round(self.seconds, 6),
            "detail": dict(self.detail),
            "verifier": self.verifier,
            "mode": self.mode,
            "version": self.version,
            "mask": self.mask,
            "failure": self.failure,
        }


def correct(extracted: str, **detail: Any) -> Result:
    """Full marks."""
    return Result("correct", 1.0, "ok", extracted, detail)


def wrong(reason: str, extracted: str = "", score: float = 0.0, **detail: Any) -> Result:
    """An answer that is not fully right; `score` is what it earns where parts count."""
    return Result("wrong", score, reason, extracted, detail)


def unparseable(reason: str, extracted: str = "", **detail: Any) -> Result:
    """No answer in the asked form."""
    return Result("unparseable", 0.0, reason, extracted, detail)


def infra_error(reason: str, **detail: Any) -> Result:
    """Not judged, through no fault of the completion or the row."""
    return Result("infra_error", None, reason, "", detail)


def skipped(reason: str, **detail: Any) -> Result:
    """Not judged, because the row cannot be scored here."""
    return Result("skipped", None, reason, "", detail)


def of_score(score: float, extracted: str, reason: str = "different", **detail: Any) -> Result:
    """`correct` for 1.0, else `wrong` with the score and the reason: for scores that others' rules gave."""
    return correct(extracted, **detail) if score == 1.0 else wrong(reason, extracted, score, **detail)
