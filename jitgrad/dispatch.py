"""Performing operations: promote, compute, remember the history, tell the recorder.

`bind` is the one door: every operation of the library goes through it (or through
`inplace.bind_inplace`), in eager mode, while a trace is recorded, and inside derivatives.
"""

from typing import Any

import numpy as np

from jitgrad import dtypes
from jitgrad.errors import describe
from jitgrad.locks import SHARED
from jitgrad.modes import TrackedFloat, plain_number, run_quietly, state
from jitgrad.node import AccumulateGrad, Node, PrimitiveNode, Saved
from jitgrad.primitive import READ, Kind, Primitive, Result
from jitgrad.spec import Spec, builtin_number, dtype_of_number, promote
from jitgrad.storage import Storage
from jitgrad.strides import (
    gather_strided,
    gather_strided_back,
    geometry,
    kept_order,
    scatter_strided,
    strided,
)


class TensorCore:
    """The state of a tensor; `jitgrad.Tensor` adds everything that can be done with one.

    Attributes:
        _array: the elements, a NumPy view on the memory of `_storage`.
        _node, _index: where it comes from (for a leaf that requires grad: where its gradient
            goes). For views read `node_of(tensor)` instead: an in-place change of the base or of
            a sibling gives a view a new history.
        _base: for a differentiable view, the tensor that is not a view and whose memory it shows.
        _key: what a compiled function found out of it when it last looked, with what that rests on.
        _unfollowed: of a view whose changes in place autograd does not follow, the reason:
            UNDER_NO_GRAD, ONE_OF_SEVERAL; False of others.
    """

    # slots are written and read in half the time that the instance's dictionary takes
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_array",
        "_base",
        "_base_node",
        "_grad",
        "_index",
        "_key",
        "_node",
        "_retains_grad",
        "_storage",
        "_unfollowed",
    )

    _array: np.ndarray
    _storage: Storage

    def __new__(cls, *_data: Any, **_named: Any) -> Any:
        tensor = _new(cls)
        tensor._node = tensor._grad = tensor._base = tensor._base_node = tensor._key = None
        tensor._index = 0
        tensor._retains_grad = tensor._unfollowed = False
        return tensor


UNDER_NO_GRAD, ONE_OF_SEVERAL = "under no_grad", "one of several"

FLOAT32, FLOAT64 = dtypes.float32.numpy, dtypes.float64.numpy
_new: Any = object.__new__
_tensor_class: type = TensorCore


def register_tensor_class(tensor_class: type) -> None:
    """Make `tensor_class` what operations return."""
    global _tensor_class
    _tensor_class = tensor_class


def wrap(array: Any, storage: Storage | None = None) -> Any:
    """Return a tensor over `array` without history; with storage of its own unless given."""
    if type(array) is not np.ndarray:
        array = np.asarray(array)
    # as TensorCore.__new__ does; without the call a small operation takes 0.1 us less
    tensor = _new(_tensor_class)
    tensor._array = array
    tensor._storage = Storage(array) if storage is None else storage
    tensor._node = tensor._grad = tensor._base = tensor._base_node = tensor._key = None
    tensor._index = 0
    tensor._retains_grad = tensor._unfollowed = False
    return tensor


def rebuild(array: np.ndarray, storage: Storage, node: Node | None, index: int) -> Any:
    """Return a tensor over `array` that is output `index` of a node."""
    tensor = wrap(array, storage)
    tensor._node, tensor._index = node, index
    return tensor


PrimitiveNode.rebuild = staticmethod(rebuild)


def node_of(tensor: Any) -> Node | None:
    """Return the node of the history that made `tensor`, brought up to date for views."""
    base = tensor._base
    if base is not None and base._node is not tensor._base_node:
        with SHARED:
            _follow_base(tensor, base)
    return tensor._node


def _follow_base(tensor: Any, base: Any) -> None:
    """Give a view the history that its base has now, once, whichever thread asks first."""
    made = base._node
    if made is tensor._base_node:
        return
    node = None
    if made is not None:
        node = PrimitiveNode(AS_STRIDED, (made,), (base._index,), geometry(tensor, base), None)
        node.inputs = (Spec(base._array.shape, base._array.dtype),)
    tensor._node, tensor._index = node, 0
    # last, since other threads rely on the rest as soon as they see it
    tensor._base_node = made


def requires_grad(value: Any) -> bool:
    """Is `value` a tensor that takes part in autograd?"""
    return isinstance(value, TensorCore) and node_of(value) is not None


def require_grad(leaf: Any) -> None:
    """Make `leaf` a leaf whose gradient is accumulated."""
    if state.recorder is not None:
        state.recorder.unknown("requires_grad_() in the call")
    leaf._node = AccumulateGrad(leaf)


