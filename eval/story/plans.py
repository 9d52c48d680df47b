"""A plan in a completion, a plan in a conversation, and what it does to the likelihood of the gold text (VR-CLI)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from eval.likelihood.spans import THINK, THOUGHT, Tokenizer, chat_turn
from eval.likelihood.trunks import Branch, Trunk

Message = Mapping[str, Any]

MARKERS = ("In summary:", "In summary,", "Detailed Plan:")
"""The plan stands behind the last of each, looked for in this order."""

NEUTRAL_PLAN = "No plan is available."


def extract_plan(completion: str) -> str | None:
    """The plan that a completion ends in; None if nothing marks one.

    >>> extract_plan("First I think. In summary: go. In summary: stay "), extract_plan("I think.")
    ('stay', None)
    """
    plan = completion
    for marker in MARKERS:
        plan = plan.rpartition(marker)[2]
    return plan.strip() if any(marker in completion for marker in MARKERS) else None


def thinking_of(completion: str) -> str:
    """What stands between the thinking tags; up to `</think>` where the prompt opened them, all where there are none.

    >>> [thinking_of(text) for text in ("<think>3 + 8 = 11 </think> 11", "Go.</think> So go.", "<think></think> 5")]
    ['3 + 8 = 11', 'Go.', '']
    """
    _, opened, rest = completion.partition(THINK)
    return (rest if opened else completion).partition(THOUGHT)[0].strip()


def with_plan_block(messages: Sequence[Message], plan: str) -> list[dict[str, Any]]:
    """The conversation with a plan under a heading at the end of its last user turn; unchanged for an empty plan."""
    changed = [dict(message) for message in messages]
    if not plan:
        return changed
    users = [index for index, message in enumerate(messages) if message["role"] == "user"]
    if not users:
        raise ValueError("a conversation without a user turn has no place for a plan")
    changed[users[-1]]["content"] += f"\n\n### Detailed Plan\n{plan}"
    return changed


def gold_trunk(
    tokenizer: Tokenizer, context: Sequence[Message], plan: str, gold: str, *, score_closers: bool = True
) -> Trunk:
    """The gold text as the assistant's turn after a conversation with a plan (none if empty); its tokens are scored.

    Args:
        tokenizer: with a chat template.
        context: the turns before the gold.
        plan: goes into the last user turn.
        gold: the text whose likelihood is wanted.
        score_closers: score the tokens that end its turn too.
    """
    turn = chat_turn(tokenizer, with_plan_block(context, plan), gold)
    flags = [score_closers or text for text in turn.is_text]
    last = max(index for index, flag in enumerate(flags) if flag)
    return Trunk(turn.prefix, [Branch(len(turn.prefix), turn.ids[: last + 1], flags[: last + 1])])


def perplexity_gain(base: float, found: float) -> float:
    """Percent by which a text lowers the perplexity of what follows: `100 (1 - exp(J_base - J))`; at most 100.

    Source: VR-CLI (arXiv:2503.22828), without the original's + 1e-10.
    """
    # expm1, because the first step of the reward table is a gain of 0.05 percent: 1 - exp(x) cancels there.
    return -100 * math.expm1(min(base - found, 700.0))
