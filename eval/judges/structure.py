"""An LLM judge that says whether a rephrasing kept the form of its document (arXiv:2510.10681: Qwen3-4B, 0 or 1).

The wording and the worked examples are ours, after the published protocol: formatting, style and presentation only,
meaning ignored, an answer of one digit.
"""

from collections.abc import Sequence

from eval.judges.judge import Judge, JudgeConfig, Message
from eval.judges.reading import read_choice

SYSTEM = (
    "You compare the form of two texts. Judge formatting, style and presentation only: division into paragraphs, lists,"
    " tables, JSON, code blocks, Markdown or plain text. What the texts say does not matter. Answer 1 if both have the"
    " same form, 0 if not, and nothing else. /no_think"
)

EXAMPLES = (
    (
        "The fair opens on Friday.\n\nTickets are sold at the gate.",
        "On Friday the fair opens.\n\nBuy tickets there.",
        "1",
    ),
    ("To pack:\n- tent\n- lamp\n- rope", "To pack: a tent, a lamp and a rope.", "0"),
    ('{"city": "Oslo", "open": true}', '{"city": "Oslo", "is_open": true}', "1"),
    ("x = 3\nprint(x)", "```python\nx = 3\nprint(x)\n```", "0"),
)


def conversation(organic: str, rephrased: str) -> list[Message]:
    """The judge's chat: instruction, four worked examples as turns, then the pair; both texts whole."""
    turns: list[Message] = [{"role": "system", "content": SYSTEM}]
    for first, second, verdict in EXAMPLES:
        turns.append({"role": "user", "content": _pair(first, second)})
        turns.append({"role": "assistant", "content": verdict})
    return [*turns, {"role": "user", "content": _pair(organic, rephrased)}]


def _pair(first: str, second: str) -> str:
    return f"First text:\n{first}\n\nSecond text:\n{second}\n\nSame form (1 or 0)?"


def read_verdict(answer: str | None) -> float | None:
    """1 or 0 as the answer states it; else None (the original takes its last character, and 0 for any other).

    >>> [read_verdict(text) for text in ("1", "Answer: 0", "10", "yes")]
    [1.0, 0.0, None, None]
    """
    found = read_choice(answer, "01").value
    return None if found is None else float(found)


class StructureJudge:
    """Asks the judge about pairs; an answer that is neither 0 nor 1 is asked for once more."""

    def __init__(self, config: JudgeConfig) -> None:
        self.judge = Judge(config)

    def verdicts(self, pairs: Sequence[tuple[str, str]]) -> tuple[list[float | None], list[str]]:
        """[B] 1, 0 or None, and [B] why None."""
        values: list[float | None] = [None] * len(pairs)
        reasons = [""] * len(pairs)
        waiting = list(range(len(pairs)))
        for attempt in range(2):
            replies = self.judge.ask([conversation(*pairs[row]) for row in waiting], ("0", "1"), seed=attempt)
            for row, reply in zip(waiting, replies, strict=True):
                values[row] = read_verdict(reply.text)
                reasons[row] = "" if values[row] is not None else reply.reason or "unreadable"
            waiting = [row for row in waiting if reasons[row] == "unreadable"]
        return values, reasons
