"""Every layout gives back what was put in, to the bit, on files with all domains in them."""

import base64
import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from rl.data.rows.files import LAYOUTS, layout_of, read_any, schemas_of, write_any
from rl.data.rows.guru import base_row
from rl.data.rows.schema import canonical, new_row

WHOLE = (Phase.explicit, Phase.generate)  # an example is a folder of files: shrinking one takes minutes
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12) | st.just("\u0000é\u2028")
INTS = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([2**63 - 1, -(2**63), 0])
FLOATS = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([-0.0, 1e308, 5e-324])
VALUE = st.recursive(
    st.none() | st.booleans() | INTS | FLOATS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
GRID = st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=3)  # ragged, and empty
KWARGS = st.fixed_dictionaries({}, optional={"n": INTS, "word": TEXT, "words": st.lists(TEXT, max_size=2), "f": FLOATS})
ZEBRA = st.fixed_dictionaries(
    {"header": st.lists(TEXT, max_size=2), "rows": st.lists(st.lists(TEXT, max_size=2), max_size=2)}
)
CODE = st.fixed_dictionaries({"inputs": st.lists(TEXT, max_size=2), "outputs": st.lists(TEXT, max_size=2)})
GOLDS = {
    "math__dapo_or1": TEXT | st.lists(TEXT, min_size=2, max_size=3).map(lambda texts: {"any_of": texts}),
    "codegen__taco": CODE | TEXT.map(lambda text: {"functional": text}),
    "stem__web": TEXT,
    "stem__supergpqa": st.sampled_from("ABCJ"),
    "logic__zebra_puzzle_dataset": ZEBRA,
    "logic__ordering_puzzle_dataset": st.lists(TEXT, max_size=3),
    "logic__graph_logical_dataset": TEXT,
    "simulation__arcagi1": GRID,
    "logic__barc": GRID,
    "simulation__codeio": st.fixed_dictionaries(
        {"predict": st.sampled_from(["input", "output"]), "value": VALUE}, optional={"given": VALUE}
    ),
    "simulation__cruxeval-o": st.fixed_dictionaries({"predict": st.just("output"), "code": TEXT, "input": TEXT}),
    "table__hitab": TEXT,
    "table__finqa": FLOATS | INTS,
    "ood__ifeval": st.lists(KWARGS, max_size=3),
    "ood__ifbench": st.fixed_dictionaries({"instruction_id": st.lists(TEXT), "kwargs": st.lists(KWARGS, max_size=2)}),
    "ood__livebench": TEXT,
    "reasoning_gym__chain_sum": VALUE,
}
INFO = st.dictionaries(
    TEXT | st.sampled_from(["question", "index", "split", "repro", "_guru", "_kept"]), VALUE, max_size=4
)
RATES = st.dictionaries(
    st.sampled_from(["qwen2.5_7b", "qwen3_30b", "x"]),
    st.integers(0, 16).map(lambda correct: {"n": 16, "correct": correct}) | st.just({"n": 3, "correct": 1}),
    max_size=2,
)


@st.composite
def row(draw, source=None):
    source = source or draw(st.sampled_from(sorted(GOLDS)))
    made = new_row(
        source,
        draw(st.lists(st.fixed_dictionaries({"role": TEXT, "content": TEXT}), min_size=1, max_size=3)),
        draw(GOLDS[source]),
        key=draw(INTS),
        reference=draw(TEXT),
        info=draw(INFO),
        split=draw(st.sampled_from(["train", "online_eval", "offline_eval", "raw"])),
        provenance={"row": draw(INTS), "file": draw(TEXT)},
    )
    return {**made, "pass_rates": canonical(draw(RATES))}


def one_of_each_domain(draw):
    firsts = ["math__dapo_or1", "codegen__taco", "stem__web", "simulation__codeio", "table__finqa", "logic__barc"]
    rows = [draw(row(source)) for source in [*firsts, "ood__ifeval"]]
    return rows + draw(st.lists(row(), max_size=4))


MIXED = st.composite(one_of_each_domain)().filter(lambda rows: len({one["id"] for one in rows}) == len(rows))
FORMS = {
    "rows": ["a.parquet", "a.jsonl"],
    "guru": ["folder"],
    "guru-compressed": ["a.parquet"],
    "verl": ["a.parquet"],
    "trl": ["a.parquet", "a.jsonl.gz"],
    "messages": ["a.jsonl", "a.jsonl.zst"],
    "taskset": ["a.jsonl"],
}


