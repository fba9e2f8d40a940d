"""Readable Python source of kernels.

A kernel is called as `kernel(arguments, first, last)`: `arguments` is the address of a table of
64-bit entries (addresses of regions, sizes, strides, numbers), `first` and `last` bound the
outermost loop, so that it can be split over threads. Sizes and strides other than 0 and 1 are
entries, not constants: a kernel serves every length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from jitgrad.graph.ir import Scalar, Value
from jitgrad.kernels.accumulators import BLOCK, Accumulator
from jitgrad.kernels.expressions import emit_expression, emit_literal, type_name
from jitgrad.kernels.fusion import Access, Group, Member, is_forwarded
from jitgrad.kernels.geometry import count
from jitgrad.kernels.operations import Literal, Map, Reduce

UNROLLED = 8
"""Loops of at most so many rounds have their length in the source, so that LLVM unrolls them."""

TILE = 256
"""Columns reduced together."""


class Pointer(NamedTuple):
    """An entry of the table: the address of the first element of `value`."""

    value: Value


class Integer(NamedTuple):
    """An entry: a size or stride."""

    value: int


class RuntimeNumber(NamedTuple):
    """An entry: a number of run time, as float64 or, for integers, int64."""

    scalar: Scalar


Entry = Pointer | Integer | RuntimeNumber


class Emitted(NamedTuple):
    """A kernel's source and how to call it.

    Attributes:
        source: the text.
        table: the entries in order.
        length: the rounds of the outermost loop.
        work: elements visited.
    """

    source: str
    table: list[Entry]
    length: int
    work: int


class Loop(NamedTuple):
    """A loop: the number of rounds, and the group's dims that it covers, outermost first."""

    size: int
    dims: tuple[int, ...]


def emit_kernel(group: Group, stored: set[Member]) -> Emitted:
    """Return the kernel for `group`, which writes the results of the members in `stored`."""
    return _Emitter(group, stored).emit()


