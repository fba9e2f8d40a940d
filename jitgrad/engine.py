"""The backward pass, as it is asked for."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitgrad.dispatch import TensorCore, bind_zeros, node_of, wrap
from jitgrad.errors import describe
from jitgrad.modes import state
from jitgrad.node import spec_like
from jitgrad.walk import accumulate, run


def _with_default_cotangents(operation: str, outputs: Sequence, given: Any) -> list:
    cotangents = list(given) if given is not None else [None] * len(outputs)
    if len(cotangents) != len(outputs):
        raise RuntimeError(
            describe(
                operation,
                f"{len(cotangents)} gradients for {len(outputs)} tensors",
                "there must be one for each",
            )
        )
    for position, (output, cotangent) in enumerate(zip(outputs, cotangents)):
        if not isinstance(output, TensorCore):
            raise TypeError(
                f"{operation}: element {position} of tensors has to be a Tensor, but got "
                f"{type(output).__name__}"
            )
        if node_of(output) is None:
            raise RuntimeError(
                f"{operation}: element {position} of tensors does not require grad and does not "
                "have a grad_fn; make an input require grad, and compute outside of no_grad()"
            )
        if cotangent is None:
            if output._array.size != 1:
                raise RuntimeError(
                    f"{operation}: grad can be implicitly created only for scalar outputs, and "
                    f"this one has shape {tuple(output._array.shape)}; pass gradient=..., or "
                    "reduce it, for example with sum()"
                )
            cotangents[position] = _one(output)
        elif not isinstance(cotangent, TensorCore):
            raise TypeError(
                f"{operation}: gradients can be either Tensors or None, but got "
                f"{type(cotangent).__name__} for element {position} of tensors"
            )
        elif tuple(cotangent._array.shape) != tuple(output._array.shape):
            raise RuntimeError(
                f"{operation}: Mismatch in shape: grad_output[{position}] has a shape of "
                f"{tuple(cotangent._array.shape)} and output[{position}] has a shape of "
                f"{tuple(output._array.shape)}"
            )
    return cotangents


def _check_inputs(operation: str, inputs: Sequence) -> None:
    if not inputs:
        raise RuntimeError(
            f"{operation}: inputs argument to {operation}() cannot be empty; give the tensors "
            "whose gradients are wanted"
        )
    for position, each in enumerate(inputs):
        if not isinstance(each, TensorCore):
            raise RuntimeError(
                f"{operation}: all inputs have to be Tensors, but got {type(each).__name__} for "
                f"element {position}"
            )
        if node_of(each) is None:
            raise RuntimeError(
                f"{operation}: One of the differentiated Tensors does not require grad: element "
                f"{position} of inputs; call requires_grad_() on it before the forward pass"
            )


def _one(output: Any) -> Any:
    if state.recorder is not None:
        return output.new_ones(output._array.shape)
    return wrap(one_like(output._array))


def one_like(array: np.ndarray) -> np.ndarray:
    """Return the cotangent of a result of one element; `array` is that result."""
    if array.ndim:
        return np.ones(array.shape, array.dtype)
    one = _ONES.get(array.dtype)
    if one is None:
        one = _ONES[array.dtype] = np.array(1, array.dtype)
    # np.ones takes ten times as long for the usual scalar
    return one.copy()


_ONES: dict[np.dtype, np.ndarray] = {}


def backward(
    tensors: Sequence,
    gradients: Sequence | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Sequence | None = None,
) -> None:
    """Add to `.grad` of the leaves (of `inputs` only, if given) the gradients of `tensors`."""
    cotangents = _with_default_cotangents("backward", tensors, gradients)
    keep = create_graph if retain_graph is None else retain_graph
    if inputs is None:
        run(tensors, cotangents, keep, create_graph, None)
        return
    _check_inputs("backward", inputs)
    found = run(tensors, cotangents, keep, create_graph, inputs)
    for each, cotangent in zip(inputs, found):
        if cotangent is not None:
            accumulate(each, cotangent, create_graph)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple:
    """Return the gradients of `outputs` with respect to `inputs`, without touching `.grad`.

    Args:
        outputs, inputs: a tensor or several.
        grad_outputs: cotangents, of the outputs' shapes; None for scalar outputs.
        retain_graph: keep what was saved, so that another backward can follow.
        create_graph: record the gradients themselves, so that they can be differentiated.
        allow_unused: return None for inputs that the outputs do not depend on.
        materialize_grads: return zeros for these instead.

    Raises:
        RuntimeError: an input is no tensor, or not part of the graph; there is none; shapes differ;
            the graph is freed.
        TypeError: an output is no tensor, or a cotangent neither that nor None.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor(3.0, requires_grad=True)
        >>> (first,) = torch.autograd.grad(x**3, x, create_graph=True)
        >>> torch.autograd.grad(first, x)
        (tensor(18.),)
    """
    if is_grads_batched:
        raise RuntimeError("grad: is_grads_batched is not supported; loop over the cotangents")
    outputs = (outputs,) if isinstance(outputs, TensorCore) else tuple(outputs)
    inputs = (inputs,) if isinstance(inputs, TensorCore) else tuple(inputs)
    if isinstance(grad_outputs, TensorCore):
        grad_outputs = (grad_outputs,)
    cotangents = _with_default_cotangents("grad", outputs, grad_outputs)
    _check_inputs("grad", inputs)
    keep = create_graph if retain_graph is None else retain_graph
    found = run(outputs, cotangents, keep, create_graph, inputs)
    if materialize_grads:
        return tuple(
            bind_zeros(spec_like(each)) if got is None else got for each, got in zip(inputs, found)
        )
    if not allow_unused and any(each is None for each in found):
        raise RuntimeError(
            "grad: One of the differentiated Tensors appears to not have been used in the graph. "
            "Set allow_unused=True if this is the desired behavior."
        )
    return tuple(found)
