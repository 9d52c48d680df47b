"""What holds for the whole tree: the import arrows, what a package file holds, how folders are laid out."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("common", "eval", "filter", "rephrase", "pretrain", "rl")
MAY_IMPORT = {
    "common": {"common"},
    "eval": {"common", "eval"},
    "filter": {"common", "filter", "eval.faithfulness"},
    "rephrase": {"common", "rephrase", "eval.faithfulness"},
    "pretrain": {"common", "pretrain", "eval.core", "eval.core.entries"},  # scores while a model trains
    "rl": set(PACKAGES),
}
VISIBLE = {
    "README.md",
    "requirements.txt",
    "requirements-vllm.txt",
    "setup.py",
    "scripts",
    "configs",
    "tests",
    *PACKAGES,
}
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
HEAVY = ("torch", "transformers", "trl", "datasets", "vllm", "lm_eval", "pyarrow", "fasttext")


def module_name(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def imports(path):
    """(line, imported module, imported name or None) of every import statement of a file, at any depth."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, node.module, alias.name) for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_follow_the_arrows(path):
    package = path.relative_to(ROOT).parts[0]
    for line, module, name in imports(path):
        if module.split(".")[0] not in PACKAGES:
            continue
        full = {module, f"{module}.{name}"}
        allowed = any(one == may or one.startswith(f"{may}.") for one in full for may in MAY_IMPORT[package])
        assert allowed, f"{path}:{line}: {package} may not import {module}"


@pytest.mark.parametrize("path", [*MODULES, *sorted((ROOT / "tests").rglob("*.py"))], ids=module_name)
def test_no_import_rebinds_a_builtin(path):
    for line, module, name in imports(path):
        rebinds = name is None and module.split(".")[0] in ("eval", "filter")
        assert not rebinds, f"{path}:{line}: write `from {module} import ...`"


def test_only_the_engine_imports_vllm():
    found = {module_name(path) for path in MODULES for _, module, _ in imports(path) if module.split(".")[0] == "vllm"}
    assert found == {"common.engines.vllm_engine"}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_file_holds_a_docstring_only(package):
    for path in (ROOT / package).rglob("__init__.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        assert len(body) == 1, path
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_every_public_function_and_class_has_a_docstring():
    missing = []
    for path in MODULES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                members = node.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_") else []
                for one in [node, *(item for item in members if isinstance(item, ast.FunctionDef))]:
                    if not one.name.startswith("_") and not ast.get_docstring(one):
                        missing.append(f"{path.relative_to(ROOT)}:{one.lineno} {one.name}")
    assert not missing, "\n".join(missing)


def test_the_top_level_is_as_fixed():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    assert {name.split("/")[0] for name in tracked if name and not name.startswith(".")} <= VISIBLE


def test_no_package_file_under_tests():
    assert not list((ROOT / "tests").rglob("__init__.py"))


def entry_points():
    """Modules that can be started with -m: they define main() and call it."""
    return [path for path in MODULES if 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")]


def test_help_and_config_mistakes_do_not_wait_for_heavy_libraries():
    # one process for all: it imports every entry point, asks each for help, and looks at what was loaded on the way
    program = f"""
import contextlib, importlib, io, sys
for name in {[module_name(path) for path in entry_points()]}:
    module = importlib.import_module(name)
    for arguments in (["--help"], ["no_such_key=1"]):
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            try:
                module.main(arguments)
                if arguments != ["--help"]:
                    print("took a mistake", name, file=sys.__stderr__)
            except SystemExit as stop:
                if stop.code != (0 if arguments == ["--help"] else 2):
                    print("exit", stop.code, name, arguments, err.getvalue(), file=sys.__stderr__)
        if arguments == ["--help"] and len(out.getvalue()) < 40:
            print("no help", name, file=sys.__stderr__)
    loaded = [heavy for heavy in {HEAVY} if heavy in sys.modules]
    if loaded:
        print(name, "loads", loaded, file=sys.__stderr__)
        break
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
