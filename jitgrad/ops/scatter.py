"""Elements at positions held by a tensor along one dimension: gather, scatter, index_select."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.dispatch import TensorCore, bind, bind_zeros
from jitgrad.errors import describe
from jitgrad.inplace import bind_inplace
from jitgrad.ops.place_loops import Places, put_loops, take_loops
from jitgrad.ops.positions import add_at
from jitgrad.ops.selection import WHERE
from jitgrad.ops.slicing import SLICE
from jitgrad.ops.views import contiguous_strides, expanded, reshape
from jitgrad.ops.write import as_written
from jitgrad.primitive import Kind, Loops, Primitive
from jitgrad.spec import Spec, broadcast_shapes, wrap_dim

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = ["gather", "scatter", "scatter_add", "take_along_dim"]


def _check_range(operation: str, places: np.ndarray, dim: int, size: int) -> None:
    if places.size:
        least, most = places.min(), places.max()
        if least < 0 or most >= size:
            # the class that PyTorch raises here, where square brackets raise IndexError
            raise RuntimeError(
                describe(
                    operation,
                    f"positions from {least} to {most}",
                    f"index {most if most >= size else least} is out of bounds for dimension "
                    f"{dim} with size {size}",
                )
            )


def _key(places: np.ndarray, dim: int) -> tuple:
    """Return an index of NumPy's for the elements at `places` of dimension `dim`."""
    shape = places.shape
    return tuple(
        # numpy.ogrid takes 15 us
        places if i == dim else np.arange(size).reshape((size, *[1] * (len(shape) - 1 - i)))
        for i, size in enumerate(shape)
    )


def _numbers(shape: tuple, key: tuple) -> np.ndarray:
    """Return the numbers, in row-major order, of the elements that `key` names."""
    return sum((found * step for found, step in zip(key, contiguous_strides(shape))), np.array(0))


def _ungathered(cotangent: np.ndarray, places: np.ndarray, *, dim: int, shape: tuple) -> np.ndarray:
    result = np.zeros(shape, cotangent.dtype)
    if not shape or not places.ndim:
        result.reshape(-1)[:1] = cotangent.sum()
    else:
        add_at(result, _numbers(shape, _key(places, dim)), cotangent)
    return result


def _gathered(array: np.ndarray, places: np.ndarray, *, dim: int) -> np.ndarray:
    _check_range("gather", places, dim, array.shape[dim] if array.ndim else 1)
    if not array.ndim or not places.ndim:
        return np.broadcast_to(array.reshape(-1)[:1].reshape(()), places.shape).copy()
    return array[_key(places, dim)]


def scattered(
    array: np.ndarray, places: np.ndarray, source: Any, *, dim: int, reduce: str
) -> np.ndarray:
    _check_range("scatter", places, dim, array.shape[dim] if array.ndim else 1)
    result = np.array(array, order="C")
    if not isinstance(source, np.ndarray):
        source = as_written(array, source)
    lines = result.reshape(1) if not array.ndim else result
    if not places.ndim or not array.ndim:
        places = places.reshape(-1)
        source = (
            np.broadcast_to(source, np.shape(source) or (1,)) if np.ndim(source) < 1 else source
        )
    key = _key(places, dim)
    if reduce == "replace":
        lines[key] = source
    elif reduce == "add":
        add_at(lines, _numbers(lines.shape, key), source)
    else:
        getattr(np, _AT[reduce]).at(lines, key, source)
    return result


_AT = {"multiply": "multiply", "amax": "maximum", "amin": "minimum"}


def _gather_back(g: Tensor, _out: None, x: Tensor, places: Tensor, *, dim: int) -> Tensor:
    # x is saved although its shape would do: PyTorch refuses a gradient after x was written
    return bind(GATHER_BACK, g, places, dim=dim, shape=x._array.shape)


GATHER = Primitive(
    "gather",
    Kind.INDEX,
    _gathered,
    (_gather_back, None),
    loops=lambda _out, array, places, *, dim: take_loops(
        Places(array, (dim,), (places,), 1, each=True)
    ),
    raises_on_data=True,
)


# the places were checked on the way forward
GATHER_BACK = Primitive(
    "gather_backward",
    Kind.INDEX,
    _ungathered,
    (lambda g, _out, _x, places, *, dim, shape: bind(GATHER, g, places, dim=dim), None),
    loops=lambda out, cotangent, places, *, dim, shape: put_loops(
        Places(out, (dim,), (places,), 1, each=True), cotangent, 0, adds=True
    ),
)


def _scatter_loops(
    out: Any, _array: Any, places: Any, source: Any, *, dim: int, reduce: str
) -> Loops | None:
    held = Places(out, (dim,), (places,), 1, each=True)
    return put_loops(held, source, 2, adds=reduce == "add", held=True)


