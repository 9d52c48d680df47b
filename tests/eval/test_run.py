"""The evaluation command in process: what it reads, writes, resumes, and says when something is missing."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch

from common.config import load
from common.runs.folder import read_metrics
from eval.run import main
from eval.runner.config import EvalConfig, check
from eval.runner.table import table

LETTERS = [chr(code) for code in range(32, 127)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny model with a tokenizer of letters, as a Hugging Face folder."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Split
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = Tokenizer(WordLevel({letter: number for number, letter in enumerate(["<e>", *LETTERS])}, "?"))
    letters.pre_tokenizer = Split("", "isolated")
    path = tmp_path_factory.mktemp("model")
    PreTrainedTokenizerFast(tokenizer_object=letters, eos_token="<e>").save_pretrained(path)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=128, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=256, initializer_range=0.3,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two small task files."""
    path = tmp_path_factory.mktemp("data")
    choice = [{"query": f"say {n}", "choices": [f"no {n}", "yes"], "gold": n % 2} for n in range(8)]
    text = [{"context": f"count {n}", "continuation": str(n + 1)} for n in range(6)]
    for name, rows in {"copa": choice, "lambada_openai": text}.items():
        (path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def pool(tmp_path_factory):
    path = tmp_path_factory.mktemp("pool")
    texts = ["a short page", "another page, " * 40, "the last one"]
    (path / "shard.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return path


def test_a_run_prints_the_table_and_writes_the_record(folder, data, pool, tmp_path, capsys):
    out = tmp_path / "results" / "mine.json"
    main([f"model={folder}", "tasks=core,bpb", f"data={data}", f"held-out={pool}", f"output-file={out}", "draws=100"])
    shown = capsys.readouterr().out
    record = json.loads(out.read_text())
    assert "copa" in shown and "bits per byte" in shown and str(out) in shown
    assert "CORE-2: v1" in shown and "CORE: N/A, 20 entries missing: hellaswag_zeroshot" in shown
    assert record["Core"].startswith("N/A due to missing tasks: ['hellaswag_zeroshot'")
    assert record["name"] == "mine" and record["model"] == str(folder) and record["precision"] == "fp32"
    assert len(record["model_sha256"]) == len(record["tokenizer_sha256"]) == 64
    assert record["seq_len"] == 256  # the model reads no more
    assert 0 < record["bpb"]["bits_per_byte"] < 20 and record["bpb_details"]["documents"] == 3
    low, high = record["bpb_details"]["interval_95"]
    assert low <= record["bpb"]["bits_per_byte"] <= high
    metrics = read_metrics(tmp_path / "results/mine")
    assert [row["task"] for row in metrics if "task" in row] == ["copa", "lambada_openai"]
    assert any("bpb/bits_per_byte" in row for row in metrics) and any("Core_v2" in row for row in metrics)
    assert load(EvalConfig, [tmp_path / "results/mine/config.yaml"]).tasks == ["core", "bpb"]
    rows = tmp_path / "results" / record["rows_folder"]
    assert {path.name for path in rows.iterdir()} >= {"copa.parquet", "lambada_openai.json", "bpb.parquet"}


def test_a_second_run_scores_nothing_again(folder, data, pool, tmp_path, capsys, monkeypatch):
    arguments = [
        f"model={folder}", "tasks=copa,bpb", f"data={data}", f"held-out={pool}", f"output-file={tmp_path / 'r.json'}",
    ]  # fmt: skip
    main(arguments)
    first = json.loads((tmp_path / "r.json").read_text())
    (tmp_path / "r.json").unlink()  # as if killed before the record was written

    def refuse(*args, **kwargs):
        raise AssertionError("a model was opened")

    monkeypatch.setattr("eval.runner.course.open_scorer", refuse)
    main(arguments)
    second = json.loads((tmp_path / "r.json").read_text())
    for key in ("eval_metrics", "bpb", "bpb_details", "core_partial", "intervals_95"):
        assert second[key] == first[key]
    with pytest.raises(AssertionError, match="a model was opened"):
        main([*arguments, "limit=3"])  # other rows: they are scored
    capsys.readouterr()


def test_a_limited_score_is_called_partial(folder, data, tmp_path, capsys):
    main([f"model={folder}", "tasks=copa", f"data={data}", f"output-file={tmp_path / 'r.json'}", "limit=3"])
    record = json.loads((tmp_path / "r.json").read_text())
    assert record["limit"] == 3 and record["rows_scored_of_published"] == {"copa": [3, 100]}
    assert "partial: not all published rows of 1 entries" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["output-file=r.json"], "name what to evaluate: model=FOLDER, or method=RUN"),
        (["model={model}"], "output-file=?: name the record"),
        (["model={model}", "output-file=r.json", "tasks=cora"], "no task 'cora'; known: core, core20"),
        (["model={model}", "output-file=r.json"], "tasks=core needs data=FOLDER"),
        (["model={model}", "output-file=r.json", "tasks=bpb"], "tasks=bpb needs data=POOL"),
        (["model={model}", "output-file=r.json", "tasks=bpb,copa", "data={data}"], "tasks=bpb needs held-out=POOL"),
        (["model={model}", "output-file=r.json", "tasks=bpb", "data=absent"], "no pool at absent"),
        (["model={model}", "output-file=r.json", "tasks=squad", "data={data}"], "none of the task files"),
        (["model=absent", "output-file=r.json"], "no model at absent"),
        (["model={data}", "output-file=r.json"], "holds no model: no config.json"),
        (["method=absent", "output-file=r.json", "logs={data}"], "holds no runs"),
        (["model={model}", "output-file=r.json", "outputfile=3"], "did you mean 'output_file'"),
    ],
)
def test_what_is_missing_is_told_in_one_line(arguments, says, folder, data, capsys):
    with pytest.raises(SystemExit) as ended:
        main([argument.format(model=folder, data=data) for argument in arguments])
    shown = capsys.readouterr().err
    assert ended.value.code == 2 and says in shown and shown.count("\n") == 1


