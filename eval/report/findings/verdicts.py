"""The three questions that a run is to answer, each answered in one sentence with the figures behind it.

Is the recycled text faithful? Did training with rewards help? Is the difference between the models more than noise?
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from eval.report.findings.unfinished import unfinished
from eval.report.held_out import Gains, held_out_gains
from eval.report.names import reward
from eval.report.recycled import faithfulness
from eval.report.stages import Stage
from eval.report.students import StudentPair, sentence, student_pairs

FAITHFUL, PARTLY = 0.95, 0.8
"""Shares of the prose's words and of its numbers that a faithful pool keeps at least, and a partly faithful one."""

INVENTED = 0.01
"""Share of words that stand nowhere in the source, up to which a pool is called faithful."""

ERRORS = 2.0
"""Standard errors from which a gain is more than chance."""

Answer = Literal["yes", "no", "partly", "unknown"]


class RunVerdict(NamedTuple):
    """A question with its answer."""

    about: str
    """The pool, run or models that it is about."""
    question: str
    answer: Answer
    told: str
    """The answer in words, with all figures."""
    learnt: str
    """The same in one line, for a terminal."""
    tone: Answer | None = None
    """Which answer it looks like, where that is not its own: that models do not differ is no bad news."""


@dataclass
class Findings:
    """All that follows from the stages, worked out once."""

    faithful: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Pool with recycled text → figures of `eval.faithfulness.recycled`."""
    made: list[str] = field(default_factory=list)
    """Those of them that were recycled, in contrast to what was selected of them."""
    gains: dict[str, Gains] = field(default_factory=dict)
    """Run → held-out gains."""
    students: list[StudentPair] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)
    """(stage, what it has not finished)."""

    @classmethod
    def of(cls, stages: Sequence[Stage]) -> "Findings":
        """What follows from these stages."""
        found = cls()
        found.faithful = {stage.name: figures for stage in stages if (figures := faithfulness(stage))}
        found.made = [stage.name for stage in stages if stage.kind != "selected" and stage.name in found.faithful]
        found.gains = {stage.name: gains for stage in stages if (gains := held_out_gains(stage))}
        found.students = student_pairs(stages)
        found.missing = unfinished(stages)
        return found

    def verdicts(self) -> list[RunVerdict]:
        """An answer for every recycled pool, every run with rewards, every further model."""
        open_ends = {name for name, _ in self.missing}
        found = [faithful_verdict(name, self.faithful[name]) for name in self.made or self.faithful]
        found += [training_verdict(name, gains, name in open_ends) for name, gains in self.gains.items()]
        return found + [noise_verdict(pair) for pair in self.students]


def faithful_verdict(name: str, figures: Mapping[str, Any]) -> RunVerdict:
    """Whether a recycled pool says what its sources say."""
    kept, numbers, invented = figures["content_kept"], figures["numbers_kept"], figures["words_invented"]
    question = f"Is the text of {name} faithful?"
    if kept is None:
        why = "no prose went through the model"
        return RunVerdict(name, question, "unknown", f"Not known: {why}.", f"Nothing is known of {name}: {why}.")
    least = min(kept, 1.0 if numbers is None else numbers)
    answer: Answer = "yes" if least >= FAITHFUL else "partly" if least >= PARTLY else "no"
    if (invented or 0.0) > INVENTED and answer == "yes":
        answer = "partly"
    between = figures["intervals"]["content_kept"]
    bounds = f" (95 % over pages: {100 * between[0]:.1f} to {100 * between[1]:.1f})" if between else ""
    of_numbers = f" and {100 * numbers:.1f} % of its numbers" if numbers is not None else ""
    lost = figures["pages_lost"]
    among = ""
    if "documents_read" in figures:
        among = f" Looked at were {figures['documents_read']:,} of {figures['documents_made']:,} pages."
    word = {"yes": "Yes", "partly": "Partly", "no": "No"}[answer]
    learnt = {"yes": "faithful", "partly": "faithful in part", "no": "not faithful"}[answer]
    return RunVerdict(
        name,
        question,
        answer,
        f"{word}: it keeps {100 * kept:.1f} % of the words of the prose{bounds}{of_numbers}. "
        f"{100 * (invented or 0):.2f} % of its words stand nowhere in the source. "
        f"{_changed(figures)} {lost} page{' was' if lost == 1 else 's were'} lost.{among}",
        f"The text of {name} is {learnt}: it keeps {100 * kept:.1f} % of the words of its prose{of_numbers}.",
    )


def _changed(figures: Mapping[str, Any]) -> str:
    """How many pages were changed, and for better or worse."""
    pages, quality = figures["pages"], figures["quality"]
    changed = round((figures["pages_changed"] or 0) * pages)
    gain, error = quality["gain"], quality["error"]
    if error is None or abs(gain) <= ERRORS * error:
        how = "neither better nor worse by more than chance"
    else:
        how = f"{'better' if gain > 0 else 'worse'} by more than chance"
    return f"{changed:,} of {pages:,} pages changed; as prose they are {how}."


def training_verdict(name: str, gains: Gains, so_far: bool = False) -> RunVerdict:
    """Whether training moved the rewards on held-out rows, and which."""
    moved = {key: one for key, one in gains.items() if abs(one["gain"]) > ERRORS * one["error"] and one["gain"]}
    total = gains.get("total")
    up = [_moved(key, one) for key, one in moved.items() if key != "total" and one["gain"] > 0]
    down = [_moved(key, one) for key, one in moved.items() if key != "total" and one["gain"] < 0]
    judged = [total] if total else list(gains.values())
    better = any(one["gain"] > ERRORS * one["error"] and one["gain"] > 0 for one in judged)
    worse = any(-one["gain"] > ERRORS * one["error"] and one["gain"] < 0 for one in judged)
    answer: Answer = "partly" if better and worse else "yes" if better else "no"
    rows = max(int(one["rows"]) for one in gains.values())
    word = {"yes": "Yes", "partly": "In part", "no": "No, it made it worse" if worse else "Not by more than chance"}
    said = f"{word[answer]}{', so far' if so_far else ''}: on {rows:,} held-out rows "
    if total:
        said += f"the total reward went from {total['before']:.2f} to {total['after']:.2f} (error {total['error']:.2f})"
    else:
        said += "each reward was compared"
    parts = [f"higher are {', '.join(up)}"] if up else []
    parts += [f"lower are {', '.join(down)}"] if down else []
    rest = "; ".join(parts) or "no single reward moved by more than twice its error"
    short = {
        "yes": "helped",
        "partly": "helped in part",
        "no": "made it worse" if worse else "did not help by more than chance",
    }
    learnt = f"Training {name} {short[answer]}{' so far' if so_far else ''}: {_in_short(gains)}."
    return RunVerdict(name, f"Did training {name} help?", answer, f"{said}; {rest}.", learnt)


def _in_short(gains: Gains) -> str:
    """What became of the total on held-out rows, or of each reward."""
    if "total" in gains:
        one = gains["total"]
        told = f"from {one['before']:.2f} to {one['after']:.2f} (error {one['error']:.2f})"
        return f"held out, the total reward went {told}"
    return "held out, " + ", ".join(_moved(key, one) for key, one in gains.items())


def _moved(key: str, one: Mapping[str, float]) -> str:
    return f"{reward(key)} ({one['gain']:+.2f}, error {one['error']:.2f})"


def noise_verdict(pair: StudentPair) -> RunVerdict:
    """Whether two models differ by more than the choice of held-out documents explains."""
    value, bounds = pair.difference.value, pair.difference.interval_95
    told = sentence(*pair)
    about = f"{pair.other} and {pair.first}"
    question = f"Is the difference between {about} more than noise?"
    if bounds is None:
        learnt = f"Whether {about} differ by more than noise is not known: they share no documents."
        return RunVerdict(about, question, "unknown", f"Not known: {told}", learnt)
    figures = f"{value:+.3f} bits per byte (95 % over documents: {bounds[0]:+.3f} to {bounds[1]:+.3f})"
    if bounds[0] <= 0 <= bounds[1]:
        learnt = f"{about} do not differ by more than noise: {figures}."
        return RunVerdict(about, question, "no", f"No: {told}", learnt, "unknown")
    learnt = f"{pair.other} is {pair.difference.verdict} than {pair.first} by more than noise: {figures}."
    return RunVerdict(
        about, question, "yes", f"Yes: {told}", learnt, "yes" if pair.difference.verdict == "better" else "no"
    )
