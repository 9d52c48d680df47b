"""Messages between the sandbox's processes: a length, then JSON, over a socket."""

import os
import struct
from collections.abc import Callable
from typing import Any

from eval.sandbox.inside.values import dumps, loads

LARGEST_MESSAGE = 256 << 20
"""Bytes of one message; a longer one is refused before it is read."""


class LinkClosed(EOFError):
    """The other end is gone, or what it sends is no message."""


def framed(message: Any) -> bytes:
    """A message as it is sent."""
    body = dumps(message)
    return struct.pack("=Q", len(body)) + body


def parsed(read: Callable[[int], bytes]) -> Any:
    """The next message of a stream.

    Args:
        read: gives at most so many bytes, and none at the stream's end.

    Raises:
        LinkClosed: the other end closed, or sent what is no message.
        OSError: what `read` raises.
    """
    (size,) = struct.unpack("=Q", _exactly(read, 8))
    if size > LARGEST_MESSAGE:
        raise LinkClosed(f"a message of {size} bytes")
    try:
        return loads(_exactly(read, size))
    except (ValueError, RecursionError) as garbled:
        raise LinkClosed(f"no message: {garbled}") from garbled


def send(descriptor: int, message: Any) -> None:
    """Write one message to a descriptor.

    Raises:
        LinkClosed: nobody reads at the other end.
    """
    data = memoryview(framed(message))
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError as gone:
        raise LinkClosed(str(gone)) from gone


def receive(descriptor: int) -> Any:
    """Read one message from a descriptor.

    Raises:
        LinkClosed: the other end closed, or sent what is no message.
    """
    try:
        return parsed(lambda size: os.read(descriptor, size))
    except OSError as gone:
        raise LinkClosed(str(gone)) from gone


def _exactly(read: Callable[[int], bytes], size: int) -> bytes:
    parts = []
    while size:
        part = read(min(size, 1 << 20))
        if not part:
            raise LinkClosed("closed")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
