"""What weight norm and spectral norm compute, in their older form and as parametrizations."""

from __future__ import annotations

from typing import Any

from jitgrad.autograd import no_grad
from jitgrad.nn import functional as F
from jitgrad.ops.linalg import dot, mv
from jitgrad.ops.random import randn
from jitgrad.tensor import Tensor


def norm_except_dim(v: Tensor, dim: int | None) -> Tensor:
    """Return the lengths of the slices of `v` along `dim`, of all of it without `dim`."""
    if dim is None or dim == -1:
        return v.norm()
    others = tuple(each for each in range(v.ndim) if each != dim % v.ndim)
    return v.norm(2, others, True) if others else v.abs()


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """Return `weight` as a matrix whose rows are the slices along `dim`."""
    moved = weight if dim == 0 else weight.movedim(dim, 0)
    return moved.reshape(moved.shape[0], -1)


def iterate(matrix: Tensor, u: Tensor, v: Tensor, times: int, eps: float) -> None:
    """Let `u` and `v`, in place, come nearer to the singular vectors of the largest value."""
    with no_grad():
        for _ in range(times):
            u.copy_(F.normalize(mv(matrix, v), dim=0, eps=eps))
            v.copy_(F.normalize(mv(matrix.t(), u), dim=0, eps=eps))


def random_direction(size: int, like: Tensor, eps: float) -> Tensor:
    """Return a random vector of length 1 and the dtype of `like`."""
    return F.normalize(randn(size, dtype=like.dtype), dim=0, eps=eps)


def rows_of(module: Any, dim: int | None) -> int:
    """Return which dimension of the weight counts the outputs: `dim`, or that of the module."""
    if dim is not None:
        return dim
    return 1 if getattr(module, "transposed", False) else 0


def without_gain(weight: Tensor, matrix: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Return `weight` divided by the singular value of `matrix` that `u` and `v` belong to."""
    # the next iteration writes to them before this derivative may have read them
    return weight / dot(u.clone(), mv(matrix, v.clone()))


def hook_of(module: Any, kind: type, name: str) -> int | None:
    """Return the number of the hook of class `kind` for the weight `name`, None without one."""
    for number, hook in module._forward_pre_hooks.items():
        if isinstance(hook.function, kind) and hook.function.name == name:
            return number
    return None
