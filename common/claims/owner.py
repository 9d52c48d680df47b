"""Who holds a claim, and whether a process of this machine that held one has ended."""

import functools
import json
import os
import socket
import uuid
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson


@dataclass(frozen=True)
class Owner:
    """A worker's process, as its claims name it."""

    worker: str
    """The same after a restart, so that a worker finds the shard again that it was at."""
    machine: str
    """Of this host and of this set of process ids: a container has its own."""
    process: int
    began: str
    """When the process began, by the kernel's count; process ids come again."""
    token: str
    """Of this one start: no two have the same."""


def this_process(worker: str = "") -> Owner:
    """The owner that this process is.

    Args:
        worker: a name that stays from restart to restart; the machine's and the process's if empty.
    """
    process = os.getpid()
    return Owner(worker or f"{socket.gethostname()}-{process}", _machine(), process, _began(process), _token())


def has_ended(content: bytes | None) -> bool:
    """Whether a claim's holder was a process of this machine and is no more. Of other machines nobody knows."""
    found = read_claim(content).get("owner")
    if not isinstance(found, dict) or found.get("machine") != _machine():
        return False
    process = found.get("process")
    return isinstance(process, int) and _began(process) != found.get("began")


def claim_content(owner: Owner, **about: Any) -> bytes:
    """A claim file's content."""
    return as_json({**about, "owner": vars(owner)})


def as_json(value: dict[str, Any]) -> bytes:
    """A small value as JSON: fast where orjson takes it, which refuses names that are no Unicode."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value).encode()


def read_claim(content: bytes | None) -> dict[str, Any]:
    """What a claim file says; empty for one that is not there, or not there yet."""
    try:
        found = orjson.loads(content or b"{}")
    except ValueError:
        try:
            found = json.loads(content or b"{}")  # names that are no Unicode
        except ValueError:
            return {}
    return found if isinstance(found, dict) else {}


def _token() -> str:
    return uuid.uuid4().hex[:8]


@functools.cache
def _machine() -> str:
    names = [socket.gethostname()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            names.append(os.readlink(path) if "/ns/" in path else Path(path).read_text(encoding="ascii"))  # noqa: PTH115
        except OSError:
            continue
    return blake2b("\n".join(names).encode(), digest_size=8).hexdigest()


def _began(process: int) -> str:
    """When a process began; empty where there is none, or none that runs."""
    try:
        fields = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return "" if Path("/proc/self/stat").exists() or not _lives(process) else "running"
    return "" if fields[0] in (b"Z", b"X") else fields[19].decode()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True
