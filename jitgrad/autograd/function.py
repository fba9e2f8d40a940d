"""Operations with a derivative written by the user."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable
from typing import Any

from jitgrad.dispatch import CAST, TensorCore, bind, bind_zeros, node_of, requires_grad, wrap
from jitgrad.inplace import check_writable, rebase
from jitgrad.modes import state
from jitgrad.node import FREED, SECOND_BACKWARD, Node, PrimitiveNode, Saved, spec_like
from jitgrad.spec import Spec


class FunctionCtx:
    """What a forward leaves for its backward. Any attribute may be set on it.

    Attributes:
        needs_input_grad: for each argument of `apply`, whether it requires grad.
    """

    needs_input_grad: tuple[bool, ...] = ()
    _to_save: tuple = ()
    _dirty: tuple = ()
    _not_differentiable: tuple = ()
    _materialize: bool = True
    _node: Any = None

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors (or None) for `saved_tensors`; backward raises if one was changed since."""
        for position, each in enumerate(tensors):
            if each is not None and not isinstance(each, TensorCore):
                raise TypeError(
                    "save_for_backward can only save variables, but argument "
                    f"{position} is of type {type(each).__name__}; set other values as "
                    "attributes: ctx.name = value"
                )
        self._to_save = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        """Do nothing: forward-mode derivatives do not exist here."""

    def mark_dirty(self, *tensors: Any) -> None:
        """Declare the inputs that forward changes in place; it must return them."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Declare outputs that do not require grad."""
        self._not_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """With False, backward gets None, not zeros, for outputs without a gradient."""
        self._materialize = value

    @property
    def saved_tensors(self) -> tuple:
        """What `save_for_backward` kept; empty during forward.

        Raises:
            RuntimeError: it is freed, or a tensor was changed in place since.
        """
        node = self._node and self._node()
        return () if node is None else node.unpack_saved()


class FunctionNode(Node):
    """The history of the outputs of a user's Function."""

    calls_users = True

    def __init__(self, function: type[Function], ctx: FunctionCtx, inputs: tuple, made: tuple):
        tensors = [each if isinstance(each, TensorCore) else None for each in inputs]
        edges = tuple(each if each is None else node_of(each) for each in tensors)
        indices = tuple(0 if each is None else each._index for each in tensors)
        super().__init__(edges, indices, outputs=len(made))
        self.function = function
        self.ctx = ctx
        self.inputs = tuple(each if each is None else spec_like(each) for each in tensors)
        self.made = tuple(
            spec_like(each) if isinstance(each, TensorCore) else None for each in made
        )
        self.saved: Any = ()
        ctx._node = weakref.ref(self)

    def name(self) -> str:
        return f"{self.function.__name__}Backward"

    def __getattr__(self, name: str) -> Any:
        # PyTorch's nodes are the context: grad_fn.saved_tensors
        return getattr(object.__getattribute__(self, "ctx"), name)

    def save(self) -> None:
        """Keep what forward asked for, as it is now that the outputs have their history."""
        self.saved = tuple(
            each if each is None else self._saved(each) for each in self.ctx._to_save
        )
        self.ctx._to_save = ()

    def _saved(self, tensor: Any) -> Saved:
        node = node_of(tensor)
        return Saved(tensor, node, own=node is self)

    def unpack_saved(self) -> tuple:
        """Return the saved tensors, versions checked."""
        if self.saved is FREED:
            raise RuntimeError(SECOND_BACKWARD)
        return tuple(
            each and each.unpack(self, self.function.__name__, PrimitiveNode.rebuild)
            for each in self.saved
        )

    def backward(self, cotangents: list, needed: list[bool]) -> tuple:
        if state.recorder is not None:
            state.recorder.unknown(f"autograd.Function {self.function.__name__}.backward")
        if self.ctx._materialize:
            cotangents = [
                bind_zeros(spec) if each is None and spec is not None else each
                for each, spec in zip(cotangents, self.made)
            ]
        made = _backward_of(self.function)(self.ctx, *cotangents)
        return self._checked(made if isinstance(made, tuple) else (made,))

    def _checked(self, made: tuple) -> tuple:
        expected = len(self.inputs)
        if len(made) > expected and all(each is None for each in made[expected:]):
            made = made[:expected]
        if len(made) != expected:
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients "
                f"(expected {expected}, got {len(made)}); return one for each argument of "
                "forward, None where there is none"
            )
        result = []
        for position, (each, spec) in enumerate(zip(made, self.inputs)):
            if each is not None and spec is None:
                raise RuntimeError(
                    f"function {self.name()} returned a gradient different than None at position "
                    f"{position + 1}, but the corresponding forward input was not a Variable"
                )
            result.append(None if spec is None else self._fitted(position, each, spec))
        return tuple(result)

    def _fitted(self, position: int, cotangent: Any, spec: Spec) -> Any:
        if cotangent is None:
            return None
        if not isinstance(cotangent, TensorCore):
            raise RuntimeError(
                f"function {self.name()}: expected Variable or None (got "
                f"{type(cotangent).__name__}) as gradient {position}"
            )
        shape = cotangent._array.shape
        if shape != spec.shape:
            if not _expands(spec.shape, shape):
                raise RuntimeError(
                    f"Function {self.name()} returned an invalid gradient at index {position} - "
                    f"got {list(shape)} but expected shape compatible with {list(spec.shape)}"
                )
            cotangent = PrimitiveNode.finish(cotangent, spec.shape)
        if cotangent._array.dtype != spec.dtype:
            cotangent = bind(CAST, cotangent, dtype=spec.dtype)
        return cotangent

    def release(self) -> None:
        self.saved = FREED


