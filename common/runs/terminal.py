"""What a terminal gets to see: page text, ids and names cannot move its cursor, hide a line or set its title."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

_CONTROL = {number: f"\\x{number:02x}" for number in (*range(32), *range(127, 160)) if chr(number) not in "\t\n"} | {
    number: f"\\u{number:04x}" for number in (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
"""Control codes, and the marks that turn the direction of what stands around them."""


def visible(text: str) -> str:
    r"""A text with its control codes spelled out; tabs and line ends stay.

    >>> print(visible("a\x1b[2Jb\u202e\n"), end="")
    a\x1b[2Jb\u202e
    """
    return text.translate(_CONTROL)


class _Visible:
    """A stream that spells control codes out."""

    def __init__(self, stream: IO[str]) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        self.stream.write(visible(text))
        return len(text)

    def writelines(self, lines: Iterator[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))


@contextmanager
def only_visible() -> Iterator[None]:
    """Inside the block standard output spells control codes out, and so do log lines on a terminal."""
    before = sys.stdout
    sys.stdout = _Visible(before)  # type: ignore[assignment]
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Formatter())
    try:
        yield
    finally:
        sys.stdout = before
