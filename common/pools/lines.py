"""Lines of possibly compressed files, cut at `\\n` only, with a bound on their length and a digest of what was read.

A file that breaks off gives all that can be decoded before it says so: `BrokenOff` comes behind the last line.
"""

import zlib
from collections.abc import Callable, Iterator
from hashlib import blake2b
from tempfile import TemporaryFile
from typing import IO, NamedTuple

import zstandard

from common.pools.storage import open_read

PIECE = 1 << 20
"""Bytes of a plain file read at once."""

ZSTD_PIECE = 8 << 10
"""Compressed bytes decoded at once: one byte of zstd may stand for 32 KiB, so this bounds memory at 256 MiB."""

GZIP_OUTPUT = 1 << 16
"""Plain bytes taken out of gzip at once."""

KEPT_BYTES = 16 << 20
"""Of lines that wait to be written so many bytes are held in memory."""

MAX_WINDOW = 1 << 31
"""Largest window of a zstd frame, in bytes: what `zstd --ultra --long=31` writes."""

MAX_LINE_BYTES = 64 << 20
"""Longest line that is taken for a document; a longer one is passed over and counted."""

SHOWN_BYTES = 1000
"""How much of a line that is too long is kept, to tell what it was."""

Update = Callable[[bytes], object]


class BrokenOff(ValueError):
    """A file cannot be read further; all lines before this point were given."""


class Line(NamedTuple):
    """One line without its newline; of one that is too long only the beginning."""

    raw: bytes
    too_long: bool = False


class LinesKept:
    """Lines on their way to a file: in memory, and on this machine's disk (`TMPDIR`) once they are many."""

    def __init__(self) -> None:
        self._recent = bytearray()
        self._before: IO[bytes] | None = None
        self._count = 0

    def append(self, line: bytes) -> None:
        """Add a line, its newline included."""
        self._recent += line
        self._count += 1
        if len(self._recent) > KEPT_BYTES:
            if self._before is None:
                self._before = TemporaryFile()  # noqa: SIM115 - closed with this
            self._before.write(self._recent)
            self._recent.clear()

    def __len__(self) -> int:
        """How many lines."""
        return self._count

    def __iter__(self) -> Iterator[bytes]:
        """All that was added, in pieces that need not end with a line."""
        if self._before is not None:
            self._before.seek(0)
            while piece := self._before.read(PIECE):
                yield piece
        if self._recent:
            yield bytes(self._recent)

    def __del__(self) -> None:
        """Give the disk's room back."""
        if self._before is not None:
            self._before.close()


class Taken:
    """The digest of a file's bytes, taken while they are read: how many so far, and what they add up to."""

    def __init__(self) -> None:
        self.bytes = 0
        self._hash = blake2b(digest_size=16)

    def update(self, raw: bytes) -> None:
        """Take in the next bytes of the file."""
        self.bytes += len(raw)
        self._hash.update(raw)

    def digest(self) -> str:
        """32 hex digits over all bytes taken in so far."""
        return self._hash.copy().hexdigest()


def read_lines(path: str) -> Iterator[bytes]:
    """The lines of a possibly compressed text file, cut at `\\n` only, without it.

    Raises:
        BrokenOff: the file is damaged or ends too early; what could be decoded was given before.
    """
    return (line.raw for line in scan_lines(path, most=None))


def scan_lines(path: str, *, taken: Taken | None = None, most: int | None = MAX_LINE_BYTES) -> Iterator[Line]:
    """The lines of a file one by one, whatever their length, in bounded memory.

    Args:
        path: file or URL; its name says how it is compressed.
        taken: told of all bytes of the file, those behind a break as well.
        most: longest line in bytes; None for any.

    Raises:
        BrokenOff: the file is damaged or ends too early; what could be decoded was given before.
    """
    update = taken.update if taken is not None else _forget
    with open_read(path) as source:
        try:
            yield from _cut(_plain(path, source, update), most)
        except BrokenOff:
            while rest := source.read(PIECE):
                update(rest)
            raise


