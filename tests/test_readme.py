"""What the READMEs name is there and answers; they are short, and their sentences are."""

import itertools
import os
import re
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAIN = ROOT / "README.md"
CONTRIBUTING = ROOT / ".github/CONTRIBUTING.md"
ROOMS = "common|eval|filter|rephrase|pretrain|rl"
READMES = [
    MAIN,
    CONTRIBUTING,
    ROOT / "tests/bench/README.md",
    *sorted(path for room in ROOMS.split("|") for path in (ROOT / room).rglob("README.md")),
]
MOST_LINES, MOST_LINES_BESIDE = 220, 150
MEDIAN_WORDS = 20


def name(path):
    return path.relative_to(ROOT).as_posix()


def text_of(readme):
    return readme.read_text(encoding="utf-8")


def modules_of(text):
    return re.findall(rf"python3? -m ((?:{ROOMS})\.[\w.]*\w)", text)


def door(module):
    path = ROOT / module.replace(".", "/")
    return path / "__main__.py" if path.is_dir() else path.with_suffix(".py")


def paths_of(text):
    text = re.sub(r"/[^\s`|/]*(?:\b|_)NAME\b[^\s`|]*", "/", text)  # a name that the reader chooses
    paths = re.findall(rf"(?<![\w./-])(?:scripts|configs|tests|{ROOMS})/[\w./*=-]*[\w*/]", text)
    short = re.findall(r"`(rl|rephrase|filter|eval)/([\w*]+\.yaml)`", text)
    return paths + [f"configs/{room}/{file}" for room, file in short]


def sentences(text):
    """Sentences of the prose, as lists of words: no code, tables, headings and pictures."""
    text = re.sub(r"```.*?```", "\n\n", text, flags=re.DOTALL)
    prose = "\n".join("" if line.startswith(("|", "#", "!", "    ")) else line for line in text.splitlines())
    found = []
    for paragraph in re.split(r"\n\s*\n|\n(?=- |\d+\. )", prose):
        found += [one.split() for one in re.split(r"(?<=[.!?:])\s+", paragraph.strip())]
    return [one for one in found if len(one) > 1]


