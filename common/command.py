"""The command line of every entry point: YAML files, key=value, --help, --dry-run, mistakes as one line."""

import difflib
import functools
import json
import os
import re
import sys
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from common.config import (
    C,
    ConfigError,
    RunConfig,
    Values,
    load,
    models_in,
    out_files,
    read_yaml,
    spelled_key,
    to_yaml,
)
from common.runs.redaction import redacted
from common.runs.terminal import only_visible, visible
from common.shipped import foreign_package, version

MANY = 12
"""More names than this are not read in a line."""

Main = TypeVar("Main", bound=Callable[..., None])


@dataclass(frozen=True)
class Command(Generic[C]):
    """What a command line is read into, and how."""

    config: type[C]
    """The config of the run."""

    doc: str | None = None
    """What `--help` says first; the entry point's docstring if None."""

    positional: Sequence[str] = ()
    """Fields that bare words fill in order; the last one takes all that are left if it is a list."""

    plan: Callable[[C], Mapping[str, Any]] | None = None
    """What `--dry-run` prints beside the config: what would be read and written. It may raise ValueError."""

    short: Mapping[str, str] = field(default_factory=dict)
    """Flags of other programs as arguments here: `{"-i": "--input", "--no-open-think": "--open-think=false"}`."""

    rename: Mapping[str, str] = field(default_factory=dict)
    """What a key of the command line and of `--help` is called in the config: `{"out": "scores"}`."""

    inside: str = ""
    """A field whose own keys may stand alone: with `scorer`, `model=FILE` means `scorer.model=FILE`."""

    files: Mapping[str, Callable[[str], str | Path]] = field(default_factory=dict)
    """Keys that name a YAML file to be read before all others: `{"scale": scale_file}`."""

    passes_over: type[RunConfig] | None = None
    """A config whose YAML files are read here too; keys that only that one has are passed over."""


def parse(
    config_class: type[C],
    doc: str | None,
    argv: Sequence[str] | None = None,
    **options: Any,
) -> C:
    """Read a command line into a config, or end the program.

    Args:
        config_class: the run's config.
        doc: the entry point's module docstring, printed by `--help`.
        argv: the arguments; those of this process if None.
        options: the further fields of `Command`.

    Raises:
        SystemExit: 0 after `--help` or `--dry-run`, 2 after a mistake.
    """
    return read_command(Command(config_class, **options), doc, words_of(argv))


def parse_command(
    commands: Mapping[str, Command[Any]], doc: str | None, argv: Sequence[str] | None = None
) -> tuple[str, Any]:
    """Read a command line whose first word names a command: the name, and its config.

    Raises:
        SystemExit: 0 after `--help` (`NAME --help` shows one command's fields) or `--dry-run`, 2 after a mistake;
            none or an unknown name is one.
    """
    arguments = words_of(argv)
    if arguments and arguments[0] in ("-h", "--help"):
        print((doc or "").strip())  # noqa: T201 - the command's output
        print(f"\nCommands: {_few(commands)}; `NAME --help` explains one.")  # noqa: T201
        raise SystemExit(0)
    if not arguments:
        fail(f"no command is named; there are: {_few(commands)}")
    if arguments[0] not in commands:
        near = difflib.get_close_matches(arguments[0], commands, n=3, cutoff=0.4)
        shown = f"the nearest: {', '.join(near)}" if near and len(commands) > MANY else f"there are: {_few(commands)}"
        fail(f"no command {arguments[0]!r}; {shown}")
    return arguments[0], read_command(commands[arguments[0]], doc, arguments[1:])


def _few(names: Iterable[str]) -> str:
    """Names in one line, the first of them if they are many."""
    listed = list(names)
    return ", ".join(listed[:MANY]) + (f" and {len(listed) - MANY} more" if len(listed) > MANY else "")


class WorkFailed(RuntimeError):
    """Work that cannot be done, through no mistake of the command line's; the message is the line the user sees."""


def entry_point(main: Main) -> Main:
    """Decorates every `main`: what an ordinary mistake raises becomes one line and the right exit code.

    A file that cannot be read or written, a full disk, a server that answers nothing, or data that cannot be used ends
    with 1; Ctrl-C with 130; a reader that closed the pipe with 141, as the shell does. `REPRO_TRACEBACK=1` shows where
    it was raised. What is printed has its control codes spelled out: page text cannot steer a terminal.
    """

    @functools.wraps(main)
    def guarded(argv: Sequence[str] | None = None) -> None:
        if stranger := foreign_package():
            fail(f"{stranger} has the name of a package of this toolkit and hides it; run from another folder")
        try:
            with only_visible():
                main(argv)
                sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python complains again at its end
            raise SystemExit(141) from None
        except KeyboardInterrupt:
            fail("stopped by Ctrl-C", 130)
        except (OSError, ValueError, WorkFailed) as error:
            if os.environ.get("REPRO_TRACEBACK") == "1":
                raise
            fail(f"{describe(error)} (REPRO_TRACEBACK=1 shows where)", 1)

    return guarded  # type: ignore[return-value]


