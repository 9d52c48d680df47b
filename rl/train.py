"""Train a policy with GRPO (TRL) on a list of rewards.

Usage:
    python -m rl.train configs/rl/rephraser_smoke_cpu.yaml
    python -m rl.train configs/rl/rephraser_smoke_cpu.yaml seed=3 rewards.1.threshold=0.6 --dry-run
    python -m rl.train configs/rl/rephraser_smoke_cpu.yaml model=runs/rephraser_smoke_cpu/export val_only=true

A run that was cut off goes on from its last checkpoint; a finished one is not repeated. The run folder holds
`metrics.jsonl`, `samples.jsonl` (completions with every reward and its parts), checkpoints and `export/`, a Hugging
Face folder that `scripts/infer.sh` takes.

Differs from the paper (arXiv:2510.10681):
    1. What a judge or scorer cannot score is skipped (None) and counted; it does not score 0.
    2. A fifth reward, `format`, joins the sum, as in the released code; the paper lists four.
    3. The best checkpoint is the one with the highest held-out reward, not a fixed step.
    4. A batch is given in prompts per step; accumulation follows from the number of processes.
"""

from common.command import entry_point, fail, parse, usage_errors
from rl.grpo.check import check, check_servers, plan, show_progress
from rl.grpo.config import RLConfig
from rl.rewards.base import Stopped


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then train."""
    config = parse(RLConfig, __doc__, argv, plan=plan)
    with usage_errors():
        check(config)
    if config.check:
        print("\n".join(config.servers))  # noqa: T201
        return
    with usage_errors():
        check_servers(config)
    from rl.grpo.course import evaluate, train  # not above: --help must not wait for torch

    show_progress()
    try:
        with usage_errors():
            if config.val_only:
                metrics = evaluate(config)
                print(f"{config.out}/val_only: reward {metrics['eval_reward']:.4g}")  # noqa: T201
                return
            summary = train(config)
    except Stopped as stop:
        fail(str(stop), code=1)
    print(f"{config.out}/export: step {summary['best_step']} of {summary['steps']}")  # noqa: T201


if __name__ == "__main__":
    main()
