"""Score stored samples again: other rules, another mode, a judge; no model that writes is needed.

Usage:
    python -m eval.rescore results/mine/samples                          # what a run of eval.run stored
    python -m eval.rescore results/mine/samples mode=guru out=guru.jsonl
    python -m eval.rescore runs/guru/samples.jsonl split=eval judge.model=gpt-4.1     # held-out rows of a training run
    python -m eval.rescore answers.jsonl verifier=math options.unboxed=last_expression
    python -m eval.rescore mine.jsonl against=theirs.jsonl judge.model=NAME judge.url=URL   # which answers are better

SAMPLES are files or folders of samples of any stage (`common.samples`), or rows with `completion` and `ground_truth`.
Prints for each task the new score with its error, the one that was stored, how many verdicts changed, and what a judge
said. `out` gets every sample as one record with its new verdict.
"""

from common.command import entry_point, fail, parse, usage_errors
from eval.reasoning.stored.config import RescoreConfig


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, score, print the table."""
    config = parse(RescoreConfig, __doc__, argv, positional=("samples",))
    from eval.reasoning.stored.contests import compared  # not above: --help must not wait for NumPy
    from eval.reasoning.stored.rescoring import rescore, table

    with usage_errors():
        if config.against:
            print(compared(config))  # noqa: T201 - the command's output
            return
        tallies, left = rescore(config)
    print(table(tallies, left))  # noqa: T201 - the command's output
    if not tallies:
        fail("no sample could be scored", code=1)


if __name__ == "__main__":
    main()
