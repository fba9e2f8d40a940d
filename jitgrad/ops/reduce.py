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
from jitgrad.ops.scan import CUMPROD, shift
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import Size, wrap_dims

if TYPE_CHECKING:
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

    Dims = int | Sequence[int] | None

__all__ = [
    "all",
    "any",
    "count_nonzero",
    "mean",
    "prod",
    "sum",
]


def spread(reduced: Tensor, spec: Any, dim: tuple[int, ...], keepdim: bool) -> Tensor:
    """Return `reduced`, the result of a reduction over `dim`, expanded to the input's shape."""
    shape = spec.shape
    if not keepdim and dim:
        kept = tuple(1 if i in dim else size for i, size in enumerate(shape))
        reduced = reduced.reshape(kept)
    return reduced.expand(shape)


def axis_of(array: np.ndarray, dim: tuple[int, ...]) -> Any:
    # NumPy is faster told None than all dimensions by name: 0.4 us an operation
    return None if len(dim) == array.ndim else dim


_total: Any = np.add.reduce


def _sum(array: np.ndarray, *, dim: tuple[int, ...], keepdim: bool) -> Any:
    kind = array.dtype.kind
    if kind == "f" and array.itemsize > 2:
        # by position: names cost 0.1 us
        return _total(array, axis_of(array, dim), None, None, keepdim)
    if kind in "iub":
        return np.add.reduce(array, axis=axis_of(array, dim), keepdims=keepdim, dtype=np.int64)
    if array.dtype == np.float16:
        wide = np.add.reduce(array, axis=axis_of(array, dim), keepdims=keepdim, dtype=np.float32)
        return np.asarray(wide, np.float16)
    return np.add.reduce(array, axis=axis_of(array, dim), keepdims=keepdim)


SUM = Primitive(
    "sum",
    Kind.REDUCTION,
    _sum,
    (lambda g, _out, x_spec, *, dim, keepdim: spread(g, x_spec, dim, keepdim),),
    combine=("0", "{acc} + {0}"),
)


def sum(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    axis: Dims = None,
) -> Tensor:
    """Return the sum of the elements, over all dimensions or over `dim` (one or several).

    `axis` is another name of `dim`.
    Dtypes: integers and booleans are summed as int64, float16 in float32; `dtype` converts first.
    Gradient: 1 for each element.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> x.sum(), x.sum(dim=0)
        (tensor(10.), tensor([4., 6.]))
    """
    dims = wrap_dims("sum", dim if axis is None else axis, input._array.ndim)
    if dtype is None:
        return bind(SUM, input, dim=dims, keepdim=keepdim)
    target = as_dtype("sum", dtype)
    converted = input if input._array.dtype == target else bind(CAST, input, dtype=target)
    made = bind(SUM, converted, dim=dims, keepdim=keepdim)
    return made if made._array.dtype == target else bind(CAST, made, dtype=target)


def counted(input: Tensor, dims: tuple[int, ...]) -> int:
    shape = input._array.shape
    return Size(shape[i] for i in dims).numel()


