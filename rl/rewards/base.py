"""What every reward is: a config that builds it, a `score` over a batch, and the form that TRL calls.

A reward returns one float per completion, or None with a reason where it cannot judge. A reason other than
`NOT_APPLICABLE` makes the whole completion unscorable: `combine` turns all its components to None, because TRL would
add a lone None up as 0 and shift the completion's group (arXiv:2510.10681's code scores a failed judge call 0).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

from pydantic import Field

from common.config import ADDED, CommaList, RunConfig

Value = float | None
Message = dict[str, Any]

NOT_APPLICABLE = "not_applicable"
"""The reason of a None that says: this reward has nothing to judge here. The others still count."""


SOURCES = ("source", "data_source")
"""Columns that name a row's data set."""


class RewardConfig(RunConfig):
    """What all rewards share."""

    name: str = Field("", pattern=r"^[a-z0-9_]*$")
    """Name in metrics and samples; the kind if empty."""

    data_sources: Annotated[CommaList, ADDED] = []
    """Only judges rows of these data sets (their `source` or `data_source`); all rows if empty. So rewards of several
    families share one run."""

    def needs_servers(self) -> list[str]:
        """The URLs of the servers this reward asks, so that a run can check them before it loads a model."""
        return []


@dataclass(frozen=True)
class Batch:
    """Completions to judge and what is known about each; all lists are of the same length B."""

    completions: list[str]
    """[B] what the policy wrote, special tokens left out."""

    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """The data set's columns, [B] each: `text`, `reference`, `id`, …"""

    prompts: Sequence[str | list[Message]] = ()
    """[B] what the policy was shown; empty where a reward does not need it."""

    finish_reasons: Sequence[str] = ()
    """[B] `stop`, or `length` for a completion without an end token; empty means `stop` for all."""

    def column(self, name: str) -> Sequence[Any]:
        """A column of the data.

        Raises:
            ValueError: the rows have no such column.
        """
        if name not in self.columns:
            known = ", ".join(sorted(self.columns)) or "none"
            raise ValueError(f"a reward needs the column {name!r}; the rows have: {known}")
        return self.columns[name]

    def think_open(self, row: int) -> bool:
        """Whether the prompt ended with an open `<think>`, so that the completion begins inside the thinking."""
        said = self.columns["think_open"][row] if "think_open" in self.columns else None
        prompt = self.prompts[row] if self.prompts else ""
        return bool(said) or (isinstance(prompt, str) and prompt.rstrip().endswith("<think>"))

    def at(self, places: Sequence[int]) -> "Batch":
        """The completions with these numbers, and what is known about them."""
        return Batch(
            [self.completions[row] for row in places],
            {name: [values[row] for row in places] for name, values in self.columns.items()},
            [self.prompts[row] for row in places] if self.prompts else (),
            [self.finish_reasons[row] for row in places] if self.finish_reasons else (),
        )

    def finish_reason(self, row: int) -> str:
        """Why a completion ended."""
        return self.finish_reasons[row] if self.finish_reasons else "stop"


@dataclass
class Scores:
    """One reward's judgement of a batch."""

    values: list[Value]
    """[B] the reward; None where it cannot say."""

    reasons: list[str]
    """[B] why a value is None; "" where there is one."""

    parts: dict[str, list[Any]] = field(default_factory=dict)
    """[B] each: what the value was made of, for the log and the samples."""

    @classmethod
    def of(cls, values: Sequence[Value], reason: str = "unscored", **parts: list[Any]) -> "Scores":
        """Scores in which every None has the same reason."""
        return cls(list(values), ["" if value is not None else reason for value in values], parts)


