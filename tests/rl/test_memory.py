"""What a GPU must hold: sums from a model's shape, against counts of a real model."""

import pytest
from transformers import AutoModelForCausalLM

from rl.adapters import AdapterConfig, peft_config
from rl.memory import KNOWN, MemoryConfig, gigabytes, main, shape_of


def test_a_folders_shape_gives_its_weights_and_its_adapters(small_policy):
    from peft import get_peft_model

    shape = shape_of(small_policy)
    model = AutoModelForCausalLM.from_pretrained(small_policy)
    norms = sum(weight.numel() for name, weight in model.named_parameters() if "norm" in name)
    assert shape.weights + norms == sum(weight.numel() for weight in model.parameters())
    tuned = get_peft_model(model, peft_config(AdapterConfig(rank=3)))
    assert shape.adapter(3) == sum(weight.numel() for weight in tuned.parameters() if weight.requires_grad)


@pytest.mark.parametrize(
    ("name", "billions"),
    [("Qwen/Qwen3-4B", 4.02), ("Qwen/Qwen2.5-7B", 7.62), ("Qwen/Qwen3-0.6B", 0.596), ("Qwen/Qwen3-1.7B", 1.72)],
)
def test_the_known_shapes_have_the_published_sizes(name, billions):
    assert KNOWN[name].weights / 1e9 == pytest.approx(billions, rel=0.005)


def test_an_adapter_takes_less_than_all_weights_and_four_bits_less_again():
    shape = KNOWN["Qwen/Qwen2.5-7B"]
    settings = [{"full": True}, {}, {"adapter": {"rank": 32, "bits": 8}}, {"adapter": {"rank": 32, "bits": 4}}]
    totals = [sum(gigabytes(MemoryConfig(**one), shape).values()) for one in settings]
    assert totals == sorted(totals, reverse=True)
    assert len(set(totals)) == 4


def test_the_command_says_what_fits(capsys):
    main(["Qwen/Qwen3-4B", "adapter.bits=4", "batch=1", "vllm=false"])
    assert "fits on: 24, 48, 80 GB" in capsys.readouterr().out
    main(["Qwen/Qwen2.5-7B", "full=true"])
    assert "fits on: none of 24, 48, 80 GB" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["runs/nothing"])
    assert ended.value.code == 2
    assert "no model at runs/nothing" in capsys.readouterr().err
