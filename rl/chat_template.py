"""Make a model folder whose chat template asks for thinking and opens it: `<think>` ends every prompt.

Usage:
    python -m rl.chat_template -i Qwen2.5-7B -o Qwen2.5-7B-think
    python -m rl.chat_template -i IN --system "Think, then answer." --no-open-think --eos "<|im_end|>" --copy

OUT (default: IN-think) is IN with another template, end token and generation config; large files are hard links unless
`--copy`. With the template, a conversation without a system turn gets one that asks for thinking (in the first user
turn where the template takes no system turn), earlier answers lose their thinking, the prompt ends with `<think>`, and
a completion, which then holds only `</think>`, gets its `<think>` back when it becomes a turn. The original template
stays inside the new one, untouched. What changed is printed as rendered; where nothing does, that is a mistake. A
folder made by this command is made anew from its original template, so that twice is once; a template that opens
thinking by itself is left alone.
"""

import difflib
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from common.config import HOW, RunConfig, parse, usage_errors
from rl.think_template import Options, has_marker, opens_think, rendered, system_is_refused, unwrapped, wrapped

SYSTEM = "Answer after thinking step by step inside <think> </think> tags."

LINKED_BYTES = 1 << 20
"""Files from this size on are weights, which are linked; smaller ones are copied, so that nobody edits both."""

CASES: dict[str, dict[str, Any]] = {
    "one turn": {"messages": [{"role": "user", "content": "2 + 2?"}], "add_generation_prompt": True},
    "own system turn": {
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2?"}],
        "add_generation_prompt": True,
    },
    "several turns": {
        "messages": [
            {"role": "user", "content": "2 + 2?"},
            {"role": "assistant", "content": "<think>\nTwo and two.\n</think>\n\n4"},
            {"role": "user", "content": "And 3?"},
        ],
        "add_generation_prompt": True,
    },
    "an answer": {
        "messages": [
            {"role": "user", "content": "2 + 2?"},
            {"role": "assistant", "content": "Two and two.\n</think>\n\n4"},
        ],
        "add_generation_prompt": False,
    },
    "tools": {
        "messages": [{"role": "user", "content": "2 + 2?"}],
        "tools": [{"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {}}}],
        "add_generation_prompt": True,
    },
}
"""What is rendered before and after: template arguments by name."""


class ChatTemplateConfig(RunConfig):
    """A model folder with a think-aware chat template."""

    input: Annotated[str, HOW]
    """Model folder (`-i`)."""

    output: Annotated[str, HOW] = ""
    """Folder to write (`-o`); the input's name with `-think` if empty."""

    system: str | None = SYSTEM
    """System turn of conversations without one; none if empty or null."""

    open_think: bool = True
    """End prompts with `<think>`."""

    eos: str = ""
    """Token that ends an answer; if empty, the one that the template writes behind an assistant's turn."""

    copy_weights: Annotated[bool, HOW] = False
    """Copy large files (`--copy`) in place of linking them."""


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


def convert(config: ChatTemplateConfig) -> str:
    """Write the folder; returns the difference that the new template makes, as text.

    Raises:
        ValueError: the input is no model folder, the output is there already, or nothing would change.
    """
    source = Path(config.input)
    target = Path(config.output or f"{source}-think")
    if not (source / "tokenizer_config.json").is_file():
        raise ValueError(f"no model folder at {source}: tokenizer_config.json is missing")
    if target.resolve() == source.resolve() or (target.exists() and any(target.iterdir())):
        raise ValueError(f"{target} is there already; give another -o, or remove it")
    before = template_files(source)
    plain = {name: unwrapped(text) for name, text in before.items()}
    tokens = {name: _token(source, name) for name in ("bos_token", "eos_token")}
    after = {name: _new(text, config, tokens) for name, text in plain.items()}
    main = "chat_template.jinja" if "chat_template.jinja" in plain else next(iter(plain))
    end = config.eos or _end_of_turn(plain[main], tokens, source)
    if plain == after and end == tokens["eos_token"]:
        raise ValueError(f"nothing would change: the template of {source} does all of this already")
    differences = "\n".join(_difference(plain[name], after[name], tokens, name) for name in plain)
    _copy(source, target, set(before), link=not config.copy_weights)
    for name, text in after.items():
        _write_template(source, target, name, text)
    _set_end(source, target, end)
    record = {
        "think_open": any(opens_think(text, tokens) for text in after.values()),
        "system": config.system or "",
        "eos": end,
    }
    _write_json(target / "think_template.json", record)
    again = "made anew from its original template\n" if any(map(has_marker, before.values())) else ""
    return f"{again}{differences}\neos_token: {tokens['eos_token']} -> {end}"


def _new(text: str, config: ChatTemplateConfig, tokens: dict[str, str]) -> str:
    opens = opens_think(text, tokens)
    if opens and config.system == SYSTEM:
        return text  # it was made for thinking: only a system turn of one's own changes it
    options = Options(
        system=config.system or "",
        open_think=config.open_think and not opens,
        system_in_user=system_is_refused(text, tokens),
    )
    return wrapped(text, options) if options.open_think or options.system else text


def _difference(before: str, after: str, tokens: dict[str, str], name: str) -> str:
    """What every case renders to, before and after; a case that the original refuses is passed over.

    Raises:
        ValueError: the new template cannot render what the original can, or not with and without a prompt's end.
    """
    lines = []
    for case, arguments in CASES.items():
        old, error = rendered(before, arguments, tokens)
        if error:
            lines.append(f"{name}, {case}: the template itself refuses it ({error})")
            continue
        new, error = rendered(after, arguments, tokens)
        if error:
            raise ValueError(f"{name}, {case}: the new template cannot be rendered: {error}")
        changed = difflib.unified_diff(old.split("\n"), new.split("\n"), "before", "after", lineterm="", n=1)
        lines.append(f"{name}, {case}:\n" + "\n".join(f"  {line}" for line in changed))
    return "\n".join(lines)


def _end_of_turn(template: str, tokens: dict[str, str], folder: Path) -> str:
    """The special token behind an assistant's turn; the end token as it is where there is none."""
    arguments = {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "ANSWER"}]}
    text, _ = rendered(template, arguments, tokens)
    rest = text.rpartition("ANSWER")[2].lstrip()
    found = [token for token in _special_tokens(folder) if token and rest.startswith(token)]
    return max(found, key=len, default=tokens["eos_token"])


