"""Run an untrusted program, or find out what this machine isolates.

Usage:
    python -m eval.sandbox run FILE.py [stdin=FILE] [deadline=S] [cpu=S] [memory=BYTES] [backend=NAME] [require=LEVEL]
    python -m eval.sandbox probe

`run` prints one JSON object: status (ok, error, time_limit, memory_limit, output_limit, infra_error), passed (null: a
plain program has no tests), stdout, stderr, seconds, isolation. `deadline` is the time after which there is a verdict,
and how long the program may run or sleep (default 40); `cpu` is how many seconds of a processor it may use (default: a
quarter of the deadline, so that a busy machine decides nothing).
`backend` is namespaces, bubblewrap or local (default: the strongest that holds here); `require=isolated` runs nothing
where that level cannot be had. The exit code is 0 whatever the program did, 1 where the sandbox itself failed.

`probe` prints a line of JSON for each back-end: its level here, what it holds, and what keeps it from more.
"""

import json
import sys
from pathlib import Path
from typing import Any, NoReturn

NUMBERS = {"deadline": float, "cpu": float, "memory": int}
NAMES = {"backend": ("namespaces", "bubblewrap", "local"), "require": ("isolated", "limited")}


def main(argv: list[str] | None = None) -> None:
    """Read the command line, then run or probe."""
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or any(one in ("-h", "--help") for one in arguments):
        print(__doc__)  # noqa: T201
        sys.exit(0 if arguments else 2)
    if arguments[0] == "probe":
        if len(arguments) > 1:
            _mistake(f"probe takes no {arguments[1]!r}")
        _probe()
    elif arguments[0] == "run":
        files = [one for one in arguments[1:] if "=" not in one]
        if len(files) != 1:
            _mistake("give one FILE.py to run")
        _run(files[0], dict(one.split("=", 1) for one in arguments[1:] if "=" in one))
    else:
        _mistake(f"there is no {arguments[0]!r}; there are run and probe")


def _mistake(text: str) -> NoReturn:
    print(f"error: {text}", file=sys.stderr)  # noqa: T201
    sys.exit(2)


def _run(name: str, given: dict[str, str]) -> None:
    from eval.sandbox.limits import Limits
    from eval.sandbox.run import IsolationRefused, run

    options: dict[str, Any] = {}
    for key, text in given.items():
        if key in NUMBERS:
            try:
                options[key] = NUMBERS[key](text)
            except ValueError:
                _mistake(f"{key}={text} is no number")
        elif key in NAMES and text not in NAMES[key]:
            _mistake(f"{key}={text}; there are {', '.join(NAMES[key])}")
        elif key not in NAMES and key != "stdin":
            _mistake(f"unknown key {key!r}; there are stdin, {', '.join((*NUMBERS, *NAMES))}")
        else:
            options[key] = text
    deadline = options.get("deadline", 40.0)
    cpu = options.get("cpu", deadline / 4)
    try:
        program = Path(name).read_bytes().decode("utf-8", "surrogateescape")
        stdin = Path(options["stdin"]).read_bytes().decode("utf-8", "surrogateescape") if "stdin" in options else ""
        limits = Limits(cpu, deadline, deadline, options.get("memory", Limits.memory_bytes))
    except (OSError, ValueError) as wrong:
        _mistake(str(wrong))
    try:
        found = run(program, stdin, None, limits, options.get("backend"), options.get("require"))
    except IsolationRefused as refused:
        print(f"error: {refused}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    print(json.dumps(found.record()))  # noqa: T201
    sys.exit(1 if found.status == "infra_error" else 0)


def _probe() -> None:
    from eval.sandbox.probe import proved
    from eval.sandbox.tries import LEVELS

    for backend in LEVELS:
        found = proved(backend)
        line = {"backend": backend, "level": found.level, "holds": found.holds, "why": found.why, "uses": found.uses}
        print(json.dumps(line))  # noqa: T201


if __name__ == "__main__":
    main()
