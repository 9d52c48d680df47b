"""Files on a local disk or any fsspec URL: open, list, and write so that a file appears whole or not at all."""

import io
import os
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import IO, Any, NamedTuple

_HERE = blake2b(socket.gethostname().encode(), digest_size=3).hexdigest()
_TEMPORARY = re.compile(r"^\..+\.([0-9a-f]{6})-(\d+)\.tmp$")


def is_remote(path: str) -> bool:
    """Whether a path is an fsspec URL such as `s3://bucket/key` rather than a local file."""
    return "://" in path and not path.startswith("file://")


def local_path(path: str) -> Path:
    """The local path behind a plain path or a `file://` URL."""
    return Path(path.removeprefix("file://"))


def files_behind(path: str) -> tuple[Any, str]:
    """The file system of a path or URL, and the path inside it. fsspec is loaded here: it takes a third of a start."""
    import fsspec

    return fsspec.core.url_to_fs(path)


def join(folder: str | Path, name: str) -> str:
    """A file's path inside a folder or a URL."""
    return f"{str(folder).rstrip('/')}/{name}"


def check_inside(name: str, source: str) -> None:
    """Refuse a name, read from somebody else's file, that leads out of the folder it is joined to.

    Raises:
        ValueError: the name is empty or absolute, or goes up.
    """
    parts = re.split(r"[/\\]", name)
    absolute = not parts[0].strip() or re.match(r"[A-Za-z]:|[a-z0-9+]+://", name)
    if absolute or ".." in parts or "\0" in name:
        raise ValueError(f"{source} names {name!r}, which is no place inside its folder")


def exists(path: str) -> bool:
    """Whether a file or folder is there."""
    if is_remote(path):
        files, inside = files_behind(path)
        return bool(files.exists(inside))
    return local_path(path).exists()


def is_folder(path: str) -> bool:
    """Whether a path is a folder (for object stores: a prefix that holds something)."""
    if is_remote(path):
        files, inside = files_behind(path)
        return bool(files.isdir(inside))
    return local_path(path).is_dir()


def list_files(folder_or_glob: str) -> list[str]:
    """Paths of the files in a folder (not below it), or of those that match a glob, sorted."""
    files, inside = files_behind(folder_or_glob)
    if "*" in folder_or_glob or "?" in folder_or_glob:
        found = [path for path in files.glob(inside) if files.isfile(path)]
    else:
        entries = files.ls(inside, detail=True)
        # a link counts as what it points to
        found = [
            one["name"] for one in entries if one["type"] == "file" or (one.get("islink") and files.isfile(one["name"]))
        ]
    return sorted(files.unstrip_protocol(path) if is_remote(folder_or_glob) else path for path in found)


def list_below(folder: str) -> dict[str, int]:
    """Sizes of all files in a folder and below it, by their path inside it; hidden folders and those whose name
    begins with `_` are passed over. Empty where there is no such folder."""
    found: dict[str, int] = {}
    if not is_remote(folder):
        top = local_path(folder)
        for place, folders, names in os.walk(top, followlinks=True):
            folders[:] = sorted(one for one in folders if not one.startswith((".", "_")))
            inside = Path(place).relative_to(top).as_posix()
            before = "" if inside == "." else f"{inside}/"
            for name in names:
                with suppress(OSError):  # a link to nothing, or a file that goes at this moment
                    found[before + name] = os.stat(f"{place}/{name}").st_size  # noqa: PTH116 - paths take most of the time
        return found
    files, inside = files_behind(folder)
    with suppress(FileNotFoundError):
        for path, about in files.find(inside, detail=True).items():
            name = path.removeprefix(inside.rstrip("/") + "/")
            if not any(one.startswith((".", "_")) for one in name.split("/")[:-1]):
                found[name] = int(about.get("size") or 0)
    return found


class StoredFile(NamedTuple):
    """A file as its store lists it."""

    bytes: int
    modified: float
    """When it was last written, in seconds by the store's own clock; 0 where the store does not say."""


