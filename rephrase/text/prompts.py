"""Prompts for rephrasing web text: a name, a text and a system line become chat messages.

Every prompt is one user turn: the instruction first, so that all requests share a prefix that an engine can cache,
then the text, then the request that the answer begin with the sentinel. The wording is ours, written from the gist of
the papers; to match a released checkpoint to the letter, give its text in a prompt file (`read_prompt_file`).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from rephrase.text.lines import DROP, EDITS, MARK, number_lines, show

SENTINEL = "Here is a paraphrased version:"
"""A completion's text is what follows this line."""

TEXT_SLOT = "{text}"

MARKED = 64
"""Numbers of lines that a small model's tokenizer holds as one entry each."""

Message = dict[str, str]
T = TypeVar("T")
PromptName = Literal[
    "repro",
    "wrap_wikipedia",
    "wrap_terse",
    "wrap_simple",
    "wrap_qa",
    "rewire",
    "nemotron_wikipedia",
    "nemotron_diverse_qa",
    "nemotron_distill",
    "nemotron_extract",
    "nemotron_list",
    "edit_lines",
]
Form = Literal["text", "edits"]
SystemName = Literal["assistant", "paraphraser", "none"]

SYSTEMS: dict[str, str] = {
    # In our words; the original trains and infers with a line of this content (arXiv:2510.10681).
    "assistant": (
        "A curious user is talking with an AI assistant, "
        "which answers every question helpfully, politely and in detail."
    ),
    # The line of the released model card; which of the two is more faithful is unpublished.
    "paraphraser": "You are an assistant that paraphrases texts faithfully and clearly.",
    "none": "",
}

NO_THINK = " /no_think"
"""Qwen3's switch, at the end of the system line: the completion then opens with an empty think block."""


@dataclass(frozen=True)
class Prompt:
    """A user turn in two fixed parts around the text."""

    head: str
    """Instruction, up to where the text begins."""

    tail: str
    """What follows the text."""

    numbered: bool = False
    """Show the text as numbered lines (`rephrase.text.lines`); the answer then is edits, not a text."""

    def fill(self, text: str) -> str:
        """The user turn for one text; the text itself is never read as a template."""
        return f"{self.head}{show(number_lines(text)) if self.numbered else text}{self.tail}"

    @classmethod
    def parse(cls, template: str) -> "Prompt":
        """Split a template at its one `{text}`.

        Raises:
            ValueError: the slot is missing or there is more than one.
        """
        head, slot, tail = template.partition(TEXT_SLOT)
        if not slot or TEXT_SLOT in tail:
            raise ValueError(
                f"a prompt needs {TEXT_SLOT} exactly once, this one has it {template.count(TEXT_SLOT)} times"
            )
        return cls(head, tail)


def messages(
    text: str,
    name: str = "repro",
    system: str = "assistant",
    *,
    no_think: bool = False,
    prompt: Prompt | None = None,
) -> list[Message]:
    """Chat messages that ask for a rephrasing of `text`.

    Args:
        text: the document or chunk.
        name: a prompt of `PROMPTS`.
        system: a system line of `SYSTEMS`; `none` leaves the system turn out.
        no_think: append Qwen3's ` /no_think` to the system line.
        prompt: used in place of the named one (see `read_prompt_file`).

    Raises:
        ValueError: there is no prompt or system line of that name.
    """
    line = _look_up(SYSTEMS, system, "system line") + (NO_THINK if no_think else "")
    turn = (prompt or _look_up(PROMPTS, name, "prompt")).fill(text)
    opening = [{"role": "system", "content": line.strip()}] if line else []
    return [*opening, {"role": "user", "content": turn}]


def answer(text: str) -> Message:
    """The assistant turn that supervised training aims at: sentinel, blank line, rephrasing."""
    return {"role": "assistant", "content": f"{SENTINEL}\n\n{text}"}


def answer_form(name: str, prompt_file: str | None = None) -> Form:
    """What an answer to a prompt is: a text after the sentinel, or edits of the lines that the request numbers."""
    prompt = PROMPTS.get(name)  # rows of conversations bring their own: no name
    return "edits" if not prompt_file and prompt is not None and prompt.numbered else "text"


def read_prompt_file(path: str | Path) -> Prompt:
    """A prompt from a text file that holds `{text}` where the document goes.

    Raises:
        ValueError: the slot is missing or there is more than one.
    """
    return Prompt.parse(Path(path).read_text(encoding="utf-8"))


def fixed_parts(names: Iterable[str] = ("repro",)) -> list[str]:
    """The texts that stand in every request for these prompts: heads, tails, system lines, the switch, the sentinel.

    A tokenizer that holds each as one entry (`pretrain.tokenizer`) makes a small model's prompts short.
    """
    parts = [part.strip() for name in names for part in (PROMPTS[name].head, PROMPTS[name].tail)]
    if any(PROMPTS[name].numbered for name in names):
        parts += [EDITS, f" {DROP}", *(MARK.format(number=number) for number in range(1, MARKED + 1))]
    return list(dict.fromkeys([*parts, *(line for line in SYSTEMS.values() if line), NO_THINK.strip(), SENTINEL]))


