"""What a model is asked about the next chapter of a story: to plan it, to write it, to write it by a plan.

Every prompt has one skeleton: what is given, the story's information, the next chapter's synopsis and header, the task.
A plan stands under `### Detailed Plan` at the end, where `eval.story.plans` puts it. The wording is ours; the parts
and
their order are those of VR-CLI (arXiv:2503.22828).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

Message = dict[str, str]
Datapoint = Mapping[str, Any]

SYSTEM = "You are an expert writing assistant who helps authors with their stories."

SECTIONS = {
    "high_level_plot_summary": "High-Level Plan",
    "prior_plot_summary": "Summary So Far",
    "character_sheets": "Character Sheets",
    "story_text": "Previous Chapter",
    "next_chapter_synopsis": "Next Chapter Synopsis",
    "next_chapter_header": "Next Chapter Header",
}
"""Fields of a datapoint in the order of a prompt, and their headings."""

GIVEN = "Below is information about a story: {parts}."

PLAN_TASK = (
    "Do not write the chapter yet. From {start}, work out step by step a more detailed plan of the next chapter. Each "
    "time you rest on the information above, quote it in <citation> </citation> tags with the name of its section, and "
    "follow it with what you conclude in <reasoning> </reasoning> tags. End with one detailed paragraph that begins "
    "with `In summary: ` and says what happens in the chapter."
)
WRITE_TASK = (
    "Use all the information above, and the detailed plan below if there is one, to write the next chapter. Begin with "
    "its header."
)
LENGTH_TASK = "Write at least {words} words, and put {end} on a line of its own after the last one."
END_OF_CHAPTER = "[END OF CHAPTER]"
TASK_HEADING = "\n\n### Task\n"


def story_information(datapoint: Datapoint) -> str:
    """The sections of a datapoint that are there, under their headings.

    >>> story_information({"story_text": "It rained.", "next_chapter_header": "Chapter 2"})
    '### Previous Chapter\\nIt rained.\\n\\n### Next Chapter Header\\nChapter 2'
    """
    found = []
    for field in SECTIONS:
        value = datapoint.get(field)
        if isinstance(value, dict):
            value = "\n\n".join(f"#### {name}\n{sheet}" for name, sheet in value.items())
        if value:
            found.append(f"### {SECTIONS[field]}\n{value}")
    return "\n\n".join(found)


def told_of(messages: Sequence[Mapping[str, str]]) -> str:
    """What a row's conversation tells of its story, without what it tells the writer to do.

    That is what stands between the introduction and the task; in a conversation of another form, the last
    turn of the user whole.
    """
    content = next((one["content"] for one in reversed(messages) if one["role"] == "user"), messages[-1]["content"])
    information, task, _ = content.rpartition(TASK_HEADING)
    if not task:
        return content
    begin = re.search(rf"^### (?:{'|'.join(map(re.escape, SECTIONS.values()))})\n", information, re.MULTILINE)
    return information[begin.start() :] if begin else information


def plan_messages(datapoint: Datapoint, *, system_role: bool = True) -> list[Message]:
    """The policy's prompt: reason about the next chapter and end with a plan."""
    start = "its synopsis and header" if datapoint.get("next_chapter_synopsis") else "its header and what came before"
    return _messages(datapoint, PLAN_TASK.format(start=start), system_role)


def chapter_messages(datapoint: Datapoint, *, system_role: bool = True, min_words: int = 0) -> list[Message]:
    """The prompt behind which a chapter is scored, or, with a least number of words, written."""
    task = f"{WRITE_TASK} {LENGTH_TASK.format(words=min_words, end=END_OF_CHAPTER)}" if min_words else WRITE_TASK
    return _messages(datapoint, task, system_role)


def _messages(datapoint: Datapoint, task: str, system_role: bool) -> list[Message]:
    present = [heading.lower() for field, heading in SECTIONS.items() if datapoint.get(field)]
    given = GIVEN.format(parts=", ".join(present))
    content = f"{given}\n\n{story_information(datapoint)}{TASK_HEADING}{task}"
    if system_role:
        return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}]
    return [{"role": "user", "content": f"{SYSTEM}\n\n{content}"}]
