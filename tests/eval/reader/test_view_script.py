"""`scripts/view.sh`: pages on a terminal, text elsewhere, one line where something is missing."""

import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def view(root, *words, **more):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "VIRTUAL_ENV": sys.prefix, "PATH": path}
    return subprocess.Popen(
        ["bash", str(root / "scripts/view.sh"), *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, **more},
    )


def test_off_a_terminal_it_prints_as_before(root, pool):
    with view(root, pool, "limit=1", "width=80") as process:
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert out.startswith("page/0") and "│" in out and "http" not in out.splitlines()[1]


def test_pages_are_served_where_they_are_asked_for(root, pool, tmp_path):
    words = [pool, "terminal=false", "port=0", f"index={tmp_path / 'index'}", "status=missing_sentinel"]
    with view(root, *words) as process:
        try:
            address = process.stdout.readline().split()[0]
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/pool/recycled\?status=missing_sentinel", address)
            with urllib.request.urlopen(address, timeout=60) as answer:
                assert b"<!doctype html>" in answer.read()
        finally:
            process.terminate()
        process.communicate(timeout=60)


def test_a_pool_that_is_not_there_is_one_line(root, tmp_path):
    with view(root, tmp_path / "none", "terminal=false") as process:
        _, err = process.communicate(timeout=300)
    assert process.returncode == 2 and err.count("\n") == 1 and "no pool at" in err


def test_without_its_extra_the_reader_says_what_to_install(root, pool, tmp_path):
    (tmp_path / "uvicorn.py").write_text("raise ModuleNotFoundError('gone', name='uvicorn')")
    command = [sys.executable, "-m", "eval.reader", str(pool)]
    done = subprocess.run(
        command,
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 1 and "pip install -e .[reader]" in done.stderr and "Traceback" not in done.stderr
