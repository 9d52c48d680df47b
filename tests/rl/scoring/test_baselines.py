"""The baseline store: keys by content, nothing computed twice, nothing lost."""

import json

import numpy as np
import pytest

from common.config import load
from common.weights import model_identity
from eval.likelihood.table import TableScorer
from eval.likelihood.trunks import Branch, Trunk, TrunkScores
from rl.baselines import main
from rl.grpo.config import RLConfig
from rl.rewards.kinds import open_rewards
from rl.scoring.baselines import BaselineStore, RefreshedBaselines, StoredBaselines, entry_key
from rl.scoring.models import SavedModels, bind

TRUNKS = [Trunk([1, 2, 3], [Branch(3, [4, 5], [False, True])]), Trunk([1, 2, 3], [Branch(3, [6])])]
IDENTITY = {"model": "m", "dtype": "float32", "temperature": 1.0}


class Counting(TableScorer):
    """Every token has p = 1/2; counts what it is asked."""

    def __init__(self):
        self.asked = 0
        super().__init__(lambda context: np.full(9, np.log(0.5)))

    def score(self, trunks):
        self.asked += len(trunks)
        return super().score(trunks)


def stored(path, scorer, **options):
    return StoredBaselines(BaselineStore(path, **options), scorer, IDENTITY)


