"""Speculative decoding that never hurts: drafts by name, and the probe that measures whether they pay.

A draft costs time whether it is accepted or not, and at a large batch there is no time left over for it. So the probe
runs the same requests without drafts and with each kind, at the run's own concurrency, and takes a kind only where it
is clearly faster. Where no kind is, but a small batch gains, and vLLM can draft by batch size, drafts for small batches
only are measured at the full concurrency too, and taken if they cost it nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from common.engines.config import VLLMEngineConfig

FLOOR = 0.98
"""What the choice must reach in the run, beside its speed without drafts."""

CLEARLY = 1.02
"""Speed in the probe, beside that without drafts, from which a kind is taken: two measurements differ by as much."""

SMALL_SHARE = 16
"""A small batch is one so many times smaller than the run's."""


class Speeds(NamedTuple):
    """Tokens per second of one setting."""

    full: float
    """At the run's concurrency."""

    small: float
    """In small batches."""

    batch: int
    """Sequences that the run decodes together."""


class DraftsFailed(RuntimeError):
    """An engine with a setting did not start, or ended while it was measured."""


Measure = Callable[[VLLMEngineConfig], Speeds]
"""Opens an engine with a setting and measures it."""


class DraftChoice(NamedTuple):
    """What the probe found."""

    engine: VLLMEngineConfig
    """The run's config with the choice in place of `auto`."""

    speeds: dict[str, Speeds]
    """Of each setting that was measured, by its name."""

    failed: dict[str, str]
    """Why the others could not be."""


def vllm_setting(config: VLLMEngineConfig) -> dict[str, Any]:
    """vLLM's arguments for a config's drafts.

    Raises:
        ValueError: they are still to be chosen.
    """
    if config.speculation == "off":
        return {}
    if config.wants_probe:
        raise ValueError("engine.speculation=auto is chosen by the rephrase stage; here give off, ngram or suffix")
    drafts: dict[str, Any] = {"method": config.speculation, "num_speculative_tokens": config.draft_tokens}
    if config.speculation == "ngram":
        drafts |= {"prompt_lookup_min": 2, "prompt_lookup_max": 4}
    if config.draft_schedule:
        drafts["num_speculative_tokens_per_batch_size"] = [list(step) for step in config.draft_schedule]
    return {"speculative_config": drafts}


def choose(config: VLLMEngineConfig, kinds: Sequence[str], by_batch_size: bool, measure: Measure) -> DraftChoice:
    """Measure without drafts and with each kind, and pick.

    Args:
        config: the run's, with `speculation=auto`.
        kinds: those that can run here.
        by_batch_size: whether vLLM can draft by batch size.
        measure: measures one setting.

    Raises:
        DraftsFailed: the engine does not run without drafts either.
    """
    off = config.model_copy(update={"speculation": "off"})
    speeds, failed = {"off": measure(off)}, dict[str, str]()

    def try_out(name: str, **fields: Any) -> VLLMEngineConfig:
        setting = config.model_copy(update=fields)
        try:
            speeds[name] = measure(setting)
        except DraftsFailed as error:
            failed[name] = str(error)
            speeds[name] = Speeds(0.0, 0.0, speeds["off"].batch)
        return setting

    settings = {kind: try_out(kind, speculation=kind) for kind in kinds}
    best = max(settings, key=lambda kind: speeds[kind].full, default=None)
    if best is None:
        return DraftChoice(off, speeds, failed)
    if speeds[best].full >= CLEARLY * speeds["off"].full:
        return DraftChoice(settings[best], speeds, failed)
    best = max(settings, key=lambda kind: speeds[kind].small)
    batch = speeds["off"].batch
    small = batch // SMALL_SHARE
    if by_batch_size and small and speeds[best].small >= CLEARLY * speeds["off"].small:
        schedule = [(1, small, config.draft_tokens), (small + 1, batch, 0)]
        scheduled = try_out(f"{best} up to {small}", speculation=best, draft_schedule=schedule)
        if speeds[f"{best} up to {small}"].full >= speeds["off"].full:
            return DraftChoice(scheduled, speeds, failed)
    return DraftChoice(off, speeds, failed)


def to_record(choice: DraftChoice, of: str, **about: Any) -> dict[str, Any]:
    """A choice as JSON, to be kept beside the pool; `of` tells the run that it was made for."""
    chosen = choice.engine.model_dump(mode="json", include={"speculation", "draft_tokens", "draft_schedule"})
    speeds = {
        name: {"full": round(found.full, 1), "small": round(found.small, 1)} for name, found in choice.speeds.items()
    }
    batch = choice.speeds["off"].batch
    return {"of": of, "chosen": chosen, "tokens_per_s": speeds, "failed": choice.failed, "batch": batch, **about}


def from_record(config: VLLMEngineConfig, kept: Mapping[str, Any], of: str, place: str) -> VLLMEngineConfig:
    """A config with the choice that was kept.

    Raises:
        ValueError: it is none, or was made for another run.
    """
    if not isinstance(kept.get("chosen"), Mapping):
        raise ValueError(f"{place} holds no choice of drafts; delete it, and they are measured again")
    if kept.get("of") != of:
        raise ValueError(f"{place} was measured for other settings; delete it, or choose another output folder")
    return VLLMEngineConfig.model_validate({**config.model_dump(), **kept["chosen"]})
