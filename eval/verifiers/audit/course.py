"""The audit from start to end: every vector through a target, each verdict sorted, and what depends on the load."""

import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.verifiers.audit.targets import left_behind, module_of
from eval.verifiers.audit.vectors import Vector
from eval.verifiers.workers import Outcome, Pool

KINDS = {
    "missed": "a right answer scored below 1",
    "accepted": "a wrong answer scored 1",
    "form": "an answer scored 1 that is not in the form that was asked for, or stands in unfinished thinking",
    "crashed": "no verdict: an exception, a dead process, too much memory, or a value that is no score",
    "slow": "no verdict within the limit",
    "unsafe": "what the answer says was run: it left a file",
    "load-dependent": "another verdict beside busy processes",
    "unjudged": "the target said None",
    "fine": "the verdict is right",
}
"""What is said about a vector."""

_SOURCES = {
    "math": "math__audit",
    "code": "codegen__audit",
    "codeio": "simulation__codeio",
    "cruxeval": "simulation__cruxeval",
    "grid": "simulation__arcagi1",
    "zebra": "logic__zebra_puzzle",
    "ordering": "logic__ordering_puzzle",
    "graph": "logic__graph",
    "table": "table__audit",
    "choice": "stem__gpqa",
    "judge": "stem__web",
    "ifeval": "ood__ifeval",
    "ifbench": "ood__ifbench",
    "livebench": "ood__livebench",
    "reasoning_gym": "reasoning_gym__audit",
}


@dataclass(frozen=True, slots=True)
class Case:
    """One vector and what the target made of it."""

    vector: Vector
    kind: str
    score: float | None
    seconds: float
    message: str = ""

    def record(self) -> dict[str, Any]:
        """The case as a JSON object, its input cut to 2,000 characters."""
        return {
            "id": self.vector.id,
            "verifier": self.vector.verifier,
            "kind": self.kind,
            "score": self.score,
            "expected": self.vector.score,
            "ground_truth": self.vector.ground_truth,
            "completion": self.vector.completion[:2000],
            "why": self.vector.why,
            "message": self.message,
            "seconds": round(self.seconds, 4),
        }


class Audit:
    """A target under audit; close it with a `with` around it.

    Args:
        target: see `eval.verifiers.audit.targets.judge`.
        limit_s: processor seconds that one verdict may take; four times as many by the clock.
    """

    def __init__(self, target: str, limit_s: float = 5.0) -> None:
        self.target = target
        self.limit_s = limit_s
        self.pool = Pool(module_of(target), 1)

    def __enter__(self) -> "Audit":
        """The audit itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the target's process."""
        self.pool.close()

    def judge(self, vector: Vector) -> Case:
        """One vector through the target."""
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            outcome = self._ask(vector, folder)
            seconds = time.perf_counter() - began
            left = left_behind(Path(folder))
        score = outcome.value["score"] if isinstance(outcome.value, dict) else None
        if left:
            return Case(vector, "unsafe", score, seconds, f"left {', '.join(left[:5])}")
        if outcome.failure in ("time_limit", "overloaded"):
            return Case(vector, "slow", None, seconds, f"{outcome.failure} ({self.limit_s:g} s)")
        if outcome.failure:
            return Case(vector, "crashed", None, seconds, f"{outcome.failure}: {outcome.message}"[:500])
        return Case(vector, kind_of(vector, score), score, seconds)

    def _ask(self, vector: Vector, folder: str) -> Outcome:
        arguments = {
            "target": self.target,
            "row": {**vector.row, "source": _SOURCES.get(vector.verifier, vector.verifier)},
            "completion": vector.completion,
            "place": folder,
            "home": str(Path.cwd()),
        }
        return self.pool.call("eval.verifiers.audit.targets:judge", arguments, 4 * self.limit_s, self.limit_s)

    def start(self) -> None:
        """Load the target, however long that takes.

        Raises:
            ValueError: it cannot be loaded.
        """
        arguments = {"target": self.target, "home": str(Path.cwd())}
        found = self.pool.call("eval.verifiers.audit.targets:load", arguments, 300, 120)
        if found.failure == "worker_died":  # it ended while importing: once more where the reason can be told
            plain = Pool("eval.verifiers.audit.targets", 1)
            found = plain.call("eval.verifiers.audit.targets:load", arguments, 300, 120)
            plain.close()
        if found.failure:
            raise ValueError(f"cannot load the target {self.target!r}: {found.message or found.failure}")

    def run(self, vectors: Iterable[Vector], busy: int = 0) -> Iterator[Case]:
        """Every vector, and then the slowest twenty again beside `busy` processes that do nothing but count."""
        cases = [self.judge(vector) for vector in vectors]
        again = sorted((case for case in cases if case.kind not in ("slow", "unsafe")), key=lambda one: -one.seconds)
        changed = {}
        if busy:
            with beside(busy):
                for case in again[:20]:
                    second = self.judge(case.vector)
                    if (second.kind, second.score) != (case.kind, case.score):
                        message = f"{case.kind} ({case.score}) alone, {second.kind} ({second.score}) beside {busy}"
                        changed[case.vector.id] = Case(case.vector, "load-dependent", None, second.seconds, message)
        yield from (changed.get(case.vector.id, case) for case in cases)


def kind_of(vector: Vector, score: float | None) -> str:
    """Which of `KINDS` a verdict is; what nobody can judge is fine unless it scored 1."""
    full = score is not None and score >= 1 - 1e-9
    if vector.score == 1:
        return "fine" if full else "unjudged" if score is None else "missed"
    if not full:
        return "fine" if score is not None or vector.score is None else "unjudged"
    return "form" if vector.status in ("unparseable", "truncated") else "accepted"


@contextmanager
def beside(count: int) -> Iterator[None]:
    """Run `count` processes that keep a processor busy, for as long as the block lasts."""
    spin = "import time\nend = time.monotonic() + 300\nwhile time.monotonic() < end: pass"
    busy = [subprocess.Popen([sys.executable, "-c", spin]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def table(found: Mapping[str, Sequence[Case]]) -> str:
    """One line a target: how many right and wrong answers there were, and the counts of what is wrong with it."""
    kinds = [kind for kind in KINDS if kind != "fine"]
    names = [*found, "target"]
    width = max(map(len, names))
    lines = [" ".join([f"{'target':<{width}}", f"{'right':>6}", f"{'wrong':>6}", *(f"{kind:>14}" for kind in kinds)])]
    for target, cases in found.items():
        counts = Counter(case.kind for case in cases)
        right = sum(case.vector.score == 1 for case in cases)
        numbers = [f"{counts[kind]:>14}" for kind in kinds]
        lines.append(" ".join([f"{target:<{width}}", f"{right:>6}", f"{len(cases) - right:>6}", *numbers]))
    return "\n".join(lines)


def listing(cases: Iterable[Case], shown: int = 160) -> str:
    """What is wrong, kind by kind, with the input of each case on a line."""
    by_kind: dict[str, list[Case]] = {kind: [] for kind in KINDS if kind != "fine"}
    for case in cases:
        if case.kind != "fine":
            by_kind[case.kind].append(case)
    lines = []
    for kind, wrong in by_kind.items():
        if wrong:
            lines.append(f"{kind} ({len(wrong)}): {KINDS[kind]}")
        for case in wrong:
            text = repr(
                case.vector.completion if len(case.vector.completion) < shown else case.vector.completion[:shown]
            )
            gold = repr(case.vector.ground_truth)[:80]
            note = f" [{case.message}]" if case.message else ""
            lines.append(f"  {case.vector.id}: {text} for {gold} ({case.vector.why}){note}")
    return "\n".join(lines)