def mean(
    input: Tensor,
    dim: Dims = None,
    keepdim: bool = False,
    *,
    dtype: DType | None = None,
    axis: Dims = None,
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
    dims = wrap_dims("mean", dim if axis is None else axis, input._array.ndim)
    # the sum of many float16 numbers may be infinite where their mean is not
    work = dtypes.float32.numpy if target == np.float16 else target
    converted = input if input._array.dtype == work else bind(CAST, input, dtype=work)
    made = bind(SUM, converted, dim=dims, keepdim=keepdim) / counted(input, dims)
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
                "size is not expandable to the shape of the tensor",
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


def _prod(array: np.ndarray, *, dim: tuple[int, ...], keepdim: bool) -> Any:
    kind = array.dtype.kind
    work = np.int64 if kind in "iub" else np.float32 if array.dtype == np.float16 else array.dtype
    made = np.multiply.reduce(array, axis=dim, keepdims=keepdim, dtype=work)
    return np.asarray(made, np.float16) if array.dtype == np.float16 else made


def _prod_back(g: Tensor, _out: None, x: Tensor, *, dim: tuple, keepdim: bool) -> Tensor:
    # the product of all others, from both sides: right where elements are zero
    if not dim:
        return g
    last = dim[-1]
    if len(dim) > 1:
        flat = x.reshape(-1)
        return (g.reshape(1) * _others(flat, 0)).reshape(x._array.shape)
    return (g if keepdim else g.unsqueeze(last)) * _others(x, last)


def _others(x: Tensor, dim: int) -> Tensor:
    before = bind(CUMPROD, shift(x, dim, 1, 1), dim=dim, reverse=False)
    after = bind(CUMPROD, shift(x, dim, -1, 1), dim=dim, reverse=True)
    return before * after


PROD = Primitive("prod", Kind.REDUCTION, _prod, (_prod_back,), combine=("1", "{acc} * {0}"))


def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Return the product of the elements, of all or along `dim`.

    Dtypes: as for `sum`. Gradient: the product of all others, also where elements are zero.

    Example:
        >>> import jitgrad as torch
        >>> torch.prod(torch.tensor([2.0, 3.0, 4.0]))
        tensor(24.)
    """
    dims = one_dim("prod", dim, input._array.ndim)
    target = None if dtype is None else as_dtype("prod", dtype)
    if target is not None and input._array.dtype != target:
        input = bind(CAST, input, dtype=target)
    made = bind(PROD, input, dim=dims, keepdim=keepdim)
    return made if target in (None, made._array.dtype) else bind(CAST, made, dtype=target)


def one_dim(operation: str, dim: Any, ndim: int) -> tuple[int, ...]:
    """Return the dimensions (all, or one) that the argument `dim` (None or an int) names."""
    if dim is None:
        return tuple(builtins.range(ndim))
    if isinstance(dim, bool) or not hasattr(dim, "__index__"):
        raise TypeError(
            f"{operation}(): argument 'dim' must be int, not {type(dim).__name__}; "
            "reduce one dimension after the other"
        )
    return wrap_dims(operation, dim.__index__(), ndim)


def check_not_empty(operation: str, array: np.ndarray, dims: tuple, given: bool) -> None:
    """Raise if a reduction without a neutral element would have nothing to reduce."""
    if array.size:
        return
    for each in dims:
        if not array.shape[each]:
            if given:
                raise IndexError(
                    describe(
                        operation,
                        f"a tensor of shape {array.shape}",
                        f"{operation}(): Expected reduction dim {each} to have non-zero size",
                    )
                )
            kind = IndexError if operation.startswith("arg") else RuntimeError
            raise kind(
                describe(
                    operation,
                    f"a tensor of shape {array.shape}",
                    f"{operation}(): Expected reduction dim to be specified for input.numel() == "
                    "0. Specify the reduction dim with the 'dim' argument. There is none of "
                    "non-zero size",
                )
            )


def _logical(reduce: Any) -> Any:
    def combined(array: np.ndarray, *, dim: tuple[int, ...], keepdim: bool) -> Any:
        made = reduce(array, axis=dim, keepdims=keepdim)
        return np.asarray(made, np.uint8) if array.dtype == np.uint8 else made

    return combined


ALL = Primitive(
    "all",
    Kind.REDUCTION,
    _logical(np.logical_and.reduce),
    combine=("True", "{acc} and {0} != 0"),
)

ANY = Primitive(
    "any",
    Kind.REDUCTION,
    _logical(np.logical_or.reduce),
    combine=("False", "{acc} or {0} != 0"),
)


def _dims_of_truth(operation: str, dim: Dims, ndim: int) -> tuple[int, ...]:
    # an empty tuple names no dimension here, as in PyTorch
    return () if dim == () else wrap_dims(operation, dim, ndim)


def all(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Say whether all elements (over `dim`, one or several) are true, that is not zero.

    Dtypes: bool; uint8 stays uint8.

    Example:
        >>> import jitgrad as torch
        >>> torch.all(torch.tensor([[True, False], [True, True]]), dim=1)
        tensor([False,  True])
    """
    dims = _dims_of_truth("all", dim, input._array.ndim)
    return bind(ALL, input, dim=dims, keepdim=keepdim)


def any(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Say whether some element (over `dim`, one or several) is true, that is not zero.

    Dtypes: bool; uint8 stays uint8.
    """
    dims = _dims_of_truth("any", dim, input._array.ndim)
    return bind(ANY, input, dim=dims, keepdim=keepdim)


def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """Return how many elements (over `dim`, one or several) are not zero.

    Example:
        >>> import jitgrad as torch
        >>> torch.count_nonzero(torch.tensor([0.0, 1.0, 2.0]))
        tensor(2)
    """
    dims = wrap_dims("count_nonzero", dim, input._array.ndim)
    return bind(SUM, input != 0, dim=dims, keepdim=False)


class ReduceMethods:
    """The operations of this file as methods of `Tensor`."""

    all = all
    any = any
    count_nonzero = count_nonzero
    mean = mean
    prod = prod
    sum = sum
    sum_to_size = sum_to_size