def list_folder(folder: str) -> dict[str, StoredFile]:
    """The files in a folder (not below it) by their names, as the store knows them now; empty without a folder."""
    found: dict[str, StoredFile] = {}
    with suppress(FileNotFoundError):
        if not is_remote(folder):
            with os.scandir(local_path(folder)) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):  # it goes at this moment
                        about = entry.stat()
                        if not entry.is_dir():
                            found[entry.name] = StoredFile(about.st_size, about.st_mtime)
            return found
        files, inside = files_behind(folder)
        files.invalidate_cache(inside)  # others write here too
        for about in files.ls(inside, detail=True):
            if about["type"] == "file":
                name = about["name"].rsplit("/", 1)[-1]
                found[name] = StoredFile(int(about.get("size") or 0), _modified(about))
    return found


def list_folders(folder: str) -> list[str]:
    """Names of the folders in a folder, hidden ones too; none where there is no such folder."""
    with suppress(FileNotFoundError, NotADirectoryError):
        if not is_remote(folder):
            with os.scandir(local_path(folder)) as entries:
                return [entry.name for entry in entries if entry.is_dir()]
        files, inside = files_behind(folder)
        files.invalidate_cache(inside)
        found = files.ls(inside, detail=True)
        return [about["name"].rstrip("/").rsplit("/", 1)[-1] for about in found if about["type"] == "directory"]
    return []


_MODIFIED = ("LastModified", "last_modified", "mtime", "updated", "timeModified", "created")


def _modified(about: dict[str, Any]) -> float:
    value = next((about[name] for name in _MODIFIED if about.get(name)), 0.0)
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.timestamp() if isinstance(value, datetime) else float(value)


class Listings:
    """Output folders as this process has seen them: each listed once, what it writes there added."""

    def __init__(self) -> None:
        self.sizes: dict[str, dict[str, int]] = {}
        self.checked: set[tuple[str, str]] = set()
        """(folder, configuration) of which one mark was compared, and folders that were swept."""


_listings: ContextVar[Listings | None] = ContextVar("listings", default=None)


@contextmanager
def one_listing_each() -> Iterator[None]:
    """Inside the block each output folder is listed once by this process."""
    token = _listings.set(Listings())
    try:
        yield
    finally:
        _listings.reset(token)


def keep_listings() -> None:
    """The same for the rest of this process: a worker's."""
    if _listings.get() is None:
        _listings.set(Listings())


def listings() -> Listings:
    """What this process has seen, empty where nothing is remembered."""
    return _listings.get() or Listings()


def listing(folder: str) -> dict[str, int]:
    """`list_below`, remembered where `one_listing_each` holds. A name that is not in it may have come since."""
    known = listings().sizes
    if folder not in known:
        known[folder] = list_below(folder)
    return known[folder]


def open_read(path: str) -> IO[bytes]:
    """Open a file's raw bytes."""
    if is_remote(path):
        import fsspec

        return fsspec.open(path, "rb").open()
    return local_path(path).open("rb")


def read_bytes(path: str) -> bytes:
    """A whole small file."""
    with open_read(path) as source:
        return source.read()


def size_of(path: str) -> int:
    """A file's length in bytes."""
    if is_remote(path):
        files, inside = files_behind(path)
        return int(files.info(inside)["size"])
    return local_path(path).stat().st_size


def cache_folder() -> Path:
    """Where this toolkit keeps what can be worked out again."""
    given = os.environ.get("REPRO_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "repro"


def make_folder(path: str) -> None:
    """Create a folder and its parents; object stores need none."""
    if not is_remote(path):
        local_path(path).mkdir(parents=True, exist_ok=True)


def remove(path: str) -> None:
    """Delete a file or a folder with all in it, if it is there."""
    files, inside = files_behind(path)
    if files.exists(inside):
        files.rm(inside, recursive=True)


class Written(io.RawIOBase):
    """A file that is written from start to end, with the length and the digest of what went into it."""

    def __init__(self, target: IO[bytes]) -> None:
        super().__init__()
        self.target = target
        self.bytes = 0
        self._hash = blake2b(digest_size=16)

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, raw: Any) -> int:
        """Write all of it."""
        view = memoryview(raw).cast("B")
        self.target.write(view)
        self.bytes += len(view)
        self._hash.update(view)
        return len(view)

    def tell(self) -> int:
        """Bytes written so far."""
        return self.bytes

    def sum(self) -> dict[str, Any]:
        """`bytes` and `digest` of what was written."""
        return {"bytes": self.bytes, "digest": self._hash.copy().hexdigest()}


