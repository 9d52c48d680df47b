"""The gate against the stage: CPU seconds of its checks per chunk beside those of the tiny rephraser's answer."""

import os

import pytest

from common.engines.config import TransformersEngineConfig
from common.engines.open import open_engine
from common.engines.requests import Request
from rephrase.gate.checks import ChunkGate
from rephrase.gate.config import GateConfig
from rephrase.text.prompts import messages

PARAGRAPH = (
    "The bridge over the Severn opened in 1779 and spans 30.6 metres. It was cast by Abraham Darby at Coalbrookdale, "
    "and tolls were taken until 1950. See https://bridge.example.org/history for drawings of the arch.\n\n"
)
CHUNKS = 32
MOST = 0.02


def cpu_seconds():
    times = os.times()
    return times.user + times.system


@pytest.mark.bench
@pytest.mark.slow
def test_all_checks_without_an_encoder_cost_under_2_percent(root):
    chunks = [f"Page {number} | Home | News\n\n" + 4 * PARAGRAPH for number in range(CHUNKS)]
    engine = open_engine(TransformersEngineConfig(device="cpu", batch_size=32), str(root / "rephrase" / "tiny"))
    requests = (
        Request(str(number), messages(text, "edit_lines"), None, 64, temperature=0.0)
        for number, text in enumerate(chunks)
    )
    start = cpu_seconds()
    assert sum(1 for _ in engine.stream(requests)) == CHUNKS
    stage = cpu_seconds() - start
    thresholds = {"numbers": 0.9, "urls": 0.9, "names": 0.9, "content": 0.9, "length": 0.8}
    gate = ChunkGate(GateConfig.model_validate({**thresholds, "invented_words": 0, "novel_5grams": 0.1}))
    start = cpu_seconds()
    for _ in range(10):
        for text in chunks:
            assert gate.judge(text, text)[1] is None
    cost = (cpu_seconds() - start) / 10
    assert cost < MOST * stage, f"gate {1000 * cost / CHUNKS:.2f} ms a chunk, stage {1000 * stage / CHUNKS:.1f} ms"
