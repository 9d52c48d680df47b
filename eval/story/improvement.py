"""How much each plan lowers the perplexity of the gold chapter: `python -m eval.story improvement`.

The builder of prompts and the scorer are those of the reward `completion_gain`, so the percentages are its gains.
"""

from collections import Counter
from statistics import fmean
from typing import Annotated, Any, Literal

from common.config import HOW, Out, RunConfig
from common.model_server import require_some
from common.pools.documents import write_documents
from common.weights import find_model
from eval.likelihood.config import ScorerConfig
from eval.likelihood.open import open_scorer
from eval.likelihood.trunks import Trunk
from eval.story.generate import plan_of, read_limited
from eval.story.plans import NEUTRAL_PLAN, gold_trunk, perplexity_gain

Row = dict[str, Any]


class ImprovementConfig(RunConfig):
    """Score the gold chapter with and without each plan."""

    model: str
    """Whose perplexity (published: the policy before training); folder, hub name or URL."""

    tokenizer: str = ""
    """Folder with the chat template; the model's if empty."""

    rows: str
    """Rows with `messages` and `reference`."""

    completions: str
    """Output of `reason`, or any JSONL of `id` and `completion`."""

    out: Annotated[str, HOW, Out(".jsonl")]
    """JSONL: the completions' ids and numbers with `baseline_ppl`, `with_reasoning_ppl`, `percent_improvement`."""

    baseline: Literal["neutral", "no_plan"] = "no_plan"
    """Conversation without a plan: none (published), or a fixed sentence in its place."""

    score_closers: bool = True
    """Score the tokens that end the chapter's turn too (published)."""

    scorer: ScorerConfig = ScorerConfig()
    """How likelihoods are computed."""


def improvement(config: ImprovementConfig) -> dict[str, Any]:
    """Write the scores; returns their means and what could not be scored, by reason.

    Raises:
        ValueError: a completion belongs to no row.
        ConnectionError: not one could be scored; the file says why of each.
    """
    from transformers import AutoTokenizer

    rows = {row["id"]: row for row in read_limited(config.rows)}
    completions = read_limited(config.completions)
    unknown = next((row["id"] for row in completions if row["id"] not in rows), None)
    if unknown is not None:
        raise ValueError(f"{config.completions} has a completion of {unknown!r}, which is not in {config.rows}")
    used = list(dict.fromkeys(row["id"] for row in completions))
    tokenizer = AutoTokenizer.from_pretrained(find_model(config.tokenizer or config.model))
    neutral = NEUTRAL_PLAN if config.baseline == "neutral" else ""

    def trunk(name: str, plan: str) -> Trunk:
        row = rows[name]
        return gold_trunk(tokenizer, row["messages"], plan, row["reference"], score_closers=config.score_closers)

    plans = [plan_of(row["completion"]) for row in completions]
    trunks = [trunk(name, neutral) for name in used]
    trunks += [trunk(row["id"], plan) for row, plan in zip(completions, plans, strict=True) if plan]
    logps = iter(_mean_logps(trunks, config))
    base = {name: next(logps) for name in used}
    # An empty plan is the baseline itself: scored again, in another batch, it would differ in the last bits.
    found = [
        _scores(row, base[row["id"]], next(logps) if plan else base[row["id"]])
        for row, plan in zip(completions, plans, strict=True)
    ]
    write_documents(config.out, found)
    reasons = Counter(row["error"] for row in found if "error" in row)
    require_some(len(found) - reasons.total(), reasons, f"gains of {len(found)} plans")
    gains = [row["percent_improvement"] for row in found if "error" not in row]
    return {
        "completions": len(found),
        "percent_improvement": fmean(gains) if gains else None,
        "improved_frac": fmean(gain > 0 for gain in gains) if gains else None,
        "failed": dict(sorted(reasons.items())),
    }


def _mean_logps(trunks: list[Trunk], config: ImprovementConfig) -> list[float | str]:
    """J of each trunk's branch, in nats per scored token, or why there is none."""
    found: list[float | str] = []
    for trunk, scores in zip(trunks, open_scorer(config.model, config.scorer).score(trunks), strict=True):
        if scores.error:
            found.append(scores.error)
            continue
        flags = trunk.branches[0].scored or ()
        found.append(fmean(float(one) for one, flag in zip(scores.branches[0].logprobs, flags, strict=True) if flag))
    return found


def _scores(row: Row, base: float | str, with_plan: float | str) -> Row:
    from math import exp

    named = {"id": row["id"], "number": row.get("number", 0)}
    if isinstance(base, str) or isinstance(with_plan, str):
        return {**named, "error": f"baseline_{base}" if isinstance(base, str) else with_plan}
    return {
        **named,
        "baseline_ppl": exp(-base),
        "with_reasoning_ppl": exp(-with_plan),
        "percent_improvement": perplexity_gain(base, with_plan),
    }
