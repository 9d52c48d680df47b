"""What tells one model folder from another: digests of its config and weights."""

import hashlib
import os
from pathlib import Path

WHOLE_FILE_BYTES = 1 << 28
"""Weights files up to this size are hashed whole; of larger ones the first and last 16 MiB and the size."""


def model_hash(folder: str) -> str:
    """SHA-256 over a folder's config and weights files: changes with the model, not with its path."""
    digest = hashlib.sha256()
    for path in sorted(Path(folder).iterdir()):
        if path.name == "config.json" or path.suffix in (".safetensors", ".bin"):
            digest.update(f"{path.name} {path.stat().st_size}\n".encode())
            with path.open("rb") as file:
                if path.stat().st_size <= WHOLE_FILE_BYTES:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
                else:
                    digest.update(file.read(1 << 24))
                    file.seek(-(1 << 24), os.SEEK_END)
                    digest.update(file.read())
    return digest.hexdigest()


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
        with path.open("rb") as source:
            digest.update(hashlib.file_digest(source, "sha256").digest())
    return f"sha256:{digest.hexdigest()}"
