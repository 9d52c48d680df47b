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

from collections.abc import Sequence

from common.command import entry_point, parse, usage_errors
from rl.chat_template.convert import ChatTemplateConfig, convert

SHORT = {"-i": "--input", "-o": "--output", "--copy": "--copy-weights", "--no-open-think": "--open-think=false"}


@entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Read the command line, write the folder, print what changed."""
    config = parse(
        ChatTemplateConfig,
        __doc__,
        argv,
        short=SHORT,
        plan=lambda config: {"reads": config.input, "writes": config.output or f"{config.input}-think"},
    )
    with usage_errors():
        print(convert(config))  # noqa: T201 - the command's output


if __name__ == "__main__":
    main()