def _expands(shape: tuple, to: tuple) -> bool:
    return len(shape) <= len(to) and all(
        size in (1, wide) for size, wide in zip(reversed(shape), reversed(to))
    )


def _backward_of(function: type[Function]) -> Callable:
    own, other = function.backward, function.vjp
    if own is Function.backward:
        return other
    if other is not Function.vjp:
        raise RuntimeError(
            "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. "
            "You should only implement one of them."
        )
    return own


class Function:
    """An operation whose derivative the user writes.

    Derive from it with two static methods, and call `apply`, not `forward`:

    - `forward(ctx, *args)` computes, without history. Or `forward(*args)` together with
      `setup_context(ctx, inputs, output)`.
    - `backward(ctx, *cotangents)` returns a gradient, or None, for each argument of forward.
      Written with tensor operations it can be differentiated again.

    Example:
        >>> import jitgrad as torch
        >>> class Square(torch.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         ctx.save_for_backward(x)
        ...         return x * x
        ...     @staticmethod
        ...     def backward(ctx, cotangent):
        ...         (x,) = ctx.saved_tensors
        ...         return 2 * x * cotangent
        >>> x = torch.tensor(3.0, requires_grad=True)
        >>> Square.apply(x).backward()
        >>> x.grad
        tensor(6.)
    """

    def __call__(self, *_: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use "
            f"new-style autograd function with static forward method: {type(self).__name__}.apply"
        )

    @staticmethod
    def forward(*_args: Any, **_kwargs: Any) -> Any:
        """Compute the outputs: a tensor, or a tuple of tensors and other values."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
        """Fill the context, where forward does not take it."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *_cotangents: Any) -> Any:
        """Return the gradient of each argument of forward."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with backward mode AD."
        )

    vjp = backward

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Run forward on `args`; the outputs remember backward."""
        if state.recorder is not None:
            state.recorder.unknown(f"autograd.Function {cls.__name__}.apply")
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple(requires_grad(each) for each in args)
        recording = state.grad_enabled and any(ctx.needs_input_grad)
        enabled, state.grad_enabled = state.grad_enabled, False
        try:
            if cls.setup_context is Function.setup_context:
                output = cls.forward(ctx, *args)
            else:
                output = cls.forward(*args)
                cls.setup_context(ctx, args, output)
        finally:
            state.grad_enabled = enabled
        outputs = output if isinstance(output, tuple) else (output,)
        _check_dirty(ctx, outputs)
        if recording:
            node = FunctionNode(cls, ctx, args, outputs)
            found = tuple(_joined(each, i, node, args) for i, each in enumerate(outputs))
            node.save()
        else:
            found = tuple(
                wrap(each._array, each._storage) if _returned_input(each, ctx, args) else each
                for each in outputs
            )
        return found if isinstance(output, tuple) else found[0]


def _among(value: Any, others: tuple) -> bool:
    return any(value is each for each in others)


def _check_dirty(ctx: FunctionCtx, outputs: tuple) -> None:
    if not all(_among(each, outputs) for each in ctx._dirty):
        raise RuntimeError(
            "Some elements marked as dirty during the forward method were not returned as "
            "output. The inputs that are modified inplace must all be outputs of the Function."
        )


def _returned_input(output: Any, ctx: FunctionCtx, inputs: tuple) -> bool:
    return (
        isinstance(output, TensorCore) and _among(output, inputs) and not _among(output, ctx._dirty)
    )


def _joined(output: Any, index: int, node: FunctionNode, inputs: tuple) -> Any:
    """Give one output of forward its history; return the tensor that the caller gets."""
    if not isinstance(output, TensorCore):
        return output
    ctx = node.ctx
    returned_input = _returned_input(output, ctx, inputs)
    differentiable = output._array.dtype.kind in "fc" and not _among(
        output, ctx._not_differentiable
    )
    if not differentiable:
        if returned_input:
            return wrap(output._array, output._storage)
        if node_of(output) is not None:
            output._base, output._node, output._index = None, None, 0
        return output
    if _among(output, ctx._dirty):
        check_writable(node.name(), output)
        rebase(output, node, index)
        return output
    if returned_input:
        output = wrap(output._array, output._storage)
    if any(isinstance(each, TensorCore) and each._storage is output._storage for each in inputs):
        node.views = frozenset((*node.views, index))
    output._base, output._node, output._index = None, node, index
    return output


class _Once(Node):
    """The history of gradients that cannot be differentiated again."""

    __slots__ = ()

    def backward(self, cotangents: list, needed: list[bool]) -> tuple:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )


def once_differentiable(function: Callable) -> Callable:
    """Declare that a `backward` cannot be differentiated; it runs without history.

    Use it below `@staticmethod`. Differentiating twice raises RuntimeError.
    """

    @functools.wraps(function)
    def backward(ctx: Any, *cotangents: Any) -> Any:
        enabled, state.grad_enabled = state.grad_enabled, False
        try:
            made = function(ctx, *cotangents)
        finally:
            state.grad_enabled = enabled
        given = [each for each in cotangents if requires_grad(each)]
        if not enabled or not given:
            return made
        edges = tuple(node_of(each) for each in given)
        node = _Once(edges, tuple(each._index for each in given))
        outputs = made if isinstance(made, tuple) else (made,)
        joined = []
        for each in outputs:
            if isinstance(each, TensorCore) and each._array.dtype.kind in "fc":
                each = wrap(each._array, each._storage)
                each._node = node
            joined.append(each)
        return tuple(joined) if isinstance(made, tuple) else joined[0]

    return backward
