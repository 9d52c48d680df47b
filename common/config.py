"""One typed config per run: field defaults < YAML files left to right < `key=value` on the command line.

A config is a pydantic class below `RunConfig`; the field's docstring is its help text. A dotted key reaches inside, a
number in it indexes a list, `-` is `_`. The command line itself is `common.command`.
"""

import difflib
import hashlib
import json
import os
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from common.runs.redaction import redacted
from common.shipped import found

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
        defer_build=True,  # validators are built when first wanted: `--help` wants none
    )


class NotHashed:
    """Marks a field that changes where or how fast a run works, not what it produces (`out`, workers, logging)."""


HOW = NotHashed()
"""`workers: Annotated[int, HOW] = 1` keeps a field out of `config_hash`."""


class Added:
    """Marks a field that shapes the output and came after people had work of this config on their disks.

    It enters `config_hash` only where it differs from the value that gives the bytes of before, so that a newer version
    still finds the work of an older one finished.

    Args:
        before: that value, where it is another one than the field's default.
    """

    def __init__(self, *before: Any) -> None:
        self.before = before


ADDED = Added()
"""`smoothing: Annotated[float, ADDED] = 0` leaves the hash of every config as it was that does not set the field.
`Annotated[float, Added(0.0)] = 0.1` does so where the default is a new behaviour and 0 is the old one."""


def _split_commas(value: Any) -> Any:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


CommaList = Annotated[list[str], BeforeValidator(_split_commas)]
"""A list that the command line may give as `a,b,c`."""


class Out:
    """Marks a field that names a file to write, or a folder: looked at before any work.

    Args:
        endings: what the file's name may end in; any ending if none is given.
        folder: it is a folder; None: it may be either.
        run: a run folder, which may hold what the run reads: its classifier, its export.
    """

    def __init__(self, *endings: str, folder: bool | None = False, run: bool = False) -> None:
        self.endings, self.folder, self.run = endings, folder, run


@dataclass(frozen=True)
class OutPlace:
    """The place of an output, as a config's field names it."""

    field: str
    path: str
    endings: tuple[str, ...]
    folder: bool | None
    run: bool = False

    def check_name(self) -> None:
        """Raises:
        ValueError: the ending is none that this output can have, or a folder stands where the file would.
        """
        if self.endings and not self.path.endswith(self.endings):
            raise ConfigError(f"{self.field}={self.path}: the name must end in {' or '.join(self.endings)}")
        path = Path(self.path)
        if self.folder and path.exists() and not path.is_dir():
            raise ConfigError(f"{self.field}={self.path} is a file; name a folder")
        if self.folder is False and path.is_dir():
            raise ConfigError(f"{self.field}={self.path} is a folder; name a file")

    def make_place(self) -> None:
        """Make the file's folder, and see that the file can be written.

        Raises:
            ValueError: it cannot.
        """
        if "://" in self.path:
            return  # an object store has no folders; its own errors come with the first write
        place = Path(self.path) if self.folder else Path(self.path).parent
        try:
            if not self.folder:  # a stage makes its own folder, when it has something to put there
                place.mkdir(parents=True, exist_ok=True)
            while not place.exists():
                place = place.parent
        except OSError as error:
            raise ConfigError(f"{self.field}={self.path}: {place} cannot be made ({error.strerror})") from None
        if not place.is_dir():
            raise ConfigError(f"{self.field}={self.path}: {place} is a file, not a folder")
        if not os.access(place, os.W_OK):
            raise ConfigError(f"{self.field}={self.path}: no permission to write into {place}")


def out_files(config: "RunConfig") -> Iterator[OutPlace]:
    """The outputs that a config names in fields marked `Out`; an empty name is none."""
    for name, described in type(config).model_fields.items():
        value = getattr(config, name)
        for mark in described.metadata:
            if isinstance(mark, Out) and isinstance(value, str) and value:
                yield OutPlace(name, value, mark.endings, mark.folder, mark.run)


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


def load(
    config_class: type[C],
    files: Sequence[str | Path] = (),
    overrides: Mapping[str, Any] | None = None,
    passes_over: type[RunConfig] | None = None,
) -> C:
    """Build a config from YAML files, the later over the earlier, and dotted overrides over both.

    Args:
        config_class: what to build.
        files: YAML files.
        overrides: values by dotted key.
        passes_over: another run's config: its keys may stand in the files, and those not known here are left out.

    Raises:
        ConfigError: a file is missing or no mapping, a key is unknown, a value does not fit.
    """
    values: Values = {}
    for file in files:
        try:
            document = read_yaml(Path(found(str(file))).read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"cannot read {file}: {error.strerror}") from None
        except yaml.YAMLError as error:
            raise ConfigError(f"{file} is no valid YAML: {' '.join(str(error).split())}") from None
        if document is not None and not isinstance(document, dict):
            raise ConfigError(f"{file} holds no mapping of keys to values")
        values = _merge(values, document or {})
    if passes_over is not None:
        foreign = set(passes_over.model_fields) - set(config_class.model_fields)
        values = {key: value for key, value in values.items() if key not in foreign}
    for key, value in (overrides or {}).items():
        _set(values, spelled_key(key), value)
    try:
        return config_class.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(error, config_class, values)) from None


def to_yaml(config: RunConfig) -> str:
    """The resolved config as YAML that loads back to an equal config, but for secrets, which are hidden."""
    return yaml.safe_dump(redacted(config.model_dump(mode="json")), sort_keys=False, allow_unicode=True, width=120)


def config_hash(config: RunConfig) -> str:
    """16 hex digits that change when, and only when, a field changes that shapes the output.

    Fields marked `HOW` do not count, and those marked `ADDED` only where they are not as before.
    """
    text = json.dumps(shaping_values(config), sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def shaping_values(config: RunConfig) -> dict[str, Any]:
    """The fields that enter `config_hash`, with their values."""
    return dict(_hashed(config))


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The config classes that a field's type names, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in models_in(part)]


def _hashed(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return {
            name: _hashed(getattr(value, name))
            for name, field in type(value).model_fields.items()
            if _counts(field, getattr(value, name))
        }
    if isinstance(value, Mapping):
        return {key: _hashed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hashed(item) for item in value]
    return value


def _counts(field: FieldInfo, value: Any) -> bool:
    """Whether a field's value enters the hash."""
    for mark in field.metadata:
        if isinstance(mark, NotHashed):
            return False
        if isinstance(mark, Added):
            before = mark.before[0] if mark.before else field.get_default(call_default_factory=True)
            return _hashed(value) != _hashed(before)
    return True


def spelled_key(key: str) -> str:
    """A key as the command line spells it."""
    return key.replace("-", "_")


def _merge(base: Values, over: Values) -> Values:
    merged = dict(base)
    for raw_key, value in over.items():
        key = spelled_key(str(raw_key))
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
            for inner in models_in(model.model_fields[part].annotation)
        ]
    return [name for model in models for name in model.model_fields]


def read_mapping(path: Path) -> dict[str, Any]:
    """A JSON or YAML file that holds a mapping.

    Raises:
        ValueError: it cannot be read or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8")
        value = json.loads(text) if path.suffix == ".json" else read_yaml(text)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds no mapping of keys to values")
    return value
