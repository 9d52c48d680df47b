"""What was made from what is found by paths, wherever the runs lie now; what went along is counted."""

import shutil

from eval.report.findings.lineage import drops, lineage
from eval.report.stages import find_stages


def test_stages_are_joined_by_what_their_settings_name(runs):
    found = lineage(find_stages([str(runs)]))
    arrows = {arrow[:2]: arrow[2:] for arrow in found.arrows}
    assert arrows["runs/pool", "recycled"] == (9, 1200)  # a bare pool is no stage: known by its path's end
    assert arrows["rl", "recycled"] == (None, None)
    assert arrows["recycled", "selected"] == (9, 2000)
    assert arrows["tokens", "models/mixed"] == (None, 200)
    (recycled,) = (node for node in found.nodes if node.name == "recycled")
    assert (recycled.kind, recycled.documents, recycled.tokens) == ("recycled", 8, 960)
    assert recycled.drops == {"missing_sentinel": 1}


def test_runs_that_were_moved_are_joined_all_the_same(runs, tmp_path):
    before = {arrow[:2] for arrow in lineage(find_stages([str(runs)])).arrows}
    (tmp_path / "elsewhere").mkdir()
    moved = shutil.move(runs, tmp_path / "elsewhere" / "runs")
    after = {arrow[:2] for arrow in lineage(find_stages([str(moved)])).arrows}
    assert {("rl", "recycled"), ("recycled", "selected"), ("tokens", "models/organic")} <= before & after


def test_drops_are_those_of_all_steps_with_the_most_frequent_first(runs):
    stages = {stage.name: stage for stage in find_stages([str(runs)])}
    assert drops(stages["selected"]) == {"below_threshold": 5}
    stages["selected"].dataset["steps"].append({"drops": {"duplicate_ngrams": 7, "below_threshold": 1}})
    assert list(drops(stages["selected"]).items()) == [("duplicate_ngrams", 7), ("below_threshold", 6)]
