"""Random numbers, from a counter-based generator with explicit state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import TensorCore, bind
from jitgrad.errors import describe
from jitgrad.literals import as_dtype
from jitgrad.ops.create import finished, sizes_of
from jitgrad.ops.generator import Generator, default_generator
from jitgrad.primitive import Kind, Primitive
from jitgrad.spec import broadcast_shapes

if TYPE_CHECKING:
    from jitgrad.device import device as Device
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

__all__ = [
    "bernoulli",
    "multinomial",
    "normal",
    "poisson",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
]


def _uniform(*, size: tuple, dtype: np.dtype, generator: Any = None) -> Any:
    draw = (generator or default_generator).numpy
    if dtype == np.float16:
        # 11 bits: rounding a finer number could give 1
        return (draw.integers(0, 2048, size) / 2048).astype(np.float16)
    return draw.random(size, dtype.type)


def _standard(method: str) -> Any:
    def numbers(*, size: tuple, dtype: np.dtype, generator: Any = None) -> Any:
        draw = getattr((generator or default_generator).numpy, method)
        if dtype == np.float16:
            return np.asarray(draw(size, np.float32), np.float16)
        return draw(size, dtype.type)

    return numbers


RAND = Primitive("rand", Kind.RANDOM, _uniform)
RANDN = Primitive("randn", Kind.RANDOM, _standard("standard_normal"))
RAND_EXPONENTIAL = Primitive("rand_exponential", Kind.RANDOM, _standard("standard_exponential"))

RANDINT = Primitive(
    "randint",
    Kind.RANDOM,
    lambda *, low, high, size, dtype, generator=None: np.asarray(
        (generator or default_generator).numpy.integers(low, high, size)
    ).astype(dtype),
)

RANDPERM = Primitive(
    "randperm",
    Kind.RANDOM,
    lambda *, n, dtype, generator=None: (
        (generator or default_generator).numpy.permutation(n).astype(dtype)
    ),
)


def drawn(
    name: str, primitive: Primitive, size: tuple, dtype: Any, generator: Any, **more: Any
) -> Tensor:
    target = dtype if isinstance(dtype, np.dtype) else None
    if target is None:
        default = dtypes.get_default_dtype().numpy
        target = default if dtype is None else as_dtype(name, dtype)
    if target.kind != "f" and primitive in (RAND, RANDN):
        raise NotImplementedError(
            describe(
                name,
                f"dtype {dtypes.FROM_NUMPY[target].name}",
                "it is not implemented for this dtype: it makes float16, float32 and float64",
            )
        )
    if generator is not None:
        more["generator"] = generator
    return bind(primitive, size=size, dtype=target, **more)


def rand(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of `size` with numbers drawn evenly from 0 up to, without, 1.

    Example:
        >>> import jitgrad as torch
        >>> torch.rand(2, 3).shape
        torch.Size([2, 3])
    """
    made = drawn(
        "rand", RAND, sizes_of("rand", sizes if size is None else (size,)), dtype, generator
    )
    return finished(made, device, requires_grad)


