"""Noise in networks: dropout and its kin, random slopes, samples of classes."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from jitgrad import dtypes
from jitgrad.dispatch import bind
from jitgrad.errors import describe
from jitgrad.inplace import bind_inplace
from jitgrad.ops.checks import check_tensor, refuse_integers
from jitgrad.ops.composite import softmax
from jitgrad.ops.random import RAND, RAND_EXPONENTIAL, drawn
from jitgrad.ops.rectifiers import PRELU, leaky_relu
from jitgrad.ops.selection import where
from jitgrad.primitive import Kind, Primitive

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "alpha_dropout",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
    "gumbel_softmax",
    "rrelu",
    "rrelu_",
]

# what is dropped is multiplied by 0, so that NaN and infinity stay to be seen
DROPOUT = Primitive(
    "dropout",
    Kind.ELEMENTWISE,
    lambda x, kept, share: x * kept / share,
    (lambda g, _out, _x, kept, share: bind(DROPOUT, g, kept, share), None, None),
    scalar="where({1}, {0}, {0} * 0.0) / {2}",
)
"""The elements that are kept, divided by the share of these, and zeros."""


def _checked(operation: str, input: Tensor, p: float) -> None:
    if p < 0 or p > 1:
        rule = "dropout probability has to be between 0 and 1"
        raise ValueError(describe(operation, f"p={p}", rule))
    check_tensor(operation, "input", input)
    if input._array.dtype.kind != "f":
        name = dtypes.FROM_NUMPY[input._array.dtype].name
        rule = "result type Float can't be cast to the desired output type"
        raise RuntimeError(describe(operation, f"dtype {name}", rule, "convert it with .float()"))


def _kept(operation: str, input: Tensor, p: float, size: tuple) -> Tensor:
    return drawn(operation, RAND, size, input._array.dtype, None) >= p


def _features(operation: str, input: Tensor) -> tuple:
    """Return the shape of a mask for channels."""
    shape = input._array.shape
    if len(shape) < 2:
        rule = "Feature dropout requires at least 2 dimensions in the input"
        raise RuntimeError(describe(operation, f"shape {shape}", rule))
    return (*shape[:2], *[1] * (len(shape) - 2))


def _dropped(operation: str, input: Tensor, p: float, size: tuple, inplace: bool) -> Tensor:
    if p == 0:
        return input
    if p == 1:
        return input.mul_(0) if inplace else input * 0
    kept = _kept(operation, input, p, size)
    return (bind_inplace if inplace else bind)(DROPOUT, input, kept, 1 - p)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Return `input` with elements set to zero with probability `p`, the others scaled up.

    Not training, `input` itself. With `inplace` the result stands in `input`.

    Raises:
        ValueError: `p` does not lie between 0 and 1.
        RuntimeError: not a floating-point tensor.

    Example:
        >>> import jitgrad as torch
        >>> dropped = torch.nn.functional.dropout(torch.ones(100), 0.5)
        >>> torch.unique(dropped)
        tensor([0., 2.])
    """
    _checked("dropout", input, p)
    return _dropped("dropout", input, p, input._array.shape, inplace) if training else input


def _channels_dropped(
    operation: str, input: Tensor, p: float, training: bool, inplace: bool, single: bool
) -> Tensor:
    """Drop channels; `single`: the input is one sample without the dimension of the batch."""
    _checked(operation, input, p)
    whole = input.unsqueeze(0) if single else input
    size = _features(operation, whole)
    if training:
        whole = _dropped(operation, whole, p, size, inplace)
    return whole.squeeze(0) if single else whole