class Reward(ABC):
    """A reward function in TRL's form, built from a `RewardConfig` with a `kind`."""

    kind: ClassVar[str]

    def __init__(self, name: str = "") -> None:
        self.__name__ = name or self.kind  # TRL names its metrics after it
        self.last = Scores([], [])
        """What the last call found; the trainer reads reasons and parts from it."""

    data_sources: Sequence[str] = ()
    """See `RewardConfig.data_sources`."""

    asks_servers = False
    """Whether it waits for servers: then it begins before the others."""

    @abstractmethod
    def score(self, batch: Batch) -> Scores:
        """Judge every completion of the batch."""

    def applied(self, batch: Batch) -> Scores:
        """Judge the completions of the rows that this reward is for; it has nothing to judge in the others."""
        places = self.places(batch)
        if len(places) == len(batch.completions):
            return self.score(batch)
        size = len(batch.completions)
        found = Scores([None] * size, [NOT_APPLICABLE] * size)
        if not places:
            return found
        own = self.score(batch.at(places))
        found.parts = {name: [None] * size for name in own.parts}
        for position, place in enumerate(places):
            found.values[place], found.reasons[place] = own.values[position], own.reasons[position]
            for name, column in own.parts.items():
                found.parts[name][place] = column[position]
        return found

    def places(self, batch: Batch) -> list[int]:
        """Numbers of the completions whose rows this reward is for."""
        size = len(batch.completions)
        named = {name: batch.columns[name] for name in SOURCES if name in batch.columns}
        return [row for row in range(size) if self.is_for({name: values[row] for name, values in named.items()})]

    def is_for(self, row: Mapping[str, Any]) -> bool:
        """Whether this reward judges completions of a row."""
        return not self.data_sources or any(row.get(name) in self.data_sources for name in SOURCES)

    def __call__(
        self,
        prompts: Sequence[str | list[Message]],
        completions: Sequence[str | list[Message]],
        completion_ids: Sequence[Sequence[int]] | None = None,
        **columns: Any,
    ) -> list[Value]:
        """TRL's form: one value per completion. `finish_reason` and `prompt_ids` are columns our trainer adds."""
        rows = {name: values for name, values in columns.items() if isinstance(values, list)}
        if completion_ids is not None:
            rows["completion_ids"] = [list(ids) for ids in completion_ids]
        batch = Batch(
            completions=[message_text(completion) for completion in completions],
            columns=rows,
            prompts=prompts,
            finish_reasons=rows.get("finish_reason", ()),
        )
        self.last = self.applied(batch)
        if len(self.last.values) != len(completions):
            raise ValueError(
                f"reward {self.__name__!r} gave {len(self.last.values)} values for {len(completions)} rows"
            )
        return self.last.values


def message_text(completion: str | Sequence[Message]) -> str:
    """The text of a completion, whether plain or a list with one assistant message."""
    if isinstance(completion, str):
        return completion
    return "".join(str(message.get("content") or "") for message in completion)


def parts(scores: Mapping[str, Scores], row: int) -> dict[str, Any]:
    """What one completion's rewards were made of, as `reward/part`."""
    return {f"{name}/{part}": column[row] for name, found in scores.items() for part, column in found.parts.items()}


def combine(scores: Mapping[str, Scores], weights: Mapping[str, float]) -> list[Value]:
    """[B] weighted totals; None for a completion that some reward failed to judge, or none judged.

    `total = sum_k w_k r_k` over the rewards that apply. A reward with weight 0 is logged and fails nobody.
    """
    totals: list[Value] = []
    for row in range(len(next(iter(scores.values())).values)):
        applied = [weights[name] * value for name, found in scores.items() if (value := found.values[row]) is not None]
        totals.append(sum(applied) if applied and not failure(scores, weights, row) else None)
    return totals


def failure(scores: Mapping[str, Scores], weights: Mapping[str, float], row: int) -> str:
    """Why a completion cannot be scored, as `reward/reason`; "" if it can."""
    for name, found in scores.items():
        if weights[name] and found.values[row] is None and found.reasons[row] != NOT_APPLICABLE:
            return f"{name}/{found.reasons[row] or 'unscored'}"
    return ""


class Stopped(RuntimeError):
    """A run that ended before its last step, for a reason that is not a fault of the program."""


class SkipLimit:
    """Stops a run in which too large a share of the completions cannot be scored.

    Args:
        max_share: share above which the run stops.
        window: completions that are looked back on; nothing happens before `window` / 4 of them.
    """

    def __init__(self, max_share: float, window: int = 1000) -> None:
        self.max_share, self.window = max_share, window
        self.recent: list[str] = []

    def add(self, failures: Sequence[str]) -> None:
        """Count one batch of `failure` texts.

        Raises:
            Stopped: more than the allowed share failed; the message names the most frequent reason.
        """
        self.recent = [*self.recent, *failures][-self.window :]
        failed = [reason for reason in self.recent if reason]
        if len(self.recent) * 4 >= self.window and len(failed) > self.max_share * len(self.recent):
            worst = max(set(failed), key=failed.count)
            raise Stopped(
                f"{len(failed)} of the last {len(self.recent)} completions could not be scored, mostly {worst}; "
                f"more than the allowed share of {self.max_share:g} (max_skipped)"
            )
