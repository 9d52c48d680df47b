"""An output is no input, of no command and by no name; and what `--dry-run` promises, the run keeps."""

import importlib
import json
import re
import typing

import pytest

from common.config import Out, RunConfig, models_in
from common.pools.documents import write_documents
from common.pools.inputs import INPUTS
from common.pools.shards import refuse_read_again
from tests.fixtures.fields import PACKAGES
from tests.fixtures.works import door

NO_INPUTS = frozenset(
    "baselines cache checkpoint dataset_name device form logs method name out tasks work worker".split()  # noqa: SIM905
)
"""Fields whose descriptions speak of files, and that name none to read, or what the command itself wrote before."""

SPEAKS_OF_FILES = re.compile(r"\b(files?|folders?|pools?|globs?|paths?|shards?)\b", re.IGNORECASE)


def holds_text(annotation):
    if annotation is str:
        return True
    literal = typing.get_origin(annotation) is typing.Literal
    return not literal and any(map(holds_text, typing.get_args(annotation)))


def texts(config, seen):
    if config in seen:
        return
    seen.add(config)
    for name, field in config.model_fields.items():
        is_out = any(isinstance(mark, Out) for mark in field.metadata)
        if not is_out and holds_text(field.annotation) and SPEAKS_OF_FILES.search(field.description or ""):
            yield name
        for inner in models_in(field.annotation):
            yield from texts(inner, seen)


def configs_with_outputs(root):
    """Config classes of the modules that mark outputs; importing all of the toolkit takes a minute."""
    for path in sorted(path for package in PACKAGES for path in (root / package).rglob("*.py")):
        if "Out(" in path.read_text(encoding="utf-8"):
            module = importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts))
            for one in vars(module).values():
                if isinstance(one, type) and issubclass(one, RunConfig):
                    yield one


def test_every_path_in_a_config_with_outputs_is_known_to_be_an_input_or_none(root):
    unknown = set()
    for config in configs_with_outputs(root):
        marks = [mark for field in config.model_fields.values() for mark in field.metadata]
        if any(isinstance(mark, Out) for mark in marks):
            unknown |= {f"{config.__name__}.{name}" for name in texts(config, set()) if name not in INPUTS | NO_INPUTS}
    assert unknown == set()


ROW = {"id": "1", "text": "The cat sat.", "prompt": "q", "completion": "c", "answer": "a", "question": "q"}
WRITERS = [
    ("eval.verify", ["math", "F", "out=G"]),
    ("eval.faithfulness", ["F", "F", "out=G"]),
    ("eval.faithfulness", ["F", "F", "figures=G"]),
    ("eval.keypoints", ["F", "F", "judge.url=http://127.0.0.1:1/v1", "judge.model=m", "out=G"]),
    ("eval.likelihood", ["model=rephrase/tiny", "rows=F", "out=G"]),
    ("eval.story", ["metrics", "rows=F", "completions=F", "out=G"]),
    ("rl.score", ["configs/rl/rephraser_smoke_cpu.yaml", "pairs=F", "scores=G"]),
    ("rl.data.convert", ["F", "G"]),
    ("rl.data.overlap", ["files=F", "against=F", "out=G"]),
    ("rl.data.rephrase", ["pool=F", "tokenizer=rephrase/tiny", "out=G"]),
]


