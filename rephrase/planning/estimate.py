"""Tokens, hours, disk and cost of a run, each with how far off it may be."""

from typing import NamedTuple

from rephrase.planning.config import PlanConfig
from rephrase.planning.details import compresses
from rephrase.planning.rates import DeviceRate
from rephrase.planning.sample import Figure, PoolSample


class Estimate(NamedTuple):
    """What a run takes."""

    figures: dict[str, Figure]
    """By what a person calls them, with their unit."""

    sample_off: float | None
    """Relative error of the device hours that comes from the sample; None where it is not known."""

    rate_off: float | None
    """Likewise from the rate."""


def hours(tokens: float, tok_s: float) -> float:
    """Device hours: tokens / (tokens per second x 3,600).

    >>> round(hours(72e9, 13_020.83)), round(hours(120e6, 13_020.83), 2)
    (1536, 2.56)
    """
    return tokens / (tok_s * 3600)


def times(figure: Figure, factor: float, off: float | None = 0.0) -> Figure:
    """A figure times a factor that may itself be off by a share of it."""
    value = figure.value * factor
    if figure.error is None or off is None:
        return Figure(value, None)
    own = figure.error / figure.value if figure.value else 0.0
    return Figure(value, abs(value) * (own**2 + off**2) ** 0.5)


def estimate(config: PlanConfig, sample: PoolSample, rate: DeviceRate) -> Estimate:
    """Work out what a run of the config takes."""
    pool = sample.figures()
    work = pool[rate.per]
    rate_off = None if rate.error is None else rate.error / rate.tok_s
    # where the rate's error is not known, the interval is the sample's: what is said beside the table says so
    device_hours = times(work, hours(1, rate.tok_s), rate_off or 0.0)
    engines = max(1, config.gpus // config.engine.devices_per_engine)
    busy = engines * config.engine.devices_per_engine
    wall = times(device_hours, 1 / busy)
    written = times(work, config.length_ratio if rate.out_per_token is None else rate.out_per_token)
    figures = {
        "documents": pool["documents"],
        "characters": pool["chars"],
        "organic tokens": pool["tokens"],
        "tokens to rephrase": work,
        "requests": pool["requests"],
        "tokens read": pool["tokens_prompt"],
        "tokens written": written,
        "device hours": device_hours,
        f"hours on {busy} device{'s' if busy > 1 else ''}": Figure(wall.value + config.start_s / 3600, wall.error),
        "GB of output": _disk(sample, pool, rate, work),
    }
    if config.usd_per_hour is not None:
        figures["US dollars"] = times(device_hours, config.usd_per_hour)
    off = None if work.error is None else work.error / work.value if work.value else 0.0
    return Estimate(figures, off, rate_off)


def _disk(sample: PoolSample, pool: dict[str, Figure], rate: DeviceRate, work: Figure) -> Figure:
    if rate.bytes_per_token is not None:
        return times(work, rate.bytes_per_token / 1e9)
    left = sample.squeezed if compresses(sample.shards[0].path) else 1.0
    return times(pool["bytes_out"], left / 1e9)


def table(figures: dict[str, Figure]) -> str:
    """The figures with their intervals, for a terminal."""
    rows = [("", "estimate", "at least", "at most")]
    for name, (value, error) in figures.items():
        digits = 2 if name.startswith(("device", "hours", "GB", "US")) else 0
        bounds = (None, None) if error is None else (max(0.0, value - error), value + error)
        shown = ["?" if one is None else f"{one:,.{digits}f}" for one in (value, *bounds)]
        rows.append((name, shown[0], shown[1], shown[2]))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = [f"{row[0]:<{widths[0]}}  " + "  ".join(f"{row[n]:>{widths[n]}}" for n in (1, 2, 3)) for row in rows]
    return "\n".join(lines)


def remarks(config: PlanConfig, sample: PoolSample, rate: DeviceRate, found: Estimate) -> list[str]:
    """What a person should know about the figures: where they are from, and what they leave out."""
    read = sum(stretch.bytes for looked in sample.looked for stretch in looked.stretches)
    closely = sum(len(looked.details) for looked in sample.looked)
    documents = sum(looked.documents for looked in sample.looked)
    how = (
        "counted by the model's tokenizer" if sample.looker.counted else "estimated from characters: no tokenizer here"
    )
    lines = [
        f"pool: {len(sample.shards)} shards, {sample.bytes / 1e9:,.3f} GB; sampled: {len(sample.looked)} shards, "
        f"{read / 1e6:,.1f} MB, {documents:,} documents, {closely:,} of them cut into chunks; tokens {how}",
        f"rate: {rate.tok_s:,.1f} organic tokens/s per device, {rate.source}",
    ]
    if found.sample_off is None:
        lines.append("how far off: not known, since one shard says nothing about the others; raise sample_shards")
    else:
        own = f"how far off: {found.sample_off:.1%} from the sample (95 %); "
        unknown = "the rate's own error is not known and not in the table"
        lines.append(own + (unknown if found.rate_off is None else f"{found.rate_off:.1%} from the rate"))
    lines.append(
        "hours count no machine that is taken away and no wait for one; `python -m rephrase.plan simulate` does"
    )
    if config.usd_per_hour is None:
        lines.append("cost: give usd_per_hour=PRICE of one device")
    return lines
