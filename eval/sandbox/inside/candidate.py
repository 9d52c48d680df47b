"""The judged process: runs a program as a script, or loads it and calls its functions for the process that judges.

Nothing that decides a verdict is here. The program shares this process, can replace anything in it, and can answer
what it likes; all that leaves it are values, which the judging process compares by its own means.
"""

import atexit
import builtins
import contextlib
import linecache
import os
import random
import sys
import threading
import traceback
import types
from collections.abc import Callable
from functools import cache
from typing import Any, NoReturn

from eval.sandbox.inside import link
from eval.sandbox.inside.values import COMPARISONS, OPERATORS, CannotEncode, Codec

FILE = "solution.py"
"""The program's file in its folder; a functional program's module is called `solution`."""


def start(spec: dict[str, Any], descriptor: int) -> NoReturn:
    """Run what the specification asks for, and end this process.

    Args:
        spec: `program`, and `mode`: `script`, or `calls` for a program whose functions are called.
        descriptor: the link to the judging process.
    """
    _own_streams()
    random.seed(0)
    sys.argv = [FILE]
    sys.setrecursionlimit(1000)
    serve = spec["mode"] == "calls"
    module = types.ModuleType("solution" if serve else "__main__")
    module.__dict__.update(__file__=FILE, __builtins__=builtins)
    sys.modules[module.__name__] = module
    code: int | None = 1
    failure: dict[str, Any] | None = None
    try:
        source = spec["program"]
        linecache.cache[FILE] = (len(source), None, source.splitlines(keepends=True), FILE)
        code, failure = _run(source, module)
        if serve and failure is None and code is None:
            _Server(module, descriptor).serve()
        if not serve:
            threading._shutdown()  # type: ignore[attr-defined]  # as an interpreter does at its end: wait for threads that are no daemons
            atexit._run_exitfuncs()
    except link.LinkClosed:
        pass
    except BaseException as late:  # of a thread's or an exit handler's
        code, failure = _reported(late)
    _end(descriptor, code, failure, tell=True)


@cache
def streams() -> tuple[Any, Any, Any]:
    """Standard streams over descriptors 0 to 2, whatever these lead to; the warm interpreter makes them for all."""
    return _stream(0, "r", "surrogateescape"), _stream(1, "w", "surrogateescape"), _stream(2, "w", "backslashreplace")


def _own_streams() -> None:
    sys.stdin, sys.stdout, sys.stderr = streams()
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = streams()  # type: ignore[misc]


def _stream(descriptor: int, mode: str, errors: str) -> Any:
    return open(descriptor, mode, encoding="utf-8", errors=errors, closefd=False)


def _run(source: str, module: types.ModuleType) -> tuple[int | None, dict[str, Any] | None]:
    """Exit code (None for the program's end) and what it raised."""
    try:
        exec(compile(source, FILE, "exec"), module.__dict__)
    except BaseException as raised:
        return _reported(raised)
    return None, None


def _reported(raised: BaseException) -> tuple[int, dict[str, Any]]:
    """The exit code that an interpreter gives for an uncaught exception, after writing it to stderr as one does."""
    if isinstance(raised, SystemExit):
        if raised.code is not None and not isinstance(raised.code, int):
            print(raised.code, file=sys.stderr)  # noqa: T201
            return 1, _named(raised)
        return (raised.code or 0) & 0xFF, _named(raised)
    try:
        trace = raised.__traceback__
        traceback.print_exception(type(raised), raised, trace.tb_next if trace else None)
    except BaseException:  # an exception whose own text fails
        print(type(raised).__name__, file=sys.stderr)  # noqa: T201
    return 1, _named(raised)


def _named(raised: BaseException) -> dict[str, Any]:
    named: dict[str, Any] = {"type": type(raised).__name__, "bases": [base.__name__ for base in type(raised).__mro__]}
    try:
        named["text"] = str(raised)[:2000]
    except BaseException:  # its own __str__ fails
        named["text"] = ""
    if isinstance(raised, OSError):
        named["errno"] = raised.errno
    return named


def _end(descriptor: int, code: int | None, failure: dict[str, Any] | None, tell: bool) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:  # closed, full, or replaced by the program
            code = code or 1 if stream is sys.stdout else code
    if tell:
        with contextlib.suppress(BaseException):  # the program may have closed it; the exit code says enough
            link.send(descriptor, {"ended": failure})
    os._exit(code or 0)


