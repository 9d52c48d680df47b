"""CORE's evaluator against one row at a time, against scorers whose answer is known, and its commands."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from eval.core.__main__ import main
from eval.core.baselines import CORE, CORE_SETS
from eval.core.commands import record_line
from eval.core.entries import ENTRIES, entries_of
from eval.core.evaluate import chosen_rows, evaluate, score_entry
from eval.core.files import find_files
from eval.core.prompts import Item, items, sequences
from eval.core.row_store import RowStore
from eval.core.scoring import score_items, trunks_of
from eval.likelihood.local import LONGEST_SHARED
from eval.likelihood.open import open_scorer
from eval.likelihood.packing import pack
from eval.likelihood.trunks import BranchScores, TrunkScores

SCORED = CORE_SETS["core20"]


@pytest.fixture(scope="module")
def neox(shared_data):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(shared_data / "tokenizers/gpt-neox-20b")


@pytest.fixture(scope="module")
def files(shared_data):
    return find_files(entries_of(["core"]), shared_data / "core")[0]


def tiny_model(kind="qwen3", vocabulary=50432, positions=2048):
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(1)
    config = AutoConfig.for_model(
        kind,
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=positions,
        initializer_range=0.3,  # wide, so that losses differ by far more than rounding
        tie_word_embeddings=False,
    )
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@torch.no_grad()
def one_by_one(model, context, answer):
    """Mean cross-entropy of the answer's tokens, and whether each is the most likely one: one plain forward pass."""
    ids = torch.tensor([context + answer])
    logits = model(input_ids=ids, logits_to_keep=len(answer) + 1).logits[0, :-1].float()
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor(answer))
    return float(loss), bool((logits.argmax(-1) == torch.tensor(answer)).all())


def reference(model, item, kind):
    """Losses and prediction of one item, as LLM Foundry's metrics define them."""
    losses, greedy = zip(
        *[one_by_one(model, *pair) for pair in zip(item.contexts, item.answers, strict=True)], strict=True
    )
    if kind == "language_modeling":
        return losses, 0 if greedy[0] else -1
    return losses, losses.index(min(losses))


def assert_equals_one_by_one(name, files, neox, model, only):
    entry = ENTRIES[name]
    asked = items(entry, files[entry.file].rows, neox, only=only)
    scored = score_items(asked, entry.kind, open_scorer(model))
    assert [one.item for one in scored] == asked
    for one in scored:
        losses, pred = reference(model, one.item, entry.kind)
        np.testing.assert_allclose(one.losses, losses, atol=1e-4, err_msg=f"{name} row {one.item.index}")
        assert one.pred == pred, f"{name} row {one.item.index}: losses {losses}"
    return asked


def cut_rows(entry, rows, neox):
    """Rows with a context that had to be cut."""
    return {
        item.index for item in items(entry, rows, neox)
        if any(len(pair[0]) + len(pair[1]) == 2048 for pair in zip(item.contexts, item.answers, strict=True))
    }  # fmt: skip


