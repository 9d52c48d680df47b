"""A CORE entry as a task definition of lm-eval."""

from pathlib import Path
from typing import Any

from eval.core.entries import Entry


def task_definition(entry: Entry, path: str | Path) -> dict[str, Any]:
    """A CORE entry, zero-shot, as a task of lm-eval that reads a local file."""
    task: dict[str, Any] = {
        "task": f"core_{entry.name}",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(path)}},
        "test_split": "test",
        "target_delimiter": " ",
        "metadata": {"version": 1.0},
    }
    # lm-eval moves spaces at the end of a context to the answer, so "\nAnswer:" takes the place of "\nAnswer: ".
    after = entry.delimiter.rstrip()
    if entry.kind == "language_modeling":
        return {
            **task,
            "output_type": "loglikelihood",
            "doc_to_text": "{{context | trim}}" + after,
            # of a single continuation lm-eval scores the target alone, without the delimiter before it
            "doc_to_target": "{{' ' + (continuation | trim)}}",
            "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
        }
    if entry.kind == "multiple_choice":
        return {
            **task,
            "output_type": "multiple_choice",
            "doc_to_text": "{{query | trim}}" + after,
            "doc_to_choice": "{{choices}}",
            "doc_to_target": "{{gold}}",
            "metric_list": [
                {"metric": name, "aggregation": "mean", "higher_is_better": True} for name in ("acc", "acc_norm")
            ],
        }
    return {
        **task,
        "output_type": "multiple_choice",
        "doc_to_text": "{{gold}}",  # contexts differ, the answer is one: lm-eval's winogrande is built this way
        "doc_to_choice": "{{context_options}}",
        "doc_to_target": "{{continuation | trim}}",
        "metric_list": [{"metric": "acc", "aggregation": "mean", "higher_is_better": True}],
    }
