"""Objects on their way between processes: elements of arrays travel as they are.

Measured on two cores, a batch of 200 KB takes 0.04 ms, one of 2 MB 0.5 ms, one of 77 MB 160 ms.
Through shared memory that is mapped for each batch they took 0.3, 2.8 and 100 ms, because mapping
costs more than copying.
"""

from __future__ import annotations

import contextlib
import pickle
import socket
import struct
from typing import Any

import numpy as np

from jitgrad.pickling import ArrayPickler, ArrayUnpickler, Blocks, plain_dtype
from jitgrad.storage import Storage
from jitgrad.tensor import Tensor

_HEAD = struct.Struct("<QQ")


class _CompactPickler(ArrayPickler):
    """Pickles a tensor that shows a small part of its memory with that part only."""

    def reducer_override(self, obj: Any) -> Any:
        if not isinstance(obj, Tensor) or obj._storage.array.nbytes <= 2 * obj._array.nbytes:
            return super().reducer_override(obj)
        function, (kind, _, dtype, size, _, _, grad), *attributes = obj.__reduce_ex__(5)
        part = np.ascontiguousarray(obj._array).reshape(size)
        stride = tuple(step // part.itemsize for step in part.strides)
        return function, (kind, Storage(part), dtype, size, stride, 0, grad), *attributes


def parts_of(obj: Any) -> list[Any]:
    """Return the bytes to send for an object: a head with a table and a pickle, and each block."""
    pickler = _CompactPickler()
    pickled = pickler.pickled(obj)
    table = pickle.dumps([(block.dtype.str, block.size) for block in pickler.blocks])
    head = _HEAD.pack(len(table), len(pickled)) + table + pickled
    return [head, *(block.view(np.uint8) for block in pickler.blocks)]


class Channel:
    """One end of a connection between two processes.

    Args:
        connection: a socket of a connected pair.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def fileno(self) -> int:
        """Return the number by which the system knows the socket."""
        return self._connection.fileno()

    def send(self, obj: Any) -> None:
        """Send an object.

        Raises:
            OSError: the other end is closed.
        """
        self.send_parts(parts_of(obj))

    def send_parts(self, parts: list[Any]) -> None:
        """Send what `parts_of` made of an object.

        Raises:
            OSError: the other end is closed.
        """
        for part in parts:
            self._connection.sendall(part)

    def receive(self) -> Any:
        """Return the object that the other end sent.

        Raises:
            EOFError: the other end is closed.
        """
        table_length, length = _HEAD.unpack(self._fill(bytearray(_HEAD.size)))
        table = pickle.loads(self._fill(bytearray(table_length)))
        pickled = self._fill(bytearray(length))
        blocks = [np.empty(size, plain_dtype(dtype)) for dtype, size in table]
        for block in blocks:
            self._fill(block.view(np.uint8))
        return ArrayUnpickler(bytes(pickled), Blocks(blocks)).load()

    def _fill(self, target: Any) -> Any:
        """Read until `target` is full; return it."""
        left = memoryview(target)
        while left:
            try:
                count = self._connection.recv_into(left)
            except ConnectionError:
                count = 0
            if not count:
                raise EOFError("the other process has closed the connection")
            left = left[count:]
        return target

    def close(self) -> None:
        """Close the connection: the other end sees that at once."""
        with contextlib.suppress(OSError):
            # also where other processes have inherited this end
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()
