"""Where a model folder keeps its templates and special tokens; writing the new folder."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

LINKED_BYTES = 1 << 20
"""Files from this size on are weights, which are linked; smaller ones are copied, so that nobody edits both."""


def template_files(folder: Path) -> dict[str, str]:
    """Every chat template of a model folder by where it stands: a file's name, or `tokenizer_config.json#NAME`.

    Raises:
        ValueError: there is none.
    """
    files = [folder / "chat_template.jinja", *sorted(folder.glob("chat_templates/*.jinja"))]
    found = {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in files if path.is_file()}
    inside = _read_json(folder / "tokenizer_config.json").get("chat_template")
    if isinstance(inside, str):
        found["tokenizer_config.json#"] = inside
    for entry in inside if isinstance(inside, list) else []:
        found[f"tokenizer_config.json#{entry['name']}"] = entry["template"]
    if not found:
        raise ValueError(f"{folder} has no chat template; a base model's tokenizer may lack one")
    return found


def special_tokens(folder: Path) -> dict[str, int]:
    """Ids of added tokens by their text."""
    tokens = {entry["content"]: entry["id"] for entry in _read_json(folder / "tokenizer.json").get("added_tokens", [])}
    decoder = _read_json(folder / "tokenizer_config.json").get("added_tokens_decoder", {})
    return tokens | {entry["content"]: int(number) for number, entry in decoder.items()}


def token_of(folder: Path, name: str) -> str:
    """The text of a special token of a model folder; empty if it has none."""
    value = _read_json(folder / "tokenizer_config.json").get(name)
    return (value.get("content") if isinstance(value, dict) else value) or ""


def set_end(source: Path, target: Path, end: str) -> None:
    """The end token in the tokenizer's files, and its id beside those of the generation config."""
    number = special_tokens(source).get(end)
    if number is None:
        raise ValueError(f"{end!r} is no special token of {source}; give another --eos")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        values = _read_json(target / name)
        if values:
            values["eos_token"] = end
            write_json(target / name, values)
    generation = _read_json(target / "generation_config.json")
    old = generation.get("eos_token_id", _read_json(target / "config.json").get("eos_token_id"))
    known = old if isinstance(old, list) else [old] if old is not None else []
    generation["eos_token_id"] = [number, *(one for one in known if one != number)]
    write_json(target / "generation_config.json", generation)


def copy_folder(source: Path, target: Path, templates: set[str], *, link: bool) -> None:
    """Copy a model folder, large files as links."""
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if not path.is_file() or str(name) in templates:
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        if link and path.stat().st_size >= LINKED_BYTES:
            _link(path.resolve(), target / name)
        else:
            shutil.copyfile(path, target / name)


def _link(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except OSError:  # another file system: refer to it instead
        target.symlink_to(path)


def write_template(source: Path, target: Path, name: str, text: str) -> None:
    """Put a chat template where the folder keeps its own."""
    file, inside, key = name.partition("#")
    if not inside:
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        (target / file).write_text(text, encoding="utf-8")
        return
    values = _read_json(target / file)
    if key:
        values["chat_template"] = [
            {**entry, "template": text} if entry["name"] == key else entry for entry in values["chat_template"]
        ]
    else:
        values["chat_template"] = text
    write_json(target / file, values)


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write a JSON file of a model folder."""
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
