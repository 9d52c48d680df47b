"""CORE: how good a base model is, on DCLM's 22 entries, with LLM Foundry's prompts and rules.

Usage:
    python -m eval.core items MODEL ENTRY data=DIR out=FILE.jsonl [limit=N]
    python -m eval.core records FILE...
    python -m eval.run model=MODEL tasks=core data=DIR output-file=FILE.json

`items` scores one entry and writes a line per row: `index, context_ids, choices, losses, pred, gold, correct`, where
`choices` are the answers' token ids, `losses` their mean cross-entropy per token in nats and `pred` is -1 where the one
answer is not what greedy decoding gives. `records` prints the summary scores of DCLM evaluation records, a line each.

Rules of scoring: the answer with the lowest loss per token wins, the first on ties; in schema entries the options are
contexts and the text after them is scored; a language-modelling row is right if every token of its answer is the most
likely one. Nothing is generated and no text is normalised.

Differs from DCLM's evaluation:
    1. Answers share their context's forward pass, batches are filled by length, and only scored rows meet the output
       layer: the same numbers for a fraction of the tokens.
    2. Missing tasks never shrink a mean; rows of every entry are kept, with 95 % intervals from resampling them.
"""

from typing import Any

from common.command import Command, entry_point, parse_command
from eval.core.commands import ItemsConfig, RecordsConfig, print_records, write_items

COMMANDS: dict[str, Command[Any]] = {
    "items": Command(ItemsConfig, positional=("model", "task")),
    "records": Command(RecordsConfig, positional=("files",)),
}


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Run the command that the first argument names."""
    name, config = parse_command(COMMANDS, __doc__, argv)
    if name == "items":
        write_items(config)
    else:
        print_records(config)


if __name__ == "__main__":
    main()
