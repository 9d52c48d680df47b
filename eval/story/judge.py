"""Let a language model compare chapters pairwise, in the annotators' form: `python -m eval.story judge`.

Each pair is shown in both orders; an aspect is won by the chapter that wins in both, else the verdict is `same`. The
published protocol has people as judges: this is a stand-in to look at before asking them, not their replacement.
"""

import csv
import re
from pathlib import Path
from typing import Annotated, Any

from common.config import HOW, Out, RunConfig
from eval.judges.judge import Judge, JudgeConfig
from eval.story.generate import read_limited
from eval.story.pairwise import ASPECTS, TIE

QUESTIONS = {
    "plot": "has the better plot",
    "character": "has the better characters",
    "creativity": "is more creative",
    "development": "develops the story better",
    "language": "has the better language",
    "overall_quality": "is better overall",
}

PROMPT = (
    "Below are two versions of the next chapter of a story, and what is known of the story.\n\n{story}\n\n"
    "### Chapter A\n{first}\n\n### Chapter B\n{second}\n\n### Question\nWhich chapter {question}? Answer with one "
    "letter: A, B, or C if neither."
)


class PairwiseConfig(RunConfig):
    """Compare the chapters of two models."""

    rows: str
    """Rows with `messages`, which hold the story."""

    first: str
    """Chapters of one model: output of `continue`; its name in the results is the file's."""

    second: str
    """Chapters of the other."""

    out: Annotated[str, HOW, Out()]
    """Annotation CSV, for `winrate`."""

    judge: JudgeConfig
    """The server that judges."""


def verdict(there: str | None, back: str | None, names: tuple[str, str]) -> str | None:
    """The winner of a pair shown in both orders: a name, `same` where the orders differ, None where one has no answer.

    >>> verdict("A", "B", ("x", "y")), verdict("A", "A", ("x", "y")), verdict("C", None, ("x", "y"))
    ('x', 'same', None)
    """
    if there is None or back is None:
        return None
    here = {"A": names[0], "B": names[1]}.get(there, TIE)
    again = {"A": names[1], "B": names[0]}.get(back, TIE)
    return here if here == again else TIE


def letter(text: str | None) -> str | None:
    """The verdict of a reply: its last A, B or C that stands alone; None without one."""
    found = re.findall(r"\b[ABC]\b", text or "")
    return found[-1] if found else None


def judge_pairs(config: PairwiseConfig) -> dict[str, Any]:
    """Write the annotations; returns pairs, and verdicts that could not be had, which are not written.

    Raises:
        ValueError: the two have no chapter of the same row and number.
    """
    stories = {row["id"]: row["messages"][-1]["content"] for row in read_limited(config.rows)}
    names = (Path(config.first).stem, Path(config.second).stem)
    chapters = [
        {(row["id"], row["number"]): row["completion"] for row in read_limited(path)}
        for path in (config.first, config.second)
    ]
    pairs = [key for key in chapters[0] if key in chapters[1] and key[0] in stories]
    if not pairs:
        raise ValueError(f"{config.first} and {config.second} share no chapter of {config.rows}")
    asked = [
        [{"role": "user", "content": PROMPT.format(story=stories[key[0]], first=a, second=b, question=question)}]
        for key in pairs
        for question in QUESTIONS.values()
        for a, b in ((chapters[0][key], chapters[1][key]), (chapters[1][key], chapters[0][key]))
    ]
    with Judge(config.judge) as judge:
        replies = iter([letter(reply.text) for reply in judge.ask(asked, choices=("A", "B", "C"))])
    rows = []
    for key in pairs:
        found = {aspect: verdict(next(replies), next(replies), names) for aspect in QUESTIONS}
        rows.append({**found, "options": ",".join(sorted(names)), "texts": f"{key[0]}#{key[1]}"})
    whole = [row for row in rows if None not in row.values()]
    with Path(config.out).open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, [*ASPECTS, "options", "texts"])
        writer.writeheader()
        writer.writerows(whole)
    return {"pairs": len(rows), "written": len(whole), "without_verdict": len(rows) - len(whole)}
