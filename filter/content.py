"""What a recipe's files stand for: its tokenizer and its evaluation items count by their content, not by their path.

The hashes of steps hold names. `names.json` in the folder of the steps says which content each of them stands for: what
lies elsewhere now keeps the name that the work was begun with, and another content under an old name gets a new one. In
a folder without that file, which an earlier version left, every name stands for what is there.
"""

import hashlib
import json
from collections.abc import Sequence

from common.pools.inputs import digest
from common.pools.storage import atomic_write, exists, join, read_bytes
from common.tokens.tokenizers import load_tokenizer
from filter.config import FilterConfig
from filter.contamination.items import item_files

NAMES = "names.json"

Names = dict[str, list[str]]
"""Digest → the paths by which it entered the hashes."""


def by_content(config: FilterConfig, folder: str) -> tuple[FilterConfig, Names]:
    """The recipe with the names that count in hashes, and what these stand for.

    Args:
        config: the recipe.
        folder: of its steps.

    Raises:
        ValueError: a tokenizer or evaluation items are not there.
    """
    path = join(folder, NAMES)
    names: Names = json.loads(read_bytes(path)) if exists(path) else {}
    named = config
    if config.tokenizer:
        content = load_tokenizer(config.tokenizer, end_needed=False).sha256
        named = named.model_copy(update={"tokenizer": _name(names, content, [config.tokenizer])[0]})
    if config.decontaminate:
        files = [(file.rpartition("/")[2], digest(file)) for file in item_files(config.decontaminate.data)]
        content = hashlib.sha256(json.dumps(files).encode()).hexdigest()
        data = _name(names, content, config.decontaminate.data)
        named = named.model_copy(update={"decontaminate": config.decontaminate.model_copy(update={"data": data})})
    return named, names


def keep_names(folder: str, names: Names) -> None:
    """Write down what names stand for, before the first step is named by them."""
    if names:
        with atomic_write(join(folder, NAMES)) as target:
            target.write(json.dumps(names, indent=1).encode())


def _name(names: Names, content: str, paths: Sequence[str]) -> list[str]:
    """The name of a content: the one it has, else its path, with its digest where that stands for another content."""
    if content not in names:
        taken = list(paths) in names.values()
        names[content] = [*paths[:-1], f"{paths[-1]}@{content[:16]}"] if taken else list(paths)
    return names[content]