SCATTER = Primitive(
    "scatter",
    Kind.INDEX,
    scattered,
    (
        lambda g, _out, _x, places, _source, *, dim, reduce: bind(
            SCATTER, g, places, 0, dim=dim, reduce=reduce
        ),
        None,
        lambda g, _out, _x, places, _source, *, dim, reduce: bind(GATHER, g, places, dim=dim),
    ),
    loops=_scatter_loops,
    raises_on_data=True,
)


SCATTER_ADD = Primitive(
    "scatter_add",
    Kind.INDEX,
    scattered,
    (
        lambda g, _out, _x, _places, _source, *, dim, reduce: g,
        None,
        lambda g, _out, _x, places, _source, *, dim, reduce: bind(GATHER, g, places, dim=dim),
    ),
    loops=_scatter_loops,
    raises_on_data=True,
)


def _product_to_input(
    g: Tensor, _out: None, x: Tensor, places: Tensor, source: Any, *, dim: int, reduce: str
) -> Tensor:
    # the product of the others: where x is 0 it cannot be had by division
    filled = x.masked_fill(x == 0, 1)
    others = bind(SCATTER_PRODUCT, filled, places, source, dim=dim, reduce=reduce) / filled
    return g * others


def _product_to_source(
    g: Tensor, out: Tensor, x: Tensor, places: Tensor, source: Tensor, *, dim: int, reduce: str
) -> Tensor:
    zero = source == 0
    none = bind_zeros(Spec(x._array.shape, x._array.dtype))
    zeros = bind(SCATTER_ADD, none, places, zero.to(x.dtype), dim=dim, reduce="add")
    alone = zero.logical_and(bind(GATHER, zeros, places, dim=dim) == 1)
    rest = source.masked_fill(alone, 1)
    without = bind(SCATTER_PRODUCT, x, places, rest, dim=dim, reduce=reduce)
    quotient = bind(GATHER, g * out, places, dim=dim) / source.masked_fill(zero, 1)
    return bind(WHERE, alone, bind(GATHER, g * without, places, dim=dim), quotient)


SCATTER_PRODUCT = Primitive(
    "scatter_multiply",
    Kind.INDEX,
    scattered,
    (_product_to_input, None, _product_to_source),
    raises_on_data=True,
)


def check_index(operation: str, input: Tensor, dim: int, index: Tensor, source: Any = None) -> int:
    """Check what comes along with `input`; return `dim` counted from the front."""
    at = wrap_dim(operation, dim, input._array.ndim)
    array, places = input._array, index._array
    if places.dtype not in (np.int64, np.int32):
        raise RuntimeError(
            describe(
                operation,
                f"an index of {index.dtype}",
                f"{operation}(): Expected dtype int32/int64 for index",
                "convert it with .long()",
            )
        )
    if not places.size:
        return at
    if max(places.ndim, 1) != max(array.ndim, 1):
        raise RuntimeError(
            describe(
                operation,
                f"an index of shape {tuple(places.shape)} for a tensor of shape "
                f"{tuple(array.shape)}",
                "Index tensor must have the same number of dimensions as input tensor",
            )
        )
    others = [(array.shape, True)]
    if isinstance(source, TensorCore):
        if source._array.dtype != array.dtype:
            raise RuntimeError(
                describe(
                    operation,
                    f"a source of {source.dtype} for a tensor of {input.dtype}",  # type: ignore[attr-defined]
                    f"{operation}(): Expected self.dtype to be equal to src.dtype",
                )
            )
        if max(source._array.ndim, 1) != max(places.ndim, 1):
            raise RuntimeError(
                describe(
                    operation,
                    f"an index of shape {tuple(places.shape)} and a source of shape "
                    f"{tuple(source._array.shape)}",
                    "Index tensor must have the same number of dimensions as src tensor",
                )
            )
        others.append((source._array.shape, False))
    for shape, apart in others:
        for i, (size, most) in enumerate(zip(places.shape, shape)):
            if size > most and not (apart and i == at):
                raise RuntimeError(
                    describe(
                        operation,
                        f"an index of shape {list(places.shape)}",
                        f"Size does not match at dimension {i}: expected index "
                        f"{list(places.shape)} to be no larger than {list(shape)}"
                        + (f" apart from dimension {at}" if apart else ""),
                    )
                )
    return at


def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """Return the elements of `input` at the positions `index` of dimension `dim`.

    For two dimensions and dim=0: out[i, j] = input[index[i, j], j]. The result has the shape of
    `index`, which is in no other dimension larger than `input`.

    Gradient: added up at the positions.

    Raises:
        RuntimeError: a position out of bounds, an index of another number of dimensions or not of
            integers.

    Example:
        >>> import jitgrad as torch
        >>> torch.gather(torch.tensor([[1, 2], [3, 4]]), 1, torch.tensor([[0], [1]]))
        tensor([[1],
                [4]])
    """
    at = check_index("gather", input, dim, index)
    return bind(GATHER, input, index, dim=at)


