"""A chat template around another one: what a conversation becomes before the original renders it, and what follows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BEGIN = "{#- think-aware template begins -#}"
ORIGINAL = "{#- original template begins #}"
END = "{# original template ends -#}"

THINK = "<think>"


@dataclass(frozen=True)
class Options:
    """What is added to a template."""

    system: str
    """System turn of conversations without one; none if empty."""

    open_think: bool
    """Write `<think>` behind the generation prompt."""

    system_in_user: bool = False
    """The template takes no system turn: put its text before the first user's."""


# The conversation is rewritten before the original template sees it. History keeps no thinking, as models that think
# are trained; a last answer without the tag that its prompt held gets it back, so that prompt and answer join.
HISTORY = """{%- set think = namespace(turns=[], last_user=-1) -%}
{%- for turn in messages -%}
{%- if turn.role == 'user' -%}{%- set think.last_user = loop.index0 -%}{%- endif -%}
{%- endfor -%}
{%- for turn in messages -%}
{%- if turn.role == 'assistant' and turn.content is string and '</think>' in turn.content -%}
{%- if loop.index0 < think.last_user -%}
{%- set think.turns = think.turns + [dict(turn, content=turn.content.split('</think>')[-1].lstrip('\\n'))] -%}
{%- elif OPEN_THINK and '<think>' not in turn.content -%}
{%- set think.turns = think.turns + [dict(turn, content='<think>\\n' + turn.content)] -%}
{%- else -%}
{%- set think.turns = think.turns + [turn] -%}
{%- endif -%}
{%- else -%}
{%- set think.turns = think.turns + [turn] -%}
{%- endif -%}
{%- endfor -%}
{%- set messages = think.turns -%}
"""
SYSTEM_TURN = """{%- if messages[0].role != 'system' -%}
{%- set messages = [{'role': 'system', 'content': SYSTEM}] + messages -%}
{%- endif -%}
"""
SYSTEM_IN_USER = """{%- if messages[0].role == 'user' and messages[0].content is string -%}
{%- set messages = [dict(messages[0], content=SYSTEM + '\\n\\n' + messages[0].content)] + messages[1:] -%}
{%- endif -%}
"""
OPENING = """{%- if add_generation_prompt and (enable_thinking is not defined or enable_thinking) -%}
{{- '<think>\\n' -}}
{%- endif -%}"""


def wrapped(template: str, options: Options) -> str:
    """A template with the options around it; the original stands in it as it was."""
    system = (SYSTEM_IN_USER if options.system_in_user else SYSTEM_TURN) if options.system else ""
    head = HISTORY.replace("OPEN_THINK", "true" if options.open_think else "false")
    head += system.replace("SYSTEM", _literal(options.system))
    body = template.removesuffix("\n")  # Jinja drops a template's last line break; here it would not be the last
    return f"{BEGIN}\n{head}{ORIGINAL}{body}{END}{OPENING if options.open_think else ''}"


def unwrapped(template: str) -> str:
    """The original of a wrapped template; any other as it is."""
    if not has_marker(template):
        return template
    return template.partition(ORIGINAL)[2].rpartition(END)[0]


def has_marker(template: str) -> bool:
    """Whether a template was made by `wrapped`."""
    return template.startswith(BEGIN) and ORIGINAL in template and END in template


def rendered(template: str, arguments: Mapping[str, Any], tokens: Mapping[str, str]) -> tuple[str, str]:
    """What a template writes, and an error in one line if it refuses or is no template.

    Args:
        template: Jinja as transformers renders it.
        arguments: `messages`, and what else the template is given.
        tokens: `bos_token` and `eos_token`.
    """
    import jinja2
    from transformers.utils.chat_template_utils import render_jinja_template

    options = {name: value for name, value in arguments.items() if name not in ("messages", "tools")}
    try:
        texts, _ = render_jinja_template(
            [list(arguments["messages"])], tools=arguments.get("tools"), chat_template=template, **options, **tokens
        )
    except (jinja2.TemplateError, TypeError) as error:
        return "", " ".join(str(error).split())
    return texts[0], ""


def opens_think(template: str, tokens: Mapping[str, str]) -> bool:
    """Whether a template's generation prompt ends with an open `<think>`."""
    arguments = {"messages": [{"role": "user", "content": "q"}], "add_generation_prompt": True}
    return rendered(template, arguments, tokens)[0].rstrip().endswith(THINK)


def system_is_refused(template: str, tokens: Mapping[str, str]) -> bool:
    """Whether a template raises at a system turn, or leaves its text out."""
    turns = [{"role": "system", "content": "SYSTEM TEXT"}, {"role": "user", "content": "q"}]
    return "SYSTEM TEXT" not in rendered(template, {"messages": turns}, tokens)[0]


def _literal(text: str) -> str:
    """A text as a Jinja string."""
    return json.dumps(text, ensure_ascii=False)
