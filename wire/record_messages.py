"""The messages that a record file is made of, each with checksums of its own bytes.

The format is Arrow's IPC stream (Arrow Columnar Format, "Encapsulated message format"): a mark of
four 0xFF, the length of the metadata as a little-endian int32, the metadata (a FlatBuffer that has
the length of the body, padded to a multiple of eight bytes), the body. A length of 0 ends the
stream. What is whole can so be told from what is still being written without decoding it.

Arrow has no checksums, and readers skip the metadata's padding, so ours are there: the last eight
bytes are the CRC-32 of what comes before them and the CRC-32 of the body, little-endian. Any Arrow
reader reads the file. The first covers every length, so a changed one is no end of the file.
"""

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO
from zlib import crc32

Message = Any
"""Bytes, or what has a buffer of them: pyarrow's Buffer is none for a type checker."""
MARK = b"\xff\xff\xff\xff"
END_MARK = MARK + bytes(4)
LARGEST_METADATA_BYTES = 1 << 16
"""Of a head or a batch; ours have less than 2 KiB."""
LARGEST_BODY_BYTES = 1 << 30
_HEAD_BYTES = 8
_SEAL = struct.Struct("<II")
_BODY_LENGTH_FIELD = 3
"""Of a FlatBuffer `Message`: version, header's type, header, body length (Message.fbs)."""


def sealed(message: Message) -> bytes:
    """The message that `serialize` of a schema or a batch gives, with its checksums."""
    view = memoryview(message)
    end = _HEAD_BYTES + int.from_bytes(view[4:_HEAD_BYTES], "little")
    head = MARK + (end - _HEAD_BYTES + _SEAL.size).to_bytes(4, "little") + view[_HEAD_BYTES:end]
    return b"".join((head, _SEAL.pack(crc32(head), crc32(view[end:])), view[end:]))


def check_sealed(message: bytes) -> None:
    """Raise ValueError for a whole message whose bytes are not those that were written."""
    end = _HEAD_BYTES + int.from_bytes(message[4:_HEAD_BYTES], "little")
    _check_head(message[:end])
    if crc32(memoryview(message)[end:]) != _SEAL.unpack_from(message, end - _SEAL.size)[1]:
        raise ValueError("its bytes are not those that were written (checksum)")


def _check_head(head: bytes) -> None:
    """The mark, the length and the metadata."""
    end = len(head) - _SEAL.size
    if end < _HEAD_BYTES or crc32(memoryview(head)[:end]) != _SEAL.unpack_from(head, end)[0]:
        raise ValueError("its bytes are not those that were written (checksum)")


class MessageReader:
    """Reads the whole messages of a file that may still grow, each once.

    The first is the file's head, which is not checked: it may be that of a file without checksums,
    and the version in it says so. `offset` is where the next message begins, `count` its number,
    `complete` whether the end mark was reached.
    """

    def __init__(self) -> None:
        self.offset = 0
        self.count = 0
        self.complete = False

    def read(self, file: BinaryIO, most_bytes: int | None = None) -> Iterator[bytes]:
        """What is there of them; after `most_bytes` the rest is left for later.

        Raises ValueError, which names the batch, for what is damaged. A message that is not all
        there is no damage: its process was killed, or has not come to the end of it.
        """
        size, first = file.seek(0, 2), self.offset
        while most_bytes is None or self.offset - first < most_bytes:
            try:
                message = self._next(file, size)
            except (ValueError, struct.error) as error:
                raise ValueError(f"{self._what()}: {error}") from error
            if message is None:
                return
            yield message
            self.offset += len(message)
            self.count += 1

    def _what(self) -> str:
        return f"batch {self.count} at byte {self.offset}" if self.count else "its head"

    def _next(self, file: BinaryIO, size: int) -> bytes | None:
        """The message at `offset`; None when it is not all there, or is the end mark."""
        file.seek(self.offset)
        head = file.read(_HEAD_BYTES)
        if head[:4] != MARK[: len(head)]:
            raise ValueError("no message begins here")
        if self.complete and head:
            raise ValueError("something follows the end")
        if len(head) < _HEAD_BYTES:
            return None
        length = int.from_bytes(head[4:], "little", signed=True)
        if length == 0:
            if size > self.offset + _HEAD_BYTES:
                raise ValueError("something follows the end")
            self.complete, self.offset = True, self.offset + _HEAD_BYTES
            return None
        if not 0 < length <= LARGEST_METADATA_BYTES:
            raise ValueError(f"it claims metadata of {length} bytes")
        return self._whole(file, size, head + file.read(length), length)

    def _whole(self, file: BinaryIO, size: int, head: bytes, length: int) -> bytes | None:
        if len(head) < _HEAD_BYTES + length:
            if MARK in head[_HEAD_BYTES:]:  # something was written after it, so it was whole
                raise ValueError("it claims to be longer than the rest of the file")
            return None
        if self.count:
            _check_head(head)
        whole = len(head) + body_length(head[_HEAD_BYTES:])
        if self.offset + whole > size:
            return None
        file.seek(self.offset)  # all of it again: joining two parts would copy the body
        message = file.read(whole)
        if self.count:
            check_sealed(message)
        return message


def body_length(metadata: bytes) -> int:
    """The body's length, out of a message's metadata; raises ValueError, struct.error.

    A FlatBuffer begins with the place of its table; the table with the way back to its vtable,
    which has two bytes of its own length, two of the table's, and two for the place of each field.
    """
    [table] = struct.unpack_from("<I", metadata, 0)
    [back] = struct.unpack_from("<i", metadata, table)
    vtable, slot = table - back, 4 + 2 * _BODY_LENGTH_FIELD
    if vtable < 0:
        raise ValueError("a message without a table of its fields")
    [known] = struct.unpack_from("<H", metadata, vtable)
    field = struct.unpack_from("<H", metadata, vtable + slot)[0] if known > slot else 0
    length = struct.unpack_from("<q", metadata, table + field)[0] if field else 0
    if not 0 <= length <= LARGEST_BODY_BYTES:
        raise ValueError(f"it claims a body of {length} bytes")
    return int(length)
