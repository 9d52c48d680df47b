"""Where a model lies, and what tells one model folder from another: digests of its config and weights."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
"""Where this toolkit lies: the checkout, or the folder it was installed into."""

OWN = ("common", "configs", "eval", "filter", "pretrain", "rephrase", "rl", "runs")
"""First parts of names that can only mean a folder of this toolkit, or of a run of it."""


def hub_is_off() -> bool:
    """Whether no hub may be asked, in the words of `huggingface_hub`; what its cache holds still counts."""
    said = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return said.upper() in ("1", "ON", "YES", "TRUE")


def find_model(name: str, fetch: bool = True) -> str:
    """A model's folder, or its name on a hub; a server's address stays as it is.

    `rephrase/tiny` is found from any folder. `owner/name` is a hub's name unless it can only be meant as a folder: it
    begins with `.`, `/` or `~`, has more than one slash, or its first part is a folder here or one of this toolkit's.
    `owner/name@REVISION` pins a commit, tag or branch: it becomes the folder of that revision in the hub's cache.

    Args:
        name: what the user calls the model.
        fetch: get a pinned revision from the hub; a look at a configuration does not.

    Raises:
        ValueError: a folder is meant, and there is none; or the hub has no such revision, or may not be asked.
    """
    if "://" in name:
        return name
    folder = Path(name).expanduser()
    if name and folder.exists():
        return str(folder)
    if shipped := own_folder(name, "config.json"):
        return str(shipped)
    first = name.split("/")[0]
    meant = name.startswith((".", "/", "~")) or name.count("/") > 1 or first in OWN or Path(first).is_dir()
    if meant or not name:
        raise ValueError(f"no model at {name}: name a Hugging Face folder (it holds config.json) or a hub's owner/name")
    repository, _, revision = name.partition("@")
    if hub_is_off() and not _is_cached(repository, revision):
        raise ValueError(f"no model folder {name}, none in the hub's cache, and HF_HUB_OFFLINE=1 keeps the hub out")
    return fetch_model(name) if revision and fetch else name


def fetch_model(name: str) -> str:
    """A model's folder: one that is here, or that of `owner/name[@REVISION]` in the hub's cache, fetched if need be.

    Raises:
        ValueError: see `find_model`.
    """
    found = find_model(name, fetch=False)
    if Path(found).exists():
        return found
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    repository, _, revision = found.partition("@")
    try:
        return str(
            snapshot_download(
                repository, revision=revision or None, ignore_patterns=OTHER_FORMS, local_files_only=hub_is_off()
            )
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"no model {name}: {reason}") from None


OTHER_FORMS = ["*.gguf", "*.onnx", "*.h5", "*.msgpack", "*.pth", "onnx/*", "original/*"]
"""Files of a hub's model that hold its weights in forms that nobody here reads."""


def _is_cached(repository: str, revision: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(repository, "config.json", revision=revision or None), str)


def own_folder(name: str, file: str) -> Path | None:
    """The folder of this toolkit that a name such as `rephrase/tiny` means from anywhere, if it holds a file."""
    return ROOT / name if name.split("/")[0] in OWN and (ROOT / name / file).is_file() else None


POSITIONS = ("max_position_embeddings", "n_positions", "n_ctx", "seq_len", "max_seq_len")
"""Names under which model configs give their context length (GPT-2: `n_positions`)."""


def context_length(config: Any) -> int | None:
    """Tokens that a model's config says it can read, or None.

    Args:
        config: a transformers config, or the mapping of a `config.json`; the text model's part counts where it has one
            of its own (`text_config`).
    """

    def value(name: str, of: Any) -> Any:
        return of.get(name) if isinstance(of, Mapping) else getattr(of, name, None)

    for part in (config, value("text_config", config)):
        for name in POSITIONS:
            if part is not None and isinstance(value(name, part), int) and value(name, part) > 0:
                return int(value(name, part))
    return None


WHOLE_FILE_BYTES = 1 << 28
"""Larger weights files are read once for as long as they stay as they are: their digest is remembered."""


def model_hash(folder: str) -> str:
    """SHA-256 over a folder's config and weights files, all of their bytes: the model's own, wherever it lies."""
    digest = hashlib.sha256()
    for path in sorted(Path(folder).iterdir()):
        if path.name == "config.json" or path.suffix in (".safetensors", ".bin"):
            digest.update(f"{path.name} {path.stat().st_size}\n".encode())
            digest.update(_file_digest(path))
    return digest.hexdigest()


def _file_digest(path: Path) -> bytes:
    """SHA-256 of a file; a large one's is remembered in this process while inode, size and time stay the same."""
    found = path.stat()
    key = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)
    if key not in _REMEMBERED:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
        if found.st_size <= WHOLE_FILE_BYTES:
            return digest
        _REMEMBERED[key] = digest
    return _REMEMBERED[key]


_REMEMBERED: dict[tuple[int, int, int, int], bytes] = {}


IDENTIFYING = ("*.safetensors", "config.json")
"""Files of a model folder that its numbers depend on; the tokens are part of each key."""


def model_identity(model: str, revision: str | None = None) -> str:
    """A hash of a model's weights and config; of name and revision if it is no folder (a hub name, a URL).

    Reads the weights once, about a second per GB.
    """
    folder = Path(model)
    if not folder.is_dir():
        return f"name:{model}@{revision}" if revision else f"name:{model}"
    digest = hashlib.sha256()
    for path in sorted({path for pattern in IDENTIFYING for path in folder.glob(pattern)}):
        digest.update(path.name.encode())
        digest.update(_file_digest(path))
    return f"sha256:{digest.hexdigest()}"
