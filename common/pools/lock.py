"""Keep a second process of this machine off a folder, or wait for it."""

from typing import IO

from common.pools.storage import is_remote, local_path, make_folder


class Lock:
    """Keeps a second process of this machine off a shard; a killed process lets go by itself."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.handle: IO[bytes] | None = None

    def __enter__(self) -> None:
        if is_remote(self.folder):
            return  # object stores have no locks; START and END keep array jobs apart
        import fcntl

        make_folder(self.folder)
        self.handle = (local_path(self.folder) / "lock").open("wb")
        try:
            fcntl.flock(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.handle.close()
            raise ValueError(f"another process is working on {self.folder}") from None

    def __exit__(self, *_: object) -> None:
        if self.handle is not None:
            self.handle.close()
