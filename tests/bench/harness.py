"""How every bench measures: all sides in one environment and in turns, medians with spread, equal outputs first.

    found = measure(
        {"ours": Side(ours), "plain": [Side(plain, "logits_to_keep"), Side(other, "all logits")]}, equal=same, runs=5
    )
    found.aim("plain", "ours", least=1.1)

A peer may have several settings; the one with the least median stands for it, and the figure names it. Seconds are CPU
seconds, since other work on a machine takes wall time from one side and not from the other. Sides in this process share
its threads, allocator and libraries; sides in processes of their own get `ENVIRONMENT`, all of them the same.
"""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

RUNS = 5

ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "TOKENIZERS_PARALLELISM": "false",
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""Of all sides that run as processes of their own; huge pages help whatever keeps tables in memory."""


@dataclass(frozen=True)
class Side:
    """One way of doing the work: what to call, and how it is set."""

    run: Callable[[], Any]
    """Does the work once and gives its output; `timed` where it measures itself."""

    setting: str = ""

    timed: bool = False
    """Whether `run` gives (seconds, output), so that what it prepares does not count."""


@dataclass
class Times:
    """The seconds of one setting's runs."""

    setting: str
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        """Median, and from the least to the most."""
        setting = f" ({self.setting})" if self.setting else ""
        return f"{self.median:.3g} s, {min(self.seconds):.3g} to {max(self.seconds):.3g}{setting}"


class Found:
    """What was measured: for every side its settings, the one with the least median first."""

    def __init__(self, what: str, times: Mapping[str, list[Times]]) -> None:
        self.what = what
        self.times = {name: sorted(settings, key=lambda one: one.median) for name, settings in times.items()}
        for name, settings in self.times.items():
            print(f"\n{what}: {name}: {'; '.join(map(str, settings))}", end="", flush=True)  # noqa: T201 - the figures

    def ratio(self, slow: str, fast: str) -> tuple[float, float, float]:
        """Median, least and most of one side's seconds over the other's, pair by pair of the runs that came together.

        Settings other than each side's best do not count.
        """
        above, below = self.times[slow][0].seconds, self.times[fast][0].seconds
        ratios = [one / other for one, other in zip(above, below, strict=True)]
        return statistics.median(ratios), min(ratios), max(ratios)

    def aim(self, slow: str, fast: str, *, least: float, not_reached: str = "") -> None:
        """Print the ratio beside its aim, and fail where it is missed without a reason.

        Args:
            slow: the side whose seconds are above.
            fast: the side whose seconds are below.
            least: the aim.
            not_reached: why the aim is known to be missed; then it is printed as such and nothing fails.
        """
        middle, low, high = self.ratio(slow, fast)
        reached = middle >= least
        verdict = "reached" if reached else "NOT REACHED" + (f": {not_reached}" if not_reached else "")
        print(f"\n{self.what}: {slow} / {fast} = {middle:.3g} ({low:.3g} to {high:.3g}), aim {least:g}: {verdict}")  # noqa: T201
        assert reached or not_reached, f"{self.what}: {middle:.3g} of {least:g}"


def measure(
    what: str,
    sides: Mapping[str, Side | Sequence[Side]],
    equal: Callable[[Any, Any], object],
    runs: int = RUNS,
) -> Found:
    """Run all settings of all sides in turns, after one round that does not count and whose outputs must agree.

    Args:
        what: begins the printed lines.
        sides: by name; several settings of a peer are measured one by one.
        equal: raises where an output is not the first side's.
        runs: that count, of each setting; REPRO_BENCH_RUNS says another number.
    """
    runs = int(os.environ.get("REPRO_BENCH_RUNS", runs))
    named = [(name, one) for name, side in sides.items() for one in ([side] if isinstance(side, Side) else side)]
    outputs = [_once(one)[1] for _, one in named]
    for output in outputs[1:]:
        equal(outputs[0], output)
    times: dict[str, list[Times]] = {name: [] for name in sides}
    rows = [Times(one.setting) for _, one in named]
    for (name, _), row in zip(named, rows, strict=True):
        times[name].append(row)
    for _ in range(runs):
        for (_, one), row in zip(named, rows, strict=True):
            row.seconds.append(_once(one)[0])
    return Found(what, times)


def _once(side: Side) -> tuple[float, Any]:
    if side.timed:
        return side.run()
    began = time.process_time()
    output = side.run()
    return time.process_time() - began, output


def process(command: Sequence[str], **environment: str) -> tuple[float, str]:
    """Run a program in the common environment: the seconds it prints as the last line's first word, and all it printed.

    The program says its own seconds, so that nobody's start-up counts; the rest of that line is its output.
    """
    kept = os.environ | ENVIRONMENT | environment
    done = subprocess.run(list(command), env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    seconds, _, output = done.stdout.splitlines()[-1].partition(" ")
    return float(seconds), output
