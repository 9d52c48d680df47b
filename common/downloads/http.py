"""Files at plain addresses: resumed where they broke off, tried again, checked by length and digest."""

import random
import tarfile
import time
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO

import httpx

from common.downloads.catalogue import Offered, read_numbers
from common.model_server import RETRIED, backoff, is_loopback, retry_after

TRIES = 6
"""Connections made for one file; those that brought something do not count."""

TIMEOUT_S = 60.0
"""Longest silence of a server."""

Progress = Callable[[int, int], None]
"""Told the bytes that are there and those that there will be (0 if unknown)."""


def addresses(entry: Offered, numbers: str) -> dict[str, str]:
    """Name in the entry's place → address.

    Raises:
        ValueError: the numbers are none of the entry's.
    """
    if not entry.numbers:
        return {Path(entry.to).name if entry.is_file else entry.url.rpartition("/")[2]: entry.url}
    chosen = [entry.url.format(number=number) for number in read_numbers(numbers, entry.numbers)]
    return {url.rpartition("/")[2]: url for url in chosen}


def fetch(url: str, path: Path, progress: Progress, sha256: str = "") -> None:
    """Bring one file; what a stopped download left (`<name>.part`) is gone on with.

    Raises:
        OSError: the server does not answer, refuses, or sent something else than it said or than the digest says.
    """
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    jitter = random.Random(url)
    attempt = 0
    with httpx.Client(follow_redirects=True, timeout=TIMEOUT_S, trust_env=not is_loopback(url)) as client:
        while True:
            before = part.stat().st_size if part.exists() else 0
            try:
                wait = _continue(client, url, part, before, progress)
            except httpx.HTTPError as error:
                wait, problem = 0.0, f"{type(error).__name__}: {error}"
            else:
                if wait is None:
                    break
                problem = "the server is busy or the file broke off"
            attempt = 0 if part.exists() and part.stat().st_size > before else attempt + 1
            if attempt >= TRIES:
                raise OSError(f"{url} cannot be fetched ({problem}); run the same command again to go on")
            time.sleep(backoff(attempt, 0.5, jitter, wait))
    if sha256:
        from common.downloads.records import file_sha256

        if (found := file_sha256(part)) != sha256:
            part.unlink()
            raise OSError(f"{url} has SHA-256 {found}, not {sha256}; it was thrown away")
    part.replace(path)


def _continue(client: httpx.Client, url: str, part: Path, start: int, progress: Progress) -> float | None:
    """One connection's worth of a file: None when it is whole, else seconds that the server asks to wait."""
    headers = {"range": f"bytes={start}-"} if start else {}
    with client.stream("GET", url, headers={**headers, "accept-encoding": "identity"}) as answer:
        if answer.status_code in RETRIED:
            return retry_after(answer.headers)
        if answer.status_code == 416:  # nothing is left, or another file is there now
            total = int(answer.headers.get("content-range", "*/0").rpartition("/")[2] or 0)
            if total == start:
                return None
            part.unlink(missing_ok=True)
            return 0.0
        if answer.status_code >= 400:
            raise OSError(f"{url}: the server answers {answer.status_code}")
        resumed = answer.status_code == 206
        done = start if resumed else 0
        total = done + int(answer.headers.get("content-length") or 0)
        with part.open("ab" if resumed else "wb") as target:
            for piece in answer.iter_bytes(1 << 18):
                target.write(piece)
                done += len(piece)
                progress(done, total)
    return None if not total or done == total else 0.0


def unpack(archive: Path, folder: Path, entry: Offered) -> list[str]:
    """Write the members that an entry wants; returns their names in the folder.

    Raises:
        ValueError: no member is wanted.
    """
    written = []
    with tarfile.open(archive) as tar:
        for member in tar:
            name = PurePosixPath(member.name)
            if name.is_absolute() or ".." in name.parts:
                continue  # a foreign archive's names are not trusted
            parts = name.parts[entry.strip :]
            if not member.isfile() or not parts or not fnmatchcase(member.name, entry.members.replace("**/", "*")):
                continue
            source = tar.extractfile(member)
            if source is not None:
                _copy(source, folder.joinpath(*parts))
                written.append("/".join(parts))
    if not written:
        raise ValueError(f"{entry.source}: no file in the archive matches {entry.members}")
    return written


def _copy(source: IO[bytes], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as target:
        while piece := source.read(1 << 20):
            target.write(piece)
    part.replace(path)
