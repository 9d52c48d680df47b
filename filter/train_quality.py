"""Train a fastText quality classifier on labelled pages and measure it on pages held out.

Usage:
    python -m filter.train_quality labelled.jsonl out=quality.bin
    python -m filter.train_quality labelled.jsonl out=quality.bin lr=0.1 dim=100 epoch=5 bucket=2000000  # as DCLM

A row is {"text": ..., "label": 1 for good or 0 for poor}. The model is trained on `train_frac` of the rows of each
label; the figures (AUC with a bootstrap interval, beside the best simple score's) are of the others. They are printed
and written beside the model as `<out>.json`. Text is normalised as `filter.quality` does when it scores. Words of a
page that fastText would obey (`__label__…`, `</s>`) are escaped; how many is said.

The defaults suit some hundred to some ten thousand pages and make a model of 3 MB. DCLM's own settings (the second
command, arXiv:2406.11794) are for hundreds of thousands of pages and make one of 0.8 GB.
"""

import json
from typing import Annotated, Any

from pydantic import Field

from common.command import entry_point, parse, usage_errors
from common.config import HOW, Out
from common.runs.folder import write_json
from filter.scorers.training import FastTextTraining, measure, read_label, read_rows, split, train_fasttext


class TrainQualityConfig(FastTextTraining):
    """Train and measure one classifier."""

    data: str
    """JSONL file of rows with `text` and `label`."""

    out: Annotated[str, HOW, Out(".bin")]
    """The model file to write (`.bin`)."""

    train_frac: float = Field(0.7, gt=0, lt=1)
    """Share of each label's pages to train on; the others measure."""


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, train, measure, print."""
    config = parse(TrainQualityConfig, __doc__, argv, positional=("data",), plan=_plan)
    with usage_errors():
        rows = read_rows(config.data)
        train, held_out = split(rows, config.train_frac, config.seed)
        if len({read_label(row) for row in held_out}) < 2 or len({read_label(row) for row in train}) < 2:
            raise ValueError(f"{len(rows)} rows are too few: both parts of the split need pages of both labels")
    escaped = train_fasttext(train, config.out, config)
    figures = {"trained_on": len(train), "escaped_words": escaped, **measure(config.out, held_out)}
    write_json(f"{config.out}.json", figures)
    print(json.dumps({"model": config.out, **figures}, indent=1))  # noqa: T201 - the command's output


def _plan(config: TrainQualityConfig) -> dict[str, Any]:
    return {
        "reads": f"{len(read_rows(config.data))} rows of {config.data}",
        "writes": f"{config.out}, {config.out}.json",
    }


if __name__ == "__main__":
    main()
