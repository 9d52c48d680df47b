"""Compare evaluated models: scores side by side, differences to the first with paired 95 % intervals; or papers' cells.

Usage:
    python -m eval.compare results/organic.json results/recycled.json [MORE ...]
    python -m eval.compare organic_1.json,organic_2.json recycled_1.json,recycled_2.json     # two seeds of each
    python -m eval.compare results/mine.json --published repro_400m_recycled,411m_fineweb_edu
    python -m eval.compare base.json rlpr.json outcome.json control=outcome      # what training taught, in words too
    python -m eval.compare results/reasoner.json --published guru7b       # cells of arXiv:2506.14965, settings checked
    python -m eval.compare math.csv code.csv logic.csv                    # training curves: W&B exports

A RUN is a record that `eval.run` wrote, the folder beside it, or a record of DCLM. Where two runs have the rows behind
a score, rows (documents, for bits per byte) that both scored are resampled together, so what a file's hard rows do to
both cancels. A difference whose interval holds 0 is called "not distinguishable". Without rows there is no interval.
Cells of reasoning tasks with other settings (engine, dtype, decoding, template, verifier) are called not comparable.
Of curves it tells the best checkpoint, how lengths and rewards went, and what training on one domain did to the others.
"""

from common.command import entry_point, parse, usage_errors
from eval.compare.curves import is_curve, read_curves
from eval.compare.differences import CompareConfig
from eval.compare.lessons import named
from eval.compare.published import check_names
from eval.compare.reasoning_table import render_curves, render_reasoning
from eval.compare.seeds import read_groups
from eval.compare.table import render


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then print the table."""
    config = parse(CompareConfig, __doc__, argv, positional=("runs",))
    with usage_errors():
        check_names(config.published)
        curves = read_curves([path for path in config.runs if is_curve(path)])
        runs = read_groups([path for path in config.runs if not is_curve(path)])
        if config.control:
            named(config.control, runs[1:])
    parts = [render(runs, config), render_reasoning(runs, config)] if runs else []
    parts += [render_curves(curves)] if curves else []
    print("\n\n".join(part for part in parts if part))  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