def _look_up(table: dict[str, T], name: str, what: str) -> T:
    if name not in table:
        raise ValueError(f"no {what} {name!r}; there are {', '.join(table)}")
    return table[name]


def _prompt(instruction: str, request: str) -> Prompt:
    return Prompt(f"{instruction}\n\nText:\n", f"\n\n{request} Begin your answer at once with: {SENTINEL}")


PROMPTS: dict[str, Prompt] = {
    # arXiv:2510.10681, the prompt of both RL and inference.
    "repro": _prompt(
        "Rewrite the web page text below under these rules.\n"
        "1. Delete what clearly does not belong to its content: site headers and menus, links to unrelated pages, "
        "generic footers, decorative separators.\n"
        "2. Keep everything informative, side remarks and context included: every term, fact, line of reasoning and "
        "example.\n"
        "3. Where a sentence mixes both, remove only the irrelevant fragment; remove the whole sentence only if what "
        "is left makes no sense.\n"
        "4. Do not change the meaning of the content without need; keep its structure, its logic and its depth.\n"
        "5. Add nothing that the text does not say.",
        "Now give a high-quality paraphrase of this text in clear English.",
    ),
    # arXiv:2401.16380 (WRAP): four styles.
    "wrap_wikipedia": _prompt(
        "Rewrite the text below in high-quality English prose, in the neutral style of an encyclopedia article.",
        "Now give the encyclopedic version.",
    ),
    "wrap_terse": _prompt(
        "Rewrite the text below in terse, scholarly language, using precise and unusual terms where they fit.",
        "Now give the scholarly version.",
    ),
    "wrap_simple": _prompt(
        "Rewrite the text below with very simple words and short sentences that a small child understands.",
        "Now give the simple version.",
    ),
    "wrap_qa": _prompt(
        "Turn the text below into a conversation of questions and answers, each question marked 'Question:' and each "
        "answer marked 'Answer:'.",
        "Now give the questions and answers.",
    ),
    # arXiv:2506.04689 (ReWire): reason, plan, then write.
    "rewire": _prompt(
        "The text below is a draft that can be improved. First work out what it is for, whom it serves, what it says "
        "and what is missing or unclear. Then plan how an expert would write it. Then write the improved version, "
        "complete and self-contained.",
        "Think first; then give the improved version.",
    ),
    # arXiv:2412.02595 (Nemotron-CC): the first for low-quality pages, the others for high-quality ones.
    "nemotron_wikipedia": _prompt(
        "Paraphrase the text below in diverse, high-quality English sentences as they would stand in Wikipedia.",
        "Now give the Wikipedia-style version.",
    ),
    "nemotron_diverse_qa": _prompt(
        "Read the text below and write up to eight question and answer pairs about it. Vary the kinds of question: yes "
        "or no, open-ended, multiple choice, comparison, reading comprehension, problem solving. Ask only what the "
        "text answers, and keep each answer short and clear.",
        "Now give the question and answer pairs.",
    ),
    "nemotron_distill": _prompt(
        "Rewrite the text below as a concise and clear passage. Keep the key information, concepts, numbers and "
        "technical terms; leave out what is not essential; add no remark of your own.",
        "Now give the concise passage.",
    ),
    "nemotron_extract": _prompt(
        "Rewrite the text below as passages that carry its knowledge. Pick out the parts with valuable facts, concepts "
        "and insights, leave the rest aside, and write each as a continuous passage that keeps the original detail.",
        "Now give the knowledge passages.",
    ),
    "nemotron_list": _prompt(
        "Read the text below and arrange its important facts, concepts and details as a well-ordered list with main "
        "entries and sub-entries.",
        "Now give the list.",
    ),
    # In the manner of arXiv:2409.17115 (ProX): decide per line, change nothing else.
    "edit_lines": Prompt(
        "Below is the text of a web page in numbered lines. Judge each line.\n"
        "1. Drop what does not belong to the page's content: menus, headers, footers, badges, lists of links, contents "
        "tables, notices, adverts, buttons, decorative lines.\n"
        "2. Keep everything else as it stands, side remarks, headings and lists included.\n"
        "3. Where such a fragment stands inside a line of content, cut only the fragment: quote it exactly.\n\n"
        "Text:",
        "\n\nAnswer with one line per numbered line: its number in brackets and then keep, or drop, or cut and the "
        f"fragment. Begin your answer at once with: {EDITS}",
        numbered=True,
    ),
}
"""The registry: name to prompt."""
