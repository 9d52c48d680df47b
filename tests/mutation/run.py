"""Change one place of a core module, run its tests, and see whether they notice; by hand, it takes an hour or more.

python tests/mutation/run.py --mutants 320 --seed 0 --out mutants.jsonl
python tests/mutation/run.py --again mutants.jsonl --seconds 60 --files 16 --out again.jsonl

The second form tries only the survivors of a run before, with more of the tests that may see them.

Mutants are drawn by the seed from all one-place mutations of the core modules (`modules.py`; operators in
`mutants.py`). Everything happens in a temporary copy of the tree, at low priority, one process at a time. A
module's tests are the files that `modules.py` finds for it, up to `--seconds` of CPU time together. Those that fail
without a mutation or take longer are left out and named. A mutant is killed where a test fails, or takes far longer
than without it. How long test files take is kept beside the output. A run that was stopped goes on from what its file
holds.
"""

import argparse
import compileall
import contextlib
import gc
import importlib
import json
import math
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from importlib.metadata import entry_points
from pathlib import Path
from py_compile import PycInvalidationMode

sys.path.insert(0, str(Path(__file__).parent))  # a folder of tests is no package
from modules import candidates, core_modules
from mutants import Mutant, mutants

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("hypothesis", "pytest", "torch", "transformers", "numpy", "pyarrow", "pydantic", "sympy", "datasets", "trl")
"""Libraries loaded once, those that are there. Each mutant's tests run in a fork, which imports this project anew."""


Drawn = tuple[str, Mutant, Mapping[str, str]]
"""A module, its mutant, and the test files that it is known to pass, with their digests."""


def copy_tree(target: Path) -> None:
    """The files that git tracks or would, without what it ignores, and the shared data where the checkout has them."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-coz", "--exclude-standard"], capture_output=True, check=True
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        source = ROOT / name
        if source.is_file() and not source.is_symlink():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
    # By hash, not by time: a mutant of the same length within the same second is another program.
    compileall.compile_dir(str(target), quiet=1, invalidation_mode=PycInvalidationMode.CHECKED_HASH)


def load() -> None:
    """Load what every test loads, pytest's plugins too, so that a fork has it."""
    for name in HEAVY:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for plugin in entry_points(group="pytest11"):
        plugin.load()
    from hypothesis import Phase, settings

    # The suite's own, but what fails is not made smaller: nobody reads it, and that takes longer than the test.
    phases = [Phase.explicit, Phase.generate]
    settings.register_profile("mutants", deadline=None, derandomize=True, max_examples=50, phases=phases)
    gc.collect()
    gc.freeze()  # a collection in the fork would touch, and so copy, every page of it


def run_tests(tree: Path, file: str, most_s: float, *, keeps: bool = False) -> tuple[int, float]:
    """Exit code of pytest over a file (0: passed, below 0: stopped), and CPU seconds, of which it has so many.

    The clock on the wall stops it as well, three times later: the machine may be busy, and a test may wait.
    """
    limit_s = 30 + 3 * most_s
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        _in_the_child(tree, file, most_s, keeps)
    while time.monotonic() - began < limit_s:
        done, status, used = os.wait4(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    _, _, used = os.wait4(child, 0)
    return -1, used.ru_utime + used.ru_stime


def _in_the_child(tree: Path, file: str, most_s: float, keeps: bool) -> None:
    """Run pytest; what it compiles and what tests cache is kept only where the program is as it should be."""
    code = 99
    try:
        os.setsid()
        sys.dont_write_bytecode = not keeps
        os.environ["REPRO_CACHE"] = str(tree.parent / ("cache" if keeps else "cache of a mutant"))
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(most_s), resource.RLIM_INFINITY))
        os.chdir(tree)
        quiet = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(quiet, number)
        import pytest

        options = ["-x", "-q", "-p", "no:cacheprovider", "-n", "0", "-W", EARLY, "--hypothesis-profile=mutants"]
        code = int(pytest.main([*options, "-m", SELECTED, file]))
    finally:
        os._exit(code)


EARLY = "ignore::pytest.PytestAssertRewriteWarning"
"""A library loaded before pytest is no fault of the mutant's."""

SELECTED = "not slow and not network and not gpu and not bench"


class Tests:
    """Which test files a module's mutants are tried with, and how long each takes where nothing is wrong.

    A file is measured when it is first needed: most mutants fall at the first.

    Args:
        tree: the copy.
        modules: those that mutants are of.
        most_s: CPU time of all files of a module.
        most_files: of a module.
        known: file that keeps what was measured.
    """

    def __init__(self, tree: Path, modules: list[str], most_s: float, most_files: int, known: Path) -> None:
        self.tree, self.most_s, self.most_files, self.known = tree, most_s, most_files, known
        self.files = candidates(tree, modules)
        self.seconds: dict[str, float | None] = json.loads(known.read_text(encoding="utf-8")) if known.is_file() else {}

    def digest(self, file: str) -> str:
        """What tells a test file of now from one that was changed."""
        return blake2b((self.tree / file).read_bytes(), digest_size=8).hexdigest()

    def of(self, module: str, passed: Mapping[str, str]) -> Iterator[tuple[str, float]]:
        """The module's files that pass as things are, with their times; ask for the next with the module unchanged.

        Those that passed in an earlier run too are left out, unless they were changed since.
        """
        total, count = 0.0, 0
        for file in self.files[module]:
            if file in passed and (file == module or passed[file] == self.digest(file)):
                continue
            if total > 0.7 * self.most_s or count == self.most_files:
                return
            one = self._measured(file)
            if one is not None and total + one <= self.most_s:
                total, count = total + one, count + 1
                yield file, one

    def _measured(self, file: str) -> float | None:
        if file not in self.seconds:
            code, took = run_tests(self.tree, file, self.most_s, keeps=True)
            self.seconds[file] = took if code == 0 else None
            say(f"{file}: {took:.1f} s" + ("" if code == 0 else f", left out ({'too long' if code < 0 else 'fails'})"))
            self.known.write_text(json.dumps(self.seconds, indent=1) + "\n", encoding="utf-8")
        return self.seconds[file]


