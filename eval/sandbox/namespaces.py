"""The back-end `namespaces`: every program in new user, mount, process, network, IPC and host-name namespaces.

A warm interpreter enters namespaces once, in which it sees nothing but the folders that Python needs, read-only. For
each program it forks into a new process namespace; the fork then takes new ones of the other kinds for itself, mounts
an empty folder of limited size, and gives up every capability. It needs no compiled code and no rights: only that the
kernel lets ordinary users make user namespaces. Started by root, it first becomes an ordinary user.
"""

import os
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.sandbox.inside import confine, kernel

INSIDE_USER = 1000
"""The user that a program sees itself as."""

DEVICES = ("null", "zero", "full", "random", "urandom")
PLACES = ("/mnt", "/srv", "/media", "/tmp", "/var", "/home")
"""Folders that the small tree may be mounted over while it is built."""

SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/alternatives")


def readable_paths() -> list[str]:
    """What a program may read: the system's libraries and programs, this Python, its standard library and packages."""
    names = {sys.base_prefix, sys.base_exec_prefix, str(Path(sys.executable).resolve().parent.parent)}
    names |= {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    names |= {str(Path(sys.prefix, "bin")), str(Path(sys.prefix, "pyvenv.cfg"))}
    found = sorted({one for one in (*SYSTEM, *names) if one != "/" and Path(one).exists()})
    return [one for one in found if not any(one != top and one.startswith(top + "/") for top in found)]


def working_folder(paths: Sequence[str]) -> str:
    """A program's working folder, the only place that it can write to: /tmp, unless what it reads lies there."""
    return "/box" if any(path.startswith("/tmp/") for path in paths) else "/tmp"


class Namespaces:
    """The enclosure of programs in namespaces."""

    def __init__(self, user: int | None, group: int | None, paths: Sequence[str], landlock: int, seccomp: bool) -> None:
        self._become = (user, group) if user is not None and group is not None else None
        self._paths = paths
        self._folder = working_folder(paths)
        self._landlock = landlock
        self._seccomp = seccomp
        self._proc = -1

    def prepare(self) -> int:
        """Close off the warm interpreter itself; its next child is the first process of its process namespace.

        Returns:
            A descriptor of the /proc folder of the processes outside, for watching.
        """
        self._proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
        built = False
        if self._become:
            try:  # while this is root: it may reach what the ordinary user may not
                kernel.unshare(kernel.NEWNS)
                _build(self._paths)
                built = True
            except PermissionError:  # a root without rights, as in many containers
                pass
            kernel.become(*self._become)
            kernel.set_dumpable(True)  # or /proc/self would not belong to the ordinary user
        user, group = os.getuid(), os.getgid()
        kernel.unshare(kernel.NAMESPACES)
        kernel.write_maps("self", self._proc, INSIDE_USER, user, group)
        if not built:
            _build(self._paths)
        return self._proc

    dies_whole = True
    """Whether all processes of a program end with the one that judges it."""

    def kept(self) -> list[int]:
        """Descriptors that a judging process needs from the warm one."""
        return [self._proc]

    def begin(self) -> None:
        """Let the next fork be the first process of a new process namespace."""
        kernel.unshare(kernel.NEWPID)

    def began(self) -> None:
        """After the fork: let the one after it not be born there."""
        kernel.setns(self._home, kernel.NEWPID)

    def settle(self) -> None:
        """In the process that serves: remember the own process namespace, to come back to it."""
        self._home = os.open("self/ns/pid", os.O_RDONLY, dir_fd=self._proc)

    def enter(self, limits: dict[str, Any]) -> str:
        """Take new namespaces, an empty folder, and give up all rights."""
        # A new network namespace for each program costs a tenth of all its processor time. Where no program can make a
        # socket, that of the warm interpreter, which has no way out either, does for all.
        kernel.unshare(kernel.NAMESPACES & ~kernel.NEWPID & ~(kernel.NEWNET if self._seccomp else 0))
        kernel.write_maps("self", self._proc, INSIDE_USER, INSIDE_USER, INSIDE_USER)
        os.close(self._proc)
        options = f"size={limits['folder_bytes']},nr_inodes=4096,mode=700,uid={INSIDE_USER},gid={INSIDE_USER}"
        kernel.mount("tmpfs", self._folder, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, options)
        os.chdir(self._folder)
        limits["processes_of_user"] = limits["processes"]  # a user namespace counts its own
        kernel.drop_capabilities()
        kernel.no_new_privileges()
        if self._landlock:
            confine.landlock(["/"], [self._folder, *(f"/dev/{one}" for one in DEVICES)], self._landlock)
        if self._seccomp:
            confine.refuse_calls()
        return self._folder

    def leave(self) -> None:
        """Nothing: all processes and the folder end with this process, the first of its namespace."""


def _build(paths: Sequence[str]) -> None:
    """Make a small read-only tree the root of this mount namespace."""
    kernel.mount("none", "/", flags=kernel.MS_REC | kernel.MS_PRIVATE)
    root = next(Path(one) for one in PLACES if Path(one).is_dir() and not any(path.startswith(one) for path in paths))
    kernel.mount("tmpfs", str(root), "tmpfs", kernel.MS_NOSUID, "size=1m,mode=755")
    for path in paths:
        source = Path(path)
        target = root / path.lstrip("/")
        if source.is_symlink():  # such as /lib, which leads to usr/lib
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(source.readlink())
        else:
            _bind(path, target, source.is_dir())
    folder = working_folder(paths)
    for name in DEVICES:
        _bind(f"/dev/{name}", root / "dev" / name, False, read_only=False)
    for name, leads_to in {"stdin": f"{folder}/.stdin", "shm": folder}.items():
        (root / "dev" / name).symlink_to(leads_to)
    (root / folder.lstrip("/")).mkdir(mode=0o755, exist_ok=True)
    kernel.mount("none", str(root), flags=kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kernel.MS_NOSUID)
    kernel.pivot_into(str(root))


def _bind(source: str, target: Path, folder: bool, read_only: bool = True) -> None:
    (target if folder else target.parent).mkdir(parents=True, exist_ok=True)
    if not folder:
        target.touch()
    kernel.mount(source, str(target), flags=kernel.MS_BIND | kernel.MS_REC)
    if read_only:
        kept = _locked_flags(source)
        kernel.mount("none", str(target), flags=kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kept)


def _locked_flags(path: str) -> int:
    """Flags of the mount below a path that an ordinary user may not take off when mounting it read-only."""
    flags = os.statvfs(path).f_flag
    pairs = ((os.ST_NOSUID, kernel.MS_NOSUID), (os.ST_NODEV, kernel.MS_NODEV), (os.ST_NOEXEC, kernel.MS_NOEXEC))
    return sum(mine for theirs, mine in pairs if flags & theirs) | kernel.MS_NOSUID
