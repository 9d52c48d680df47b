"""Fine-tune a chat model on answers (TRL's SFTTrainer), or a fresh one on plain text.

Usage:
    python -m rl.sft configs/rl/sft_4b.yaml data=teacher.jsonl
    python -m rl.sft configs/rl/sft_tiny.yaml model=runs/tiny/base --dry-run

Rows with `messages` end in an assistant turn, and only that turn bears loss; rows with `text` alone bear loss
throughout. With `stages`, training is a curriculum: each stage has rows, a number of steps and a batch size of its own,
and a batch holds rows of about the same length. The trained model is a Hugging Face folder, `OUT/export`.
"""

from common.command import entry_point, parse, usage_errors
from rl.sft.config import SFTRunConfig, check_files


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then train and export."""
    config = parse(SFTRunConfig, __doc__, argv, plan=check_files)
    with usage_errors():
        check_files(config)
    from rl.sft.trainer import train  # not above: --help must not wait for torch

    print(train(config))  # noqa: T201


if __name__ == "__main__":
    main()
