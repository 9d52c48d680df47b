"""One typed config per run: field defaults < YAML files left to right < `key=value` on the command line.

A config is a pydantic class below `RunConfig`; the field's docstring is its help text. `parse` is the whole command
line of an entry point: `--help`, `--dry-run`, YAML files, positional values, `key=value`, `--key value` and bare
`--flag`. A dotted key reaches inside, a number in it indexes a list, `-` is `_`. A mistake is one line on standard
error and exit code 2.
"""

import difflib
import hashlib
import json
import re
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import PydanticUndefined

Values = dict[str, Any]


class RunConfig(BaseModel):
    """Base of all configs: unknown keys are errors, values do not change, field docstrings are help texts."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        coerce_numbers_to_str=True,  # `name=7` is text where text is wanted
        protected_namespaces=(),  # `model_...` is an ordinary name here
    )


class NotHashed:
    """Marks a field that changes where or how fast a run works, not what it produces (`out`, workers, logging)."""


HOW = NotHashed()
"""`workers: Annotated[int, HOW] = 1` keeps a field out of `config_hash`."""


def _split_commas(value: Any) -> Any:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


CommaList = Annotated[list[str], BeforeValidator(_split_commas)]
"""A list that the command line may give as `a,b,c`."""

C = TypeVar("C", bound=RunConfig)


class ConfigError(ValueError):
    """A configuration that cannot be used; the message is the one line the user sees."""


class _Loader(yaml.SafeLoader):
    """YAML in which 1e-6 is a number (YAML 1.1 as PyYAML reads it takes it for text) and `no`, `on` are words."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, regex) for tag, regex in pairs if tag not in ("tag:yaml.org,2002:float", "tag:yaml.org,2002:bool")]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d[\d_]*\.[\d_]*([eE][-+]?\d+)?|\d[\d_]*[eE][-+]?\d+|\.\d[\d_]*([eE][-+]?\d+)?|\.(inf|nan))$"),
    list("-+0123456789."),
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(true|True|false|False)$"), list("tTfF"))


def read_yaml(text: str) -> Any:
    """Parse YAML with plain scientific notation as numbers.

    >>> read_yaml("[1e-6, 3, on, true]")
    [1e-06, 3, 'on', True]
    """
    return yaml.load(text, _Loader)


def load(config_class: type[C], files: Sequence[str | Path] = (), overrides: Mapping[str, Any] | None = None) -> C:
    """Build a config from YAML files, the later over the earlier, and dotted overrides over both.

    Raises:
        ConfigError: a file is missing or no mapping, a key is unknown, a value does not fit.
    """
    values: Values = {}
    for file in files:
        try:
            document = read_yaml(Path(file).read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"cannot read {file}: {error.strerror}") from None
        except yaml.YAMLError as error:
            raise ConfigError(f"{file} is no valid YAML: {' '.join(str(error).split())}") from None
        if document is not None and not isinstance(document, dict):
            raise ConfigError(f"{file} holds no mapping of keys to values")
        values = _merge(values, document or {})
    for key, value in (overrides or {}).items():
        _set(values, _spelled_key(key), value)
    try:
        return config_class.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(error, config_class, values)) from None


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


def to_yaml(config: RunConfig) -> str:
    """The resolved config as YAML that loads back to an equal config."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=120)


def config_hash(config: RunConfig) -> str:
    """16 hex digits that change when, and only when, a field changes that shapes the output (see `HOW`)."""
    text = json.dumps(_hashed(config), sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


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
        for model in _models_in(field.annotation):
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


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in _models_in(part)]


def _hashed(value: Any) -> Any:
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return {
            name: _hashed(getattr(value, name))
            for name, field in fields.items()
            if not any(isinstance(mark, NotHashed) for mark in field.metadata)
        }
    if isinstance(value, Mapping):
        return {key: _hashed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hashed(item) for item in value]
    return value


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
    field = config_class.model_fields.get(_spelled_key(key))
    return field is not None and field.annotation is bool


def _spelled_key(key: str) -> str:
    return key.replace("-", "_")


def _value(text: str) -> Any:
    try:
        value = read_yaml(text)
    except yaml.YAMLError:
        return text
    # A date, or `a: b` typed as one word, is text to whoever typed it on a command line.
    return value if isinstance(value, bool | int | float | str | list | dict | types.NoneType) else text


def _merge(base: Values, over: Values) -> Values:
    merged = dict(base)
    for raw_key, value in over.items():
        key = _spelled_key(str(raw_key))
        both = isinstance(merged.get(key), dict) and isinstance(value, dict)
        # A union member of another kind replaces the whole block: its fields mean nothing to the new kind.
        if both and ("kind" not in value or value["kind"] == merged[key].get("kind")):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _set(values: Values, key: str, value: Any) -> None:
    *path, last = key.split(".")
    target: Any = values
    for depth, part in enumerate(path):
        if isinstance(target, list):
            target = target[_index(target, part, key)]
            continue
        if isinstance(target.get(part), str):
            target[part] = {"kind": target[part]}  # `engine=server engine.url=...`
        following = [*path, last][depth + 1]
        if not isinstance(target.get(part), dict | list):
            if following.isdigit():
                raise ConfigError(f"{key}: there is no list {part!r} to reach into")
            target[part] = {}
        target = target[part]
    if isinstance(target, list):
        target[_index(target, last, key)] = value
    else:
        target.update(_merge(target, {last: value}))


def _index(items: list[Any], part: str, key: str) -> int:
    if not part.isdigit() or int(part) >= len(items):
        raise ConfigError(f"{key}: {part!r} is no index into a list of {len(items)}")
    return int(part)


def _explain(error: ValidationError, config_class: type[BaseModel], values: Values) -> str:
    """One line for the first thing that is wrong, unknown keys first: they often explain the rest."""
    problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    problem = problems[0]
    # Pydantic puts a union member's tag into the path; the user never typed it.
    where = _typed_path(problem["loc"], values)
    if problem["type"] == "extra_forbidden":
        names = _names_at(config_class, where[:-1])
        near = difflib.get_close_matches(where[-1], names, n=1, cutoff=0.5)
        hint = f", did you mean {near[0]!r}?" if near else ""
        return f"unknown key {'.'.join(where)!r}{hint}"
    if problem["type"] == "missing":
        return f"{'.'.join(where)} is required"
    message = problem["msg"].removeprefix("Value error, ")
    if not where:
        return message
    given = problem["input"]
    shown = f", not {given!r}" if isinstance(given, str | int | float | bool | types.NoneType) else ""
    return f"{'.'.join(where)}: {message}{shown}"


def _typed_path(location: Sequence[int | str], values: Any) -> list[str]:
    path: list[str] = []
    current = values
    for position, part in enumerate(location):
        if isinstance(part, int):
            inside = isinstance(current, list) and part < len(current)
            current = current[part] if inside else None
        elif isinstance(current, dict) and part in current:
            current = current[part]
        elif position < len(location) - 1:
            continue  # a tag
        path.append(str(part))
    return path


def _names_at(config_class: type[BaseModel], path: Sequence[str]) -> list[str]:
    models: list[type[BaseModel]] = [config_class]
    for part in path:
        if part.isdigit():
            continue
        models = [
            inner
            for model in models
            if part in model.model_fields
            for inner in _models_in(model.model_fields[part].annotation)
        ]
    return [name for model in models for name in model.model_fields]
