"""The row: one Arrow schema for the questions of every domain, so that any files of rows can be concatenated.

Only `prompt` is nested. Whatever differs between data sets (gold answers, options, tests, grids) is canonical JSON in a
text column: `ground_truth` in the form that the row's verifier asks for, `info` free for each data set.
"""

import hashlib
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from common.pools.storage import atomic_write, open_read
from rl.data.rows.names import domain_of, verifier_of

if TYPE_CHECKING:
    import pyarrow

BUILDER = "1"
"""Version of the builders: raised whenever the same raw record would become another row."""

DOMAINS = ("math", "code", "stem", "logic", "simulation", "table", "ood")
SPLITS = ("train", "online_eval", "offline_eval", "raw")
COLUMNS = (
    "id",
    "prompt",
    "reference",
    "verifier",
    "ground_truth",
    "info",
    "domain",
    "source",
    "split",
    "pass_rates",
    "provenance",
)
JSON_COLUMNS = ("ground_truth", "info", "pass_rates", "provenance")
ROWS_PER_GROUP = 1000

_SURROGATE = re.compile("[\ud800-\udfff]")


class Message(TypedDict):
    """One turn of a conversation."""

    role: str
    content: str


class Row(TypedDict):
    """One question with what checks its answer; the columns of `arrow_schema`, in its order."""

    id: str
    """32 hex digits: see `row_id`."""
    prompt: list[Message]
    """Usually one user turn."""
    reference: str
    """The gold answer or a reference solution for people to read; empty if there is none."""
    verifier: str
    """Which verifier of `eval.verifiers` decides."""
    ground_truth: str
    """Canonical JSON, in the form of that verifier."""
    info: str
    """Canonical JSON object, free for each data set."""
    domain: str
    """One of `DOMAINS`."""
    source: str
    """The data set, in Guru's spelling."""
    split: str
    """One of `SPLITS`."""
    pass_rates: str
    """JSON: name of a model to `{"n": samples, "correct": those that were right}`."""
    provenance: str
    """JSON: where the raw record lies, its licence, what built the row."""


def arrow_schema() -> "pyarrow.Schema":
    """The Arrow schema of `Row`: text columns, and `prompt` as a list of `{role, content}`."""
    import pyarrow

    turn = pyarrow.struct([("role", pyarrow.string()), ("content", pyarrow.string())])
    return pyarrow.schema([(name, pyarrow.list_(turn) if name == "prompt" else pyarrow.string()) for name in COLUMNS])


def plain(value: Any) -> Any:
    """A value of pandas or NumPy as JSON's own: arrays become lists, NumPy's scalars Python's, tuples lists.

    Raises:
        ValueError: a key is no text, or a value is nothing that JSON can hold.
    """
    if value is None or isinstance(value, bool | str | int):
        return value
    if isinstance(value, float):
        return float(value)  # np.float64 is a float too
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise ValueError(f"JSON objects have text keys, not {key!r}")
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy's arrays and scalars; this module needs no NumPy otherwise
        return plain(value.tolist())
    raise ValueError(f"JSON cannot hold {value!r} ({type(value).__name__})")