@pytest.mark.parametrize("name", SCORED)
def test_shared_batched_scoring_equals_one_row_at_a_time(name, files, neox, model):
    entry = ENTRIES[name]
    rows = files[entry.file].rows
    some = set(range(0, len(rows), max(1, len(rows) // 20)))
    if name in ("boolq", "bigbench_language_identification"):
        cut = cut_rows(entry, rows, neox)
        assert cut
        some = set(sorted(some)[:12]) | set(sorted(cut)[:2])
    assert_equals_one_by_one(name, files, neox, model, some)


@pytest.mark.slow
@pytest.mark.parametrize("name", SCORED)
@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_every_row_equals_one_row_at_a_time(name, kind, files, neox):
    assert_equals_one_by_one(name, files, neox, tiny_model(kind), None)


@pytest.mark.slow
def test_sharing_saves_nearly_two_thirds_of_the_tokens(files, neox):
    """2,907,714 tokens one sequence at a time; the published count for contexts shared by their choices is 1.07M."""
    alone = shared = merged = 0
    for name in SCORED:
        entry = ENTRIES[name]
        asked = items(entry, files[entry.file].rows, neox)
        alone += sum(len(context) + len(answer) for item in asked for context, answer in sequences(item))
        trunks = [trunk for item in asked for trunk in trunks_of(item, entry.kind)[0]]
        shared += sum(len(row) for trunk in trunks for row in pack([(0, trunk)], 0, 0))
        merged += sum(len(row) for row in pack(list(enumerate(trunks)), LONGEST_SHARED, 1024))
    print(f"{alone:,} tokens alone, {shared:,} shared by choices, {merged:,} by rows too")  # noqa: T201
    assert alone == 2_907_714
    assert 1.05e6 < shared < 1.07e6  # an answer's last token predicts nothing and is not fed
    assert merged < 1.03e6


class GoldScorer:
    """Gives the tokens of right answers probability 1 and all others a lower one."""

    def __init__(self, right):
        self.right = right

    def score(self, trunks):
        return [TrunkScores([self._branch(trunk, branch) for branch in trunk.branches]) for trunk in trunks]

    def _branch(self, trunk, branch):
        good = (*trunk.token_ids[: branch.cut], *branch.token_ids) in self.right
        length = len(branch.token_ids)
        return BranchScores(np.full(length, 0.0 if good else -1.0, np.float32), np.full(length, good))


class EqualScorer:
    """Finds every token equally likely, and never the most likely."""

    def score(self, trunks):
        return [
            TrunkScores(
                [
                    BranchScores(np.full(len(b.token_ids), -1.0, np.float32), np.zeros(len(b.token_ids), bool))
                    for b in trunk.branches
                ]
            )
            for trunk in trunks
        ]


@pytest.mark.parametrize("name", SCORED)
def test_who_knows_the_answers_gets_them_all(name, files, neox):
    entry = ENTRIES[name]
    asked = items(entry, files[entry.file].rows, neox)
    right = {(*item.contexts[item.gold], *item.answers[item.gold]) for item in asked}
    assert all(one.correct for one in score_items(asked, entry.kind, GoldScorer(right)))


@pytest.mark.parametrize("name", [name for name in SCORED if ENTRIES[name].kind != "language_modeling"])
def test_of_equal_answers_the_first_is_taken(name, files, neox):
    entry = ENTRIES[name]
    file = files[entry.file]
    _, figures = score_entry(entry, file, neox, EqualScorer(), 2048, None)
    assert figures["accuracy"] == pytest.approx(np.mean([row["gold"] == 0 for row in file.rows]))


@pytest.mark.parametrize("name", ["copa", "openbook_qa", "winogrande", "lambada_openai"])
def test_a_random_model_guesses(name, files, neox, model):
    entry = ENTRIES[name]
    _, figures = score_entry(entry, files[entry.file], neox, open_scorer(model), 2048, None)
    chance = {"multiple_choice": 0.25, "schema": 0.5, "language_modeling": 0.0}[entry.kind]
    chance = 0.5 if name == "copa" else chance
    assert figures["accuracy"] == pytest.approx(chance, abs=0.13)


def item(contexts, answers):
    return Item(0, None, contexts, answers, 0)


def test_answers_share_their_context():
    trunks, places = trunks_of(item([[1, 2]] * 3, [[3], [4, 5], [3]]), "multiple_choice")
    assert len(trunks) == 1 and trunks[0].token_ids == (1, 2)
    assert [tuple(branch.token_ids) for branch in trunks[0].branches] == [(3,), (4, 5)]
    assert [place.branch for place in places] == [0, 1, 0]  # equal answers are scored once: their losses are equal


def test_answers_whose_contexts_were_cut_differently_do_not_share():
    trunks, places = trunks_of(item([[1, 2], [2], [1, 2]], [[3], [4, 5], [6]]), "multiple_choice")
    assert [trunk.token_ids for trunk in trunks] == [(1, 2), (2,)]
    assert [(place.trunk, place.branch) for place in places] == [(0, 0), (1, 0), (0, 1)]


def test_options_share_what_they_begin_with_and_score_what_follows_them():
    trunks, places = trunks_of(item([[1, 2, 3], [1, 4]], [[9, 8], [9, 8]]), "schema")
    assert len(trunks) == 1 and trunks[0].token_ids == (1,)
    assert [tuple(branch.token_ids) for branch in trunks[0].branches] == [(2, 3, 9, 8), (4, 9, 8)]
    assert [list(branch.scored) for branch in trunks[0].branches] == [[False, False, True, True], [False, True, True]]
    assert [place.unscored for place in places] == [2, 1]


def test_options_that_share_nothing_stand_alone():
    trunks, _ = trunks_of(item([[1, 2], [3]], [[9], [9]]), "schema")
    assert [trunk.token_ids for trunk in trunks] == [(1, 2), (3,)]


def test_a_row_that_cannot_be_scored_stops_the_run():
    class Refuses:
        def score(self, trunks):
            return [TrunkScores(error="too_long") for _ in trunks]

    with pytest.raises(RuntimeError, match="copa: row 0 could not be scored: too_long"):
        score_items([item([[1]], [[2]])], "multiple_choice", Refuses(), "copa")


LETTERS = [chr(code) for code in range(32, 127)] + ["\n"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny model with a tokenizer of letters, as a Hugging Face folder."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split
    from transformers import PreTrainedTokenizerFast

    letters = Tokenizer(WordLevel({letter: number for number, letter in enumerate(["?", *LETTERS[:-2], "\n"])}, "?"))
    letters.pre_tokenizer = Split("", "isolated")
    path = tmp_path_factory.mktemp("model")
    PreTrainedTokenizerFast(tokenizer_object=letters, eos_token="?").save_pretrained(path)
    tiny_model(vocabulary=128, positions=512).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    """Small task files of all three types."""
    path = tmp_path_factory.mktemp("data")
    choice = [{"query": f"say {n}", "choices": [f"no {n}", "yes"], "gold": n % 2} for n in range(8)]
    text = [{"context": f"count {n}", "continuation": str(n + 1)} for n in range(6)]
    schema = [{"context_options": [f"A{n} saw", f"B{n} saw"], "continuation": "it.", "gold": n % 2} for n in range(5)]
    quiz = [{"context": f"q{n}", "continuation": "a", "category": "xy"[n > 1]} for n in range(5)]
    for name, rows in {"copa": choice, "lambada_openai": text, "winogrande": schema, "jeopardy_all": quiz}.items():
        (path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def letters(folder):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def test_a_record_says_what_was_scored_and_what_is_missing(folder, letters, tasks):
    record = evaluate(str(folder), letters, ["core"], tasks, draws=200, name="mine", stamp={"precision": "fp32"})
    scored = {"copa", "lambada_openai", "winogrande", "jeopardy"}
    assert set(record["eval_metrics"]["icl"]) == scored
    missing = [name for name in CORE if name not in scored]
    assert record["Core"] == record["Core_v1"] == f"N/A due to missing tasks: {missing}"
    assert record["core_partial"]["label"] == "CORE-4" and record["core_partial"]["missing"] == missing
    low, high = record["intervals_95"]["core_partial_v2"]
    assert low <= record["core_partial"]["mean"] <= high
    assert record["eval_version"] == "v2" and record["precision"] == "fp32" and record["name"] == "mine"
    assert len(record["tokenizer_sha256"]) == 64
    assert record["task_files"]["copa"]["rows"] == 8 and len(record["task_files"]["copa"]["sha256"]) == 64
    assert record["rows_scored_of_published"]["copa"] == [8, 100]
    assert "squad.jsonl" in record["missing_files"]
    assert record["entries"]["jeopardy"]["categories"].keys() == {"x", "y"}
    for name in ("uuid", "model", "creation_date", "missing tasks", "low_variance_datasets_centered", "Extended_v2"):
        assert name in record


def test_finished_entries_are_not_scored_again(folder, letters, tasks, tmp_path):
    store = RowStore(tmp_path / "rows")
    seen = []
    options = {"store": store, "seq_len": 512, "on_entry": lambda name, facts: seen.append(name)}
    first = evaluate(str(folder), letters, ["copa"], tasks, **options)
    written = (tmp_path / "rows/copa.parquet").stat().st_mtime_ns
    again = evaluate("no model is loaded", letters, ["copa"], tasks, **options)
    assert seen == ["copa"] and (tmp_path / "rows/copa.parquet").stat().st_mtime_ns == written
    assert again["eval_metrics"] == first["eval_metrics"]
    assert again["entries"]["copa"]["interval_95"] == first["entries"]["copa"]["interval_95"]
    evaluate(str(folder), letters, ["copa"], tasks, **options, stamp={"model_sha256": "another"})
    assert seen == ["copa", "copa"]


def test_a_run_stopped_between_entries_goes_on_behind_them(folder, letters, tasks, tmp_path):
    class Stopped(Exception):
        pass

    def stop(name, facts):
        raise Stopped

    store = RowStore(tmp_path)
    with pytest.raises(Stopped):
        evaluate(str(folder), letters, ["copa", "winogrande"], tasks, store=store, on_entry=stop)
    assert store.figures("copa") and not store.figures("winogrande")
    resumed = evaluate(str(folder), letters, ["copa", "winogrande"], tasks, store=store)
    fresh = evaluate(str(folder), letters, ["copa", "winogrande"], tasks)
    assert resumed["eval_metrics"] == fresh["eval_metrics"] and resumed["intervals_95"] == fresh["intervals_95"]


def test_stored_rows_are_what_was_scored(folder, letters, tasks, tmp_path):
    import pyarrow.parquet as pq

    evaluate(str(folder), letters, ["winogrande", "jeopardy"], tasks, store=RowStore(tmp_path))
    rows = pq.read_table(tmp_path / "winogrande.parquet").to_pylist()
    assert [row["index"] for row in rows] == list(range(5))
    for row in rows:
        assert row["pred"] == int(np.argmin(row["losses"])) and row["correct"] == (row["pred"] == row["gold"])
        assert len(row["context_ids"]) == len(row["choices"]) == 2
    assert RowStore(tmp_path).outcomes("jeopardy").category == ["x", "x", "y", "y", "y"]


def test_a_limit_draws_the_same_rows_for_every_entry_of_a_file(files):
    chosen = chosen_rows("hellaswag", files["hellaswag"], 7, 0)
    assert len(chosen) == 7 and chosen == chosen_rows("hellaswag", files["hellaswag"], 7, 0)
    assert chosen != chosen_rows("hellaswag", files["hellaswag"], 7, 1)
    assert chosen_rows("hellaswag", files["hellaswag"], 1000, 0) is None


def test_a_limited_run_scores_the_same_prompts(folder, letters, tasks, tmp_path):
    whole, some = tmp_path / "whole.jsonl", tmp_path / "some.jsonl"
    main(["items", str(folder), "copa", f"data={tasks}", f"out={whole}"])
    main(["items", str(folder), "copa", f"data={tasks}", f"out={some}", "limit=3"])
    everything = {row["index"]: row for row in map(json.loads, whole.read_text().splitlines())}
    chosen = [json.loads(line) for line in some.read_text().splitlines()]
    assert len(chosen) == 3 and len(everything) == 8
    for row in chosen:
        full = everything[row["index"]]
        assert row["context_ids"] == full["context_ids"] and row["choices"] == full["choices"]
        np.testing.assert_allclose(row["losses"], full["losses"], atol=1e-5)
    assert set(chosen[0]) == {"index", "context_ids", "choices", "losses", "pred", "gold", "correct"}


def test_the_module_in_training_keeps_its_mode(folder, letters, tasks):
    model = tiny_model(vocabulary=128, positions=512).train()
    record = evaluate(model, letters, ["copa"], tasks, limit=4)
    assert model.training and record["entries"]["copa"]["rows"] == 4 and record["model"] == "Qwen3ForCausalLM"


def test_items_command_names_mistakes_in_one_line(folder, tasks, tmp_path, capsys):
    for arguments, says in [
        (["items", str(folder), "cora", f"data={tasks}", "out=o"], "no task 'cora'"),
        (["items", str(folder), "core", f"data={tasks}", "out=o"], "core is a set"),
        (["items", str(folder), "squad", f"data={tasks}", "out=o"], "none of the task files: looked for squad.jsonl"),
        (["items", str(tmp_path), "copa", f"data={tasks}", "out=o"], "no model at"),
        (["rows"], "no command 'rows'"),
        (["records"], "files is required"),
        (["records", str(tmp_path / "none.json")], "cannot read"),
    ]:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        assert says in capsys.readouterr().err


def test_records_command_prints_a_line_for_each(shared_data, capsys):
    paths = sorted(str(path) for path in (shared_data / "core_records").glob("*.json"))
    main(["records", *paths])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["file"] for line in lines] == paths
    for line in lines:
        stored = json.loads(Path(line["file"]).read_text())
        assert line["Core_v1"] == pytest.approx(stored["Core_v1"], abs=1e-12)
        assert line["Core_v2"] == pytest.approx(stored["Core_v2"], abs=1e-12)
    assert sum(isinstance(line["Extended_v2"], str) for line in lines) == 1


def test_a_record_of_percentages_is_refused(tmp_path):
    path = tmp_path / "percent.json"
    path.write_text(json.dumps({"eval_metrics": {"icl": {"copa": 61.5}}}))
    with pytest.raises(ValueError, match=r"percent\.json: copa: .*not percentages"):
        record_line(str(path))
    path.write_text("[1]")
    with pytest.raises(ValueError, match="no evaluation record"):
        record_line(str(path))
