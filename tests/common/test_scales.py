import pytest

from common.scales import ALIASES, scale_names, scale_tokens
from pretrain.model.config import load_model_config
from pretrain.model.sizes import count_parameters
from pretrain.training.config import load_scale, training_tokens

PUBLISHED = {
    "smoke": 40_960,
    "tiny": 200_000,
    "quickstart": 600_000,
    "30m": 618_726_400,
    "80m": 1_578_280_960,
    "411m_1x": 8_232_325_120,
    "1b_1x": 28_795_904_000,
    "3b_1x": 55_918_643_200,
    "7b_1x": 137_788_211_200,
    "7b_2x": 275_576_422_400,
    "1b_1x_fast": 28_795_904_000,
    "3b_1x_fast_3e-3_lr_1e-4_zloss": 55_918_643_200,
    "7b_1x_fast_2e-3_lr_5e-6_zloss": 137_788_211_200,
    "7b_2x_fast_2e-3_lr_5e-6_zloss": 275_576_422_400,
}
"""DCLM's token counts (arXiv:2406.11794), and our small scales'."""


def test_every_scale_and_every_one_of_dclms_names_is_known():
    assert set(PUBLISHED) == {*scale_names(), *ALIASES}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_scales_tokens_are_the_published_ones_and_those_of_its_run(name):
    scale = load_scale(name)
    parameters = 0 if scale.tokens else count_parameters(load_model_config(scale.model)).published
    assert scale_tokens(name) == PUBLISHED[name] == training_tokens(scale, parameters)


def test_a_new_scale_is_one_file(tmp_path, monkeypatch):
    folder = tmp_path / "pretrain"
    (folder / "scales").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "scales" / "mine.yaml").write_text("model: wide\nchinchilla_multiplier: 2\n")
    (folder / "models" / "wide.yaml").write_text("{dim: 64, layers: 2, heads: 2, vocab_size: 100, tied: true}")
    monkeypatch.setattr("common.scales.configs_folder", lambda: tmp_path)
    assert scale_names() == ["mine"]
    assert scale_tokens("mine") == 2 * 20 * (2 * (4 * 64**2 + 3 * 64 * 256 + 128) + 64 + 100 * 64)


def test_an_unknown_scale_is_answered_with_those_there_are():
    with pytest.raises(ValueError, match="no scale 'huge'; there are 1b_1x, 30m, "):
        scale_tokens("huge")
