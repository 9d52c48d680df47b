"""The same verdicts under every antlr runtime that math-verify accepts.

The runtimes cannot stand in one environment. Put each in a folder of its own and name the folders:

    for v in 4.9.3 4.11.0 4.13.2; do pip install --no-deps --target antlr/$v antlr4-python3-runtime==$v; done
    export ANTLR_RUNTIMES=antlr/4.9.3:antlr/4.11.0:antlr/4.13.2
    python -m pytest -m slow tests/eval/verifiers/strict/test_mathematics_runtimes.py
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PAIRS = [
    ("\\int_0^1 x dx", "\\frac{1}{2}"),
    ("\\sum_{k=1}^{3} k", "6"),
    ("\\lim_{x\\to 0} \\frac{\\sin x}{x}", "1"),
    ("\\int_0^1 x dx", "\\frac{1}{3}"),
    ("32.8\\%", "32.8\\%"),
    ("\\frac{41}{125}", "32.8\\%"),
    ("1_3", "1_2"),
    ("1/2004!", "1/2006!"),
]

PROGRAM = """
import json, sys
from eval.verifiers.audit.vectors import read_vectors
from eval.verifiers.registry import score
pairs = json.loads(sys.stdin.read())
found = [score({"verifier": "math", "ground_truth": gold}, f"\\\\boxed{{{text}}}") for gold, text in pairs]
found += [score(vector.row, vector.completion) for vector in read_vectors() if vector.verifier == "math"]
print(json.dumps([found[0].version, [[one.status, one.reason, one.detail.get("by")] for one in found]]))
"""


def test_verdicts_do_not_depend_on_the_runtime(root, shared_data):
    folders = [Path(one).resolve() for one in os.environ.get("ANTLR_RUNTIMES", "").split(":") if one]
    if len(folders) < 2:
        pytest.skip("ANTLR_RUNTIMES names no folders with runtimes; see the module's docstring")
    lines = (shared_data / "verifiable/hardverify_math.jsonl").read_text(encoding="utf-8").splitlines()
    pairs = PAIRS + [
        (row["gold"], row[name])
        for row in map(json.loads, lines)
        for name in ("correct_answer_rules_miss", "wrong_answer")
    ]
    versions, verdicts = [], []
    for folder in folders:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            input=json.dumps(pairs),
            env=os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{root}"},
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
        version, found = json.loads(done.stdout)
        versions.append(version)
        verdicts.append(found)
    assert len(set(versions)) == len(folders), versions
    assert verdicts[0][0] == ["correct", "ok", "library"]
    for version, found in zip(versions, verdicts, strict=True):
        different = [pair for pair, one, other in zip(pairs, found, verdicts[0], strict=False) if one != other]
        assert found == verdicts[0], (version, different)