def test_a_dry_run_names_a_hubs_model_and_does_not_ask_for_it(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    with pytest.raises(SystemExit) as ended:
        main(["model=owner/name@v1", f"data={data}", f"output-file={tmp_path / 'r.json'}", "--dry-run"])
    assert ended.value.code == 0
    assert "# model: owner/name@v1 on the hub" in capsys.readouterr().out


def test_a_dry_run_says_what_is_read_and_written(folder, data, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main([f"model={folder}", f"data={data}", f"output-file={tmp_path / 'r.json'}", "--dry-run"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0 and not list(tmp_path.iterdir())
    assert "copa (8 rows)" in shown and "squad" in shown and f"# model: {folder}" in shown


def test_a_folder_without_a_tokenizer_is_told(folder, data, tmp_path, capsys):
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("config.json", "model.safetensors"):
        (bare / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(SystemExit) as ended:
        main([f"model={bare}", "tasks=copa", f"data={data}", f"output-file={tmp_path / 'r.json'}"])
    assert ended.value.code == 2 and "no tokenizer in" in capsys.readouterr().err
    main([f"model={bare}", f"tokenizer={folder}", "tasks=copa", f"data={data}", f"output-file={tmp_path / 'r.json'}"])
    assert math.isfinite(json.loads((tmp_path / "r.json").read_text())["core_partial"]["mean"])


def test_the_table_of_a_whole_score_shows_both_versions():
    from eval.core.aggregate import aggregate
    from eval.core.baselines import CORE

    accuracies = dict.fromkeys(CORE, 0.75)
    facts = {"accuracy": 0.75, "interval_95": [0.7, 0.8], "centered_v2": 0.5, "rows": 1267}
    record = {
        "eval_metrics": {"icl": accuracies},
        **aggregate(accuracies),
        "entries": {"winogrande": facts},
        "intervals_95": {"Core_v2": [0.6, 0.7]},
        "rows_scored_of_published": {},
    }
    shown = table(record)
    assert "winogrande  0.7500  0.700 to 0.800  +0.5000  1,267" in shown
    assert f"CORE: v1 {record['Core_v1']:.4f}, v2 {record['Core_v2']:.4f} [0.6000, 0.7000]" in shown
    assert "partial" not in shown


def test_the_papers_own_set_is_never_called_core():
    from eval.core.aggregate import aggregate, partial
    from eval.core.baselines import CORE_SETS

    accuracies = dict.fromkeys(CORE_SETS["core_repro"], 0.75)
    record = {
        "eval_metrics": {"icl": accuracies},
        **aggregate(accuracies),
        "entries": {"copa": {"accuracy": 0.75, "interval_95": [0.7, 0.8], "centered_v2": 0.5, "rows": 100}},
        "intervals_95": {"core_partial_v2": [0.6, 0.7]},
        "rows_scored_of_published": {},
        "core_sets": {"core_repro": {v: partial(accuracies, CORE_SETS["core_repro"], v) for v in ("v1", "v2")}},
    }
    shown = table(record)
    assert "CORE: N/A, 1 entries missing: commonsense_qa" in shown
    assert "core_repro (22 entries, not CORE): v1 " in shown


def test_the_seeds_form_finds_a_runs_export(folder, data, tmp_path):
    run = tmp_path / "logs" / "mine"
    run.mkdir(parents=True)
    (run / "export").symlink_to(folder)
    seeds = {"method": "mine", "checkpoint": "last", "model": "open_lm_1b", "output-file": "r.json"}
    config = load(EvalConfig, [], {**seeds, "logs": str(tmp_path / "logs"), "tasks": "copa", "data": str(data)})
    assert check(config).folder == str(run / "export")


def test_another_checkpoint_into_the_same_file_is_exported_anew_also_after_a_kill(folder, tmp_path, monkeypatch):
    from eval.models import folder as models

    (tmp_path / "run").mkdir()
    checkpoints = [tmp_path / f"epoch_{number}.pt" for number in (1, 2)]
    for checkpoint in checkpoints:
        checkpoint.write_bytes(b"weights")
    target = tmp_path / "run" / "model"
    calls = []

    def convert(command, source, *rest):
        out = Path(rest[-1])
        if out.exists() and any(out.iterdir()):
            raise RuntimeError(f"{out} is not empty; choose another folder")
        out.mkdir(parents=True)
        calls.append((command, Path(source).name))
        if len(calls) == 3:
            raise KeyboardInterrupt  # killed while the second one was half read
        (out / "config.json").write_text(json.dumps({"model_type": "llama", "from": len(calls)}))

    monkeypatch.setattr(models, "_convert", convert)
    assert models.export(models.ModelSource(checkpoint=str(checkpoints[0])), target) == str(target)
    with pytest.raises(KeyboardInterrupt):
        models.export(models.ModelSource(checkpoint=str(checkpoints[1])), target)
    models.export(models.ModelSource(checkpoint=str(checkpoints[1])), target)
    models.export(models.ModelSource(checkpoint=str(checkpoints[1])), target)
    assert [name for _, name in calls if name.startswith("epoch")] == ["epoch_1.pt", "epoch_2.pt", "epoch_2.pt"]
    assert json.loads((target / "exported_from.json").read_text())["checkpoint"] == str(checkpoints[1])


def test_a_model_without_a_finite_number_is_one_line_and_no_score(folder, data, pool, tmp_path, capsys):
    from transformers import AutoModelForCausalLM

    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    model = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        model.lm_head.weight.fill_(float("nan"))
    model.save_pretrained(broken)
    for task in (["tasks=copa", f"data={data}"], ["tasks=bpb", f"data={pool}"]):
        out = tmp_path / "results" / "broken.json"
        with pytest.raises(SystemExit, match="1"):
            main([f"model={broken}", *task, f"output-file={out}"])
        errors = capsys.readouterr().err.strip().splitlines()
        assert errors[-1].startswith("error: ") and "could not be scored" in errors[-1] and not out.exists()
