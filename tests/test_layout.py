"""What holds for the whole tree: arrows, circles, rooms, doors, homes, sizes, names, and what a package file holds."""

import ast
import collections
import re
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
    # scores while a model trains
    "pretrain": {"common", "pretrain", "eval.core.entries", "eval.core.files", "eval.core.evaluate"},
    "rl": set(PACKAGES),
}
VISIBLE = {
    "README.md",
    "LICENSE",
    "CITATION.cff",
    "CHANGELOG.md",
    "requirements.txt",
    "requirements-vllm.txt",
    "setup.py",
    "scripts",
    "configs",
    "tests",
    *PACKAGES,
}
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MOST_MODULES = 12
LONGEST_MODULE, LONGEST_FUNCTION, LONGEST_DOOR, MOST_PARAMETERS = 400, 60, 200, 8
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


def graph():
    """Module → modules of ours that it imports, at any depth of its code."""
    names = {module_name(path) for path in MODULES if path.name != "__init__.py"}
    found = {}
    for path in MODULES:
        if path.name == "__init__.py":
            continue
        found[module_name(path)] = set()
        for _, module, name in imports(path):
            target = f"{module}.{name}" if f"{module}.{name}" in names else module
            if target in names:
                found[module_name(path)].add(target)
    return found


GRAPH = graph()


def circles(edges):
    """Strongly connected groups of more than one node (Tarjan)."""
    index, low, stack, on, groups = {}, {}, [], set(), []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        on.add(node)
        for other in edges.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in on:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = []
            while not group or group[-1] != node:
                group.append(stack.pop())
                on.discard(group[-1])
            groups.append(sorted(group))

    for node in edges:
        if node not in index:
            visit(node)
    return [group for group in groups if len(group) > 1]


def test_no_modules_import_each_other_in_a_circle():
    assert circles(GRAPH) == []


def room(module):
    return module.rpartition(".")[0]


def related(first, second):
    return f"{first}.".startswith(f"{second}.") or f"{second}.".startswith(f"{first}.")


def test_no_folders_import_each_other_in_a_circle():
    # a door stands outside its room: it may import what lies in the folders of its package
    doors = {module_name(path) for path in entry_points()}
    edges = collections.defaultdict(set)
    for module, others in GRAPH.items():
        if module in doors:
            continue
        here = room(module)
        # a room and the rooms inside it are one: what they share lies in the outer one, and so does who calls them
        edges[here] |= {there for other in others if not related(here, there := room(other))}
    assert circles(edges) == []


def test_the_circle_finder_finds_circles():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def test_a_folder_can_be_taken_in_at_a_glance():
    sizes = collections.Counter(room(module) for module in GRAPH)
    assert {name: count for name, count in sizes.items() if count > MOST_MODULES} == {}


def test_no_module_imports_a_door():
    doors = {module_name(path) for path in entry_points()}
    found = {(module, other) for module, others in GRAPH.items() for other in others if other in doors}
    assert found == set()


def test_modules_functions_and_doors_are_of_a_readable_size():
    doors = entry_points()
    found = []
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        lines = text.count("\n")
        if lines > LONGEST_MODULE or (path in doors and lines > LONGEST_DOOR):
            found.append(f"{path.relative_to(ROOT)}: {lines} lines")
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.FunctionDef):
                continue
            length = node.end_lineno - node.lineno + 1
            parameters = len(node.args.args) + len(node.args.kwonlyargs)
            parameters -= bool(node.args.args) and node.args.args[0].arg in ("self", "cls")
            if length > LONGEST_FUNCTION or parameters > MOST_PARAMETERS:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {length} lines, {parameters} given")
    assert found == []


HOMES = {
    r"\bimport fcntl\b": {"common.pools.lock"},
    r"\bimport httpx\b": {"common.model_server", "common.downloads.http"},  # JSON, and files
    r"\bimport aiohttp\b": {"common.engines.server_engine"},
    r"\bsys\.argv\b|\bsys\.orig_argv\b": {
        "common.command",
        "common.runs.folder",
        "eval.sandbox.inside",  # the arguments that a judged program sees
        "eval.sandbox.servers",
        "eval.verifiers.workers",
    },
    r"\"[^\"]*\.stats\.json\"|another configuration": {"common.pools"},
    r"\"WORLD_SIZE\"|\"RANK\"": {"common.runs.processes"},
    r"isinstance\([^)]*EngineConfig\b": {"common.engines"},
    r"#[0-9a-fA-F]{6}\b": {"eval.report.style"},
}


@pytest.mark.parametrize("pattern", HOMES)
def test_a_thing_has_one_home(pattern):
    found = {module_name(path) for path in MODULES if re.search(pattern, path.read_text(encoding="utf-8"))}
    astray = {name for name in found if not any(name == home or name.startswith(f"{home}.") for home in HOMES[pattern])}
    assert astray == set()


TWICE = {
    "Result": "a document's way through a stage, and a verdict on an answer: both are the word of their field",
    "Job": "one shard's work, an open document and a training run: each is private to its room",
    "Piece": "of a shuffle, and of a document: each is private to its room",
    "Item": "of CORE, and of a list in an answer: each is private to its room",
    "Size": "of a puzzle, and of a run of the rephraser: each is private to its room",
    "Pool": "of documents, and of workers: both are the word of their field",
}
"""Class names that stand for two things, each with the reason."""


def test_a_public_class_name_means_one_thing():
    where = collections.defaultdict(list)
    for path in MODULES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where[node.name].append(module_name(path))
    assert {name: places for name, places in where.items() if len(places) > 1 and name not in TWICE} == {}


def defined(path):
    """Names that a module's own statements bind, imports aside."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def test_a_name_is_imported_from_where_it_is_defined():
    own = {module_name(path): defined(path) for path in MODULES}
    relayed = [
        f"{module_name(path)}:{line}: {name} of {module}"
        for path in [*MODULES, *TESTS]
        for line, module, name in imports(path)
        if name and module in own and module in GRAPH and name not in own[module] and f"{module}.{name}" not in GRAPH
    ]
    assert relayed == []
    assert [str(path) for path in MODULES if "__all__" in path.read_text(encoding="utf-8")] == []


def test_private_names_stay_in_their_module():
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name} of {module}"
        for path in [*MODULES, *TESTS]
        for line, module, name in imports(path)
        if module.split(".")[0] in PACKAGES and name and name.startswith("_") and not name.startswith("__")
    ]
    assert found == []


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
