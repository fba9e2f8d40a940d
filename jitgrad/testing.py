"""Comparisons for tests, under the name of `torch.testing`."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jitgrad.dispatch import TensorCore

__all__ = ["assert_close"]

_TOLERANCES = {"float16": (1e-3, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}


@dataclass(frozen=True)
class _Comparison:
    rtol: float | None
    atol: float | None
    equal_nan: bool
    check_dtype: bool
    check_stride: bool
    msg: str | Callable[[str], str] | None

    def fail(self, text: str, place: str) -> None:
        text = f"{text}\n\nThe failure occurred for item {place}" if place else text
        raise AssertionError(
            self.msg(text) if callable(self.msg) else text if self.msg is None else self.msg
        )

    def tolerances(self, *kinds: str) -> tuple[float, float]:
        if self.rtol is not None and self.atol is not None:
            return self.rtol, self.atol
        each = [_TOLERANCES.get(kind, (0.0, 0.0)) for kind in kinds]
        return max(rtol for rtol, _ in each), max(atol for _, atol in each)

    def compare(self, actual: Any, expected: Any, place: str) -> None:
        """Compare tensors, numbers, and what holds them."""
        if isinstance(actual, Mapping) and isinstance(expected, Mapping):
            if actual.keys() != expected.keys():
                missing, more = expected.keys() - actual.keys(), actual.keys() - expected.keys()
                text = f"The keys of the mappings do not match: missing {sorted(map(str, missing))}"
                self.fail(f"{text}, unexpected {sorted(map(str, more))}", place)
            for key in expected:
                self.compare(actual[key], expected[key], f"{place}[{key!r}]")
        elif _is_sequence(actual) and _is_sequence(expected):
            if len(actual) != len(expected):
                text = "The length of the sequences mismatch"
                self.fail(f"{text}: {len(actual)} != {len(expected)}", place)
            for i, (one, other) in enumerate(zip(actual, expected)):
                self.compare(one, other, f"{place}[{i}]")
        elif isinstance(actual, numbers.Number) and isinstance(expected, numbers.Number):
            if self.check_dtype and type(actual) is not type(expected):
                mine, other = type(actual).__name__, type(expected).__name__
                self.fail(f"The (d)types do not match: {mine} != {other}.", place)
            kinds = ("float64" if isinstance(x, float) else "int64" for x in (actual, expected))
            self.compare_values(
                "Scalars", np.asarray(actual), np.asarray(expected), place, self.tolerances(*kinds)
            )
        elif _is_array(actual) and _is_array(expected):
            self.compare_arrays(actual, expected, place)
        elif actual is not None or expected is not None:
            raise TypeError(
                f"assert_close: got {type(actual).__name__} and {type(expected).__name__}; "
                "No comparison pair was able to handle inputs of these types: give tensors, "
                "arrays or numbers, or sequences or mappings of them"
            )

    def compare_arrays(self, actual: Any, expected: Any, place: str) -> None:
        """Compare two tensors or arrays: shapes, dtypes, strides, elements."""
        one, other = _array_of(actual), _array_of(expected)
        for what, mine, others, asked in (
            ("shape", one.shape, other.shape, True),
            ("dtype", one.dtype, other.dtype, self.check_dtype),
            ("stride()", one.strides, other.strides, self.check_stride),
        ):
            if asked and mine != others:
                text = f"The values for attribute '{what}' do not match: {mine} != {others}."
                self.fail(text, place)
        limits = self.tolerances(one.dtype.name, other.dtype.name)
        self.compare_values("Tensor-likes", one, other, place, limits)

    def compare_values(
        self, what: str, one: Any, other: Any, place: str, limits: tuple[float, float]
    ) -> None:
        """Compare elements: the difference is at most atol + rtol * |expected|."""
        rtol, atol = limits
        close = np.isclose(one, other, rtol, atol, equal_nan=self.equal_nan)
        if close.all():
            return
        wrong = np.flatnonzero(np.logical_not(close))
        with np.errstate(all="ignore"):
            apart = np.abs(np.asarray(one, float) - np.asarray(other, float)).reshape(-1)[wrong]
            relative = apart / np.abs(np.asarray(other, float)).reshape(-1)[wrong]
        exact = not rtol and not atol
        self.fail(
            f"{what} are not {'equal' if exact else 'close'}!\n\n"
            f"Mismatched elements: {wrong.size} / {close.size} ({wrong.size / close.size:.1%})\n"
            f"Greatest absolute difference: {apart.max()} (up to {atol} allowed)\n"
            f"Greatest relative difference: {relative.max()} (up to {rtol} allowed)",
            place,
        )


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _is_array(value: Any) -> bool:
    return isinstance(value, (TensorCore, np.ndarray, numbers.Number))


def _array_of(value: Any) -> np.ndarray:
    return value.detach().numpy() if isinstance(value, TensorCore) else np.asarray(value)  # type: ignore[attr-defined]


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Raise AssertionError unless `actual` and `expected` are equal within rounding.

    Two tensors, arrays or numbers are close if |actual - expected| <= atol + rtol * |expected|
    everywhere; sequences and mappings, if what they hold is. There is one device and one layout.

    Args:
        rtol, atol: both or none; without, by dtype: 1.3e-6 and 1e-5 for float32, 1e-7 for float64,
            1e-3 and 1e-5 for float16, exactly equal for integers.
        equal_nan: NaN is close to NaN.
        check_dtype, check_stride: these have to be the same too.
        msg: the message of the error, or a function that makes it of the usual one.

    Raises:
        AssertionError: they are not close.
        ValueError: one of `rtol` and `atol` alone.
        TypeError: they cannot be compared.

    Example:
        >>> import jitgrad as torch
        >>> torch.testing.assert_close(torch.tensor([1.0]), torch.tensor([1.0 + 1e-7]))
    """
    if (rtol is None) != (atol is None):
        raise ValueError(
            "assert_close: rtol and atol must both be specified or both unspecified, but got "
            f"rtol={rtol} and atol={atol}"
        )
    _Comparison(rtol, atol, equal_nan, check_dtype, check_stride, msg).compare(actual, expected, "")
