"""Rules at their boundaries, reports that add up, and sampling that a kill does not cost."""

import json
import shutil

import pytest

from rl.data.rows.schema import canonical, new_row, read_rows, write_rows
from rl.difficulty import __main__ as door
from rl.difficulty.predicates import PREDICATES, Rate, RatePair
from rl.difficulty.published import beside
from rl.difficulty.rates import SamplerConfig, measure
from rl.difficulty.selection import DifficultyConfig, select

BOUNDARIES = [  # of 16: weak, strong, dropped; specification of Reasoning360, section 9.1
    ("too_easy", "code", 15, 16, True),
    ("too_easy", "code", 14, 16, False),
    ("noisy", "code", 0, 0, True),
    ("noisy", "code", 0, 1, False),
    ("anomalous", "code", 3, 2, True),
    ("anomalous", "code", 5, 5, False),
    ("math_small_gap", "math", 6, 12, True),
    ("math_small_gap", "math", 10, 16, True),
    ("math_small_gap", "math", 9, 16, False),
    ("math_small_gap", "math", 6, 11, False),
    ("math_small_gap", "code", 6, 12, False),
    ("science_small_gap", "stem", 9, 16, True),
    ("science_small_gap", "stem", 0, 7, True),
    ("science_small_gap", "stem", 8, 16, False),
    ("science_small_gap", "stem", 0, 8, False),
    ("released_low_high", "code", 15, 16, True),
    ("released_low_high", "code", 14, 16, False),
    ("released_low_high", "code", 3, 0, True),
    ("zero_variance", "code", 0, 4, True),
    ("zero_variance", "code", 16, 4, True),
    ("zero_variance", "code", 1, 4, False),
]


@pytest.mark.parametrize(("rule", "domain", "weak", "strong", "dropped"), BOUNDARIES)
def test_rules_at_their_boundaries(rule, domain, weak, strong, dropped):
    assert PREDICATES[rule](RatePair(domain, Rate(16, weak), Rate(16, strong))) is dropped


def test_rules_about_cut_and_unjudged_samples():
    fine, cut, lost = Rate(16, 4), Rate(16, 4, truncated=9), Rate(12, 4, unscored=4)
    assert PREDICATES["high_truncation"](RatePair("code", cut, fine)) and not PREDICATES["high_truncation"](
        RatePair("code", fine, cut)
    )
    assert PREDICATES["high_infra_error"](RatePair("code", fine, lost)) and not PREDICATES["high_infra_error"](
        RatePair("code", fine, fine)
    )


def test_released_files_rule_is_too_easy_or_noisy_at_sixteen_samples():
    for weak in range(17):
        for strong in range(17):
            case = RatePair("code", Rate(16, weak), Rate(16, strong))
            assert PREDICATES["released_low_high"](case) == (PREDICATES["too_easy"](case) or PREDICATES["noisy"](case))


def row(number, weak=None, strong=None, **info):
    made = new_row("math__combined", f"What is {number} + 1?", str(number + 1), key=number, info=info)
    if weak is not None:
        made["pass_rates"] = canonical(
            {"qwen2.5_7b": {"n": 16, "correct": weak}, "qwen3_30b": {"n": 16, "correct": strong}}
        )
    return made


def test_published_counts_stand_beside_ours():
    zebra, other = "logic__zebra_puzzle_dataset", "math__combined"
    found = beside({zebra: {"kept": 2, "noisy": 3}, other: {"kept": 1}})
    assert found == {zebra: {"before": {"ours": 5, "published": 5700}, "after": {"ours": 2, "published": 1300}}}


def test_the_report_adds_up(tmp_path, capsys):
    rows = [row(n, weak, strong) for n, (weak, strong) in enumerate((w, s) for w in range(17) for s in range(17))]
    write_rows(str(tmp_path / "rows.parquet"), rows)
    door.main([f"examples={tmp_path}/rows.parquet", f"out={tmp_path}/out"])
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    kept = list(read_rows(str(tmp_path / "out" / "kept.parquet")))
    assert report["read"] == 289 == report["kept"] + sum(report["dropped_first_rule"].values())
    assert len(kept) == report["kept"]
    assert report["by_domain"]["math"]["kept"] == report["kept"]
    assert sum(report["pass_rates"]["qwen2.5_7b"].values()) == 289
    assert report["dropped_any_rule"]["too_easy"] == 34
    assert report["dropped_any_rule"]["noisy"] == 17
    for one in kept:  # by hand, from the five rules
        rates = json.loads(one["pass_rates"])
        weak, strong = rates["qwen2.5_7b"]["correct"], rates["qwen3_30b"]["correct"]
        assert weak < 15 and strong > 0 and weak <= strong and not (strong - weak <= 6 and strong >= 12)
    capsys.readouterr()
    door.main([f"examples={tmp_path}/rows.parquet", f"out={tmp_path}/out", f"explain={rows[-1]['id']}"])
    assert "too_easy, math_small_gap" in capsys.readouterr().out


