"""Programs on sandbox servers that speak SandboxFusion's API, instead of this machine.

`POST URL/run_code` takes `{language, code, stdin, run_timeout}` and answers `{status, run_result}`: status `Success`,
`Failed` or `SandboxError`; run_result's status `Finished`, `Error` or `TimeLimitExceeded`. Several servers share the
work, each request going to the least busy one, and one that fails rests. Whatever a server gets wrong is an
`infra_error`, never a failed program. Such a server judges nothing beyond the exit code, so that tests of functions
stay with this machine's own back-ends, and programs are told by what they print.
"""

import os
import time
from typing import Any

from common.model_server import Failure, ModelServer
from eval.sandbox.limits import Limits, ProgramRun

VARIABLE = "SANDBOX_FUSION_SERVERS"
"""The environment variable that names the servers, with commas between."""

RETRIES = 2

ANSWER_S = 10.0
"""Seconds that a server has to answer beyond what the program may take."""


def servers(urls: str | None = None, limits: Limits | None = None) -> ModelServer:
    """A client for the servers, which many threads may share.

    Args:
        urls: base addresses such as `http://host:8080`, with commas between; those of `SANDBOX_FUSION_SERVERS` if None.
        limits: how long programs may take; a server has ten seconds more to answer.

    Raises:
        ValueError: no server is named.
    """
    named = os.environ.get(VARIABLE, "") if urls is None else urls
    if not named.strip():
        raise ValueError(f"no sandbox server is named; set {VARIABLE}=http://host:8080[,...]")
    limits = limits or Limits()
    timeout_s = limits.own_s + ANSWER_S
    return ModelServer(named, retries=RETRIES, backoff_s=0.2, timeout_s=timeout_s, deadline_s=limits.latest_s)


def run(program: str, stdin: str, where: ModelServer, limits: Limits | None = None) -> ProgramRun:
    """Run a program as a script on one of the servers.

    Args:
        program: Python source.
        stdin: its standard input.
        where: the servers.
        limits: `wall_s` is what the server is told; it limits the rest by its own rules.
    """
    limits = limits or Limits()
    body = {"language": "python", "code": program, "stdin": stdin, "run_timeout": limits.own_s}
    begin = time.monotonic()
    answer = where.post("run_code", body, _read)
    seconds = time.monotonic() - begin
    if isinstance(answer, Failure):
        why = f"{answer.reason}: {answer.detail}"
        return ProgramRun("infra_error", reason=why, seconds=seconds, isolation="remote (sandbox_fusion)")
    return ProgramRun(**answer.value, seconds=seconds, isolation="remote (sandbox_fusion)", tries=answer.tries)


def _read(found: Any) -> dict[str, Any]:
    """The fields of a run.

    Raises:
        ValueError: the answer is no verdict on the program; it is asked again, then it is an infrastructure error.
    """
    status, result = found["status"], found.get("run_result")
    if status not in ("Success", "Failed") or not isinstance(result, dict):
        raise ValueError(f"the server answered {status!r} without a run: {str(found.get('message', ''))[:200]}")
    ended, code = result["status"], result.get("return_code")
    if ended == "TimeLimitExceeded":
        state, reason = "time_limit", "ran longer than the server allows"
    elif ended in ("Finished", "Error"):
        state = "ok" if ended == "Finished" and code == 0 else "error"
        reason = "" if state == "ok" else f"exit code {code}"
    else:
        raise ValueError(f"the server answered with a run that is {ended!r}")
    texts = {name: str(result.get(name) or "") for name in ("stdout", "stderr")}
    return {"status": state, "reason": reason, "returncode": code, **texts}
