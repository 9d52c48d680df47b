"""What a data config names: a folder, a DCLM reference, a weighted mix."""

from pathlib import Path
from typing import NamedTuple

from common.config import read_mapping
from pretrain.data.tokenised_set import TokenisedSet


class DataConfig(NamedTuple):
    """What a data config names: sets with their shares (None: each set as large as it is)."""

    name: str
    uuid: str | None
    sets: list[TokenisedSet]
    weights: list[float] | None


def open_data(path: str) -> DataConfig:
    """Open a tokenised folder, a DCLM dataset reference (`name`, `manifest_url`), or a mix.

    A mix is `{name, sources: [{path, weight}, ...]}` (JSON or YAML); either all sources have a weight or none. Paths in
    a file are relative to it.

    Raises:
        ValueError: nothing there, a key is missing, or the sets do not fit together.
    """
    place = Path(path)
    if place.is_dir():
        only = TokenisedSet(place)
        return DataConfig(str(only.description.get("name") or place.name), only.description.get("uuid"), [only], None)
    if not place.exists():
        made = f"`bash scripts/tokenize.sh input=POOL output={path}`"
        raise ValueError(f"there is no tokenised set at {path}: make it with {made}, or give data-config=FOLDER")
    values = read_mapping(place)
    weights: list[float] | None = None
    if "manifest_url" in values:
        sets = [TokenisedSet(_relative(place, str(values["manifest_url"])))]
    elif isinstance(values.get("sources"), list) and values["sources"]:
        entries = values["sources"]
        if not all(isinstance(entry, dict) and "path" in entry for entry in entries):
            raise ValueError(f"{place}: every entry of sources needs a path")
        sets = [TokenisedSet(_relative(place, str(entry["path"]))) for entry in entries]
        given = [entry.get("weight") for entry in entries]
        if any(weight is not None for weight in given):
            if not all(isinstance(weight, int | float) and weight > 0 for weight in given):
                raise ValueError(f"{place}: give every source a weight above 0, or none")
            weights = [float(weight) for weight in given]
    else:
        raise ValueError(f"{place} has neither manifest_url nor sources")
    if "name" not in values:
        raise ValueError(f"{place} has no name")
    for key in ("seq_len", "vocab_size"):
        found = {getattr(one, key) for one in sets}
        if len(found) > 1:
            raise ValueError(f"{place}: its sets differ in {key}: {sorted(map(str, found))}")
    return DataConfig(str(values["name"]), values.get("uuid"), sets, weights)


def _relative(file: Path, path: str) -> Path:
    local = Path(path.removeprefix("file://"))
    return local if local.is_absolute() else file.parent / local
