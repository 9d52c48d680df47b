"""A task as data (configs/eval/tasks/*.yaml): whence its examples, what is asked, what judges, which limits."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from common.config import RunConfig, load
from common.shipped import configs_folder
from eval.reasoning.templates import names_in
from eval.verifiers.registry import VERIFIERS

Domain = Literal["math", "code", "science", "logic", "simulation", "tabular", "others", "general"]


class TaskSource(RunConfig):
    """Where the examples of a task lie: in a file of this machine, or in a data set on a hub."""

    hub: str = ""
    """Data set on the hub, `owner/name`."""

    revision: str = "main"
    """Commit, tag or branch there; the commit that was read goes into the record."""

    hub_files: list[str] = []
    """Patterns of its files; of several that match, all are read."""

    local: list[str] = Field(min_length=1)
    """Names or patterns of files to look for in the folders that `data` names; the first that is there is read."""

    expects: str
    """What a record of such a file holds, for the line that says what could be given."""


class ChoicesConfig(RunConfig):
    """Options that a record keeps apart: the right one and the wrong ones, to be shuffled by the example's id."""

    right: str
    """Template of the right option."""

    wrong: list[str] = Field(min_length=1)
    """Templates of the others."""


class DecodingConfig(RunConfig):
    """How the published figure was sampled."""

    temperature: float = Field(1.0, ge=0)
    """0 takes the likeliest token."""

    top_p: float = Field(1.0, gt=0, le=1)
    """Mass of the likeliest tokens that are drawn from."""

    top_k: int = Field(0, ge=0)
    """How many of the likeliest; 0: all."""

    max_tokens: int = Field(28672, ge=1)
    """Longest answer in tokens, thinking included."""


class TaskConfig(RunConfig):
    """One benchmark in one suite."""

    title: str
    """What tables call it."""

    domain: Domain
    """Group of the table."""

    source: TaskSource
    """Where its examples lie."""

    rows: int | None = Field(None, ge=1)
    """Examples of the published figure; of a longer raw file so many are drawn by their ids. All if null."""

    where: dict[str, Any] = {}
    """Raw records that count: those with these values, such as `{split: evaluation}`."""

    fields: dict[str, list[str]] = {}
    """Name in the templates to the keys under which raw records have it; the first that is there counts. An empty key
    at the end means that it may be absent."""

    id: str = ""
    """Template of an example's id; a digest of its prompt if empty."""

    cluster: str = ""
    """Template of what several examples share, such as a function or a puzzle: they are resampled together."""

    draw: list[dict[str, Any]] = []
    """Sets of further values, one of which each raw record gets by its id, such as `[{asked: input}, …]`."""

    choices: ChoicesConfig | None = None
    """Options to shuffle; they become `options`, and the right one's letter `letter`."""

    system: str = ""
    """Template of a system turn before the question; none if empty."""

    prompt: str
    """Template of the question."""

    gold: Any
    """Template of the ground truth, in the form of the verifier."""

    verifier: str
    """What judges (`eval.verifiers`)."""

    info: dict[str, Any] = {}
    """Templates of what else the verifier needs."""

    samples: int = Field(1, ge=1)
    """Samples of each example behind the published figure."""

    decoding: DecodingConfig = DecodingConfig()
    """How they are drawn."""

    think_open: bool = False
    """The published model's template opens `<think>`: an answer without `</think>` was cut off."""

    options: dict[str, Any] = {}
    """Settings of the verifier, such as `partial: fraction`."""

    judge: Literal["", "choices", "math"] = ""
    """Wording of RLPR's judge for this task; empty: rules decide."""

    published: str = ""
    """Name of the task in `eval/published/*.json`."""

    note: str = ""
    """What to know before comparing."""

    @model_validator(mode="after")
    def _fits(self) -> "TaskConfig":
        if self.verifier not in VERIFIERS:
            raise ValueError(f"no verifier is called {self.verifier!r}; there are: {', '.join(VERIFIERS)}")
        return self

    def names(self) -> set[str]:
        """What the templates need of a raw record."""
        made = {"options", "letter"} if self.choices else set()
        made |= {name for one in self.draw for name in one}
        shuffled = [self.choices.right, *self.choices.wrong] if self.choices else []
        wanted = names_in([self.id, self.cluster, self.system, self.prompt, self.gold, self.info, shuffled])
        return {name for name in wanted if name not in made}


def tasks_folder() -> Path:
    """Where the tasks lie."""
    return configs_folder() / "eval" / "tasks"


def task_names() -> list[str]:
    """All tasks there are, sorted."""
    return sorted(path.stem for path in tasks_folder().glob("*.yaml"))


def load_task(name: str) -> TaskConfig:
    """A task by its name, or by the path of a YAML file.

    Raises:
        ValueError: there is none, or its file has a mistake.
    """
    path = Path(name) if name.endswith((".yaml", ".yml")) else tasks_folder() / f"{name}.yaml"
    if not path.is_file():
        raise ValueError(f"no task {name!r}; there are: {', '.join(task_names())}, or give a YAML file")
    return load(TaskConfig, [path])