def test_the_table_above_has_every_layout():
    assert list(FORMS) == list(LAYOUTS)


@pytest.mark.parametrize(("layout", "name"), [(layout, name) for layout, names in FORMS.items() for name in names])
def test_rows_of_all_domains_go_out_and_come_back(tmp_path_factory, layout, name):
    @settings(phases=WHOLE, max_examples=12)
    @given(MIXED)
    def check(rows):
        target = str(tmp_path_factory.mktemp("out") / name)
        written = write_any(target, lambda: rows, layout, {})
        assert list(read_any(target)) == rows
        expected = {"rows": "rows", "guru-compressed": "guru"}.get(layout, layout)
        assert {layout_of(path) for path in written} == {expected}

    check()


@settings(phases=WHOLE, max_examples=8)
@given(rows=MIXED)
def test_a_row_survives_every_layout_one_after_the_other(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("chain")
    found, schemas = rows, {}
    for number, (layout, names) in enumerate(FORMS.items()):
        target = str(folder / f"{number}_{names[0]}")
        write_any(target, lambda found=found: found, layout, schemas)
        schemas = schemas_of(target)
        found = list(read_any(target))
    assert found == rows


def test_the_compressed_and_verl_files_of_all_domains_have_one_schema(tmp_path):
    @settings(phases=WHOLE, max_examples=5)
    @given(MIXED)
    def check(rows):
        for layout in ("guru-compressed", "verl", "trl"):
            schemas = []
            for number, one in enumerate(rows):
                write_any(str(tmp_path / f"{number}.parquet"), lambda one=one: [one], layout, {})
                schemas.append(pq.read_schema(tmp_path / f"{number}.parquet"))
            assert all(schema.equals(schemas[0], check_metadata=True) for schema in schemas)

    check()


# Foreign files: as the released ones are, each data set with its own types (section 1.1 of the specification).

TURN = pa.struct([("role", pa.string()), ("content", pa.string())])
GRIDS = pa.list_(pa.list_(pa.int64()))
TEXTS = pa.list_(pa.string())
RELEASED = {
    "math__deepscaler_preview": (pa.string(), {"original_question": pa.string()}),
    "codegen__leetcode2k": (pa.string(), {"prefix": pa.string(), "reference": pa.string()}),
    "stem_web": (pa.string(), {"idx": pa.int64(), "question": pa.string()}),
    "zebra_puzzle_dataset": (
        pa.struct([("header", TEXTS), ("rows", pa.list_(TEXTS))]),
        {"grid": pa.struct([("a", pa.float32()), ("b", GRIDS)])},
    ),
    "ordering_puzzle_dataset": (TEXTS, {"index": pa.int64()}),
    "logic__logic__graph_logical_dataset": (pa.string(), {"split": pa.string(), "index": pa.int64()}),
    "simulation__arcagi2": (GRIDS, {"note": pa.binary(), "when": pa.timestamp("us")}),
    "simulation__codeio": (pa.string(), {"level": pa.int8(), "big": pa.uint64()}),
    "simulation__cruxeval-i": (pa.string(), {"_guru": pa.string(), "wide": pa.large_string()}),
    "table__finqa": (pa.float64(), {}),
    "ood__ifeval": (
        pa.list_(pa.struct([("n", pa.int64()), ("words", TEXTS), ("rate", pa.float64())])),
        {"instruction_id_list": TEXTS, "kept": pa.dictionary(pa.int32(), pa.string())},
    ),
    "ood__ifbench": (pa.struct([("instruction_id", TEXTS), ("kwargs", pa.list_(pa.struct([("n", pa.int64())])))]), {}),
}


def released_schema(source):
    gold, inner = RELEASED[source]
    fields = [
        ("data_source", pa.string()),
        ("prompt", pa.list_(TURN)),
        ("ability", pa.string()),
        ("apply_chat_template", pa.bool_()),
        ("reward_model", pa.struct([("style", pa.string()), pa.field("ground_truth", gold)])),
    ]
    if inner:
        fields.append(("extra_info", pa.struct(list(inner.items()))))
    if source == "stem_web":
        fields += [("raw_prompt", pa.list_(TURN)), ("response", pa.string())]
        fields[4] = ("reward_model", pa.struct([("ground_truth", pa.string())]))
    fields += [("qwen2.5_7b_pass_rate", pa.float64()), pa.field("low_pass_rate", pa.float32())]
    return pa.schema(fields, metadata={b"huggingface": b'{"info": {}}', b"pandas": source.encode()})


def values(kind):
    """A strategy for the values of an Arrow type, nulls among them."""
    if pa.types.is_struct(kind):
        return st.none() | st.fixed_dictionaries({field.name: values(field.type) for field in kind})
    if pa.types.is_list(kind):
        return st.none() | st.lists(values(kind.value_type), max_size=3)
    if pa.types.is_dictionary(kind):
        return st.none() | TEXT
    if pa.types.is_integer(kind):
        low, high = (
            (-128, 127) if kind == pa.int8() else (0, 2**64 - 1) if kind == pa.uint64() else (-(2**63), 2**63 - 1)
        )
        return st.none() | st.integers(low, high) | st.just(high)
    if pa.types.is_floating(kind):
        width = kind.bit_width
        return st.none() | st.floats(width=width) | st.sampled_from([-0.0, 3 / 16, float("nan"), float("inf")])
    if pa.types.is_boolean(kind):
        return st.none() | st.booleans()
    if pa.types.is_binary(kind):
        return st.none() | st.binary(max_size=4)
    if pa.types.is_timestamp(kind):
        return st.none() | st.integers(-(2**40), 2**40)
    return st.none() | TEXT | st.just('{"inputs": ["1"], "outputs": ["é"]}') | st.just('"output": [1, 2.0]')


def released(draw, source):
    schema = released_schema(source)
    record = st.fixed_dictionaries({field.name: values(field.type) for field in schema})
    records = draw(st.lists(record.map(lambda one: {**one, "data_source": source}), max_size=5))
    columns = [pa.array([one[field.name] for one in records], field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def same_table(one, other):
    """Equal in schema, metadata, and values; to_pylist and repr tell -0.0 from 0.0 and NaN from null."""
    assert one.schema.equals(other.schema, check_metadata=True)
    assert repr(one.to_pylist()) == repr(other.to_pylist())


@pytest.mark.parametrize("source", sorted(RELEASED))
def test_a_released_file_comes_out_as_it_went_in(tmp_path_factory, source):
    @settings(phases=WHOLE, max_examples=12)
    @given(st.composite(released)(source))
    def check(table):
        folder = tmp_path_factory.mktemp("guru")
        pq.write_table(table, folder / "in.parquet")
        rows = list(read_any(str(folder / "in.parquet")))
        assert len({one["id"] for one in rows}) == len(rows)
        schemas = schemas_of(str(folder / "in.parquet"))
        write_any(str(folder / "rows.parquet"), lambda: rows, "rows", schemas)
        out = folder / "out.parquet"
        write_any(
            str(out), lambda: read_any(str(folder / "rows.parquet")), "guru", schemas_of(str(folder / "rows.parquet"))
        )
        if rows:  # a file of no rows has nothing that names its schema
            same_table(pq.read_table(out), pq.read_table(folder / "in.parquet"))

    check()


def packed(value, mtime, compact=False):
    text = json.dumps(value, separators=(",", ":")) if compact else json.dumps(value)
    return base64.b64encode(gzip.compress(text.encode(), mtime=mtime)).decode()


@settings(phases=WHOLE, max_examples=12)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["stem__web", "codegen__taco", "logic__barc"]),
            st.dictionaries(TEXT | st.just("index"), VALUE | st.just(float("nan")), max_size=4),
            VALUE,
            st.integers(0, 2**32 - 1),
            st.booleans(),
            st.integers(0, 9),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_compressed_file_comes_out_as_it_went_in(tmp_path_factory, found):
    folder = tmp_path_factory.mktemp("packed")
    records = []
    for source, extra, gold, mtime, compact, cut in found:
        text = packed(extra, mtime, compact).rstrip("=" if compact else "")
        parts = {"part_1": text[:cut], "part_2": None if not text[cut:-cut] else text[cut : len(text) - cut]}
        rest = text[len(parts["part_1"] + (parts["part_2"] or "")) :]
        parts |= {"part_3": "", "part_10": rest}
        rule = {"style": "rule", "ground_truth": {"compressed": packed(gold, mtime)}}
        prompt = [{"role": "user", "content": "q"}]
        records.append({"data_source": source, "prompt": prompt, "reward_model": rule, "extra_info": parts})
    records.append({**records[0], "extra_info": None, "reward_model": {"style": None, "ground_truth": None}})
    pq.write_table(pa.Table.from_pylist(records), folder / "in.parquet")
    rows = list(read_any(str(folder / "in.parquet")))
    for (_, extra, _, _, _, _), one in zip(found, rows, strict=False):
        info = json.loads(one["info"])
        for key, value in extra.items():
            assert (
                value is None
                or value != value
                or key == "repro"
                or repr(info[key]) == repr(json.loads(canonical(value)))
            )
    write_any(str(folder / "out.parquet"), lambda: rows, "guru-compressed", schemas_of(str(folder / "in.parquet")))
    same_table(pq.read_table(folder / "out.parquet"), pq.read_table(folder / "in.parquet"))


def test_reading_does_not_depend_on_row_groups(tmp_path):
    @settings(phases=WHOLE, max_examples=5)
    @given(st.composite(released)("zebra_puzzle_dataset"))
    def check(table):
        found = []
        for size in (1, 2, 1000):
            pq.write_table(table, tmp_path / "a.parquet", row_group_size=size)
            found.append(list(read_any(str(tmp_path / "a.parquet"))))
        assert found[0] == found[1] == found[2]

    check()


def test_pandas_rows_are_read_as_lists_are(tmp_path):
    ragged = [{"role": "user", "content": "which grid?"}]
    record = {
        "data_source": "simulation__arcagi1",
        "prompt": ragged,
        "ability": "reasoning",
        "apply_chat_template": True,
        "reward_model": {"style": "rule", "ground_truth": [[1, 2], [3], []]},
        "extra_info": {"index": 7, "split": "train", "names": ["a", None]},
        "qwen2.5_7b_pass_rate": 0.25,
    }
    pd.DataFrame([record]).to_parquet(tmp_path / "a.parquet")
    frame = pd.read_parquet(tmp_path / "a.parquet")
    found = frame.to_dict("records")[0]
    assert isinstance(found["reward_model"]["ground_truth"], np.ndarray)
    from_pandas, from_lists = base_row(found), base_row(record)
    assert from_pandas == from_lists
    assert json.loads(from_lists["ground_truth"]) == [[1, 2], [3], []]
    assert json.loads(from_lists["pass_rates"]) == {"qwen2.5_7b": {"n": 16, "correct": 4}}


def test_what_released_rows_become(tmp_path):
    records = [
        {"data_source": "stem_web", "reward_model": {"ground_truth": "3 m"}, "extra_info": {"idx": 5, "question": "q"}},
        {"data_source": "stem_web", "reward_model": {"ground_truth": "3 m"}, "extra_info": {"idx": 5, "question": "q"}},
        {"data_source": "stem_web", "reward_model": {"ground_truth": "x"}, "extra_info": {"idx": 6, "question": "r"}},
    ]
    records = [{**one, "prompt": [{"role": "user", "content": "Q"}], "qwen3_30b_pass_rate": 0.2} for one in records]
    (tmp_path / "offline_eval").mkdir()
    path = tmp_path / "offline_eval" / "stem__web.parquet"
    pq.write_table(pa.Table.from_pylist(records), path)
    one, again, other = read_any(str(path))
    assert (one["source"], one["domain"], one["verifier"], one["split"]) == (
        "stem__web",
        "stem",
        "judge",
        "offline_eval",
    )
    assert one["reference"] == "3 m"
    assert json.loads(one["info"])["qwen3_30b_pass_rate"] == 0.2  # off the grid of 16: as given, and no count
    assert one["pass_rates"] == "{}"
    assert len({one["id"], again["id"], other["id"]}) == 3


def test_kwargs_lose_their_nulls_and_get_them_back(tmp_path):
    records = [
        {
            "data_source": "ood__ifeval",
            "prompt": [{"role": "user", "content": "Q"}],
            "reward_model": {"style": "rule", "ground_truth": [{"n": 3, "word": None}, {"n": None, "word": "a"}]},
            "extra_info": {"index": 1},
        }
    ]
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "a.parquet")
    (found,) = read_any(str(tmp_path / "a.parquet"))
    assert json.loads(found["ground_truth"]) == [{"n": 3}, {"word": "a"}]
    assert list(json.loads(found["info"])["_guru"]) == ["schema"]  # foretold: nothing else needs keeping


def test_an_unknown_data_set_is_an_error_with_file_and_row(tmp_path):
    record = {"data_source": "stem_webb", "prompt": [{"role": "user", "content": "Q"}], "reward_model": {"style": "r"}}
    pq.write_table(pa.Table.from_pylist([record]), tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"a\.parquet, row 0: no data set is called 'stem_webb'.*stem__web"):
        list(read_any(str(tmp_path / "a.parquet")))


FOREIGN = st.dictionaries(TEXT | st.sampled_from(["id", "split", "info", "verifier", "reference"]), VALUE, max_size=4)
CHAT = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant"]), "content": TEXT | st.none()}, optional={"name": VALUE}
    ),
    max_size=3,
)


