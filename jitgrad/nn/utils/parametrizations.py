"""Weights with a property that training keeps: a length, a singular value, orthogonality."""

from __future__ import annotations

import functools
from typing import Any, TypeVar

from jitgrad.errors import describe
from jitgrad.nn import functional as F
from jitgrad.nn.modules.module import Module
from jitgrad.nn.utils.orthogonality import completed, orthogonal_of, reflections_of
from jitgrad.nn.utils.parametrize import register_parametrization
from jitgrad.nn.utils.weights import (
    as_matrix,
    iterate,
    norm_except_dim,
    random_direction,
    rows_of,
    without_gain,
)
from jitgrad.ops.create import zeros_like
from jitgrad.ops.linalg import matmul
from jitgrad.tensor import Tensor

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]

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
    # not a function defined here, which could not be pickled
    module._register_load_state_dict_pre_hook(functools.partial(_rename_older, name))
    return module


def _rename_older(name: str, state_dict: dict, prefix: str, *_: Any) -> None:
    for number, part in enumerate(("_g", "_v")):
        if prefix + name + part in state_dict:
            new = f"{prefix}parametrizations.{name}.original{number}"
            state_dict[new] = state_dict.pop(prefix + name + part)


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
        return without_gain(weight, matrix, self._u, self._v)

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


MAPS = ("matrix_exp", "cayley", "householder")


class _Orthogonal(Module):
    """Makes an orthogonal matrix of any one, beginning from `base` if there is one."""

    def __init__(self, shape: tuple[int, ...], orthogonal_map: str, use_base: bool) -> None:
        super().__init__()
        self.shape, self.orthogonal_map, self.use_base = shape, orthogonal_map, use_base
        if use_base:
            self.register_buffer("base", None)

    def forward(self, weight: Tensor) -> Tensor:
        wide = self.shape[-2] < self.shape[-1]
        made = orthogonal_of(weight.transpose(-2, -1) if wide else weight, self.orthogonal_map)
        if self.use_base:
            made = matmul(self.base, made)
        return made.transpose(-2, -1) if wide else made

    def right_inverse(self, weight: Tensor) -> Tensor:
        if tuple(weight.shape) != self.shape:
            rule = f"Expected a matrix or batch of matrices of shape {self.shape}"
            raise ValueError(describe("orthogonal", f"a tensor of shape {weight.shape}", rule))
        wide = self.shape[-2] < self.shape[-1]
        tall = weight.transpose(-2, -1) if wide else weight
        if not self.use_base:
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential or the Cayley "
                    "parametrizations when use_trivialization=False."
                )
            made = reflections_of(tall)
            return made.transpose(-2, -1) if wide else made
        self.base = completed(tall)
        # what every map makes the identity of
        start = zeros_like(weight)
        start.diagonal(0, -2, -1).fill_(-1)
        return start


def orthogonal(
    module: AnyModule,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> AnyModule:
    """Let the matrix `name` have orthonormal columns, or rows if it has fewer of them.

    Batches of matrices are fine. Source: Lezcano-Casado, Trivializations for gradient-based
    optimization on manifolds, 2019.

    Args:
        module: the owner.
        name: its parameter.
        orthogonal_map: how the matrix is made of a free one: "matrix_exp" (the default for square
            ones), "cayley" or "householder" (the default for others).
        use_trivialization: multiply it with a fixed matrix, so that it can begin anywhere.

    Returns:
        `module`.

    Raises:
        ValueError: there is no such parameter, it is no matrix, or another map.

    Example:
        >>> import jitgrad as torch
        >>> layer = torch.nn.utils.parametrizations.orthogonal(torch.nn.Linear(20, 40))
        >>> product = layer.weight.t() @ layer.weight
        >>> torch.allclose(product, torch.eye(20), atol=1e-5)
        True
    """
    weight = _checked("orthogonal", module, name)
    if weight.ndim < 2:
        raise ValueError(
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions."
        )
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.shape[-2] == weight.shape[-1] else "householder"
    if orthogonal_map not in MAPS:
        raise ValueError(
            'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". '
            f"Got: {orthogonal_map}"
        )
    made = _Orthogonal(tuple(weight.shape), orthogonal_map, use_trivialization)
    register_parametrization(module, name, made, unsafe=True)
    return module
