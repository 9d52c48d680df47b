"""Other benchmarks: lm-eval as a library, with our likelihood engine as its model.

Usage:
    python -m eval.run model=FOLDER tasks=lm_eval:piqa,lm_eval:sciq output-file=results/mine.json
    python -m eval.harness data=TASK_FILES out=FOLDER

The second command writes CORE's entries as task files of lm-eval (`core_<entry>.yaml`, reading TASK_FILES), to check
scores against a program that shares no code with ours: `lm_eval --include_path FOLDER --tasks core_lambada_openai`.
They agree where the definitions coincide: lambada_openai (greedy match), winogrande and winograd (equal continuations).
Else lm-eval sums where LLM Foundry takes the mean per token, and draws other shots; the files are zero-shot.
"""

import json
from pathlib import Path
from typing import Annotated

from common.command import entry_point, parse, usage_errors
from common.config import HOW, Out, RunConfig
from eval.core.entries import entries_of
from eval.core.files import find_files
from eval.harness.task_files import task_definition


class TasksConfig(RunConfig):
    """Write CORE's entries as task files of lm-eval."""

    data: str
    """Folder with CORE's task files."""

    out: Annotated[str, HOW, Out(folder=True)]
    """Folder for the YAML files."""


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then write the task files."""
    import yaml

    config = parse(TasksConfig, __doc__, argv)
    with usage_errors():
        entries = entries_of(["core"])
        files, _ = find_files(entries, config.data)
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    for entry in entries:
        if entry.file in files:
            definition = task_definition(entry, Path(files[entry.file].path).resolve())
            text = yaml.safe_dump(json.loads(json.dumps(definition)), sort_keys=False, allow_unicode=True)
            (out / f"core_{entry.name}.yaml").write_text(text, encoding="utf-8")
            print(out / f"core_{entry.name}.yaml")  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
