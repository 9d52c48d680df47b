"""Logic: grids of ARC-AGI 1 and 2 and of BARC; generated puzzles come from `rl.data.generate`."""

from typing import Any, Literal

from rl.data.raw.dataset import Built, DataSet, PrepareConfig, Question, Record

DEMONSTRATIONS = 6
ASKED = (
    "You are an expert puzzle solver. The pairs of input and output grids below follow one rule. Find it, and apply it "
    "to the test input. Give the answer within <answer> and </answer> tags; it should be only the output grid "
    "(2d array).\n\n"
)


class ArcConfig(PrepareConfig):
    """Preparation of grid puzzles."""

    arc_tests: Literal["first", "all"] = "first"
    """One row for a puzzle's first test input, as in Guru, or one for each."""


def arc(record: Record, config: ArcConfig) -> Built:
    """A puzzle of ARC: its demonstrations and a test input."""
    shown = [(_grid(pair.get("input")), _grid(pair.get("output"))) for pair in record.get("train") or ()]
    tests = [(_grid(pair.get("input")), _grid(pair.get("output"))) for pair in record.get("test") or ()]
    if not shown or not tests or not all(map(all, shown + tests)):
        return "no_grid"
    key = record.get("id") or record.get("file_stem")
    count = 1 if config.arc_tests == "first" else len(tests)
    return [_question(shown, tests[at], [key, at] if at else key, {"puzzle": key, "test": at}) for at in range(count)]


def barc(record: Record, config: PrepareConfig) -> Built:
    """A synthetic puzzle of BARC: the pair behind the demonstrations is the test; cells arrive as numbers or texts."""
    del config
    pairs = [tuple(map(_grid, pair)) for pair in record.get("examples") or () if len(pair) == 2]
    if len(pairs) < 2 or not all(map(all, pairs)):
        return "no_grid"
    count = min(len(pairs) - 1, DEMONSTRATIONS)
    return [_question(pairs[:count], pairs[count], str(pairs), {"pairs": len(pairs)})]


def _question(shown: list[Any], test: Any, key: Any, info: dict[str, Any]) -> Question:
    pairs = "\n\n".join(f"Input: {one}\nOutput: {other}" for one, other in shown[:DEMONSTRATIONS])
    return Question(f"{ASKED}{pairs}\n\nTest input: {test[0]}", test[1], key, str(test[1]), info)


def _grid(value: Any) -> list[list[int]]:
    """Cells as whole numbers; empty if it is no grid of the digits 0 to 9."""
    try:
        found = [[int(float(cell)) for cell in line] for line in value]
    except (TypeError, ValueError):
        return []
    fine = len({len(line) for line in found}) == 1 and all(0 <= cell <= 9 for line in found for cell in line)
    return found if fine and found[0] else []


def _arc(name: str, hub: str, rows: int) -> DataSet:
    files = {
        "train": ("training/*.json",),
        "offline_eval": ("evaluation/*.json",),
        "online_eval": ("evaluation/*.json",),
    }
    return DataSet(
        f"logic__{name}",
        arc,
        hub,
        "Apache-2.0",
        "the repository's data folder with training/*.json and evaluation/*.json",
        files=files,
        sizes={"online_eval": 200},
        config=ArcConfig,
        published={"raw": rows, "offline_eval": 400 if name == "arcagi1" else 120},
    )


DATA_SETS = (
    _arc("arcagi1", "the GitHub repository fchollet/ARC-AGI", 400),
    _arc("arcagi2", "the GitHub repository arcprize/ARC-AGI-2", 1_000),
    DataSet(
        "logic__barc",
        barc,
        "barc0/200k_HEAVY_gpt4o-description-gpt4omini-code_generated_problems",
        "Apache-2.0",
        "records {examples: [[input, output], …]}",
        files={"train": ("*.jsonl", "*.parquet"), "offline_eval": ("*.jsonl", "*.parquet")},
        shares={"train": (0.0, 0.8), "offline_eval": (0.8, 1.0)},
        first=10_000,
        published={"kept": 3_400},
    ),
)
