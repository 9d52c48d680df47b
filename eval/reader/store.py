"""An index on disk: one SQLite file that a kill leaves whole, and that many readers may read while one writes it."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from common.hashing import step_hash
from common.pools.inputs import resolved
from common.pools.lock import wait
from common.pools.storage import cache_folder

FORM = 1
"""Raised with every change of the tables: an index of another form is built anew."""

READ_CACHE_KB, WRITE_CACHE_KB = 4_000, 24_000
"""What a connection may keep of the file in memory."""


class Store:
    """One index.

    Args:
        folder: made if absent, for its owner alone: it holds what the documents say.
        schema: SQL statements that make the tables.
    """

    def __init__(self, folder: Path, schema: str) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder = folder
        self.path = folder / "index.sqlite"
        self.schema = schema
        self._own = threading.local()
        self._generation = 0

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A connection to write with, tables made, while no other process writes; waits for one that does.

        What is not committed at the end is undone.
        """
        with wait(self.folder / "lock"):
            connection = self._opened()
            if self._form(connection) not in (0, FORM):
                connection.close()
                self.remove()
                connection = self._opened()
            try:
                if self._form(connection) == 0:
                    connection.executescript(f"{META}{self.schema}; PRAGMA user_version = {FORM}")
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                connection.close()

    def is_readable(self) -> bool:
        """Whether there is an index of this form."""
        return self.path.is_file() and self._form(self.reader()) == FORM

    @staticmethod
    def _form(connection: sqlite3.Connection) -> int:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
        self.path.chmod(0o600)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA cache_size = -{WRITE_CACHE_KB}")
        return connection

    def reader(self) -> sqlite3.Connection:
        """This thread's connection to read with.

        Raises:
            FileNotFoundError: there is no index yet.
        """
        own = getattr(self._own, "connection", None)
        if own is None or self._own.generation != self._generation:
            if not self.path.is_file():
                raise FileNotFoundError(f"no index at {self.path}")
            own = sqlite3.connect(f"file:{quote(str(self.path.resolve()))}?mode=ro", uri=True, timeout=30)
            own.execute(f"PRAGMA cache_size = -{READ_CACHE_KB}")
            self._own.connection, self._own.generation = own, self._generation
        return own

    def remove(self) -> None:
        """Delete the index."""
        self._generation += 1
        for ending in ("", "-wal", "-shm"):
            Path(f"{self.path}{ending}").unlink(missing_ok=True)

    def close(self) -> None:
        """Close this thread's connection."""
        own = getattr(self._own, "connection", None)
        if own is not None:
            own.close()
            self._own.connection = None


def index_folder(path: str, given: str | None = None) -> Path:
    """Where the index of a pool or run lies: in a folder of its own in the cache, or in the one that is given."""
    top = Path(given) if given else cache_folder() / "reader"
    return top / step_hash(resolved(path))


META = "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"


def set_meta(connection: sqlite3.Connection, name: str, value: Any) -> None:
    """Keep a JSON value under a name."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, json.dumps(value)))


def get_meta(connection: sqlite3.Connection, name: str, default: Any = None) -> Any:
    """The JSON value under a name."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return default if row is None else json.loads(row[0])


def storable(text: str) -> str:
    """A text that SQLite takes: halves of surrogate pairs become question marks, NULs spaces."""
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode()
    return text.replace("\0", " ")
