"""Borders around a tensor: numbers, or elements of its own."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad.dispatch import bind
from jitgrad.errors import describe
from jitgrad.ops.checks import check_tensor
from jitgrad.ops.resampling import Rule, resampled
from jitgrad.ops.sliding import Pairs, padded
from jitgrad.ops.views import whole_numbers
from jitgrad.primitive import Kind, Loops, Primitive
from jitgrad.strides import rows_apart

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = ["constant_pad_nd"]


_FRAME = """
for line in range(first, last):
    for k in range(line * size, (line + 1) * size):
        out[k] = a1
    for row in range(rows):
        place = line * size + to[row]
        at = line * held + origin[row]
        for k in range(width):
            out[place + k] = a0[at + k]
"""


def _loops(out: Any, array: Any, value: Any, *, padding: Pairs) -> Loops | None:
    """Return loops that fill lines of the result, and then copy rows of what is kept."""
    if out.dtype.kind != "f" and value not in (0, 1):
        return None  # NumPy has rules of its own for numbers that are no elements
    old, new = (each.shape[len(each.shape) - len(padding) :] for each in (array, out))
    kept = [range(max(-low, 0), size + min(high, 0)) for size, (low, high) in zip(old, padding)]
    if not all(kept):
        return None
    to, origin = [], []
    for first in itertools.product(*kept[:-1], kept[-1][:1]):
        place = at = 0
        for k, size, wide, (low, _) in zip(first, old, new, padding):
            at = at * size + k
            place = place * wide + k + low
        to.append(place)
        origin.append(at)
    size, held = int(np.prod(new)), int(np.prod(old))
    sizes = {"size": size, "held": held, "rows": len(to), "width": len(kept[-1])}
    tables = {"to": np.array(to, np.int64), "origin": np.array(origin, np.int64)}
    return Loops(_FRAME, array.size // held, 0.2 * out.size, sizes, tables)


PAD = Primitive(
    "constant_pad_nd",
    Kind.INDEX,
    lambda array, value, *, padding: rows_apart(padded(array, padding, value), array),
    (
        lambda g, _out, _x, _value, *, padding: bind(
            PAD, g, 0, padding=tuple((-low, -high) for low, high in padding)
        ),
        None,
    ),
    loops=_loops,
)


def constant_pad_nd(input: Tensor, pad: Sequence[int], value: float = 0) -> Tensor:
    """Return `input` with `value` around it.

    `pad` holds the amounts before and after the last dimension, then the one before it, and so
    on; negative amounts take elements away.

    Gradient: the cotangent without what was added.

    Raises:
        RuntimeError: an odd number of amounts, more than there are dimensions, a negative size.

    Example:
        >>> import jitgrad as torch
        >>> torch.constant_pad_nd(torch.tensor([1, 2, 3]), (2, -1), 7)
        tensor([7, 7, 1, 2])
    """
    pairs = _pairs(input, pad)
    return bind(PAD, input, value, padding=pairs)


def _pairs(input: Tensor, pad: Sequence[int]) -> Pairs:
    """Return what is added before and after each of the last dimensions, the first one first."""
    check_tensor("pad", "input", input)
    if isinstance(pad, int):
        raise TypeError("pad(): argument 'pad' (position 2) must be tuple of ints, not int")
    amounts = whole_numbers("pad", (tuple(pad),), "pad")
    shape = input._array.shape
    if len(amounts) % 2 or len(amounts) > 2 * len(shape):
        raise RuntimeError(
            describe(
                "pad",
                f"pad={list(amounts)} for a tensor of {len(shape)} dimensions",
                "Padding length must be divisible by 2, and less than or equal to two times the "
                "input dimension",
                "pass two amounts for each padded dimension, those of the last one first",
            )
        )
    pairs = tuple(zip(amounts[::2], amounts[1::2]))[::-1]
    for size, (low, high) in zip(shape[len(shape) - len(pairs) :], pairs):
        if size + low + high < 0 or min(low, high, 0) < -size:
            raise RuntimeError(
                describe(
                    "pad",
                    f"pad={list(amounts)} for a tensor of shape {list(shape)}",
                    f"a dimension of size {size} cannot lose so many elements: its length must be "
                    "non-negative",
                )
            )
    return pairs


_LONGEST = {"reflect": -1, "circular": 0}
"""How much longer than the dimension a border may be."""


def _check_borders(mode: str, shape: tuple[int, ...], pairs: Pairs) -> None:
    count = len(pairs)
    if not 1 <= count <= 3 or not count + 1 <= len(shape) <= count + 2:
        raise NotImplementedError(
            describe(
                "pad",
                f"{2 * count} amounts for a tensor of {len(shape)} dimensions",
                f"padding by {mode} takes 2 amounts for 2 or 3 dimensions, 4 for 3 or 4 and 6 for "
                "4 or 5",
                "add dimensions with unsqueeze()",
            )
        )
    for size, (low, high) in zip(shape[-count:], pairs):
        most = max(low, high)
        if size + low + high < 1 or not size:
            raise RuntimeError(
                describe(
                    "pad",
                    f"padding {(low, high)} for a dimension of size {size}",
                    "a dimension that is padded must not be empty, nor become so",
                )
            )
        if mode in _LONGEST and most > size + _LONGEST[mode]:
            raise RuntimeError(
                describe(
                    "pad",
                    f"padding {(low, high)} for a dimension of size {size}",
                    "Padding size should be less than the corresponding input dimension"
                    if mode == "reflect"
                    else "Padding value causes wrapping around more than once",
                    "pad several times",
                )
            )


def _border(mode: str, low: int, high: int) -> Rule:
    return (mode, low, high) if mode == "circular" else (mode, low)


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """Return `input` with borders around its last dimensions.

    Args:
        pad: the amounts before and after the last dimension, then the one before it, and so on;
            negative amounts take elements away.
        mode: "constant" puts `value` there (0 unless given); "reflect" mirrors the tensor at its
            outermost elements, "replicate" repeats these, "circular" goes on at the other end.

    Gradient: the cotangent without what was added; what repeats an element adds to its gradient.

    Raises:
        RuntimeError: an odd number of amounts, more than there are dimensions; a border longer
            than what it repeats; a `value` for another mode than "constant".
        NotImplementedError: an unknown mode; numbers of dimensions that a mode does not take.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.pad(torch.tensor([[1, 2, 3]]), (2, 1), mode="reflect")
        tensor([[3, 2, 1, 2, 3, 2]])
    """
    pairs = _pairs(input, pad)
    if mode == "constant":
        return bind(PAD, input, 0 if value is None else value, padding=pairs)
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(
            describe(
                "pad",
                f"mode={mode!r}",
                "Unrecognised padding mode",
                "pass 'constant', 'reflect', 'replicate' or 'circular'",
            )
        )
    if value is not None and value != 0:
        raise RuntimeError(
            describe("pad", f"mode={mode!r} and value={value}", "this mode does not take a value")
        )
    shape = input._array.shape
    _check_borders(mode, shape, pairs)
    return resampled(
        input,
        [
            (_border(mode, low, high) if low or high else None, size + low + high)
            for size, (low, high) in zip(shape[-len(pairs) :], pairs)
        ],
    )
