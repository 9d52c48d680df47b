"""What the one-word statuses and reasons of the stages mean, as a person would say it."""

from collections.abc import Mapping
from typing import Any

MEANINGS = {
    "truncated": "the model ran out of tokens before the end",
    "engine_error": "the model gave no answer",
    "unclosed_think": "the model's thinking never ended",
    "missing_sentinel": "the answer does not say where the rephrasing begins",
    "empty": "the answer holds no text",
    "meta_leak": "the answer talks about the task in place of the text",
    "repetition": "the answer goes round in circles",
    "unreadable_edit": "one of the edits cannot be read",
    "no_such_line": "an edit names a line that is not there",
    "no_such_fragment": "an edit names words that are not there",
    "unfaithful/numbers": "too many numbers are lost",
    "unfaithful/urls": "too many web addresses are lost",
    "unfaithful/names": "too many names are lost",
    "unfaithful/content": "too many content words are lost",
    "unfaithful/invented_words": "too many words stand nowhere in the page",
    "unfaithful/novel_5grams": "too many runs of five words stand nowhere in the page",
    "unfaithful/length": "the answer is too short",
    "unfaithful/semantic": "the meaning is too far from the page's",
    "not_json": "the line is no JSON",
    "no_object": "the line is no JSON object",
    "no_text": "the row has no text",
    "too_deep": "the row is nested too deeply",
    "line_too_long": "the line is too long",
    "bad_cell": "a cell of the table cannot be read",
    "broken_row_group": "a part of the Parquet file is damaged",
    "broken_compression": "the file is damaged from here on",
    "kept_organic": "it stays as it was",
    "dropped": "lines are dropped",
    "cut": "parts of lines are cut",
    "unnamed_lines": "the edits name not every line",
    "unfenced": "a code fence around the answer is taken off",
    "multiple_sentinels": "the answer says more than once where it begins",
    "control_text": "control tokens that the page spells are broken up",
}
"""Status, flag or reason → what it says of an answer or a row."""


def meaning(reason: str) -> str:
    """A status or reason in words, with its own name behind it; its name alone where it has no other words.

    >>> meaning("empty"), meaning("too_short")
    ('the answer holds no text (empty)', 'too short')
    """
    known = MEANINGS.get(reason)
    return f"{known} ({reason})" if known else reason.replace("_", " ")


def chunk_note(chunk: Mapping[str, Any]) -> str:
    """What became of one chunk, as a sentence.

    >>> chunk_note({"status": "empty", "flags": ["kept_organic"]})
    'Kept organic: the answer holds no text (empty).'
    >>> chunk_note({"status": "verbatim", "kind": "code"})
    'Passed by the model unchanged: code.'
    """
    status = str(chunk.get("status") or "unknown")
    found = chunk.get("flags")
    flags = [str(flag) for flag in found] if isinstance(found, list) else []
    if status == "verbatim":
        return f"Passed by the model unchanged: {chunk.get('kind') or 'a block'}."
    if status == "ok":
        kept = "Rephrased"
    elif "kept_organic" in flags:
        kept = "Kept organic"
        flags.remove("kept_organic")
    else:
        kept = "Left out"
    told = [] if status == "ok" else [meaning(status)]
    told += [MEANINGS.get(flag, flag.replace("_", " ")) for flag in flags]
    attempts = chunk.get("attempts")
    if isinstance(attempts, int) and attempts > 1:
        told.append(f"{attempts} attempts")
    if chunk.get("error"):
        told.append(str(chunk["error"]))
    return f"{kept}: {'; '.join(told)}." if told else f"{kept}."
