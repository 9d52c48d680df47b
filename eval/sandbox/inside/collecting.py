"""Runs a pytest file from memory in the judging process, with the candidate's stand-ins as the module `solution`."""

import sys
import types
from pathlib import Path
from typing import Any

from eval.sandbox.inside.remote import CandidateGone, Session

FILE = "test_solution.py"


def judge(session: Session, names: dict[str, Any], source: str, report: dict[str, Any]) -> None:
    """Collect and run the tests; the report gets one result per test.

    Args:
        session: the candidate.
        names: its globals, described.
        source: the test file. It is never written where the candidate could read or change it.
        report: `results`, `expected`, `asserts` are filled in, or `bad` where the file is none.
    """
    try:
        import pytest
    except ImportError:
        report["bad"] = "pytest is not installed"
        return
    solution = types.ModuleType("solution")
    for name, described in names.items():
        if not name.startswith("_") and (kept := session.named(name, described)) is not None:
            setattr(solution, name, kept)
    sys.modules["solution"] = solution
    tests = types.ModuleType("test_solution")
    tests.__file__ = FILE
    try:
        exec(compile(source, FILE, "exec"), vars(tests))
    except CandidateGone:
        raise
    except BaseException as bad:  # such as a name that the candidate lacks
        report["results"].append({"ok": False, "error": f"{type(bad).__name__}: {bad}"[:500]})
        return

    gone: list[CandidateGone] = []
    Path(FILE).touch()
    options = ["-q", "--noconftest", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", ".", "--capture=sys"]
    pytest.main([*options, FILE], plugins=[_recorder(tests, report, gone)])
    report["expected"] = 1
    if gone:
        raise gone[0]


def _recorder(tests: types.ModuleType, report: dict[str, Any], gone: list[CandidateGone]) -> object:
    """A plugin of pytest that collects the module and takes down what came of each test."""
    import pytest

    class Held(pytest.Module):
        """A test module that is no file."""

        def _getobj(self) -> types.ModuleType:
            return tests

    class Recorder:
        """Gives pytest the module and takes down what came of each test."""

        def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
            """The module in place of the empty file of its name."""
            return Held.from_parent(parent, path=file_path) if file_path.name == FILE else None

        def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
            """One test's set-up, run or end."""
            if call.excinfo is None:
                if call.when == "call":
                    report["results"].append({"ok": True})
                    report["asserts"] += 1
                return
            if isinstance(call.excinfo.value, CandidateGone):
                gone.append(call.excinfo.value)
            if not isinstance(call.excinfo.value, pytest.skip.Exception):
                report["results"].append({"ok": False, "error": f"{item.name}: {call.excinfo.exconly()}"[:500]})

    return Recorder()
