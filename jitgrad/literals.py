"""Arrays from Python data: numbers, nested sequences, NumPy arrays, tensors among them."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import TensorCore
from jitgrad.modes import TrackedFloat, plain_number, run_quietly, state
from jitgrad.spec import dtype_of_number, join_dtypes

PLAIN = frozenset((int, float, bool, complex, TrackedFloat))
BY_PYTHON_TYPE = {float: dtypes.float64, int: dtypes.int64, bool: dtypes.bool_}


def as_dtype(operation: str, dtype: Any) -> np.dtype:
    """Return the NumPy dtype that the argument `dtype` of `operation` names.

    Raises:
        TypeError: it is no dtype.
    """
    if type(dtype) is dtypes.dtype:
        return dtype.numpy
    found = BY_PYTHON_TYPE.get(dtype) if isinstance(dtype, type) else None
    if found is None:
        raise TypeError(
            f"{operation}(): argument 'dtype' must be torch.dtype, not {type(dtype).__name__}; "
            "write for example dtype=torch.float64"
        )
    return found.numpy


def array_of(operation: str, data: Any, dtype: np.dtype | None) -> np.ndarray:
    """Return a new array with the elements of `data`, of `dtype` or the dtype that they call for.

    Raises:
        ValueError: sequences of different lengths, or a number too large for any integer dtype.
        RuntimeError: elements that are no numbers, or a value that does not fit `dtype`.
    """
    if isinstance(data, TensorCore):
        return data._array.astype(data._array.dtype if dtype is None else dtype)
    if isinstance(data, np.ndarray):
        found = dtypes.from_numpy_dtype(data.dtype, operation).numpy
        return data.astype(found if dtype is None else dtype)
    if type(data) in PLAIN:
        leaves, shape, found = [data], (), dtype_of_number(data)
    else:
        seen = _Leaves(operation)
        shape = seen.visit(data, 0)
        leaves, found = seen.values, seen.dtype() if dtype is None else dtype
        if TrackedFloat in seen.kinds and state.recorder is not None:
            state.recorder.unknown(f"{operation}() of a sequence with numbers of run time")
    target: Any = found if dtype is None else dtype
    try:
        # Python numbers go to their dtype directly: through float64, integers would round
        return run_quietly(np.array, leaves, dtype=target).reshape(shape)
    except (OverflowError, ValueError, TypeError):
        converted = [convert(operation, each, target) for each in leaves]
    return np.array(converted, dtype=target).reshape(shape)


def convert(operation: str, value: Any, dtype: np.dtype) -> Any:
    """Return the number `value` as one of `dtype`; RuntimeError where that would overflow."""
    if type(value) is TrackedFloat:
        if state.recorder is not None:
            state.recorder.unknown(f"{operation}() needs the exact value of a number")
        value = plain_number(value)
    value = value.item() if hasattr(value, "item") else value
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        low = limits.min if dtype.kind == "i" else -limits.max  # as PyTorch: -1 is 255
        if isinstance(value, complex) and not value.imag:
            value = value.real
        if isinstance(value, int) and dtype.itemsize == 8 and not low <= value <= limits.max:
            raise ValueError(f"{operation}: Overflow when unpacking long long: {value}")
        if value != value or isinstance(value, complex) or not low <= value <= limits.max:
            raise RuntimeError(
                f"{operation}: value {value} cannot be converted to type "
                f"{dtypes.FROM_NUMPY[dtype].name} without overflow"
            )
        return int(value) & limits.max if dtype.kind == "u" else int(value)
    if isinstance(value, complex) and dtype.kind != "c":
        if value.imag and dtype.kind != "b":
            raise RuntimeError(
                f"{operation}: value {value} cannot be converted to type "
                f"{dtypes.FROM_NUMPY[dtype].name} without overflow; use a complex dtype"
            )
        return bool(value) if dtype.kind == "b" else value.real
    return value


class _Leaves:
    """The numbers in nested sequences, and the dtypes that they call for."""

    def __init__(self, operation: str) -> None:
        self.operation = operation
        self.values: list = []
        self.kinds: set[type] = set()
        self.dtypes: set[np.dtype] = set()

    def dtype(self) -> np.dtype:
        """Return the dtype that holds all of them."""
        found = self.dtypes | {dtype_of_number(kind()) for kind in self.kinds}
        result = found.pop() if found else dtypes.get_default_dtype().numpy
        for each in found:
            result = join_dtypes(result, each)  # type: ignore[arg-type]
        return result  # type: ignore[return-value]

    def visit(self, data: Any, depth: int) -> tuple[int, ...]:
        """Gather what is in `data`; return its shape."""
        if isinstance(data, TensorCore):
            return self._array(data.detach()._array)  # type: ignore[attr-defined]
        if isinstance(data, (np.ndarray, np.generic)):
            return self._array(np.asarray(data))
        if type(data) in PLAIN or dtype_of_number(data) is not None:
            self.kinds.add(type(data))
            self.values.append(data)
            return ()
        if isinstance(data, str):
            if depth:
                raise ValueError(f"{self.operation}: too many dimensions 'str'; give numbers")
            raise TypeError(f"{self.operation}(): invalid data type 'str'; give numbers")
        if not isinstance(data, (list, tuple)):
            if not hasattr(data, "__getitem__") or not hasattr(data, "__len__") or _is_map(data):
                raise RuntimeError(
                    f"{self.operation}: Could not infer dtype of {type(data).__name__}; give "
                    "numbers, nested sequences of numbers, or NumPy arrays"
                )
            data = list(data)
        if not data:
            return (0,)
        kinds = set(map(type, data))
        if kinds <= PLAIN:
            self.kinds |= kinds
            self.values.extend(data)
            return (len(data),)
        return (len(data), *self._rows(data, depth))

    def _array(self, array: np.ndarray) -> tuple[int, ...]:
        self.dtypes.add(dtypes.from_numpy_dtype(array.dtype, self.operation).numpy)
        self.values.extend(array.reshape(-1).tolist())
        return array.shape

    def _rows(self, data: Any, depth: int) -> tuple[int, ...]:
        shapes = [self.visit(each, depth + 1) for each in data]
        for shape in shapes:
            if shape != shapes[0]:
                if not shape or not shapes[0]:
                    raise TypeError(
                        f"{self.operation}: not a sequence: at depth {depth + 1} numbers stand "
                        "beside sequences; make all rows equally deep"
                    )
                raise ValueError(
                    f"{self.operation}: expected sequence of length {shapes[0][0]} at dim "
                    f"{depth + 1} (got {shape[0]}); make all rows equally long"
                )
        return shapes[0]


def _is_map(data: Any) -> bool:
    return hasattr(data, "keys")
