"""Weights as lengths and directions, computed before each call."""

from __future__ import annotations

from typing import Any, TypeVar

from jitgrad.nn.modules.module import Module
from jitgrad.nn.parameter import Parameter, is_lazy
from jitgrad.nn.utils.weights import hook_of, norm_except_dim
from jitgrad.tensor import Tensor

__all__ = ["WeightNorm", "remove_weight_norm", "weight_norm"]

AnyModule = TypeVar("AnyModule", bound=Module)


class WeightNorm:
    """The hook of `weight_norm`: makes the weight before each call."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name, self.dim = name, dim

    def compute_weight(self, module: Any) -> Tensor:
        """Return the weight for its lengths and directions."""
        g, v = getattr(module, self.name + "_g"), getattr(module, self.name + "_v")
        return v * (g / norm_except_dim(v, self.dim))

    @staticmethod
    def apply(module: Any, name: str, dim: int | None) -> WeightNorm:
        """Split the parameter `name` of `module`; return the hook."""
        if hook_of(module, WeightNorm, name) is not None:
            raise RuntimeError(
                f"Cannot register two weight_norm hooks on the same parameter {name}"
            )
        weight = getattr(module, name)
        if is_lazy(weight):
            raise ValueError(
                "The module passed to `WeightNorm` can't have uninitialized parameters. Make sure "
                "to run the dummy forward before applying weight normalization"
            )
        hook = WeightNorm(name, dim)
        del module._parameters[name]
        lengths = norm_except_dim(weight.detach(), dim)
        module.register_parameter(name + "_g", Parameter(lengths))
        module.register_parameter(name + "_v", Parameter(weight.detach()))
        setattr(module, name, hook.compute_weight(module))
        module.register_forward_pre_hook(hook)
        return hook

    def remove(self, module: Any) -> None:
        """Make the weight a parameter again."""
        weight = self.compute_weight(module).detach()
        delattr(module, self.name)
        for part in "_g", "_v":
            del module._parameters[self.name + part]
        setattr(module, self.name, Parameter(weight))

    def __call__(self, module: Any, _args: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def weight_norm(module: AnyModule, name: str = "weight", dim: int | None = 0) -> AnyModule:
    """Replace the parameter `name` by lengths `name_g` and directions `name_v`; return `module`.

    Source: Salimans and Kingma, Weight normalization, 2016. `nn.utils.parametrizations` has a newer
    form of it.

    Args:
        module: the owner.
        name: its parameter.
        dim: the dimension whose slices have a length each; None for one length.

    Raises:
        RuntimeError: it is so already.
        ValueError: the parameter has no shape yet.

    Example:
        >>> import jitgrad as torch
        >>> layer = torch.nn.utils.weight_norm(torch.nn.Linear(20, 40), name="weight")
        >>> layer.weight_g.shape, layer.weight_v.shape
        (torch.Size([40, 1]), torch.Size([40, 20]))
    """
    WeightNorm.apply(module, name, dim)
    return module


def remove_weight_norm(module: AnyModule, name: str = "weight") -> AnyModule:
    """Undo `weight_norm`, keeping the weight as it is now; return `module`.

    Raises:
        ValueError: there is none.
    """
    number = hook_of(module, WeightNorm, name)
    if number is None:
        raise ValueError(f"weight_norm of '{name}' not found in {module}")
    hook: Any = module._forward_pre_hooks.pop(number).function
    hook.remove(module)
    return module
