"""What the README names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
READMES = [ROOT / "README.md", *sorted(ROOT.glob("rephrase/*/README.md"))]


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_script_module_config_and_picture_it_names_exists(readme):
    text = readme.read_text(encoding="utf-8")
    paths = re.findall(r"\b(?:scripts|configs|tests|common|eval|filter|rephrase|pretrain|rl)/[\w./*=-]*\w\*?", text)
    paths += [
        f"configs/{area}/{name}" for area, name in re.findall(r"`(rl|rephrase|filter|eval)/([\w*]+\.yaml)`", text)
    ]
    modules = re.findall(r"python3? -m ((?:common|eval|filter|rephrase|pretrain|rl)\.[\w.]*\w)", text)
    doors = [module.replace(".", "/") for module in modules]
    paths += [f"{door}/__main__.py" if (ROOT / door).is_dir() else f"{door}.py" for door in doors]
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    missing = [path for path in paths if not list(ROOT.glob(path))]
    missing += [picture for picture in pictures if not (readme.parent / picture).is_file()]
    assert not missing


def test_the_figures_are_filled_in():
    for readme in READMES:
        assert "@@" not in readme.read_text(encoding="utf-8"), readme
