"""Performing operations: promote, compute, remember the history, tell the recorder.

`bind` is the one door: every operation of the library goes through it (or through
`inplace.bind_inplace`), in eager mode, while a trace is recorded, and inside derivatives.
"""

from typing import Any

import numpy as np

from jitgrad import dtypes
from jitgrad.errors import describe
from jitgrad.modes import TrackedFloat, plain_number, run_quietly, state
from jitgrad.node import AccumulateGrad, Node, PrimitiveNode, Saved
from jitgrad.primitive import Kind, Primitive, Result
from jitgrad.spec import Spec, dtype_of_number, promote
from jitgrad.storage import Storage


class TensorCore:
    """The state of a tensor; `jitgrad.Tensor` adds everything that can be done with one.

    Attributes:
        _array: the elements, a NumPy view on the memory of `_storage`.
        _node, _index: where it comes from (for a leaf that requires grad: where its gradient
            goes). For views read `node_of(tensor)` instead: an in-place change of the base or of
            a sibling gives a view a new history.
        _base: for a differentiable view, the tensor that is not a view and whose memory it shows.
    """

    _array: np.ndarray
    _storage: Storage
    _node: Node | None = None
    _index: int = 0
    _grad: Any = None
    _base: Any = None
    _base_node: Node | None = None
    _retains_grad: bool = False
    _unfollowed: bool = False
    """A view that autograd does not follow, because it was made under no_grad."""


_tensor_class: type = TensorCore


def register_tensor_class(tensor_class: type) -> None:
    """Make `tensor_class` what operations return."""
    global _tensor_class
    _tensor_class = tensor_class


def wrap(array: Any, storage: Storage | None = None) -> Any:
    """Return a tensor over `array` without history; with storage of its own unless given."""
    if type(array) is not np.ndarray:
        array = np.asarray(array)
    tensor = _tensor_class.__new__(_tensor_class)  # type: ignore[call-overload]
    tensor._array = array
    tensor._storage = Storage(array) if storage is None else storage
    return tensor


def _rebuild(array: np.ndarray, storage: Storage, node: Node | None, index: int) -> Any:
    tensor = wrap(array, storage)
    tensor._node = node
    tensor._index = index
    return tensor


PrimitiveNode.rebuild = staticmethod(_rebuild)


def node_of(tensor: Any) -> Node | None:
    """Return the node of the history that made `tensor`, brought up to date for views."""
    base = tensor._base
    if base is not None and base._node is not tensor._base_node:
        tensor._base_node = base._node
        if base._node is None:
            tensor._node = None
        else:
            params = geometry(tensor, base)
            node = PrimitiveNode(AS_STRIDED, (base._node,), (base._index,), params, None)
            node.inputs = (Spec(base._array.shape, base._array.dtype),)
            tensor._node = node
        tensor._index = 0
    return tensor._node


def requires_grad(value: Any) -> bool:
    """Is `value` a tensor that takes part in autograd?"""
    return isinstance(value, TensorCore) and node_of(value) is not None


def require_grad(leaf: Any) -> None:
    """Make `leaf` a leaf whose gradient is accumulated."""
    if state.recorder is not None:
        state.recorder.unknown("requires_grad_() in the call")
    leaf._node = AccumulateGrad(leaf)


def history(primitive: Primitive, inputs: tuple, params: dict, out_shape: tuple) -> Any:
    """Return a node for the output of `primitive`, None where no input requires grad.

    What the rules of the wanted inputs read is saved; the output itself is saved by the caller
    through `save_out`, once its tensor exists.
    """
    edges: list[Node | None] = []
    indices: list[int] | None = None
    wanted = 0
    rules: Any = None if primitive.variadic else primitive.vjp
    for position, each in enumerate(inputs):
        node = None
        if isinstance(each, TensorCore) and (rules is None or rules[position] is not None):
            node = each._node if each._base is None else node_of(each)
            if node is not None:
                wanted |= 1 << position
                if each._index:
                    indices = indices or [0] * len(inputs)
                    indices[position] = each._index
        edges.append(node)
    if not wanted:
        return None
    saved, specs, _ = primitive.what_is_saved(len(inputs), wanted)
    shapes: list | None = None
    kept: list[Any] = []
    for position, each in enumerate(inputs):
        if not isinstance(each, TensorCore):
            kept.append(each)
            continue
        if primitive.is_elementwise and each._array.shape != out_shape:
            shapes = shapes or [None] * len(inputs)
            shapes[position] = each._array.shape
        if position in saved:
            kept.append(Saved(each, edges[position] or each._node, False))
        elif position in specs:
            kept.append(Spec(each._array.shape, each._array.dtype))
        else:
            kept.append(None)
    places = None if indices is None else tuple(indices)
    node = PrimitiveNode(primitive, tuple(edges), places, params, shapes)
    node.inputs = tuple(kept)
    return node


def save_out(node: PrimitiveNode, out: Any) -> None:
    """Save the output `out` for the rules of `node` that read it."""
    wanted = sum(1 << position for position, edge in enumerate(node.edges) if edge is not None)
    if node.primitive.what_is_saved(len(node.edges), wanted)[2]:
        node.out = Saved(out, None, True)


