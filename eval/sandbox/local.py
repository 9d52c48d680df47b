"""The back-end `local`: a session of its own, limits, an empty environment and a private folder.

It is for machines that allow no more, and holds less than namespaces do. With Landlock and seccomp a program still
reads no file but Python's, writes only to its folder and opens no socket. Without them it can read whatever its user
can, use the network, and signal processes of the same user. Root gives itself up for an ordinary user first; where the
interpreter lies in a folder that only root may enter, a mount namespace shows it to that user.
"""

import contextlib
import os
import shutil
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from eval.sandbox.inside import confine, kernel
from eval.sandbox.inside.watching import children, end_all
from eval.sandbox.namespaces import DEVICES

AT_ONCE, USUAL = 64, 3
"""Programs at once, and processes of each, that the limit on the user's processes leaves room for beside one program
that takes all that it may. The watcher limits each one exactly."""


class Local:
    """The enclosure of programs without namespaces of their own.

    Args:
        user: the user that root becomes; None for the one that it is.
        group: the group that goes with it.
        paths: what programs may read, where Landlock can say so.
        landlock: its version, 0 for none.
        seccomp: whether calls are filtered.
        base: the folder that programs' folders are made in.
        boxed: that folder ends with a box around this process, so that nothing has to be removed.
    """

    def __init__(
        self,
        user: int | None,
        group: int | None,
        paths: Sequence[str],
        landlock: int,
        seccomp: bool,
        base: str,
        boxed: bool,
    ) -> None:
        self._become = (user, group) if user is not None and group is not None else None
        self._paths = paths
        self._landlock = landlock
        self._seccomp = seccomp
        self._base = base
        self._boxed = boxed
        self.helpers: set[int] = set()

    def prepare(self) -> int:
        """Give up root; returns a descriptor of /proc."""
        proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
        if self._become:
            hidden = [one for one in map(_closed_folder, self._paths) if one]
            if hidden:
                kernel.unshare(kernel.NEWNS)
                _show(self._paths, hidden)
            kernel.become(*self._become)
            kernel.set_dumpable(True)
        self._processes = sum(1 for one in Path("/proc").iterdir() if one.name.isdigit())
        return proc

    dies_whole = False
    """Whether all processes of a program end with the one that judges it."""

    def kept(self) -> list[int]:
        """Descriptors that a judging process needs from the warm one."""
        return []

    def settle(self) -> None:
        """In the process that serves: take in what programs leave behind, and start a process that removes folders."""
        kernel.adopt_orphans()
        if self._boxed:
            return
        incoming, self._cleaning = os.pipe()
        self.helpers = {os.fork()}
        if self.helpers == {0}:
            kernel.close_all_but([0, 1, 2, incoming])
            _clean(incoming)

    def begin(self) -> None:
        """Nothing to do before a fork."""

    def began(self) -> None:
        """Nothing to do after a fork."""

    def enter(self, limits: dict[str, Any]) -> str:
        """Enter a private folder and give up what the kernel lets an ordinary user give up."""
        kernel.adopt_orphans()
        kernel.die_with_parent()
        folder = self.folder(os.getpid())
        folder.mkdir(mode=0o700)
        os.chdir(folder)
        os.environ["TMPDIR"] = os.environ["HOME"] = str(folder)
        if os.getuid() != 0:
            limits["processes_of_user"] = self._processes + limits["processes"] + USUAL * AT_ONCE
        kernel.no_new_privileges()
        if self._landlock:
            devices = [f"/dev/{one}" for one in DEVICES]
            confine.landlock([*self._paths, "/proc/self/task"], [self._base, *devices], self._landlock)
        if self._seccomp:
            confine.refuse_calls()
        return str(folder)

    def leave(self) -> None:
        """End every process that the program left."""
        while left := children(os.getpid()):
            end_all(left)

    def folder(self, pid: int) -> Path:
        """The private folder of the program that a process judges."""
        return Path(self._base, str(pid))

    def clear(self, pid: int) -> None:
        """Have a program's folder removed; nobody waits for that."""
        if not self._boxed:
            os.write(self._cleaning, f"{self.folder(pid)}\n".encode())


def _clean(incoming: int) -> NoReturn:
    """Remove the folders that are named on a pipe, until its other end closes."""
    with open(incoming) as names:
        for name in names:
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                remove(Path(name.rstrip("\n")))
    os._exit(0)


def remove(folder: Path) -> None:
    """Remove a folder with everything in it, also what was made unreadable or nested without end."""
    with contextlib.suppress(OSError, RecursionError):
        shutil.rmtree(folder)
    if not folder.exists():
        return
    # Nested deeper than a path may be long, or closed to its own user: what rm and chmod are made for.
    for command in (["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
        subprocess.run([*command, "--", str(folder)], check=False, capture_output=True, timeout=20)


def _closed_folder(path: str) -> str | None:
    """The outermost folder on the way to a path that others may not enter."""
    for folder in reversed(Path(path).resolve().parents):
        if not folder.stat().st_mode & stat.S_IXOTH:
            return str(folder)
    return None


def _show(paths: Sequence[str], hidden: Sequence[str]) -> None:
    """Cover the closed folders, for this process only, with empty ones that hold just what Python needs."""
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    inside = [path for path in map(os.path.realpath, paths) if any(path.startswith(one + "/") for one in hidden)]
    opened = {path: os.open(path, os.O_PATH) for path in inside}
    for folder in sorted(set(hidden)):
        kernel.mount("tmpfs", folder, "tmpfs", kernel.MS_NOSUID, "size=1m,mode=755")
    for path, descriptor in opened.items():
        Path(path).mkdir(parents=True, exist_ok=True)
        kernel.mount(f"/proc/self/fd/{descriptor}", path, flags=kernel.MS_BIND)
        kernel.mount("none", path, flags=kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kernel.MS_NOSUID)
        os.close(descriptor)
