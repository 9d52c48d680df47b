"""Limits of a program, what a run of it says, and what each level of isolation means."""

from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["ok", "error", "time_limit", "memory_limit", "output_limit", "infra_error"]
"""`ok`: it ended with exit code 0. `error`: it ended otherwise. The limits are the program's own doing. `infra_error`
is the sandbox's or the machine's, and says nothing about the program."""

Level = Literal["isolated", "limited", "remote"]
"""`isolated`: namespaces: no network, no file but Python's and its own folder, no other process in sight. `limited`:
a session with limits, and what Landlock and seccomp add. `remote`: whatever a sandbox server does."""


@dataclass(frozen=True)
class Limits:
    """What one program may use. Time that it waits for a processor counts for nothing but the deadline."""

    cpu_s: float = 10.0
    """Processor seconds of the program and all its descendants."""

    wall_s: float | None = None
    """Seconds that it runs or sleeps: wall time without waiting for a processor. Twice `cpu_s` if None."""

    deadline_s: float | None = None
    """Wall seconds after which there is a verdict at the latest (plus one second), a second try included. Ten times
    `cpu_s`, and at least twice `wall_s`, if None."""

    memory_bytes: int = 4 << 30
    """Address space of each process, and resident memory of all together."""

    file_bytes: int = 4 << 20
    """Size of any file that it writes, stdout and stderr among them."""

    folder_bytes: int = 64 << 20
    """Size of its folder, where it is a file system of its own."""

    open_files: int = 64
    processes: int = 64
    """Processes and threads."""

    def __post_init__(self) -> None:
        for name in ("cpu_s", "wall_s", "deadline_s", "memory_bytes", "file_bytes", "open_files", "processes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name}={value} is no limit; give a number above 0")

    @property
    def own_s(self) -> float:
        """`wall_s`, or its default."""
        return 2 * self.cpu_s if self.wall_s is None else self.wall_s

    @property
    def latest_s(self) -> float:
        """`deadline_s`, or its default."""
        return max(10 * self.cpu_s, 2 * self.own_s) if self.deadline_s is None else self.deadline_s


@dataclass(frozen=True)
class ProgramRun:
    """How one program ran."""

    status: Status

    passed: bool | None = None
    """Whether every test passed; None where there were no tests, or nobody could tell."""

    stdout: str = ""
    stderr: str = ""
    returncode: int | None = None
    """Exit code, or minus the number of the signal that ended it. It never decides a verdict."""

    seconds: float = 0.0
    """Wall seconds, all tries together."""

    isolation: str = ""
    """Level and back-end, such as `isolated (namespaces)`."""

    reason: str = ""
    """What a status other than `ok` rests on, in a few words."""

    cpu_s: float = 0.0
    waited_s: float = 0.0
    """Seconds that it waited for a processor."""

    peak_bytes: int = 0
    tries: int = 1
    judged: dict[str, Any] = field(default_factory=dict)
    """What came of each test or expression, as the judging process reports it."""

    ended: dict[str, Any] = field(default_factory=dict)
    """The exception that ended the program, by its own account: good for a reason, never for a verdict."""

    def record(self) -> dict[str, Any]:
        """What the command prints."""
        return {
            "status": self.status,
            "passed": self.passed,
            "stdout": self.stdout,
            "stderr": self.stderr,
            "returncode": self.returncode,
            "seconds": round(self.seconds, 4),
            "isolation": self.isolation,
            "reason": self.reason,
            "cpu_s": round(self.cpu_s, 4),
            "waited_s": round(self.waited_s, 4),
            "peak_bytes": self.peak_bytes,
            "tries": self.tries,
        }
