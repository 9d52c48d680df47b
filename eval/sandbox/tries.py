"""One program in one warm interpreter: how many tries, and what the outcome means.

The candidate's limits are processor time and the time that it runs or sleeps. Where only the wall ran out because the
machine had no processor for it, the program is tried again, and then it is an `infra_error`: what else runs on a
machine decides no verdict.
"""

import signal
import time
from dataclasses import replace
from typing import Any

from eval.sandbox.limits import Level, Limits, ProgramRun, Status
from eval.sandbox.servers import Backend, SandboxFailed, Warm, WarmOutcome

LEVELS: dict[Backend, Level] = {"namespaces": "isolated", "bubblewrap": "isolated", "local": "limited"}
"""The level that a back-end has if its probe says so, strongest first."""

GRACE_S = 0.5
"""How long after its deadline a program may still be found to have broken a limit of its own."""


def tried(spec: dict[str, Any], work: dict[str, Any], limits: Limits, where: Warm) -> ProgramRun:
    """Run a program, and once more if the machine, not the program, was at fault and time is left."""
    begin = time.monotonic()
    latest = limits.latest_s
    first = latest / 2 if latest >= 2 * limits.own_s else latest
    tries = 0
    while True:
        tries += 1
        left = latest - (time.monotonic() - begin)
        stop = (first if tries == 1 and first < latest else left) + GRACE_S
        found = _once(spec, work, limits, where, stop)
        elapsed = time.monotonic() - begin
        if found.status != "infra_error" or tries == 2 or latest - elapsed < min(limits.own_s, latest / 4):
            level = LEVELS[where.config["backend"]]
            return replace(found, seconds=elapsed, tries=tries, isolation=f"{level} ({where.config['backend']})")


def _once(spec: dict[str, Any], work: dict[str, Any], limits: Limits, where: Warm, stop_s: float) -> ProgramRun:
    told = {
        "cpu_s": limits.cpu_s,
        "wall_s": limits.own_s,
        "stop_s": stop_s,
        "memory_bytes": limits.memory_bytes,
        "file_bytes": limits.file_bytes,
        "folder_bytes": limits.folder_bytes,
        "open_files": limits.open_files,
        "processes": limits.processes,
    }
    try:
        outcome = where.run(spec, work, told)
    except SandboxFailed as failed:
        return ProgramRun("infra_error", reason=f"the sandbox does not start: {failed}")
    status, reason = _status(outcome, limits, where.config["backend"], spec["mode"] == "calls")
    report = outcome.report
    judged = report.get("judged") or {}
    passed = (
        _passed(judged, work) if status == "ok" and spec["mode"] == "calls" and work["kind"] != "evaluate" else None
    )
    if spec["mode"] == "calls" and work["kind"] != "evaluate" and status not in ("ok", "infra_error"):
        passed = False
    return ProgramRun(
        status,
        passed,
        outcome.stdout.decode("utf-8", "replace"),
        outcome.stderr.decode("utf-8", "replace"),
        report.get("returncode") if spec["mode"] == "script" or judged.get("gone") else None,
        reason=reason,
        cpu_s=max(report.get("cpu_s", 0.0), outcome.end.get("cpu_s", 0.0)),
        waited_s=outcome.end.get("waited_s", 0.0),
        peak_bytes=max(report.get("peak_bytes", 0), outcome.end.get("peak_bytes", 0)),
        judged=judged,
        ended=report.get("ended") or {},
    )


def _passed(judged: dict[str, Any], work: dict[str, Any]) -> bool:
    """Whether every test ran to its end, and something was checked.

    Tests without any assertion (their own `raise`, a test class) count only if they called the candidate.
    """
    results = judged["results"]
    if judged["gone"] or judged.get("bad") or not results:
        return False
    if work["kind"] == "tests" and len(results) != len(work["tests"]):
        return False
    counted = work["kind"] == "pytest" or any("assert" in test for test in work["tests"])
    checked = judged["asserts"] if counted else judged["calls"]
    return all(one["ok"] for one in results) and checked >= max(1, judged["expected"])


_KILLED: dict[str, tuple[Status, str]] = {
    "cpu": ("time_limit", "used more processor time than allowed"),
    "wall": ("time_limit", "ran or slept longer than allowed"),
    "memory": ("memory_limit", "held more memory than allowed"),
    "processes": ("error", "had more processes than allowed"),
    "starved": ("infra_error", "the machine had no processor for it"),
    "caller": ("infra_error", "the caller ended"),
}


def _status(outcome: WarmOutcome, limits: Limits, backend: Backend, calls: bool) -> tuple[Status, str]:
    end, report = outcome.end, outcome.report
    if end.get("killed"):
        return _KILLED[end["killed"]]
    if outcome.setup or not end:
        return "infra_error", outcome.setup or "the sandbox gave no answer"
    if not report:
        if backend == "local" and not end["machine_out_of_memory"]:
            return "error", "the program ended the process that judges it"
        return "infra_error", f"the judging process ended with status {end['status']}"
    if max(len(outcome.stdout), len(outcome.stderr)) >= limits.file_bytes:
        return "output_limit", "wrote more than is read"
    return _of_report(report, end, limits, calls)


def _of_report(report: dict[str, Any], end: dict[str, Any], limits: Limits, calls: bool) -> tuple[Status, str]:
    judged, code, ended = report.get("judged"), report["returncode"], report.get("ended") or {}
    if report.get("failed"):
        return "infra_error", report["failed"]
    if judged and not judged["gone"]:
        return "ok", ""
    if code in (-signal.SIGXCPU, -signal.SIGKILL) and report["cpu_s"] >= limits.cpu_s:
        return "time_limit", "used more processor time than allowed"
    if code == -signal.SIGKILL and end["machine_out_of_memory"]:
        if end["peak_bytes"] >= limits.memory_bytes / 2:
            return "memory_limit", "the kernel ended it for its memory"
        return "infra_error", "the machine ran out of memory"
    if "MemoryError" in ended.get("bases", ()):
        return "memory_limit", "asked for more memory than allowed"
    if code == 0 and not calls:
        return "ok", ""
    if ended.get("errno") == 101:
        return "error", "network"
    if ended.get("type"):
        return "error", f"{ended['type']}: {ended.get('text', '')}"[:500]
    return "error", f"exit code {code}" if code >= 0 else f"signal {-code}"
