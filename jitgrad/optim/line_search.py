"""A line search for the strong Wolfe conditions: low enough, and level enough.

Source: Nocedal and Wright, Numerical Optimization, 2006, algorithms 3.5 and 3.6, with the cubic
interpolation of equation 3.59.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from jitgrad.tensor import Tensor

_LOWER = 1e-4
_LEVEL = 0.9
_SMALLEST_CHANGE = 1e-9


class Point(NamedTuple):
    """A place on the line: how far along, and loss, gradient and slope there."""

    length: float
    loss: float
    gradient: Tensor
    slope: float


def strong_wolfe(
    look: Callable[[float], Point], start: Point, length: float, largest: float, most: int
) -> tuple[Point, int]:
    """Return a point that meets the conditions, and how many were looked at.

    Args:
        look: evaluates the loss at a length.
        start: the point at length 0.
        length: the first length to try.
        largest: the largest element of the direction.
        most: at most so many lengths are tried after the first.
    """
    previous, point = start, look(length)
    turns = 0
    while turns < most:
        if _is_too_high(point, start) or (turns > 1 and point.loss >= previous.loss):
            break
        if _is_level(point, start):
            return point, turns + 1
        if point.slope >= 0:
            break
        bounds = (point.length + 0.01 * (point.length - previous.length), point.length * 10)
        length = lowest_of_cubic(previous, point, bounds)
        previous, point = point, look(length)
        turns += 1
    else:
        previous = start
    return _zoom(look, start, [previous, point], turns, largest, most)


def _is_too_high(point: Point, start: Point) -> bool:
    return point.loss > start.loss + _LOWER * point.length * start.slope


def _is_level(point: Point, start: Point) -> bool:
    return abs(point.slope) <= -_LEVEL * start.slope


def _zoom(
    look: Callable[[float], Point],
    start: Point,
    ends: list[Point],
    turns: int,
    largest: float,
    most: int,
) -> tuple[Point, int]:
    """Return a point between two that has a good one between them."""
    low, high = sorted(ends, key=lambda end: end.loss)
    was_near_end = False
    while turns < most:
        left, right = sorted((low.length, high.length))
        if (right - left) * largest < _SMALLEST_CHANGE:
            break
        length = lowest_of_cubic(low, high, (left, right))
        margin = 0.1 * (right - left)
        near_end = min(right - length, length - left) < margin
        if near_end and (was_near_end or length >= right or length <= left):
            # twice in a row is too little progress
            near_right = abs(length - right) < abs(length - left)
            length = right - margin if near_right else left + margin
            near_end = False
        was_near_end = near_end
        point = look(length)
        turns += 1
        if _is_too_high(point, start) or point.loss >= low.loss:
            ends = [low, point] if ends[0] is low else [point, low]
            low, high = sorted(ends, key=lambda end: end.loss)
            continue
        if _is_level(point, start):
            return point, turns + 1
        if point.slope * (high.length - low.length) >= 0:
            high = low
        ends = [point, high] if ends[0] is low else [high, point]
        low = point
    return low, turns + 1


def lowest_of_cubic(a: Point, b: Point, bounds: tuple[float, float]) -> float:
    """Return where the cubic through two points with their slopes is lowest within `bounds`."""
    low, high = bounds
    mean = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.length - b.length)
    square = mean * mean - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2.0
    root = math.sqrt(square)
    if a.length > b.length:
        a, b = b, a
    denominator = b.slope - a.slope + 2 * root
    if not denominator:
        return high
    found = b.length - (b.length - a.length) * ((b.slope + root - mean) / denominator)
    return min(max(found, low), high)
