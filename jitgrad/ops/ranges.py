"""Making tensors of numbers in a row, and the identity matrix."""

from __future__ import annotations

import builtins
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import TensorCore, bind
from jitgrad.errors import describe
from jitgrad.literals import as_dtype
from jitgrad.ops.create import finished, float_dtype
from jitgrad.primitive import Kind, Primitive

if TYPE_CHECKING:
    from jitgrad.device import device as Device
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

__all__ = ["arange", "eye", "linspace", "logspace", "range"]


def _arange(*, start: Any, step: Any, count: int, dtype: np.dtype) -> np.ndarray:
    if dtype.kind in "iu" and isinstance(start, int) and isinstance(step, int):
        return (start + step * np.arange(count)).astype(dtype)
    return (start + np.arange(count) * step).astype(dtype)


ARANGE = Primitive("arange", Kind.CREATION, _arange)


def arange(
    *limits: Any,
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return the numbers from `start` up to, without, `end` in steps of `step`.

    Called as `arange(end)`, `arange(start, end)` or `arange(start, end, step)`. Integers give
    int64, floats the default floating-point dtype.

    Raises:
        RuntimeError: `step` is zero, or leads away from `end`.

    Example:
        >>> import jitgrad as torch
        >>> torch.arange(4), torch.arange(1.0, 2.0, 0.5)
        (tensor([0, 1, 2, 3]), tensor([1.0000, 1.5000]))
    """
    if len(limits) == 1 and end is None:
        end = limits[0]
    elif limits:
        start, end, step = (*limits, end, step)[:3] if len(limits) == 1 else (*limits, step)[:3]
    if end is None or len(limits) > 3:
        raise TypeError("arange(): takes (end), (start, end) or (start, end, step)")
    numbers = [each.item() if isinstance(each, TensorCore) else each for each in (start, end, step)]  # type: ignore[attr-defined]
    start, end, step = (each.item() if isinstance(each, np.generic) else each for each in numbers)
    if not step:
        raise RuntimeError(describe("arange", "step 0", "step must be nonzero"))
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"arange: unsupported range: {start} -> {end}")
    if (end - start) * (1 if step > 0 else -1) < 0:
        raise RuntimeError(
            describe(
                "arange",
                f"start {start}, end {end} and step {step}",
                "upper bound and lower bound inconsistent with step sign",
            )
        )
    whole = builtins.all(isinstance(each, int) for each in (start, end, step))
    count = -((start - end) // step) if whole else math.ceil((end - start) / step)
    default = dtypes.int64.numpy if whole else dtypes.get_default_dtype().numpy
    target = default if dtype is None else as_dtype("arange", dtype)
    made = bind(ARANGE, start=start, step=step, count=int(count), dtype=target)
    return finished(made, device, requires_grad)


def _linspace(start: Any, end: Any, *, steps: int, dtype: np.dtype) -> np.ndarray:
    # PyTorch counts from the nearer end, in the dtype of the result
    work = dtype.type if dtype.kind in "fc" else np.float64
    if steps == 1:
        return np.full(1, start, dtype)
    first, last = work(start), work(end)
    step = (last - first) / work(steps - 1 or 1)
    places = np.arange(steps)
    near = first + step * places.astype(work)
    far = last - step * (steps - 1 - places).astype(work)
    return np.where(places < steps // 2, near, far).astype(dtype)


LINSPACE = Primitive("linspace", Kind.CREATION, _linspace)


def range(
    start: float = 0,
    end: float | None = None,
    step: float = 1,
    *,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return the numbers from `start` up to, with, `end`; deprecated in PyTorch: see `arange`.

    Example:
        >>> import jitgrad as torch
        >>> torch.range(1, 3)
        tensor([1., 2., 3.])
    """
    if end is None:
        start, end = 0, start
    if not step or (end - start) / step < 0:
        rule = "step must be nonzero and lead from start to end"
        raise RuntimeError(describe("range", f"start={start}, end={end}, step={step}", rule))
    count = builtins.int((end - start) / step) + 1
    target = dtypes.get_default_dtype() if dtype is None else dtype
    places = arange(count, dtype=dtypes.float64, device=device)
    made = (places * step + start).to(target)
    return made.requires_grad_() if requires_grad else made


def linspace(
    start: Any,
    end: Any,
    steps: int,
    *,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return `steps` numbers at equal distances from `start` to `end`, both included.

    Raises:
        RuntimeError: `steps` is negative.

    Example:
        >>> import jitgrad as torch
        >>> torch.linspace(0, 1, 5)
        tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    steps = steps.__index__()
    if steps < 0:
        raise RuntimeError(
            describe("linspace", f"steps {steps}", "number of steps must be non-negative")
        )
    ends = [each.item() if isinstance(each, TensorCore) else each for each in (start, end)]  # type: ignore[attr-defined]
    made = bind(LINSPACE, *ends, steps=steps, dtype=float_dtype("linspace", dtype))
    return finished(made, device, requires_grad)


def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return `base` to the powers `linspace(start, end, steps)`."""
    exponents: Any = linspace(start, end, steps, dtype=dtypes.float64)
    powers = exponents.new_full((), base) ** exponents
    made = powers.to(dtypes.get_default_dtype() if dtype is None else dtype)
    return finished(made, device, requires_grad)


EYE = Primitive("eye", Kind.CREATION, lambda *, n, m, dtype: np.eye(n, m, dtype=dtype))


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: DType | None = None,
    device: Device | str | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return an n x m matrix (m = n unless given) with ones on the diagonal and zeros elsewhere.

    Example:
        >>> import jitgrad as torch
        >>> torch.eye(2)
        tensor([[1., 0.],
                [0., 1.]])
    """
    n, m = n.__index__(), n.__index__() if m is None else m.__index__()
    if n < 0 or m < 0:
        raise RuntimeError(f"eye: n must be greater or equal to 0, got {n if n < 0 else m}")
    made = bind(EYE, n=n, m=m, dtype=float_dtype("eye", dtype))
    return finished(made, device, requires_grad)