def test_a_second_run_computes_nothing(tmp_path):
    first, second = Counting(), Counting()
    found = stored(tmp_path / "b.parquet", first).logprobs([*TRUNKS, TRUNKS[0]])
    again = stored(tmp_path / "b.parquet", second).logprobs([*TRUNKS, TRUNKS[0]])
    assert (first.asked, second.asked) == (2, 0)
    for a, b in zip(found, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert [len(values) for values in found] == [1, 1, 1]


@pytest.mark.parametrize(
    "trunk",
    [
        Trunk([1, 2, 9], [Branch(3, [4, 5], [False, True])]),
        Trunk([1, 2, 3], [Branch(3, [4, 6], [False, True])]),
        Trunk([1, 2, 3], [Branch(3, [4, 5], [True, True])]),
        Trunk([1, 2, 3], [Branch(2, [4, 5], [False, True])]),
    ],
)
def test_another_prompt_reference_mask_or_cut_has_another_key(trunk):
    assert entry_key(trunk, IDENTITY) != entry_key(TRUNKS[0], IDENTITY)


@pytest.mark.parametrize("change", [{"model": "n"}, {"dtype": "bfloat16"}, {"temperature": 0.6}])
def test_another_model_dtype_or_temperature_has_another_key(change):
    assert entry_key(TRUNKS[0], {**IDENTITY, **change}) != entry_key(TRUNKS[0], IDENTITY)


def test_what_stands_behind_the_cut_is_no_part_of_the_key():
    longer = Trunk([1, 2, 3, 7, 7], [Branch(3, [6])])
    assert entry_key(longer, IDENTITY) == entry_key(TRUNKS[1], IDENTITY)


def test_a_failure_is_told_and_tried_again(tmp_path):
    class Failing(Counting):
        def score(self, trunks):
            super().score(trunks)
            return [TrunkScores(error="server") for _ in trunks]

    store = stored(tmp_path / "b.parquet", Failing())
    assert store.logprobs(TRUNKS) == ["server", "server"]
    assert not (tmp_path / "b.parquet").exists()
    store.scorer = Counting()
    assert all(isinstance(values, np.ndarray) for values in store.logprobs(TRUNKS))


def test_a_kill_while_writing_loses_no_entry(tmp_path, monkeypatch):
    import pyarrow.parquet as pq

    store = stored(tmp_path / "b.parquet", Counting())
    store.logprobs(TRUNKS[:1])

    def killed(table, target):
        target.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(pq, "write_table", killed)
    with pytest.raises(KeyboardInterrupt):
        store.logprobs(TRUNKS)
    monkeypatch.undo()
    assert len(BaselineStore(tmp_path / "b.parquet").entries) == 1


def test_one_process_writes(tmp_path):
    stored(tmp_path / "b.parquet", Counting(), writes=False).logprobs(TRUNKS)
    assert not list(tmp_path.iterdir())


def test_entries_of_other_processes_are_taken_in_and_written(tmp_path):
    theirs = [("key", "m", np.array([-1.0, -2.0], np.float32))]
    stored(tmp_path / "b.parquet", Counting(), gather=lambda own: own + theirs).logprobs(TRUNKS[:1])
    found = BaselineStore(tmp_path / "b.parquet")
    assert len(found.entries) == 2 and found.entries["key"].tolist() == [-1, -2]


def test_models_share_a_file_and_never_an_entry(tmp_path):
    store = BaselineStore(tmp_path / "b.parquet")
    scorers = Counting(), Counting()
    for name, scorer in zip("mn", scorers, strict=True):
        StoredBaselines(store, scorer, {**IDENTITY, "model": name}).logprobs(TRUNKS)
    assert [scorer.asked for scorer in scorers] == [2, 2]
    assert sorted(BaselineStore(tmp_path / "b.parquet").models.values()) == ["m", "m", "n", "n"]


def test_baselines_follow_the_policy_from_refresh_to_refresh(tmp_path):
    store = BaselineStore(tmp_path / "b.parquet")
    initial, policy = Counting(), Counting()
    steps = iter([0, 9, 10, 19, 20])

    def refreshed():
        return RefreshedBaselines(
            StoredBaselines(store, initial, IDENTITY), store, policy, IDENTITY, 10, lambda: next(steps)
        )

    asked = []
    for _ in range(5):
        refreshed().logprobs(TRUNKS)
        asked.append((initial.asked, policy.asked))
    assert asked == [(2, 0), (2, 0), (2, 2), (2, 2), (2, 4)]


def test_the_identity_is_that_of_the_weights(small_policy, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(small_policy, copy)
    assert model_identity(str(copy)) == model_identity(small_policy)
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(bytes(weights))
    assert model_identity(str(copy)) != model_identity(small_policy)
    assert model_identity("some/hub-name") == "name:some/hub-name"


@pytest.mark.integration
@pytest.mark.parametrize("kind", ["reference_probability", "completion_gain"])
def test_the_command_fills_what_training_then_finds(small_policy, questions, tmp_path, capsys, kind):
    from transformers import AutoTokenizer

    values = {
        "model": small_policy,
        "out": str(tmp_path / "run"),
        "data": {"kind": "conversations", "train": [questions], "rows": 6, "eval_rows": 2},
        "rewards": [{"kind": kind}, {"kind": "exact_answer"}],
        "reward_weights": [1, 0],
        "per_device_eval_batch_size": 2,
    }
    (tmp_path / "config.yaml").write_text(json.dumps(values))
    for computed in (8, 0):
        main([str(tmp_path / "config.yaml")])
        assert json.loads(capsys.readouterr().out) == {"rows": 8, "entries": 8, "computed": computed}
    config = load(RLConfig, [], values)
    tokenizer = AutoTokenizer.from_pretrained(small_policy)
    store = BaselineStore(config.baselines_file)
    (reward, _) = rewards = open_rewards(config.rewards)
    bind(rewards, SavedModels(config), tokenizer, store)
    rows = [json.loads(line) for line in (tmp_path / "run" / "data" / "train.jsonl").read_text().splitlines()]
    columns = {name: [row[name] for row in rows] for name in ("reference", "messages")}
    text = "In summary: <think> a </think> <answer> b </answer>"
    found = reward([row["prompt"] for row in rows], [text] * len(rows), **columns)
    assert reward.baselines.computed == 0 and all(value is not None for value in found)


def test_a_run_without_baselines_has_nothing_to_fill(small_policy, tmp_path, capsys):
    words = [f"model={small_policy}", f"out={tmp_path}", "rewards=[{kind: process}]", "reward_weights=[0]"]
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert "no reward of this config has a baseline" in capsys.readouterr().err


def test_entries_behind_the_parquet_file_are_kept_and_joined_to_it_at_the_end(tmp_path):
    import pyarrow.parquet as pq

    path = tmp_path / "b.parquet"
    store = BaselineStore(path)
    for number in range(7):  # written whole at 1, 2 and 4 entries; the others wait in the file beside it
        store.add([(f"key{number}", "m", np.array([-number / 3], np.float32))])
    assert pq.read_metadata(path).num_rows == 4 and len(store.new.read_text().splitlines()) == 3
    store.new.write_text(store.new.read_text() + '{"key": "cut o')
    again = BaselineStore(path)
    assert {key: values.tolist() for key, values in again.entries.items()} == {
        key: values.tolist() for key, values in store.entries.items()
    }
    again.add([("key7", "m", np.array([-1.0], np.float32))])  # 8 are twice 4
    assert pq.read_metadata(path).num_rows == 8 and not store.new.exists()
    again.add([("key8", "m", np.array([], np.float32))])
    again.file()
    assert pq.read_metadata(path).num_rows == 9 and not store.new.exists()


def test_a_line_that_a_kill_cut_off_does_not_spoil_the_next(tmp_path):
    path = tmp_path / "b.parquet"
    store = BaselineStore(path)
    for keys in (["a", "b"], ["c"]):
        store.add([(key, "m", np.array([-1.0], np.float32)) for key in keys])
    store.new.write_bytes(store.new.read_bytes()[:-9])
    again = BaselineStore(path)
    assert sorted(again.entries) == ["a", "b"]
    again.add([("d", "m", np.array([-2.0], np.float32))])
    assert sorted(BaselineStore(path).entries) == ["a", "b", "d"]


def test_entries_added_one_by_one_are_a_line_each(tmp_path):
    store = BaselineStore(tmp_path / "b.parquet")
    store.add([(f"k{number}", "m", np.zeros(1, np.float32)) for number in range(8)])
    store.file()
    for number in range(3):
        store.add([(f"new{number}", "m", np.zeros(1, np.float32))])
    lines = store.new.read_text().split("\n")
    assert [json.loads(line)["key"] for line in lines[:-1]] == ["new0", "new1", "new2"] and lines[-1] == ""