@pytest.mark.parametrize("readme", READMES, ids=name)
def test_every_script_module_config_and_picture_it_names_exists(readme):
    text = text_of(readme)
    made = set(re.findall(r"New file `(.+)`", text))  # by what CONTRIBUTING shows
    named = [path for path in paths_of(text) if path not in made]
    missing = [path for path in named if not list(ROOT.glob(path)) and not list(readme.parent.glob(path))]
    missing += [module for module in modules_of(text) if not door(module).is_file()]
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    missing += [link for link in links if "://" not in link and not (readme.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("readme", READMES, ids=name)
def test_it_is_short_and_so_are_its_sentences(readme):
    text = text_of(readme)
    # the code of CONTRIBUTING is followed by a test of its own
    shown = re.sub(r"(?ms)^```.*?^```\n\n?", "", text) if readme == CONTRIBUTING else text
    lines = shown.count("\n")
    assert lines <= (MOST_LINES if readme == MAIN else MOST_LINES_BESIDE)
    assert statistics.median(len(one) for one in sentences(text)) <= MEDIAN_WORDS
    assert "@@" not in text


def test_the_prose_of_a_text_is_found():
    text = (
        "# No\n\nOne two three. Four\nfive:\n\n```\nno no\n```\n\n| no | no |\n\n    no no\n\n- Six.\n- Eight nine!\n"
    )
    assert [len(one) for one in sentences(text)] == [3, 2, 2, 3]  # a list's dash counts


def test_every_module_and_script_named_answers_help():
    named = {module for readme in READMES for module in modules_of(text_of(readme))}
    # one process for all modules: each would import the same again
    program = f"""
import contextlib, importlib, io, pathlib, sys
for name in {sorted(named)}:
    door = name + ".__main__" if pathlib.Path(*name.split(".")).is_dir() else name
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            importlib.import_module(door).main(["--help"])
        except SystemExit as stop:
            if stop.code not in (0, None):
                print("exit", stop.code, name, file=sys.stderr)
    if len(out.getvalue()) < 40:
        print("no help", name, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    scripts = {path for readme in READMES for path in re.findall(r"\bscripts/\w+\.sh\b", text_of(readme))}
    for script in sorted(scripts):
        done = subprocess.run(["bash", script, "--help"], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, script
        assert "Usage" in done.stdout, script


STAGES = ("rl", "sft", "infer", "filter", "tokenize", "pretrain", "eval")
SHOWN = re.compile(r"(?:[A-Z_]+=\S+ )*(?:python -m|bash|sbatch(?: --\S+)*) (\S+)(.*)")


def commands(text):
    """(module, arguments) of each command of ours that is shown with its arguments; scripts as what they start."""
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)
    lines = "\n".join([*blocks, *(line[4:] for line in text.splitlines() if line.startswith("    "))])
    spoken = [one for one in re.findall(r"`([^`\n]+)`", text) if "=" in one or ".yaml" in one]
    for line in [*lines.replace("\\\n", " ").splitlines(), *spoken]:
        found = SHOWN.fullmatch(line.strip())
        if not found or re.search(r"\[[A-Za-z]|…|NAME", re.sub(r"=\[.*?\]", "", line)):
            continue
        first, arguments = found[1], shlex.split(found[2], comments=True)
        if re.match(rf"(?:{ROOMS})\.", first):
            yield first, arguments
        elif (stage := Path(first).stem) in STAGES:
            script = (ROOT / f"scripts/{stage}.sh").read_text(encoding="utf-8")
            started = re.findall(rf"python3? -m ((?:{ROOMS})\.[\w.]+)", re.sub(r"(?m)^#.*", "", script))
            default = re.search(r"\$root/(configs/[\w/.]+\.yaml)", script)
            given = any(argument.endswith(".yaml") for argument in arguments)
            yield started[0], [*([default[1]] if default and not given else []), *arguments]


def test_commands_are_found_in_blocks_indented_lines_and_words():
    block = "```bash\nbash scripts/filter.sh a=b # why\n```\n"
    text = f"{block}\n    python -m rl.sft \\\n        x=1\n\nOr `python -m eval.run y=2`."
    assert list(commands(text)) == [
        ("filter.run", ["configs/filter/repro.yaml", "a=b"]),
        ("rl.sft", ["x=1"]),
        ("eval.run", ["y=2"]),
    ]


ABSENT = r"no (pool|model|rows|labelled pages|file|folder)|No such file|there is no|is not there|needs a GPU"
"""What a dry run may say where the inputs are a reader's own."""


def test_every_command_shown_knows_its_keys():
    # from nothing to a run on one GPU by the README alone, as far as a dry run goes: all in one process
    shown = [
        (door(module).relative_to(ROOT).with_suffix("").as_posix().replace("/", "."), arguments)
        for readme in READMES
        if readme != CONTRIBUTING  # its commands are run, after what it adds
        for module, arguments in commands(text_of(readme))
    ]
    assert len(shown) > 40
    assert {"rl.train", "rephrase.run", "filter.run", "pretrain.tokenize", "pretrain.train", "eval.run"} <= {
        module for module, _ in shown
    }
    program = f"""
import contextlib, importlib, io, re, sys
for name, arguments in {shown}:
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            importlib.import_module(name).main([*arguments, "--dry-run"])
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
    if code and not re.search({ABSENT!r}, said.getvalue()):
        print(name, *arguments, said.getvalue().strip()[-300:], sep=" ", file=sys.__stderr__)
"""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_modules_that_moved_are_where_the_changelog_says():
    text = text_of(ROOT / "CHANGELOG.md")
    moved = re.findall(rf"(?m)^\| `(?:{ROOMS})\.[\w.]+` \| `((?:{ROOMS})\.[\w.]+)` \|$", text)
    assert len(moved) > 100
    gone = [module for module in moved if not door(module).is_file() and not (ROOT / module.replace(".", "/")).is_dir()]
    assert gone == []


def table(text, first):
    """The table whose first heading is `first`: row name → heading → cell."""
    lines = text.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(f"| {first} |"))
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[at:]]
    rows = itertools.takewhile(lambda row: len(row) == len(cells[0]), cells[2:])
    return {row[0]: dict(zip(cells[0][1:], row[1:], strict=True)) for row in rows}


def test_the_audits_figures_are_those_beside_the_audit():
    here = table(text_of(MAIN), "verifier")
    there = table(text_of(ROOT / "eval/verifiers/README.md"), "verifier")
    assert len(here) == 5
    assert here == {name: {word: there[name][word] for word in row} for name, row in here.items()}


def test_the_cards_figures_are_those_of_the_card():
    card = text_of(ROOT / "rephrase/tiny/README.md").replace("**", "")
    rows = table(text_of(ROOT / "eval/README.md"), "measure")
    missing = [cell for row in rows.values() for cell in row.values() if cell not in card]
    assert (len(rows), missing) == (3, [])
