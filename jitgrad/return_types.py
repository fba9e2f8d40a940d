"""What operations with several results return: named tuples, as in `torch.return_types`."""

from __future__ import annotations

from typing import Any, NamedTuple


def shown(self: Any) -> str:
    """Return a named tuple as PyTorch prints it, one field on a line."""
    fields = ",\n".join(f"{name}={getattr(self, name)!r}" for name in self._fields)
    return f"torch.return_types.{type(self).__name__}(\n{fields})"


class max(NamedTuple):
    """The largest elements along a dimension and their places."""

    values: Any
    indices: Any
    __repr__ = shown


class min(NamedTuple):
    """The smallest elements along a dimension and their places."""

    values: Any
    indices: Any
    __repr__ = shown


class aminmax(NamedTuple):
    """The smallest and the largest elements."""

    min: Any
    max: Any
    __repr__ = shown


class median(NamedTuple):
    """The medians along a dimension and their places."""

    values: Any
    indices: Any
    __repr__ = shown


class nanmedian(NamedTuple):
    """The medians along a dimension, NaN left out, and their places."""

    values: Any
    indices: Any
    __repr__ = shown


class kthvalue(NamedTuple):
    """The k-th smallest elements along a dimension and their places."""

    values: Any
    indices: Any
    __repr__ = shown


class cummax(NamedTuple):
    """The largest elements so far and their places."""

    values: Any
    indices: Any
    __repr__ = shown


class cummin(NamedTuple):
    """The smallest elements so far and their places."""

    values: Any
    indices: Any
    __repr__ = shown


class sort(NamedTuple):
    """The elements in order and the places that they come from."""

    values: Any
    indices: Any
    __repr__ = shown


class topk(NamedTuple):
    """The k largest (or smallest) elements and their places."""

    values: Any
    indices: Any
    __repr__ = shown


class slogdet(NamedTuple):
    """The sign of a determinant and the logarithm of its absolute value."""

    sign: Any
    logabsdet: Any
    __repr__ = shown


class mode(NamedTuple):
    """The most frequent elements along a dimension and their places."""

    values: Any
    indices: Any
    __repr__ = shown


class histogram(NamedTuple):
    """How many elements lie in each part, and where the parts meet."""

    hist: Any
    bin_edges: Any
    __repr__ = shown


class frexp(NamedTuple):
    """Numbers as mantissa * 2 ** exponent."""

    mantissa: Any
    exponent: Any
    __repr__ = shown
