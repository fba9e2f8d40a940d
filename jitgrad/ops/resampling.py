"""Resampling along one dimension: each new element is a weighted sum of a few old ones.

Interpolation, averages of windows and padding by elements of the tensor itself are all of this
kind. A rule says with which weights; it is a tuple: a name and numbers, see `_RULES`. Over several
dimensions resampling is done one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jitgrad.dispatch import bind
from jitgrad.primitive import Kind, Loops, Primitive

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

Rule = tuple
Table = tuple[np.ndarray, np.ndarray | None, np.ndarray | None]
"""Old places (new size, terms), their weights (None: all 1), which of them count (None: all)."""


class _Pass(NamedTuple):
    """new[targets] += weights * old[sources], in which no target comes twice."""

    targets: Any
    sources: Any
    weights: np.ndarray | None


# -- the rules: (old size, new size, *numbers) -> table -------------------------------------------


def _centres(new: int, align_corners: bool, scale: float) -> np.ndarray:
    """Return where the new elements lie among the old ones."""
    numbers = np.arange(new, dtype=np.float64)
    return numbers * scale if align_corners else (numbers + 0.5) * scale - 0.5


def _nearest(old: int, new: int, scale: float, shift: float) -> Table:
    # in float32, as PyTorch computes it for every dtype: the choice between two must be the same
    places = np.floor((np.arange(new, dtype=np.float32) + np.float32(shift)) * np.float32(scale))
    return np.minimum(places.astype(np.int64), old - 1)[:, None], None, None


def _linear(old: int, new: int, align_corners: bool, scale: float) -> Table:
    centres = np.maximum(_centres(new, align_corners, scale), 0)
    first = np.minimum(centres.astype(np.int64), old - 1)
    share = np.clip(centres - first, 0, 1)
    places = np.stack([first, np.minimum(first + 1, old - 1)], 1)
    return places, np.stack([1 - share, share], 1), None


def _cubic_weights(distance: np.ndarray, a: float) -> np.ndarray:
    """Return the cubic convolution kernel (Keys, 1981) at `distance`."""
    x = np.abs(distance)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def _cubic(old: int, new: int, align_corners: bool, scale: float) -> Table:
    centres = _centres(new, align_corners, scale)
    places = np.floor(centres).astype(np.int64)[:, None] + np.arange(-1, 3)
    weights = _cubic_weights(places - centres[:, None], -0.75)
    return np.clip(places, 0, old - 1), weights, None


def _smoothed(old: int, new: int, scale: float, cubic: bool) -> Table:
    """Return the table of interpolation whose kernel is stretched where the size shrinks."""
    stretch = max(scale, 1.0)
    # PyTorch has the edges in mind here even where the corners' centres give the scale
    centres = (np.arange(new) + 0.5) * scale
    reach = (2 if cubic else 1) * stretch
    first = np.maximum((centres - reach + 0.5).astype(np.int64), 0)
    last = np.minimum((centres + reach + 0.5).astype(np.int64), old)
    places = first[:, None] + np.arange(max(int((last - first).max()), 1))
    counted = places < last[:, None]
    distance = (places - centres[:, None] + 0.5) / stretch
    if cubic:
        weights = _cubic_weights(distance, -0.5)
    else:
        weights = np.maximum(1 - np.abs(distance), 0)
    weights = np.where(counted, weights, 0)
    total = weights.sum(1, keepdims=True)
    return places, weights / np.where(total == 0, 1, total), counted


def _sum(old: int, new: int, kernel: int, stride: int, padding: int) -> Table:
    places = np.arange(new)[:, None] * stride - padding + np.arange(kernel)
    return places, None, (places >= 0) & (places < old)


def _average(
    old: int, new: int, kernel: int, stride: int, padding: int, counts_padding: bool
) -> Table:
    places, _, counted = _sum(old, new, kernel, stride, padding)
    if counts_padding:
        # the padding counts, what ceil_mode adds behind it does not
        length = np.minimum(places[:, 0] + kernel, old + padding) - places[:, 0]
    else:
        length = counted.sum(1)  # type: ignore[union-attr]
    weights = 1 / np.maximum(length, 1)
    return places, np.broadcast_to(weights[:, None], places.shape), counted


def adaptive_windows(old: int, new: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the beginnings and ends of `new` windows that cover `old` elements evenly."""
    numbers = np.arange(new)
    return numbers * old // max(new, 1), -((numbers + 1) * -old // max(new, 1))


