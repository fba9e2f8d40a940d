"""The base class of all modules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from jitgrad import dtypes
from jitgrad.autograd import no_grad
from jitgrad.nn.modules.hooks import (
    CALL_HOOKS,
    Hook,
    RemovableHandle,
    call_with_hooks,
)
from jitgrad.nn.modules.hooks import (
    register_module_backward_hook as register_module_backward_hook,
)
from jitgrad.nn.modules.hooks import (
    register_module_buffer_registration_hook as register_module_buffer_registration_hook,
)
from jitgrad.nn.modules.hooks import (
    register_module_forward_hook as register_module_forward_hook,
)
from jitgrad.nn.modules.hooks import (
    register_module_forward_pre_hook as register_module_forward_pre_hook,
)
from jitgrad.nn.modules.hooks import (
    register_module_full_backward_hook as register_module_full_backward_hook,
)
from jitgrad.nn.modules.hooks import (
    register_module_full_backward_pre_hook as register_module_full_backward_pre_hook,
)
from jitgrad.nn.modules.hooks import (
    register_module_module_registration_hook as register_module_module_registration_hook,
)
from jitgrad.nn.modules.hooks import (
    register_module_parameter_registration_hook as register_module_parameter_registration_hook,
)
from jitgrad.nn.modules.state import Stateful
from jitgrad.nn.parameter import adopt, is_lazy
from jitgrad.ops.convert import target_of, type_
from jitgrad.ops.create import empty_like
from jitgrad.tensor import Tensor

__all__ = ["Module"]

Self = TypeVar("Self", bound="Module")

HOOKS = (
    "_forward_pre_hooks",
    "_forward_hooks",
    "_backward_pre_hooks",
    "_backward_hooks",
    "_state_dict_pre_hooks",
    "_state_dict_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


class Module(Stateful):
    """The base class of neural networks and their parts.

    Derive from it, call `super().__init__()` first, assign parameters and other modules as
    attributes, and define `forward`. Call the module itself, not `forward`, so that hooks run.

    Attributes:
        training: whether the module is being trained; dropout and batch norm behave differently.

    Example:
        >>> import jitgrad as torch
        >>> class Scale(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.factor = torch.nn.Parameter(torch.tensor(2.0))
        ...     def forward(self, x):
        ...         return self.factor * x
        >>> Scale()(torch.ones(2))
        tensor([2., 2.], grad_fn=<MulBackward>)
    """

    training: bool
    dump_patches: bool = False
    call_super_init: bool = False
    """Whether `__init__` goes on to the next class of several bases, with its arguments."""

    _forward_pre_hooks: dict[int, Hook]
    _forward_hooks: dict[int, Hook]
    _backward_pre_hooks: dict[int, Hook]
    _backward_hooks: dict[int, Hook]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init and (args or kwargs):
            came = (
                f"got an unexpected keyword argument '{next(iter(kwargs))}'"
                if kwargs
                else f"takes 1 positional argument but {len(args) + 1} were given"
            )
            raise TypeError(f"{type(self).__name__}.__init__() {came}")
        own = self.__dict__
        own["training"] = True
        own.update(_parameters={}, _buffers={}, _non_persistent_buffers_set=set(), _modules={})
        own.update((kind, {}) for kind in HOOKS)
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        for kind in HOOKS:
            # a pickle of an older version, or of a program with hooks left out
            self.__dict__.setdefault(kind, {})

    # -- calling ----------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if (
            self._forward_pre_hooks
            or self._forward_hooks
            or self._backward_pre_hooks
            or self._backward_hooks
            or CALL_HOOKS
        ):
            return call_with_hooks(self, args, kwargs)
        return self.forward(*args, **kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; derived classes define it."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before `forward`.

        What it returns, if anything, replaces the arguments. With `with_kwargs` it is
        `hook(module, args, kwargs)`, and returns both.

        Args:
            hook: the function.
            prepend: call it before the hooks that are there.
            with_kwargs: give it the keyword arguments, too.
        """
        return RemovableHandle(self._forward_pre_hooks, Hook(hook, with_kwargs), prepend)

    def register_forward_hook(
        self,
        hook: Callable,
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after `forward`.

        What it returns, if anything, replaces the output. With `with_kwargs` it is
        `hook(module, args, kwargs, output)`.

        Args:
            hook: the function.
            prepend: call it before the hooks that are there.
            with_kwargs: give it the keyword arguments, too.
            always_call: call it also where an exception is raised; the output is None then.
        """
        entry = Hook(hook, with_kwargs, always_call)
        return RemovableHandle(self._forward_hooks, entry, prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_output)` when the gradients of the outputs are there.

        What it returns, if anything, replaces them.
        """
        return RemovableHandle(self._backward_pre_hooks, Hook(hook), prepend)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` when the gradients of the inputs are there.

        Both are tuples, with None for what is no tensor or has no gradient. What the hook returns,
        if anything, replaces `grad_input`.
        """
        return RemovableHandle(self._backward_hooks, Hook(hook), prepend)

    def register_backward_hook(self, hook: Callable) -> RemovableHandle:
        """Do what `register_full_backward_hook` does: its older name."""
        return self.register_full_backward_hook(hook)

    # -- all of it --------------------------------------------------------------------------

    def apply(self: Self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` with each submodule and then with this module; return it.

        Example:
            >>> import jitgrad as torch
            >>> def start(module):
            ...     if isinstance(module, torch.nn.Linear):
            ...         torch.nn.init.ones_(module.weight)
            >>> network = torch.nn.Sequential(torch.nn.Linear(2, 1)).apply(start)
            >>> network[0].weight.tolist()
            [[1.0, 1.0]]
        """
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self: Self, mode: bool = True) -> Self:
        """Let this module and all below be trained (or not); return it."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: Self) -> Self:
        """Let this module and all below be used, not trained; return it."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Let all parameters require grad (or not); return the module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Reset the gradients of all parameters: to None, or to zeros."""
        for parameter in self.parameters():
            if parameter.grad is None:
                continue
            if set_to_none:
                parameter.grad = None
            else:
                parameter.grad = parameter.grad.detach()
                parameter.grad.zero_()

    # -- dtypes and devices -----------------------------------------------------------------

    def _apply(self: Self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Replace the elements of all parameters, gradients and buffers by what `fn` returns.

        The parameters stay the same objects, so that optimizers keep them.
        """
        if recurse:
            for module in self.children():
                module._apply(fn, recurse)
        with no_grad():
            for parameter in self._parameters.values():
                if parameter is not None:
                    _convert(parameter, fn)
            for name, buffer in self._buffers.items():
                if is_lazy(buffer):
                    _convert(buffer, fn)
                elif buffer is not None:
                    self._buffers[name] = fn(buffer)
        return self

    def to(self: Self, *args: Any, **kwargs: Any) -> Self:
        """Convert parameters and buffers in place: `to(dtype)`, `to(device, dtype)`, `to(tensor)`.

        Only those of floating-point dtypes change their dtype. Returns the module.

        Raises:
            TypeError: a dtype that is not floating-point.
            RuntimeError: a device that is not here.

        Example:
            >>> import jitgrad as torch
            >>> torch.nn.Linear(2, 1).to(torch.float64).weight.dtype
            torch.float64
        """
        _, dtype, _ = target_of("to", args, kwargs)
        if dtype is not None and dtype.kind not in "fc":
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                f"dtype={dtypes.FROM_NUMPY[dtype]}"
            )
        return self if dtype is None else self._to_floating(dtypes.FROM_NUMPY[dtype])

    def _to_floating(self: Self, dtype: dtypes.dtype) -> Self:
        return self._apply(lambda each: each.to(dtype) if each.is_floating_point() else each)

    def type(self: Self, dst_type: Any) -> Self:
        """Convert all parameters and buffers to `dst_type`; return the module."""
        return self._apply(lambda each: type_(each, dst_type))

    def float(self: Self) -> Self:
        """Convert floating-point parameters and buffers to float32; return the module."""
        return self._to_floating(dtypes.float32)

    def double(self: Self) -> Self:
        """Convert floating-point parameters and buffers to float64; return the module."""
        return self._to_floating(dtypes.float64)

    def half(self: Self) -> Self:
        """Convert floating-point parameters and buffers to float16; return the module."""
        return self._to_floating(dtypes.float16)

    def cpu(self: Self) -> Self:
        """Return the module, which is on the cpu."""
        return self

    def cuda(self: Self, device: Any = None) -> Self:
        """Raise RuntimeError: there is no CUDA here."""
        return self.to("cuda" if device is None else device)

    def to_empty(self: Self, *, device: Any, recurse: bool = True) -> Self:
        """Give parameters and buffers new memory, its contents not to be relied on."""
        return self._apply(lambda each: empty_like(each, device=device), recurse)

    # -- text -------------------------------------------------------------------------------

    def _get_name(self) -> str:
        return self.__class__.__name__

    def extra_repr(self) -> str:
        """Return what shall stand between the parentheses of `repr`; derived classes define it."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [
            f"({name}): {_indented(repr(module))}" for name, module in self._modules.items()
        ]
        if len(lines) == 1 and not children:
            return f"{self._get_name()}({lines[0]})"
        if not lines and not children:
            return f"{self._get_name()}()"
        inner = "".join(f"\n  {line}" for line in [*lines, *children])
        return f"{self._get_name()}({inner}\n)"


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def _convert(parameter: Any, fn: Callable[[Tensor], Tensor]) -> None:
    """Let `parameter` show what `fn` makes of it, and its gradient likewise."""
    if is_lazy(parameter):
        parameter.pending = fn(parameter.pending)
        return
    gradient = parameter.grad
    made = fn(parameter)
    if made is parameter:
        return
    adopt(parameter, made)
    if gradient is not None:
        parameter.grad = fn(gradient).requires_grad_(gradient.requires_grad)