def _warn_of_dims(operation: str, found: int, wanted: str) -> None:
    warnings.warn(
        f"{operation}: Received a {found}-D input to {operation}, which is deprecated and will "
        f"result in an error in a future release; it is meant for {wanted} inputs.",
        stacklevel=3,
    )


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Return `input` with whole channels set to zero with probability `p`, the others scaled up.

    Shapes: (n, c, length), or (c, length) for one sample.

    Raises:
        ValueError: `p` does not lie between 0 and 1.
        RuntimeError: another number of dimensions.
    """
    ndim = input._array.ndim
    if ndim not in (2, 3):
        rule = f"Expected 2D or 3D input, but received a {ndim}D input"
        raise RuntimeError(describe("dropout1d", f"shape {input._array.shape}", rule))
    return _channels_dropped("dropout1d", input, p, training, inplace, ndim == 2)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Return `input` with whole channels set to zero with probability `p`, the others scaled up.

    Shapes: (n, c, height, width). Three dimensions count as (n, c, length), with a warning.

    Raises:
        ValueError: `p` does not lie between 0 and 1.
        RuntimeError: fewer than 2 dimensions.
    """
    ndim = input._array.ndim
    if ndim not in (3, 4):
        _warn_of_dims("dropout2d", ndim, "3-D and 4-D")
    if ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout "
            "behavior is desired; use dropout1d to silence this warning.",
            stacklevel=2,
        )
    return _channels_dropped("dropout2d", input, p, training, inplace, False)


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Return `input` with whole channels set to zero with probability `p`, the others scaled up.

    Shapes: (n, c, depth, height, width), or (c, depth, height, width) for one sample.

    Raises:
        ValueError: `p` does not lie between 0 and 1.
        RuntimeError: fewer than 2 dimensions.
    """
    ndim = input._array.ndim
    if ndim not in (4, 5):
        _warn_of_dims("dropout3d", ndim, "4-D and 5-D")
    return _channels_dropped("dropout3d", input, p, training, inplace, ndim == 4)


SATURATION = 1.6732632423543772848170429916717 * 1.0507009873554804934193349852946
"""What selu approaches far below 0, with the sign turned."""


def _alpha_dropped(operation: str, input: Tensor, p: float, size: tuple, inplace: bool) -> Tensor:
    if p == 0:
        return input
    if p == 1:
        return input.mul_(0) if inplace else input * 0
    kept = _kept(operation, input, p, size)
    # a tensor, for p may be a number that a trace reads anew
    chance = input.detach().new_full((), p)
    narrowing = ((chance * SATURATION**2 + 1) * (1 - chance)).rsqrt()
    made = (where(kept, input, -SATURATION) + chance * SATURATION) * narrowing
    return input.copy_(made) if inplace else made


def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Return `input` with elements set to the saturation of selu with probability `p`.

    All are scaled and moved then, so that mean and variance stay (Klambauer et al., 2017).

    Raises:
        ValueError: `p` does not lie between 0 and 1.
        RuntimeError: not a floating-point tensor.
    """
    _checked("alpha_dropout", input, p)
    if not training:
        return input
    return _alpha_dropped("alpha_dropout", input, p, input._array.shape, inplace)


def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Return `alpha_dropout` of whole channels. Shapes: (n, c, ...).

    Raises:
        ValueError: `p` does not lie between 0 and 1.
        RuntimeError: not a floating-point tensor, or fewer than 2 dimensions.
    """
    _checked("feature_alpha_dropout", input, p)
    size = _features("feature_alpha_dropout", input)
    return _alpha_dropped("feature_alpha_dropout", input, p, size, inplace) if training else input


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """Return `input` where it is positive, elsewhere times a slope drawn from lower to upper.

    Not training, the slope is their mean. With `inplace` the result stands in `input`.

    Raises:
        RuntimeError: `lower` is above `upper`.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.rrelu(torch.tensor([-4.0, 1.0]), 0.25, 0.75)
        tensor([-2.,  1.])
    """
    if lower > upper:
        rule = "Lower bound should be less than or equal to the upper bound"
        raise RuntimeError(describe("rrelu", f"lower={lower} and upper={upper}", rule))
    if not training:
        return leaky_relu(input, (lower + upper) * 0.5, inplace)
    check_tensor("rrelu", "input", input)
    refuse_integers("rrelu", (input,), input._array.dtype)
    slopes = drawn("rrelu", RAND, input._array.shape, input._array.dtype, None)
    slopes = slopes * (upper - lower) + lower
    return (bind_inplace if inplace else bind)(PRELU, input, slopes)


def rrelu_(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False
) -> Tensor:
    """Compute `rrelu` in place."""
    return rrelu(input, lower, upper, training, True)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """Return a sample of the Gumbel-softmax distribution (Jang et al., 2017).

    Args:
        tau: the temperature: samples are near to one class for small ones.
        hard: return 1 for the likeliest class and 0 for the others, with the gradient of the
            soft sample.
        eps: not used, as in PyTorch.

    Raises:
        RuntimeError: not a floating-point tensor.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.functional.gumbel_softmax(torch.zeros(3), hard=True).sum()
        tensor(1.)
    """
    array = logits._array
    if array.dtype.kind != "f":
        name = dtypes.FROM_NUMPY[array.dtype].name
        rule = "expected a floating-point dtype"
        raise RuntimeError(describe("gumbel_softmax", name, rule, "convert it with .float()"))
    noise = -drawn("gumbel_softmax", RAND_EXPONENTIAL, array.shape, array.dtype, None).log()
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    place = soft.detach().argmax(dim, True)
    one = soft.detach().new_zeros(array.shape).scatter(dim, place, 1.0)
    return one - soft.detach() + soft
