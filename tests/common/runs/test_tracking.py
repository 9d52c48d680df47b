"""Metrics go to the service that a run names, and a service that fails does not stop the run."""

import sys
import types

import pytest

from common.config import RunConfig
from common.runs.folder import Run, read_metrics
from common.runs.tracking import check_tracker, tracker_of


class Tracked(RunConfig):
    """A run that reports."""

    report_to: str = "none"
    report_to_wandb: bool = False
    api_key: str = ""


@pytest.fixture
def service(monkeypatch):
    """A stand-in for wandb that takes down what it is told."""
    told = {"init": [], "log": [], "finished": 0}
    module = types.ModuleType("wandb")

    class Session:
        def log(self, metrics, step=None):
            told["log"].append((step, metrics))

        def finish(self):
            told["finished"] += 1

    def init(**options):
        told["init"].append(options)
        return Session()

    module.init = init
    monkeypatch.setitem(sys.modules, "wandb", module)
    return told


def test_what_is_logged_goes_there_too_under_the_same_names(service, tmp_path):
    config = Tracked(report_to="wandb", api_key="SECRET")
    with Run(tmp_path / "mine", config) as run:
        run.log({"loss": 1.5, "broken": float("nan")}, 3)
    assert service["log"] == [(3, {"loss": 1.5})]
    assert service["finished"] == 1
    assert read_metrics(tmp_path / "mine")[0]["loss"] == 1.5
    (options,) = service["init"]
    assert options["name"] == "mine" and options["resume"] == "allow"
    assert "SECRET" not in str(options)
    with Run(tmp_path / "mine", config):
        pass
    assert service["init"][1]["id"] == options["id"]  # a run that goes on is one


def test_wandbs_own_variables_stand_above_ours(service, tmp_path, monkeypatch):
    given = {"PROJECT": "theirs", "NAME": "named", "RUN_ID": "x1", "DIR": str(tmp_path / "w"), "RESUME": "must"}
    for name, value in given.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    with Run(tmp_path / "mine", Tracked(report_to="wandb")):
        pass
    (options,) = service["init"]
    options.pop("config")
    assert options == {name.lower().replace("run_id", "id"): value for name, value in given.items()}


@pytest.mark.parametrize(
    ("config", "environment", "name"),
    [
        (Tracked(), {}, "none"),
        (Tracked(report_to="tensorboard"), {}, "tensorboard"),
        (Tracked(report_to_wandb=True), {}, "wandb"),
        (Tracked(), {"USE_WANDB": "true"}, "wandb"),
        (Tracked(), {"USE_WANDB": "false"}, "none"),
    ],
)
def test_the_config_or_the_environment_says_which(config, environment, name, monkeypatch):
    monkeypatch.delenv("USE_WANDB", raising=False)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    assert tracker_of(config) == name


def test_a_service_that_cannot_be_reached_is_said_and_the_run_goes_on(service, tmp_path, monkeypatch, caplog):
    def refuse(**options):
        raise ConnectionError("no route")

    monkeypatch.setattr(sys.modules["wandb"], "init", refuse)
    with Run(tmp_path, Tracked(report_to="wandb")) as run:
        run.log({"loss": 1.0}, 1)
    assert read_metrics(tmp_path)[0]["loss"] == 1.0
    assert "wandb cannot be used (no route); the run folder has all metrics" in caplog.text


def test_a_missing_package_is_a_mistake_before_anything_runs(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"report_to=trackio needs the trackio package: pip install -e \.\[track\]"):
        check_tracker(Tracked(report_to="trackio"))
    check_tracker(Tracked())
