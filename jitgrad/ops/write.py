"""Writing elements: copy_, fill_ and zero_, which cut the history of what they overwrite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.dispatch import TensorCore, bind, bind_zeros, node_of
from jitgrad.errors import describe
from jitgrad.inplace import bind_inplace, write
from jitgrad.modes import plain_number, state
from jitgrad.ops.convert import cast
from jitgrad.ops.slicing import sliced
from jitgrad.ops.views import VIEW
from jitgrad.primitive import Kind, Primitive

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor


def _nothing(g: Tensor, _out: None, x_spec: Any, _source: Any) -> Tensor:
    return bind_zeros(x_spec)


def _everything(g: Tensor, _out: None, _x: Any, source_spec: Any) -> Tensor:
    return cast(g, source_spec.dtype)


def as_written(array: np.ndarray, value: Any) -> Any:
    """Return the Python number `value` as an element of `array`.

    Raises:
        RuntimeError: an integer dtype does not hold the number.
    """
    if array.dtype.kind not in "iu":
        return value
    limits = np.iinfo(array.dtype)
    # PyTorch takes -1 for uint8's 255, as C does, but no float below 0
    low = limits.min if isinstance(value, float) or limits.min else -limits.max
    if not low <= value <= limits.max:
        raise RuntimeError(
            describe(
                "fill",
                f"the number {value} for elements of {array.dtype}",
                "value cannot be converted to the type without overflow",
            )
        )
    return int(value) % (limits.max + 1) if not limits.min else int(value)


def _copied(array: np.ndarray, source: Any) -> np.ndarray:
    if isinstance(source, np.ndarray):
        if source.shape == array.shape and source.dtype == array.dtype:
            return source
    else:
        source = as_written(array, source)
    result = np.empty(array.shape, array.dtype)
    np.copyto(result, source, casting="unsafe")
    return result


COPY = Primitive("copy", Kind.ELEMENTWISE, _copied, (_nothing, _everything), scalar="{1}")
FILL_WITH = Primitive("fill", Kind.ELEMENTWISE, _copied, (_nothing, _everything), scalar="{1}")
ZERO = Primitive("zero", Kind.ELEMENTWISE, _copied, (_nothing, None), scalar="{1}")


def unrecorded(target: Tensor, value: Any = None) -> bool:
    """May `value` be written to `target` at once: is nothing noted, and no history concerned?"""
    if state.recorder is not None:
        return False
    if state.grad_enabled:
        base = target._base
        if node_of(target) is not None or (base is not None and base._node is not None):
            return False
        if isinstance(value, TensorCore) and node_of(value) is not None:
            return False
    array = target._array
    # what lies on itself is refused in the general way
    return 0 not in array.strides or array.size < 2


def _write(primitive: Primitive, target: Tensor, value: Any) -> Tensor:
    if not unrecorded(target, value):
        return bind_inplace(primitive, target, value)
    if isinstance(value, TensorCore):
        write(target, value._array)
    else:
        # a quarter of the time for small tensors, a third of the memory traffic for large ones
        write(target, as_written(target._array, plain_number(value)))
    return target


def copy_(input: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Overwrite the elements with those of `src`, broadcast and converted; return `input`.

    Gradient: to `src`; nothing to what was overwritten.

    Raises:
        RuntimeError: `src` does not broadcast to the shape.

    Example:
        >>> import jitgrad as torch
        >>> torch.zeros(2, 2).copy_(torch.tensor([1.0, 2.0]))
        tensor([[1., 2.],
                [1., 2.]])
    """
    if not isinstance(src, TensorCore):
        if not isinstance(src, (float, int)):
            raise TypeError(
                f"copy_(): argument 'other' (position 1) must be Tensor, not {type(src).__name__}"
            )
        return _write(COPY, input, src)
    check_broadcast("copy_", src._array.shape, input._array.shape)
    return _write(COPY, input, src)


def check_broadcast(operation: str, shape: tuple, target: tuple) -> None:
    """Check that `shape` broadcasts to `target`; RuntimeError in `expand`'s words if not."""
    extra = len(target) - len(shape)
    if extra >= 0:
        for i, size in enumerate(shape, start=extra):
            if size != target[i] and size != 1:
                break
        else:
            return
    else:
        i = 0
    held = shape[i - extra] if extra >= 0 else shape[0]
    raise RuntimeError(
        describe(
            operation,
            f"a source of shape {tuple(shape)} for elements of shape {tuple(target)}",
            f"The expanded size of the tensor ({target[i] if target else 1}) must match the "
            f"existing size ({held}) at non-singleton dimension {i}.  "
            f"Target sizes: {list(target)}.  Tensor sizes: {list(shape)}",
        )
    )


def without_leading_ones(value: Any, ndim: int) -> Any:
    """Return `value` without the dimensions of size 1 that it has in front beyond `ndim`."""
    shape = value._array.shape
    drop = 0
    while len(shape) - drop > ndim and shape[drop] == 1:
        drop += 1
    return bind(VIEW, value, size=shape[drop:]) if drop else value


def _each_once(input: Tensor) -> Tensor:
    """Return a view of an expanded tensor that shows each element once."""
    array = input._array
    if 0 in array.strides:
        for dim, (size, stride) in enumerate(zip(array.shape, array.strides)):
            if size > 1 and not stride:
                input = sliced(input, dim, (0, 1, 1))
    return input


def fill_(input: Tensor, value: Any) -> Tensor:
    """Overwrite every element with `value`, a number or a tensor of no dimension.

    Gradient: summed to `value`; nothing to what was overwritten.

    Raises:
        RuntimeError: `value` has dimensions, or an integer dtype does not hold it.

    Example:
        >>> import jitgrad as torch
        >>> torch.zeros(2).fill_(3)
        tensor([3., 3.])
    """
    if isinstance(value, TensorCore) and value._array.ndim:
        raise RuntimeError(
            describe(
                "fill_",
                f"a value of {value._array.ndim} dimensions",
                "fill_ only supports 0-dimension value tensor",
                "use copy_()",
            )
        )
    _write(FILL_WITH, _each_once(input), value)
    return input


def zero_(input: Tensor) -> Tensor:
    """Overwrite every element with 0; return `input`.

    Example:
        >>> import jitgrad as torch
        >>> torch.ones(2).zero_()
        tensor([0., 0.])
    """
    _write(ZERO, _each_once(input), 0)
    return input


class WriteMethods:
    """The operations of this file as methods of `Tensor`."""

    copy_ = copy_
    fill_ = fill_
    zero_ = zero_