def randn(
    *sizes: Any,
    size: Any = None,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of `size` with numbers drawn from the normal distribution (mean 0, std 1).

    Example:
        >>> import jitgrad as torch
        >>> torch.randn(2, 3).shape
        torch.Size([2, 3])
    """
    made = drawn(
        "randn", RANDN, sizes_of("randn", sizes if size is None else (size,)), dtype, generator
    )
    return finished(made, device, requires_grad)


def randint(
    *limits: Any,
    low: int = 0,
    high: int | None = None,
    size: Any = None,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return integers drawn evenly from `low` (0) up to, without, `high`.

    Called as `randint(high, size)` or `randint(low, high, size)`. Dtype: int64 unless given.

    Raises:
        RuntimeError: nothing lies between the limits.

    Example:
        >>> import jitgrad as torch
        >>> torch.randint(0, 10, (3,)).shape
        torch.Size([3])
    """
    given = list(limits)
    if size is None and given:
        size = given.pop()
    if len(given) == 2:
        low, high = given
    elif given and high is None:
        high = given[0]
    elif given:
        low = given[0]
    if size is None or high is None:
        raise TypeError("randint(): takes (high, size) or (low, high, size)")
    made = integers("randint", low, high, sizes_of("randint", (size,)), dtype, generator)
    return finished(made, device, requires_grad)


def integers(name: str, low: Any, high: Any, size: tuple, dtype: Any, generator: Any) -> Tensor:
    low, high = low.__index__(), high.__index__()
    if low >= high:
        raise RuntimeError(
            describe(
                name,
                f"low {low} and high {high}",
                f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}",
            )
        )
    target = dtypes.int64.numpy if dtype is None else dtype
    return drawn(name, RANDINT, size, target, generator, low=low, high=high)


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return the integers from 0 to n - 1 in random order.

    Example:
        >>> import jitgrad as torch
        >>> torch.randperm(4).sum()
        tensor(6)
    """
    if n < 0:
        raise RuntimeError(f"randperm: n must be non-negative, got {n}")
    more = {} if generator is None else {"generator": generator}
    target = dtypes.int64.numpy if dtype is None else as_dtype("randperm", dtype)
    return finished(bind(RANDPERM, n=n, dtype=target, **more), device, requires_grad)


def rand_like(input: Tensor, *, dtype: DType | None = None, **options: Any) -> Tensor:
    """Return `rand` of the shape and dtype of `input`."""
    chosen = dtypes.FROM_NUMPY[input._array.dtype] if dtype is None else dtype
    return rand(input._array.shape, dtype=chosen, **options)


def randn_like(input: Tensor, *, dtype: DType | None = None, **options: Any) -> Tensor:
    """Return `randn` of the shape and dtype of `input`."""
    chosen = dtypes.FROM_NUMPY[input._array.dtype] if dtype is None else dtype
    return randn(input._array.shape, dtype=chosen, **options)


def randint_like(
    input: Tensor, low: int, high: int | None = None, *, dtype: DType | None = None, **options: Any
) -> Tensor:
    """Return `randint(low, high)` (or `randint(0, low)`) of the shape and dtype of `input`."""
    low, high = (0, low) if high is None else (low, high)
    chosen = dtypes.FROM_NUMPY[input._array.dtype] if dtype is None else dtype
    return randint(low, high, input._array.shape, dtype=chosen, **options)


def _cut(value: Any) -> Any:
    return value.detach() if isinstance(value, TensorCore) else value  # type: ignore[attr-defined]


def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return numbers drawn from normal distributions of `mean` and `std`.

    Both may be tensors (broadcast), which give the shape; two numbers need `size`.
    Gradient: none.

    Raises:
        RuntimeError: `std` is a negative number.

    Example:
        >>> import jitgrad as torch
        >>> torch.normal(torch.zeros(3), 1.0).shape
        torch.Size([3])
    """
    if not isinstance(std, TensorCore) and std < 0:
        raise RuntimeError(f"normal: normal expects std >= 0.0, but found std {std}")
    tensors: list[Any] = [each for each in (mean, std) if isinstance(each, TensorCore)]
    if not tensors:
        if size is None:
            raise TypeError("normal(): with numbers for mean and std it takes a size")
        made = drawn("normal", RANDN, sizes_of("normal", (size,)), dtype, generator)
    else:
        shape = broadcast_shapes("normal", *(each._array.shape for each in tensors))
        made = drawn("normal", RANDN, shape, tensors[0]._array.dtype, generator)
    # no path leads back through a sample: PyTorch gives zeros
    mean, std = (_cut(each) for each in (mean, std))
    return finished(made * std + mean, device, requires_grad)


