"""The baseline store: keys by content, nothing computed twice, nothing lost."""

import json

import numpy as np
import pytest

from eval.likelihood import Branch, TableScorer, Trunk, TrunkScores, open_scorer
from rl.baselines import BaselineStore, entry_key, main, model_identity
from rl.rewards.reference import ReferenceProbabilityConfig, ReferenceProbabilityReward

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


def test_a_second_run_computes_nothing(tmp_path):
    first, second = Counting(), Counting()
    found = BaselineStore(tmp_path / "b.parquet", first, IDENTITY).logprobs([*TRUNKS, TRUNKS[0]])
    again = BaselineStore(tmp_path / "b.parquet", second, IDENTITY).logprobs([*TRUNKS, TRUNKS[0]])
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

    store = BaselineStore(tmp_path / "b.parquet", Failing(), IDENTITY)
    assert store.logprobs(TRUNKS) == ["server", "server"]
    assert not (tmp_path / "b.parquet").exists()
    store.scorer = Counting()
    assert all(isinstance(values, np.ndarray) for values in store.logprobs(TRUNKS))


def test_a_kill_while_writing_loses_no_entry(tmp_path, monkeypatch):
    import pyarrow.parquet as pq

    store = BaselineStore(tmp_path / "b.parquet", Counting(), IDENTITY)
    store.logprobs(TRUNKS[:1])

    def killed(table, target):
        target.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(pq, "write_table", killed)
    with pytest.raises(KeyboardInterrupt):
        store.logprobs(TRUNKS)
    monkeypatch.undo()
    assert len(BaselineStore(tmp_path / "b.parquet", Counting(), IDENTITY).entries) == 1


def test_one_process_writes(tmp_path):
    BaselineStore(tmp_path / "b.parquet", Counting(), IDENTITY, writes=False).logprobs(TRUNKS)
    assert not list(tmp_path.iterdir())


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
def test_the_command_fills_what_training_then_finds(small_policy, tmp_path, capsys, kind):
    from transformers import AutoTokenizer

    rows = [
        {"prompt": [{"role": "user", "content": f"Boat {n}?"}], "reference": f"at {n}" if n else ""} for n in range(4)
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    store = str(tmp_path / "b.parquet")
    words = [f"model={small_policy}", f"data={tmp_path / 'rows.jsonl'}", f"store={store}", f"reward.kind={kind}"]
    for computed in (3, 0):
        main(words)
        assert json.loads(capsys.readouterr().out) == {"rows": 4, "entries": 3, "computed": computed}
    if kind == "reference_probability":
        unused = Counting()
        identity = {"model": model_identity(small_policy), "dtype": "auto", "temperature": 1.0}
        reward = ReferenceProbabilityReward(ReferenceProbabilityConfig())
        tokenizer = AutoTokenizer.from_pretrained(small_policy)
        reward.bind(open_scorer(small_policy), tokenizer, BaselineStore(store, unused, identity))
        text = "<think> a </think> <answer> b </answer>"
        values = reward([row["prompt"] for row in rows], [text] * 4, reference=[row["reference"] for row in rows])
        assert unused.asked == 0 and values[0] is None and all(value is not None for value in values[1:])
