"""The variables in which kernels accumulate reductions."""

from __future__ import annotations

import numpy as np

from jitgrad.kernels.expressions import emit_expression, emit_literal, type_name
from jitgrad.kernels.operations import Reduce

BLOCK = 1024
"""Elements summed in the dtype itself before the sum moves on to a wider one."""

_ANY_ORDER = {"{acc} + {0}": "add_in_any_order", "{acc} * {0}": "multiply_in_any_order"}
"""Steps that LLVM may reorder, which is what lets it use vector registers."""


class Accumulator:
    """The variables of a reduction.

    A sum of floats is `blocked` where it is long: summed within blocks in its dtype, in vector
    registers, and over the blocks in float64 (with a compensation if it is float64 itself), so
    that its error stays below that of pairwise summation.
    """

    def __init__(self, operation: Reduce, suffix: str, wide: bool, place: str = "") -> None:
        assert operation.target is not None
        self.operation = operation
        self.source = operation.source.dtype
        self.result_dtype = operation.target.dtype
        self.is_sum = operation.combine == "{acc} + {0}" and self.result_dtype.kind == "f"
        element = np.dtype(np.float32) if self.result_dtype == np.float16 else self.result_dtype
        self.place = place
        self.blocked = self.is_sum and wide and not place
        self.element = element
        self.dtype = np.dtype(np.float64) if self.is_sum and wide else element
        self.compensated = self.is_sum and wide and element == np.float64
        self.total = f"total{suffix}"
        self.lost = f"lost{suffix}"
        self.part = f"part{suffix}" if self.blocked else self.total

    @property
    def at(self) -> str:
        """The source for the accumulator."""
        return self.total + self.place

    @property
    def first(self) -> str:
        """The source for what it begins with."""
        return self._first(self.dtype)

    def _first(self, dtype: np.dtype) -> str:
        begin = self.operation.begin
        if begin in ("lowest", "highest"):
            low = begin == "lowest"
            if dtype.kind == "f":
                return emit_literal(-np.inf if low else np.inf, dtype)
            if dtype.kind == "b":
                return emit_literal(not low, dtype)
            limits = np.iinfo(dtype)
            return emit_literal(limits.min if low else limits.max, dtype)
        return emit_literal({"True": True, "False": False}.get(begin, begin), dtype)

    def begin(self) -> list[str]:
        """Return the lines that start."""
        lines = [f"{self.at} = {self.first}"]
        if self.compensated:
            lines.append(f"{self.lost}{self.place} = {self.first}")
        return lines

    def begin_block(self) -> list[str]:
        return [f"{self.part} = {self._first(self.element)}"] if self.blocked else []

    def end_block(self) -> list[str]:
        return self.merge(f"{type_name(self.dtype)}({self.part})") if self.blocked else []

    def merge(self, part: str) -> list[str]:
        """Return the lines that take in what another accumulator, of this dtype, has come to."""
        total, lost = self.at, self.lost + self.place
        if not self.is_sum:
            combined = emit_expression(
                self.operation.combine, [part], [self.dtype], self.dtype, self.dtype, total
            )
            return [f"{total} = {combined}"]
        if not self.compensated:
            return [f"{total} = {total} + {part}"]
        return [
            f"part = {part}",
            f"whole = {total} + part",
            f"moved = whole - {total}",
            f"{lost} = {lost} + (({total} - (whole - moved)) + (part - moved))",
            f"{total} = whole",
        ]

    def step(self, operand: str) -> list[str]:
        """Return the lines that take in one more element."""
        if self.compensated and self.place:
            return self.merge(self._converted(operand, self.dtype))
        target = self.part + self.place
        dtype = self.element if self.blocked else self.dtype
        combine = self.operation.combine
        if self.result_dtype.kind == "f" and combine in _ANY_ORDER and not self.place:
            operand = self._converted(operand, dtype)
            return [f"{target} = {_ANY_ORDER[combine]}({target}, {operand})"]
        if self.source != np.bool_ and self.result_dtype == np.bool_:
            dtype = self.source
        else:
            operand = self._converted(operand, dtype)
        made = emit_expression(combine, [operand], [dtype], dtype, self.dtype, target)
        return [f"{target} = {made}"]

    def _converted(self, operand: str, dtype: np.dtype) -> str:
        held = np.dtype(np.float32) if self.source == np.float16 else self.source
        return operand if held == dtype else f"{type_name(dtype)}({operand})"

    def merged(self) -> str:
        """Return the source for what was accumulated, in the accumulator's dtype."""
        total, lost = self.at, self.lost + self.place
        if self.compensated:
            return f"where(isfinite({lost}), {total} + {lost}, {total})"
        return total

    def result(self) -> str:
        """Return the source for what came out."""
        if self.result_dtype == self.dtype:
            return self.merged()
        return f"{type_name(self.result_dtype)}({self.merged()})"
