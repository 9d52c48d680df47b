import json
import os
from dataclasses import replace

import pytest

from common.config import load
from common.pools.documents import read_documents, write_documents
from common.pools.shards import Shard, read_pool
from common.tokens.counting import TokenCountConfig
from filter.config import FilterConfig
from filter.run import main
from filter.scorers.simple import SimpleConfig
from filter.selection.cut import Cut
from filter.selection.scoring_step import ScoreJob, score_shard
from filter.selection.selecting_step import SelectJob, select_shard

TEXT = "the fox and the hare have to be of one mind that the day is long with "


def page(number, stop_words, **fields):
    """A page whose stop-word share grows with `stop_words`; 30 words, 1 token a byte."""
    return {"id": f"p{number:04d}", "text": " ".join(["the"] * stop_words + ["fox"] * (30 - stop_words)), **fields}


@pytest.fixture
def pools(tmp_path):
    organic = [page(number, number % 31, url=f"u{number}", source="crawl") for number in range(120)]
    for name, part in (("a.jsonl.zst", organic[:50]), ("b.jsonl.zst", organic[50:])):
        write_documents(str(tmp_path / "organic" / name), part)
    recycled = [page(number, (number * 7) % 31, rephrase={"model": "m"}) for number in range(120)]
    write_documents(str(tmp_path / "recycled" / "a.jsonl"), recycled)
    return tmp_path


CONFIG = {
    "scorers": [{"kind": "simple", "name": "stop_word_share", "field": "q"}],
    "sources": [
        {"name": "organic", "select": {"kind": "threshold", "threshold": 0.7}},
        {"name": "recycled", "select": {"kind": "budget", "tokens": 8000, "minus": ["organic"]}},
    ],
    "bytes_per_token": 1,
    "shard_docs": 20,
}


def write_config(folder, **changes):
    path = folder / f"recipe{len(list(folder.glob('*.yaml')))}.yaml"
    path.write_text(json.dumps(CONFIG | changes))
    return str(path)


def run(pools, out="out", extra=(), **changes):
    sources = f"source_ref_paths={pools}/organic,{pools}/recycled"
    main([write_config(pools, **changes), sources, f"output_dir={pools}/{out}", *extra])
    return json.loads((pools / out / "dataset.json").read_text())


def shard_bytes(folder):
    return {path.name: path.read_bytes() for path in folder.glob("shard_*.jsonl.zst")}


def tokens(document):
    return len(document["text"]) + 1


