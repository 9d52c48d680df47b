"""The plan's figures and memory estimates."""

import pytest

from pretrain.model.config import load_model_config
from pretrain.plan import ScalePlanConfig, main, plan
from pretrain.training.config import load_scale
from pretrain.training.memory import USABLE, device_gib, fitting_acc


def test_dclm_hours_come_out():  # 26 H100-hours at 400M-1x: specification, section 6
    values = plan(ScalePlanConfig(scale="411m_1x", gpus=1))
    assert values["steps"].startswith("7,850 ")
    assert "26 GPU-hours" in values["hours"]
    assert "2.764e+09 per token" in values["FLOPs"]


def test_a_given_rate_and_data_are_used(token_set, tmp_path):
    values = plan(ScalePlanConfig(scale="smoke", gpus=2, tok_s_per_gpu=64.0, data_config=str(token_set)))
    assert values["passes"] == "20" and values["hours"].startswith("0.1 on 2 GPUs")  # 40,960 / 64 / 3600 / 2
    (tmp_path / "metrics.jsonl").write_text("".join(f'{{"tok_s_per_gpu": {n}}}\n' for n in (1, 128, 9999)))
    values = plan(ScalePlanConfig(scale="smoke", gpus=1, run=str(tmp_path), data_config=str(token_set)))
    assert "128 tok/s per GPU" in values["rate"]


def test_a_scale_without_vocabulary_asks_for_data(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["quickstart"])
    assert stop.value.code == 2 and "give data-config" in capsys.readouterr().err


@pytest.mark.parametrize(("scale", "devices", "size"), [("411m_1x", 1, 80), ("1b_1x", 1, 141), ("7b_1x", 8, 80)])
def test_micro_batches_fit_and_no_fewer_would(scale, devices, size):
    config = load_scale(scale)
    model = load_model_config(config.model)
    acc = fitting_acc(config, model, devices, size)
    assert device_gib(config, model, devices, acc) <= USABLE * size
    assert acc == config.acc or device_gib(config, model, devices, acc - 1) > USABLE * size
