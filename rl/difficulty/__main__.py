"""Keep the questions that are neither too easy nor out of reach, by pass rates of a weak and a strong model.

Usage:
    python -m rl.difficulty examples=guru.parquet out=runs/difficulty
    python -m rl.difficulty CONFIG.yaml
    python -m rl.difficulty examples=guru.parquet out=runs/difficulty rules=[released_low_high]
    python -m rl.difficulty examples=guru.parquet out=runs/difficulty explain=ID
    python -m rl.difficulty MODELS.yaml examples=guru.parquet out=runs/difficulty share=3/8

Without `models` the pass rates stored in the rows decide and nothing is generated. With them every question is sampled
n times and judged; a run cut off goes on with the samples that are missing, and those that nobody could judge are
drawn again. OUT holds `kept.parquet`, `dropped.jsonl` with all reasons, and `report.json`.
"""

import json

from common.command import entry_point, parse, usage_errors
from rl.difficulty.rates import SharesMissing
from rl.difficulty.selection import DifficultyConfig, reasons, run, with_rates


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, select, print the report."""
    config = parse(DifficultyConfig, __doc__, argv, plan=lambda one: {"reads": one.examples, "writes": one.out})
    from rl.data.rows.files import read_any  # not above: --help must not wait for pyarrow

    with usage_errors():
        rows = [row for path in config.examples for row in read_any(path)]
        if config.explain:
            row = next((row for row in rows if row["id"] == config.explain), None)
            if row is None:
                raise ValueError(f"no example has the id {config.explain}")
            rated, rates = with_rates([row], config)[0]
            found = reasons(rated, rates, config)
            shown = "no pass rates" if found is None else ", ".join(found) or "kept"
            print(f"{config.explain}: {shown}; {rated['pass_rates']}")  # noqa: T201
            return
        try:
            selection = run(rows, config)
        except SharesMissing as others:
            print(f"share {config.share} is drawn; {others}")  # noqa: T201
            return
    print(json.dumps(selection.report, indent=2))  # noqa: T201


if __name__ == "__main__":
    main()