def fail(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert error.count("\n") == 1 and error.startswith("error: ")
    return error


@pytest.mark.integration
def test_organic_above_a_threshold_and_recycled_up_to_the_budget(pools, capsys):
    dataset = run(pools)
    organic = [one for one in read_pool(f"{pools}/organic") if one["text"].count("the") / 30 >= 0.7]
    kept = list(read_pool(f"{pools}/out"))
    assert sorted(one["id"] for one in kept if one["source"] == "organic") == sorted(one["id"] for one in organic)
    recycled = [one for one in kept if one["source"] == "recycled"]
    total = sum(map(tokens, kept))
    assert total >= 8000 > total - max(map(tokens, recycled))
    assert all(one["token_count"] == tokens(one) and one["q"] == one["text"].count("the") / 30 for one in kept)
    assert dataset["tokens"] == total and dataset["documents"] == len(kept)
    assert [one["tokens"] for one in dataset["sources"]] == [sum(map(tokens, organic)), sum(map(tokens, recycled))]
    assert dataset["sources"][1]["select"]["asked"] == 8000 - sum(map(tokens, organic))
    # fields ride along, a pool's own `source` too
    assert all(one["url"] and one["source_before"] == "crawl" for one in kept if one["source"] == "organic")
    assert all(one["rephrase"] == {"model": "m"} and "source_before" not in one for one in recycled)
    both = {one["id"] for one in organic} & {one["id"] for one in recycled}
    assert dataset["pages_in_both_versions"] == len(both) > 0
    for step in dataset["steps"]:
        assert step["docs_in"] == step["docs_out"] + sum(step["drops"].values())
    for one in dataset["sources"]:
        assert sum(one["histogram"]["documents"]) == 120
        assert sum(one["histogram"]["kept"]) == one["documents_selected"]
        assert sum(one["histogram"]["tokens_kept"]) == one["tokens_selected"]
        assert len(one["histogram"]["edges"]) == 101
    assert "below_threshold" in capsys.readouterr().out


@pytest.mark.integration
def test_a_second_run_does_nothing(pools, capsys):
    run(pools)
    stamps = {path: path.stat().st_mtime_ns for path in (pools / "out").rglob("*")}
    run(pools)
    assert {path: path.stat().st_mtime_ns for path in (pools / "out").rglob("*")} == stamps
    capsys.readouterr()


@pytest.mark.integration
def test_workers_change_no_byte(pools, capsys):
    rules = [{"name": "organic", "select": {"kind": "fraction", "fraction": 0.5}}]
    for workers in ("1", "2"):
        out = f"output_dir={pools}/out{workers}"
        main(
            [
                write_config(pools, sources=rules, shard_docs=99),
                f"source_ref_paths={pools}/organic",
                out,
                f"workers={workers}",
            ]
        )
    assert shard_bytes(pools / "out1") == shard_bytes(pools / "out2") != {}
    assert (pools / "out1" / "dataset.json").read_bytes() == (pools / "out2" / "dataset.json").read_bytes()
    capsys.readouterr()


@pytest.mark.integration
def test_a_union_holds_the_same_documents_for_every_seed_in_another_order(pools, capsys):
    run(pools, "one")
    run(pools, "two", ["seed=1"])
    one, two = ([(d["source"], d["id"]) for d in read_pool(f"{pools}/{out}")] for out in ("one", "two"))
    assert one != two and sorted(one) == sorted(two)
    capsys.readouterr()


@pytest.mark.integration
def test_shard_layout_changes_neither_the_choice_nor_the_order(pools, capsys):
    documents = list(read_pool(f"{pools}/organic"))
    write_documents(str(pools / "other" / "x.jsonl"), documents[::-1])
    run(pools, "one")
    main([
        write_config(pools),
        f"source_ref_paths={pools}/other,{pools}/recycled",
        f"output_dir={pools}/two",
    ])  # fmt: skip
    assert shard_bytes(pools / "one") == shard_bytes(pools / "two")
    capsys.readouterr()


@pytest.mark.integration
def test_another_selection_reuses_the_scores(pools, capsys):
    run(pools, "one", [f"work={pools}/work"])
    stamps = {path: path.stat().st_mtime_ns for path in (pools / "work").glob("score-*/*/*")}
    run(pools, "two", [f"work={pools}/work", "sources.0.select.threshold=0.9"])
    assert {path: path.stat().st_mtime_ns for path in (pools / "work").glob("score-*/*/*")} == stamps
    capsys.readouterr()


@pytest.mark.integration
def test_another_recipe_is_refused_in_a_filled_folder(pools, capsys):
    run(pools)
    arguments = [write_config(pools), f"source_ref_paths={pools}/organic,{pools}/recycled", f"output_dir={pools}/out"]
    assert "another configuration" in fail([*arguments, "sources.0.select.threshold=0.9"], capsys)


@pytest.mark.integration
def test_scores_that_are_there_already_need_no_scorer(pools, capsys):
    scored = [{**one, "q": number / 120} for number, one in enumerate(read_pool(f"{pools}/organic"))]
    scored[5]["q"] = None
    write_documents(str(pools / "scored" / "a.jsonl"), scored)
    rules = [{"name": "organic", "field": "q", "select": {"kind": "fraction", "fraction": 0.5}}]
    config = write_config(pools, scorers=[], sources=rules)
    main([config, f"source_ref_paths={pools}/scored", f"output_dir={pools}/out"])
    dataset = json.loads((pools / "out" / "dataset.json").read_text())
    assert dataset["documents"] == 60  # half of the 119 that have a score, rounded up
    assert dataset["steps"][1]["drops"] == {"below_threshold": 59, "no_score": 1}
    capsys.readouterr()


@pytest.mark.integration
def test_documents_repeat_by_epochs_and_say_so(pools, capsys):
    rules = [{"name": "organic"}, {"name": "recycled"}]
    dataset = run(pools, sources=rules, mix={"kind": "factor", "factors": {"organic": 2.5, "recycled": 0}})
    kept = list(read_pool(f"{pools}/out"))
    assert {one["source"] for one in kept} == {"organic"}
    copies = [sum(one["id"] == f"p{number:04d}" for one in kept) for number in range(120)]
    assert set(copies) == {2, 3}
    whole = sum(tokens(one) for one in read_pool(f"{pools}/organic"))
    assert abs(sum(map(tokens, kept)) - 2.5 * whole) <= 121
    assert sorted(one.get("copy", 0) for one in kept if one["id"] == kept[0]["id"]) == list(
        range(copies[int(kept[0]["id"][1:])])
    )
    assert dataset["sources"][1]["documents"] == 0
    capsys.readouterr()


@pytest.mark.integration
def test_the_recycled_version_replaces_the_page(pools, capsys):
    rules = [{"name": "organic"}, {"name": "recycled"}]
    dataset = run(pools, sources=rules, both_versions="prefer_recycled")
    assert dataset["pages_in_both_versions"] == 120 == dataset["documents"]
    assert {one["source"] for one in read_pool(f"{pools}/out")} == {"recycled"}
    assert dataset["steps"][-2]["drops"] == {"other_version_kept": 120}
    capsys.readouterr()


@pytest.mark.integration
def test_a_pool_is_cut_to_what_a_scale_trains_on_by_a_seeded_choice(pools, capsys, monkeypatch):
    monkeypatch.setattr("filter.recipe.scale_tokens", {"tiny": 5000}.__getitem__)
    rules = [{"name": "organic"}, {"name": "recycled"}]
    chosen = {}
    for seed in (0, 1):
        dataset = run(pools, f"out{seed}", ["tokens_for=tiny", f"seed={seed}"], sources=rules)
        kept = list(read_pool(f"{pools}/out{seed}"))
        chosen[seed] = {(one["source"], one["id"]) for one in kept}
        # each of the two sources is exact to a document, and gives as much of the mix as it holds of both pools
        assert 5000 <= dataset["tokens"] == sum(map(tokens, kept)) < 5000 + 2 * max(map(tokens, kept))
        whole = {name: sum(map(tokens, read_pool(f"{pools}/{name}"))) for name in ("organic", "recycled")}
        for one in dataset["sources"]:
            assert abs(one["tokens"] - 5000 * whole[one["name"]] / sum(whole.values())) <= 121
        assert dataset["tokens_for"] == "tiny" and dataset["training_tokens"] == 5000
    assert chosen[0] != chosen[1]
    capsys.readouterr()


@pytest.mark.integration
def test_a_selection_in_the_scoring_pass_equals_one_after_it(pools, capsys, monkeypatch):
    rules = [{"name": "organic", "select": {"kind": "threshold", "threshold": 0.7}, "rephrase": [0.3, 0.7]}]

    def select(out):
        main([write_config(pools, sources=rules), f"source_ref_paths={pools}/organic", f"output_dir={pools}/{out}"])
        return shard_bytes(pools / out), json.loads((pools / out / "dataset.json").read_text())

    along = select("along")
    monkeypatch.setattr("filter.recipe.solved", lambda rule: None)  # as for a budget: first the scores, then the cut
    assert select("after") == along
    capsys.readouterr()


def test_a_selection_that_missed_a_part_is_left_to_the_next_pass(tmp_path):
    shard = Shard(0, str(tmp_path / "pool" / "a.jsonl"), "a")
    write_documents(shard.path, [page(number, number % 31) for number in range(50)])
    scorer = SimpleConfig(kind="simple", field="q")
    select = SelectJob(str(tmp_path / "out"), str(tmp_path / "scores"), "s", "organic", "q", Cut(0.5), None)
    job = ScoreJob(str(tmp_path / "scores"), "r", (scorer,), ("q",), TokenCountConfig())
    score_shard(shard, job)  # a run that scored, and stopped before it selected
    score_shard(shard, replace(job, select=select))
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []
    assert select_shard(shard, select)["docs_out"] == sum(number % 31 >= 15 for number in range(50))


@pytest.mark.integration
def test_documents_are_kept_routed_to_rephrasing_or_discarded(pools, capsys):
    rules = [{"name": "organic", "select": {"kind": "threshold", "threshold": 0.7}, "rephrase": [0.3, 0.7]}]
    main([write_config(pools, sources=rules), f"source_ref_paths={pools}/organic", f"output_dir={pools}/out"])
    dataset = json.loads((pools / "out" / "dataset.json").read_text())
    shares = [one["text"].count("the") / 30 for one in read_pool(f"{pools}/organic")]
    routed = list(read_pool(f"{pools}/out/to_rephrase/organic"))
    assert sorted(one["q"] for one in routed) == sorted(share for share in shares if 0.3 <= share < 0.7)
    assert all(one["source"] == "organic" and one["url"] for one in routed)
    drops = dataset["steps"][1]["drops"]
    assert drops == {"to_rephrase": len(routed), "below_threshold": sum(share < 0.3 for share in shares)}
    assert dataset["documents"] + sum(drops.values()) == 120
    capsys.readouterr()


@pytest.mark.integration
def test_a_dclm_reference_stands_for_its_pool(pools, capsys):
    (pools / "ref.json").write_text(json.dumps({"name": "x", "uuid": "1", "dataset_url": f"{pools}/organic/"}))
    main([write_config(pools), f"source_ref_paths={pools}/ref.json", f"output_dir={pools}/out"])
    assert json.loads((pools / "out" / "dataset.json").read_text())["sources"][0]["documents_in"] == 120
    capsys.readouterr()


@pytest.mark.integration
def test_damaged_input_is_counted_and_kept_aside_and_the_rest_goes_through(tmp_path, capsys):
    pool = tmp_path / "pool"
    write_documents(str(pool / "a.jsonl.zst"), [{"text": os.urandom(99).hex()} for _ in range(1500)])
    whole = (pool / "a.jsonl.zst").read_bytes()
    (pool / "a.jsonl.zst").write_bytes(whole[: len(whole) // 2])
    (pool / "b.jsonl").write_text(
        '{"text": "the"}\n{broken\n{"no": "text"}\n[1]\n\n{"text": 7}\n{"text": "a\u2028the"}\n'
    )
    (pool / "c.jsonl").write_text("")
    (pool / "d.jsonl.zst").write_bytes(b"")
    rules = [{"name": "organic", "select": {"kind": "all"}}]
    main([write_config(tmp_path, sources=rules), f"source_ref_paths={pool}", f"output_dir={tmp_path}/out"])
    dataset = json.loads((tmp_path / "out" / "dataset.json").read_text())
    for step in dataset["steps"]:
        assert step["docs_in"] == step["docs_out"] + sum(step["drops"].values())
    drops = dataset["steps"][0]["drops"]
    # the line that the cut left half is one more that is no JSON
    assert drops == {"broken_compression": 1, "not_json": 2, "no_text": 2, "no_object": 1}
    (rejects,) = (tmp_path / "out" / "steps").glob("score-*/organic/b.rejects.jsonl")
    assert [json.loads(line)["position"] for line in rejects.read_text().split("\n")[:-1]] == [1, 2, 3, 5]
    assert "a\u2028the" in {one["text"] for one in read_pool(f"{tmp_path}/out")}
    capsys.readouterr()


@pytest.mark.integration
def test_a_pool_without_one_document_gives_an_empty_one(tmp_path, capsys):
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "a.jsonl").write_text("")
    rules = [{"name": "organic", "select": {"kind": "fraction", "fraction": 0.5}}]
    main([write_config(tmp_path, sources=rules), f"source_ref_paths={tmp_path}/pool", f"output_dir={tmp_path}/out"])
    assert list(read_pool(f"{tmp_path}/out")) == []
    capsys.readouterr()


MISTAKES = [
    ([], "no pool to select from"),
    (["source_ref_paths=nowhere"], "no pool at nowhere"),
    (["source_ref_paths=none.json"], "no dataset reference at none.json"),
    (["source_ref_paths=a,b,c"], "3 pools in source_ref_paths for 2 sources"),
    (["source_ref_paths=POOL/organic", "tokenizer=x"], "give tokenizer or bytes_per_token, not both"),
    (["source_ref_paths=POOL/organic", "bytes_per_token=null", "tokenizer=none"], "no tokenizer at none"),
    (
        ["source_ref_paths=POOL/organic,POOL/recycled", "bytes_per_token=null"],
        "recycled has a token budget; set tokenizer",
    ),
    (["source_ref_paths=POOL/organic", "sources.0.select.treshold=1"], "unknown key"),
    (["source_ref_paths=POOL/organic", "sources.1.select.minus=[x]"], "minus names 'x', which is no source before it"),
    (["source_ref_paths=POOL/organic", "tokens_for=5b"], "no scale '5b'; there are 1b_1x, 30m"),
    (["source_ref_paths=POOL/organic", "tokens_for=tiny", "bytes_per_token=null"], "tokens_for needs token counts"),
    (["source_ref_paths=POOL/organic", "tokens_for=411m_1x"], "8,232,325,120 are wanted"),
    (["source_ref_paths=POOL/organic", "form=.txt"], "form '.txt' is none of"),
    (["source_ref_paths=POOL/organic", "scorers=[]"], "is selected by score, and nothing is scored"),
    (["source_ref_paths=POOL/organic,POOL/recycled", "sources.1.select.tokens=100"], "nothing is left of the budget"),
    (["source_ref_paths=POOL/organic,POOL/recycled", "sources.1.select.tokens=1e9"], "recycled: 999,99"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES, ids=[message[:30] for _, message in MISTAKES])
def test_a_mistake_is_one_line_and_exit_code_2(pools, arguments, message, capsys):
    given = [argument.replace("POOL", str(pools)) for argument in arguments]
    assert message in fail([write_config(pools), *given, f"output_dir={pools}/out"], capsys)


def test_the_run_folder_holds_a_config_that_loads_back(pools, capsys):
    run(pools)
    config = load(FilterConfig, [pools / "out" / "_filter" / "config.yaml"])
    assert config.sources[1].select.tokens == 8000
    metrics = [json.loads(line) for line in (pools / "out" / "_filter" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step_name"] for row in metrics] == ["score", "select", "score", "select", "mix", "mix"]
    capsys.readouterr()


@pytest.mark.integration
def test_a_dry_run_writes_nothing(pools, capsys):
    with pytest.raises(SystemExit) as stop:
        run(pools, extra=["--dry-run"])
    assert stop.value.code == 0
    assert "2 shards as 'organic', 1 shards as 'recycled'" in capsys.readouterr().out
    assert not (pools / "out").exists()


@pytest.mark.integration
def test_a_changed_pool_is_noticed(pools, capsys):
    run(pools, "one", [f"work={pools}/work"])
    documents = list(read_documents(f"{pools}/organic/a.jsonl.zst"))
    write_documents(f"{pools}/organic/a.jsonl.zst", documents[::-1])
    with pytest.raises(SystemExit) as stop:
        run(pools, "two", [f"work={pools}/work", "sources.0.select.threshold=0.9"])
    assert stop.value.code == 2
    assert "shard a changed since" in capsys.readouterr().err
