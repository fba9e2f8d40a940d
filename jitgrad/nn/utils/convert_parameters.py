"""Parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from jitgrad.errors import describe
from jitgrad.ops.joining import cat
from jitgrad.tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Return all elements of `parameters` in one vector.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.utils.parameters_to_vector([torch.ones(2), torch.zeros(1, 1)])
        tensor([1., 1., 0.])
    """
    return cat([each.reshape(-1) for each in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Let `parameters` show the elements of `vec`, one after the other.

    As in PyTorch they show its memory: what is written to `vec` later is seen in them.

    Raises:
        TypeError: `vec` is no tensor.
        RuntimeError: it has too few elements; no parameter has changed then.

    Example:
        >>> import jitgrad as torch
        >>> layer = torch.nn.Linear(2, 1)
        >>> torch.nn.utils.vector_to_parameters(torch.tensor([1.0, 2.0, 3.0]), layer.parameters())
        >>> layer.weight.tolist(), layer.bias.tolist()
        ([[1.0, 2.0]], [3.0])
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    targets = list(parameters)
    needed = sum(each.numel() for each in targets)
    if needed > vec.numel():
        came = f"a vector of {vec.numel()} elements for parameters of {needed}"
        raise RuntimeError(
            describe("vector_to_parameters", came, "the shape is invalid: there are too few")
        )
    start = 0
    for each in targets:
        end = start + each.numel()
        each.data = vec[start:end].view_as(each).data
        start = end
