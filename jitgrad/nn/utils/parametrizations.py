"""Weights with a property that training keeps: a length, a largest singular value."""

from __future__ import annotations

from typing import Any, TypeVar

from jitgrad.errors import describe
from jitgrad.nn import functional as F
from jitgrad.nn.modules.module import Module
from jitgrad.nn.utils.parametrize import register_parametrization
from jitgrad.nn.utils.spectral_norm import as_matrix, iterate, random_direction, rows_of
from jitgrad.nn.utils.weight_norm import norm_except_dim
from jitgrad.ops.linalg import dot, mv
from jitgrad.tensor import Tensor

__all__ = ["spectral_norm", "weight_norm"]

AnyModule = TypeVar("AnyModule", bound=Module)


def _checked(operation: str, module: Any, name: str) -> Tensor:
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


class _WeightNorm(Module):
    def __init__(self, dim: int | None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_v * (weight_g / norm_except_dim(weight_v, self.dim))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return norm_except_dim(weight, self.dim), weight


def weight_norm(module: AnyModule, name: str = "weight", dim: int | None = 0) -> AnyModule:
    """Let the parameter `name` be lengths times directions; return `module`.

    They are `parametrizations.<name>.original0` and `original1`. State dicts of the older
    `nn.utils.weight_norm` can be loaded.
    Source: Salimans and Kingma, Weight normalization, 2016.

    Args:
        module: the owner.
        name: its parameter.
        dim: the dimension whose slices have a length each; None for one length.

    Raises:
        ValueError: there is no such parameter.

    Example:
        >>> import jitgrad as torch
        >>> layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(20, 40))
        >>> layer.parametrizations.weight.original0.shape
        torch.Size([40, 1])
    """
    _checked("weight_norm", module, name)
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(state_dict: dict, prefix: str, *_: Any) -> None:
        for number, part in enumerate(("_g", "_v")):
            if prefix + name + part in state_dict:
                new = f"{prefix}parametrizations.{name}.original{number}"
                state_dict[new] = state_dict.pop(prefix + name + part)

    module._register_load_state_dict_pre_hook(rename)
    return module


class _SpectralNorm(Module):
    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, n_power_iterations: int, dim: int, eps: float) -> None:
        super().__init__()
        if not -weight.ndim <= dim < weight.ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{weight.ndim}, "
                f"{weight.ndim - 1}] but got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                describe(
                    "spectral_norm",
                    f"n_power_iterations={n_power_iterations}",
                    "Expected n_power_iterations to be positive",
                )
            )
        self.dim, self.eps = dim % weight.ndim, eps
        self.n_power_iterations = n_power_iterations
        if weight.ndim > 1:
            matrix = as_matrix(weight.detach(), self.dim)
            self.register_buffer("_u", random_direction(matrix.shape[0], weight, eps))
            self.register_buffer("_v", random_direction(matrix.shape[1], weight, eps))
            iterate(matrix, self._u, self._v, 15, eps)

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            iterate(matrix.detach(), self._u, self._v, self.n_power_iterations, self.eps)
        # the next iteration writes to them before this derivative may have read them
        return weight / dot(self._u.clone(), mv(matrix, self._v.clone()))

    def right_inverse(self, value: Tensor) -> Tensor:
        # whatever is assigned is divided when it is read
        return value


def spectral_norm(
    module: AnyModule,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> AnyModule:
    """Divide the parameter `name` by its largest singular value where it is read; return `module`.

    Each reading in training brings the estimate of that value nearer.
    Source: Miyato and others, Spectral normalization for generative adversarial networks, 2018.

    Args:
        module: the owner.
        name: its parameter.
        n_power_iterations: steps of the estimate for each reading.
        eps: the least length that is divided by.
        dim: the dimension that counts the outputs: 0, 1 for transposed convolutions.

    Raises:
        ValueError: no steps, or there is no such parameter.
        IndexError: no such dimension.

    Example:
        >>> import jitgrad as torch
        >>> layer = torch.nn.utils.parametrizations.spectral_norm(torch.nn.Linear(20, 40))
        >>> layer.parametrizations.weight[0]._u.shape
        torch.Size([40])
    """
    weight = _checked("spectral_norm", module, name)
    made = _SpectralNorm(weight, n_power_iterations, rows_of(module, dim), eps)
    register_parametrization(module, name, made)
    return module