def describe(error: BaseException) -> str:
    """An error as a person reads it: the file first, where there is one."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror or type(error).__name__}"
    return str(error) or type(error).__name__


class usage_errors:
    """Turns a ValueError or a missing file inside the block into one line on standard error and exit code 2."""

    def __enter__(self) -> None:
        """Nothing to set up."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """End the program if the block raised someone's mistake."""
        if isinstance(error, ValueError | FileNotFoundError | NotADirectoryError | IsADirectoryError | PermissionError):
            fail(describe(error), getattr(error, "exit_code", 2))  # an error of the data says 1 itself


def fail(message: str, code: int = 2) -> NoReturn:
    """Print `error: message` as one line on standard error and exit; secrets in it are hidden.

    Where the message names something that is not there, and a command of ours brings or makes it, the line says which.
    """
    from common.downloads.advice import advice

    line = visible(" ".join(redacted(str(message)).split()))
    command = advice(line)
    print(f"error: {line}" + (f"; {command}" if command else ""), file=sys.stderr)  # noqa: T201 - the command's output
    raise SystemExit(code)


def words_of(argv: Sequence[str] | None) -> list[str]:
    """The words of a command line: those given, or this process's own."""
    return list(sys.argv[1:] if argv is None else argv)


def read_command(command: Command[C], doc: str | None, arguments: list[str]) -> C:
    """The config that a command's arguments make; ends the program after `--help`, `--dry-run` or a mistake."""
    if "--version" in arguments:
        print(version())  # noqa: T201 - the command's output
        raise SystemExit(0)
    if any(argument in ("-h", "--help") for argument in arguments):
        keys = [word for word in arguments if word.split(".")[0] in command.config.model_fields]
        print(help_text(command.config, command.doc or doc, command.rename, keys))  # noqa: T201 - the command's output
        raise SystemExit(0)
    with usage_errors():
        files, overrides, dry_run = split_arguments(command, arguments)
        config = load(command.config, _named_files(command, files, overrides) + files, overrides, command.passes_over)
        outputs = list(out_files(config))
        for out in outputs:
            out.check_name()
        if outputs:
            from common.pools.inputs import in_paths
            from common.pools.shards import refuse_read_again

            inputs = list(in_paths(config))
            for out in outputs:
                refuse_read_again(out.path, out.folder, inputs, run=out.run)
        if dry_run:
            print(to_yaml(config), end="")  # noqa: T201 - the command's output
            for name, value in (command.plan(config) if command.plan else {}).items():
                print(f"# {name}: {redacted(value)}")  # noqa: T201 - the command's output
            raise SystemExit(0)
        for out in outputs:
            out.make_place()
    return config


FLAG_VALUES = ("true", "false")

MANY_KEYS = 6
"""A part of a config with more keys than this is one line of help; `--help KEY` explains them."""


def help_text(
    config_class: type[RunConfig],
    doc: str | None,
    rename: Mapping[str, str] | None = None,
    keys: Sequence[str] = (),
) -> str:
    """The module docstring, then every field with default and note; or what is inside `keys`, such as `data.noise`."""
    if keys:
        return "\n".join(line for key in keys for line in _lines_of_key(config_class, key))
    lines = [(doc or "").strip(), "", "Fields (key=value, or in a YAML file; --dry-run says what a run would do):"]
    lines += [f"  {line}" for line in _field_lines(config_class, "", set())]
    for key, name in (rename or {}).items():
        lines = [line for line in lines if not line.startswith(f"  {key}: ")]
        lines = [re.sub(rf"^  {name}:", f"  {key}:", line) for line in lines]
    return "\n".join(lines)


def _lines_of_key(config_class: type[BaseModel], key: str) -> Iterator[str]:
    *path, name = key.split(".")
    models: list[type[BaseModel]] = [config_class]
    for part in path:
        fields = [model.model_fields[part] for model in models if part in model.model_fields]
        models = [model for described in fields for model in models_in(described.annotation)]
    for model in models:
        yield from _field_lines(model, "", set(), ".".join([*path, ""]), only=name)


def _field_lines(of: type[BaseModel], prefix: str, seen: set[type], path: str = "", only: str = "") -> Iterator[str]:
    for name, described in of.model_fields.items():
        if only and name != only:
            continue
        default = described.get_default(call_default_factory=True)
        shown = "required" if default is PydanticUndefined else _short(default)
        note = " ".join((described.description or "").split())
        yield f"{prefix}{name}: {shown}" + (f"  {note}" if note else "")
        inside = [model for model in models_in(described.annotation) if model not in seen]
        if sum(len(model.model_fields) for model in inside) > MANY_KEYS and not only:
            kinds = [kind for model in inside if (kind := _kind(model))]
            named = f"kinds: {', '.join(kinds)}" if kinds else f"keys: {', '.join(inside[0].model_fields)}"
            yield f"{prefix}    {named}; see `--help {path}{name}`"
            continue
        for model in inside:
            seen.add(model)
            summary = " ".join((model.__doc__ or "").split())
            yield f"{prefix}  [{model.__name__}] {summary}"
            yield from _field_lines(model, prefix + "    ", seen, f"{path}{name}.")


