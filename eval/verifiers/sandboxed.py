"""What the verifiers that run programs share: the sandbox that the run's settings name, and its runs as verdicts."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any

from common.model_server import ModelServer
from eval.sandbox import fusion
from eval.sandbox.limits import Limits, ProgramRun
from eval.sandbox.programs import Sandbox
from eval.verifiers.result import Result, correct, infra_error, skipped, wrong

LIMIT_REASONS = {"time_limit": "time_limit", "memory_limit": "memory_limit", "output_limit": "output_limit"}
OVERLOADED = "the machine had no processor for it"


def sandbox_of(options: Mapping[str, Any], **limits: Any) -> Sandbox:
    """The sandbox of a run's settings, with a verifier's own limits where the settings name none.

    Args:
        options: its `sandbox` is a `Sandbox`, or a mapping with `backend`, `require`, `servers` and any of the limits
            by name. `servers` are addresses of SandboxFusion with commas between, or `env` for those that
            SANDBOX_FUSION_SERVERS names.
        limits: the verifier's defaults.

    Raises:
        ValueError: the settings hold an unknown name.
    """
    given = options.get("sandbox") or {}
    if isinstance(given, Sandbox):
        return given
    names = {one.name for one in fields(Limits)}
    if unknown := sorted(set(given) - names - {"backend", "require", "servers"}):
        known = f"backend, require, servers, {', '.join(sorted(names))}"
        raise ValueError(f"unknown sandbox settings {unknown}; there are {known}")
    chosen = replace(Limits(**limits), **{name: value for name, value in given.items() if name in names})
    return Sandbox(chosen, given.get("backend"), given.get("require"), _servers(given.get("servers"), chosen))


def _servers(named: str | Sequence[str] | None, limits: Limits) -> ModelServer | None:
    """A client for the servers that a run's settings name, the same one for all of its verdicts."""
    if not named:
        return None
    listed = named if isinstance(named, str) else ",".join(named)
    return _client(os.environ.get(fusion.VARIABLE, "") if listed == "env" else listed, limits)


@lru_cache(maxsize=8)
def _client(urls: str, limits: Limits) -> ModelServer:
    return fusion.servers(urls, limits)


def verdict(ran: ProgramRun, extracted: str, **detail: Any) -> Result:
    """What a run with tests says about the program that was tested."""
    results = ran.judged.get("results", [])
    right = sum(one["ok"] for one in results)
    total = max(len(results), detail.pop("total", 0))
    detail |= {"passed": right, "total": total, "isolation": ran.isolation, "cpu_s": round(ran.cpu_s, 4)}
    detail["pass_fraction"] = right / total if total else 0.0
    failed = next((one["error"] for one in results if not one["ok"]), ran.judged.get("gone") or ran.reason)
    if ran.passed:
        return correct(extracted, **detail)
    detail["message"] = str(failed or "")[:500]
    if ran.judged.get("bad"):
        reason = "missing_resource" if "is not installed" in ran.judged["bad"] else "bad_gold"
        return skipped(reason, message=ran.judged["bad"])
    return failure(ran, extracted, "tests_failed" if results else "no_tests_run", **detail)


def failure(ran: ProgramRun, extracted: str, reason: str, **detail: Any) -> Result:
    """A run that did not pass: whose fault it is, and for which of the limits, else for the given reason."""
    if ran.status == "infra_error":
        return infra_error(
            "overloaded" if ran.reason == OVERLOADED else "sandbox_down", **{**detail, "message": ran.reason}
        )
    if ran.status in LIMIT_REASONS:
        return wrong(LIMIT_REASONS[ran.status], extracted, **detail)
    if ran.reason == "network" or "Network is unreachable" in detail.get("message", ""):
        return wrong("network", extracted, **detail)
    return wrong(reason, extracted, **detail)