@pytest.mark.parametrize("layout", ["messages", "taskset", "trl"])
def test_objects_of_others_come_out_as_they_went_in(tmp_path_factory, layout):
    own = {
        "messages": st.fixed_dictionaries({"messages": CHAT, "dataset": st.just("ood__ifeval"), "ground_truth": VALUE}),
        "taskset": st.fixed_dictionaries({"task": st.just("math__x"), "prompt": CHAT | TEXT, "answer": VALUE}),
        "trl": st.fixed_dictionaries({"source": st.just("table__x"), "prompt": CHAT | TEXT, "solution": VALUE}),
    }[layout]

    @settings(phases=WHOLE, max_examples=25)
    @given(st.lists(st.tuples(own, FOREIGN).map(lambda pair: {**pair[1], **pair[0]}), min_size=1, max_size=3))
    def check(objects):
        folder = tmp_path_factory.mktemp("foreign")
        (folder / "in.jsonl").write_text("".join(json.dumps(one) + "\n" for one in objects))
        rows = list(read_any(str(folder / "in.jsonl")))
        write_any(str(folder / "out.jsonl"), lambda: rows, layout, {})
        found = [json.loads(line) for line in (folder / "out.jsonl").read_text().split("\n")[:-1]]
        assert [canonical(one) for one in found] == [canonical(one) for one in objects]

    check()


