"""Operations in place: the memory of a tensor overwritten, its history and version kept right."""

from __future__ import annotations

from typing import Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import (
    AS_STRIDED_SCATTER,
    CAST,
    ONE_OF_SEVERAL,
    UNDER_NO_GRAD,
    arrays_of,
    history,
    is_plain,
    no_broadcast,
    node_of,
    promoted,
    requires_grad,
    wrap,
)
from jitgrad.errors import describe
from jitgrad.modes import run_quietly, state
from jitgrad.node import AccumulateGrad, Node, PrimitiveNode, Saved
from jitgrad.primitive import READ, Primitive, Result
from jitgrad.spec import Spec
from jitgrad.strides import geometry


def bind_inplace(primitive: Primitive, target: Any, *others: Any, **params: Any) -> Any:
    """Perform `primitive(target, *others)` into the memory of `target`; return `target`.

    Raises:
        RuntimeError: `target` is a leaf that requires grad (or a view of one) while gradients
            are recorded; the result has another shape, or a dtype that does not go into it.
    """
    name = primitive.name + "_"
    differentiable = _may_write(name, target, others) and primitive.differentiable
    old = _with_old_history(target)
    inputs: tuple = (old, *others)
    arrays = arrays_of(inputs)
    if primitive.result is not Result.KEEP and not is_plain(arrays):
        inputs, arrays = promoted(primitive, inputs, arrays)
    try:
        made = np.asarray(run_quietly(primitive.numpy, *arrays, **params))
    except ValueError as error:
        if not primitive.is_elementwise or "broadcast" not in str(error):
            raise
        raise no_broadcast(name, arrays) from None
    _check_result(name, target, made)
    node = None
    if differentiable:
        if inputs[0] is old and _reads_first(primitive, inputs):
            inputs = (_snapshot(old), *inputs[1:])
        node = history(primitive, inputs, params, made)
    recorder = state.recorder
    if recorder is not None:
        # a trace holds the computation and then the write
        recorder.primitive(primitive, inputs, params, computed := wrap(made), node)
        recorder.write(target, computed)
    write(target, made)
    if node is not None:
        rebase(target, node)
        if node.out is not None:
            node.out = Saved(target, None, True)
        if recorder is not None:
            recorder.rebased(target, node)
    return target


def _reads_first(primitive: Primitive, inputs: tuple) -> bool:
    rules: Any = primitive.vjp
    wanted = sum(
        1 << position
        for position, each in enumerate(inputs)
        if requires_grad(each) and (primitive.variadic or rules[position] is not None)
    )
    ways = primitive.what_is_saved(len(inputs), wanted)[0]
    return ways is not None and ways[0] == READ


def _snapshot(old: Any) -> Any:
    params = {"dtype": old._array.dtype}
    copy = wrap(CAST.numpy(old._array, **params))
    if state.recorder is not None:
        state.recorder.primitive(CAST, (old,), params, copy, None)
    copy._node, copy._index = old._node, old._index
    return copy


def _with_old_history(target: Any) -> Any:
    """Return a tensor with the memory and the history that `target` has now."""
    old = wrap(target._array, target._storage)
    old._node, old._index = node_of(target), target._index
    return old


def _may_write(name: str, target: Any, others: tuple) -> bool:
    """Check that `target` may be written; say whether history is to be recorded."""
    if not state.grad_enabled:
        return False
    check_writable(name, target)
    differentiable = node_of(target) is not None or any(requires_grad(each) for each in others)
    if differentiable and target._unfollowed:
        raise RuntimeError(_UNFOLLOWED[target._unfollowed].format(name=name))
    return differentiable


_UNFOLLOWED = {
    UNDER_NO_GRAD: "{name}: a view was created in no_grad mode and is being modified inplace with "
    "grad mode enabled; make the view outside of no_grad(), or write to it inside",
    ONE_OF_SEVERAL: "{name}: an output of split, chunk or unbind, or of iteration, is a view and "
    "is being modified inplace. This view is the output of a function that returns multiple views. "
    "Such functions do not allow the output views to be modified inplace. You should replace the "
    "inplace operation by an out-of-place one, or index instead: x[i].add_(1).",
}


def check_writable(name: str, target: Any) -> None:
    """Raise RuntimeError if an in-place operation with history on `target` makes no sense."""
    node = node_of(target)
    if isinstance(node, AccumulateGrad):
        raise RuntimeError(
            f"{name}: a leaf Variable that requires grad is being used in an in-place operation; "
            "do it under torch.no_grad(), or on a copy (clone())"
        )
    base = target._base
    if base is not None and isinstance(base._node, AccumulateGrad):
        raise RuntimeError(
            f"{name}: a view of a leaf Variable that requires grad is being used in an in-place "
            "operation; do it under torch.no_grad(), or on a copy (clone())"
        )
    if node is not None and target._index in node.views:
        raise RuntimeError(
            f"{name}: Output {target._index} of {node.name()} is a view and is being modified "
            "inplace. This view was created inside a custom Function (or because an input was "
            "returned as-is) and the autograd logic to handle view+inplace would override the "
            "custom backward associated with the custom Function, leading to incorrect "
            "gradients. You can fix this by cloning the output of the custom Function."
        )


def _check_result(name: str, target: Any, made: np.ndarray) -> None:
    array = target._array
    if made.shape != array.shape:
        raise RuntimeError(
            describe(
                name,
                f"an output of shape {array.shape}",
                f"it doesn't match the broadcast shape {made.shape}",
                "use the out-of-place form",
            )
        )
    if dtypes.CATEGORY[made.dtype] > dtypes.CATEGORY[array.dtype]:
        raise RuntimeError(
            describe(
                name,
                f"a result of type {dtypes.FROM_NUMPY[made.dtype].name}",
                f"result type can't be cast to the desired output type "
                f"{dtypes.FROM_NUMPY[array.dtype].name}",
                "use the out-of-place form",
            )
        )
    if (
        array.size > 1
        and 0 in array.strides
        and any(stride == 0 and size > 1 for stride, size in zip(array.strides, array.shape))
    ):
        raise RuntimeError(
            f"{name}: unsupported operation: more than one element of the written-to tensor "
            "refers to a single memory location; clone() the tensor before writing to it"
        )


def write(target: Any, values: Any, key: Any = None) -> None:
    """Overwrite the elements of `target` with `values`, raising the version of its memory.

    With `key`, an index as NumPy takes it, only the elements that it names.
    """
    if not target._array.flags.writeable:
        raise RuntimeError(
            "the memory of this tensor is read-only (it comes from a NumPy array that is); "
            "clone() it before writing to it"
        )
    storage = target._storage
    if storage.watchers is not None:
        storage.prepare_write()
    if key is None:
        run_quietly(np.copyto, target._array, values, casting="unsafe")
    else:
        run_quietly(target._array.__setitem__, key, values)
    storage.version += 1


def rebase(target: Any, node: Node, index: int = 0) -> None:
    """Make output `index` of `node` the history of `target`, or of its part of its base."""
    base = target._base
    if base is None:
        target._node, target._index = node, index
        return
    params = geometry(target, base)
    edges, indices = (base._node, node), (base._index, index)
    scatter = PrimitiveNode(AS_STRIDED_SCATTER, edges, indices, params, None)
    scatter.inputs = (
        Spec(base._array.shape, base._array.dtype),
        Spec(target._array.shape, target._array.dtype),
    )
    base._node, base._index = scatter, 0
    node_of(target)
