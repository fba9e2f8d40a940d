"""Numbers in the turns of a loop: where they lie, and the kernels that compute them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from jitgrad.graph.ir import Memory, Scalar, Value
from jitgrad.kernels.entries import Emitted, Header
from jitgrad.kernels.operations import Extract, Number, Operation
from jitgrad.kernels.scalars import NumberLines, literal
from jitgrad.kernels.turn import Carry, Record


class Numbers:
    """The memory in which numbers lie between kernels: a word for each, the first for failures."""

    def __init__(self) -> None:
        self.memory = Memory("numbers")
        self.failed = self._word(np.dtype(np.int64), 0)
        self.places: dict[Scalar, Value] = {}

    def _word(self, dtype: np.dtype, place: int) -> Value:
        return Value((), (), dtype, self.memory, place)

    def __getitem__(self, scalar: Scalar) -> Value:
        made = self.places.get(scalar)
        if made is None:
            dtype = np.dtype(np.float64 if scalar.type is float else np.int64)
            made = self.places[scalar] = self._word(dtype, 1 + len(self.places))
        return made


class NumberKernel:
    """A kernel of operations on numbers.

    What it makes is stored at its end, behind all that can fail.
    """

    def __init__(
        self,
        numbers: Numbers,
        operations: Sequence[Operation],
        uses: dict[Scalar, set[Operation]],
    ) -> None:
        self.numbers = numbers
        self.operations = operations
        self.uses = uses
        self.header = Header()
        self.lines = NumberLines()
        self.known: dict[Scalar, tuple[str, type]] = {}
        self.regions: dict[tuple, str] = {}
        self.stores: list[str] = []

    def emitted(self) -> tuple[Emitted, bool]:
        """Return the kernel, and whether it can fail."""
        for each in self.operations:
            self._perform(each)
        for scalar in list(self.known):
            inside = self.uses.get(scalar, set()) <= set(self.operations)
            if not inside and any(getattr(each, "output", None) is scalar for each in self.made):
                self._store(self.numbers[scalar], scalar)
        body = self.lines.lines
        failures = self.lines.failures
        if failures:
            failed = self._region(self.numbers.failed)
            body += [f"failed = {' | '.join(failures)}", f"{failed}[0] = int64(failed)"]
            body += ["if failed:", "    return"]
        body += self.stores
        text = "\n".join(body)
        return self.header.emitted(text, 1, 2.0 * len(body)), bool(failures)

    @property
    def made(self) -> list[Any]:
        return [each for each in self.operations if isinstance(each, (Number, Extract))]

    def _perform(self, operation: Operation) -> None:
        if isinstance(operation, Number):
            operands = [
                self._read(each) if isinstance(each, Scalar) else literal(each)
                for each in operation.operands
            ]
            name = self.lines.number(operation, operands)
            self.known[operation.output] = (name, operation.output.type)
        elif isinstance(operation, Extract):
            kind = operation.output.type
            convert = {float: "float64", int: "int64", bool: "boolean"}[kind]
            element = f"{self._region(operation.source)}[0]"
            self.known[operation.output] = (self.lines.let(f"{convert}({element})"), kind)
        elif isinstance(operation, Record):
            assert operation.target is not None
            self._store(operation.target, operation.scalar)
        elif isinstance(operation, Carry):
            self._store(self.numbers[operation.input], operation.output)

    def _region(self, value: Value) -> str:
        key = (value.memory, value.offset)
        name = self.regions.get(key)
        if name is None:
            name = self.regions[key] = f"a{len(self.regions)}"
            self.header.regions(**{name: value})
        return name

    def _read(self, scalar: Scalar) -> tuple[str, type]:
        known = self.known.get(scalar)
        if known is None:
            word = f"{self._region(self.numbers[scalar])}[0]"
            name = self.lines.let(f"{word} != 0" if scalar.type is bool else word)
            known = self.known[scalar] = (name, scalar.type)
        return known

    def _store(self, target: Value, scalar: Scalar) -> None:
        source, kind = self._read(scalar)
        if kind is bool and target.dtype != np.bool_:
            source = f"int64({source})"
        self.stores.append(f"{self._region(target)}[0] = {source}")