def history(primitive: Primitive, inputs: tuple, params: dict, out: Any) -> Any:
    """Return a node for the output of `primitive`, None where no input requires grad.

    What the rules of the wanted inputs read is saved. `out` is the array of the output; where the
    node's `out` is not None, the caller puts the saved output there, once its tensor exists.
    """
    if len(inputs) == 1:
        return _history_of_one(primitive, inputs[0], params)
    edges: list[Node | None] = []
    wanted, bit, indexed = 0, 1, False
    for each in inputs:
        node = None
        if isinstance(each, TensorCore):
            node = each._node if each._base is None else node_of(each)
            if node is not None:
                wanted |= bit
                if each._index:
                    indexed = True
        edges.append(node)
        bit += bit
    if wanted & primitive.fixed:
        wanted &= ~primitive.fixed
        edges = [node if wanted >> position & 1 else None for position, node in enumerate(edges)]
    if not wanted:
        return None
    # the lookup of what_is_saved, without the call; `bit` is 1 << len(inputs) now
    saving = primitive.saving.get(wanted | bit) or primitive.what_is_saved(len(inputs), wanted)
    ways = saving[0]
    kept: Any = inputs
    if ways is None:
        kept = (None,) * len(inputs)
    else:
        kept = []
        for position, way in enumerate(ways):
            each = inputs[position]
            if not isinstance(each, TensorCore):
                kept.append(each if way else None)
            elif way == READ:
                kept.append(Saved(each, edges[position] or each._node, False))
            elif way:
                array = each._array
                kept.append(Spec(array.shape, array.dtype))
            else:
                kept.append(None)
        kept = tuple(kept)
    shapes = None
    if primitive.is_elementwise and len(inputs) > 1:
        shapes = _broadcast_from(inputs, out.shape)
    indices = (
        tuple(each._index if edge else 0 for each, edge in zip(inputs, edges)) if indexed else None
    )
    node = PrimitiveNode(primitive, tuple(edges), indices, params, shapes)
    node.inputs = kept
    if saving[1]:
        node.out = TO_BE_SAVED
    return node


def _history_of_one(primitive: Primitive, input: Any, params: dict) -> Any:
    """Do what `history` does for the one input of unary operations and views, 0.3 us faster."""
    edge = input._node if input._base is None else node_of(input)
    if edge is None or primitive.fixed:
        return None
    ways, saves_out = primitive.saving.get(0b11) or primitive.what_is_saved(1, 1)
    node = PrimitiveNode(
        primitive, (edge,), (input._index,) if input._index else None, params, None
    )
    if ways is None:
        node.inputs = (None,)
    elif ways[0] == READ:
        node.inputs = (Saved(input, edge, False),)
    else:
        array = input._array
        node.inputs = (Spec(array.shape, array.dtype),)
    if saves_out:
        node.out = TO_BE_SAVED
    return node


TO_BE_SAVED: Any = object()


def _broadcast_from(inputs: tuple, shape: tuple) -> list | None:
    """Return the shapes of the inputs that were broadcast to `shape`, None if none was."""
    shapes: list | None = None
    for position, each in enumerate(inputs):
        if isinstance(each, TensorCore) and (own := each._array.shape) != shape:
            shapes = shapes or [None] * len(inputs)
            shapes[position] = own
    return shapes


def bind(primitive: Primitive, *inputs: Any, **params: Any) -> Any:
    """Perform `primitive` on tensors and Python numbers; return the new tensor."""
    arrays: list[Any] = []
    has_history = plain = False
    common: Any = None
    for each in inputs:
        if isinstance(each, TensorCore):
            array = each._array
            arrays.append(array)
            if each._node is not None or each._base is not None:
                has_history = True
            # builtin dtypes are singletons
            if array.dtype is not common:
                plain = common is None and (array.dtype is FLOAT32 or array.dtype is FLOAT64)
                common = array.dtype
        else:
            # NumPy would take a tracked float for a float64
            number = float.__float__(each) if type(each) is TrackedFloat else each
            arrays.append(number)
            if type(number) is not float and type(number) is not int:
                common, plain = number, False
    if not plain and not primitive.keeps:
        inputs, arrays = promoted(primitive, inputs, arrays)
    modes = state
    view = primitive.is_view
    if view:
        out = wrap(primitive.numpy(*arrays, **params), inputs[0]._storage)
    else:
        try:
            # run_quietly, without the call
            made = modes.quietly(primitive.numpy, *arrays, **params)
        except (RuntimeError, ValueError) as error:
            made = _again(primitive, arrays, params, error)
        out = wrap(made)
    grad_enabled = modes.grad_enabled
    if has_history and grad_enabled and primitive.differentiable:
        array = out._array
        node = history(primitive, inputs, params, array)
        if node is not None and array.dtype.kind in "fc":
            out._node = node
            if node.out is not None:
                node.out = Saved(out, None, True)
    if view:
        source = inputs[0]
        if grad_enabled:
            out._base = source if source._base is None else source._base
            out._base_node = out._base._node
        if not grad_enabled:
            out._unfollowed = UNDER_NO_GRAD
        elif source._unfollowed:
            out._unfollowed = source._unfollowed
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


def is_plain(arrays: list) -> bool:
    """Are these floating-point arrays of one dtype, beginning with one, and numbers?

    Then there is nothing to promote.
    """
    common = getattr(arrays[0], "dtype", None)
    if common is not FLOAT32 and common is not FLOAT64:
        return False
    return all(
        type(each) is float or type(each) is int or getattr(each, "dtype", None) is common
        for each in arrays
    )


def promoted(primitive: Primitive, inputs: tuple, arrays: list) -> tuple[tuple, list]:
    """Return the inputs in the dtype in which `primitive` computes, and their arrays."""
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
        return value if type(value) is TrackedFloat else builtin_number(value)
    if dtype.kind == "b":
        return bool(value)
    bits = dtype.itemsize * 8
    low = int(value) & ((1 << bits) - 1)
    return low - (1 << bits) if dtype.kind == "i" and low >> (bits - 1) else low


def _cast(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return array.astype(dtype, order=kept_order(array))


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
    gather_strided,
    (
        lambda g, _out, x_spec, **geometry: bind(
            AS_STRIDED_BACKWARD, g, shape=x_spec.shape, **geometry
        ),
    ),
)

AS_STRIDED_BACKWARD = Primitive(
    "as_strided_backward",
    Kind.OPAQUE,
    gather_strided_back,
    (lambda g, _out, _x, *, shape, **geometry: bind(AS_STRIDED_GATHER, g, **geometry),),
)

AS_STRIDED_SCATTER = Primitive(
    "as_strided_scatter",
    Kind.OPAQUE,
    scatter_strided,
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
