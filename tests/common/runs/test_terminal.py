"""What page text could do to a terminal is spelled out, whichever command prints it."""

import json
import logging
import sys

import pytest

from common.command import entry_point, fail
from common.pools.documents import write_documents
from rephrase.inspect import main

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\rhidden\u202etxt.exe\x7f"


def harmless(text):
    return not any((ord(one) < 32 and one not in "\t\n") or 127 <= ord(one) < 160 or one == "\u202e" for one in text)


def test_inspect_lets_no_control_code_of_a_page_through(tmp_path, capsys):
    record = {"chunks": [{"status": HOSTILE, "flags": []}]}
    document = {"id": f"i{HOSTILE}", "text": f"new {HOSTILE}", "organic_text": f"old\n{HOSTILE}", "rephrase": record}
    write_documents(str(tmp_path / "pool/a.jsonl"), [document])
    (tmp_path / "pool/a.rejects.jsonl").write_text(
        json.dumps({"position": 1, "reason": HOSTILE, "document": document}) + "\n"
    )
    for more in ([], ["rejects=true"], [f"id=i{HOSTILE}"]):
        main([str(tmp_path / "pool"), *more])
        shown = capsys.readouterr().out
        assert harmless(shown) and "\\x1b[2J" in shown
    with pytest.raises(SystemExit):
        main([f"nowhere{HOSTILE}"])
    assert harmless(capsys.readouterr().err)


def test_every_command_spells_control_codes_out_and_gives_standard_output_back(capsys, monkeypatch):
    @entry_point
    def command(argv=None):
        print(f"{HOSTILE}\ttab", flush=True)  # noqa: T201
        logging.lastResort.handle(logging.LogRecord("a", logging.WARNING, "", 1, HOSTILE, (), None))
        fail(HOSTILE)

    before = sys.stdout
    with pytest.raises(SystemExit):
        command([])
    assert sys.stdout is before
    found = capsys.readouterr()
    assert harmless(found.out) and harmless(found.err)
    assert found.out.endswith("\\u202etxt.exe\\x7f\ttab\n") and found.err.count("\\x1b[2J") == 2
