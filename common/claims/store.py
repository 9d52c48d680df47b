"""What claims ask of the place where the pool lies, and of the clock: a simulation answers the same questions.

Five questions are enough: list a folder, create a file that is not there, overwrite, read and remove one. Nothing is
renamed, and nothing is believed of a listing but that it may be late. A name that was created once decides.
"""

import errno
import time
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from common.pools.storage import (
    StoredFile,
    atomic_write,
    create,
    exists,
    is_remote,
    join,
    list_folder,
    read_bytes,
    remove,
)


class Clock(Protocol):
    """Where claims take the time from."""

    def now(self) -> float:
        """Seconds; only differences matter."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...


class SystemClock:
    """This machine's clock."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


class ClaimStore(Protocol):
    """Files below an output pool, by their names inside it."""

    local: bool
    """Whether this machine's processes may hold claims of which it knows that they ended."""

    def list(self, folder: str) -> Mapping[str, StoredFile]:
        """The files in a folder, not below it; what was written a moment ago may be missing."""
        ...

    def create(self, name: str, content: bytes, *, durable: bool = False) -> bool:
        """Write a file that is not there; of several writers one is told True, whoever may see what already.

        What is `durable` outlives a power cut.
        """
        ...

    def overwrite(self, name: str, content: bytes) -> None:
        """Write a file of this worker's anew: the store then says that it was modified now."""
        ...

    def write(self, name: str, lines: Iterable[bytes]) -> dict[str, Any]:
        """Write a file that no one else writes; its length and digest."""
        ...

    def read(self, name: str) -> bytes | None:
        """A small file; None where there is none."""
        ...

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        ...

    def remove(self, name: str) -> None:
        """Delete a file, or a folder with all in it, if it is there."""
        ...


TRIES = 3
"""How often something is tried in a folder that others remove or write to at the same time."""


class FileStore:
    """An output pool on a disk, on NFS or at an fsspec URL.

    Args:
        output: the pool's folder.
    """

    def __init__(self, output: str) -> None:
        self.output = output
        self.local = not is_remote(output)

    def list(self, folder: str) -> Mapping[str, StoredFile]:
        """The files in a folder, not below it."""
        return list_folder(join(self.output, folder))

    def create(self, name: str, content: bytes, *, durable: bool = False) -> bool:
        """Write a file that is not there."""
        for _ in range(TRIES):
            try:
                return create(join(self.output, name), content, durable=durable)
            except FileNotFoundError:  # the folder was removed under it: its shard is done
                continue
        return False

    def overwrite(self, name: str, content: bytes) -> None:
        """Write a small file anew."""
        path = join(self.output, name)
        with atomic_write(path, durable=False) as target:  # a sign of life need not outlive a power cut
            target.write(content)

    def write(self, name: str, lines: Iterable[bytes]) -> dict[str, Any]:
        """Write a file that appears whole or not at all."""
        with atomic_write(join(self.output, name)) as target:
            target.writelines(lines)
        return target.sum()

    def read(self, name: str) -> bytes | None:
        """A small file; None where there is none."""
        try:
            return read_bytes(join(self.output, name))
        except FileNotFoundError:
            return None

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        return exists(join(self.output, name))

    def remove(self, name: str) -> None:
        """Delete a file, or a folder with all in it, if it is there; others may delete it or write there meanwhile."""
        for _ in range(TRIES):
            try:
                return remove(join(self.output, name))
            except OSError as error:
                if not isinstance(error, FileNotFoundError) and error.errno != errno.ENOTEMPTY:
                    raise
        return None
