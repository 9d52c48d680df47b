"""What keys of metrics, scores, reasons and steps are called in sentences and charts, with their units: one home."""

import re
from typing import NamedTuple

from eval.report.pairs.reasons import MEANINGS


class Name(NamedTuple):
    """What a person would call a figure."""

    text: str
    """Its name, as a heading."""

    unit: str = ""
    """What it is counted in; empty for what has no unit."""

    about: str = ""
    """How to read it, in one sentence."""

    factor: float = 1.0
    """What its values are multiplied with to be shown in that unit."""


METRICS: dict[str, Name] = {
    "reward": Name("Total reward", "weighted sum", "The sum of all rewards with their weights. Higher is better."),
    "reward_std": Name("Spread of rewards within a group", "reward", "At 0 a group teaches nothing."),
    "frac_reward_zero_std": Name(
        "Groups whose answers all earned the same", "%", "Such a group has no advantage, so it teaches nothing.", 100
    ),
    "kl": Name(
        "Distance from the initial model (KL)",
        "nats per token",
        "How far the policy has moved. A sudden rise is a warning.",
    ),
    "entropy": Name(
        "Entropy of the policy", "nats per token", "How undecided the policy is. Near 0 it no longer explores."
    ),
    "completions/mean_length": Name("Length of answers", "tokens", "The mean over all answers of a step."),
    "completion_length": Name("Length of answers", "tokens"),
    "completions/clipped_ratio": Name("Answers cut off at the length limit", "%", "", 100),
    "completions/duplicate_frac": Name("Answers that repeat another of their group", "%", "", 100),
    "skipped_frac": Name("Answers that could not be scored", "%", "", 100),
    "clip_ratio/region_mean": Name("Tokens whose update was clipped", "%", "", 100),
    "loss": Name("Training loss", "nats per token", "Lower is better."),
    "eval/loss": Name("Held-out loss", "nats per token", "Lower is better."),
    "eval_loss": Name("Held-out loss", "nats per token", "Lower is better."),
    "grad_norm": Name("Norm of the gradient"),
    "lr": Name("Learning rate"),
    "learning_rate": Name("Learning rate"),
    "tok_s": Name("Speed", "tokens per second"),
    "tok_s_per_gpu": Name("Speed of one device", "tokens per second"),
    "mfu": Name("Share of the device's peak speed (MFU)", "%", "", 100),
    "memory_gib": Name("Most memory held", "GiB"),
    "data_wait_s": Name("Time spent waiting for data", "seconds"),
    "passes": Name("Passes over the data"),
    "mean_token_accuracy": Name("Tokens predicted right", "%", "", 100),
    "z_loss": Name("z-loss", "nats per token"),
    "mean_logit": Name("Mean logit"),
    "step_time": Name("Time of a step", "seconds"),
    "bits_per_byte": Name("Bits per byte", "bits per byte", "Lower is better."),
    "nats_per_token": Name("Nats per token", "nats per token", "Lower is better."),
    "Core_v1": Name("CORE, first baselines", "", "Higher is better."),
    "Core_v2": Name("CORE", "", "Higher is better."),
}

PATTERNS: tuple[tuple[str, str, str, float], ...] = (
    (r"val/(.+)/bpb", "Bits per byte on {0}", "bits per byte", 1),
    (r"val/(.+)/loss", "Held-out loss on {0}", "nats per token", 1),
    (r"rewards/(.+)/mean", "Reward: {0}", "reward", 1),
    (r"rewards/(.+)/std", "Spread of the reward: {0}", "reward", 1),
    (r"skipped/(.+)", "Not scored or skipped: {0}", "number", 1),
    (r"filter/forced", "Groups taken for want of better ones", "groups", 1),
    (r"filter/(.+)", "Choice of prompts: {0}", "", 1),
)
"""Pattern of a key → name with the key's parts in it, unit, factor."""

REWARDS = {
    "quality": "quality",
    "semantic": "same content",
    "structure": "same structure",
    "length": "length in bounds",
    "format": "form of the answer",
    "kept": "content kept",
    "no_leak": "no instruction leaked",
    "completion_gain": "gain in likelihood of the reference",
    "exact_answer": "exact answer",
    "verifiable": "right answer",
    "reference_probability": "probability of the reference",
    "total": "total reward",
}

