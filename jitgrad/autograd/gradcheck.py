"""Derivatives against finite differences."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

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
        fast_mode: compare one random combination of all derivatives of an output by an input,
            for which one backward pass and two calls of `func` do, however many elements there
            are. Where it differs by a thousandth of what is allowed, all derivatives are
            compared, and decide.

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
        rules = _Rules(eps, atol, rtol, nondet_tol, check_grad_dtypes)
        if not (fast_mode and _check(func, values, rules, _Combination())):
            _check(func, values, rules, _Jacobian())
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
        fast_mode=fast_mode,
    )


def _outputs(result: Any) -> tuple:
    values = (result,) if isinstance(result, TensorCore) else tuple(result)
    return tuple(each for each in values if isinstance(each, TensorCore))


def _differentiable(result: Any) -> tuple:
    return tuple(each for each in _outputs(result) if requires_grad(each))


class _Rules(NamedTuple):
    """How derivatives are compared: what `gradcheck` was given."""

    eps: float
    atol: float
    rtol: float
    nondet_tol: float
    check_dtypes: bool


def _check(func: Callable, inputs: tuple, rules: _Rules, form: _Jacobian) -> bool:
    """Compare derivatives in one form; return False where a part of them only hints at an error."""
    if state.recorder is not None:
        state.recorder.unknown("gradcheck")
    wanted = [(i, each) for i, each in enumerate(inputs) if requires_grad(each)]
    _check_inputs(wanted)
    outputs = _outputs(func(*inputs))
    floating = [(i, each) for i, each in enumerate(outputs) if each._array.dtype.kind == "f"]
    numbers = [i for i, _ in floating]
    rtol, atol = rules.rtol * form.strictness, rules.atol * form.strictness
    for position, tensor in wanted:
        numerical = form.numerical(func, inputs, tensor, rules.eps, numbers)
        for (number, output), expected in zip(floating, numerical):
            if not requires_grad(output):
                if np.allclose(expected, 0, atol=atol, rtol=rtol):
                    continue
                if not form.is_complete:
                    return False
                raise GradcheckError(
                    "Numerical gradient for function expected to be zero: output "
                    f"{number} does not require grad, but depends on input {position}"
                )
            backward = _Backward(output, tensor, (number, position), rules.check_dtypes)
            found, again = form.analytical(backward), form.analytical(backward)
            if not np.allclose(found, again, rtol=0, atol=rules.nondet_tol, equal_nan=True):
                raise GradcheckError(
                    "Backward is not reentrant, i.e., running backward with same input and "
                    "grad_output multiple times gives different values, although analytical "
                    f"gradient matches numerical gradient: output {number}, input {position}"
                )
            # a sum that is not finite does not show the other summands
            if not (form.is_complete or np.isfinite(expected)):
                return False
            if not np.allclose(found, expected, rtol=rtol, atol=atol, equal_nan=True):
                if not form.is_complete:
                    return False
                raise GradcheckError(
                    f"Jacobian mismatch for output {number} with respect to input {position},\n"
                    f"numerical:{wrap(expected)}\nanalytical:{wrap(found)}\n"
                )
    return True


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


class _Backward:
    """A backward pass from one output to one input, of any cotangent."""

    def __init__(self, output: Any, tensor: Any, at: tuple[int, int], check_dtypes: bool) -> None:
        self.output = output
        self.tensor = tensor
        self.at = at
        self.check_dtypes = check_dtypes

    def __call__(self, cotangent: Any) -> np.ndarray:
        """Return the elements of the gradient in a row."""
        output, tensor = self.output, self.tensor
        (found,) = engine.grad(output, tensor, cotangent, retain_graph=True, allow_unused=True)
        if found is None:
            return np.zeros(tensor._array.size, tensor._array.dtype)
        number, position = self.at
        if found._array.shape != tensor._array.shape:
            raise GradcheckError(
                f"Analytical gradient has incorrect size: output {number}, input {position}: "
                f"{tuple(found.shape)} for {tuple(tensor.shape)}"
            )
        if self.check_dtypes and found._array.dtype != output._array.dtype:
            raise GradcheckError(
                f"Analytical gradient has incorrect dtype: output {number}, input {position}: "
                f"{found.dtype} for {tensor.dtype}"
            )
        return found._array.reshape(-1)


class _Jacobian:
    """All derivatives of an output by an input: a matrix (elements of the input, of the output)."""

    is_complete = True
    strictness = 1.0

    def numerical(
        self, func: Callable, inputs: tuple, moved: Any, eps: float, numbers: list[int]
    ) -> list[np.ndarray]:
        """Return it for each output, from central differences."""
        elements = moved.data._array
        rows: list[list[np.ndarray]] = [[] for _ in numbers]
        for place in np.ndindex(elements.shape):
            slopes = _slopes(func, inputs, elements, place, eps, 1.0, numbers)
            for row, slope in zip(rows, slopes):
                row.append(slope)
        if not elements.size:
            sizes = [each.size for each in _values(func(*inputs), numbers)]
            return [np.zeros((0, size)) for size in sizes]
        return [np.stack(row) for row in rows]

    def analytical(self, backward: _Backward) -> np.ndarray:
        """Return it, from one backward pass for each element of the output."""
        columns = []
        for place in np.ndindex(backward.output._array.shape):
            cotangent = bind_zeros(spec_like(backward.output))
            cotangent._array[place] = 1
            columns.append(backward(cotangent))
        if not columns:
            return np.zeros((backward.tensor._array.size, 0))
        return np.stack(columns, 1)


class _Combination(_Jacobian):
    """One number in the place of all derivatives: their sum, with random weights.

    A weight is the product of one for the element of the input and one for that of the output, each
    between 1/2 and 3/2, so that derivatives of one sign do not cancel.
    """

    is_complete = False
    strictness = 1e-3

    def numerical(
        self, func: Callable, inputs: tuple, moved: Any, eps: float, numbers: list[int]
    ) -> list[np.ndarray]:
        """Return it for each output, from one central difference."""
        elements = moved.data._array
        step = _weights_of_input(elements.shape)
        slopes = _slopes(func, inputs, elements, ..., eps, step, numbers)
        return [np.array(_weights_of_output(each.size) @ each) for each in slopes]

    def analytical(self, backward: _Backward) -> np.ndarray:
        """Return it, from one backward pass."""
        output = backward.output._array
        weights = _weights_of_output(output.size).reshape(output.shape).astype(output.dtype)
        step = _weights_of_input(backward.tensor._array.shape)
        return np.array(step.reshape(-1) @ backward(wrap(weights)))


def _weights_of_input(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(1).uniform(0.5, 1.5, shape)


def _weights_of_output(size: int) -> np.ndarray:
    # others than those of an input, or what is antisymmetric would cancel
    return np.random.default_rng(2).uniform(0.5, 1.5, size)


def _slopes(
    func: Callable,
    inputs: tuple,
    elements: np.ndarray,
    place: Any,
    eps: float,
    step: Any,
    numbers: list[int],
) -> list[np.ndarray]:
    """Return how fast the outputs change when elements of an input move by `step`."""
    held = elements[place].copy()
    try:
        elements[place] = held + eps * step
        above = _values(func(*inputs), numbers)
        elements[place] = held - eps * step
        below = _values(func(*inputs), numbers)
    finally:
        elements[place] = held
    with np.errstate(all="ignore"):
        return [(high - low) / (2 * eps) for high, low in zip(above, below)]


def _values(result: Any, numbers: list[int]) -> list[np.ndarray]:
    outputs = _outputs(result)
    return [np.array(outputs[i]._array, copy=True).reshape(-1) for i in numbers]
