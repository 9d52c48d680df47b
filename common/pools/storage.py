"""Files on a local disk or any fsspec URL: open, list, and write so that a file appears whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import fsspec


def is_remote(path: str) -> bool:
    """Whether a path is an fsspec URL such as `s3://bucket/key` rather than a local file."""
    return "://" in path and not path.startswith("file://")


def local_path(path: str) -> Path:
    """The local path behind a plain path or a `file://` URL."""
    return Path(path.removeprefix("file://"))


def join(folder: str | Path, name: str) -> str:
    """A file's path inside a folder or a URL."""
    return f"{str(folder).rstrip('/')}/{name}"


def exists(path: str) -> bool:
    """Whether a file or folder is there."""
    if is_remote(path):
        files, inside = fsspec.core.url_to_fs(path)
        return bool(files.exists(inside))
    return local_path(path).exists()


def is_folder(path: str) -> bool:
    """Whether a path is a folder (for object stores: a prefix that holds something)."""
    if is_remote(path):
        files, inside = fsspec.core.url_to_fs(path)
        return bool(files.isdir(inside))
    return local_path(path).is_dir()


def list_files(folder_or_glob: str) -> list[str]:
    """Paths of the files in a folder (not below it), or of those that match a glob, sorted."""
    files, inside = fsspec.core.url_to_fs(folder_or_glob)
    if "*" in folder_or_glob or "?" in folder_or_glob:
        found = [path for path in files.glob(inside) if files.isfile(path)]
    else:
        entries = files.ls(inside, detail=True)
        # a link counts as what it points to
        found = [
            one["name"] for one in entries if one["type"] == "file" or (one.get("islink") and files.isfile(one["name"]))
        ]
    return sorted(files.unstrip_protocol(path) if is_remote(folder_or_glob) else path for path in found)


def open_read(path: str) -> IO[bytes]:
    """Open a file's raw bytes."""
    if is_remote(path):
        return fsspec.open(path, "rb").open()
    return local_path(path).open("rb")


def read_bytes(path: str) -> bytes:
    """A whole small file."""
    with open_read(path) as source:
        return source.read()


def make_folder(path: str) -> None:
    """Create a folder and its parents; object stores need none."""
    if not is_remote(path):
        local_path(path).mkdir(parents=True, exist_ok=True)


def remove(path: str) -> None:
    """Delete a file or a folder with all in it, if it is there."""
    files, inside = fsspec.core.url_to_fs(path)
    if files.exists(inside):
        files.rm(inside, recursive=True)


@contextmanager
def atomic_write(path: str) -> Iterator[IO[bytes]]:
    """Open a file for writing that takes its name only when the block ends well.

    Locally: written beside its place under a hidden name, flushed to the disk, renamed, the folder flushed too, so that
    a kill or a power cut leaves the old state or the new one. On an object store an upload appears only when complete;
    one that fails is dropped with the exception.
    """
    if is_remote(path):
        target = fsspec.open(path, "wb").open()
        try:
            yield target
        except BaseException:
            discard = getattr(target, "discard", None)
            if discard is not None:
                discard()
            raise
        target.close()
        return
    place = local_path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as target:
            yield target
            target.flush()
            os.fsync(target.fileno())
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(place.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a rename in it survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