def bind(primitive: Primitive, *inputs: Any, **params: Any) -> Any:
    """Perform `primitive` on tensors and Python numbers; return the new tensor."""
    arrays: list[Any] = []
    has_history = False
    for each in inputs:
        if isinstance(each, TensorCore):
            arrays.append(each._array)
            if each._node is not None or each._base is not None:
                has_history = True
        else:
            # NumPy would take a tracked float for a float64
            arrays.append(float.__float__(each) if type(each) is TrackedFloat else each)
    if not primitive.keeps:
        inputs, arrays = promoted(primitive, inputs, arrays)
    modes = state
    try:
        # run_quietly, without the call
        made = modes.quietly(primitive.numpy, *arrays, **params)
    except (RuntimeError, ValueError) as error:
        made = _again(primitive, arrays, params, error)
    view = primitive.is_view
    out = wrap(made, inputs[0]._storage if view else None)
    grad_enabled = modes.grad_enabled
    if has_history and grad_enabled and primitive.differentiable:
        array = out._array
        node = history(primitive, inputs, params, array.shape)
        if node is not None and array.dtype.kind in "fc":
            out._node = node
            if True in primitive.saves_out:
                save_out(node, out)
    if view:
        source = inputs[0]
        if grad_enabled:
            out._base = source if source._base is None else source._base
            out._base_node = out._base._node
        if not grad_enabled or source._unfollowed:
            out._unfollowed = True
    if modes.recorder is not None:
        modes.recorder.primitive(primitive, inputs, params, out, out._node)
    return out


def _again(primitive: Primitive, arrays: list, params: dict, error: Exception) -> Any:
    """Mend what went wrong with a computation, or raise it in the words of users."""
    if isinstance(error, RuntimeError):
        if str(error).startswith("cannot enter context"):
            return run_quietly(primitive.numpy, *arrays, **params)
    elif primitive.is_elementwise and "broadcast" in str(error):
        raise no_broadcast(primitive.name, arrays) from None
    raise error


def no_broadcast(name: str, arrays: list) -> RuntimeError:
    """Return the error for shapes that do not broadcast."""
    shapes = [np.shape(each) for each in arrays]
    return RuntimeError(
        describe(
            name,
            "shapes " + " and ".join(str(tuple(shape)) for shape in shapes),
            "they do not broadcast: The size of one tensor must match the size of the other at "
            "every dimension, counted from the last, or be 1",
            "reshape, unsqueeze or expand one of them",
        )
    )


def promoted(primitive: Primitive, inputs: tuple, arrays: list) -> tuple[tuple, list]:
    """Return the inputs in the dtype in which `primitive` computes, and their arrays."""
    common: Any = None
    for each in arrays:
        if isinstance(each, np.ndarray):
            # builtin dtypes are singletons; only the first is looked at closely
            if common is None:
                common = each.dtype
                if common.kind != "f":
                    break
            elif each.dtype is not common:
                break
        elif type(each) is not float and type(each) is not int:
            break
    else:
        # the common case: floating-point tensors of one dtype, and numbers that do not matter
        if isinstance(inputs[0], TensorCore) and type(inputs[-1]) is not np.ndarray:
            return inputs, arrays
    _check_operands(primitive, inputs)
    common = promote(arrays)
    if primitive.check is not None:
        primitive.check(primitive.name, inputs, common)
    if primitive.result is Result.FLOAT and dtypes.CATEGORY[common] < dtypes.FLOATING:
        common = dtypes.get_default_dtype().numpy
    converted = tuple(
        (each if each._array.dtype == common else bind(CAST, each, dtype=common))
        if isinstance(each, TensorCore)
        else number_as(each, common)
        for each in inputs
    )
    return converted, arrays_of(converted)


def arrays_of(inputs: tuple) -> list:
    """Return the arrays of tensors, and numbers as they are."""
    return [each._array if isinstance(each, TensorCore) else plain_number(each) for each in inputs]


def _check_operands(primitive: Primitive, inputs: tuple) -> None:
    for position, each in enumerate(inputs):
        if isinstance(each, TensorCore):
            continue
        if len(inputs) == 1 or dtype_of_number(each) is None:
            raise TypeError(
                f"{primitive.name}(): argument {position + 1} must be Tensor"
                f"{'' if len(inputs) == 1 else ' or Number'}, not {type(each).__name__}; make one "
                "with torch.as_tensor"
            )


def number_as(value: Any, dtype: np.dtype) -> Any:
    """Return a number that NumPy combines with arrays of `dtype` without changing their dtype.

    Floats stay Python numbers (and tracked ones stay tracked); integers wrap as PyTorch's do.
    """
    if dtype.kind in "fc":
        return value.item() if isinstance(value, np.generic) else value
    if dtype.kind == "b":
        return bool(value)
    bits = dtype.itemsize * 8
    low = int(value) & ((1 << bits) - 1)
    return low - (1 << bits) if dtype.kind == "i" and low >> (bits - 1) else low


