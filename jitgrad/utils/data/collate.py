"""Making a batch of samples: tensors of arrays and numbers, structures kept."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from jitgrad import dtypes
from jitgrad.ops.create import as_tensor, tensor
from jitgrad.ops.joining import stack
from jitgrad.tensor import Tensor

TEXT = (str, bytes)


def default_convert(data: Any) -> Any:
    """Return a sample with its NumPy arrays as tensors; everything else stays what it is.

    What `DataLoader` does with samples that are not made into batches (`batch_size=None`).

    Example:
        >>> import jitgrad as torch, numpy as np
        >>> torch.utils.data.default_convert({"a": np.array([1, 2]), "b": "text"})
        {'a': tensor([1, 2]), 'b': 'text'}
    """
    if isinstance(data, (np.ndarray, np.generic)):
        return data if data.dtype.kind in "SU" else as_tensor(_array_of(data))
    if isinstance(data, Mapping):
        return _mapping_like(data, lambda key: default_convert(data[key]))
    if _is_named(data):
        return type(data)(*map(default_convert, data))
    if isinstance(data, tuple):
        return [default_convert(each) for each in data]
    if isinstance(data, Sequence) and not isinstance(data, TEXT):
        return _sequence_like(data, [default_convert(each) for each in data])
    return data


def default_collate(batch: Sequence[Any]) -> Any:
    """Return a list of samples as one batch, with a new first dimension.

    Tensors, NumPy arrays and scalars become a tensor, numbers too (floats one of float64);
    strings and bytes stay a list. Mappings, named tuples and sequences are gone through; a tuple
    becomes a list, as in PyTorch.

    Raises:
        TypeError: samples of another kind.
        RuntimeError: sequences of different lengths, tensors of different shapes.

    Example:
        >>> import jitgrad as torch
        >>> torch.utils.data.default_collate([("a", 1), ("b", 2)])
        [('a', 'b'), tensor([1, 2])]
        >>> torch.utils.data.default_collate([{"x": torch.zeros(2)}, {"x": torch.ones(2)}])
        {'x': tensor([[0., 0.],
                [1., 1.]])}
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return stack(list(batch))
    if isinstance(first, (np.ndarray, np.generic)):
        return _collate_arrays(batch)
    if isinstance(first, float):
        return tensor(batch, dtype=dtypes.float64)
    if isinstance(first, int):
        return tensor(batch)
    if isinstance(first, TEXT):
        return batch
    if isinstance(first, Mapping):
        return _mapping_like(first, lambda key: default_collate([each[key] for each in batch]))
    if _is_named(first):
        return type(first)(*(default_collate(column) for column in zip(*batch, strict=True)))
    if isinstance(first, Sequence):
        return _collate_sequences(batch)
    raise _unknown(type(first).__name__)


def _unknown(what: str) -> TypeError:
    return TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found "
        f"{what}; pass a collate_fn to the DataLoader for other samples"
    )


def _array_of(data: Any) -> np.ndarray:
    """Return an array that a tensor can be made on: native, and with strides that tensors have."""
    array = np.asarray(data)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return np.ascontiguousarray(array) if any(step < 0 for step in array.strides) else array


def _collate_arrays(batch: Sequence[Any]) -> Tensor:
    first = np.asarray(batch[0])
    if first.dtype.kind in "SUO":
        raise _unknown(f"NumPy elements of {first.dtype}")
    return stack([as_tensor(_array_of(each)) for each in batch])


def _collate_sequences(batch: Sequence[Any]) -> Any:
    lengths = [len(each) for each in batch]
    if len(set(lengths)) > 1:
        raise RuntimeError(
            "default_collate: each element in list of batch should be of equal size, got sizes "
            f"{sorted(set(lengths))}; pad them in a collate_fn"
        )
    columns = [default_collate(column) for column in zip(*batch, strict=True)]
    return columns if isinstance(batch[0], tuple) else _sequence_like(batch[0], columns)


def _is_named(data: Any) -> bool:
    return isinstance(data, tuple) and hasattr(data, "_fields")


def _mapping_like(data: Mapping, value_of: Callable[[Any], Any]) -> Any:
    """Return a mapping of the class of `data`, or a dictionary where that cannot be made."""
    values = {key: value_of(key) for key in data}
    try:
        if isinstance(data, MutableMapping):
            # a copy keeps what the class adds, such as a default factory
            made = copy.copy(data)
            made.update(values)
            return made
        return type(data)(values)  # type: ignore[call-arg]
    except TypeError:
        return values


def _sequence_like(data: Sequence, elements: list) -> Any:
    """Return a sequence of the class of `data`, or a list where that cannot be made."""
    try:
        if isinstance(data, MutableSequence):
            made = copy.copy(data)
            if len(made) == len(elements):
                made[:] = elements
                return made
        return type(data)(elements)  # type: ignore[call-arg]
    except TypeError:
        return elements