def _plain(path: str, source: IO[bytes], update: Update) -> Iterator[bytes]:
    if path.endswith(".gz"):
        return _gunzip(source, update)
    if path.endswith((".zst", ".zstd")):
        return _unzstd(path, source, update)
    return _pieces(source, PIECE, update)


def _pieces(source: IO[bytes], size: int, update: Update) -> Iterator[bytes]:
    while piece := source.read(size):
        update(piece)
        yield piece


def _cut(pieces: Iterator[bytes], most: int | None) -> Iterator[Line]:
    """Lines out of pieces; a break is passed on behind the rest that stands before it."""
    waiting: list[bytes] = []  # of the line that has not ended yet
    length = 0
    broken = None
    while True:
        try:
            piece = next(pieces, None)
        except BrokenOff as error:
            broken, piece = error, None
        if piece is None:
            break
        first, *others = piece.split(b"\n")
        if most is None or length + len(first) <= most or not waiting:
            waiting.append(first)
        length += len(first)
        if not others:
            continue
        *whole, rest = others
        yield _line(b"".join(waiting), length, most)
        for raw in whole:
            yield _line(raw, len(raw), most)
        waiting, length = [rest], len(rest)
    if length:
        yield _line(b"".join(waiting), length, most)
    if broken is not None:
        raise broken


def _line(raw: bytes, length: int, most: int | None) -> Line:
    return Line(raw) if most is None or length <= most else Line(raw[:SHOWN_BYTES], too_long=True)


def _unzstd(path: str, source: IO[bytes], update: Update) -> Iterator[bytes]:
    """Plain bytes of one or more frames. The library's own reader takes a frame that breaks off for the end."""
    decompress = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).decompressobj
    frame, inside = decompress(), False
    begin = given = read = 0  # where the frame begins in the file, plain bytes given of it, bytes read of the file
    for whole in _pieces(source, ZSTD_PIECE, update):
        read += len(whole)
        piece = whole
        while piece:
            inside = True
            try:
                plain = frame.decompress(piece)
            except (zstandard.ZstdError, MemoryError) as error:
                yield from _salvage(path, begin, given)
                raise BrokenOff(str(error)) from None
            given += len(plain)
            if plain:
                yield plain
            piece = frame.unused_data
            if frame.eof:
                frame, inside = decompress(), False
                begin, given = read - len(piece), 0
    if inside:
        raise BrokenOff("the file breaks off inside a frame")


def _salvage(path: str, begin: int, given: int) -> Iterator[bytes]:
    """What can be decoded of a damaged frame behind the plain bytes that were given, block by block."""
    with open_read(path) as source:
        source.seek(begin)
        reader = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).stream_reader(source, read_size=ZSTD_PIECE)
        while True:
            try:
                plain = reader.read(1 << 17)
            except (zstandard.ZstdError, MemoryError):
                return
            if not plain:
                return
            if given < len(plain):
                yield plain[given:]
            given = max(0, given - len(plain))


def _gunzip(source: IO[bytes], update: Update) -> Iterator[bytes]:
    """Plain bytes of one or more gzip members; zeros behind the last are padding."""
    member, inside = zlib.decompressobj(wbits=31), False
    for piece in _pieces(source, 1 << 16, update):
        rest = piece
        while inside or rest.strip(b"\0"):
            inside = True
            before = member.copy()
            try:
                plain = member.decompress(rest, GZIP_OUTPUT)
            except zlib.error as error:
                yield from _byte_by_byte(before, rest)
                raise BrokenOff(str(error)) from None
            if plain:
                yield plain
            if member.eof:
                rest = member.unused_data
                member, inside = zlib.decompressobj(wbits=31), False
                continue
            rest = member.unconsumed_tail
            if not rest and len(plain) < GZIP_OUTPUT:
                break
    if inside:
        raise BrokenOff("the file breaks off inside a gzip member")


def _byte_by_byte(member: "zlib._Decompress", rest: bytes) -> Iterator[bytes]:
    for number in range(len(rest)):
        try:
            plain = member.decompress(rest[number : number + 1])
        except zlib.error:
            return
        if plain:
            yield plain


def _forget(raw: bytes) -> None:
    del raw
