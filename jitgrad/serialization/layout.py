"""The file that `save` writes: a head, a table in JSON, a pickle, and blocks of elements.

- head, 28 bytes: magic, version of the layout, length and CRC-32 of the table, CRC-32 of the head
- table, JSON: `{"pickle": {"nbytes", "crc32"}, "blocks": [{"dtype", "nbytes", "crc32"}, ...]}`
- pickle: the object without the elements of its tensors and arrays
- blocks: the elements of each memory, one block behind the other

Numbers of the head are little-endian; a block has the byte order that its dtype names. The pickle
refers to blocks by number, with persistent ids: see `jitgrad.pickling`. There is a CRC-32 for every
byte, so a damaged file is an error and never another value.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from typing import Any, BinaryIO

import numpy as np

from jitgrad.pickling import plain_dtype

MAGIC = b"\x93JITGRAD"
VERSION = 1
HEAD = struct.Struct("<8sIQII")
_SUM = struct.Struct("<I")


def _bytes_of(block: np.ndarray) -> memoryview:
    return memoryview(block.view(np.uint8))  # type: ignore[arg-type]


def write(stream: BinaryIO, pickled: bytes, blocks: list[np.ndarray]) -> None:
    """Write a pickle and its blocks (flat arrays) to `stream`."""
    views = [_bytes_of(block) for block in blocks]
    table = json.dumps(
        {
            "pickle": {"nbytes": len(pickled), "crc32": zlib.crc32(pickled)},
            "blocks": [
                {"dtype": block.dtype.str, "nbytes": block.nbytes, "crc32": zlib.crc32(view)}
                for block, view in zip(blocks, views)
            ],
        }
    ).encode()
    head = HEAD.pack(MAGIC, VERSION, len(table), zlib.crc32(table), 0)[: -_SUM.size]
    for part in (head, _SUM.pack(zlib.crc32(head)), table, pickled, *views):
        stream.write(part)


class Reader:
    """Reads one file, or what stands next in a stream.

    Args:
        stream: stands behind the magic bytes.
        name: what errors call it.
        whole: does the file end with this?
    """

    def __init__(self, stream: BinaryIO, name: str, whole: bool) -> None:
        self._stream = stream
        self._name = name
        self._whole = whole

    def read(self) -> tuple[bytes, list[np.ndarray]]:
        """Return the pickle and the blocks.

        Raises:
            RuntimeError: bytes are missing, or are not those that were written.
        """
        head = MAGIC + self._bytes(HEAD.size - len(MAGIC), "the head")
        _, version, length, table_sum, head_sum = HEAD.unpack(head)
        self._check(head[: -_SUM.size], head_sum, "the head")
        if version != VERSION:
            raise RuntimeError(
                f"load: {self._name} has version {version} of the layout, and this jitgrad reads "
                f"version {VERSION}; load it with the jitgrad that wrote it, or a newer one"
            )
        self._expect(length)
        table = self._bytes(length, "the table")
        self._check(table, table_sum, "the table")
        try:
            facts = json.loads(table)
            pickle_length, pickle_sum = self._entry(facts["pickle"])
            entries = [(plain_dtype(each["dtype"]), *self._entry(each)) for each in facts["blocks"]]
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(f"its table makes no sense ({error!r})") from error
        self._expect(pickle_length + sum(size for _, size, _ in entries))
        pickled = self._bytes(pickle_length, "the pickle")
        self._check(pickled, pickle_sum, "the pickle")
        blocks = [self._block(number, *entry) for number, entry in enumerate(entries)]
        if self._whole and self._stream.read(1):
            raise self._damaged("there are bytes behind its end")
        return pickled, blocks

    @staticmethod
    def _entry(entry: Any) -> tuple[int, int]:
        length, checksum = entry["nbytes"], entry["crc32"]
        if type(length) is not int or length < 0:
            raise ValueError(f"{length!r} is no length")
        return length, checksum

    def _block(self, number: int, dtype: np.dtype, length: int, checksum: int) -> np.ndarray:
        what = f"block {number} ({dtype}, {length} bytes)"
        if length % dtype.itemsize:
            raise self._damaged(f"{what} is no whole number of elements")
        block = np.empty(length // dtype.itemsize, dtype)
        self._fill(_bytes_of(block), what)
        self._check(_bytes_of(block), checksum, what)
        return block

    def _fill(self, target: memoryview, what: str) -> None:
        done = 0
        read_into = getattr(self._stream, "readinto", None)
        while done < len(target):
            if read_into is None:
                part = self._stream.read(len(target) - done)
                count = len(part)
                target[done : done + count] = part
            else:
                count = read_into(target[done:])
            if not count:
                raise self._damaged(f"{what} ends after {done} of {len(target)} bytes")
            done += count

    def _bytes(self, count: int, what: str) -> bytes:
        data = bytearray(count)
        self._fill(memoryview(data), what)
        return bytes(data)

    def _expect(self, count: int) -> None:
        """Check that `count` more bytes can be there, before memory is taken for them."""
        try:
            here = self._stream.tell()
            there = self._stream.seek(0, os.SEEK_END) - here
            self._stream.seek(here)
        except (AttributeError, OSError):
            return  # a stream that only goes on: what is missing is seen on the way
        if there < count:
            raise self._damaged(
                f"{count} more bytes were expected at byte {here}, and {there} are there"
            )

    def _check(self, data: Any, checksum: int, what: str) -> None:
        if zlib.crc32(data) != checksum:
            raise self._damaged(f"the checksum of {what} is not the one that was written")

    def _damaged(self, how: str) -> RuntimeError:
        return RuntimeError(
            f"load: {self._name} is damaged or was not copied completely: {how}; copy or save it "
            "again"
        )