def geometry(view: Any, base: Any) -> dict[str, Any]:
    """Return size, stride and offset of `view` in `base`, and the stride of `base`, in elements."""
    itemsize = base._array.itemsize
    start = view._array.__array_interface__["data"][0] - base._array.__array_interface__["data"][0]
    return {
        "size": view._array.shape,
        "stride": tuple(step // itemsize for step in view._array.strides),
        "offset": start // itemsize,
        "base_stride": tuple(step // itemsize for step in base._array.strides),
    }


def strided(array: np.ndarray, size: tuple, stride: tuple, offset: int) -> np.ndarray:
    """Return a view on the memory of `array`, strides and offset in elements."""
    itemsize = array.itemsize
    span = 1 + sum((n - 1) * s // itemsize for n, s in zip(array.shape, array.strides))
    if array.size == 0 or 0 in size:
        return np.empty(size, array.dtype)
    last = offset + sum((n - 1) * s for n, s in zip(size, stride))
    if offset < 0 or last >= span:
        raise RuntimeError(
            describe(
                "as_strided",
                f"size {tuple(size)}, stride {tuple(stride)} and storage_offset {offset}",
                f"they reach outside the {span} elements of the tensor",
            )
        )
    flat = np.lib.stride_tricks.as_strided(array, (span,), (itemsize,))
    return np.lib.stride_tricks.as_strided(
        flat[offset:], size, tuple(step * itemsize for step in stride)
    )


def _places(shape: tuple, base_stride: tuple, size: tuple, stride: tuple, offset: int) -> Any:
    """Return for each element of a view the number (in row-major order) of its base's element."""
    span = 1 + sum((n - 1) * s for n, s in zip(shape, base_stride))
    number_at = np.full(max(span, 0), -1)
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    strided(number_at, shape, base_stride, 0)[...] = numbers
    return strided(number_at, size, stride, offset)


def _with_spare(array: np.ndarray) -> np.ndarray:
    """Return the elements in row-major order and a zero: place -1, for what the base leaves out."""
    flat = np.zeros(array.size + 1, array.dtype)
    flat[:-1] = array.reshape(-1)
    return flat


def _scatter(array: np.ndarray, source: np.ndarray, **geometry: Any) -> np.ndarray:
    result = _with_spare(array)
    result[_places(array.shape, **geometry)] = source
    return result[:-1].reshape(array.shape)


def _gather(array: np.ndarray, **geometry: Any) -> np.ndarray:
    return _with_spare(array)[_places(array.shape, **geometry)]


def _gather_back(cotangent: np.ndarray, shape: Any, **geometry: Any) -> np.ndarray:
    result = np.zeros(int(np.prod(shape)) + 1, cotangent.dtype)
    places = _places(shape, **geometry)
    np.add.at(result, places.reshape(-1), cotangent.reshape(-1))
    return result[:-1].reshape(shape)


def _cast(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return array.astype(dtype, order="K")


CAST = Primitive(
    "to",
    Kind.ELEMENTWISE,
    _cast,
    (lambda g, _out, x_spec, *, dtype: bind(CAST, g, dtype=x_spec.dtype),),
    scalar="{0}",
)

AS_STRIDED = Primitive(
    "as_strided",
    Kind.VIEW,
    lambda array, *, size, stride, offset, base_stride: strided(array, size, stride, offset),
    (
        lambda g, _out, x_spec, **geometry: bind(
            AS_STRIDED_BACKWARD, g, shape=x_spec.shape, **geometry
        ),
    ),
)

AS_STRIDED_GATHER = Primitive(
    "as_strided_gather",
    Kind.OPAQUE,
    _gather,
    (
        lambda g, _out, x_spec, **geometry: bind(
            AS_STRIDED_BACKWARD, g, shape=x_spec.shape, **geometry
        ),
    ),
)

AS_STRIDED_BACKWARD = Primitive(
    "as_strided_backward",
    Kind.OPAQUE,
    _gather_back,
    (lambda g, _out, _x, *, shape, **geometry: bind(AS_STRIDED_GATHER, g, **geometry),),
)

AS_STRIDED_SCATTER = Primitive(
    "as_strided_scatter",
    Kind.OPAQUE,
    _scatter,
    (
        lambda g, _out, _x, source_spec, **geometry: bind(
            AS_STRIDED_SCATTER, g, bind_zeros(source_spec), **geometry
        ),
        lambda g, _out, _x, _source, **geometry: bind(AS_STRIDED_GATHER, g, **geometry),
    ),
)


def _fill(value: Any, *, size: tuple, dtype: np.dtype) -> np.ndarray:
    if type(value) is int and value == 0:
        # memory that the system hands out as zeros is not touched
        return np.zeros(size, dtype)
    return np.full(size, value, dtype)


FILL = Primitive("full", Kind.CREATION, _fill)


def bind_zeros(spec: Spec) -> Any:
    """Return a tensor of zeros."""
    return bind(FILL, 0, size=tuple(spec.shape), dtype=spec.dtype)


def finish(cotangent: Any, shape: tuple) -> Any:
    """Return `cotangent` summed to `shape`, from which its elementwise operation broadcast."""
    return cotangent.sum_to_size(shape)


PrimitiveNode.finish = staticmethod(finish)
