"""Measure what only a GPU can show, on all GPUs of this machine; one JSON file and one table.

Usage:
    python -m rl.gpu_check
    python -m rl.gpu_check part=scoring,rollouts
    python -m rl.gpu_check device=cpu scales=smoke steps=3 curve_steps=0 rollouts=8 tokens=8 out=runs/gpu_check_cpu

Parts: `pretraining` (tokens per second and MFU of each scale over NCCL and FSDP2; a bf16 loss curve against fp32),
`scoring` (packed likelihoods against one sequence at a time, and bf16 against fp32), `rollouts` (of a policy in
training, and with vLLM), `infer` (the engines of the rephrase stage, vLLM with and without speculation), `step` (where
the time of a GRPO step goes). A part whose packages are missing says so, and the others run. The same command goes on
where it was.
"""

import importlib.util
import json
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common.command import entry_point, fail, parse, usage_errors
from common.config import config_hash
from common.runs.folder import write_json
from rl.gpu_check.config import PARTS, GpuCheckConfig

REPORT = "gpu_check.json"


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, measure what is not measured yet, print the table."""
    config = parse(GpuCheckConfig, __doc__, argv)
    with usage_errors():
        unknown = [name for name in config.part if name not in PARTS]
        if unknown:
            raise ValueError(f"no part {unknown[0]!r}; there are: {', '.join(PARTS)}")
    if importlib.util.find_spec("torch") is None:
        fail("gpu_check needs torch: pip install -e .[gpu]")
    import torch

    if config.device == "cuda" and not torch.cuda.is_available():
        print("not measured: this machine has no CUDA device (device=cpu shows that the check runs)")  # noqa: T201
        return
    folder = Path(config.out)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / REPORT
    report = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    report |= {"devices": names if config.device == "cuda" else ["cpu"], "torch": torch.__version__}
    left = _measure(config, folder, report, lambda: write_json(path, report))
    table = render(report)
    (folder / "gpu_check.txt").write_text(table + "\n", encoding="utf-8")
    print(f"{table}\n{path}")  # noqa: T201 - the command's output
    if left:
        print(f"not measured yet: {', '.join(left)}; the same command goes on")  # noqa: T201
    failed = [name for name, part in report["parts"].items() if part.get("error") or part.get("outside")]
    if failed:
        fail(f"{', '.join(failed)}: failed, or outside the stated bounds; see {path}", code=1)


def _measure(config: GpuCheckConfig, folder: Path, report: dict[str, Any], save: Callable[[], None]) -> list[str]:
    """Measure the parts that are wanted and not there; the names of those for which no time is left."""
    began, key = time.monotonic(), config_hash(config)
    parts = report.setdefault("parts", {})
    left = []
    for name in config.part or PARTS:
        known = parts.get(name, {})
        if known.get("config_hash") == key and not known.get("error") and not known.get("missing"):
            continue
        if time.monotonic() - began > 60 * config.minutes:
            left.append(name)
            continue
        start = time.monotonic()
        try:
            parts[name] = part_named(name)(config, folder)
        except ImportError as error:
            parts[name] = {"missing": str(error)}
        except Exception as error:  # foreign code on a machine that we have not seen: the other parts are measured
            parts[name] = {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
        parts[name] |= {"config_hash": key, "seconds": round(time.monotonic() - start, 1)}
        save()
    return left


def part_named(name: str) -> Callable[[GpuCheckConfig, Path], dict[str, Any]]:
    """What measures a part: it gives its figures, what is `missing`, and what is `outside` the stated bounds."""
    if name == "pretraining":
        from rl.gpu_check.pretraining import pretraining

        return pretraining
    if name == "scoring":
        from rl.gpu_check.scoring import scoring

        return scoring
    if name == "step":
        from rl.gpu_check.step import step

        return step
    from rl.gpu_check.generation import infer, rollouts

    return rollouts if name == "rollouts" else infer


def render(report: dict[str, Any]) -> str:
    """The figures as a table, a line each: part, figure, value."""
    lines = [f"{', '.join(report['devices'])}; torch {report['torch']}"]
    for name, part in report["parts"].items():
        for what in ("missing", "error"):
            if isinstance(part.get(what), str):
                lines.append(f"{name:<12} {what}: {part[what].splitlines()[0]}")
        for figure, value in part.get("figures", {}).items():
            shown = f"{value:,.4g}" if isinstance(value, float) else f"{value}"
            lines.append(f"{name:<12} {figure:<44} {shown}")
        lines += [f"{name:<12} OUTSIDE: {one}" for one in part.get("outside", [])]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