def test_load_dataset_reads_files_of_all_domains_together(tmp_path):
    from datasets import load_dataset

    rows = [
        new_row(f"{name}", "q", gold, key=0)
        for name, gold in (("math__x", "4"), ("logic__barc", [[1]]), ("table__x", 3))
    ]
    for layout in ("rows", "trl", "verl", "guru-compressed", "messages", "taskset"):
        form = "jsonl" if layout in ("messages", "taskset") else "parquet"
        files = [str(tmp_path / f"{layout}_{number}.{form}") for number in range(len(rows))]
        for file, one in zip(files, rows, strict=True):
            write_any(file, lambda one=one: [one], layout, {})
        kind = "json" if form == "jsonl" else "parquet"
        loaded = load_dataset(kind, data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
        assert len(loaded) == 3


def test_half_a_character_is_named_with_its_row(tmp_path):
    path = Path(tmp_path) / "a.jsonl"
    path.write_text(
        '{"messages": [{"role": "user", "content": "\\ud800"}], "dataset": "math__x", "ground_truth": "1"}\n'
    )
    with pytest.raises(ValueError, match=r"a\.jsonl, row 0: the prompt holds half a character"):
        list(read_any(str(path)))


@pytest.mark.parametrize(
    ("line", "message"),
    [("nope", "line 1: no JSON"), ("[1]", "line 1: no JSON object"), ('{"text": "x"}', "none of the known layouts")],
)
def test_a_broken_line_is_named(tmp_path, line, message):
    (tmp_path / "a.jsonl").write_text(line + "\n")
    with pytest.raises(ValueError, match=message):
        list(read_any(str(tmp_path / "a.jsonl")))
