"""Verdicts per processor second: mathematics on boxes and on whole solutions, choice on real responses.

python -m pytest tests/bench/test_verifier_speed.py -m bench -s
"""

import json
import time

import pytest

from eval.verifiers.mathematics.reading import read
from eval.verifiers.mathematics.scalars import same_value
from eval.verifiers.registry import score
from eval.verifiers.strict import mathematics

pytestmark = [pytest.mark.bench, pytest.mark.slow]


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def rate(verifier, pairs):
    """Verdicts per processor second of pairs that were not judged before; the least time of three."""
    seconds = []
    for _ in range(3):
        for cache in (read, same_value, mathematics.by_reading):  # every verdict is worked out
            cache.cache_clear()
        start = time.process_time()
        for gold, text in pairs:
            score({"verifier": verifier, "ground_truth": gold}, text)
        seconds.append(time.process_time() - start)
    return len(pairs) / min(seconds)


def solutions(shared_data):
    """References, and whole solutions that hold a box: right ones, and the next row's."""
    found = [(row["answer"], row["solution"]) for row in rows(shared_data / "verifiable/math500.jsonl")]
    found += [
        (row["answer"], row["chain_of_thought"] + f" $\\boxed{{{row['answer']}}}$")
        for row in rows(shared_data / "reasoning/math.jsonl")
    ]
    shifted = [(gold, text) for (gold, _), (_, text) in zip(found, found[1:] + found[:1], strict=True)]
    return found + shifted


def test_mathematics_on_whole_solutions(shared_data):
    pairs = solutions(shared_data)
    found = rate("math", pairs)
    print(f"\nwhole texts: {found:,.0f} verdicts per processor second ({len(pairs)} texts)")  # noqa: T201
    assert found >= 2000


def test_mathematics_on_boxes(shared_data):
    golds = [
        row["answer"]
        for name in ("reasoning/math", "verifiable/math500")
        for row in rows(shared_data / f"{name}.jsonl")
    ]
    golds += [row["expected_answer"] for row in rows(shared_data / "verifiable/competition_math.jsonl")]
    pairs = [(gold, f"\\boxed{{{other}}}") for one, gold in enumerate(golds) for other in golds[one : one + 2]]
    hard = rows(shared_data / "verifiable/hardverify_math.jsonl")
    hard = [
        (row["gold"], f"\\boxed{{{row[name]}}}")
        for row in hard
        for name in ("correct_answer_rules_miss", "wrong_answer")
    ]
    print(f"\nboxes: {rate('math', pairs):,.0f} verdicts per processor second ({len(pairs)} pairs); ", end="")  # noqa: T201
    print(f"HardVerify pairs: {rate('math', hard):,.0f} ({len(hard)} pairs)")  # noqa: T201
    assert rate("math", pairs) >= 4000


def test_choice_on_real_responses(shared_data):
    pairs = [(row["answer"], row["response"]) for row in rows(shared_data / "verifiable/mmlu_pro_responses.jsonl")]
    print(f"\nchoice: {rate('choice', pairs):,.0f} verdicts per processor second ({len(pairs)} responses)")  # noqa: T201