def _special_tokens(folder: Path) -> dict[str, int]:
    """Ids of added tokens by their text."""
    tokens = {entry["content"]: entry["id"] for entry in _read_json(folder / "tokenizer.json").get("added_tokens", [])}
    decoder = _read_json(folder / "tokenizer_config.json").get("added_tokens_decoder", {})
    return tokens | {entry["content"]: int(number) for number, entry in decoder.items()}


def _token(folder: Path, name: str) -> str:
    value = _read_json(folder / "tokenizer_config.json").get(name)
    return (value.get("content") if isinstance(value, dict) else value) or ""


def _set_end(source: Path, target: Path, end: str) -> None:
    """The end token in the tokenizer's files, and its id beside those of the generation config."""
    number = _special_tokens(source).get(end)
    if number is None:
        raise ValueError(f"{end!r} is no special token of {source}; give another --eos")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        values = _read_json(target / name)
        if values:
            values["eos_token"] = end
            _write_json(target / name, values)
    generation = _read_json(target / "generation_config.json")
    old = generation.get("eos_token_id", _read_json(target / "config.json").get("eos_token_id"))
    known = old if isinstance(old, list) else [old] if old is not None else []
    generation["eos_token_id"] = [number, *(one for one in known if one != number)]
    _write_json(target / "generation_config.json", generation)


def _copy(source: Path, target: Path, templates: set[str], *, link: bool) -> None:
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


def _write_template(source: Path, target: Path, name: str, text: str) -> None:
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
    _write_json(target / file, values)


def _read_json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _write_json(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


SHORT = {"-i": "--input", "-o": "--output", "--copy": "--copy-weights"}


def main(argv: Sequence[str] | None = None) -> None:
    """Read the command line, write the folder, print what changed."""
    arguments = [SHORT.get(word, word) for word in (sys.argv[1:] if argv is None else argv)]
    arguments = ["--open-think=false" if word == "--no-open-think" else word for word in arguments]
    config = parse(
        ChatTemplateConfig,
        __doc__,
        arguments,
        plan=lambda config: {"reads": config.input, "writes": config.output or f"{config.input}-think"},
    )
    with usage_errors():
        print(convert(config))  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
