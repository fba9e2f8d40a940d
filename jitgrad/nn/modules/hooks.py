"""Functions that modules call before and after `forward`, and around their derivative."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jitgrad.autograd import Function
from jitgrad.dispatch import requires_grad
from jitgrad.modes import state
from jitgrad.tensor import Tensor

__all__ = [
    "RemovableHandle",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

_numbers = itertools.count()


@dataclass
class Hook:
    """A function and how it wants to be called."""

    function: Callable
    with_kwargs: bool = False
    always_call: bool = False


class RemovableHandle:
    """Takes a hook away again: by `remove()`, or at the end of a `with` block.

    Example:
        >>> import jitgrad as torch
        >>> module = torch.nn.Identity()
        >>> with module.register_forward_hook(lambda module, args, output: 2 * output):
        ...     print(module(torch.ones(1)))
        tensor([2.])
        >>> module(torch.ones(1))
        tensor([1.])
    """

    def __init__(self, hooks: dict, hook: Any = None, prepend: bool = False) -> None:
        self.hooks = hooks
        # a module that was pickled brings numbers of another process with it
        self.id = next(number for number in _numbers if number not in hooks)
        others = dict(hooks) if prepend else {}
        if prepend:
            hooks.clear()
        hooks[self.id] = hook
        hooks.update(others)

    def remove(self) -> None:
        """Take the hook away; a second time does nothing."""
        self.hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


CALL_HOOKS: dict[int, tuple[str, Hook]] = {}
"""Hooks around the calls of all modules, each with the name of the dict for those of one module."""

REGISTRATION_HOOKS: dict[int, tuple[str, Callable]] = {}
"""Hooks of all modules for what is registered, each with the name of the dict that it goes into."""


def hooks_of(module: Any, kind: str) -> list[tuple[int, Hook]]:
    """Return the hooks for a call of `module`, those of all modules first."""
    hooks = [(number, hook) for number, (found, hook) in CALL_HOOKS.items() if found == kind]
    for number, hook in getattr(module, kind).items():
        # numbers of one module may be those of all modules
        hooks.append((-1 - number, hook))
    return hooks


def registered(kind: str, module: Any, name: str, value: Any) -> Any:
    """Return what is to be registered in the dict `kind` of `module`, after the hooks saw it."""
    for found, hook in list(REGISTRATION_HOOKS.values()):
        if found == kind:
            other = hook(module, name, value)
            value = value if other is None else other
    return value


def call_with_hooks(module: Any, args: tuple, kwargs: dict) -> Any:
    """Call `forward` of `module` and the hooks around it."""
    done: list[int] = []
    result = None
    try:
        for _, hook in hooks_of(module, "_forward_pre_hooks"):
            args, kwargs = _before(module, hook, args, kwargs)
        boundary = _boundary(module)
        if boundary is not None:
            args = boundary.enter(args)
        result = module.forward(*args, **kwargs)
        for number, hook in hooks_of(module, "_forward_hooks"):
            done.append(number)
            made = _after(module, hook, args, kwargs, result)
            result = result if made is None else made
        return result if boundary is None else boundary.leave(result)
    except Exception:
        for number, hook in hooks_of(module, "_forward_hooks"):
            if hook.always_call and number not in done:
                _after_error(module, hook, args, kwargs, result)
        raise


def _before(module: Any, hook: Hook, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    if not hook.with_kwargs:
        made = hook.function(module, args)
        if made is None:
            return args, kwargs
        return (made if isinstance(made, tuple) else (made,)), kwargs
    made = hook.function(module, args, kwargs)
    if made is None:
        return args, kwargs
    if not isinstance(made, tuple) or len(made) != 2:
        raise RuntimeError(
            f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got "
            f"{made}."
        )
    return made


def _after(module: Any, hook: Hook, args: tuple, kwargs: dict, result: Any) -> Any:
    if hook.with_kwargs:
        return hook.function(module, args, kwargs, result)
    return hook.function(module, args, result)


def _after_error(module: Any, hook: Hook, args: tuple, kwargs: dict, result: Any) -> None:
    try:
        _after(module, hook, args, kwargs, result)
    except Exception as error:
        warnings.warn(
            "module forward hook with ``always_call=True`` raised an exception that was silenced "
            f"as another error was raised in forward: {error}",
            stacklevel=4,
        )


class _Notice(Function):
    """The identity, whose derivative is what a function makes of it.

    It gets zeros for outputs without a gradient if `fill`, else None.
    """

    @staticmethod
    def forward(ctx: Any, notice: Callable, fill: bool, *tensors: Tensor) -> tuple:
        ctx.notice = notice
        ctx.set_materialize_grads(fill)
        ctx.mark_non_differentiable(*(each for each in tensors if not requires_grad(each)))
        return tensors

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> tuple:
        return None, None, *ctx.notice(cotangents)


class Boundary:
    """What stands around one call of a module so that its backward hooks hear of the derivative.

    The gradients of the outputs arrive first, and are kept; the hooks are called with them once
    the gradients of the inputs are there, or at once where no input has one.
    """

    def __init__(self, module: Any, hooks: list[Hook], pre_hooks: list[Hook]) -> None:
        self.module, self.hooks, self.pre_hooks = module, hooks, pre_hooks
        self.of_outputs: tuple | None = None
        self.input_places: list[int] | None = None
        self.inputs = 0

    def enter(self, args: tuple) -> tuple:
        """Return the arguments of `forward`, whose gradients will be noticed."""
        self.inputs = len(args)
        args, self.input_places = self._noticed(args, self.inputs_have, True)
        return args

    def leave(self, result: Any) -> Any:
        """Return the result of `forward`, whose gradients will be noticed."""
        if not isinstance(result, (Tensor, tuple)):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of "
                f"Tensors but received {type(result)}",
                stacklevel=4,
            )
            return result
        outputs = result if isinstance(result, tuple) else (result,)
        noticed, self.output_places = self._noticed(outputs, self.outputs_have, False)
        self.outputs = len(outputs)
        if isinstance(result, Tensor):
            return noticed[0]
        return type(result)(*noticed) if hasattr(result, "_fields") else noticed

    @staticmethod
    def _noticed(values: tuple, notice: Callable, fill: bool) -> tuple[tuple, list[int] | None]:
        places = [at for at, each in enumerate(values) if isinstance(each, Tensor)]
        if not state.grad_enabled or not any(requires_grad(values[at]) for at in places):
            return values, None
        made = list(values)
        noticed = _Notice.apply(notice, fill, *(values[at] for at in places))
        for at, each in zip(places, noticed):
            made[at] = each
        return tuple(made), places

    def outputs_have(self, cotangents: tuple) -> tuple:
        """Hear of the gradients of the outputs; return what the module shall see instead."""
        places = self.output_places or []
        gradients = _spread(cotangents, places, self.outputs)
        for hook in self.pre_hooks:
            gradients = _replaced(
                "Backward pre hook", hook.function(self.module, gradients), gradients
            )
        self.of_outputs = gradients
        if self.input_places is None:
            self._without_inputs(gradients)
        return tuple(gradients[at] for at in places)

    def _without_inputs(self, gradients: tuple) -> None:
        nothing = (None,) * self.inputs
        for hook in self.hooks:
            made = hook.function(self.module, nothing, gradients)
            if made is not None and not (
                isinstance(made, tuple) and all(each is None for each in made)
            ):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always "
                    "return None or None for all gradients."
                )
        self.of_outputs = None

    def inputs_have(self, cotangents: tuple) -> tuple:
        """Hear of the gradients of the inputs; return what shall flow on instead."""
        if self.of_outputs is None:
            return cotangents
        places = self.input_places or []
        gradients = _spread(cotangents, places, self.inputs)
        for hook in self.hooks:
            made = hook.function(self.module, gradients, self.of_outputs)
            gradients = _replaced("Backward hook", made, gradients)
        self.of_outputs = None
        return tuple(gradients[at] for at in places)


def _boundary(module: Any) -> Boundary | None:
    """Return the boundary for a call of `module`, None if it has no backward hooks."""
    hooks = [hook for _, hook in hooks_of(module, "_backward_hooks")]
    pre_hooks = [hook for _, hook in hooks_of(module, "_backward_pre_hooks")]
    return Boundary(module, hooks, pre_hooks) if hooks or pre_hooks else None


def _spread(values: tuple, places: list[int], length: int) -> tuple:
    made: list[Any] = [None] * length
    for at, each in zip(places, values):
        made[at] = each
    return tuple(made)


def _replaced(what: str, made: Any, gradients: tuple) -> tuple:
    if made is None:
        return gradients
    made = made if isinstance(made, tuple) else (made,)
    if len(made) != len(gradients):
        raise RuntimeError(
            f"{what} returned an invalid number of grad_input, got {len(made)}, but expected "
            f"{len(gradients)}"
        )
    return made


def register_module_forward_pre_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, args)` before each call of each module; see `Module`."""
    return RemovableHandle(CALL_HOOKS, ("_forward_pre_hooks", Hook(hook)))


def register_module_forward_hook(
    hook: Callable, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call `hook(module, args, output)` after each call of each module; see `Module`."""
    return RemovableHandle(CALL_HOOKS, ("_forward_hooks", Hook(hook, with_kwargs, always_call)))


def register_module_full_backward_pre_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, grad_output)` before the derivative of each module; see `Module`."""
    return RemovableHandle(CALL_HOOKS, ("_backward_pre_hooks", Hook(hook)))


def register_module_full_backward_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` after the derivative of each module."""
    return RemovableHandle(CALL_HOOKS, ("_backward_hooks", Hook(hook)))


register_module_backward_hook = register_module_full_backward_hook


def register_module_parameter_registration_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, name, parameter)` for each that is registered; it may return another."""
    return RemovableHandle(REGISTRATION_HOOKS, ("_parameters", hook))


def register_module_buffer_registration_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, name, buffer)` for each that is registered; it may return another."""
    return RemovableHandle(REGISTRATION_HOOKS, ("_buffers", hook))


def register_module_module_registration_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, name, submodule)` for each that is registered; it may return another."""
    return RemovableHandle(REGISTRATION_HOOKS, ("_modules", hook))