def _adaptive(old: int, new: int) -> Table:
    starts, stops = adaptive_windows(old, new)
    places = starts[:, None] + np.arange(int((stops - starts).max(initial=0)))
    weights = np.broadcast_to((1 / (stops - starts))[:, None], places.shape)
    return places, weights, places < stops[:, None]


def _reflected(old: int, new: int, low: int) -> Table:
    places = np.abs(np.arange(new) - low)
    return (old - 1 - np.abs(old - 1 - places))[:, None], None, None


def _replicated(old: int, new: int, low: int) -> Table:
    return np.clip(np.arange(new) - low, 0, old - 1)[:, None], None, None


def _circular(old: int, new: int, low: int, high: int) -> Table:
    # what is taken away is not come round to
    kept = old + min(low, 0) + min(high, 0)
    places = (np.arange(new) - max(low, 0)) % kept - min(low, 0)
    return places[:, None], None, None


_RULES: dict[str, Callable[..., Table]] = {
    "nearest": _nearest,
    "linear": _linear,
    "cubic": _cubic,
    "smoothed": _smoothed,
    "sum": _sum,
    "average": _average,
    "adaptive": _adaptive,
    "reflect": _reflected,
    "replicate": _replicated,
    "circular": _circular,
}


# -- from a table to passes -----------------------------------------------------------------------


def _ranks(keys: np.ndarray) -> np.ndarray:
    """Return for each of the sorted `keys` how many equal ones come before it."""
    first = np.searchsorted(keys, keys, side="left")
    return np.arange(keys.size) - first


def _regular(places: np.ndarray) -> Any:
    """Return `places` as a slice if they lie evenly, else as they are."""
    if places.size == 1:
        return slice(int(places[0]), int(places[0]) + 1)
    steps = np.diff(places)
    if steps[0] > 0 and (steps == steps[0]).all():
        return slice(int(places[0]), int(places[-1]) + 1, int(steps[0]))
    return places


@lru_cache(maxsize=256)
def _passes(rule: Rule, old: int, new: int, transposed: bool) -> tuple[float, tuple[_Pass, ...]]:
    """Return a factor and the passes that resample `old` to `new` elements (or the transpose)."""
    places, weights, counted = _RULES[rule[0]](old, new, *rule[1:])
    targets = np.broadcast_to(np.arange(new)[:, None], places.shape)
    chosen = np.ones(places.shape, bool) if counted is None else counted
    to, source = targets[chosen], places[chosen]
    share = None if weights is None else weights[chosen]
    if transposed:
        order = np.argsort(source, kind="stable")
        to, source = source[order], to[order]
        share = None if share is None else share[order]
    factor = 1.0
    if share is not None and share.size and (share == share[0]).all():
        factor, share = float(share[0]), None
    ranks = _ranks(to)
    made = []
    for rank in range(int(ranks.max(initial=-1)) + 1):
        part = ranks == rank
        chosen_weights = None if share is None else share[part]
        made.append(_Pass(_regular(to[part]), _regular(source[part]), chosen_weights))
    return factor, tuple(made)


def _taken(lines: np.ndarray, places: Any) -> np.ndarray:
    return lines[:, places] if isinstance(places, slice) else lines.take(places, axis=1)


def _apply(array: np.ndarray, dim: int, rule: Rule, size: int, transposed: bool) -> np.ndarray:
    shape = array.shape
    held = shape[dim]
    ends = (size, held) if transposed else (held, size)
    factor, passes = _passes(rule, *ends, transposed)
    # PyTorch, too, computes float16 in float32
    wide = np.dtype(np.float32) if array.dtype == np.float16 else array.dtype
    lead, trail = int(np.prod(shape[:dim])), int(np.prod(shape[dim + 1 :]))
    lines = array.reshape(lead, held, trail)
    result: Any = None
    for targets, sources, weights in passes:
        part = _taken(lines, sources).astype(wide, copy=False)
        if weights is not None:
            part = part * weights.astype(wide)[:, None]
        if result is None:
            if isinstance(targets, slice) and part.shape[1] == size:
                # the first pass that fills all need not add to zeros
                result = part if part.base is None and part is not lines else part.copy()
                continue
            result = np.zeros((lead, size, trail), wide)
        result[:, targets] += part
    if result is None:
        result = np.zeros((lead, size, trail), wide)
    if factor != 1:
        result *= wide.type(factor)
    made = result.astype(array.dtype, copy=False)
    return np.ascontiguousarray(made).reshape(*shape[:dim], size, *shape[dim + 1 :])


