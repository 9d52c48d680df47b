"""Calls of the kernel that Python 3.11's library lacks, through ctypes: namespaces, mounts, capabilities."""

import ctypes
import os
import platform
import signal
import struct
from collections.abc import Iterable

NEWNS, NEWUTS, NEWIPC = 0x00020000, 0x04000000, 0x08000000
NEWUSER, NEWPID, NEWNET = 0x10000000, 0x20000000, 0x40000000
NAMESPACES = NEWNS | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET
"""User, mount, process, network, IPC and host-name namespaces, as flags of unshare(2)."""

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
MNT_DETACH = 2

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP = 1, 4, 24
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 36, 38, 47
_LAST_CAPABILITY = 63

MACHINE = platform.machine()
_NUMBERS = {"x86_64": {"pivot_root": 155, "capset": 126}, "aarch64": {"pivot_root": 41, "capset": 91}}
LANDLOCK = {"create_ruleset": 444, "add_rule": 445, "restrict_self": 446}
"""Numbers of the Landlock calls, the same on every architecture."""

libc = ctypes.CDLL(None, use_errno=True)


def checked(result: int, what: str) -> int:
    """The result of a call, or an OSError that names the call where it is negative."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def syscall(number: int, *arguments: object) -> int:
    """A call by its number, for what libc does not wrap; -1 and errno where it fails."""
    return int(libc.syscall(ctypes.c_long(number), *arguments))


def unshare(flags: int) -> None:
    """Leave the namespaces that the flags name for new ones."""
    checked(libc.unshare(flags), "unshare")


def setns(descriptor: int, kind: int) -> None:
    """Enter the namespace behind a file descriptor."""
    checked(libc.setns(descriptor, kind), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    arguments = [value.encode() if value else None for value in (source, target, kind)]
    checked(libc.mount(*arguments, ctypes.c_ulong(flags), data.encode() or None), f"mount {target}")


def pivot_into(folder: str) -> None:
    """Make a folder, which is a mount of its own, the root of this mount namespace, and let go of the old root."""
    os.chdir(folder)
    checked(syscall(_NUMBERS[MACHINE]["pivot_root"], b".", b"."), "pivot_root")
    checked(libc.umount2(b".", MNT_DETACH), "umount")
    os.chdir("/")


def write_maps(process: str, proc: int, inner: int, user: int, group: int) -> None:
    """Map one user and one group into a process's new user namespace.

    Args:
        process: its name under /proc, such as `self`.
        proc: descriptor of the /proc folder in which it has that name.
        inner: the id inside, for both.
        user: the user id in the namespace above.
        group: the group id in the namespace above.
    """
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{inner} {user} 1"),
        ("gid_map", f"{inner} {group} 1"),
    ):
        descriptor = os.open(f"{process}/{name}", os.O_WRONLY, dir_fd=proc)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def become(user: int, group: int) -> None:
    """Give up root for an ordinary user, for good."""
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)


def drop_capabilities() -> None:
    """Give up every capability, also those that a later exec could bring back."""
    libc.prctl(_PR_CAP_AMBIENT, 4, 0, 0, 0)  # 4 = clear all
    for capability in range(_LAST_CAPABILITY + 1):
        if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 and ctypes.get_errno() == 22:
            break  # past the kernel's last one
    header = struct.pack("=Ii", 0x20080522, 0)  # version 3, this thread
    checked(syscall(_NUMBERS[MACHINE]["capset"], header, bytes(24)), "capset")


def no_new_privileges() -> None:
    """No program started from here gains rights by being set-uid."""
    checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")


def set_dumpable(value: bool) -> None:
    """Whether others of the same user may trace this process and read its memory and environment."""
    libc.prctl(_PR_SET_DUMPABLE, int(value), 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent dies."""
    checked(libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "child_subreaper")


def die_with_parent() -> None:
    """Be killed when the thread that started this process ends."""
    checked(libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "pdeathsig")


def close_all_but(keep: Iterable[int]) -> None:
    """Close every file descriptor that is not named."""
    low = 0
    for descriptor in sorted(set(keep)):
        if low < descriptor:  # closerange(0, 0) would close everything
            os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, 1 << 20)
