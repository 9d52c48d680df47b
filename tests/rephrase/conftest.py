"""The tiny rephraser of the repository and a local server: what the stage's tests run on."""

import subprocess
import sys

import pytest


@pytest.fixture(scope="session")
def tiny_model(root):
    """Folder of the tiny rephraser."""
    folder = root / "rephrase" / "tiny_text"
    if not (folder / "config.json").is_file():
        pytest.skip("no tiny rephraser here (scripts/make_tiny.sh)")
    return str(folder)


@pytest.fixture(scope="session")
def server_url(root):
    """Base URL of the small OpenAI-compatible server of the engine's tests."""
    command = [sys.executable, str(root / "tests" / "common" / "stand_in_server.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        process.kill()
