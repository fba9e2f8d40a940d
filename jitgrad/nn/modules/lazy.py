"""Modules that learn the shapes of their parameters from the first input."""

from __future__ import annotations

from typing import Any

from jitgrad.nn.modules.hooks import RemovableHandle
from jitgrad.nn.modules.module import Module
from jitgrad.nn.parameter import is_lazy

__all__ = ["LazyModuleMixin"]


class LazyModuleMixin(Module):
    """Turns a module into one whose parameters get their shapes at the first call.

    Derive from it first and from the module second, make the parameters
    `UninitializedParameter`s, and define `initialize_parameters`, which gets the arguments of
    the first call and materializes them. Then the module becomes one of the class
    `cls_to_become`. Let it see an input before an optimizer is made of its parameters.

    Example:
        >>> import jitgrad as torch
        >>> layer = torch.nn.LazyLinear(2)
        >>> _ = layer(torch.ones(1, 3))
        >>> layer
        Linear(in_features=3, out_features=2, bias=True)
    """

    cls_to_become: type[Module] | None = None
    _initialize_hook: RemovableHandle
    _load_hook: RemovableHandle

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(
            self._infer_parameters, with_kwargs=True
        )

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Materialize the parameters for these arguments of `forward`: classes define it."""
        raise NotImplementedError(
            f"initialize_parameters is not implemented for {type(self).__name__}"
        )

    def has_uninitialized_params(self) -> bool:
        """Say whether a parameter or buffer of this module has no shape yet."""
        every = [*self._parameters.values(), *self._buffers.values()]
        return any(map(is_lazy, every))

    def _lazy_load_hook(self, state_dict: dict, prefix: str, *_: Any) -> None:
        """Give parameters without a shape that of what is about to be loaded."""
        for name, value in {**self._parameters, **self._buffers}.items():
            other = state_dict.get(prefix + name)
            if is_lazy(value) and other is not None and not is_lazy(other):
                value.materialize(other.shape)  # type: ignore[union-attr]

    def _infer_parameters(self, module: Any, args: tuple, kwargs: dict) -> None:
        """Initialize the parameters and become an ordinary module: the hook of the first call."""
        module.initialize_parameters(*args, **kwargs)
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {module._get_name()} has not been fully initialized")
        for name in ("_initialize_hook", "_load_hook"):
            getattr(module, name).remove()
            delattr(module, name)
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become
