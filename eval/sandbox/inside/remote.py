"""The candidate's functions, classes and objects as the judging process sees them: stand-ins that ask over the link.

A test calls `f(x)` and gets a plain value, which cannot be more equal than it is. Objects of the candidate's own
classes stay with the candidate; their stand-ins forward what a test does to them. Only one that the test itself made
by calling a class is asked whether it equals a plain value: a function that returns an object equal to everything
passes no test.
"""

import builtins
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

from eval.sandbox.inside import link
from eval.sandbox.inside.values import COMPARISONS, OPERATORS, Codec


class CandidateGone(BaseException):
    """The candidate's process ended or stopped making sense; no test may catch this as an ordinary exception."""


class Session:
    """A conversation with one candidate.

    Args:
        descriptor: the link.
        output: the file that the candidate's stdout goes to; what a call prints there is printed here again, so that
            a test can capture it.
    """

    def __init__(self, descriptor: int, output: int) -> None:
        self._descriptor = descriptor
        self._output = output
        self._read = 0
        self._callables: list[Callable[..., Any]] = []
        self._classes: dict[str, type] = {}
        self._codec = Codec(self._give, self._take)
        self.calls = 0
        """Calls that the candidate answered, by returning or raising."""

    def loaded(self) -> dict[str, dict[str, Any]]:
        """What the candidate's module holds, by name, once it has been loaded.

        Raises:
            CandidateGone: it ended instead.
        """
        message = self._receive()
        if not isinstance(message, dict) or not isinstance(names := message.get("loaded"), dict):
            raise CandidateGone("the program ended while it was loaded")
        self._read = os.fstat(self._output).st_size
        return names

    def named(self, name: str, described: dict[str, Any]) -> Any:
        """A stand-in for a global of the candidate; for a module, that module itself, or None where there is none."""
        kind = described.get("is")
        if kind == "module":
            try:
                return importlib.import_module(described["module"])
            except ImportError:  # one that the program put together itself
                return None
        if kind in ("class", "exception"):
            return self._class(name, described)
        value = self.ask({"do": "evaluate", "source": name})
        return value

    def share(self, classes: dict[str, type]) -> None:
        """Helper classes that the tests and the program define alike."""
        self._codec.share(classes)
        self.ask({"do": "share", "names": list(classes)})

    def call(self, of: dict[str, Any], positional: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """Call something of the candidate; its changes to lists, dicts and sets that were passed are made here too."""
        arguments = self._codec.encode((list(positional), named))
        self.calls += 1
        return self._applied(self.ask({"do": "call", "of": of, "arguments": arguments}), positional)

    def special(self, of: dict[str, Any], name: str, *positional: Any) -> Any:
        """An operator or builtin applied to something of the candidate."""
        arguments = self._codec.encode((list(positional), {}))
        return self._applied(self.ask({"do": "special", "of": of, "name": name, "arguments": arguments}), positional)

    def get(self, of: dict[str, Any], name: str) -> Any:
        """An attribute of something of the candidate."""
        return self.ask({"do": "get", "of": of, "name": name})

    def set(self, of: dict[str, Any], name: str, value: Any) -> None:
        """Set an attribute of something of the candidate."""
        self.ask({"do": "set", "of": of, "name": name, "value": self._codec.encode(value)})

    def ask(self, request: dict[str, Any]) -> Any:
        """Send a request and wait for its answer, serving what the candidate asks for meanwhile.

        Raises:
            CandidateGone: there is no answer, or one that makes no sense.
            Exception: what the candidate's code raised, as the builtin exception it is or derives from.
        """
        self._send(request)
        while "callback" in (reply := self._receive()):
            self._call_back(reply)
        self._print_again()
        if "raised" in reply:
            raise self._raised(reply["raised"])
        try:
            value = reply["value"]
            return None if value is None else self._codec.decode(value)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, ImportError) as garbled:
            raise CandidateGone(f"an answer that is none: {garbled}") from garbled

    def _send(self, message: dict[str, Any]) -> None:
        try:
            link.send(self._descriptor, message)
        except link.LinkClosed as gone:
            raise CandidateGone("the program ended") from gone

    def _receive(self) -> Any:
        try:
            message = link.receive(self._descriptor)
        except link.LinkClosed as gone:
            raise CandidateGone("the program ended") from gone
        if not isinstance(message, dict) or "ended" in message:
            raise CandidateGone("the program ended")
        return message

    def _applied(self, answer: Any, positional: tuple[Any, ...]) -> Any:
        try:
            result, changed = answer
            for place, now in changed:
                mine = positional[place]
                if isinstance(mine, list | bytearray):
                    mine[:] = now
                elif isinstance(mine, dict | set):
                    mine.clear()
                    mine.update(now)
        except (TypeError, ValueError, IndexError) as garbled:
            raise CandidateGone(f"an answer that is none: {garbled}") from garbled
        return result

    def _call_back(self, request: dict[str, Any]) -> None:
        try:
            positional, named = self._codec.decode(request["arguments"])
            value = self._callables[request["callback"]](*positional, **named)
            self._send({"value": self._codec.encode(value)})
        except Exception as raised:  # the candidate gets what the test's own function raised
            self._send({"raised": {"type": type(raised).__name__, "text": str(raised)}})

    def _print_again(self) -> None:
        size = os.fstat(self._output).st_size
        if size > self._read:
            text = os.pread(self._output, size - self._read, self._read).decode("utf-8", "replace")
            self._read = size
            sys.stdout.write(text)

    def _raised(self, described: Any) -> BaseException:
        try:
            names = [described["type"], *described["bases"]]
            text = str(described.get("text", ""))
        except (KeyError, TypeError) as garbled:
            raise CandidateGone("an exception that is none") from garbled
        for name in names:
            kind = self._classes.get(str(name)) or getattr(builtins, str(name), None)
            if isinstance(kind, type) and issubclass(kind, BaseException):
                try:
                    return kind(text)
                except TypeError:  # such as UnicodeDecodeError, which wants five arguments
                    continue
        return RuntimeError(text)

    def _give(self, value: Any) -> dict[str, Any]:
        if isinstance(value, Remote):
            return {"kind": "handle", **vars(value)["_of"]}
        if isinstance(value, RemoteClass):
            return {"kind": "handle", **value._of}
        if not callable(value):
            raise TypeError(f"a test passes a value of type {type(value).__name__}")
        self._callables.append(value)
        return {"kind": "callback", "number": len(self._callables) - 1}

    def _take(self, handle: dict[str, Any]) -> Any:
        if handle["kind"] == "module":
            return importlib.import_module(handle["name"])
        of = {"number": int(handle["number"])}
        kind = self._classes.get(str(handle.get("type")), Remote)
        return kind.__new__(kind)._bind(self, of) if issubclass(kind, Remote) else Remote()._bind(self, of)

    def _class(self, name: str, described: dict[str, Any]) -> type:
        if described["is"] == "exception":
            bases = [getattr(builtins, str(base), None) for base in described["bases"]]
            kinds = [base for base in bases if isinstance(base, type) and issubclass(base, BaseException)]
            kind: type = type(name, (kinds[0] if kinds else Exception,), {})
        else:
            kind = RemoteClass(name, (Remote,), {"_session": self, "_of": {"name": name}})
        self._classes[name] = kind
        return kind


