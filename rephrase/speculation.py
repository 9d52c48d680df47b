"""The choice of drafts for a run with `engine.speculation=auto`: measured once on its own pool, kept beside the output.

The first worker that comes measures, the others wait and read what it found. The choice takes the place of `auto` in
the config, so that the hash of the work holds it.
"""

import json
import logging
import time
from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial

from common.config import config_hash
from common.engines.drafts import choose, from_record, to_record
from common.engines.requests import Engine, Request
from common.pools.lock import wait
from common.pools.shards import read_pool
from common.pools.storage import create, exists, is_remote, join, local_path, make_folder, read_bytes
from rephrase.config import RephraseConfig
from rephrase.rephraser import Rephraser, request_seed

CHOICE = "speculation.json"
"""The file in the output folder."""

PROBE_S = 60.0
"""Seconds of generation in all, engine starts apart."""

log = logging.getLogger("repro")


def settled(config: RephraseConfig, probe_s: float = PROBE_S) -> RephraseConfig:
    """The config with the choice in place of `auto`; measures where nobody did yet, or waits for who does.

    Raises:
        ValueError: a choice is kept that was made for other settings.
    """
    found = known(config)
    if not found.engine.wants_probe:
        return found
    make_folder(config.output)
    lock = nullcontext() if is_remote(config.output) else wait(local_path(config.output) / ".speculation.lock")
    with lock:
        found = known(config)
        if found.engine.wants_probe:
            _probe(config, probe_s)
            found = known(config)  # of two that measured on a store without locks, what stands counts
    return found


def known(config: RephraseConfig) -> RephraseConfig:
    """The config with the choice that is kept; as it is where there is none yet, or nothing to choose.

    Raises:
        ValueError: a choice is kept that was made for other settings.
    """
    place = join(config.output, CHOICE)
    if not config.engine.wants_probe or not exists(place):
        return config
    try:
        kept = json.loads(read_bytes(place))
    except ValueError:
        kept = None
    record = kept if isinstance(kept, dict) else {}
    engine = from_record(config.engine, record, config_hash(config), place)  # type: ignore[arg-type]  # as below
    return config.model_copy(update={"engine": engine})


def requests_of(config: RephraseConfig, engine: Engine) -> Iterator[Request]:
    """The requests of a pool's documents, from the first one on."""
    rephraser = Rephraser(config, engine)
    number = 0
    for document in read_pool(config.input, config.start, config.end):
        for part in rephraser.cut(document["text"]):
            if part.text.strip() and not part.kind:
                yield rephraser.request(str(number), part.text, None, request_seed(config.seed, "", number, 0, 0))
                number += 1


def _probe(config: RephraseConfig, probe_s: float) -> None:
    """Measure all settings on the pool's first documents and keep the choice."""
    from common.engines.vllm_engine import draft_kinds, drafts_by_batch_size, measured, vllm_version

    kinds, began = draft_kinds(), time.monotonic()
    log.warning("speculation: measuring without drafts and with %s on %s", " and ".join(kinds), config.input)
    seconds = probe_s / (1 + len(kinds))
    choice = choose(
        config.engine,  # type: ignore[arg-type]  # only vLLM's config wants a probe
        kinds,
        drafts_by_batch_size(),
        lambda setting: measured(setting, config.model, partial(requests_of, config), seconds),
    )
    about = {"vllm": vllm_version(), "model": config.model, "seconds": round(time.monotonic() - began, 1)}
    kept = to_record(choice, config_hash(config), **about)
    log.warning("speculation: %s, by these tokens per s: %s", kept["chosen"], kept["tokens_per_s"])
    for kind, why in choice.failed.items():
        log.warning("speculation: %s cannot run here (%s)", kind, why)
    create(join(config.output, CHOICE), json.dumps(kept, indent=1).encode(), durable=True)  # the first one stands
