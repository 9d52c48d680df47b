"""The folder with a think-aware template, and what it changes."""

import difflib
from pathlib import Path
from typing import Annotated, Any

from common.config import HOW, Out, RunConfig
from rl.chat_template.files import (
    copy_folder,
    set_end,
    special_tokens,
    template_files,
    token_of,
    write_json,
    write_template,
)
from rl.chat_template.template import Options, has_marker, opens_think, rendered, system_is_refused, unwrapped, wrapped

SYSTEM = "Answer after thinking step by step inside <think> </think> tags."


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

    output: Annotated[str, HOW, Out(folder=True)] = ""
    """Folder to write (`-o`); the input's name with `-think` if empty."""

    system: str | None = SYSTEM
    """System turn of conversations without one; none if empty or null."""

    open_think: bool = True
    """End prompts with `<think>`."""

    eos: str = ""
    """Token that ends an answer; if empty, the one that the template writes behind an assistant's turn."""

    copy_weights: Annotated[bool, HOW] = False
    """Copy large files (`--copy`) in place of linking them."""


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
    tokens = {name: token_of(source, name) for name in ("bos_token", "eos_token")}
    after = {name: _new(text, config, tokens) for name, text in plain.items()}
    main = "chat_template.jinja" if "chat_template.jinja" in plain else next(iter(plain))
    end = config.eos or _end_of_turn(plain[main], tokens, source)
    if plain == after and end == tokens["eos_token"]:
        opens = (
            "opens thinking by itself" if any(opens_think(text, tokens) for text in plain.values()) else "is as asked"
        )
        raise ValueError(
            f"nothing would change: the template of {source} {opens} and its answers end with {end!r}; a system turn "
            "of your own (--system TEXT) would be added"
        )
    differences = "\n".join(_difference(plain[name], after[name], tokens, name) for name in plain)
    copy_folder(source, target, set(before), link=not config.copy_weights)
    for name, text in after.items():
        write_template(source, target, name, text)
    set_end(source, target, end)
    record = {
        "think_open": any(opens_think(text, tokens) for text in after.values()),
        "system": config.system or "",
        "eos": end,
    }
    write_json(target / "think_template.json", record)
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
    found = [token for token in special_tokens(folder) if token and rest.startswith(token)]
    return max(found, key=len, default=tokens["eos_token"])