@contextmanager
def atomic_write(path: str, *, durable: bool = True) -> Iterator[Written]:
    """Open a file for writing that takes its name only when the block ends well.

    Locally: written beside its place under a hidden name, flushed to the disk, renamed, the folder flushed too, so that
    a kill or a power cut leaves the old state or the new one. On an object store an upload appears only when complete;
    one that fails is dropped with the exception. What is not `durable` is renamed and not flushed.
    """
    if is_remote(path):
        import fsspec

        target = fsspec.open(path, "wb").open()
        try:
            yield Written(target)
        except BaseException:
            discard = getattr(target, "discard", None)
            if discard is not None:
                discard()
            raise
        target.close()
        return
    place = local_path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    beside = place.with_name(f".{place.name}.{_HERE}-{os.getpid()}.tmp")
    try:
        with beside.open("wb") as target:
            yield Written(target)
            target.flush()
            if durable:
                os.fsync(target.fileno())
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)
    if durable:
        sync_folder(place.parent)


def create(path: str, content: bytes, *, durable: bool = True) -> bool:
    """Write a small file under a name that is not taken: of several writers exactly one is told True.

    Locally a finished file is linked to its name, which NFS does as one step too; where files cannot be linked, it is
    opened exclusively. An object store is asked for a conditional write (`If-None-Match`). Who is told False although
    the file is its own (an answer that was lost, and a second try) finds its own content there, and is told True.
    What is not `durable` is not flushed to the disk.
    """
    if is_remote(path):
        files, inside = files_behind(path)
        try:
            files.pipe_file(inside, content, mode="create")
        except OSError:  # FileExistsError, or what a back-end makes of "precondition failed"
            if not files.exists(inside):
                raise
            return bool(files.cat_file(inside) == content)
        return True
    place = local_path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    # threads of one process may want one name too, and each needs a file of its own
    beside = place.with_name(f".{place.name}-{threading.get_ident():x}.{_HERE}-{os.getpid()}.tmp")
    try:
        _write_through(beside, content, "wb", durable)
        try:
            os.link(beside, place)
        except FileExistsError:
            return place.read_bytes() == content
        except OSError:
            try:
                _write_through(place, content, "xb", durable)
            except FileExistsError:
                return place.read_bytes() == content
    finally:
        beside.unlink(missing_ok=True)
    if durable:
        sync_folder(place.parent)
    return True


def _write_through(place: Path, content: bytes, mode: str, durable: bool) -> None:
    with place.open(mode) as target:
        target.write(content)
        target.flush()
        if durable:
            os.fsync(target.fileno())


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a rename in it survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: str | Path) -> None:
    """Delete the temporary files that killed processes of this machine left in a folder (not below it)."""
    if is_remote(str(folder)):
        return
    place = local_path(str(folder))
    if not place.is_dir():
        return
    for path in place.iterdir():
        found = _TEMPORARY.match(path.name)
        if found and found.group(1) == _HERE and not _lives(int(found.group(2))):
            path.unlink(missing_ok=True)


def sweep_once(folder: str) -> None:
    """`sweep`, but once per process where `one_listing_each` holds: a look at the folder for each shard is too much."""
    swept = listings().checked
    if (folder, "swept") not in swept:
        swept.add((folder, "swept"))
        sweep(folder)


def _lives(process: int) -> bool:
    if process == os.getpid():
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