def draw(tree: Path, modules: list[str], count: int, seed: int) -> list[Drawn]:
    """So many of all mutants, in the order in which the seed draws them."""
    every = [(module, mutant) for module in modules for mutant in mutants((tree / module).read_text(encoding="utf-8"))]
    say(f"{len(every)} one-place mutations of {len(modules)} modules")
    return [(*one, {}) for one in random.Random(seed).sample(every, min(count, len(every)))]


def again(tree: Path, file: str) -> list[Drawn]:
    """The survivors of an earlier run that the modules still have, with the test files that they passed."""
    rows = [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines()]
    found: list[Drawn] = []
    for row in rows:
        if row["killed"]:
            continue
        what = (row["operator"], row["before"], row["after"])
        same = [
            one
            for one in mutants((tree / row["module"]).read_text(encoding="utf-8"))
            if (one.operator, one.before, one.after) == what
        ]
        if same:  # of several the one that has moved least
            one = min(same, key=lambda each: (abs(each.line - row["line"]), abs(each.column - row["column"])))
            found.append((row["module"], one, row["tests"]))
    return found


def say(text: str) -> None:
    """A line for whoever waits."""
    print(text, flush=True)  # noqa: T201


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=320)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=15.0, help="longest run of a module's tests, in CPU time")
    parser.add_argument("--files", type=int, default=8, help="most test files of a module")
    parser.add_argument("--again", default="", help="file of an earlier run: only its survivors")
    parser.add_argument("--module", default="", help="only modules whose path holds this")
    parser.add_argument("--out", required=True, help="JSON lines, one a mutant")
    return parser.parse_args()


def main() -> None:
    """Draw, run, print the survivors."""
    options = _arguments()
    os.nice(10)
    os.environ.update(
        OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE", TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1"
    )
    out = Path(options.out).resolve()
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        copy_tree(tree)
        os.environ.update(
            PYTHONPATH=str(tree), PYTHONDONTWRITEBYTECODE="1", REPRO_DATA=str(ROOT.parent / "shared" / "data")
        )
        sys.dont_write_bytecode = True
        sys.path[0] = str(tree)
        load()
        modules = [module for module in core_modules(tree) if options.module in module]
        drawn = again(tree, options.again) if options.again else draw(tree, modules, options.mutants, options.seed)
        modules = sorted({module for module, *_ in drawn})
        tests = Tests(tree, modules, options.seconds, options.files, out.with_suffix(".timings.json"))
        done = len(out.read_text(encoding="utf-8").splitlines()) if out.is_file() else 0
        with out.open("a", encoding="utf-8") as file:
            for number, (module, mutant, passed) in enumerate(drawn[done:], done + 1):
                row = _try(tree, module, mutant, tests, passed)
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                file.flush()
                say(f"{number}/{len(drawn)} {'killed' if row['killed'] else 'SURVIVED'} {module}:{mutant.line}")
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    alive = [row for row in rows if not row["killed"]]
    for row in alive:
        say(f"{row['module']}:{row['line']} {row['operator']}: {row['before']}  ->  {row['after']}")
    say(f"{len(rows)} mutants, {len(alive)} survived ({100 * len(alive) / max(len(rows), 1):.1f} %)")


def _try(tree: Path, module: str, mutant: Mutant, tests: Tests, passed: Mapping[str, str]) -> dict[str, object]:
    code, tried, cache = 0, dict(passed), tree.parent / "cache of a mutant"
    shutil.rmtree(cache, ignore_errors=True)
    if (tree.parent / "cache").is_dir():
        shutil.copytree(tree.parent / "cache", cache)
    for file, seconds in tests.of(module, passed):  # one after the other: the first that fails is enough
        tried[file] = tests.digest(file)
        with _written(tree / module, mutant.source):
            code, _ = run_tests(tree, file, 5 + 4 * seconds)
        if code:
            break
    return {
        "module": module, "line": mutant.line, "column": mutant.column, "operator": mutant.operator,
        "before": mutant.before, "after": mutant.after, "killed": code != 0, "exit": code,
        "by": list(tried)[-1] if code else "", "tests": tried,
    }  # fmt: skip


@contextlib.contextmanager
def _written(place: Path, source: str) -> Iterator[None]:
    """A module that holds something else for a while, at a time of its own: by size and time pytest knows a file."""
    original, about = place.read_bytes(), place.stat()
    try:
        place.write_text(source, encoding="utf-8")
        yield
    finally:
        place.write_bytes(original)
        os.utime(place, ns=(about.st_atime_ns, about.st_mtime_ns))


if __name__ == "__main__":
    main()
