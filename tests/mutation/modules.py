"""The core modules, and which test files may see a fault in each."""

import ast
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
    """Test files by module: its namesake, then those that import it, small ones first; else its folder's."""
    tests = [path for path in sorted((root / "tests").rglob("test_*.py")) if "bench" not in path.parts]
    imports = {path: _imports(path) for path in tests}
    found = {}
    for module in modules:
        path = Path(module)
        dotted = module.removesuffix(".py").replace("/", ".")
        mirrored = [one for one in tests if one == root / "tests" / path.with_name(f"test_{path.name}")]
        importing = sorted((one for one in tests if dotted in imports[one]), key=lambda one: one.stat().st_size)
        beside = [one for one in tests if one.parent == root / "tests" / path.parent]
        files = dict.fromkeys([*mirrored, *importing] or beside)
        found[module] = [str(one.relative_to(root)) for one in files]
    return found


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    return named | {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
