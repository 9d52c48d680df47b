"""What the trainer rests on in TRL 1.16: hooks with these names and shapes, and a loss that takes rewards by token."""

import inspect

import pytest
import torch
from trl import GRPOConfig, GRPOTrainer
from trl.trainer.utils import shuffle_sequence_dict, split_tensor_dict


@pytest.mark.parametrize(
    ("hook", "arguments"),
    [
        ("_generate", ["self", "prompts"]),
        ("_calculate_rewards", ["self", "inputs", "prompts", "completions", "completion_ids_list"]),
        ("_generate_and_score_completions", ["self", "inputs"]),
        ("_generate_single_turn", ["self", "prompt_ids", "images", "multimodal_fields", "num_generations"]),
        ("_save_checkpoint", ["self", "model", "trial"]),
    ],
)
def test_the_hooks_are_there(hook, arguments):
    assert list(inspect.signature(getattr(GRPOTrainer, hook)).parameters)[: len(arguments)] == arguments


def test_the_options_the_config_sets_are_there():
    known = set(inspect.signature(GRPOConfig).parameters)
    assert {"steps_per_generation", "epsilon_high", "entropy_coef", "importance_sampling_level"} <= known


def test_advantages_by_token_are_shuffled_and_split_by_row():
    batch = {"advantages": torch.arange(12.0).view(4, 3), "row": torch.arange(4), "num_items_in_batch": torch.tensor(9)}
    parts = split_tensor_dict(shuffle_sequence_dict(batch), 2)
    for part in parts:
        assert part["advantages"].shape == (2, 3)
        assert torch.equal(part["advantages"][:, 0], 3.0 * part["row"])


@pytest.fixture(scope="module")
def trainer(small_policy, tmp_path_factory):
    """TRL's own trainer over the small policy."""
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer

    options = GRPOConfig(
        output_dir=str(tmp_path_factory.mktemp("trl")),
        per_device_train_batch_size=2,
        num_generations=2,
        max_completion_length=4,
        bf16=False,
        use_cpu=True,
        report_to="none",
        loss_type="dapo",
        activation_checkpointing=False,
    )
    return GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(small_policy, dtype=torch.float32),
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        args=options,
        train_dataset=Dataset.from_list([{"prompt": "a"}]),
        processing_class=AutoTokenizer.from_pretrained(small_policy),
    )


def test_one_advantage_for_all_tokens_gives_the_loss_of_one_per_completion(trainer):
    trainer.current_gradient_accumulation_steps = 1
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
    batch = {
        "prompt_ids": torch.tensor([[5, 6], [7, 8]]),
        "prompt_mask": torch.ones(2, 2, dtype=torch.long),
        "completion_ids": torch.tensor([[9, 10, 11, 0], [12, 13, 14, 15]]),
        "completion_mask": mask,
        "num_items_in_batch": mask.sum(),
    }
    own = torch.tensor([0.5, -1.5])
    losses, gradients = [], []
    for advantages in (own, own[:, None], own[:, None].expand(2, 4) * mask):
        trainer.model.zero_grad()
        loss = trainer.compute_loss(trainer.model, {**batch, "advantages": advantages})
        loss.backward()
        losses.append(loss.item())
        gradients.append(torch.cat([p.grad.flatten() for p in trainer.model.parameters()]))
    assert losses[0] == losses[1] == pytest.approx(losses[2])
    torch.testing.assert_close(gradients[0], gradients[1])
    torch.testing.assert_close(gradients[0], gradients[2])
    later = own[:, None].expand(2, 4) * torch.tensor([[2.0, 1, 1, 1], [1, 1, 1, 1]])
    assert trainer.compute_loss(trainer.model, {**batch, "advantages": later}).item() != pytest.approx(losses[0])
