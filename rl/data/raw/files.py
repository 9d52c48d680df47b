"""Raw records of published data sets: local files of any usual form, or files of a hub data set at a pinned commit."""

import csv
import fnmatch
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from common.pools.lines import read_lines

LINES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".jsonl.zstd")
FORMS = (*LINES, ".json", ".parquet", ".csv", ".zip")


class Raw(NamedTuple):
    """One raw record and where it lies."""

    file: str
    """Name below the source."""
    number: int
    """Number in its file, from 0."""
    sha256: str
    """Of the file."""
    value: Any


class Place(NamedTuple):
    """Where the raw files of a data set are."""

    files: list[tuple[str, Path]]
    """Names below the source, sorted, and paths."""
    revision: str
    """Commit on the hub; empty for local files."""


def find(source: str, revision: str, patterns: Sequence[str], expects: str) -> Place:
    """The raw files of a data set, fetched from the hub where the source is no path.

    Args:
        source: file, folder, glob, or hub id.
        revision: commit, tag or branch on the hub.
        patterns: which files of a folder or of a hub data set are meant; a file that was named is taken as it is.
        expects: what a record should look like, for the message.

    Raises:
        ValueError: there is no such file, or the hub cannot give it.
    """
    path = Path(source).expanduser()
    commit = ""
    if not path.exists() and not any(mark in source for mark in "*?["):
        path, commit = fetch(source, revision, patterns, expects)
    if path.is_file():
        return Place([(path.name, path)], commit)
    root = path
    if path.is_dir():
        found = [one for one in path.rglob("*") if one.is_file()]
        found = [one for one in found if _matches(one.relative_to(root).as_posix(), patterns)]
    else:
        found = list(Path().glob(source)) if not path.is_absolute() else list(Path("/").glob(source[1:]))
        root = Path(path.anchor)
    named = sorted((one.relative_to(root).as_posix(), one) for one in found if one.name.endswith(FORMS))
    if not named:
        raise ValueError(f"{source} holds no file of raw records ({', '.join(patterns)}); expected: {expects}")
    return Place(named, commit)


def fetch(source: str, revision: str, patterns: Sequence[str], expects: str) -> tuple[Path, str]:
    """The folder of a hub data set's files, fetched unless they are here, and the commit they are of."""
    advice = f"give source=PATH; expected: {expects}"
    if source.count("/") != 1 or source.startswith((".", "/", "~")) or " " in source:
        raise ValueError(f"there is nothing at {source!r}, and it is no hub id; {advice}")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = Path(
            snapshot_download(
                source, repo_type="dataset", revision=revision, allow_patterns=[f"*{one}" for one in patterns]
            )
        )
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"{source} is neither here nor can it be fetched ({reason}); {advice}") from None
    return folder, folder.name  # the hub's cache names a snapshot by its commit


def read(place: Place) -> Iterator[Raw]:
    """The records of all files, in the order of the files' names.

    Raises:
        ValueError: a file is broken; with its name and line.
    """
    for name, path in place.files:
        yield from read_file(name, path)


def read_file(name: str, path: Path) -> Iterator[Raw]:
    """The records of one file: lines of JSONL, elements of a JSON list, rows of Parquet or CSV, files in a zip."""
    digest = sha256_of(path)
    if name.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            members = sorted(one for one in archive.namelist() if one.endswith((".json", ".jsonl")))
            for member in members:
                found = _of_bytes(f"{name}/{member}", archive.read(member))
                yield from (Raw(f"{name}/{member}", number, digest, value) for number, value in enumerate(found))
        return
    if name.endswith(".parquet"):
        values = _of_parquet(path)
    elif name.endswith(LINES):
        values = _of_lines(name, read_lines(str(path)))
    else:
        values = _of_bytes(name, path.read_bytes())
    yield from (Raw(name, number, digest, value) for number, value in enumerate(values))


def sha256_of(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _of_parquet(path: Path) -> Iterator[Any]:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
    except pyarrow.ArrowInvalid as error:
        raise ValueError(f"{path} is no readable Parquet file: {error}") from None
    with file:
        for batch in file.iter_batches(batch_size=64):  # rows of programs hold megabytes of tests
            yield from batch.to_pylist()


def _of_lines(name: str, lines: Any) -> Iterator[Any]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError as error:
                raise ValueError(f"{name}, line {number}: no JSON: {error}") from None


def _of_bytes(name: str, content: bytes) -> Iterator[Any]:
    if name.endswith(".csv"):
        yield from csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        return
    if name.endswith(".jsonl"):
        yield from _of_lines(name, content.split(b"\n"))
        return
    try:
        value = json.loads(content)
    except ValueError as error:
        raise ValueError(f"{name}: no JSON: {error}") from None
    if isinstance(value, dict) and isinstance(value.get("data"), list):
        value = value["data"]
    # a file that is one object is one record, known by the file's name (puzzles of ARC, tables of HiTab)
    yield from value if isinstance(value, list) else [{"file_stem": Path(name).stem, **value}]


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatch(name, one) or fnmatch.fnmatch(name, f"*/{one}") for one in patterns)
