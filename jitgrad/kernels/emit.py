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

from jitgrad.graph.ir import Memory, Scalar, Value
from jitgrad.kernels.accumulators import BLOCK, Accumulator
from jitgrad.kernels.entries import Emitted, Entry, Integer, Pointer, RuntimeNumber
from jitgrad.kernels.expressions import emit_expression, emit_literal, type_name
from jitgrad.kernels.fusion import SINGLE_PASS, Access, Group, Level, Member, is_forwarded
from jitgrad.kernels.geometry import count
from jitgrad.kernels.operations import Literal, Map, Reduce

UNROLLED = 8
"""Loops of at most so many rounds have their length in the source, so that LLVM unrolls them."""

TILE = 256
"""Columns reduced together."""


class Loop(NamedTuple):
    """A loop: the number of rounds, and the group's dims that it covers, outermost first."""

    size: int
    dims: tuple[int, ...]


def emit_kernels(group: Group, stored: set[Member]) -> list[Emitted]:
    """Return the kernel for `group`, which writes the results of the members in `stored`.

    A reduction of very many elements to one becomes two kernels: the first leaves partial results
    of blocks, so that it can be split over threads, the second combines them.
    """
    if group.kept == frozenset() and count(group.dims) > SINGLE_PASS:
        first = _Emitter(group, stored)
        blocks = first.partial_reductions()
        return [first.emitted(blocks), _Emitter(group, stored).combined(first.partials)]
    return [_Emitter(group, stored).whole()]


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
        self.bounds: dict[Loop, tuple[str, str]] = {}
        self.partials: list[Access] = []
        self.accumulating: dict[Member, Accumulator] = {}
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
        if access.value.shift is not None:
            number, distance = access.value.shift
            terms.append(f"{self._number(number, np.dtype(np.int64))} * {self._integer(distance)}")
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

    def whole(self) -> Emitted:
        """Return a kernel that does everything."""
        group = self.group
        self._run(-2)
        if group.columns:
            return self.emitted(self._columns())
        if self.kept:
            self.bounds[self.kept[0]] = ("first", "last")
        self._nest(self.kept, self._row if group.kept is not None else lambda: self._run(0))
        return self.emitted(self.kept[0].size if self.kept else 1)

    def partial_reductions(self) -> int:
        """Emit the kernel that reduces blocks, noting `partials`; return how many blocks."""
        outer, *inner = self.reduced
        rounds = max(1, SINGLE_PASS // count([loop.size for loop in inner]))
        blocks = -(-outer.size // rounds)
        self._run(-2)
        self._line("for block in range(first, last):")
        self.depth += 1
        self._line(f"start = block * {rounds}")
        self._line(f"end = min(start + {rounds}, {self._length(outer)})")
        self.bounds[outer] = ("start", "end")
        for _, accumulator in self._accumulate(0):
            value = Value((blocks,), (1,), accumulator.dtype, Memory("partial"))
            self.partials.append(Access(value, ()))
            name = self._pointer(self.partials[-1])
            self._line(f"{name}[block] = {accumulator.merged()}")
        self.depth -= 1
        return blocks

    def combined(self, partials: Sequence[Access]) -> Emitted:
        """Return the kernel that combines partial results."""
        stored, self.stored = self.stored, set()
        self._run(-2)  # for what it leaves in registers
        self.stored = stored
        accumulators = self._accumulators(0)
        for _, accumulator in accumulators:
            self._lines(accumulator.begin())
        self._line(f"for block in range({self._integer(partials[0].value.size)}):")
        self.depth += 1
        for access, (_, accumulator) in zip(partials, accumulators, strict=True):
            self._lines(accumulator.merge(f"{self._pointer(access)}[block]"))
        self.depth -= 1
        self._results(accumulators, 1)
        self._run(1)
        return self.emitted(1)._replace(nanoseconds=0.0)

    def emitted(self, length: int) -> Emitted:
        """Return what was emitted so far as a kernel."""
        head = ["def kernel(arguments, first, last):", *("    " + each for each in self.header)]
        source = "\n".join([*head, *self.lines]) + "\n"
        return Emitted(source, self.table, length, self._estimate())

    def _estimate(self) -> float:
        """Return roughly how many ns the loops take: 0.1 to move 4 bytes, 1 to call a function."""
        cost = 0.0
        for access in self._accesses():
            if any(access.strides):
                cost += 0.025 * access.value.dtype.itemsize
        for member in self.group.members:
            if member.level is Level.ELEMENT and isinstance(member.operation, Map):
                cost += 0.05 + member.operation.expression.count("(")
        return cost * count(self.group.dims)

    def _nest(self, loops: Sequence[Loop], body: Callable[[], None]) -> None:
        if not loops:
            body()
            return
        loop, *inner = loops
        variable = self._variable()
        low, high = self._bounds(loop)
        self._line(f"for {variable} in range({high if low == '0' else f'{low}, {high}'}):")
        self.variables[loop] = variable
        self.depth += 1
        self._nest(inner, body)
        self.depth -= 1
        del self.variables[loop]

    def _variable(self) -> str:
        return "ijklmnopq"[len(self.variables)]

    def _bounds(self, loop: Loop) -> tuple[str, str]:
        return self.bounds.get(loop) or ("0", self._length(loop))

    def _at(self, time: int) -> list[Member]:
        return [each for each in self.group.members if each.time == time]

    def _run(self, time: int) -> None:
        for member in self._at(time):
            operation = member.operation
            if member in self.accumulating:
                read = self._read(member, member.reads[0])
                self._lines(self.accumulating[member].step(read))
            elif isinstance(operation, Map):
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
            self._results(self._accumulate(time), time + 1)
            self._run(time + 1)

    def _accumulators(self, time: int) -> list[tuple[Member, Accumulator]]:
        wide = count([loop.size for loop in self.reduced]) > BLOCK
        reduces = [each for each in self._at(time) if isinstance(each.operation, Reduce)]
        return [
            (each, Accumulator(each.operation, f"{time // 2}_{k}", wide))  # type: ignore[arg-type]
            for k, each in enumerate(reduces)
        ]

    def _accumulate(self, time: int) -> list[tuple[Member, Accumulator]]:
        """Emit the loop over the reduced dims with everything that happens at this time."""
        accumulators = self._accumulators(time)
        for _, each in accumulators:
            self._lines(each.begin())

        def body() -> None:
            self.accumulating = dict(accumulators)
            self._run(time)
            self.accumulating = {}

        if any(each.blocked for _, each in accumulators):
            self._nest(self.reduced[:-1], lambda: self._blocks(accumulators, body))
        else:
            self._nest(self.reduced, body)
        return accumulators

    def _results(self, accumulators: list[tuple[Member, Accumulator]], time: int) -> None:
        for member, accumulator in accumulators:
            self.results[member] = self._set(time, accumulator.result())
            self._store(member)

    def _blocks(
        self, accumulators: list[tuple[Member, Accumulator]], body: Callable[[], None]
    ) -> None:
        loop = self.reduced[-1]
        low, high = self._bounds(loop)
        self._line(f"for block_start in range({low}, {high}, {BLOCK}):")
        self.depth += 1
        for _, each in accumulators:
            self._lines(each.begin_block())
        self.bounds[loop] = ("block_start", f"min(block_start + {BLOCK}, {high})")
        self._nest([loop], body)
        del self.bounds[loop]
        for _, each in accumulators:
            self._lines(each.end_block())
        self.depth -= 1

    def _lines(self, lines: Iterable[str]) -> None:
        for each in lines:
            self._line(each)

    def _columns(self) -> int:
        """Reduce tiles of columns, whose accumulators lie in buffers."""
        *outer, columns = self.kept
        width = self._length(columns)
        if outer:
            self.bounds[outer[0]] = ("first", "last")
            tiles = f"0, ({width} + {TILE - 1}) // {TILE}"
        else:
            tiles = "first, last"
        self._nest(outer, lambda: self._tiles(columns, tiles))
        return outer[0].size if outer else -(-columns.size // TILE)

    def _tiles(self, columns: Loop, tiles: str) -> None:
        reduces = [each for each in self._at(0) if isinstance(each.operation, Reduce)]
        accumulators = [
            (each, Accumulator(each.operation, f"0_{k}", True, "[place]"))  # type: ignore[arg-type]
            for k, each in enumerate(reduces)
        ]
        for _, each in accumulators:
            for name in (each.total, each.lost) if each.compensated else (each.total,):
                self.header.append(f"{name} = buffer({TILE}, {each.dtype.name!r})")
        self._line(f"for tile in range({tiles}):")
        self.depth += 1
        self._line(f"left = tile * {TILE}")
        self._line(f"right = min(left + {TILE}, {self._length(columns)})")
        self.bounds[columns] = ("left", "right")

        def across(body: Callable[[], None]) -> None:
            def placed() -> None:
                self._line(f"place = {self.variables[columns]} - left")
                body()

            self._nest([columns], placed)

        def start() -> None:
            for _, each in accumulators:
                self._lines(each.begin())

        def body() -> None:
            self.accumulating = dict(accumulators)
            self._run(0)
            self.accumulating = {}

        def finish() -> None:
            self._results(accumulators, 1)
            self._run(1)

        across(start)
        self._nest(self.reduced, lambda: across(body))
        across(finish)
        del self.bounds[columns]
        self.depth -= 1


def _dtype_of(operand: Any, dtype: np.dtype) -> np.dtype:
    return operand.dtype if isinstance(operand, (Value, Literal)) else dtype
