"""The config contract: precedence, spelling, errors in one line, help, hash."""

from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, model_validator

from common.command import parse
from common.config import ADDED, HOW, Added, CommaList, ConfigError, RunConfig, config_hash, load, read_yaml, to_yaml


class Length(RunConfig):
    """Length reward."""

    kind: Literal["length"] = "length"

    max_ratio: float = Field(1.25, gt=0)
    """Longest rephrasing, per character of the document."""


class Quality(RunConfig):
    """Quality reward."""

    kind: Literal["quality"] = "quality"

    scorer: str = "fasttext"


class Training(RunConfig):
    """A run for these tests."""

    model: str
    """Where the policy lies."""

    out: Annotated[str, HOW] = "runs/x"

    learning_rate: float = 1e-6

    seed: int = 0

    fresh: bool = False

    inputs: CommaList = []

    rewards: list[Annotated[Length | Quality, Field(discriminator="kind")]] = [Length()]

    weights: list[float] = [1.0]

    @model_validator(mode="after")
    def _one_weight_per_reward(self):
        if len(self.weights) != len(self.rewards):
            raise ValueError(f"{len(self.weights)} weights for {len(self.rewards)} rewards; give one each")
        return self


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text(
        "model: m\nlearning-rate: 3e-4\nrewards:\n  - {kind: length}\n  - {kind: quality}\nweights: [1, 2]\n"
    )
    return str(path)


def test_command_line_beats_files_and_files_beat_defaults(config_file, tmp_path):
    later = tmp_path / "later.yaml"
    later.write_text("out: elsewhere\nmodel: n\n")
    config = parse(Training, None, [config_file, str(later), "rewards.0.max-ratio=1.5", "--model", "p", "--fresh"])
    assert config.model == "p" and config.out == "elsewhere" and config.fresh
    assert config.learning_rate == 3e-4
    assert config.rewards[0].max_ratio == 1.5


def test_a_kind_on_the_command_line_replaces_the_block(config_file):
    config = parse(Training, None, [config_file, "rewards.0={kind: quality}"])
    assert config.rewards[0] == Quality()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["lerning_rate=1"], "error: unknown key 'lerning_rate', did you mean 'learning_rate'?"),
        (["rewards.0.max_rato=1"], "error: unknown key 'rewards.0.max_rato', did you mean 'max_ratio'?"),
        (["rewards.7.max_ratio=1"], "error: rewards.7.max_ratio: '7' is no index into a list of 2"),
        (["weights=[1]"], "error: 1 weights for 2 rewards; give one each"),
        (
            ["seed=fast"],
            "error: seed: Input should be a valid integer, unable to parse string as an integer, not 'fast'",
        ),
        (["rewards.0.max_ratio=-1"], "error: rewards.0.max_ratio: Input should be greater than 0, not -1"),
        (["nonsense"], "error: do not know what to do with 'nonsense'; write key=value, or see --help"),
        (["missing.yaml"], "error: cannot read missing.yaml: No such file or directory"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(config_file, capsys, arguments, line):
    with pytest.raises(SystemExit) as stop:
        parse(Training, None, [config_file, *arguments])
    assert stop.value.code == 2
    assert capsys.readouterr().err.strip() == line


def test_a_required_field_is_named(capsys):
    with pytest.raises(SystemExit):
        parse(Training, None, [])
    assert capsys.readouterr().err == "error: model is required\n"


def test_help_shows_every_field_with_default_and_docstring(capsys):
    with pytest.raises(SystemExit) as stop:
        parse(Training, "Train something.", ["--help"])
    text = capsys.readouterr().out
    assert stop.value.code == 0
    assert text.startswith("Train something.")
    assert "model: required  Where the policy lies." in text
    assert "max_ratio: 1.25  Longest rephrasing, per character of the document." in text


def test_dry_run_prints_a_config_that_loads_back_to_an_equal_one(config_file, capsys, tmp_path):
    with pytest.raises(SystemExit) as stop:
        parse(Training, None, [config_file, "--dry-run"], plan=lambda config: {"writes": config.out})
    printed = capsys.readouterr().out
    assert stop.value.code == 0 and printed.endswith("# writes: runs/x\n")
    (tmp_path / "resolved.yaml").write_text(printed)
    assert load(Training, [tmp_path / "resolved.yaml"]) == load(Training, [config_file])


class WithScorer(RunConfig):
    """A config whose scorer may be named by its kind alone."""

    scorer: Annotated[Length | Quality, Field(discriminator="kind")] = Length()


def test_a_kind_named_alone_can_be_reached_into():
    config = parse(WithScorer, None, ["scorer=quality", "scorer.scorer=dataman"])
    assert config.scorer == Quality(scorer="dataman")


def test_positional_words_fill_the_named_fields():
    assert parse(Training, None, ["policy", "a", "b"], positional=("model", "inputs")).inputs == ["a", "b"]
    assert load(Training, [], {"model": "m", "inputs": "a, b"}).inputs == ["a", "b"]


def test_the_hash_ignores_where_and_how_fast():
    config = load(Training, [], {"model": "m"})
    assert config_hash(config) == config_hash(load(Training, [], {"model": "m", "out": "b"}))
    assert config_hash(config) != config_hash(load(Training, [], {"model": "m", "learning_rate": 2e-6}))


@given(st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=20))
def test_any_number_and_text_survive_yaml(number, text):
    config = Training(model=text, learning_rate=number)
    assert Training.model_validate(read_yaml(to_yaml(config))) == config


def test_a_file_that_is_no_mapping_is_refused(tmp_path):
    (tmp_path / "list.yaml").write_text("- 1\n")
    with pytest.raises(ConfigError, match="holds no mapping"):
        load(Training, [tmp_path / "list.yaml"])


class Smoothing(RunConfig):
    """A part that a later version brings."""

    width: int = 3

    workers: Annotated[int, HOW] = 1


class LaterLength(Length):
    """`Length` as a later version has it."""

    min_ratio: Annotated[float, ADDED] = 0.0

    words: Annotated[bool, Added(False)] = True
    """The default is the new behaviour."""

    smoothing: Annotated[Smoothing, ADDED] = Smoothing()


@given(st.floats(0.1, 4), st.floats(0, 1), st.booleans(), st.integers(1, 9), st.integers(1, 4))
def test_an_added_field_enters_the_hash_only_where_it_is_not_as_before(ratio, least, words, width, workers):
    earlier = config_hash(Length(max_ratio=ratio))
    smoothing = Smoothing(width=width, workers=workers)
    later = LaterLength(max_ratio=ratio, min_ratio=least, words=words, smoothing=smoothing)
    as_before = least == 0 and not words and width == 3
    assert (config_hash(later) == earlier) == as_before
    assert config_hash(LaterLength(max_ratio=ratio, words=False)) == earlier
    assert config_hash(LaterLength(max_ratio=ratio + 1, words=False)) != earlier


def test_two_values_of_an_added_field_have_two_hashes():
    hashes = {config_hash(LaterLength(min_ratio=least, words=False)) for least in (0, 0.25, 0.5)}
    assert len(hashes) == 3


def test_an_added_field_counts_the_same_inside_another_config():
    class Holder(RunConfig):
        length: LaterLength

    class EarlierHolder(RunConfig):
        length: Length

    earlier = config_hash(EarlierHolder(length=Length()))
    assert config_hash(Holder(length=LaterLength(words=False))) == earlier
    assert config_hash(Holder(length=LaterLength(words=True))) != earlier
