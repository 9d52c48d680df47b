"""What was downloaded into a place: the commit, and every file's size and digest, so that it is pinned from then on."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from common.pools.storage import atomic_write

RECORD = ".download.json"


@dataclass
class Record:
    """Says what lies in a place, and where it came from."""

    source: str
    """Repository or address."""

    commit: str
    """The commit of a repository, or the revision that an address names."""

    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Name in its place → `bytes`, `sha256`."""

    complete: bool = False
    """Whether all that is wanted of a repository or an archive is in `files`."""


def record_file(to: str, is_file: bool) -> Path:
    """Where the record of a place lies: inside a folder, beside a file."""
    place = Path(to)
    return place.with_name(f".{place.name}{RECORD}") if is_file else place / RECORD


def read_record(to: str, is_file: bool) -> Record | None:
    """The record of a place; None where nothing was downloaded.

    Raises:
        ValueError: the file is no record.
    """
    path = record_file(to, is_file)
    if not path.is_file():
        return None
    try:
        return Record(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise ValueError(f"{path} is no record of a download; delete it, and the files are looked at again") from None


def write_record(to: str, is_file: bool, record: Record) -> None:
    """Put the record down, whole or not at all."""
    with atomic_write(str(record_file(to, is_file))) as target:
        target.write(json.dumps(asdict(record), indent=1, sort_keys=True).encode())


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_sha1(path: Path) -> str:
    """The digest by which git, and a hub, know a file that is not in LFS: of `blob SIZE`, a NUL, and its bytes."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def missing_files(folder: Path, record: Record, verify: bool) -> list[str]:
    """Files of a record that are not there as recorded: by size, or by digest too where `verify`."""
    found = []
    for name, about in record.files.items():
        path = folder / name
        if (
            not path.is_file()
            or path.stat().st_size != about["bytes"]
            or (verify and file_sha256(path) != about["sha256"])
        ):
            found.append(name)
    return found