def canonical(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no blanks, UTF-8; a lone surrogate, which is no UTF-8, stays escaped.

    >>> canonical({"b": [1, -0.0], "a": "é"})
    '{"a":"é","b":[1,-0.0]}'

    Raises:
        ValueError: NaN, an infinity, or what JSON cannot hold.
    """
    text = json.dumps(plain(value), sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def row_id(source: str, revision: str, key: Any, prompt: Sequence[Message], ground_truth: str) -> str:
    """32 hex digits of SHA-256 over canonical JSON of what the row is and whence: no row number, no machine, no time.

    Args:
        source: name of the data set.
        revision: of the raw data; "" where there is none.
        key: what tells the raw record from the others of its data set.
        prompt: the row's turns.
        ground_truth: the row's gold answer, as the row holds it.
    """
    content = canonical([source, revision, key, list(prompt), ground_truth])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def new_row(
    source: str,
    prompt: str | Sequence[Message],
    ground_truth: Any,
    *,
    key: Any,
    reference: str = "",
    info: Mapping[str, Any] | None = None,
    split: str = "train",
    provenance: Mapping[str, Any] | None = None,
) -> Row:
    """A row from its parts; domain and verifier follow from the source's name.

    Args:
        source: name of the data set in Guru's spelling, e.g. `logic__zebra_puzzle_dataset`.
        prompt: the question as one user turn, or all turns.
        ground_truth: the gold answer as a value, in the form of the source's verifier.
        key: what tells the raw record from the others of its data set; for a generator, seed, index and config.
        reference: text of the gold answer or solution for people.
        info: whatever else belongs to the row.
        split: one of `SPLITS`.
        provenance: dataset, revision, licence, sha256, row, seed: what is known; the builder's version is added.

    Raises:
        ValueError: an unknown source or split, or a value that JSON cannot hold.
    """
    if split not in SPLITS:
        raise ValueError(f"no split {split!r}; there are: {', '.join(SPLITS)}")
    turns: list[Message] = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
    whence = {"builder": BUILDER, **(provenance or {})}
    gold = canonical(ground_truth)
    return {
        "id": row_id(source, str(whence.get("revision") or ""), key, turns, gold),
        "prompt": turns,
        "reference": reference,
        "verifier": verifier_of(source),
        "ground_truth": gold,
        "info": canonical(info or {}),
        "domain": domain_of(source),
        "source": source,
        "split": split,
        "pass_rates": "{}",
        "provenance": canonical(whence),
    }


def problem(row: Mapping[str, Any]) -> str:
    """What is wrong with a row as it stands, "" if nothing is; its verifier is asked elsewhere (`rl.data.validate`)."""
    for name in COLUMNS:
        if row.get(name) is None:
            return f"missing_{name}"
        if name != "prompt" and not isinstance(row[name], str):
            return f"{name}_is_no_text"
    if not any(turn.get("role") == "user" and str(turn.get("content") or "").strip() for turn in row["prompt"]):
        return "empty_prompt"
    for name in JSON_COLUMNS:
        try:
            value = json.loads(row[name], parse_constant=_refuse)
        except ValueError:
            return f"{name}_is_no_json"
        if name != "ground_truth" and not isinstance(value, dict):
            return f"{name}_is_no_object"
    if row["domain"] not in DOMAINS:
        return "unknown_domain"
    return "" if row["split"] in SPLITS else "unknown_split"


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def to_table(rows: Iterable[Mapping[str, Any]]) -> "pyarrow.Table":
    """Rows as an Arrow table in `arrow_schema`."""
    import pyarrow

    return pyarrow.Table.from_pylist([{name: row[name] for name in COLUMNS} for row in rows], schema=arrow_schema())


def write_rows(path: str, rows: Iterable[Mapping[str, Any]], metadata: Mapping[str, str] | None = None) -> int:
    """Write a Parquet file of rows, which appears whole or not at all; equal rows give equal bytes.

    Args:
        path: where, ending in `.parquet`.
        rows: the rows, in the order to write them.
        metadata: key-value metadata of the file.

    Returns:
        How many rows there were.

    Raises:
        ValueError: two rows have one id.
    """
    import pyarrow.parquet

    if not path.endswith(".parquet"):
        raise ValueError(f"rows are written to a Parquet file: {path} should end in .parquet")
    schema = arrow_schema().with_metadata(dict(metadata or {}) or None)
    seen: set[str] = set()
    left = iter(rows)
    with atomic_write(path) as target, pyarrow.parquet.ParquetWriter(target, schema, compression="zstd") as writer:
        while group := list(itertools.islice(left, ROWS_PER_GROUP)):
            for row in group:
                if row["id"] in seen:
                    raise ValueError(f"two rows have the id {row['id']} ({row['source']}); nothing was written")
                seen.add(row["id"])
            writer.write_table(to_table(group).replace_schema_metadata(schema.metadata))
    return len(seen)


def read_rows(path: str) -> Iterator[Row]:
    """Stream the rows of a Parquet file in this schema; other columns are passed over.

    Raises:
        ValueError: the file is no Parquet, or a column is missing.
    """
    import pyarrow
    import pyarrow.parquet

    with open_read(path) as source:
        try:
            file = pyarrow.parquet.ParquetFile(source)
        except pyarrow.ArrowInvalid as error:
            raise ValueError(f"{path} is no readable Parquet file: {error}") from None
        missing = [name for name in COLUMNS if name not in file.schema_arrow.names]
        if missing:
            raise ValueError(f"{path} has no column {missing[0]!r}; `python -m rl.data.convert` reads other layouts")
        for batch in file.iter_batches(batch_size=ROWS_PER_GROUP, columns=list(COLUMNS)):
            yield from batch.to_pylist()


def count_of(rate: float, samples: int = 16) -> int | None:
    """How many of so many samples a published pass rate stands for; None if it is off that grid by more than 1e-6.

    >>> count_of(0.1875), count_of(0.2)
    (3, None)
    """
    if not -1 <= rate <= 2:  # NaN and infinities too
        return None
    count = round(rate * samples)
    return count if 0 <= count <= samples and abs(rate - count / samples) <= 1e-6 else None