class Remote:
    """An object that stays with the candidate."""

    def _bind(self, session: Session, of: dict[str, Any], made_here: bool = False) -> "Remote":
        vars(self).update(_session=session, _of=of, _made_here=made_here)
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return vars(self)["_session"].get(vars(self)["_of"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        vars(self)["_session"].set(vars(self)["_of"], name, value)

    def __call__(self, *positional: Any, **named: Any) -> Any:
        return vars(self)["_session"].call(vars(self)["_of"], positional, named)

    def __iter__(self) -> Iterator[Any]:
        return iter(_ask(self, "list"))

    def __contains__(self, item: Any) -> bool:
        return bool(_ask(self, "__contains__", item)) if _trusted(self, item) else item in list(self)

    def __bool__(self) -> bool:
        return bool(_ask(self, "bool"))

    def __str__(self) -> str:
        return str(_ask(self, "str"))

    def __repr__(self) -> str:
        return str(_ask(self, "repr"))

    def __hash__(self) -> int:
        return int(_ask(self, "__hash__"))


def _ask(remote: Remote, name: str, *arguments: Any) -> Any:
    return vars(remote)["_session"].special(vars(remote)["_of"], name, *arguments)


def _trusted(remote: Remote, other: Any) -> bool:
    return vars(remote)["_made_here"] or isinstance(other, Remote)


def _forwarding(name: str, compares: bool) -> Callable[..., Any]:
    def forward(self: Remote, *arguments: Any) -> Any:
        if compares and not _trusted(self, arguments[0]):
            return NotImplemented
        return _ask(self, name, *arguments)

    return forward


for _name in OPERATORS:
    setattr(Remote, f"__{_name}__", _forwarding(f"__{_name}__", False))
for _name in COMPARISONS:
    setattr(Remote, f"__{_name}__", _forwarding(f"__{_name}__", True))


class RemoteClass(type):
    """A class of the candidate: calling it makes an object there."""

    def __call__(cls, *positional: Any, **named: Any) -> Any:
        """Make an object of the candidate's class and its stand-in here."""
        made = cls._session.call(cls._of, positional, named)
        if isinstance(made, Remote):
            vars(made)["_made_here"] = True
        return made

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return cls._session.get(cls._of, name)
