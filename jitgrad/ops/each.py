"""List operations: one primitive performed on each tensor of a list.

`perform_each` is the one place through which all of them pass; `ops.foreach` has their names.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.dispatch import TensorCore, bind, requires_grad, wrap
from jitgrad.errors import describe
from jitgrad.inplace import bind_inplace
from jitgrad.modes import run_quietly, state
from jitgrad.ops.splitting import unbind
from jitgrad.primitive import Primitive

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor


def perform_each(
    primitive: Primitive,
    operands: tuple,
    params: dict | list[dict] | None = None,
    *,
    inplace: bool = False,
) -> tuple:
    """Perform `primitive` once for each position of the lists among `operands`.

    Args:
        operands: lists of tensors or numbers, all of one length; anything else (a number, a
            tensor) is the same for every position.
        params: the parameters of the primitive, for all positions or for each.
        inplace: write the results into the tensors of the first list.

    Returns:
        The results, or the tensors that were written.
    """
    rows = list(zip(*(each if is_list(each) else itertools.repeat(each) for each in operands)))
    each_params = params if isinstance(params, list) else [params or {}] * len(rows)
    done: list[Any] = []
    if state.recorder is None and not state.grad_enabled and not primitive.is_view:
        columns = [
            [each._array if isinstance(each, TensorCore) else each for each in column]
            for column in zip(*rows)
        ]
        if primitive.keeps or _is_uniform(columns):
            arrays = zip(*columns)
            if inplace:
                done = run_quietly(_overwrite, primitive, rows, arrays, each_params)
            else:
                done = run_quietly(_compute, primitive, arrays, each_params)
    door = bind_inplace if inplace else bind
    left = zip(rows[len(done) :], each_params[len(done) :])
    return (*done, *(door(primitive, *row, **named) for row, named in left))


def is_list(operand: Any) -> bool:
    """Say whether `operand` has a value for each position."""
    return isinstance(operand, (list, tuple))


# With neither history nor a trace to keep, a list of small tensors takes a third of the time that
# `bind` takes for one after the other. These functions stop at the first position that `bind`
# has to look at.


def _is_uniform(columns: list[list]) -> bool:
    """Are these floating-point arrays of one dtype, and numbers, which need no conversion?"""
    kinds = {
        each.dtype if type(each) is np.ndarray else type(each)
        for column in columns
        for each in column
    }
    kinds -= {float, int}
    found = kinds.pop() if len(kinds) == 1 else None
    return isinstance(found, np.dtype) and found.kind == "f"


def _compute(primitive: Primitive, arrays: Iterable[tuple], each_params: list[dict]) -> list:
    """Return what `primitive` makes of each row of arrays, as far as it goes."""
    found: list[Any] = []
    function = primitive.numpy
    try:
        for row, params in zip(arrays, each_params):
            found.append(wrap(function(*row, **params)))
    except ValueError:
        # shapes that do not fit, which `bind` refuses in its words
        pass
    return found


def _overwrite(
    primitive: Primitive, rows: list[tuple], arrays: Iterable[tuple], each_params: list[dict]
) -> list:
    """Write what `primitive` makes of each row into its first tensor, as far as it goes."""
    found: list[Any] = []
    function = primitive.numpy
    is_ufunc = isinstance(function, np.ufunc)
    for (target, *_), row, params in zip(rows, arrays, each_params):
        array, storage = target._array, target._storage
        if array.base is not None and 0 in array.strides:
            break
        if storage.watchers is not None:
            storage.prepare_write()
        try:
            if is_ufunc:
                function(*row, out=array)
            else:
                made = function(*row, **params)
                if made.shape != array.shape or made.dtype is not array.dtype:
                    break
                array[...] = made
        except ValueError:
            # shapes that do not fit or memory that is read-only, told before anything is written
            break
        storage.version += 1
        found.append(target)
    return found


def each_value(vector: Tensor) -> tuple[Any, ...]:
    """Return the elements of a vector, as operands of a list operation.

    They are numbers if it makes no difference, else tensors of no dimension.
    """
    if state.recorder is None and not requires_grad(vector):
        return tuple(vector._array.tolist())
    return unbind(vector)


def unless_zero(value: Any) -> Any:
    """Return an option of a list operation, None if it is 0 and its part can be left out.

    In compiled code this is a guard, not a decision: the trace goes on.
    """
    return None if value == 0 else value


def checked_each(
    name: str, primitive: Primitive, tensors: Any, *operands: Any, inplace: bool = False
) -> Any:
    """Check the operands of a list operation in PyTorch's words, and perform it."""
    check_tensors(name, 0, tensors)
    for position, each in enumerate(operands, start=1):
        check_operand(name, position, tensors, each)
    made = perform_each(primitive, (tensors, *operands), inplace=inplace)
    return tensors if inplace else made


def check_tensors(name: str, position: int, tensors: Any) -> None:
    """Raise TypeError unless `tensors` is a list of tensors, RuntimeError if it is empty."""
    if not is_list(tensors):
        raise TypeError(
            f"{name}(): argument {position} must be a list or tuple of tensors, not "
            f"{type(tensors).__name__}"
        )
    if not tensors:
        raise RuntimeError(f"{name}: Tensor list must have at least one tensor.")
    for kind in set(map(type, tensors)):
        if not issubclass(kind, TensorCore):
            place = next(i for i, each in enumerate(tensors) if type(each) is kind)
            raise TypeError(
                f"{name}(): expected Tensor as element {place} in argument {position}, but got "
                f"{kind.__name__}"
            )


def check_operand(name: str, position: int, tensors: Any, operand: Any) -> None:
    """Check that `operand` goes with the list `tensors`: a number, a 0-d tensor, a list of either.

    Raises:
        RuntimeError: a list of another length, or one tensor with dimensions.
        TypeError: anything else.
    """
    if is_list(operand):
        of_tensors = any(isinstance(each, TensorCore) for each in operand[:1])
        if len(operand) != len(tensors):
            raise RuntimeError(
                f"{name}: Tensor lists must have the same number of tensors, got {len(tensors)} "
                f"and {len(operand)}"
                if of_tensors
                else f"{name}: Tensor list must have same number of elements as scalar list, got "
                f"{len(tensors)} and {len(operand)}"
            )
        if of_tensors:
            check_tensors(name, position, operand)
    elif isinstance(operand, TensorCore):
        if operand._array.ndim:
            raise RuntimeError(
                describe(
                    name,
                    f"one tensor of shape {tuple(operand._array.shape)} for a whole list",
                    f"scalar tensor expected to be 0 dim but it has {operand._array.ndim} "
                    f"dimensions and {operand._array.size} elements",
                    "pass a list of tensors",
                )
            )
    elif not isinstance(operand, (int, float, np.number)):
        raise TypeError(
            f"{name}(): argument {position} must be a number, a tensor, or a list of either, not "
            f"{type(operand).__name__}"
        )
