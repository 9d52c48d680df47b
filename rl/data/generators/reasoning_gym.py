"""Puzzles of reasoning-gym (https://github.com/open-thought/reasoning-gym) as rows, scored by the library itself.

Its families are seeded, and an item follows from the family's settings, the seed and the item's number.
"""

import random
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import model_validator

from rl.data.generators.puzzle import GenerateConfig, Made

FORMAT = "Give the final answer, and nothing else, within <answer> and </answer> tags."


class ReasoningGymConfig(GenerateConfig):
    """Puzzles of one family of reasoning-gym."""

    family: ClassVar[str] = "reasoning_gym"

    kind: Literal["reasoning_gym"] = "reasoning_gym"

    task: str
    """The family's name in the library, such as `zebra_puzzles`."""

    settings: dict[str, Any] = {}
    """The family's own settings, such as `{num_people: 5}`."""

    @model_validator(mode="after")
    def _known(self) -> "ReasoningGymConfig":
        taken = {"seed", "size"} & set(self.settings)
        if taken:
            raise ValueError(f"settings.{min(taken)}: give {min(taken)} as seed= or n=")
        return self

    @property
    def source(self) -> str:  # type: ignore[override]
        """Name of the data set: one for each family."""
        return f"reasoning_gym__{self.task}"

    def make(self, index: int, rng: random.Random) -> Made:
        """One item of a data set that has its seed from the stream.

        Raises:
            ValueError: the library is not installed, or has no such family or setting.
        """
        try:
            import reasoning_gym
        except ImportError:
            raise ValueError("reasoning-gym is not installed: pip install -e .[gym]") from None
        try:
            items = reasoning_gym.create_dataset(self.task, seed=rng.randrange(2**31), size=1, **self.settings)
        except (ValueError, TypeError, AssertionError) as mistake:
            raise ValueError(f"reasoning-gym, task={self.task}: {mistake}") from None
        entry = plain_entry(items[0])
        metadata = entry.get("metadata") or {}
        return Made(
            prompt=f"{entry['question']}\n\n{FORMAT}",
            ground_truth=entry,
            reference=str(entry["answer"]),
            difficulty={"task": self.task, **(metadata.get("difficulty") or {})},
        )


def plain_entry(value: Any) -> Any:
    """An entry of the library as JSON: text keys, lists for tuples and sets, text for what JSON does not know.

    >>> plain_entry({"answer": "4", "metadata": {1: (2, {3})}})
    {'answer': '4', 'metadata': {'1': [2, [3]]}}
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain_entry(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_entry(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain_entry(item) for item in value), key=repr)
    return plain_entry(value.tolist()) if hasattr(value, "tolist") else str(value)
