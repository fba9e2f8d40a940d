"""Weights divided by their largest singular value, computed before each call."""

from __future__ import annotations

from typing import Any, TypeVar

from jitgrad.errors import describe
from jitgrad.nn.modules.module import Module
from jitgrad.nn.parameter import Parameter, is_lazy
from jitgrad.nn.utils.weights import (
    as_matrix,
    hook_of,
    iterate,
    random_direction,
    rows_of,
    without_gain,
)
from jitgrad.tensor import Tensor

__all__ = ["SpectralNorm", "remove_spectral_norm", "spectral_norm"]

AnyModule = TypeVar("AnyModule", bound=Module)


class SpectralNorm:
    """The hook of `spectral_norm`: makes the weight before each call."""

    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float) -> None:
        if n_power_iterations <= 0:
            raise ValueError(
                describe(
                    "spectral_norm",
                    f"n_power_iterations={n_power_iterations}",
                    "Expected n_power_iterations to be positive",
                )
            )
        self.name, self.dim, self.eps = name, dim, eps
        self.n_power_iterations = n_power_iterations

    def compute_weight(self, module: Any, do_power_iteration: bool) -> Tensor:
        """Return the weight divided by the estimate of its largest singular value."""
        weight = getattr(module, self.name + "_orig")
        u, v = getattr(module, self.name + "_u"), getattr(module, self.name + "_v")
        matrix = as_matrix(weight, self.dim)
        if do_power_iteration:
            iterate(matrix.detach().t(), v, u, self.n_power_iterations, self.eps)
        return without_gain(weight, matrix, u, v)

    @staticmethod
    def apply(
        module: Any, name: str, n_power_iterations: int, dim: int, eps: float
    ) -> SpectralNorm:
        """Replace the parameter `name` of `module`; return the hook."""
        hook = SpectralNorm(name, n_power_iterations, dim, eps)
        if hook_of(module, SpectralNorm, name) is not None:
            raise RuntimeError(
                f"Cannot register two spectral_norm hooks on the same parameter {name}"
            )
        weight = module._parameters[name]
        if weight is None:
            raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
        if is_lazy(weight):
            raise ValueError(
                "The module passed to `SpectralNorm` can't have uninitialized parameters. Make "
                "sure to run the dummy forward before applying spectral normalization"
            )
        rows, columns = as_matrix(weight.detach(), dim).shape
        del module._parameters[name]
        module.register_parameter(name + "_orig", weight)
        # a plain attribute, so that an earlier call's weight is there before the first call
        setattr(module, name, weight.detach())
        module.register_buffer(name + "_u", random_direction(rows, weight, eps))
        module.register_buffer(name + "_v", random_direction(columns, weight, eps))
        module.register_forward_pre_hook(hook)
        return hook

    def remove(self, module: Any) -> None:
        """Make the weight a parameter again."""
        weight = self.compute_weight(module, do_power_iteration=False).detach()
        delattr(module, self.name)
        for part in "_u", "_v", "_orig":
            delattr(module, self.name + part)
        module.register_parameter(self.name, Parameter(weight))

    def __call__(self, module: Any, _args: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, module.training))


def spectral_norm(
    module: AnyModule,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> AnyModule:
    """Divide the parameter `name` by its largest singular value before each call; return `module`.

    Each call in training brings the estimate of that value nearer. The parameter itself is called
    `name_orig` then. Source: Miyato and others, Spectral normalization for generative adversarial
    networks, 2018.

    Args:
        module: the owner.
        name: its parameter.
        n_power_iterations: steps of the estimate for each call.
        eps: the least length that is divided by.
        dim: the dimension that counts the outputs: 0, 1 for transposed convolutions.

    Raises:
        RuntimeError: it is so already.
        ValueError: no steps, or the parameter has no shape yet.

    Example:
        >>> import jitgrad as torch
        >>> layer = torch.nn.utils.spectral_norm(torch.nn.Linear(20, 40))
        >>> layer.weight_u.shape
        torch.Size([40])
    """
    SpectralNorm.apply(module, name, n_power_iterations, rows_of(module, dim), eps)
    return module


def remove_spectral_norm(module: AnyModule, name: str = "weight") -> AnyModule:
    """Undo `spectral_norm`, keeping the weight as it is now; return `module`.

    Raises:
        ValueError: there is none.
    """
    number = hook_of(module, SpectralNorm, name)
    if number is None:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    hook: Any = module._forward_pre_hooks.pop(number).function
    hook.remove(module)
    return module
