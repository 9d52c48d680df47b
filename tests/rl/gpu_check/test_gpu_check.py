"""The GPU check on a CPU with tiny models: every part measures, goes on where it was, and says what is missing."""

import importlib.util
import json

import pytest
import torch

from rl.gpu_check.__main__ import main, render
from rl.gpu_check.clock import stopwatch
from rl.gpu_check.pretraining import distance

TINY = ["device=cpu", "scales=smoke", "steps=2", "global_bs=2", "curve_steps=3", "rollouts=8", "tokens=4"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("gpu_check")


def report(folder):
    return json.loads((folder / "gpu_check.json").read_text())


def test_it_says_that_there_is_no_gpu(tmp_path, capsys):
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    main([f"out={tmp_path}"])
    assert "no CUDA device" in capsys.readouterr().out


@pytest.mark.integration
@pytest.mark.parametrize(
    ("part", "figure"),
    [
        ("pretraining", "smoke: tokens per s and device"),
        ("scoring", "cuts, float32: shared beside one sequence each"),
        ("rollouts", "transformers: tokens per s"),
        ("infer", "transformers: tokens per s"),
        ("step", "completions: s per step"),
    ],
)
def test_a_part_measures(folder, capsys, part, figure):
    main([f"out={folder}", f"part={part}", *TINY])
    found = report(folder)["parts"][part]
    assert "error" not in found, found
    assert found["figures"][figure] > 0 and not found.get("outside")
    assert part in capsys.readouterr().out
    if part in ("rollouts", "infer") and importlib.util.find_spec("vllm") is None:
        assert "vllm is not installed" in found["missing"]


@pytest.mark.integration
def test_a_part_that_is_measured_is_not_measured_again_and_time_is_kept(folder, capsys, monkeypatch):
    from rl.gpu_check import __main__ as door

    asked = []

    def named(name):
        asked.append(name)
        return lambda config, folder: {"figures": {"x": 1.0}}

    monkeypatch.setattr(door, "part_named", named)
    place = folder / "again"
    door.main([f"out={place}", "part=scoring", *TINY])
    door.main([f"out={place}", "part=scoring,step", *TINY])
    assert asked == ["scoring", "step"]
    door.main([f"out={place}", "minutes=0.0000001", "part=rollouts,scoring", *TINY])
    assert asked == ["scoring", "step"] and "not measured yet: rollouts" in capsys.readouterr().out
    door.main([f"out={place}", "part=scoring", *TINY[:-1], "tokens=5"])  # other settings, other figures
    assert asked == ["scoring", "step", "scoring"]


def test_a_failure_is_kept_and_the_other_parts_run(tmp_path, monkeypatch, capsys):
    from rl.gpu_check import __main__ as door

    def named(name):
        def part(config, folder):
            if name == "scoring":
                raise RuntimeError("out of memory")
            if name == "infer":
                raise ImportError("no module of that name")
            return {"figures": {"speed": 2.0}, "outside": ["too far"] if name == "step" else []}

        return part

    monkeypatch.setattr(door, "part_named", named)
    with pytest.raises(SystemExit, match="1"):
        door.main([f"out={tmp_path}", *TINY])
    parts = report(tmp_path)["parts"]
    assert (
        parts["scoring"]["error"] == "RuntimeError: out of memory"
        and "raise RuntimeError" in parts["scoring"]["traceback"]
    )
    assert parts["infer"]["missing"] and parts["rollouts"]["figures"] == {"speed": 2.0}
    table = (tmp_path / "gpu_check.txt").read_text()
    assert "OUTSIDE: too far" in table and "error: RuntimeError: out of memory" in table
    assert table == render(report(tmp_path)) + "\n"
    assert "scoring, step: failed" in capsys.readouterr().err


def test_an_unknown_part_is_a_mistake(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main([f"out={tmp_path}", "part=memory"])
    assert "there are: pretraining, scoring" in capsys.readouterr().err


def test_a_stopwatch_takes_inherited_methods_and_leaves_none_behind():
    class Base:
        def work(self):
            return 3

    class Derived(Base):
        pass

    with stopwatch(Derived, ("work",), "cpu") as found:
        assert Derived().work() == 3 and Base().work() == 3
    assert len(found["work"]) == 1 and "work" not in vars(Derived)


def test_curves_are_compared_by_means_and_short_ones_too():
    assert distance([1.0, 3.0], [1.0, 3.0]) == 0
    assert distance([2.0, 2.0], [2.0, 3.0]) == pytest.approx(0.25)
