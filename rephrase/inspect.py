"""Show recycled documents beside their organic ones, in the terminal.

Usage:
    python -m rephrase.inspect POOL limit=3
    python -m rephrase.inspect POOL organic=ORGANIC_POOL      # where documents do not carry `organic_text`
    python -m rephrase.inspect POOL url=wikipedia.org status=truncated
    python -m rephrase.inspect POOL score=length_ratio max_score=0.4
    python -m rephrase.inspect POOL rejects=true              # what was dropped, and why

Words that only the organic text has are marked [-so-], words that only the rephrasing has {+so+}. Control codes in
pages are spelled out; they never reach the terminal.
"""

import shutil

from common.command import entry_point, parse, usage_errors
from common.pools.shards import list_shards
from rephrase.inspection.choosing import InspectConfig, chosen


@entry_point
def main(argv: list[str] | None = None) -> None:
    """Read the command line, then show."""
    config = parse(InspectConfig, __doc__, argv, positional=("pool",), plan=lambda config: {"reads": config.pool})
    from rephrase.inspection.columns import side_by_side

    with usage_errors():
        if not config.rejects:
            list_shards(config.pool)
        documents = chosen(config)
        if not documents:
            raise ValueError(f"nothing to show in {config.pool}{_asked(config)}")
    width = config.width or shutil.get_terminal_size((160, 24)).columns
    shown = (side_by_side(one, width, differences=config.differences, score=config.score) for one in documents)
    print("\n\n".join(shown))  # noqa: T201 - the command's output


def _asked(config: InspectConfig) -> str:
    """What was asked for, since nothing answered to it."""
    fields = ("id", "url", "status", "score", "min_score", "max_score", "start")
    asked = [f"{name}={value}" for name in fields if (value := getattr(config, name)) not in (None, 0)]
    return f" with {' '.join(asked)}" if asked else ""


if __name__ == "__main__":
    main()