def _kind(model: type[BaseModel]) -> str:
    """The name that picks a config class out of a union; empty if it has none."""
    described = model.model_fields.get("kind")
    names = typing.get_args(described.annotation) if described else ()
    return str(names[0]) if names else ""


def _short(value: Any) -> str:
    if isinstance(value, BaseModel):
        return _kind(type(value)) or "{...}"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 100 else text[:97] + "..."


def split_arguments(command: Command[Any], arguments: list[str]) -> tuple[list[str], Values, bool]:
    """YAML files, overrides by key, and whether it is a dry run."""
    files: list[str] = []
    overrides: Values = {}
    words: list[str] = []
    dry_run = False
    queue = [command.short.get(argument, argument) for argument in arguments]
    while queue:
        argument = queue.pop(0)
        if argument == "--dry-run":
            dry_run = True
            continue
        if argument.startswith("--"):
            key, equals, value = argument[2:].partition("=")
            name = _key(command, key)
            if not equals:
                # `--key value`, or a bare flag when nothing follows that could be its value
                flag = _leaf_types(command.config, name) == {bool}
                bare = not queue or queue[0].startswith("--") or (flag and queue[0].lower() not in FLAG_VALUES)
                value = "true" if bare else queue.pop(0)
            overrides[name] = _value(command.config, name, value)
        elif re.match(r"[A-Za-z_][\w.-]*=", argument):
            key, _, value = argument.partition("=")
            name = _key(command, key)
            overrides[name] = _value(command.config, name, value)
        elif argument.endswith((".yaml", ".yml")):
            files.append(argument)
        else:
            words.append(argument)
    for name in command.positional:
        if not words:
            break
        if typing.get_origin(command.config.model_fields[name].annotation) is list:
            overrides[name], words = words, []
        else:
            overrides[name] = _value(command.config, name, words.pop(0))
    if words:
        raise ConfigError(f"do not know what to do with {words[0]!r}; write key=value, or see --help")
    return files, overrides, dry_run


def _key(command: Command[Any], typed: str) -> str:
    """The config's own name of a key as it was typed."""
    first, dot, rest = spelled_key(typed).partition(".")
    first = {spelled_key(key): name for key, name in command.rename.items()}.get(first, first)
    fields = command.config.model_fields
    if command.inside and first not in fields:
        inner = {name for model in models_in(fields[command.inside].annotation) for name in model.model_fields}
        # a misspelt key of the command's own stays one, so that the mistake names what was meant
        if first in inner or not difflib.get_close_matches(first, fields, n=1, cutoff=0.8):
            first = f"{command.inside}.{first}"
    return first + dot + rest


def _named_files(command: Command[Any], files: Sequence[str], overrides: Values) -> list[str]:
    """The files that keys such as `scale` name; a key of the command line counts before one of a YAML file."""
    found = []
    for key, locate in command.files.items():
        name = overrides.get(key)
        for file in files:
            if name is None and Path(file).is_file():
                values = read_yaml(Path(file).read_text(encoding="utf-8"))
                name = values.get(key) if isinstance(values, dict) else None
        if name is not None:
            found.append(str(locate(str(name))))
    return found


def _leaf_types(config_class: type[BaseModel], key: str) -> set[Any]:
    """The types that a dotted key's value may have, over all members of the unions on its way; empty if unknown."""
    annotations: list[Any] = [config_class]
    for part in key.split("."):
        if part.isdigit():
            continue  # an element of a list: `models_in` looks inside
        models = [model for annotation in annotations for model in models_in(annotation)]
        annotations = [model.model_fields[part].annotation for model in models if part in model.model_fields]
    return {leaf for annotation in annotations for leaf in _members(annotation)}


def _members(annotation: Any) -> Iterator[Any]:
    """The parts of a union, without what pydantic is told about them; a literal's parts are its values' types."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _members(typing.get_args(annotation)[0])
    elif origin in (typing.Union, types.UnionType):
        for part in typing.get_args(annotation):
            yield from _members(part)
    elif origin is typing.Literal:
        yield from {type(value) for value in typing.get_args(annotation)}
    else:
        yield annotation


def _value(config_class: type[BaseModel], key: str, text: str) -> Any:
    """What is meant by the text behind a key: the text itself where the field holds text, else YAML."""
    leaves = _leaf_types(config_class, key)
    if leaves and leaves <= {str, Path, types.NoneType} and not (types.NoneType in leaves and text == "null"):
        return text
    try:
        value = read_yaml(text)
    except yaml.YAMLError:
        return text
    if isinstance(value, dict | types.NoneType) and str in leaves and not text.startswith("{") and text != "null":
        return text
    # A date, or `a: b` typed as one word, is text to whoever typed it on a command line.
    return value if isinstance(value, bool | int | float | str | list | dict | types.NoneType) else text
