"""Evaluate a language model: CORE, bits per byte, tasks of lm-eval, and suites of generated answers (reasoning).

Usage:
    python -m eval.run model=FOLDER tasks=core data=TASK_FILES output-file=results/mine.json
    python -m eval.run model=FOLDER tasks=bpb data=POOL output-file=results/mine.json
    python -m eval.run model=FOLDER tasks=core20,bpb data=TASK_FILES held-out=POOL output-file=results/mine.json
    python -m eval.run model=FOLDER tasks=lm_eval:piqa,lm_eval:sciq output-file=results/mine.json
    python -m eval.run method=RUN checkpoint=1000 model=open_lm_1b_swiglutorch output-file=results/mine.json
    python -m eval.run model=FOLDER tasks=guru17 data=ROWS,MORE engine=vllm output-file=results/mine.json
    python -m eval.run tasks=rlpr7 data=ROWS --show 1              # prompts and ground truths; needs no model
    torchrun --nproc-per-node=8 -m eval.run model=FOLDER tasks=core data=TASK_FILES output-file=results/mine.json

TASKS are `core` (22 entries), `core20` (those without SQuAD and CoQA), `core_repro`, names of single entries, `bpb`,
and `lm_eval:NAME`; of generated answers the suites `guru17`, `rlpr7`, `process6`, their tasks by name, and YAML files
like those in configs/eval/tasks. TASK_FILES is a folder with hellaswag.jsonl and the like; nothing is downloaded. POOL
holds documents, or is a tokenised set. ROWS and MORE are folders of questions; what is in none of them is fetched.
FOLDER is a Hugging Face folder or a pretraining run, RUN a run below `logs`.

results/mine.json is DCLM's evaluation record; the folder results/mine beside it holds metrics.jsonl, the rows behind
each score, and every sample. The same command again scores only what is not there yet.
"""

from common.command import entry_point, parse, usage_errors
from eval.runner.config import EvalConfig, check, plan, prompts
from eval.runner.table import table


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, evaluate, print the table."""
    config = parse(EvalConfig, __doc__, argv, plan=plan, inside="reasoning")
    with usage_errors():
        if config.reasoning.show:
            print(prompts(config))  # noqa: T201 - the command's output
            return
        source = check(config)
    from eval.runner.course import run

    record = run(config, source)
    if record is not None:
        print(table(record))  # noqa: T201 - the command's output
        print(f"\n{config.output_file}")  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
