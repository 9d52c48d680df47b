"""See in the terminal where a run is: how fast, what it has earned, what it waits for, its last warnings.

Usage:
    python -m eval.watch runs/rephraser_smoke_cpu
    python -m eval.watch POOL                         the run inside: filtering, rephrasing, tokenising
    python -m eval.watch results/mine.json            an evaluation, by its record
    python -m eval.watch RUN once=true                one look
    python -m eval.watch RUN every_s=10 > watch.log   a line when something happens

On a terminal the picture is drawn again and again; elsewhere a line is printed after 10, 20, 40 seconds and so on, and
for every warning. It ends when the run ends: with 0, or with 1 where the run failed or was killed. `NO_COLOR` is
respected, and nothing that a document or a model wrote can steer the terminal.
"""

import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from pydantic import Field

from common.command import entry_point, parse, usage_errors
from common.config import RunConfig
from common.runs.progress.shown import LineClock
from eval.watching.seen import Seen, Watched, find_run
from eval.watching.words import block, line

if TYPE_CHECKING:
    from rich.text import Text


class WatchConfig(RunConfig):
    """Which run, and how often to look."""

    run: str
    """The run's folder, a pool or folder with a run inside, or an evaluation's record."""

    once: bool = False
    """Look once."""

    every_s: float = Field(1.0, gt=0)
    """Seconds between looks."""


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then look until the run has ended."""
    config = parse(WatchConfig, __doc__, argv, positional=("run",))
    with usage_errors():
        watched = Watched(find_run(config.run))
    if config.once:
        _print_block(watched.look())
        return
    show = _on_terminal if _is_terminal() else _in_lines
    if show(watched, lambda: time.sleep(config.every_s)).failed:
        raise SystemExit(1)


def _in_lines(watched: Watched, wait: Callable[[], None]) -> Seen:
    """A line now and then, and one for every warning, those before now too; at the end all that is to be seen."""
    clock = LineClock(time.monotonic())
    seen, warned = watched.look(), 0
    print(line(seen), flush=True)  # noqa: T201 - the command's output
    while not seen.ended:
        for at, text in seen.warnings[len(seen.warnings) - min(seen.warned - warned, len(seen.warnings)) :]:
            print(f"{at} {text}", flush=True)  # noqa: T201 - the command's output
        warned = seen.warned
        wait()
        seen = watched.look()
        if not seen.ended and clock.due(time.monotonic()):
            print(line(seen), flush=True)  # noqa: T201 - the command's output
    _print_block(seen)
    return seen


def _on_terminal(watched: Watched, wait: Callable[[], None]) -> Seen:
    """One picture that is drawn again; it stays when the run has ended."""
    from rich.console import Console
    from rich.live import Live

    # what the picture is moved with are control codes; its own text has none left
    console = Console(file=sys.__stdout__, highlight=False)
    seen = watched.look()
    with Live(_picture(seen), console=console, auto_refresh=False) as live:
        while not seen.ended:
            wait()
            seen = watched.look()
            live.update(_picture(seen), refresh=True)
    return seen


def _picture(seen: Seen) -> "Text":
    from rich.text import Text

    first, *rest = block(seen)
    colour = "red" if seen.failed else "green" if seen.ended else "cyan"
    picture = Text(first, style=f"bold {colour}")
    for each in rest:
        picture.append("\n").append(each, style="yellow" if each.startswith("    ") else "default")
    return picture


def _print_block(seen: Seen) -> None:
    print("\n".join(block(seen)))  # noqa: T201 - the command's output


def _is_terminal() -> bool:
    return sys.__stdout__ is not None and sys.__stdout__.isatty() and os.environ.get("TERM") != "dumb"


if __name__ == "__main__":
    main()