PARTS = {
    "score": "score of the answer",
    "base": "score of the page as it came",
    "f1": "overlap of words (F1)",
    "sim": "similarity",
    "ratio": "length beside the page's",
    "truncated": "cut off for the encoder",
    "ok": "could be read",
}
"""Part that a reward is made of, or a status of answers → its name."""

REASONS = {
    "below_threshold": "score below the threshold",
    "tied_over_budget": "same score as the last one kept, and the budget was full",
    "no_score": "no score",
    "routed_out": "score outside the range to rephrase",
    "blank": "blank document",
    "contaminated": "holds a test item",
    "duplicate_ngrams": "repeats other documents",
    "exact_duplicate": "the same as another document",
    "near_duplicate": "nearly the same as another document",
    "joined": "joined with other versions of its page",
    "ok": "rephrased",
    "verbatim": "passed on untouched",
}
"""Reason → why a document or a part of one did not come through; those of answers and rows are in `pairs.reasons`."""

STEPS = {
    "heuristics": "rules for web pages",
    "score": "scoring",
    "select": "selection by score",
    "dedup_exact": "exact duplicates",
    "dedup_minhash": "near duplicates",
    "dedup_ngram": "repeated passages",
    "decontaminate": "test items",
    "megadocument": "joining versions",
    "mix": "mixing",
}

KINDS = {
    "rl": "training with rewards",
    "sft": "supervised fine-tuning",
    "pretraining": "pretraining",
    "recycled": "recycled text",
    "selected": "selected text",
    "tokens": "tokenised text",
    "evaluation": "evaluation",
    "pool": "documents",
    "model": "model",
    "run": "run",
}
"""Kind of a stage → what it is."""

SCORERS = {
    "stop_word_share": Name("Share of stop words", "%", "Prose has many of them, menus and lists few.", 100),
    "token_count": Name("Length", "tokens"),
    "quality": Name("Quality", "score of the classifier"),
}
"""Field of a score → its name."""


def metric(key: str) -> Name:
    """The name of a metric; one that nobody has named is spelled out of its key.

    >>> metric("val/wiki/bpb").text, metric("rewards/semantic/mean").text, metric("some/new_thing").text
    ('Bits per byte on wiki', 'Reward: same content', 'Some: new thing')
    """
    known = METRICS.get(key) or METRICS.get(key.rpartition("/")[2] if key.startswith(("bpb/", "eval_bpb/")) else "")
    if known:
        return known
    for pattern, text, unit, factor in PATTERNS:
        found = re.fullmatch(pattern, key)
        if found:
            return Name(text.format(*(reward(part) for part in found.groups())), unit, "", factor)
    return Name(_spelled(key))


def reward(key: str) -> str:
    """The name of a reward."""
    return REWARDS.get(key, key.replace("_", " "))


def reward_part(key: str) -> str:
    """What a part of a reward is called: `reward/part`, or `reward/part/value` for a share of the answers.

    >>> reward_part("semantic/f1"), reward_part("format/status/no_such_line"), reward_part("quality/new_part")
    ('Same content: overlap of words (F1)', 'Form of the answer: no such line', 'Quality: new part')
    """
    name, _, part = key.partition("/")
    last = part.rpartition("/")[2]
    return f"{reward(name).capitalize()}: {PARTS.get(last) or last.replace('_', ' ')}"


def reason(key: str) -> str:
    """Why something was dropped, kept back or not scored.

    >>> reason("unfaithful/numbers"), reason("too_long")
    ('too many numbers are lost', 'too long')
    """
    head, _, rest = key.partition("/")
    if head == "verbatim" and rest:
        return f"passed on untouched: {rest}"
    return REASONS.get(key) or MEANINGS.get(key) or key.replace("/", ": ").replace("_", " ")


def step(key: str) -> str:
    """What a step of a filter recipe looks for."""
    return STEPS.get(key) or key.replace("_", " ")


def scorer(field: str) -> Name:
    """What a score is called."""
    return SCORERS.get(field) or Name(_spelled(field))


def kind(key: str) -> str:
    """What a stage is."""
    return KINDS.get(key, key)


def _spelled(key: str) -> str:
    words = key.replace("/", ": ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]
