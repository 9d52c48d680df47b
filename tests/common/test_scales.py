import pytest

from common.scales import SCALE_TOKENS, scale_tokens
from pretrain.model.config import load_model_config
from pretrain.model.sizes import count_parameters
from pretrain.training.config import ALIASES, load_scale, training_tokens


def test_every_scale_and_every_one_of_dclms_names_is_known(root):
    files = {file.stem for file in (root / "configs" / "pretrain" / "scales").glob("*.yaml")}
    assert set(SCALE_TOKENS) == files | set(ALIASES)


@pytest.mark.parametrize("name", SCALE_TOKENS)
def test_a_scales_tokens_are_those_that_pretraining_computes(name):
    scale = load_scale(name)
    parameters = 0 if scale.tokens else count_parameters(load_model_config(scale.model)).published
    assert scale_tokens(name) == training_tokens(scale, parameters)
