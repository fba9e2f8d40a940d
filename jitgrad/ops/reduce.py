"""Operations that combine the elements along dimensions."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import CAST, bind
from jitgrad.errors import describe
from jitgrad.literals import as_dtype
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import Size, wrap_dims

if TYPE_CHECKING:
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

    Dims = int | Sequence[int] | None

__all__ = [
    "mean",
    "sum",
]


def spread(reduced: Tensor, spec: Any, dim: tuple[int, ...], keepdim: bool) -> Tensor:
    """Return `reduced`, the result of a reduction over `dim`, expanded to the input's shape."""
    shape = spec.shape
    if not keepdim and dim:
        kept = tuple(1 if i in dim else size for i, size in enumerate(shape))
        reduced = reduced.reshape(kept)
    return reduced.expand(shape)


def _axis(array: np.ndarray, dim: tuple[int, ...]) -> Any:
    # NumPy is faster told None than all dimensions by name: 0.4 us an operation
    return None if len(dim) == array.ndim else dim


def _sum(array: np.ndarray, *, dim: tuple[int, ...], keepdim: bool) -> Any:
    kind = array.dtype.kind
    if kind in "iub":
        return np.add.reduce(array, axis=_axis(array, dim), keepdims=keepdim, dtype=np.int64)
    if array.dtype == np.float16:
        wide = np.add.reduce(array, axis=_axis(array, dim), keepdims=keepdim, dtype=np.float32)
        return np.asarray(wide, np.float16)
    return np.add.reduce(array, axis=_axis(array, dim), keepdims=keepdim)


SUM = Primitive(
    "sum",
    Kind.REDUCTION,
    _sum,
    (lambda g, _out, x_spec, *, dim, keepdim: spread(g, x_spec, dim, keepdim),),
    combine=("0", "{acc} + {0}"),
)


def sum(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Return the sum of the elements, over all dimensions or over `dim` (one or several).

    Dtypes: integers and booleans are summed as int64, float16 in float32; `dtype` converts first.
    Gradient: 1 for each element.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> x.sum(), x.sum(dim=0)
        (tensor(10.), tensor([4., 6.]))
    """
    if dtype is None:
        dims = wrap_dims("sum", dim, input._array.ndim)
        return bind(SUM, input, dim=dims, keepdim=keepdim)
    target = as_dtype("sum", dtype)
    converted = input if input._array.dtype == target else bind(CAST, input, dtype=target)
    dims = wrap_dims("sum", dim, input._array.ndim)
    made = bind(SUM, converted, dim=dims, keepdim=keepdim)
    return made if made._array.dtype == target else bind(CAST, made, dtype=target)


def _counted(input: Tensor, dims: tuple[int, ...]) -> int:
    shape = input._array.shape
    return Size(shape[i] for i in dims).numel()


def mean(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Return the mean of the elements, over all dimensions or over `dim` (one or several).

    Gradient: 1 / (number of elements) for each.

    Raises:
        RuntimeError: the tensor holds integers or booleans.

    Example:
        >>> import jitgrad as torch
        >>> torch.tensor([[1.0, 2.0], [3.0, 4.0]]).mean(dim=1)
        tensor([1.5000, 3.5000])
    """
    target = input._array.dtype if dtype is None else as_dtype("mean", dtype)
    if target.kind not in "fc":
        raise RuntimeError(
            describe(
                "mean",
                f"dtype {dtypes.FROM_NUMPY[target].name}",
                "could not infer output dtype: Input dtype must be either a floating point or "
                "complex dtype",
                "convert it with .float(), or pass dtype=torch.float32",
            )
        )
    dims = wrap_dims("mean", dim, input._array.ndim)
    # the sum of many float16 numbers may be infinite where their mean is not
    work = dtypes.float32.numpy if target == np.float16 else target
    converted = input if input._array.dtype == work else bind(CAST, input, dtype=work)
    made = bind(SUM, converted, dim=dims, keepdim=keepdim) / _counted(input, dims)
    return made if work is target else bind(CAST, made, dtype=target)


def sum_to_size(input: Tensor, *size: Any) -> Tensor:
    """Return `input` summed over the dimensions along which `size` broadcasts to its shape.

    Raises:
        RuntimeError: `size` does not broadcast to the shape.

    Example:
        >>> import jitgrad as torch
        >>> torch.ones(2, 3).sum_to_size(1, 3)
        tensor([[2., 2., 2.]])
    """
    target = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
    shape = input._array.shape
    extra = len(shape) - len(target)
    if extra < 0 or builtins.any(
        wanted not in (1, held) for wanted, held in zip(target, shape[extra:])
    ):
        raise RuntimeError(
            describe(
                "sum_to_size",
                f"size {target} for a tensor of shape {tuple(shape)}",
                "size {} is not expandable to the tensor's",
            )
        )
    if target == shape:
        return input
    dims = (
        *builtins.range(extra),
        *(i + extra for i, wanted in enumerate(target) if wanted == 1 and shape[i + extra] != 1),
    )
    if dims and extra == len(dims):
        return bind(SUM, input, dim=dims, keepdim=False)
    made = bind(SUM, input, dim=dims, keepdim=True) if dims else input
    return made.reshape(target) if extra else made


class ReduceMethods:
    """The operations of this file as methods of `Tensor`."""

    sum = sum
    mean = mean
    sum_to_size = sum_to_size
