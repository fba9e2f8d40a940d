"""Tensors in pickles and copies: the memory, and where in it each tensor lies.

A tensor is made again from its storage, which comes once however many tensors show it. So what
shared memory shares it again, and strides stay what they were.
"""

from __future__ import annotations

import copy
import copyreg
import io
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import TensorCore, node_of, require_grad
from jitgrad.modes import state
from jitgrad.node import AccumulateGrad
from jitgrad.storage import Storage
from jitgrad.strides import address


def span_of(array: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the memory that `array` reaches as a flat array, and where in it `array` begins."""
    if array.flags.c_contiguous:
        return array.reshape(-1), 0
    first, before, behind = array, 0, 0
    for dim, (size, step) in enumerate(zip(array.shape, array.strides)):
        reach = (size - 1) * step // array.itemsize
        if reach < 0:
            first = first[(slice(None),) * dim + (slice(-1, None),)]
            before -= reach
        else:
            behind += reach
    flat = np.lib.stride_tricks.as_strided(first, (before + behind + 1,), (array.itemsize,))
    return flat, before


def rebuild_storage(flat: np.ndarray) -> Storage:
    """Return a storage of the elements of `flat`, in memory that belongs to an array."""
    storage = Storage(flat)
    if storage.is_foreign or not flat.flags.writeable:
        storage = Storage(flat.copy())
    return storage


def _reduce_storage(storage: Storage) -> tuple:
    return rebuild_storage, (span_of(storage.array)[0],)


# storages know nothing of pickles
copyreg.pickle(Storage, _reduce_storage)  # type: ignore[arg-type]


def rebuild_tensor(
    kind: type,
    storage: Storage,
    dtype: dtypes.dtype,
    size: tuple[int, ...],
    stride: tuple[int, ...],
    offset: int,
    requires_grad: bool,
) -> Any:
    """Return a tensor of class `kind` in the memory of `storage`; strides and offset in elements.

    Raises:
        TypeError, ValueError: these are no such things, or the tensor would lie outside the memory.
    """
    if not (isinstance(kind, type) and issubclass(kind, TensorCore)):
        raise TypeError(f"{kind!r} is no class of tensors")
    if not isinstance(storage, Storage) or not isinstance(dtype, dtypes.dtype):
        raise TypeError(f"a tensor is made of a storage and a dtype, not {storage!r}, {dtype!r}")
    flat, _ = span_of(storage.array)
    if flat.itemsize != dtype.itemsize:
        raise ValueError(f"elements of {flat.itemsize} bytes cannot be seen as {dtype}")
    if requires_grad and dtype.category < dtypes.FLOATING:
        raise ValueError(f"a tensor of {dtype} cannot require grad")
    tensor = TensorCore.__new__(kind)
    if 0 in size:
        tensor._array = np.empty(size, dtype.numpy)
    else:
        # NumPy checks that every element lies inside
        steps = tuple(step * dtype.itemsize for step in stride)
        tensor._array = np.ndarray(size, dtype.numpy, flat, offset * dtype.itemsize, steps)
    tensor._storage = storage
    if requires_grad:
        require_grad(tensor)
    return tensor


class PicklingMethods:
    """What `copy` and `pickle` ask of a `Tensor`."""

    def __reduce_ex__(self: Any, _protocol: Any) -> tuple:
        if state.recorder is not None:
            state.recorder.unknown("pickling or copying a tensor")
        array, storage = self._array, self._storage
        _, begin = span_of(storage.array)
        size, stride, offset = array.shape, (0,) * array.ndim, 0
        if array.size:
            stride = tuple(step // array.itemsize for step in array.strides)
            offset = begin + (address(array) - address(storage.array)) // array.itemsize
        dtype = dtypes.FROM_NUMPY[array.dtype]
        parts = (type(self), storage, dtype, size, stride, offset, node_of(self) is not None)
        attributes = vars(self)
        return (rebuild_tensor, parts, dict(attributes)) if attributes else (rebuild_tensor, parts)

    def __deepcopy__(self: Any, memo: dict) -> Any:
        """Return a copy with memory, attributes and `.grad` of its own.

        What shares memory with this tensor shares it in a copy of both.
        """
        if not isinstance(node_of(self), AccumulateGrad | None):
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
                "protocol at the moment; detach() it first"
            )
        function, parts, *attributes = self.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
        made = memo[id(self)] = function(*copy.deepcopy(parts, memo))
        for each in attributes:
            vars(made).update(copy.deepcopy(each, memo))
        made._grad = copy.deepcopy(self._grad, memo)
        return made


def plain_dtype(text: str) -> np.dtype:
    """Return the NumPy dtype whose `str` is `text`; ValueError if it could hold Python objects.

    >>> plain_dtype("<f4")
    dtype('float32')
    """
    dtype = np.dtype(text)
    if not is_plain(dtype):
        raise ValueError(f"{text!r} is no dtype of plain elements")
    return dtype


def is_plain(dtype: np.dtype) -> bool:
    """Does `dtype.str` say everything: no fields, no Python objects, no metadata?"""
    return dtype.kind in "biufcSUmM" and dtype.subdtype is None and dtype.metadata is None


def rebuild_scalar(dtype: np.dtype, data: bytes) -> np.generic:
    """Return the NumPy scalar of `dtype` whose bytes are `data`."""
    return np.frombuffer(data, dtype, 1)[0]


class ArrayPickler(pickle.Pickler):
    """Pickles an object without the elements of its tensors and NumPy arrays.

    Attributes:
        blocks: these elements, as flat arrays: one for each memory, whoever shows it.
    """

    def __init__(self, protocol: int = pickle.HIGHEST_PROTOCOL) -> None:
        self._stream = io.BytesIO()
        super().__init__(self._stream, protocol)
        self.blocks: list[np.ndarray] = []
        self._numbers: dict[tuple[str, int], int] = {}
        self._kept: list[Any] = []

    def pickled(self, obj: object) -> bytes:
        """Return the pickle of `obj`; the elements are in `blocks` then."""
        self.dump(obj)
        return self._stream.getvalue()

    def persistent_id(self, obj: Any) -> tuple | None:
        if type(obj) is Storage:
            return "storage", self._number("storage", obj.array)
        if type(obj) is np.ndarray and is_plain(obj.dtype):
            order = "F" if obj.flags.fnc else "C"
            return "array", self._number(order, obj), obj.shape, order
        return None

    def _number(self, what: Any, array: np.ndarray) -> int:
        found = self._numbers.get((what, id(array)))
        if found is None:
            found = self._numbers[what, id(array)] = len(self.blocks)
            self.blocks.append(span_of(array)[0] if what == "storage" else array.ravel(what))
            # an object that were gone could leave its id to another one
            self._kept.append(array)
        return found

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, np.dtype) and is_plain(obj):
            return plain_dtype, (obj.str,)
        if isinstance(obj, np.generic) and is_plain(obj.dtype):
            return rebuild_scalar, (obj.dtype, obj.tobytes())
        return NotImplemented


class Blocks:
    """What stands behind the persistent ids of an `ArrayPickler`.

    Args:
        arrays: its blocks, flat arrays that nobody else uses.
        place: is given each storage, and returns what to use.
    """

    def __init__(
        self,
        arrays: list[np.ndarray],
        place: Callable[[Storage], Storage] = lambda storage: storage,
    ) -> None:
        self._arrays = arrays
        self._place = place
        self._made: dict[tuple, Any] = {}

    def find(self, persistent_id: Any) -> Any:
        """Return the storage or array that `persistent_id` stands for; ValueError if none."""
        made = self._made.get(persistent_id)
        if made is None:
            made = self._made[persistent_id] = self._make(*persistent_id)
        return made

    def _make(self, what: str, number: int, *form: Any) -> Any:
        if type(number) is not int or not 0 <= number < len(self._arrays):
            raise ValueError(f"there is no block {number!r} among {len(self._arrays)}")
        flat = self._arrays[number]
        if what == "storage" and not form:
            native = flat.astype(flat.dtype.newbyteorder("="), copy=False)
            return self._place(rebuild_storage(native))
        if what == "array" and len(form) == 2:
            shape, order = form
            if math.prod(shape) == flat.size:
                return flat.reshape(shape, order=order)
        raise ValueError(f"{(what, number, *form)} does not fit a block of shape {flat.shape}")


class ArrayUnpickler(pickle.Unpickler):
    """Reads what an `ArrayPickler` wrote. Runs any code that the pickle names."""

    def __init__(self, pickled: bytes, blocks: Blocks) -> None:
        super().__init__(io.BytesIO(pickled))
        self._blocks = blocks

    def persistent_load(self, pid: Any) -> Any:
        return self._blocks.find(pid)
