"""Which Arrow type holds a column of JSON values, found while they stream past."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow


def kind_of(value: Any) -> str:
    """The kind of a JSON value: text, int, float, bool, texts (a list of them); "" for every other.

    >>> kind_of(["a"]), kind_of(1), kind_of({"a": 1}), kind_of(2**63)
    ('texts', 'int', '', '')
    """
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int" if -(2**63) <= value < 2**63 else ""
    return {str: "text", float: "float"}.get(type(value), "texts" if is_texts(value) else "")


class Kinds:
    """The kinds of values under each key of objects."""

    def __init__(self) -> None:
        """No object yet."""
        self.found: dict[str, set[str]] = {}

    def add(self, one: Mapping[str, Any]) -> None:
        """Look at an object's values; nulls fit every kind."""
        for key, value in one.items():
            if value is not None:
                self.found.setdefault(key, set()).add(kind_of(value))

    def arrow(self) -> "pyarrow.DataType":
        """A struct of the keys whose values are of one kind throughout; the others are not in it."""
        import pyarrow as pa

        types = {
            "text": pa.string(),
            "int": pa.int64(),
            "float": pa.float64(),
            "bool": pa.bool_(),
            "texts": pa.list_(pa.string()),
        }
        single = {key: next(iter(kinds)) for key, kinds in sorted(self.found.items()) if len(kinds) == 1}
        return pa.struct([(key, types[kind]) for key, kind in single.items() if kind])


class GoldKinds:
    """The kinds of a file's gold answers: the published Arrow type of their verifier as long as all fit it."""

    def __init__(self) -> None:
        """No gold answer yet."""
        self.kwargs = Kinds()
        self.fits: set[tuple[str, bool]] = set()

    def add(self, verifier: str, native: Any) -> None:
        """Look at a gold answer in Guru's form."""
        self.fits.add((verifier, PUBLISHED.get(verifier, _never)(native)))
        if verifier == "ifeval" and is_objects(native):
            for one in native:
                self.kwargs.add(one)

    def arrow(self) -> "pyarrow.DataType":
        """The published type; text where a gold answer does not fit it, or the published type is text."""
        import pyarrow as pa

        text = pa.string()
        if len(self.fits) != 1 or not next(iter(self.fits))[1]:
            return text
        verifier = next(iter(self.fits))[0]
        kwargs = self.kwargs.arrow()
        return {
            "zebra": pa.struct([("header", pa.list_(text)), ("rows", pa.list_(pa.list_(text)))]),
            "ordering": pa.list_(text),
            "grid": pa.list_(pa.list_(pa.int64())),
            "ifeval": pa.list_(kwargs) if len(kwargs) else text,  # Parquet holds no struct without fields
            "table": pa.float64(),
        }[verifier]


def is_texts(value: Any) -> bool:
    """Whether a value is a list of texts."""
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def is_objects(value: Any) -> bool:
    """Whether a value is a list of objects."""
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def is_grid(value: Any) -> bool:
    """Whether a value is a list of lists of whole numbers of 64 bits."""
    return isinstance(value, list) and all(
        isinstance(line, list) and all(kind_of(cell) == "int" for cell in line) for line in value
    )


def is_zebra(value: Any) -> bool:
    """Whether a value is the grid of a zebra puzzle: `{header, rows}` of texts."""
    if not isinstance(value, dict) or set(value) != {"header", "rows"} or not is_texts(value["header"]):
        return False
    return isinstance(value["rows"], list) and all(map(is_texts, value["rows"]))


def _never(value: Any) -> bool:
    del value
    return False


PUBLISHED: dict[str, Callable[[Any], bool]] = {
    "zebra": is_zebra,
    "ordering": is_texts,
    "grid": is_grid,
    "ifeval": is_objects,
    "table": lambda gold: isinstance(gold, float),
}
"""Verifiers whose gold answers Guru's files do not hold as text, and whether a value fits (finqa's are numbers)."""
