"""The command line: one meaning for all forms of a key, mistakes as one line, outputs looked at before the work."""

import contextlib
import errno
import importlib
import io
import os
import re
import subprocess
import sys
import typing
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import command as command_line
from common.command import Command, entry_point, help_text, parse, parse_command, usage_errors
from common.config import HOW, Out, RunConfig, config_hash, load


class Scorer(RunConfig):
    """A part of a run."""

    kind: Literal["simple"] = "simple"

    model: str = ""
    """Where it lies."""

    threads: int = 1
    """How many."""


class Scoring(RunConfig):
    """A run for these tests."""

    pool: str = ""
    """What is read."""

    scores: Annotated[str, HOW, Out(".jsonl", ".parquet")] = ""
    """What is written."""

    out: str = ""
    """A run's folder."""

    limit: int | None = None
    """At most so many."""

    label: str | None = None
    """A name."""

    fast: bool = False
    """Quickly."""

    scorer: Scorer | None = None
    """The scorer."""


def read(*arguments, **options):
    return parse(Scoring, "Score.", list(arguments), **options)


def code_of(function, *arguments):
    with pytest.raises(SystemExit) as stop:
        function(*arguments)
    return stop.value.code


@pytest.mark.parametrize("form", [["{k}={v}"], ["--{k}={v}"], ["--{k}", "{v}"]])
@pytest.mark.parametrize("key", ["out", "model", "scorer.model", "scorer-x", "limit"])
def test_all_forms_of_a_key_mean_the_same(form, key, tmp_path):
    value = "3" if key == "limit" else str(tmp_path / "f.jsonl")
    words = [part.format(k=key, v=value) for part in form]
    if key == "scorer-x":
        assert code_of(lambda: read(*words, rename={"out": "scores"}, inside="scorer")) == 2
        return
    config = read(*words, rename={"out": "scores"}, inside="scorer")
    found = {"out": config.scores, "limit": str(config.limit)}.get(key) or config.scorer.model
    assert found == value
    assert config.out == ""  # the config's own `out` is not meant by this command's


def test_a_yaml_file_says_the_config_s_own_names(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("out: runs/x\nscorer: {model: a}\n")
    config = read(str(file), "out=" + str(tmp_path / "s.jsonl"), rename={"out": "scores"}, inside="scorer")
    assert (config.out, config.scores, config.scorer.model) == ("runs/x", str(tmp_path / "s.jsonl"), "a")


# what a person types as text stays what was typed: YAML would read each of these otherwise
TEXTS = ["runs/x #one", "010", "0123", "1e3", "true", "a: b", "[x]", "{x}", "~", "- a", "'q'", "2026-01-01", "null", ""]


@pytest.mark.parametrize("text", TEXTS)
def test_text_is_what_was_typed(text):
    assert read(f"pool={text}").pool == text
    assert read("--pool", text).pool == text if text and not text.startswith("--") else True
    assert read(f"scorer.model={text}").scorer.model == text
    assert read(text, positional=("pool",)).pool == text if text else True


@given(st.text(min_size=1).filter(lambda text: "\0" not in text))
def test_any_text_is_what_was_typed(text):
    assert read(f"pool={text}").pool == text
    assert read(f"label={text}").label == (None if text == "null" else text)


def test_a_name_that_may_be_absent_can_be_taken_back():
    assert read("label=null").label is None
    assert read("label=7").label == "7"
    assert read("limit=null").limit is None


def test_commands_are_named_and_none_is_a_mistake(capsys):
    commands = {"score": Command(Scoring, positional=("pool",)), "other": Command(Scorer)}
    assert parse_command(commands, "Doc.", ["score", "P", "limit=2"])[1].limit == 2
    for arguments in ([], ["scoer"], ["limit=2"]):
        assert code_of(parse_command, commands, "Doc.", arguments) == 2
        assert "there are: score, other" in capsys.readouterr().err
    assert code_of(parse_command, commands, "Doc.", ["--help"]) == 0
    assert "score, other" in capsys.readouterr().out
    assert code_of(parse_command, commands, "Doc.", ["other", "--help"]) == 0
    assert "threads: 1" in capsys.readouterr().out


def test_a_file_behind_a_key_comes_before_all_else(tmp_path):
    (tmp_path / "big.yaml").write_text("limit: 7\npool: big\nlabel: big\n")
    (tmp_path / "run.yaml").write_text("label: big\npool: run\n")
    files = {"label": lambda name: tmp_path / f"{name}.yaml"}
    for arguments in (["--label", "big"], ["label=big"], [str(tmp_path / "run.yaml")]):
        config = read(*arguments, files=files)
        assert (config.limit, config.pool) == (7, "run" if len(arguments[0]) > 10 else "big")


@pytest.mark.parametrize(
    ("make", "name", "said"),
    [
        (lambda folder: None, "x.txt", "must end in .jsonl or .parquet"),
        (lambda folder: (folder / "x.jsonl").mkdir(), "x.jsonl", "is a folder"),
        (lambda folder: (folder / "file").write_text(""), "file/x.jsonl", "cannot be made"),
    ],
)
def test_an_output_is_looked_at_before_the_work(make, name, said, tmp_path, capsys):
    make(tmp_path)
    assert code_of(read, f"scores={tmp_path / name}") == 2
    assert said in capsys.readouterr().err


def test_a_missing_folder_of_an_output_is_made_but_not_by_a_dry_run(tmp_path):
    path = tmp_path / "a" / "b" / "x.jsonl"
    assert code_of(read, f"scores={path}", "--dry-run") == 0
    assert not path.parent.exists()
    read(f"scores={path}")
    assert path.parent.is_dir()


def test_a_run_s_file_is_read_where_a_part_of_it_is_wanted(tmp_path):
    class Part(RunConfig):
        pool: str = ""

    file = tmp_path / "run.yaml"
    file.write_text("pool: P\nlimit: 3\n")
    assert parse(Part, "", [str(file)], passes_over=Scoring).pool == "P"
    assert code_of(parse, Part, "", [str(file)]) == 2
    file.write_text("pool: P\nlimitt: 3\n")
    with pytest.raises(SystemExit):
        parse(Part, "", [str(file)], passes_over=Scoring)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/a/b"), 1, "/a/b: Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device", "/a/b"), 1, "/a/b: No space left on device"),
        (ValueError("row 3 has no text"), 1, "row 3 has no text"),
        (KeyboardInterrupt(), 130, "stopped by Ctrl-C"),
    ],
)
def test_an_ordinary_mistake_at_work_is_one_line(error, code, said, capsys):
    @entry_point
    def main(argv=None):
        raise error

    assert code_of(main) == code
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1


