"""Questions with reference answers as one file of training rows: RLPR's and DeepScaleR's published form, or your own.

Usage:
    python -m rl.data.prepare rlpr source=openbmb/RLPR-Train-Dataset out=datasets/train/rlpr_train.parquet
    python -m rl.data.prepare rlpr source=MINE.jsonl out=rows.jsonl prompt=R1 tokenizer=MODEL

`source` is a file, a folder or a glob of JSONL or Parquet, or the name of a data set on the hub (fetched once, at
`revision`; RLPR-Train-Dataset is CC BY-NC 4.0). `out` ending in `.parquet` gets verl's columns, else the rows of
`rl.data.rows.conversations`; both are what that module reads. Rows left out are counted by reason.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from common.config import HOW, Out, RunConfig
from common.pools.documents import form_of, write_documents
from rl.data.raw.dataset import NothingKept
from rl.data.rows.conversations import ConversationsConfig, PromptStyle, rows, same_form, to_verl


class RLPRConfig(RunConfig):
    """One file of questions from another."""

    source: str
    """Files, or the name of a data set on the hub."""

    revision: str = "main"
    """Commit or tag of a data set on the hub."""

    out: Annotated[str, HOW, Out()]
    """File to write, `.parquet` or `.jsonl`."""

    prompt: PromptStyle = "as_is"
    """How the policy is asked; a run's own `data.prompt` can do it later."""

    tokenizer: str = ""
    """Folder of the policy's tokenizer; without one, nothing is left out for its length."""

    max_prompt_tokens: int = Field(2048, ge=1)
    """Longest prompt in tokens (2048: arXiv:2506.18254)."""

    seed: int = 42
    """Seed of the rows' order."""


def local_source(source: str, revision: str) -> str:
    """A path as it is; a data set on the hub as the folder of its Parquet files, fetched if it is not there yet."""
    if any(mark in source for mark in "*?") or Path(source).exists() or source.count("/") != 1:
        return source
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(source, repo_type="dataset", revision=revision, allow_patterns=["*.parquet"])
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ValueError(f"{source} is neither here nor can it be fetched: {error}") from None
    return f"{folder}/**/*.parquet"


def convert(config: RLPRConfig, count: Callable[[str], int] | None = None) -> dict[str, Any]:
    """Write the file; returns rows written and left out, by reason.

    Args:
        config: what is read and written.
        count: a text's tokens; nothing is left out for its length without one.

    Raises:
        NothingKept: no question is a row.
    """
    drops: Counter[str] = Counter()
    options = ConversationsConfig(prompt=config.prompt, max_prompt_tokens=config.max_prompt_tokens, seed=config.seed)
    found = rows([local_source(config.source, config.revision)], options, count or (lambda text: 0), drops)
    same_form(found)
    verl = form_of(config.out) == ".parquet"
    written = write_documents(config.out, map(to_verl, found) if verl else found)
    if not written:
        raise NothingKept(f"{config.source}: no row is kept; left out: {dict(drops)}")
    return {"rows": written, "drops": dict(drops)}