@pytest.mark.parametrize(("module", "arguments"), WRITERS, ids=[" ".join((one, *more)) for one, more in WRITERS])
def test_a_command_does_not_write_over_what_it_reads(module, arguments, tmp_path, root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    (tmp_path / "in").mkdir()
    rows = tmp_path / "in" / "rows.jsonl"
    rows.write_text(json.dumps(ROW) + "\n")
    (tmp_path / "link.jsonl").symlink_to(rows)
    before = rows.read_bytes()
    for place in (rows, tmp_path / "in" / ".." / "in" / "rows.jsonl", tmp_path / "link.jsonl"):
        words = [
            word.replace("F", str(rows)).replace("G", str(place)) if word != "math" else word for word in arguments
        ]
        with pytest.raises(SystemExit) as stop:
            door(module)(words)
        message = capsys.readouterr().err
        assert stop.value.code == 2 and "is the input" in message, message
        assert rows.read_bytes() == before


@pytest.mark.parametrize(
    ("output", "folder", "path"),
    [
        ("s3://b/x/../rows.jsonl", False, "s3a://b//rows.jsonl"),
        ("gs://b/pool/new.jsonl", False, "gcs://b/pool"),
        ("s3://b/pool", True, "s3://b/pool/*.jsonl.zst"),
        ("s3://b/pool/out", True, "s3://b/pool/"),
        ("s3://b", None, "s3://b/pool"),
    ],
)
def test_places_on_object_stores_are_compared_by_their_meaning(output, folder, path):
    with pytest.raises(ValueError, match="choose another place"):
        refuse_read_again(output, folder, [("rows", path)])


def test_other_places_are_let_through(tmp_path):
    pool, model = tmp_path / "pool", tmp_path / "model"
    write_documents(str(pool / "a.jsonl"), [{"text": "t"}])
    model.mkdir()
    refuse_read_again(str(pool / "report.html"), False, [("pool", str(pool))])
    refuse_read_again(str(pool / "scores.jsonl"), False, [("rows", str(pool / "*.zst"))])
    refuse_read_again(str(model / "eval"), True, [("model", str(model)), ("model", "owner/name")])
    refuse_read_again("owner/name", True, [("model", "owner/name")])  # nothing is there: a hub's name
    with pytest.raises(ValueError, match="would be a shard of the pool"):
        refuse_read_again(str(pool / "scores.jsonl"), False, [("rows", str(pool / "*.jsonl"))])
    for output, folder in ((pool / "scores.jsonl", False), (pool / "sub", True), (tmp_path, True), (pool, None)):
        with pytest.raises(ValueError, match="choose another place"):
            refuse_read_again(str(output), folder, [("pool", str(pool))])


SCORE = ["score", "POOL", "OUT", "kind=simple", "name=character_length", "field=q"]
STAGES = [
    ("filter.quality", SCORE, "field=r"),
    ("pretrain.tokenize", ["input=POOL", "output=OUT", "tokenizer=rephrase/tiny", "seq_len=16"], "seq_len=32"),
    ("filter.run", ["source_ref_paths=POOL", "output_dir=OUT", "bytes_per_token=4"], "shard_docs=7"),
]


@pytest.mark.parametrize(("module", "arguments", "change"), STAGES, ids=[one for one, *_ in STAGES])
def test_a_dry_run_refuses_what_the_run_would_refuse(module, arguments, change, tmp_path, root, monkeypatch, capsys):
    monkeypatch.chdir(root)
    pool, out = tmp_path / "pool", tmp_path / "out"
    write_documents(str(pool / "a.jsonl"), [{"id": str(n), "text": f"page {n} of many words"} for n in range(20)])

    def run(*more, out=out):
        words = [word.replace("POOL", str(pool)).replace("OUT", str(out)) for word in arguments]
        try:
            door(module)([*words, *more])
        except SystemExit as stop:
            return stop.code
        return 0

    assert run("--dry-run") == 0
    assert run() == 0
    assert run("--dry-run") == 0
    for more in ((change,), (change, "--dry-run")):
        assert run(*more) == 2
        assert "another configuration" in capsys.readouterr().err
    for more in ((), ("--dry-run",)):
        assert run(*more, out=pool) == 2
        assert "choose another place" in capsys.readouterr().err


def test_a_dry_run_of_rephrasing_refuses_what_the_run_would_refuse(tmp_path, root, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)  # the tiny rephraser is found from any folder
    write_documents("pool/a.jsonl", [{"id": "1", "text": "t"}])
    config = str(root / "configs/rephrase/rephrase_tiny_cpu.yaml")

    def dry(*more):
        with pytest.raises(SystemExit) as stop:
            door("rephrase.run")([config, "input=pool", "output=out", "--dry-run", *more])
        return stop.value.code, capsys.readouterr()

    code, said = dry()
    assert code == 0 and "1 shards of pool" in said.out
    mark = {"shard": "a", "config_hash": "0123456789abcdef", "docs_in": 1, "docs_out": 1, "drops": {}}
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.stats.json").write_text(json.dumps(mark))
    code, said = dry()
    assert code == 2 and "another configuration" in said.err
    code, said = dry("output=pool")
    assert code == 2 and "choose another place" in said.err
    code, said = dry("input=nowhere", "output=other")  # what is not there yet is named
    assert code == 0 and "nothing yet: no pool at nowhere" in said.out
