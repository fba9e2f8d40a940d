"""List operations: one primitive performed on each tensor of a list.

`perform_each` is the one place through which all of them pass; `ops.foreach` has their names.
"""

from __future__ import annotations

import itertools
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
    each_params = params if isinstance(params, list) else itertools.repeat(params or {})
    modes = state
    if modes.recorder is None and not modes.grad_enabled and not primitive.is_view:
        quick = _overwrite if inplace else _compute
        found = run_quietly(quick, primitive, rows, each_params)
    else:
        found = itertools.repeat(None)
    door = bind_inplace if inplace else bind
    return tuple(
        door(primitive, *row, **named) if made is None else made
        for made, row, named in zip(found, rows, each_params)
    )


def is_list(operand: Any) -> bool:
    return isinstance(operand, (list, tuple))


def _arrays(primitive: Primitive, row: tuple) -> list | None:
    """Return the operands as `bind` would compute with them, None where it would convert some."""
    arrays = [each._array if isinstance(each, TensorCore) else each for each in row]
    if primitive.keeps:
        return arrays
    first = arrays[0]
    if type(first) is not np.ndarray or first.dtype.kind != "f":
        return None
    for each in arrays:
        if type(each) is np.ndarray:
            if each.dtype is not first.dtype:
                return None
        elif type(each) is not float and type(each) is not int:
            return None
    return arrays


# With neither history nor a trace to keep, a list of small tensors takes a third of the time that
# `bind` takes for each of them.


def _compute(primitive: Primitive, rows: list[tuple], each_params: Any) -> list:
    """Return what `primitive` makes of each row, None where `bind` has to do it."""
    found: list[Any] = []
    for row, params in zip(rows, each_params):
        arrays = _arrays(primitive, row)
        try:
            made = arrays and wrap(primitive.numpy(*arrays, **params))
        except ValueError:
            made = None
        found.append(made)
    return found


def _overwrite(primitive: Primitive, rows: list[tuple], each_params: Any) -> list:
    """Write what `primitive` makes of each row; return None where `bind_inplace` has to do it."""
    found: list[Any] = []
    is_ufunc = isinstance(primitive.numpy, np.ufunc)
    for row, params in zip(rows, each_params):
        target = row[0]
        array, storage = target._array, target._storage
        arrays = _arrays(primitive, row)
        if arrays is None or 0 in array.strides or not array.flags.writeable:
            found.append(None)
            continue
        if storage.watchers is not None:
            storage.prepare_write()
        try:
            if is_ufunc:
                primitive.numpy(*arrays, out=array)
            else:
                made = primitive.numpy(*arrays, **params)
                if made.shape != array.shape or made.dtype is not array.dtype:
                    found.append(None)
                    continue
                array[...] = made
        except ValueError:
            # shapes that do not fit, which are refused before anything is written
            found.append(None)
            continue
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
