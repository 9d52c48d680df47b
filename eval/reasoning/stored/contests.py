"""Stored answers of two models pair by pair, for a judge that says which are better."""

from common.samples import read_samples
from eval.judges.judge import Judge, JudgeConfig
from eval.judges.pairwise import Contest, prefer
from eval.reasoning.stored.config import RescoreConfig
from eval.reasoning.table import percent
from eval.verifiers.segments import answer_part


def compared(config: RescoreConfig) -> str:
    """What the judge makes of the answers beside those of another model, in words.

    Raises:
        ValueError: no judge is named, or no example has answers of both.
    """
    if not config.judge.name:
        raise ValueError("against= needs a judge: judge.model=NAME, or USED_MODEL")
    theirs = {(one.task, one.id, one.number): one for one in read_samples(config.against)}
    contests = []
    for one in read_samples(*config.samples):
        other = theirs.get((one.task, one.id, one.number))
        if other is not None and "error" not in (one.finish_reason, other.finish_reason):
            question = "\n\n".join(str(turn.get("content")) for turn in one.messages if turn.get("role") == "user")
            texts = [answer_part(each.completion) or "(no answer)" for each in (other, one)]
            contests.append(Contest(question, texts[0], texts[1], f"{one.task}/{one.id}"))
    if not contests:
        raise ValueError(f"{config.against} and {', '.join(config.samples)} share no example and sample")
    how = JudgeConfig(
        url=config.judge.address(),
        model=config.judge.name,
        api_key_env=config.judge.key_variable(),
        max_tokens=config.judge.max_tokens,
        choice=False,  # a judge may reason before its letter
        timeout_s=config.judge.timeout_s,
        deadline_s=config.judge.deadline_s,
        concurrency=config.judge.concurrency,
    )
    with Judge(how) as judge:
        found = prefer(judge, contests).figures()
    lines = [f"{len(contests):,} pairs, judge {config.judge.name}, each in both orders"]
    lines.append(
        f"wins {found['wins']}, ties {found['ties']}, losses {found['losses']}, undecided {found['undecided']}"
    )
    if "win_rate" in found:
        low, high = found["interval_95"]
        lines.append(f"win rate {percent(found['win_rate'])} % (95 %: {percent(low)} to {percent(high)})")
    if "first_position" in found:
        lines.append(f"what stood first was preferred in {percent(found['first_position'])} % of the verdicts")
    if found["failures"]:
        lines.append("replies without a verdict: " + ", ".join(f"{why} {n}" for why, n in found["failures"].items()))
    return "\n".join(lines)