def test_missing_rates_are_an_error_and_never_zero(tmp_path):
    rows = [row(0, 3, 9), row(1)]
    config = DifficultyConfig(examples=["x"], out=str(tmp_path))
    with pytest.raises(ValueError, match="has no pass rate"):
        select(rows, config)
    assert len(select(rows, config.model_copy(update={"missing": "keep"})).kept) == 2
    dropped = select(rows, config.model_copy(update={"missing": "drop"}))
    assert dropped.report["dropped_first_rule"] == {"missing": 1}
    with pytest.raises(ValueError, match="over 17 samples"):
        select(rows[:1], config.model_copy(update={"min_n": 17}))


def test_large_categories_are_sampled_down_first(tmp_path):
    rows = [row(n, 3, 9, category="a" if n < 20 else "b") for n in range(25)]
    config = DifficultyConfig(examples=["x"], out=str(tmp_path), category_cap=8)
    found = select(rows, config)
    assert found.report["dropped_first_rule"] == {"category_cap": 12}
    assert {one["id"] for one in found.kept} == {one["id"] for one in select(rows[::-1], config).kept}


def test_unknown_rules_are_named():
    with pytest.raises(ValueError, match="no rule is called 'hard'"):
        DifficultyConfig(examples=["x"], out="y", rules=["hard"])


@pytest.mark.integration
def test_sampling_goes_on_where_it_was_cut_off(tmp_path, small_policy):
    rows = [row(n) for n in range(3)]
    config = SamplerConfig(name="tiny", model=str(small_policy), n=4, max_tokens=6)
    whole = measure(rows, config, tmp_path / "whole")
    assert {rate.n for rate in whole.values()} == {4}
    lines = (tmp_path / "whole" / "samples_tiny.jsonl").read_bytes().splitlines(keepends=True)
    assert len(lines) == 12
    (tmp_path / "cut").mkdir()
    cut = tmp_path / "cut" / "samples_tiny.jsonl"
    cut.write_bytes(b"".join(lines[:5]) + lines[5][:20])
    assert measure(rows, config, tmp_path / "cut").keys() == whole.keys()
    keys = [(line["id"], line["sample"]) for line in map(json.loads, cut.read_bytes().splitlines())]
    assert len(keys) == len(set(keys)) == 12
    with pytest.raises(ValueError, match="another model, sampling or question"):
        measure(rows, config.model_copy(update={"top_p": 0.5}), tmp_path / "cut")


@pytest.mark.integration
def test_shares_draw_all_samples_once_and_the_last_one_selects(tmp_path, small_policy, capsys):
    write_rows(str(tmp_path / "rows.parquet"), [row(n) for n in range(6)])
    models = f"models=[{{name: tiny, model: {small_policy}, n: 2, max_tokens: 4}}]"
    words = [f"examples={tmp_path}/rows.parquet", f"out={tmp_path}/out", models, "weak=tiny", "strong=tiny"]
    door.main([*words, "share=1/2"])
    first = tmp_path / "out" / "samples_tiny.1of2.jsonl"
    drawn = first.read_bytes()
    assert "share 1/2 is drawn" in capsys.readouterr().out
    assert 0 < drawn.count(b"\n") < 12 and not (tmp_path / "out" / "kept.parquet").exists()
    first.write_bytes(drawn + b'{"id": "half')  # the other job may be writing
    door.main([*words, "share=2/2"])
    assert json.loads(capsys.readouterr().out)["read"] == 6
    assert first.read_bytes() == drawn + b'{"id": "half'
    lines = [line for path in (tmp_path / "out").glob("samples_*") for line in path.read_text().splitlines()[:12]]
    keys = [(one["id"], one["sample"]) for one in (json.loads(line) for line in lines if line.endswith("}"))]
    assert len(keys) == len(set(keys)) == 12


def test_samples_of_other_weights_or_another_question_are_refused(tmp_path, small_policy):
    model = tmp_path / "model"
    shutil.copytree(small_policy, model)
    config = SamplerConfig(name="tiny", model=str(model), n=1, max_tokens=2)
    asked = [row(0)]
    measure(asked, config, tmp_path)
    other = [{**asked[0], "prompt": [{"role": "user", "content": "Something else?"}]}]
    with pytest.raises(ValueError, match="another model, sampling or question"):
        measure(other, config, tmp_path)
    (model / "config.json").write_text((model / "config.json").read_text() + "\n")
    with pytest.raises(ValueError, match="another model, sampling or question"):
        measure(asked, config, tmp_path)


def test_samples_that_say_only_their_shape_are_still_ours(tmp_path, small_policy):  # as written before
    config = SamplerConfig(name="tiny", model=str(small_policy), n=1, max_tokens=2)
    measure([row(0)], config, tmp_path)
    file = tmp_path / "samples_tiny.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps({k: v for k, v in one.items() if k != "made_of"}) + "\n" for one in lines))
    before = file.read_bytes()
    measure([row(0)], config, tmp_path)
    assert file.read_bytes() == before


def test_two_models_of_one_name_are_refused():
    twice = [{"name": "weak", "model": "one"}, {"name": "weak", "model": "two"}]
    with pytest.raises(ValueError, match="two models are called 'weak'"):
        DifficultyConfig(examples=["x"], out="out", models=twice)
