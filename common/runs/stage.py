"""Every stage by its name, from any folder: `repro STAGE [CONFIG.yaml] [key=value ...]`.

Usage:
    repro                        the stages
    repro rl configs/rl/rephraser_smoke_cpu.yaml seed=3
    repro infer 0 7 input=POOL output=RECYCLED
    repro pretrain.plan scale=411m_1x gpus=8
    repro --version

A stage runs its script, which starts servers and launchers where they are needed; from a wheel the script is the one
inside it. Any other name is a module with a command line of its own, as behind `python -m`.
"""

import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from common.command import entry_point, fail, words_of
from common.shipped import PACKAGES, scripts_folder, version

STAGES = {
    "rl": "train a policy with GRPO",
    "sft": "fine-tune a model",
    "infer": "rephrase a pool",
    "filter": "score, select and mix pools",
    "tokenize": "tokenise a pool",
    "pretrain": "pretrain a model at a scale",
    "eval": "evaluate a model",
    "report": "one page for runs",
    "view": "look at recycled text",
    "serve": "start a model server",
    "download": "fetch what others publish",
}
"""Name of the script, without its ending → what it does."""


@entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Hand the rest of the command line to the stage that the first word names; does not come back from a script."""
    words = words_of(argv)
    if words[:1] == ["--version"]:
        print(version())  # noqa: T201 - the command's output
    elif not words or words[0] in ("-h", "--help"):
        width = max(map(len, STAGES))
        listed = "\n".join(f"    {name:<{width}}  {what}" for name, what in STAGES.items())
        print(f"{(__doc__ or '').strip()}\n\nStages (`repro STAGE --help` says more):\n{listed}")  # noqa: T201
    elif words[0] in STAGES:
        script = scripts_folder() / f"{words[0]}.sh"
        os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
        os.environ.setdefault("VIRTUAL_ENV", sys.prefix)  # the script keeps this environment
        os.execvp("bash", ["bash", str(script), *words[1:]])
    else:
        run_module(words[0], words[1:])


def run_module(name: str, words: Sequence[str]) -> None:
    """Become `python -m` with one of the toolkit's own modules, or end with the names that there are."""
    head = name.partition(".")[0]
    if head not in PACKAGES or "." not in name or importlib.util.find_spec(name) is None:
        fail(f"no stage {name!r}; there are: {', '.join(STAGES)}, and modules such as rl.score")
    os.execv(sys.executable, [sys.executable, "-m", name, *words])


if __name__ == "__main__":
    main()
