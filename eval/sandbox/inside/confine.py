"""Landlock and seccomp: what a process gives up for itself and all its descendants, where the kernel has them.

Landlock closes the file tree but for named folders, TCP, and (from its sixth version) signals and abstract sockets to
the outside. The seccomp filter refuses calls that a judged program has no use for: new sockets, tracing, mounts, new
namespaces, memory that no limit counts (memfd, System V), and what has been a way out of sandboxes before (io_uring,
bpf, userfaultfd, keys). A refused socket fails with "Network is unreachable", everything else with "not permitted" or,
where programs fall back to another way, "not implemented".
"""

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Iterable
from functools import cache

from eval.sandbox.inside import kernel

_READ = (1 << 0) | (1 << 2) | (1 << 3)  # execute, read a file, list a folder
_ALL_BY_VERSION = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_ON_FILES = (1 << 0) | (1 << 1) | (1 << 2) | (1 << 14) | (1 << 15)
_TCP, _SCOPES = 0b11, 0b11

_PR_SET_SECCOMP, _FILTER_MODE = 22, 2
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CLONE = {"x86_64": 56, "aarch64": 220}
NEW_NAMESPACE_FLAGS = kernel.NAMESPACES | 0x02000000 | 0x00000080  # also cgroup and time

# name: number on x86_64, number on aarch64 (None: does not exist there)
_REFUSED: dict[int, dict[str, tuple[int | None, int | None]]] = {
    errno.ENETUNREACH: {"socket": (41, 198)},
    errno.ENOSYS: {
        "clone3": (435, 435),  # its flags are in memory that a filter cannot read; libc falls back to clone
        "memfd_create": (319, 279),
        "memfd_secret": (447, 447),
        "shmget": (29, 194),
        "msgget": (68, 186),
        "semget": (64, 190),
        "mq_open": (240, 180),
        "io_uring_setup": (425, 425),
        "userfaultfd": (323, 282),
    },
    errno.EPERM: {
        "ptrace": (101, 117),
        "process_vm_readv": (310, 270),
        "process_vm_writev": (311, 271),
        "process_madvise": (440, 440),
        "pidfd_getfd": (438, 438),
        "kcmp": (312, 272),
        "unshare": (272, 97),
        "setns": (308, 268),
        "mount": (165, 40),
        "umount2": (166, 39),
        "pivot_root": (155, 41),
        "chroot": (161, 51),
        "fsopen": (430, 430),
        "fsmount": (432, 432),
        "move_mount": (429, 429),
        "open_tree": (428, 428),
        "mount_setattr": (442, 442),
        "open_by_handle_at": (304, 265),
        "bpf": (321, 280),
        "perf_event_open": (298, 241),
        "keyctl": (250, 219),
        "add_key": (248, 217),
        "request_key": (249, 218),
        "init_module": (175, 105),
        "finit_module": (313, 273),
        "kexec_load": (246, 104),
        "kexec_file_load": (320, 294),
        "reboot": (169, 142),
        "swapon": (167, 224),
        "acct": (163, 89),
        "syslog": (103, 116),
        "quotactl": (179, 60),
        "fanotify_init": (300, 262),
        "personality": (135, 92),
    },
}


def landlock_version() -> int:
    """The version of Landlock that this kernel speaks; 0 where it has none."""
    return max(0, kernel.syscall(kernel.LANDLOCK["create_ruleset"], None, ctypes.c_size_t(0), 1))


def landlock(readable: Iterable[str], writable: Iterable[str], version: int) -> None:
    """Close the file tree but for some folders, and TCP and signals to the outside as far as the version goes.

    Args:
        readable: files and folders to read and execute below.
        writable: files and folders to do anything below.
        version: `landlock_version()`, at least 1.
    """
    handled = _ALL_BY_VERSION[min(version, 5)]
    attributes = struct.pack("=QQQ", handled, _TCP if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rules = kernel.checked(
        kernel.syscall(kernel.LANDLOCK["create_ruleset"], attributes, ctypes.c_size_t(size), 0), "landlock"
    )
    try:
        for path, rights in [*((one, _READ) for one in readable), *((one, handled) for one in writable)]:
            _allow(rules, path, rights & handled)
        kernel.no_new_privileges()
        kernel.checked(kernel.syscall(kernel.LANDLOCK["restrict_self"], rules, 0), "landlock")
    finally:
        os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        kept = rights if stat.S_ISDIR(os.fstat(place).st_mode) else rights & _ON_FILES
        rule = struct.pack("=Qi", kept, place)
        kernel.checked(kernel.syscall(kernel.LANDLOCK["add_rule"], rules, 1, rule, 0), f"landlock {path}")
    finally:
        os.close(place)


def scope_signals(version: int) -> None:
    """Let this process and its descendants signal only each other, where Landlock can (version 6)."""
    if version < 6:
        return
    attributes = struct.pack("=QQQ", 0, 0, _SCOPES)
    rules = kernel.checked(
        kernel.syscall(kernel.LANDLOCK["create_ruleset"], attributes, ctypes.c_size_t(24), 0), "landlock"
    )
    kernel.checked(kernel.syscall(kernel.LANDLOCK["restrict_self"], rules, 0), "landlock")
    os.close(rules)


@cache
def filter_lines() -> bytes:
    """The filter in the kernel's form: load the architecture and the number, then one comparison per refused call."""
    column = 0 if kernel.MACHINE == "x86_64" else 1
    load, equal, at_least, any_bit, give = 0x20, 0x15, 0x35, 0x45, 0x06

    def step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("=HBBI", code, yes, no, value)

    lines = [
        step(load, 4),  # offset of the architecture in struct seccomp_data
        step(equal, _AUDIT_ARCH[kernel.MACHINE], 1, 0),
        step(give, _KILL),
        step(load, 0),  # offset of the call's number
    ]
    if column == 0:
        lines += [step(at_least, 0x40000000, 0, 1), step(give, _KILL)]  # the x32 numbers
    for number, calls in _REFUSED.items():
        for numbers in calls.values():
            if (call := numbers[column]) is not None:
                lines += [step(equal, call, 0, 1), step(give, _ERRNO | number)]
    lines += [
        step(equal, _CLONE[kernel.MACHINE], 0, 3),
        step(load, 16),  # the low half of the first argument, clone's flags
        step(any_bit, NEW_NAMESPACE_FLAGS, 0, 1),
        step(give, _ERRNO | errno.EPERM),
        step(give, _ALLOW),
    ]
    return b"".join(lines)


class _Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("lines", ctypes.c_char_p)]


def has_seccomp() -> bool:
    """Whether this kernel filters calls, and the filter is written for this machine."""
    known = kernel.MACHINE in _AUDIT_ARCH
    return known and kernel.libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, None, 0, 0) != 0 and ctypes.get_errno() == 14


def refuse_calls() -> None:
    """Install the seccomp filter for this process and its descendants."""
    lines = filter_lines()
    buffer = ctypes.create_string_buffer(lines, len(lines))
    program = _Filter(len(lines) // 8, ctypes.cast(buffer, ctypes.c_char_p))
    kernel.no_new_privileges()
    kernel.checked(kernel.libc.prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.byref(program), 0, 0), "seccomp")
