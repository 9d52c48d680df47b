"""The command line of every entry point: YAML files, key=value, --help, --dry-run, mistakes as one line."""

import json
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from common.config import C, ConfigError, RunConfig, Values, load, models_in, read_yaml, spelled_key, to_yaml


def parse(
    config_class: type[C],
    doc: str | None,
    argv: Sequence[str] | None = None,
    *,
    positional: Sequence[str] = (),
    plan: Callable[[C], Mapping[str, Any]] | None = None,
) -> C:
    """Read a command line into a config, or end the program.

    Args:
        config_class: the run's config.
        doc: the entry point's module docstring, printed by `--help`.
        argv: the arguments; `sys.argv[1:]` if None.
        positional: names of fields that bare words fill in order; the last one takes all that are left if it is a list.
        plan: what `--dry-run` prints beside the config: what would be read and written. It may raise ValueError.

    Raises:
        SystemExit: 0 after `--help` or `--dry-run`, 2 after a mistake.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if any(argument in ("-h", "--help") for argument in arguments):
        print(help_text(config_class, doc))  # noqa: T201 - the command's output
        raise SystemExit(0)
    with usage_errors():
        files, overrides, dry_run = _split_arguments(config_class, arguments, positional)
        config = load(config_class, files, overrides)
        if dry_run:
            print(to_yaml(config), end="")  # noqa: T201 - the command's output
            for name, value in (plan(config) if plan else {}).items():
                print(f"# {name}: {value}")  # noqa: T201 - the command's output
            raise SystemExit(0)
    return config


class usage_errors:
    """Turns a ValueError or a missing file inside the block into one line on standard error and exit code 2."""

    def __enter__(self) -> None:
        """Nothing to set up."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """End the program if the block raised someone's mistake."""
        if isinstance(error, ValueError | FileNotFoundError | NotADirectoryError):
            fail(str(error))


def fail(message: str, code: int = 2) -> NoReturn:
    """Print `error: message` as one line on standard error and exit."""
    print(f"error: {' '.join(str(message).split())}", file=sys.stderr)  # noqa: T201 - the command's output
    raise SystemExit(code)


def help_text(config_class: type[RunConfig], doc: str | None) -> str:
    """The module docstring, then every field with its default and its docstring."""
    lines = [(doc or "").strip(), "", "Fields (key=value; YAML files and --dry-run are understood too):"]
    lines += [f"  {line}" for line in _field_lines(config_class, "", set())]
    return "\n".join(lines)


def _field_lines(config_class: type[BaseModel], prefix: str, seen: set[type]) -> Iterator[str]:
    for name, field in config_class.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = "required" if default is PydanticUndefined else _short(default)
        note = " ".join((field.description or "").split())
        yield f"{prefix}{name}: {shown}" + (f"  {note}" if note else "")
        for model in models_in(field.annotation):
            if model in seen:
                continue
            seen.add(model)
            summary = " ".join((model.__doc__ or "").split())
            yield f"{prefix}  [{model.__name__}] {summary}"
            yield from _field_lines(model, prefix + "    ", seen)


def _short(value: Any) -> str:
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 100 else text[:97] + "..."


def _split_arguments(
    config_class: type[RunConfig], arguments: list[str], positional: Sequence[str]
) -> tuple[list[str], Values, bool]:
    files: list[str] = []
    overrides: Values = {}
    words: list[str] = []
    dry_run = False
    queue = list(arguments)
    while queue:
        argument = queue.pop(0)
        if argument == "--dry-run":
            dry_run = True
        elif argument.startswith("--"):
            key, equals, value = argument[2:].partition("=")
            if not equals:
                # `--key value`, or a bare flag when nothing follows that could be its value
                bare = not queue or queue[0].startswith("--") or _is_flag(config_class, key)
                value = "true" if bare else queue.pop(0)
            overrides[key] = _value(value)
        elif re.match(r"[A-Za-z_][\w.-]*=", argument):
            key, _, value = argument.partition("=")
            overrides[key] = _value(value)
        elif argument.endswith((".yaml", ".yml")):
            files.append(argument)
        else:
            words.append(argument)
    for name in positional:
        if not words:
            break
        if typing.get_origin(config_class.model_fields[name].annotation) is list:
            overrides[name], words = words, []
        else:
            overrides[name] = _value(words.pop(0))
    if words:
        raise ConfigError(f"do not know what to do with {words[0]!r}; write key=value, or see --help")
    return files, overrides, dry_run


def _is_flag(config_class: type[RunConfig], key: str) -> bool:
    field = config_class.model_fields.get(spelled_key(key))
    return field is not None and field.annotation is bool


def _value(text: str) -> Any:
    try:
        value = read_yaml(text)
    except yaml.YAMLError:
        return text
    # A date, or `a: b` typed as one word, is text to whoever typed it on a command line.
    return value if isinstance(value, bool | int | float | str | list | dict | types.NoneType) else text