class _Server:
    """Answers requests about the loaded module, one after the other."""

    def __init__(self, module: types.ModuleType, descriptor: int) -> None:
        self._module = module
        self._descriptor = descriptor
        self._held: list[Any] = []
        self._codec = Codec(self._give, self._take)

    def serve(self) -> None:
        names = {name: self._described(value) for name, value in vars(self._module).items() if name[:2] != "__"}
        self._send({"loaded": names})
        while True:
            self._answer(link.receive(self._descriptor))

    def _send(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError, ValueError):  # full or closed; the size of the file tells
            sys.stdout.flush()
        link.send(self._descriptor, message)

    def _answer(self, request: dict[str, Any]) -> None:
        try:
            self._send(self._done(request))
        except link.LinkClosed:
            raise
        except BaseException as raised:  # whatever the candidate's code raises is an answer
            self._send({"raised": _named(raised)})

    def _done(self, request: dict[str, Any]) -> dict[str, Any]:
        operation = request["do"]
        if operation == "share":
            classes = {name: vars(self._module).get(name) for name in request["names"]}
            self._codec.share({name: one for name, one in classes.items() if isinstance(one, type)})
            return {"value": None}
        if operation == "evaluate":
            compiled = compile(request["source"], "<expression>", "eval")
            return {"value": self._codec.encode(eval(compiled, vars(self._module)))}
        target = self._object(request["of"])
        if operation == "get":
            return {"value": self._codec.encode(getattr(target, request["name"]))}
        if operation == "set":
            setattr(target, request["name"], self._codec.decode(request["value"]))
            return {"value": None}
        sent = request["arguments"]
        positional, named = self._codec.decode(sent)
        result = target(*positional, **named) if operation == "call" else _SPECIAL[request["name"]](target, *positional)
        message = self._codec.encode([result, self._changed(sent["root"], positional)])
        return {"value": message}

    def _changed(self, sent: Any, positional: list[Any]) -> list[list[Any]]:
        """Positional arguments that can change and did, each with its position."""
        changed = []
        for place, (before, now) in enumerate(zip(sent["items"][0], positional, strict=True)):
            if isinstance(now, list | dict | set | bytearray):
                try:
                    if self._codec.encode(now)["root"] != before:
                        changed.append([place, now])
                except CannotEncode:
                    continue
            elif isinstance(before, dict) and before["kind"] == "object":
                changed.append([place, now])
        return changed

    def _object(self, of: dict[str, Any]) -> Any:
        return self._held[of["number"]] if "number" in of else vars(self._module)[of["name"]]

    def _described(self, value: Any) -> dict[str, Any]:
        if isinstance(value, types.ModuleType):
            return {"is": "module", "module": value.__name__}
        if isinstance(value, type):
            bases = [base.__name__ for base in value.__mro__[1:]]
            return {"is": "exception" if issubclass(value, BaseException) else "class", "bases": bases}
        return {"is": "other"}

    def _give(self, value: Any) -> dict[str, Any]:
        self._held.append(value)
        return {"kind": "handle", "number": len(self._held) - 1, "type": type(value).__name__}

    def _take(self, handle: dict[str, Any]) -> Any:
        return self._callback(handle["number"]) if handle["kind"] == "callback" else self._object(handle)

    def _callback(self, number: int) -> Callable[..., Any]:
        def called(*positional: Any, **named: Any) -> Any:
            self._send({"callback": number, "arguments": self._codec.encode((list(positional), named))})
            while "do" in (reply := link.receive(self._descriptor)):  # asked something while the callback runs
                self._answer(reply)
            if "raised" in reply:
                raise getattr(builtins, reply["raised"]["type"], RuntimeError)(reply["raised"]["text"])
            return self._codec.decode(reply["value"])

        return called


def _special(name: str) -> Callable[..., Any]:
    return lambda target, *arguments: getattr(type(target), name)(target, *arguments)


_SPECIAL: dict[str, Callable[..., Any]] = {
    "list": list,
    "bool": bool,
    "str": lambda target: str.__str__(str(target)),
    "repr": lambda target: str.__str__(repr(target)),
    **{f"__{name}__": _special(f"__{name}__") for name in (*OPERATORS, *COMPARISONS, "contains", "hash")},
}
"""What the judging process may do to an object beyond calls and attributes."""