def test_a_bug_stays_a_traceback():
    @entry_point
    def main(argv=None):
        return {}["x"]

    with pytest.raises(KeyError):
        main()


def test_a_closed_pipe_is_no_traceback(root):
    command = f"{sys.executable} -m eval.run --help | head -n 1"
    done = subprocess.run(["bash", "-c", command], cwd=root, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1


def test_parts_with_many_keys_are_one_line_of_help_until_asked_for():
    from rl.score import ScorePairsConfig

    short = help_text(ScorePairsConfig, "Doc.", {"out": "scores"})
    assert len(short.splitlines()) < 24
    assert "kinds: quality, semantic" in short and "see `--help rewards`" in short
    assert "keys: mode, " in short and "see `--help scorer`" in short
    assert "min_ratio" in help_text(ScorePairsConfig, "Doc.", keys=["rewards"])


def test_help_of_a_key_inside_is_of_that_key():
    from rl.grpo.config import RLConfig

    assert "see `--help data.scorer`" in help_text(RLConfig, "Doc.", keys=["data"])
    of_data = help_text(RLConfig, "Doc.", keys=["data.scorer"])
    assert "FastTextConfig" in of_data and "max_packed_tokens" not in of_data
    assert help_text(RLConfig, "Doc.", keys=["data.noise"]).startswith("noise: null")


def doors():
    root = Path(__file__).parents[2]
    for package in ("common", "eval", "filter", "rephrase", "pretrain", "rl"):
        for path in sorted((root / package).rglob("*.py")):
            if 'if __name__ == "__main__":' in path.read_text(encoding="utf-8"):
                yield ".".join(path.relative_to(root).with_suffix("").parts)


def commands_of(door, monkeypatch):
    """The `Command`s that a door hands to the parser, found by letting it parse nothing."""
    seen = []

    def note(command, doc, arguments):
        seen.append(command)
        raise SystemExit(0)

    monkeypatch.setattr(command_line, "read_command", note)
    module = importlib.import_module(door)
    names = [[]]
    with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()) as said:
        module.main([])
    if "there are: " in said.getvalue():
        names = [[name] for name in said.getvalue().partition("there are: ")[2].strip().split(", ")]
    for arguments in names:
        with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
            module.main(arguments)
    monkeypatch.undo()
    return seen


SAMPLE = {str: "some #text", int: "3", float: "0.5", bool: "true"}


@pytest.mark.parametrize("door", list(doors()))
def test_every_key_of_every_command_has_one_meaning_in_all_its_forms(door, monkeypatch):
    for command in commands_of(door, monkeypatch):
        read_back = {value: key for key, value in command.rename.items()}
        for name, described in command.config.model_fields.items():
            if name in command.rename:
                continue  # another key has its name on this command's line
            leaf = described.annotation
            if leaf not in SAMPLE or typing.get_origin(leaf) is not None:
                continue
            key, value = read_back.get(name, name), SAMPLE[leaf]
            spelled = key.replace("_", "-")
            forms = ([f"{key}={value}"], [f"--{key}={value}"], [f"--{key}", value], [f"{spelled}={value}"])
            found = [command_line.split_arguments(command, list(form))[1] for form in forms]
            assert all(one == found[0] for one in found), (door, name, found)
            assert name in found[0], (door, name, found[0])


def test_a_field_marked_out_or_how_hashes_as_before():
    class Before(RunConfig):
        out: str = "a"

    class After(RunConfig):
        out: Annotated[str, Out(".jsonl")] = "a"

    assert config_hash(load(Before)) == config_hash(load(After))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_no_permission_is_one_line(tmp_path, capsys):
    tmp_path.chmod(0o500)
    assert code_of(read, f"scores={tmp_path}/x.jsonl") == 2
    assert "no permission" in capsys.readouterr().err


def test_an_error_of_the_data_says_its_own_exit_code(capsys):
    from common.pools.marks import Unreadable

    for error, code in ((Unreadable("shard_3 is damaged"), 1), (ValueError("no such key"), 2)):
        with pytest.raises(SystemExit) as ended, usage_errors():
            raise error
        assert ended.value.code == code
    assert "shard_3 is damaged" in capsys.readouterr().err


@pytest.mark.parametrize("door", list(doors()))
def test_every_key_that_help_sends_to_is_explained(door, monkeypatch, capsys):
    for command in commands_of(door, monkeypatch):
        waiting, seen = [""], set()
        while waiting:
            key = waiting.pop()
            text = help_text(command.config, "Doc.", command.rename, [key] if key else ())
            assert len(text.splitlines()) > 1, key
            named = set(re.findall(r"see `--help ([\w.]+)`", text)) - seen
            waiting += named
            seen |= named
