"""Jacobians, Hessians and their products with vectors, of functions of tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jitgrad import engine
from jitgrad.autograd.grad_mode import enable_grad
from jitgrad.dispatch import bind_zeros, node_of, requires_grad
from jitgrad.node import spec_like
from jitgrad.ops.create import zeros_like
from jitgrad.ops.joining import stack
from jitgrad.tensor import Tensor


def _tuple(values: Any) -> tuple:
    return tuple(values) if isinstance(values, (tuple, list)) else (values,)


def _like(values: tuple, pattern: Any) -> Any:
    return values[0] if isinstance(pattern, Tensor) else values


def _leaves(operation: str, inputs: Any, create_graph: bool) -> tuple:
    """Return copies of the inputs that require grad, joined to them if the graph is wanted."""
    values = _tuple(inputs)
    for position, each in enumerate(values):
        if not isinstance(each, Tensor):
            raise TypeError(
                f"The inputs given to {operation} must be either a Tensor or a tuple of Tensors "
                f"but the value at index {position} has type {type(each)}."
            )
    if create_graph:
        return tuple(
            each.view_as(each) if requires_grad(each) else each.detach().requires_grad_()
            for each in values
        )
    return tuple(each.detach().requires_grad_() for each in values)


def _call(operation: str, func: Callable, leaves: tuple) -> tuple[Any, tuple]:
    result = func(*leaves)
    outputs = _tuple(result) if isinstance(result, (Tensor, tuple, list)) else (result,)
    for position, each in enumerate(outputs):
        if not isinstance(each, Tensor):
            raise TypeError(
                f"The outputs of the user-provided function given to {operation} must be either a "
                f"Tensor or a tuple of Tensors but the value at index {position} has type "
                f"{type(each)}."
            )
    return result, outputs


def _grad(outputs: tuple, leaves: tuple, cotangents: tuple, create_graph: bool) -> list:
    """Return gradients, None where there is none (also where no output requires grad)."""
    pairs = [(o, c) for o, c in zip(outputs, cotangents) if requires_grad(o) and c is not None]
    if not pairs:
        return [None] * len(leaves)
    return list(
        engine.grad(
            [o for o, _ in pairs],
            leaves,
            [c for _, c in pairs],
            retain_graph=True,
            create_graph=create_graph,
            allow_unused=True,
        )
    )


def _filled(operation: str, found: list, like: tuple, strict: bool) -> tuple:
    if strict:
        for position, each in enumerate(found):
            if each is None:
                raise RuntimeError(
                    f"{operation}: The outputs of the user-provided function are independent of "
                    f"input {position}. This is not allowed in strict mode."
                )
    return tuple(
        bind_zeros(spec_like(pattern)) if each is None else each
        for each, pattern in zip(found, like)
    )


def _vectors(operation: str, v: Any, like: tuple, what: str) -> tuple:
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(
                f"The vector v can only be None if the {what} of the user-provided function "
                f"given to {operation} is a single Tensor with a single element."
            )
        return (like[0].detach().new_ones(like[0].shape),)
    given = _tuple(v)
    if len(given) != len(like):
        raise RuntimeError(
            f"{operation}: v is a tuple of invalid length: should be {len(like)} but got "
            f"{len(given)}."
        )
    for position, (each, pattern) in enumerate(zip(given, like)):
        if each._array.shape != pattern._array.shape:
            raise RuntimeError(
                f"{operation}: v has invalid size: should be {tuple(pattern.shape)} but got "
                f"{tuple(each.shape)} at index {position}."
            )
    return given


def _cut(values: Any, create_graph: bool) -> Any:
    if create_graph:
        return values
    if isinstance(values, Tensor):
        return values.detach() if node_of(values) is not None else values
    return tuple(_cut(each, False) for each in values)


@enable_grad()
def vjp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple:
    """Return func(inputs), and v times the Jacobian of `func` at `inputs`.

    Args:
        v: cotangents of the outputs; may be left out for one output of one element.
        create_graph: the results can be differentiated.
        strict: raise where an input does not matter, instead of returning zeros.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([1.0, 2.0])
        >>> torch.autograd.functional.vjp(lambda x: x * x, x, torch.ones(2))
        (tensor([1., 4.]), tensor([2., 4.]))
    """
    leaves = _leaves("vjp", inputs, create_graph)
    result, outputs = _call("vjp", func, leaves)
    cotangents = _vectors("vjp", v, outputs, "output")
    found = _filled("vjp", _grad(outputs, leaves, cotangents, create_graph), leaves, strict)
    return _cut(result, create_graph), _like(_cut(found, create_graph), inputs)


@enable_grad()
def jvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple:
    """Return func(inputs), and the Jacobian of `func` at `inputs` times v.

    It differentiates the vjp, which is linear in its cotangents, with respect to them.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([1.0, 2.0])
        >>> torch.autograd.functional.jvp(lambda x: x * x, x, torch.ones(2))
        (tensor([1., 4.]), tensor([2., 4.]))
    """
    leaves = _leaves("jvp", inputs, create_graph)
    tangents = _vectors("jvp", v, leaves, "input")
    result, outputs = _call("jvp", func, leaves)
    dummies = tuple(zeros_like(each).requires_grad_() for each in outputs)
    first = _filled("jvp", _grad(outputs, leaves, dummies, True), leaves, strict)
    found = _filled("jvp", _grad(first, dummies, tangents, create_graph), outputs, strict)
    return _cut(result, create_graph), _like(_cut(found, create_graph), result)


@enable_grad()
def jacobian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """Return the Jacobian of `func` at `inputs`, of shape (*output, *input).

    For several inputs a tuple, for several outputs a tuple of these.

    Args:
        create_graph, strict: see `vjp`.
        vectorize, strategy: accepted; rows are always computed one by one, in reverse.

    Example:
        >>> import jitgrad as torch
        >>> torch.autograd.functional.jacobian(lambda x: x * x, torch.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    leaves = _leaves("jacobian", inputs, create_graph)
    result, outputs = _call("jacobian", func, leaves)
    rows = tuple(
        _like(_jacobian_of(each, leaves, create_graph, strict), inputs) for each in outputs
    )
    return _cut(_like(rows, result), create_graph)


def _jacobian_of(output: Any, leaves: tuple, create_graph: bool, strict: bool) -> tuple:
    rows: list[list] = [[] for _ in leaves]
    flat = output.reshape(-1)
    for i in range(flat.numel()):
        one = zeros_like(flat.detach())
        one._array[i] = 1
        found = _grad((flat,), leaves, (one,), create_graph)
        for row, each in zip(rows, _filled("jacobian", found, leaves, strict)):
            row.append(each)
    return tuple(
        (stack(row) if row else leaf.new_zeros((0,))).reshape((*output.shape, *leaf.shape))
        for row, leaf in zip(rows, leaves)
    )


@enable_grad()
def hessian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """Return the Hessian of a scalar function at `inputs`, of shape (*input, *input).

    For several inputs a tuple of tuples. The other arguments are those of `jacobian`.

    Example:
        >>> import jitgrad as torch
        >>> torch.autograd.functional.hessian(lambda x: x[0] * x[1], torch.tensor([1.0, 2.0]))
        tensor([[0., 1.],
                [1., 0.]])
    """

    def gradient(*values: Any) -> Any:
        first = jacobian(_scalar("hessian", func), values, create_graph=True, strict=strict)
        return _like(first, inputs)

    values = _tuple(inputs)
    found = jacobian(gradient, values, create_graph=create_graph, strict=strict)
    return found[0] if isinstance(inputs, Tensor) else found


def _scalar(operation: str, func: Callable) -> Callable:
    def checked(*values: Any) -> Any:
        result = func(*values)
        output = result if isinstance(result, Tensor) else _tuple(result)[0]
        if output.numel() != 1:
            raise RuntimeError(
                f"The output of the function given to {operation} should contain a single element."
            )
        return output.reshape(())

    return checked


@enable_grad()
def hvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple:
    """Return func(inputs), and the Hessian of the scalar function at `inputs` times v.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([1.0, 2.0])
        >>> torch.autograd.functional.hvp(lambda x: (x * x).sum(), x, torch.ones(2))
        (tensor(5.), tensor([2., 2.]))
    """
    leaves = _leaves("hvp", inputs, create_graph)
    tangents = _vectors("hvp", v, leaves, "input")
    output = _scalar("hvp", func)(*leaves)
    first = _filled("hvp", _grad((output,), leaves, (output.new_ones(()),), True), leaves, strict)
    found = _filled("hvp", _grad(first, leaves, tangents, create_graph), leaves, strict)
    return _cut(output, create_graph), _like(_cut(found, create_graph), inputs)


@enable_grad()
def vhp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple:
    """Return func(inputs), and v times the Hessian of the scalar function: the same as `hvp`.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.tensor([1.0, 2.0])
        >>> torch.autograd.functional.vhp(lambda x: (x * x).sum(), x, torch.ones(2))
        (tensor(5.), tensor([2., 2.]))
    """
    return hvp(func, inputs, v, create_graph, strict)
