"""The driver of a program: straight-line Python that allocates, calls kernels and NumPy, returns.

It is generated once for a trace. Memory that does not leave the run is scratch: parts of one block,
which is lent to one run at a time through a list, with the views on it that are needed.
"""

from __future__ import annotations

import linecache
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from itertools import count as numbers
from types import MappingProxyType
from typing import Any

import numpy as np

from jitgrad.graph.ir import Scalar, Value
from jitgrad.kernels import calling, cpu
from jitgrad.kernels.conventions import ARRAY, CONSTANT, FLOAT, INTEGER, SCRATCH, THING, TRUTH
from jitgrad.kernels.driver_memory import BLOCK, KEPT, WITHIN, DriverMemory, geometry_of
from jitgrad.kernels.emit import emit_kernels
from jitgrad.kernels.entries import Emitted, Integer, Pointer
from jitgrad.kernels.fusion import Group
from jitgrad.kernels.instructions import (
    Footprint,
    Instruction,
    nbytes,
    result_bytes,
    steps_of,
)
from jitgrad.kernels.operations import (
    Call,
    Constant,
    Copy,
    Extract,
    Native,
    Number,
    Operation,
    Product,
)
from jitgrad.kernels.products import emit_product
from jitgrad.kernels.schedule import Schedule, Unit, parts_of
from jitgrad.kernels.scratch import Spare, lend
from jitgrad.kernels.threads import WORTH_SPLITTING

_programs = numbers()