_LAST = """
for line in range(first, last):
    for i in range(size):
        total = {kind}(0)
        for t in range(begin[i], begin[i + 1]):
            total += a0[line * held + source[t]] * weight[t]
        out[line * size + i] = {kind}(total * factor[0])
"""

_ROWS = """
for line in range(first, last):
    for i in range(size):
        row = (line * size + i) * trail
        for k in range(row, row + trail):
            out[k] = {kind}(0)
        for t in range(begin[i], begin[i + 1]):
            share = weight[t]
            at = (line * held + source[t]) * trail
            for k in range(trail):
                out[row + k] = {kind}(out[row + k] + a0[at + k] * share)
        for k in range(row, row + trail):
            out[k] = {kind}(out[k] * factor[0])
"""


def _loops(out: Any, array: Any, dim: int, rule: Rule, transposed: bool) -> Loops | None:
    """Return loops over new elements and the old ones that each is a sum of."""
    if out.dtype not in (np.float32, np.float64):
        return None
    held, size = array.shape[dim], out.shape[dim]
    factor, passes = _passes(rule, *((size, held) if transposed else (held, size)), transposed)
    if all(each.weights is None for each in passes):
        return None  # NumPy adds what has one weight in 0.3 to 1.0 of the time
    sources: list[list[int]] = [[] for _ in range(size)]
    weights: list[list[float]] = [[] for _ in range(size)]
    for each in passes:
        to, come = np.arange(size)[each.targets], np.arange(held)[each.sources]
        shares = np.ones(len(to)) if each.weights is None else each.weights
        for target, source, share in zip(to.tolist(), come.tolist(), shares.tolist()):
            sources[target].append(source)
            weights[target].append(share)
    trail = int(np.prod(array.shape[dim + 1 :]))
    lines = array.size // (held * trail)
    terms = sum(map(len, sources))
    tables = {
        "begin": np.cumsum([0, *map(len, sources)], dtype=np.int64),
        "source": np.array([k for each in sources for k in each] or [0], np.int64),
        "weight": np.array([share for each in weights for share in each] or [0], out.dtype),
        "factor": np.array([factor], out.dtype),
    }
    sizes = {"held": held, "size": size} | ({"trail": trail} if trail > 1 else {})
    work = 1.0 * lines * (terms + size) * (1 if trail == 1 else 0.2 * trail)
    return Loops(_ROWS if trail > 1 else _LAST, lines, work, sizes, tables)


RESAMPLE = Primitive(
    "resample",
    Kind.INDEX,
    lambda array, *, dim, rule, size: _apply(array, dim, rule, size, False),
    (
        lambda g, _out, x_spec, *, dim, rule, size: bind(
            RESAMPLE_BACK, g, dim=dim, rule=rule, size=x_spec.shape[dim]
        ),
    ),
    loops=lambda out, array, *, dim, rule, size: _loops(out, array, dim, rule, False),
)

RESAMPLE_BACK = Primitive(
    "resample_backward",
    Kind.INDEX,
    lambda array, *, dim, rule, size: _apply(array, dim, rule, size, True),
    (
        lambda g, _out, x_spec, *, dim, rule, size: bind(
            RESAMPLE, g, dim=dim, rule=rule, size=x_spec.shape[dim]
        ),
    ),
    loops=lambda out, array, *, dim, rule, size: _loops(out, array, dim, rule, True),
)


def resampled(input: Tensor, rules: Sequence[tuple[Rule | None, int]]) -> Tensor:
    """Return `input` with its last dimensions resampled, each by its rule to its size.

    Where there is no rule it is a copy.
    """
    first, made = input._array.ndim - len(rules), input
    for place, (rule, size) in enumerate(rules):
        if rule is not None:
            made = bind(RESAMPLE, made, dim=first + place, rule=rule, size=size)
    return input.clone() if made is input else made
