"""A server's process: started, waited for, and ended with this one, whatever signals come."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

from common.command import fail
from common.model_server import healthy
from common.serve.config import ServeConfig


def wait_until_healthy(config: ServeConfig, process: subprocess.Popen[bytes] | None = None) -> None:
    """Return when the server answers.

    Raises:
        RuntimeError: its process ended first, or the time is up.
    """
    until = time.monotonic() + config.ready_timeout_s
    while not healthy(config.own_url, key=config.key):
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"the server ended with code {process.returncode} before it answered")
        if time.monotonic() > until:
            raise RuntimeError(f"no answer at {config.own_url} within {config.ready_timeout_s:g} s")
        time.sleep(0.2)


def stop(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    """End a server and all it started: asked first, killed after `timeout_s`."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout_s)
            break
    with suppress(ProcessLookupError):  # a worker that outlived its server
        os.killpg(process.pid, signal.SIGKILL)


def serve(config: ServeConfig) -> int:
    """Run the server until it ends or this process is told to; returns the exit code."""
    environment = os.environ | ({"CUDA_VISIBLE_DEVICES": config.gpus} if config.gpus else {})
    if config.key:
        environment["VLLM_API_KEY"] = config.key  # not an argument, which every user of the machine can read
    announced = Path(config.url_file) if config.url_file else None
    leave = _Leave()
    try:
        # A group of its own: the server's workers end with it, and a Ctrl-C reaches them through us only.
        process = subprocess.Popen(config.words(), env=environment, start_new_session=True, stdout=sys.stderr.fileno())
    except FileNotFoundError:
        fail(f"cannot find {config.words()[0]!r}; the gpu extra brings vLLM: pip install -e .[gpu]")
    try:
        leave.now_or_when_told()
        wait_until_healthy(config, process)
        if announced:
            announced.parent.mkdir(parents=True, exist_ok=True)
            announced.write_text(config.url + "\n", encoding="utf-8")
        print(config.url, flush=True)  # noqa: T201
        if process.wait() < 0:
            raise RuntimeError(
                f"the server was killed by {signal.Signals(-process.returncode).name}; too little memory?"
            )
        return process.returncode
    finally:
        if announced:
            announced.unlink(missing_ok=True)
        stop(process, config.stop_timeout_s)


class _Leave:
    """Ends this process when a signal says so, but once, and never while there is a server that nobody would stop.

    A Ctrl-C is often followed by the SIGTERM of the script that heard it too: a second exit would interrupt the
    stopping of the server, and one that comes while the server is started would leave it running.
    """

    def __init__(self) -> None:
        self._told = 0
        self._waits = True
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._hear)

    def now_or_when_told(self) -> None:
        """From here on a signal ends the process; one that came before does so now."""
        self._waits = False
        if self._told:
            raise SystemExit(128 + self._told)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        del frame
        first, self._told = not self._told, self._told or number
        if first and not self._waits:
            raise SystemExit(128 + number)
