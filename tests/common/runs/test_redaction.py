"""Secrets never reach a file or a screen."""

import json
import logging

import pytest

from common.command import fail
from common.config import RunConfig, to_yaml
from common.runs.folder import Run
from common.runs.redaction import redacted


class Served(RunConfig):
    """A run that talks to a server."""

    url: str = ""
    """Where."""

    extra_body: dict[str, object] = {}
    """Sent along."""

    eos_token: str = "<end>"
    """No secret, for all its name."""


SECRET = "s3cr3t-Zq"

TEXTS = [
    f"http://user:{SECRET}@host:8000/v1",
    f"https://{SECRET}@host/v1",
    f"s3://key:{SECRET}@bucket/x",
    f"http://host/v1?api_key={SECRET}&n=1",
    f"http://host/v1?token={SECRET}",
    f"Authorization: Bearer {SECRET}",
    f"engine.extra_body.api_key={SECRET}",
    f"--api-key={SECRET}",
    f"HF_TOKEN={SECRET}",
    f"password: {SECRET}",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_secret_in_a_text_is_hidden(text):
    assert SECRET not in redacted(text)
    assert SECRET not in json.dumps(redacted({"deep": [{"er": (text,)}]}))


@pytest.mark.parametrize(
    "name", ["api_key", "x-api-key", "Authorization", "password", "hf_token", "secret_key", "token"]
)
def test_a_field_that_holds_a_secret_is_hidden(name):
    assert redacted({"headers": {name: SECRET}}) == {"headers": {name: "***"}}


@pytest.mark.parametrize(
    "value",
    [{"eos_token": "<end>"}, {"api_key_env": "OPENAI_API_KEY"}, {"max_tokens": 5}, {"tokenizer": "a/b"}, "a@b.c"],
)
def test_what_is_no_secret_stays(value):
    assert redacted(value) == value


def test_a_run_folder_holds_no_secret(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.orig_argv", ["python", "-m", "rephrase.run", f"engine.url=http://u:{SECRET}@host/v1"])
    config = Served(url=f"http://u:{SECRET}@host/v1", extra_body={"api_key": SECRET, "top_k": 3})
    with Run(tmp_path, config):
        logging.getLogger("repro").warning("no answer of %s", config.url)
    written = "".join(path.read_text() for path in tmp_path.iterdir())
    assert SECRET not in written
    assert "top_k: 3" in to_yaml(config)
    assert "<end>" in to_yaml(config)
    with pytest.raises(SystemExit):
        fail(f"no server at {config.url}")
    assert SECRET not in capsys.readouterr().err