def cropped(index: Tensor, source: Any) -> Any:
    """Return the part of `source` that lies over `index`."""
    if not isinstance(source, TensorCore) or source._array.shape == index._array.shape:
        return source
    if not source._array.ndim or not index._array.ndim:
        return source.reshape(index._array.shape)  # type: ignore[attr-defined]
    return bind(SLICE, source, index=tuple((0, size, 1) for size in index._array.shape))


_WAYS = {"add": SCATTER_ADD, "multiply": SCATTER_PRODUCT, None: SCATTER}


def _way(reduce: str | None) -> tuple[Primitive, str]:
    if reduce not in _WAYS:
        raise RuntimeError(
            describe(
                "scatter", f"reduce {reduce!r}", "reduce argument must be either add or multiply"
            )
        )
    return _WAYS[reduce], reduce or "replace"


def _source(src: Any, value: Any) -> Any:
    if (src is None) == (value is None):
        raise TypeError("scatter() takes either src, a tensor, or value, a number")
    return value if src is None else src


def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Any = None,
    *,
    value: float | None = None,
    reduce: str | None = None,
) -> Tensor:
    """Return `input` with `src`, a tensor or a number, at the positions `index` of `dim`.

    For two dimensions and dim=0: out[index[i, j], j] = src[i, j].

    Args:
        reduce: "add" or "multiply" combines with what is there.

    Gradient: to what is not overwritten, and gathered to `src`.

    Raises:
        RuntimeError: a position out of bounds, shapes that do not fit, dtypes that differ.

    Example:
        >>> import jitgrad as torch
        >>> torch.scatter(torch.zeros(2, 3), 1, torch.tensor([[2], [0]]), 1.0)
        tensor([[0., 0., 1.],
                [1., 0., 0.]])
    """
    source = _source(src, value)
    primitive, way = _way(reduce)
    at = check_index("scatter", input, dim, index, source)
    return bind(primitive, input, index, cropped(index, source), dim=at, reduce=way)


def scatter_(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Any = None,
    *,
    value: float | None = None,
    reduce: str | None = None,
) -> Tensor:
    """Compute `scatter` in place."""
    source = _source(src, value)
    primitive, way = _way(reduce)
    at = check_index("scatter", input, dim, index, source)
    return bind_inplace(primitive, input, index, cropped(index, source), dim=at, reduce=way)


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """Return `input` with `src` added at the positions `index` of dimension `dim`.

    Gradient: 1 to `input`, gathered to `src`.

    Raises:
        RuntimeError: a position out of bounds, shapes that do not fit, dtypes that differ.

    Example:
        >>> import jitgrad as torch
        >>> torch.scatter_add(torch.zeros(2), 0, torch.tensor([0, 0, 1]), torch.ones(3))
        tensor([2., 1.])
    """
    at = check_index("scatter_add", input, dim, index, src)
    return bind(SCATTER_ADD, input, index, cropped(index, src), dim=at, reduce="add")


def scatter_add_(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """Compute `scatter_add` in place."""
    at = check_index("scatter_add", input, dim, index, src)
    return bind_inplace(SCATTER_ADD, input, index, cropped(index, src), dim=at, reduce="add")


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """Return the elements of `input` at the positions `indices` of `dim`; other sizes broadcast.

    Without `dim` both are flattened.

    Gradient: added up at the positions.

    Raises:
        RuntimeError: a position out of bounds, another number of dimensions.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([[30, 10], [20, 40]])
        >>> torch.take_along_dim(x, torch.tensor([[1], [0]]), dim=1)
        tensor([[10],
                [20]])
    """
    if dim is None:
        return gather(reshape(input, (-1,)), 0, reshape(indices, (-1,)))
    shape, places = input._array.shape, indices._array.shape
    if len(shape) != len(places):
        raise RuntimeError(
            describe(
                "take_along_dim",
                f"shapes {shape} and {places}",
                "input and indices should have the same number of dimensions",
            )
        )
    at = wrap_dim("take_along_dim", dim, len(shape))
    both = list(
        broadcast_shapes(
            "take_along_dim",
            (*shape[:at], 1, *shape[at + 1 :]),
            (*places[:at], 1, *places[at + 1 :]),
        )
    )
    wide, index = list(both), list(both)
    if shape:
        wide[at], index[at] = shape[at], places[at]
    return gather(
        expanded("take_along_dim", input, tuple(wide)),
        at,
        expanded("take_along_dim", indices, tuple(index)),
    )


class ScatterMethods:
    """The operations of this file as methods of `Tensor`."""

    gather = gather
    scatter = scatter
    scatter_ = scatter_
    scatter_add = scatter_add
    scatter_add_ = scatter_add_
    take_along_dim = take_along_dim
