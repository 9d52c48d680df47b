"""The core modules, and which test files may see a fault in each."""

import ast
import re
from collections.abc import Sequence
from pathlib import Path

CORE = {
    "rewards": "rl/rewards/*.py",
    "advantages": "rl/grpo/advantages.py rl/grpo/std_filter.py rl/grpo/refill.py rl/grpo/rollout.py rl/grpo/rows.py",
    "baselines": "rl/scoring/baselines.py",
    "selection": "filter/selection/*.py",
    "exactly once": "common/pools/exactly_once.py common/pools/marks.py common/pools/lock.py common/pools/shards.py "
    "common/pools/stats.py common/pools/storage.py",
    "scores": "eval/core/scoring.py eval/core/aggregate.py eval/core/outcomes.py eval/core/prompts.py "
    "eval/compare/differences.py eval/story/pairwise.py eval/faithfulness/key_points.py",
    "likelihoods": "eval/likelihood/packing.py eval/likelihood/spans.py eval/likelihood/mask.py "
    "eval/likelihood/trunks.py",
    "checkpoints": "common/runs/checkpoints.py pretrain/checkpoints/folder.py pretrain/checkpoints/folding.py",
    "pretraining": "pretrain/training/schedule.py pretrain/training/meter.py pretrain/tokenising/packing.py",
    "verifiers' core": "eval/verifiers/result.py eval/verifiers/segments.py eval/verifiers/registry.py "
    "eval/verifiers/numbers.py eval/verifiers/literals.py eval/verifiers/program_text.py",
    "judges": "eval/judges/*.py",
}
"""Modules by what they decide."""

CLOCKS = ("bench", "test_linear_time.py", "test_scaling.py")
"""Tests that look at a clock: on a busy machine they would fail without a mutant's help."""

PACKAGES = ("common", "rl", "rephrase", "filter", "pretrain", "eval")
NAMED = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)+")
"""A module, or what is in one, as the table of published constants names it."""


def core_modules(root: Path) -> list[str]:
    """The core modules' paths below the root; files that hold only a docstring are left out."""
    found: list[str] = []
    for patterns in CORE.values():
        for pattern in patterns.split():
            paths = sorted(path for path in root.glob(pattern) if path.name != "__init__.py")
            if not paths:
                raise ValueError(f"no module {pattern}: CORE in modules.py is out of date")
            found += [str(path.relative_to(root)) for path in paths]
    return found


def candidates(root: Path, modules: Sequence[str]) -> dict[str, list[str]]:
    """Test files by module: itself where it has doctests, its namesake, those that import it or what imports it.

    Of each sort first the near ones, by folders, then the small ones; last, whatever else its folder has.
    """
    tests = [path for path in sorted((root / "tests").rglob("test_*.py")) if not set(CLOCKS) & set(path.parts)]
    imports = {path: _imports(path) for path in tests}
    sources = [path for name in PACKAGES for path in sorted((root / name).rglob("*.py"))]
    uses = {_dotted(path.relative_to(root)): _imports(path) for path in sources}
    found = {}
    for module in modules:
        path = Path(module)
        dotted, mirror = _dotted(path), Path("tests") / path.with_name(f"test_{path.name}")
        users = {name for name, imported in uses.items() if dotted in imported}

        def rank(one: Path, dotted: str = dotted, mirror: Path = mirror, users: set[str] = users) -> tuple[int, ...]:
            place = one.relative_to(root)
            sort = 0 if place == mirror else 1 if dotted in imports[one] else 2 if users & imports[one] else 3
            if one.stem.endswith(("_integration", "_ranks")):
                sort = 3  # whole runs, in processes of their own: slow, and they see little that others do not
            shared = sum(1 for here, there in zip(place.parts[:-1], mirror.parts[:-1], strict=False) if here == there)
            return (sort, -shared, one.stat().st_size)

        ranked = sorted((rank(one), one) for one in tests)
        near = [one for (sort, far, _), one in ranked if sort < 3 or far <= -3]
        own = [module] if ">>> " in (root / module).read_text(encoding="utf-8") else []
        found[module] = [*own, *(str(one.relative_to(root)) for one in near)]
    return found


def _dotted(path: Path) -> str:
    return path.as_posix().removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _imports(path: Path) -> set[str]:
    """Modules that a file imports or names in a text, by dotted name; of `from a import b` both `a` and `a.b`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and NAMED.fullmatch(node.value):
            parts = node.value.split(".")
            found |= {".".join(parts[:count]) for count in range(2, len(parts) + 1)}
    return found