class Driver(DriverMemory):
    """Generates the driver of one program.

    Args:
        schedule, inputs, outputs: what it does, and with what.
        together: outputs that come out in one block of bytes, behind the others, if kernels make
            them.
        within: inputs that lie in such a block, which comes before the others: the bytes where
            they begin.

    Attributes:
        offsets: the bytes where outputs begin that lie in a block.
        kernels: those that it calls, each once, in order.
        native_calls: kernels and products of one run.
        source: the text.
        run: the function.
        whole: what it is as one native call, None where it does more than such a call can.
        instructions, footprint: see `Program`.
    """

    def __init__(
        self,
        schedule: Schedule,
        inputs: Sequence[Value | Scalar],
        outputs: Sequence[Value | Scalar],
        together: Collection[Value] = (),
        within: Mapping[Value, int] = MappingProxyType({}),
    ) -> None:
        self.kernels: list[cpu.Kernel] = []
        self.native_calls = 0
        # what single lines do, too: launches, with the positions of what they are given, and
        # bools that are read from scratch
        self._launches: list[tuple[list[calling.KernelCall], dict[str, int]]] = []
        self._truths: dict[str, int] = {}
        self._schedule = schedule
        super().__init__(inputs, outputs)
        self._within = within
        self._stored = schedule.stored(self._outside | self._escaping)
        self._in_blocks = {each.memory for each in within}
        self._generate(together)

    # the parts

    def _generate(self, together: Collection[Value]) -> None:
        given = [each for each in self._inputs if each not in self._within]
        parameters = [WITHIN] * bool(self._within) + [self._parameter(each) for each in given]
        for each, offset in self._within.items():
            self._put(each, WITHIN, offset)  # type: ignore[arg-type]
        units = [(unit, self._kernels(unit)) for unit in self._schedule.units]
        self._place(units)
        self._join(together)
        pending: list[Emitted] = []
        for unit, kernels in units:
            pending += kernels or ()
            if kernels is None or (isinstance(unit, Native) and unit.routine.declined is not None):
                self._launch(pending)
                pending = []
                self._operation(unit)  # type: ignore[arg-type]
        self._launch(pending)
        results = [self._result(each) for each in self._outputs if each not in self.offsets]
        results += [KEPT] * bool(self.offsets)
        self._finish(parameters, results)
        self.instructions = [
            _instruction(unit, kernels) for unit, kernels in units if not isinstance(unit, Constant)
        ]
        calls = [unit.target for unit, _ in units if isinstance(unit, Call)]
        made = [each for each in calls if each is not None and each.memory not in self._escaping]
        temporary = self._scratch.size + sum(map(nbytes, made))
        self.footprint = Footprint(result_bytes(self._inputs, self._outputs), temporary)

    def _place(self, units: Sequence[tuple[Unit, Sequence[Emitted] | None]]) -> None:
        """Find out when memory is used that nobody sees after the run."""
        elsewhere = self._outside | self._escaping | set(self._base)
        for unit, _ in units:
            for each in parts_of(unit):
                if each.target is not None:
                    self._introduced.setdefault(each.target.memory, each.whole or each.target)
                    if isinstance(each, (Call, Constant)):
                        elsewhere.add(each.target.memory)
                        self._by_numpy_made.add(each.target.memory)
        for time, (unit, kernels) in enumerate(units):
            used = [
                entry.value
                for each in kernels or ()
                for entry in each.table
                if isinstance(entry, Pointer)
            ]
            if isinstance(unit, Operation):
                used += unit.reads if unit.target is None else (*unit.reads, unit.target)
            for value in used:
                if value.memory not in elsewhere:
                    self._scratch.use(value, time)
        self._scratch.place()

    def _parameter(self, value: Value | Scalar) -> str:
        if isinstance(value, Scalar):
            name = self._new("number")
            self._names[value] = name
            return name
        name = self._new("in")
        self._base.setdefault(value.memory, (name, value))
        self._views.setdefault(geometry_of(value), name)
        return name

    def _result(self, value: Value | Scalar) -> str:
        if isinstance(value, Scalar):
            return self._names[value]
        return self._array(value)

    def _kernels(self, unit: Unit) -> Sequence[Emitted] | None:
        """Return the kernels of `unit`; None where it has none."""
        if isinstance(unit, Group):
            return emit_kernels(unit, self._stored)
        if isinstance(unit, Product):
            assert unit.target is not None
            return [emit_product(unit.a, unit.b, unit.target)]
        if not isinstance(unit, Native):
            return None
        for value, array in unit.routine.tables:
            self._base[value.memory] = (self._constant("table", array), value)
        declined = unit.routine.declined
        if declined is not None:
            name = self._new("declined")
            self._lent.append((name, lambda block: np.zeros(1, np.int64)))
            self._base[declined.memory] = (name, declined)
            self._views[geometry_of(declined)] = name
        return unit.routine.kernels

    def _launch(self, kernels: Sequence[Emitted]) -> None:
        """Emit one native call for kernels that follow one another."""
        if not kernels:
            return
        calls = []
        arguments: dict[str, int] = {}
        held = 0.0
        for emitted in kernels:
            kernel = cpu.kernel_for(emitted.source)
            if kernel not in self.kernels:
                self.kernels.append(kernel)
            split = calling.split(emitted.length, emitted.nanoseconds)
            # many short ones together must not hold the interpreter lock for long either
            held += emitted.nanoseconds
            if not split and held >= WORTH_SPLITTING:
                split = 1
            if split:
                held = 0.0
            table = self._table(emitted, arguments)
            calls.append(calling.KernelCall(kernel, emitted.length, split, table))
            self.native_calls += 1
        launch = f"launch{len(self._launches)}"
        self._launches.append((calls, arguments))
        names = ", ".join(each.kernel.name for each in calls)
        self._line(f"{launch}({', '.join(arguments)})  # {names}")

    def _table(self, emitted: Emitted, arguments: dict[str, int]) -> list[tuple[int, int, int]]:
        table = []
        for entry in emitted.table:
            if isinstance(entry, Integer):
                table.append((CONSTANT, 0, entry.value))
            elif isinstance(entry, Pointer):
                name, distance = self._address(entry.value)
                position = arguments.setdefault(name, len(arguments))
                table.append((ARRAY, position, distance))
            else:
                position = arguments.setdefault(self._names[entry.scalar], len(arguments))
                kind = FLOAT if entry.scalar.type is float else INTEGER
                table.append((kind, position, 0))
        return table

    def _operation(self, operation: Operation) -> None:
        if isinstance(operation, Native):
            self._ask_again(operation)
        elif isinstance(operation, Call):
            self._call(operation)
        elif isinstance(operation, Copy):
            target, source = self._array(operation.target), self._array(operation.source)  # type: ignore[arg-type]
            self._line(f"run_quietly(copyto, {target}, {source}, casting='unsafe')")
        elif isinstance(operation, Constant):
            assert operation.target is not None
            name = self._constant("constant", operation.array)
            self._base[operation.target.memory] = (name, operation.target)
            self._views[geometry_of(operation.target)] = name
        elif isinstance(operation, Number):
            name = self._names[operation.output] = self._new("number")
            function = self._constant("function", operation.function)
            operands = [self._operand(each) for each in operation.operands]
            shown = operation.expression.format(*operands)
            self._line(f"{name} = {function}({', '.join(operands)})  # {shown}")
        elif isinstance(operation, Extract):
            name, source = self._new("number"), operation.source
            self._names[operation.output] = name
            self._line(f"{name} = {self._array(source)}.item()")
            if source.dtype == np.bool_ and source.memory in self._scratch:
                self._truths[name] = self._scratch.offset(source)

    def _operand(self, operand: Any) -> str:
        if isinstance(operand, Value):
            return self._array(operand)
        if isinstance(operand, Scalar):
            return self._names[operand]
        if isinstance(operand, (list, tuple)):
            inner = "".join(self._operand(each) + ", " for each in operand)
            return f"({inner})"
        if type(operand) in (int, bool):
            return repr(operand)
        return self._constant("constant", operand)

    def _ask_again(self, operation: Native) -> None:
        """Call NumPy, which may raise, where the kernels declined."""
        declined, target = operation.routine.declined, operation.target
        assert declined is not None and target is not None
        flag = self._array(declined)
        again, result = self._by_numpy(operation.call), self._array(target)
        self._line(f"if {flag}[0]:")
        self._line(f"    {flag}[0] = 0")
        self._line(f"    copyto({result}, {again})")

    def _by_numpy(self, call: Call) -> str:
        operands = [self._operand(each) for each in call.operands]
        function = self._constant("numpy_" + _identifier(call.primitive.name), call.primitive.numpy)
        params = "".join(
            f", {name}={self._constant(name, value)}" for name, value in call.params.items()
        )
        return f"run_quietly({', '.join([function, *operands])}{params})"

    def _call(self, call: Call) -> None:
        made = self._by_numpy(call)
        target = call.target
        assert target is not None
        name = self._new("made")
        if not call.primitive.shape_depends_on_data:
            itemsize = target.dtype.itemsize
            layout = (target.shape, target.dtype, tuple(s * itemsize for s in target.strides))
            arrays = "".join(
                f"{each}, " for each in dict.fromkeys(self._array(v) for v in call.reads)
            )
            made = f"fresh({made}, {self._constant('layout', layout)}, ({arrays}))"
        self._line(f"{name} = {made}")
        self._base[target.memory] = (name, target)
        self._views[geometry_of(target)] = name

    def _finish(self, parameters: list[str], results: list[str]) -> None:
        body = []
        if self._scratch.size or self._lent:
            names = ", ".join([BLOCK, *(name for name, _ in self._lent)])
            body += [
                "try:",
                f"    lent = {names}, = spare.pop()",
                "except IndexError:",
                f"    lent = {names}, = lend()",
            ]
            self._namespace["spare"] = Spare()
            makers = tuple(make for _, make in self._lent)
            self._namespace["lend"] = partial(lend, self._scratch.size, makers)
        body += self._lines
        if self._scratch.size or self._lent:
            body.append("spare.append(lent)")
        body.append(f"return ({''.join(each + ', ' for each in results)})")
        lines = [f"def run({', '.join(parameters)}):", *("    " + each for each in body)]
        self.source = "\n".join(lines) + "\n"
        self.whole = self._as_whole(parameters, results)
        for number, (calls, _) in enumerate(self._launches):
            self._namespace[f"launch{number}"] = calling.launch(calls)
        file = f"<jitgrad program {next(_programs)}>"
        listed = list(self.source.splitlines(keepends=True))
        linecache.cache[file] = (len(self.source), None, listed, file)  # type: ignore[assignment]
        exec(compile(self.source, file, "exec"), self._namespace)
        # which is then no part of a cycle, and is freed with its scratch memory when it is let go
        self.run: Callable[..., tuple] = self._namespace.pop("run")
        weakref.finalize(self.run, linecache.cache.pop, file, None).atexit = False

    def _as_whole(self, parameters: list[str], results: list[str]) -> calling.WholeRun | None:
        """Return the run as one native call, None where it does more than such a call can."""
        lines = len(self._arrays) + len(self._launches) + len(self._truths)
        if len(self._launches) != 1 or len(self._lines) != lines:
            return None
        ((calls, arguments),) = self._launches
        names = list(arguments)
        positions = {name: at for at, name in enumerate((*parameters, *self._arrays))}
        constants = {}

        def elsewhere(entry: tuple[int, int, int]) -> tuple[int, int, int]:
            kind, at, value = entry
            name = names[at] if kind != CONSTANT else ""
            if name == BLOCK:
                return SCRATCH, 0, value
            if name in positions:
                return kind, positions[name], value
            if kind == ARRAY:
                constants[name] = self._namespace[name]
                return CONSTANT, 0, constants[name].ctypes.data + value
            return entry

        try:
            moved = [call._replace(table=[*map(elsewhere, call.table)]) for call in calls]
            found = [
                (TRUTH, self._truths[name]) if name in self._truths else (THING, positions[name])
                for name in results
            ]
        except KeyError:
            return None
        made = calling.WholeRun(
            len(parameters),
            [*self._arrays.values()],
            moved,
            found,
            self._scratch.size,
            [*constants.values()],
        )
        return made if made.fits() else None


def _instruction(unit: Unit, kernels: Sequence[Emitted] | None) -> Instruction:
    steps = steps_of(parts_of(unit))
    names = tuple(cpu.kernel_for(each.source).name for each in kernels or ())
    if isinstance(unit, Product):
        return Instruction("product", names, steps)
    if isinstance(unit, (Number, Extract)):
        return Instruction("Python", names, steps)
    return Instruction("kernel" if names else "NumPy", names, steps)


def _identifier(name: str) -> str:
    return "".join(each if each.isalnum() else "_" for each in name)
