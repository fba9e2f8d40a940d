"""Derivatives against finite differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jitgrad import engine
from jitgrad.dispatch import TensorCore, bind_zeros, requires_grad, wrap
from jitgrad.errors import describe
from jitgrad.modes import state
from jitgrad.node import spec_like
from jitgrad.tensor import Tensor


class GradcheckError(RuntimeError):
    """What `gradcheck` and `gradgradcheck` raise where a derivative is wrong."""


def gradcheck(
    func: Callable,
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_grad_dtypes: bool = False,
    fast_mode: bool = False,
) -> bool:
    """Compare the derivatives of `func` at `inputs` with central differences.

    Args:
        func: takes `inputs`, returns a tensor or several.
        inputs: a tensor or a sequence; those that require grad are checked. Use float64.
        eps: how far each element is moved.
        atol, rtol: analytical and numerical derivatives differ by at most
            atol + rtol * abs(numerical).
        raise_exception: False: return False instead of raising.
        nondet_tol: how far two backward passes may differ.
        check_grad_dtypes: each gradient must have the dtype of its input.
        fast_mode: accepted; the check is complete all the same.

    Returns:
        True.

    Raises:
        GradcheckError: a derivative is wrong; the message shows output, input, both Jacobians.
        ValueError: no input requires grad.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
        >>> torch.autograd.gradcheck(lambda x: x * x, x)
        True
    """
    values = (inputs,) if isinstance(inputs, TensorCore) else tuple(inputs)
    try:
        _check(func, values, eps, atol, rtol, nondet_tol, check_grad_dtypes)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable,
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_grad_dtypes: bool = False,
    fast_mode: bool = False,
) -> bool:
    """Compare the second derivatives of `func` with central differences of the first ones.

    Args:
        grad_outputs: the cotangents of the outputs, themselves checked where they require grad;
            random ones unless given.

    The other arguments, the result and the errors are those of `gradcheck`.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
        >>> torch.autograd.gradgradcheck(lambda x: x * x * x, x)
        True
    """
    values = (inputs,) if isinstance(inputs, TensorCore) else tuple(inputs)
    if grad_outputs is None:
        outputs = _differentiable(func(*values))
        noise = np.random.default_rng(0)
        cotangents = tuple(
            wrap(noise.standard_normal(each.shape).astype(each._array.dtype)).requires_grad_()
            for each in outputs
        )
    elif isinstance(grad_outputs, Tensor):
        cotangents = (grad_outputs,)
    else:
        cotangents = tuple(grad_outputs)
    wanted = [i for i, each in enumerate(values) if requires_grad(each)]

    def first(*arguments: Any) -> tuple:
        given = list(arguments[: len(values)])
        for i in wanted:
            # a leaf that func returns, or only passes on, still needs a history here
            given[i] = given[i] * 1
        outputs = _differentiable(func(*given))
        return engine.grad(
            outputs,
            [given[i] for i in wanted],
            arguments[len(values) :],
            create_graph=True,
            materialize_grads=True,
        )

    return gradcheck(
        first,
        (*values, *cotangents),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_grad_dtypes=check_grad_dtypes,
    )


def _outputs(result: Any) -> tuple:
    values = (result,) if isinstance(result, TensorCore) else tuple(result)
    return tuple(each for each in values if isinstance(each, TensorCore))


def _differentiable(result: Any) -> tuple:
    return tuple(each for each in _outputs(result) if requires_grad(each))


def _check(
    func: Callable,
    inputs: tuple,
    eps: float,
    atol: float,
    rtol: float,
    nondet_tol: float,
    check_dtypes: bool,
) -> None:
    if state.recorder is not None:
        state.recorder.unknown("gradcheck")
    wanted = [(i, each) for i, each in enumerate(inputs) if requires_grad(each)]
    _check_inputs(wanted)
    outputs = _outputs(func(*inputs))
    floating = [(i, each) for i, each in enumerate(outputs) if each._array.dtype.kind == "f"]
    for position, tensor in wanted:
        numerical = _numerical(func, inputs, tensor, eps, [i for i, _ in floating])
        for (number, output), expected in zip(floating, numerical):
            if not requires_grad(output):
                if not np.allclose(expected, 0, atol=atol, rtol=rtol):
                    raise GradcheckError(
                        "Numerical gradient for function expected to be zero: output "
                        f"{number} does not require grad, but depends on input {position}"
                    )
                continue
            analytical = _analytical(output, tensor, number, position, check_dtypes)
            again = _analytical(output, tensor, number, position, check_dtypes)
            if not np.allclose(analytical, again, rtol=0, atol=nondet_tol, equal_nan=True):
                raise GradcheckError(
                    "Backward is not reentrant, i.e., running backward with same input and "
                    "grad_output multiple times gives different values, although analytical "
                    f"gradient matches numerical gradient: output {number}, input {position}"
                )
            if not np.allclose(analytical, expected, rtol=rtol, atol=atol, equal_nan=True):
                raise GradcheckError(
                    f"Jacobian mismatch for output {number} with respect to input {position},\n"
                    f"numerical:{wrap(expected)}\nanalytical:{wrap(analytical)}\n"
                )


def _check_inputs(wanted: list) -> None:
    if not wanted:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them "
            "have requires_grad=True."
        )
    for position, each in wanted:
        if each._array.dtype.kind == "c":
            raise ValueError(
                describe(
                    "gradcheck", f"input {position} of {each.dtype}", "it takes real tensors only"
                )
            )
        if each._array.dtype != np.float64:
            warnings.warn(
                f"Input #{position} requires gradient and is not a double precision floating "
                "point. This check will likely fail if all the inputs are not of double "
                "precision floating point.",
                stacklevel=4,
            )
        if each._array.size and any(
            stride == 0 and size > 1 for stride, size in zip(each._array.strides, each.shape)
        ):
            raise RuntimeError(
                f"gradcheck: The {position}th input has a dimension with stride 0. gradcheck "
                "only supports inputs that are non-overlapping to be able to compute the "
                "numerical gradients correctly. You should call .contiguous on the input before "
                "passing it to gradcheck."
            )


def _numerical(
    func: Callable, inputs: tuple, moved: Any, eps: float, numbers: list[int]
) -> list[np.ndarray]:
    """Return for each output the matrix of its derivatives, (elements of `moved`, of output)."""
    elements = moved.data._array
    rows: list[list[np.ndarray]] = [[] for _ in numbers]
    for place in np.ndindex(elements.shape):
        held = elements[place]
        try:
            elements[place] = held + eps
            above = _values(func(*inputs), numbers)
            elements[place] = held - eps
            below = _values(func(*inputs), numbers)
        finally:
            elements[place] = held
        for row, high, low in zip(rows, above, below):
            with np.errstate(all="ignore"):
                row.append((high - low) / (2 * eps))
    if not elements.size:
        sizes = [each.size for each in _values(func(*inputs), numbers)]
        return [np.zeros((0, size)) for size in sizes]
    return [np.stack(row) for row in rows]


def _values(result: Any, numbers: list[int]) -> list[np.ndarray]:
    outputs = _outputs(result)
    return [np.array(outputs[i]._array, copy=True).reshape(-1) for i in numbers]


def _analytical(
    output: Any, tensor: Any, number: int, position: int, check_dtypes: bool
) -> np.ndarray:
    """Return the matrix of derivatives from one backward pass for each element of `output`."""
    shape, dtype = output._array.shape, output._array.dtype
    matrix = np.zeros((tensor._array.size, output._array.size), tensor._array.dtype)
    for column, place in enumerate(np.ndindex(shape)):
        cotangent = bind_zeros(spec_like(output))
        cotangent._array[place] = 1
        (found,) = engine.grad(output, tensor, cotangent, retain_graph=True, allow_unused=True)
        if found is None:
            continue
        if found._array.shape != tensor._array.shape:
            raise GradcheckError(
                f"Analytical gradient has incorrect size: output {number}, input {position}: "
                f"{tuple(found.shape)} for {tuple(tensor.shape)}"
            )
        if check_dtypes and found._array.dtype != dtype:
            raise GradcheckError(
                f"Analytical gradient has incorrect dtype: output {number}, input {position}: "
                f"{found.dtype} for {tensor.dtype}"
            )
        matrix[:, column] = found._array.reshape(-1)
    return matrix
