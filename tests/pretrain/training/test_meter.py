"""Speed by a clock that the test turns: what counts, what does not."""

from types import SimpleNamespace

import pytest
import torch

from pretrain.training.meter import Speed, StepResult

TWO = SimpleNamespace(device=torch.device("cpu"), world=2)
"""What the meter asks of two devices."""


class Clock:
    """Seconds that the test sets."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    monkeypatch.setattr("pretrain.training.meter.time.perf_counter", found)
    return found


def step(meter, clock, seconds, wait=0.25):
    meter.go_on()
    clock.now += seconds
    meter.add(StepResult(2.0, 9.0, 0.5, 1.5, False, wait, False))


def test_the_total_leaves_out_the_first_step_and_the_pauses_and_a_line_only_the_pauses(clock):
    meter = Speed(1000, 6.0, TWO)
    step(meter, clock, 50)
    assert meter.totals()["tok_s"] is None  # one step tells no speed
    step(meter, clock, 4)
    clock.now += 1000  # a checkpoint is written
    step(meter, clock, 6)
    line = meter.line(z_weight=0.5)
    assert (line["tok_s"], line["tok_s_per_gpu"], line["mfu"]) == (3000 / 60, 1500 / 60, None)
    assert (line["loss"], line["z_loss"], line["grad_norm"], line["data_wait_s"]) == (2.0, 4.5, 1.5, 0.75)
    assert meter.totals()["tok_s"] == 2000 / 10 and meter.totals()["tok_s_per_gpu"] == 1000 / 10
    step(meter, clock, 5)
    assert meter.line(0.5)["tok_s"] == 1000 / 5  # since the last line


def test_the_share_of_the_peak_is_per_device(clock):
    meter = Speed(1000, 6.0, TWO)
    meter.peak = 12_000.0
    step(meter, clock, 1)
    assert meter.line(0)["mfu"] == 500 * 6 / 12_000