def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None
) -> Tensor:
    """Return ones with the probabilities in `input` (or all with `p`), and zeros.

    Dtype: that of `input`. Probabilities outside 0 to 1 are not checked: they count as 0 or 1.
    Gradient: none.

    Example:
        >>> import jitgrad as torch
        >>> torch.bernoulli(torch.tensor([0.0, 1.0]))
        tensor([0., 1.])
    """
    dtype = input._array.dtype
    chance: Any = input.detach() if p is None else p
    if isinstance(chance, TensorCore) and chance._array.dtype.kind != "f":
        raise NotImplementedError(
            describe(
                "bernoulli",
                f"dtype {dtypes.FROM_NUMPY[dtype].name}",
                "expected probabilities of a floating-point dtype",
                "convert it with .float(), or pass p",
            )
        )
    wide = dtype if dtype.kind == "f" else dtypes.get_default_dtype().numpy
    hit = drawn("bernoulli", RAND, input._array.shape, wide, generator) < chance
    return hit.to(dtypes.FROM_NUMPY[dtype])


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Return numbers drawn from Poisson distributions with the rates in `input`; its dtype."""
    more = {} if generator is None else {"generator": generator}
    return bind(POISSON, input.detach(), **more)


POISSON = Primitive(
    "poisson",
    Kind.RANDOM,
    lambda rates, *, generator=None: np.asarray(
        (generator or default_generator).numpy.poisson(rates)
    ).astype(rates.dtype),
)


def _chosen(
    weights: np.ndarray, *, count: int, replacement: bool, generator: Any = None
) -> np.ndarray:
    draw = (generator or default_generator).numpy
    wide = weights.astype(np.float64)
    if not np.isfinite(wide).all() or (wide < 0).any():
        raise RuntimeError(
            "multinomial: probability tensor contains either `inf`, `nan` or element < 0"
        )
    if (wide.sum(-1) <= 0).any():
        raise RuntimeError(
            "multinomial: invalid multinomial distribution (sum of probabilities <= 0)"
        )
    if replacement:
        heights = np.cumsum(wide, -1)
        points = draw.random((*weights.shape[:-1], count)) * heights[..., -1:]
        rows = zip(heights.reshape(-1, heights.shape[-1]), points.reshape(-1, count))
        found = np.array([np.searchsorted(*row, side="right") for row in rows], np.int64)
        return np.minimum(found, weights.shape[-1] - 1).reshape(points.shape)
    # the places of the largest of log(weight) + Gumbel noise are a draw without replacement
    if ((wide > 0).sum(-1) < count).any():
        raise RuntimeError(
            "multinomial: invalid multinomial distribution (with replacement=False, not enough "
            "non-negative category to sample)"
        )
    keys = draw.standard_exponential(weights.shape) / np.where(wide > 0, wide, 1)
    return np.argsort(np.where(wide > 0, keys, np.inf), -1, kind="stable")[..., :count]


MULTINOMIAL = Primitive("multinomial", Kind.RANDOM, _chosen, raises_on_data=True)


def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """Return places (int64) drawn from each row of `input` with the weights that stand there.

    Shapes: (k,) gives (num_samples,), (n, k) gives (n, num_samples).

    Raises:
        RuntimeError: weights that are negative, infinite or all zero, or too few for a draw
            without replacement.

    Example:
        >>> import jitgrad as torch
        >>> torch.multinomial(torch.tensor([0.0, 1.0]), 2, replacement=True)
        tensor([1, 1])
    """
    shape = input._array.shape
    if not 1 <= len(shape) <= 2 or input._array.dtype.kind != "f":
        rule = "prob_dist must be 1 or 2 dim, of a floating-point dtype"
        raise RuntimeError(describe("multinomial", f"shape {shape}", rule))
    if num_samples <= 0 or (not replacement and num_samples > shape[-1]):
        rule = "cannot sample n_sample > prob_dist.size(-1) samples without replacement"
        if num_samples <= 0:
            rule = "cannot sample n_sample <= 0 samples"
        raise RuntimeError(describe("multinomial", f"num_samples={num_samples}", rule))
    more = {} if generator is None else {"generator": generator}
    return bind(MULTINOMIAL, input, count=num_samples, replacement=replacement, **more)


class RandomMethods:
    """The operations of this file as methods of `Tensor`."""

    bernoulli = bernoulli
    multinomial = multinomial