class _Emitter:
    def __init__(self, group: Group, stored: set[Member]) -> None:
        self.group = group
        self.stored = stored
        self.lines: list[str] = []
        self.depth = 1
        self.table: list[Entry] = []
        self.names: dict[Any, str] = {}
        self.header: list[str] = []
        self.strides: dict[tuple, tuple[int, ...]] = {}
        self.results: dict[Member, str] = {}
        self.expressions: dict[tuple[int, str], str] = {}
        self.registers = 0
        self.variables: dict[Loop, str] = {}
        self.kept, self.reduced = self._loops()

    # loops

    def _loops(self) -> tuple[list[Loop], list[Loop]]:
        group = self.group
        every = range(len(group.dims))
        kept = every if group.kept is None else [dim for dim in every if dim in group.kept]
        rest = () if group.kept is None else [dim for dim in every if dim not in group.kept]
        return self._collapsed(self._ordered(kept)), self._collapsed(self._ordered(rest))

    def _accesses(self) -> Iterable[Access]:
        unique: dict[tuple, Access] = {}
        for member in self.group.members:
            for access in member.accesses:
                if access is not member.write or member in self.stored:
                    unique[access.key()] = access
        return unique.values()

    def _ordered(self, dims: Sequence[int]) -> list[int]:
        """Return `dims` from the outermost to the innermost loop: long steps outside."""
        weights = dict.fromkeys(dims, 0)
        written = {member.write.key() for member in self.group.members}
        for access in self._accesses():
            for dim in dims:
                weights[dim] += abs(access.strides[dim]) * (2 if access.key() in written else 1)
        return sorted(dims, key=lambda dim: -weights[dim])

    def _collapsed(self, dims: Sequence[int]) -> list[Loop]:
        loops: list[Loop] = []
        accesses = list(self._accesses())
        for dim in dims:
            size = self.group.dims[dim]
            if loops and all(
                access.strides[loops[-1].dims[-1]] == access.strides[dim] * size
                for access in accesses
            ):
                last = loops.pop()
                loops.append(Loop(last.size * size, (*last.dims, dim)))
            else:
                loops.append(Loop(size, (dim,)))
        return loops

    # names

    def _entry(self, key: Any, entry: Entry, prefix: str, form: str) -> str:
        name = self.names.get(key)
        if name is None:
            name = f"{prefix}{sum(each.startswith(prefix) for each in self.names.values())}"
            self.names[key] = name
            self.header.append(f"{name} = {form.format(len(self.table))}")
            self.table.append(entry)
        return name

    def _pointer(self, access: Access) -> str:
        form = f"region(arguments, {{}}, {access.value.dtype.name!r})"
        return self._entry(access.key(), Pointer(access.value), "a", form)

    def _integer(self, value: int) -> str:
        return self._entry(value, Integer(value), "n", "integer(arguments, {})")

    def _number(self, scalar: Scalar, dtype: np.dtype) -> str:
        read = "number" if scalar.type is float else "integer"
        form = f"{type_name(dtype)}({read}(arguments, {{}}))"
        return self._entry((scalar, dtype), RuntimeNumber(scalar), "s", form)

    def _length(self, loop: Loop) -> str:
        return str(loop.size) if loop.size <= UNROLLED else self._integer(loop.size)

    def _place(self, access: Access) -> str:
        """Return the source for the index of the current element."""
        terms = []
        for loop, variable in self.variables.items():
            stride = access.strides[loop.dims[-1]]
            if stride == 1:
                terms.append(variable)
            elif stride == -1:
                terms.append(f"-{variable}")
            elif stride:
                terms.append(f"{variable} * {self._integer(stride)}")
        return " + ".join(terms) or "0"

    def _line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def _set(self, time: int, expression: str) -> str:
        """Return the register that holds `expression`, computed once at each time."""
        if expression.isidentifier():
            return expression
        name = self.expressions.get((time, expression))
        if name is None:
            name = f"v{self.registers}"
            self.registers += 1
            self.expressions[time, expression] = name
            self._line(f"{name} = {expression}")
        return name

    # the whole

    def emit(self) -> Emitted:
        group = self.group
        self._run(-2)
        if group.kept is None:
            self._nest(self.kept, 0, lambda: self._run(0), outermost=True)
            length = self.kept[0].size if self.kept else 1
        elif group.columns:
            length = self._columns()
        else:
            self._nest(self.kept, 0, self._row, outermost=True)
            length = self.kept[0].size if self.kept else 1
        head = ["def kernel(arguments, first, last):", *("    " + each for each in self.header)]
        source = "\n".join([*head, *self.lines]) + "\n"
        return Emitted(source, self.table, length, count(group.dims))

    def _nest(
        self, loops: Sequence[Loop], level: int, body: Callable[[], None], outermost: bool = False
    ) -> None:
        if not loops:
            body()
            return
        loop, *inner = loops
        variable = "ijklmnopq"[len(self.variables)]
        bounds = "first, last" if outermost else self._length(loop)
        self._line(f"for {variable} in range({bounds}):")
        self.variables[loop] = variable
        self.depth += 1
        self._nest(inner, level + 1, body)
        self.depth -= 1
        del self.variables[loop]

    def _at(self, time: int) -> list[Member]:
        return [each for each in self.group.members if each.time == time]

    def _run(self, time: int) -> None:
        for member in self._at(time):
            operation = member.operation
            if isinstance(operation, Map):
                operands = self._operands(member)
                kinds = [_dtype_of(each, operation.dtype) for each in operation.operands]
                result = operation.target.dtype  # type: ignore[union-attr]
                made = emit_expression(
                    operation.expression, operands, kinds, operation.dtype, result
                )
                self.results[member] = self._set(time, made)
                self._store(member)

    def _store(self, member: Member) -> None:
        if member in self.stored:
            name = self._pointer(member.write)
            self._line(f"{name}[{self._place(member.write)}] = {self.results[member]}")

    def _operands(self, member: Member) -> list[str]:
        operation = member.operation
        assert isinstance(operation, Map)
        reads = iter(member.reads)
        operands = []
        for each in operation.operands:
            if isinstance(each, Value):
                operands.append(self._read(member, next(reads)))
            elif isinstance(each, Scalar):
                operands.append(self._number(each, operation.dtype))
            elif isinstance(each, Literal):
                operands.append(emit_literal(each.value, each.dtype))
            else:
                operands.append(emit_literal(each, operation.dtype))
        return operands

    def _read(self, member: Member, access: Access) -> str:
        members = self.group.members
        writer = self.group.last_writer(access.value, members.index(member))
        if writer is not None and is_forwarded(writer, member):
            return self.results[writer]
        return self._set(member.time, f"{self._pointer(access)}[{self._place(access)}]")

    # reductions

    def _row(self) -> None:
        last = max(each.ready for each in self.group.members)
        self._run(-1)
        for time in range(0, last + 1, 2):
            self._accumulate(time)
            self._run(time + 1)

    def _accumulate(self, time: int) -> None:
        """Run a loop over the reduced dims, with the elementwise work of this time."""
        reduces = [each for each in self._at(time) if isinstance(each.operation, Reduce)]
        wide = count([loop.size for loop in self.reduced]) > BLOCK
        accumulators = {
            each: Accumulator(each.operation, f"{time // 2}_{k}", wide)  # type: ignore[arg-type]
            for k, each in enumerate(reduces)
        }
        for each in accumulators.values():
            self._lines(each.begin())

        def body() -> None:
            self._run(time)
            for member, accumulator in accumulators.items():
                self._line(accumulator.step(self._read(member, member.reads[0])))

        if not wide or not accumulators:
            self._nest(self.reduced, 0, body)
        else:
            self._nest(self.reduced[:-1], 0, lambda: self._blocks(accumulators, body))
        for member, accumulator in accumulators.items():
            self.results[member] = self._set(time + 1, accumulator.result())
            self._store(member)

    def _blocks(self, accumulators: dict[Member, Accumulator], body: Callable[[], None]) -> None:
        loop = self.reduced[-1]
        variable = "ijklmnopq"[len(self.variables)]
        length = self._length(loop)
        self._line(f"for start in range(0, {length}, {BLOCK}):")
        self.depth += 1
        for each in accumulators.values():
            self._lines(each.begin_block())
        self._line(f"for {variable} in range(start, min(start + {BLOCK}, {length})):")
        self.variables[loop] = variable
        self.depth += 1
        body()
        self.depth -= 1
        del self.variables[loop]
        for each in accumulators.values():
            self._lines(each.end_block())
        self.depth -= 1

    def _lines(self, lines: Iterable[str]) -> None:
        for each in lines:
            self._line(each)

    def _columns(self) -> int:
        """Reduce tiles of columns, whose accumulators lie in buffers."""
        *outer, columns = self.kept
        tiles = -(-columns.size // TILE)
        self._nest(outer, 0, lambda: self._tiles(columns, not outer), outermost=True)
        return outer[0].size if outer else tiles

    def _tiles(self, columns: Loop, outermost: bool) -> None:
        width = self._length(columns)
        reduces = [each for each in self._at(0) if isinstance(each.operation, Reduce)]
        accumulators = {
            each: Accumulator(each.operation, f"0_{k}", True, "[place]")  # type: ignore[arg-type]
            for k, each in enumerate(reduces)
        }
        for each in accumulators.values():
            self.header.append(f"{each.total} = buffer({TILE}, {each.dtype.name!r})")
        bounds = "first, last" if outermost else f"0, ({width} + {TILE - 1}) // {TILE}"
        self._line(f"for tile in range({bounds}):")
        self.depth += 1
        self._line(f"left = tile * {TILE}")
        self._line(f"right = min(left + {TILE}, {width})")

        def across(body: Callable[[], None]) -> None:
            variable = "ijklmnopq"[len(self.variables)]
            self._line(f"for {variable} in range(left, right):")
            self.variables[columns] = variable
            self.depth += 1
            self._line(f"place = {variable} - left")
            body()
            self.depth -= 1
            del self.variables[columns]

        def start() -> None:
            for each in accumulators.values():
                self._line(f"{each.at} = {each.first}")

        def body() -> None:
            self._run(0)
            for member, accumulator in accumulators.items():
                self._line(accumulator.step(self._read(member, member.reads[0])))

        def finish() -> None:
            for member, accumulator in accumulators.items():
                self.results[member] = self._set(1, accumulator.result())
                self._store(member)
            self._run(1)

        across(start)
        self._nest(self.reduced, 0, lambda: across(body))
        across(finish)
        self.depth -= 1


def _dtype_of(operand: Any, dtype: np.dtype) -> np.dtype:
    return operand.dtype if isinstance(operand, (Value, Literal)) else dtype
