"""Tensors on memory that others made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.errors import describe
from jitgrad.ops.create import from_numpy

if TYPE_CHECKING:
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

__all__ = ["from_dlpack", "frombuffer"]


def frombuffer(
    buffer: Any, *, dtype: DType, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """Return a vector on the memory of an object with Python's buffer protocol, such as bytes.

    Args:
        count: how many elements; all that are there unless given.
        offset: how many bytes are skipped.

    Raises:
        ValueError: the buffer is empty, too short, or of no whole number of elements.

    Example:
        >>> import jitgrad as torch
        >>> torch.frombuffer(bytearray(b"ab"), dtype=torch.uint8)
        tensor([97, 98], dtype=torch.uint8)
    """
    length = memoryview(buffer).nbytes
    if not length or not count or offset >= length:
        came = f"a buffer of {length} bytes, count={count} and offset={offset}"
        raise ValueError(describe("frombuffer", came, "there must be something to read"))
    made = from_numpy(np.frombuffer(buffer, dtype.numpy, count, offset))
    return made.requires_grad_() if requires_grad else made


def from_dlpack(ext_tensor: Any) -> Tensor:
    """Return a tensor on the memory of an array of another library, by the DLPack protocol.

    Example:
        >>> import numpy as np
        >>> import jitgrad as torch
        >>> torch.from_dlpack(np.array([1.0, 2.0]))
        tensor([1., 2.], dtype=torch.float64)
    """
    return from_numpy(np.from_dlpack(ext_tensor))
