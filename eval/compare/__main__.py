"""Compare evaluated models: scores side by side, differences to the first with paired 95 % intervals.

Usage:
    python -m eval.compare results/organic.json results/recycled.json [MORE ...]
    python -m eval.compare results/mine.json --published repro_400m_recycled,411m_fineweb_edu

A RUN is a record that `eval.run` wrote, the folder beside it, or a record of DCLM. Where two runs have the rows behind
a score, rows (documents, for bits per byte) that both scored are resampled together, so what a file's hard rows do to
both cancels. A difference whose interval holds 0 is called "not distinguishable". Without rows there is no interval.
"""

from common.command import entry_point, parse, usage_errors
from eval.compare.differences import CompareConfig, read
from eval.compare.published import PUBLISHED
from eval.compare.table import render


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then print the table."""
    config = parse(CompareConfig, __doc__, argv, positional=("runs",))
    with usage_errors():
        unknown = [name for name in config.published if name not in PUBLISHED]
        if unknown:
            raise ValueError(f"no published score {unknown[0]!r}; known: {', '.join(PUBLISHED)}")
        runs = [read(path) for path in config.runs]
    print(render(runs, config))  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
