"""CORE under torch.distributed: two processes share the rows and both have all results."""

import json
import subprocess
import sys

import numpy as np
import pytest

from eval.core.prompts import Item
from eval.core.scoring import score_items
from eval.likelihood.table import TableScorer

PROGRAM = """
import json, sys
import numpy as np
from torch import distributed
from eval.core.scoring import WorkFailed, score_items
from eval.core.prompts import Item
from eval.likelihood.table import TableScorer
from eval.likelihood.trunks import TrunkScores

rank, world, store = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
if world > 1:
    distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world)

class Counting:
    trunks = 0
    def score(self, trunks):
        Counting.trunks += len(trunks)
        return TABLE.score(trunks)

def table(context):
    weights = np.random.default_rng(list(context)).normal(size=50)
    return weights - np.log(np.exp(weights).sum())

TABLE = TableScorer(table)
items = [Item(n, None, [[1, n % 7, n]] * 3, [[n % 5], [4, n % 3], [6, 2, 1]], n % 3) for n in range(31)]
scored = score_items(items, "multiple_choice", Counting())
class Failing:
    def score(self, trunks):
        return [TrunkScores([], error="too long") if 999 in one.token_ids else TABLE.score([one])[0] for one in trunks]

failure = ""
try:
    score_items([*items, Item(77, None, [[999] * 9] * 3, [[1], [2], [3]], 0)], "multiple_choice", Failing(), "task")
except WorkFailed as error:
    failure = str(error)
print(json.dumps([Counting.trunks, failure, [one.losses for one in scored], [one.pred for one in scored]]))
if world > 1:
    distributed.destroy_process_group()
"""


def results(world, folder, root):
    command = [sys.executable, "-c", PROGRAM]
    started = [
        subprocess.Popen([*command, str(rank), str(world), str(folder / f"store{world}")], cwd=root,
                         stdout=subprocess.PIPE, text=True)
        for rank in range(world)
    ]  # fmt: skip
    outputs = [process.communicate(timeout=500)[0] for process in started]
    assert all(process.returncode == 0 for process in started)
    return [json.loads(output.splitlines()[-1]) for output in outputs]


@pytest.mark.integration
def test_results_do_not_depend_on_the_number_of_processes(tmp_path, root):
    ((count, failure, *alone),) = results(1, tmp_path, root)
    (first, *one), (second, *other) = results(2, tmp_path, root)
    named = "task: row 77 could not be scored: too long"
    assert failure == named  # in two processes both stop, and the one that met it names the row
    assert {one.pop(0), other.pop(0)} == {named, "task: 1 rows could not be scored"}
    assert one == other == alone
    assert count == 31 and first + second == 31 and abs(first - second) <= 1  # each row once, in one of them


@pytest.mark.parametrize(
    "contexts", [[[1, 2, 3], [1, 2, 4], [1, 9, 4, 5]], [[1, 2], [1, 2, 3], [1, 2]], [[1], [2], [3]]]
)
def test_options_of_a_schema_are_scored_as_if_each_stood_alone(contexts):
    """What they share at their beginning is read once."""

    def table(context):
        weights = np.random.default_rng([7, *context]).normal(size=12)
        return weights - np.log(np.exp(weights).sum())

    answer = [6, 7]
    (found,) = score_items([Item(0, None, contexts, [answer] * 3, 1)], "schema", TableScorer(table))
    for context, loss in zip(contexts, found.losses, strict=True):
        alone = [-table([*context, *answer[:place]])[token] for place, token in enumerate(answer)]
        assert loss == pytest.approx(np.mean(alone), abs=1e-6)
