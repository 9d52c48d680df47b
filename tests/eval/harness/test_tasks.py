"""lm-eval with our engine as its model, against lm-eval's own model class and against CORE's scorer."""

import json

import pytest
import torch
import yaml

from eval.core.entries import ENTRIES
from eval.core.evaluate import score_entry
from eval.core.files import find_files
from eval.harness.__main__ import main
from eval.harness.task_files import task_definition
from eval.harness.tasks import HarnessConfig, run_tasks
from eval.likelihood.config import ScorerConfig
from eval.likelihood.open import open_scorer

pytest.importorskip("lm_eval")
ROWS = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory, shared_data):
    """A tiny model with the GPT-NeoX tokenizer, as a Hugging Face folder."""
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    path = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50304, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=512, initializer_range=0.3,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(path)
    AutoTokenizer.from_pretrained(shared_data / "tokenizers/gpt-neox-20b").save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def tokenizer(folder):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def greedy_words(folder, tokenizer, shared_data, tmp_path_factory):
    """LAMBADA rows, some of which end as the model would: a random model gets none of the others right."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder)
    rows = []
    for line in (shared_data / "core/lambada_openai.jsonl").read_text().splitlines()[:ROWS]:
        row = json.loads(line)
        ids = tokenizer(row["context"].strip(), return_tensors="pt")["input_ids"]
        best = int(model(ids, logits_to_keep=1).logits[0, -1].argmax())
        word = tokenizer.decode([best])
        rows.append(row)
        if word.startswith(" ") and word.strip() and tokenizer(word)["input_ids"] == [best]:
            rows.append({"context": row["context"], "continuation": word.strip()})
    assert len(rows) > ROWS
    path = tmp_path_factory.mktemp("data")
    (path / "lambada_openai.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def numbers(folder, tokenizer, tasks, backend, **options):
    scorer = ScorerConfig(dtype="float32", device="cpu")
    config = HarnessConfig(backend=backend, **options)
    return run_tasks(config, tasks, str(folder), lambda: open_scorer(str(folder), scorer), tokenizer, scorer)


def core_accuracy(name, folder, tokenizer, data):
    entry = ENTRIES[name]
    file = find_files([entry], data)[0][entry.file]
    scorer = open_scorer(str(folder), ScorerConfig(dtype="float32", device="cpu"))
    return score_entry(entry, file, tokenizer, scorer, 512, None)[1]["accuracy"]


def assert_agrees(name, folder, tokenizer, source, data, rows):
    path = data / f"{ENTRIES[name].file}.jsonl"
    path.write_text("".join(source.read_text().splitlines(keepends=True)[:rows]))
    definition = task_definition(ENTRIES[name], path)
    theirs = numbers(folder, tokenizer, [definition], "hf")[f"core_{name}"]["acc"]
    assert core_accuracy(name, folder, tokenizer, data) == pytest.approx(theirs)
    if name == "winogrande":
        assert 0.2 < theirs < 0.8  # the comparison is about something


@pytest.mark.parametrize("name", ["lambada_openai", "winogrande"])
def test_core_agrees_with_lm_eval_on_the_same_rows(name, folder, tokenizer, shared_data, tmp_path):
    assert_agrees(name, folder, tokenizer, shared_data / f"core/{name}.jsonl", tmp_path, rows=24)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lambada_openai", "winogrande", "winograd"])
def test_core_agrees_with_lm_eval_on_all_rows(name, folder, tokenizer, shared_data, tmp_path):
    source = shared_data / f"core/{ENTRIES[name].file}.jsonl"
    assert_agrees(name, folder, tokenizer, source, tmp_path, rows=None)


@pytest.mark.slow
def test_greedy_matches_are_counted_alike(folder, tokenizer, greedy_words):
    definition = task_definition(ENTRIES["lambada_openai"], greedy_words / "lambada_openai.jsonl")
    theirs = numbers(folder, tokenizer, [definition], "hf")["core_lambada_openai"]["acc"]
    ours = core_accuracy("lambada_openai", folder, tokenizer, greedy_words)
    assert ours == pytest.approx(theirs) and 0 < theirs < 1


def test_our_engine_gives_lm_evals_own_numbers(folder, tokenizer, shared_data, tmp_path):
    """All three types of request lm-eval knows for base models, and whole texts in windows."""
    definitions = []
    for name in ("winogrande", "copa", "openbook_qa"):
        source = shared_data / "core" / f"{name}.jsonl"
        (tmp_path / source.name).write_text("".join(source.read_text().splitlines(keepends=True)[:ROWS]))
        definitions.append(task_definition(ENTRIES[name], tmp_path / source.name))
    (tmp_path / "pages.jsonl").write_text(json.dumps({"page": "A page of words, one after another. " * 90}) + "\n")
    files = {"data_files": {"test": str(tmp_path / "pages.jsonl")}}
    definitions.append({
        "task": "pages", "dataset_path": "json", "dataset_kwargs": files,
        "test_split": "test", "output_type": "loglikelihood_rolling", "doc_to_text": "", "doc_to_target": "{{page}}",
        "metric_list": [{"metric": "bits_per_byte"}],
    })  # fmt: skip
    ours, theirs = (numbers(folder, tokenizer, definitions, backend) for backend in ("engine", "hf"))
    assert ours.keys() == theirs.keys() and ours["pages"]["bits_per_byte"] > 1
    for task in theirs:
        assert ours[task] == pytest.approx(theirs[task], rel=1e-5), task


def test_tasks_that_generate_run_on_the_generation_engine(folder, tokenizer, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"q": "Say a word:", "a": "word"}\n')
    task = {
        "task": "say", "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(tmp_path / "rows.jsonl")}},
        "test_split": "test", "output_type": "generate_until", "doc_to_text": "{{q}}", "doc_to_target": "{{a}}",
        "generation_kwargs": {"until": ["\n"], "max_gen_toks": 4, "do_sample": False},
        "metric_list": [{"metric": "exact_match"}],
    }  # fmt: skip
    assert numbers(folder, tokenizer, [task], "engine")["say"]["exact_match"] in (0.0, 1.0)


@pytest.mark.slow  # lm-eval reads all its task files to know a name
def test_an_unknown_task_is_told(folder, tokenizer):
    with pytest.raises(ValueError, match="lm-eval has no task 'no_such_task'"):
        numbers(folder, tokenizer, ["no_such_task"], "engine")


def test_task_files_are_written_for_what_is_there(shared_data, tmp_path, capsys):
    main([f"data={shared_data / 'core'}", f"out={tmp_path}"])
    written = sorted(path.name for path in tmp_path.iterdir())
    assert len(written) == 20 and "core_hellaswag_zeroshot.yaml" in written
    task = yaml.safe_load((tmp_path / "core_winograd.yaml").read_text())
    assert task["task"] == "core_winograd" and task["dataset_kwargs"]["data_files"]["test"].endswith(
        "winograd_wsc.jsonl"
    )
    assert len(capsys.readouterr().out.splitlines()) == 20
