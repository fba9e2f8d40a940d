"""Matrices with orthonormal columns, made of others."""

from __future__ import annotations

import numpy as np

from jitgrad.ops.create import tensor
from jitgrad.ops.joining import cat
from jitgrad.ops.matrices import householder_product, matrix_exp, solve
from jitgrad.ops.random import randn
from jitgrad.tensor import Tensor


def orthogonal_of(weight: Tensor, orthogonal_map: str) -> Tensor:
    """Return a matrix with orthonormal columns made of `weight`, (..., n, k) with k <= n.

    "matrix_exp" and "cayley" make it of the skew-symmetric part of its lower triangle,
    "householder" of reflections, whose signs are on its diagonal.
    """
    *batch, n, k = weight.shape
    if orthogonal_map == "householder":
        below = weight.tril(-1)
        signs = weight.detach().diagonal(0, -2, -1).trunc()
        lengths = (below * below).sum(-2)
        return householder_product(below, 2 / (1 + lengths)) * signs.unsqueeze(-2)
    lower = weight.tril()
    if n != k:
        lower = cat([lower, weight.new_zeros(*batch, n, n - k)], -1)
    skew = lower - lower.transpose(-2, -1)
    if orthogonal_map == "matrix_exp":
        made = matrix_exp(skew)
    else:
        one = weight.new_tensor(np.eye(n))
        made = solve(one - skew / 2, one + skew / 2)
    return made[..., :k]


def _orthonormal(array: np.ndarray) -> np.ndarray:
    q, r = np.linalg.qr(array)
    # with these signs, what is orthonormal stays as it is
    return q * np.where(np.diagonal(r, 0, -2, -1) < 0, -1, 1)[..., None, :]


def completed(weight: Tensor) -> Tensor:
    """Return an orthogonal matrix whose first columns are those of `weight`, made orthonormal."""
    *batch, n, k = weight.shape
    if n != k:
        weight = cat([weight, randn(*batch, n, n - k, dtype=weight.dtype)], -1)
    return tensor(_orthonormal(weight.detach().numpy()), dtype=weight.dtype)


def reflections_of(weight: Tensor) -> Tensor:
    """Return what "householder" makes `weight` of, whose columns are orthonormal."""
    packed, factors = np.linalg.qr(weight.detach().numpy(), mode="raw")
    made = packed.swapaxes(-2, -1).copy()
    diagonal = np.einsum("...ii->...i", made[..., : made.shape[-1], :])
    diagonal[...] = np.sign(diagonal) * np.where(factors == 0, -1, 1)
    return tensor(made, dtype=weight.dtype)
