"""The driver of a program: straight-line Python that allocates, calls kernels and NumPy, returns.

It is generated once for a trace. Memory that does not leave the run is scratch: allocated once,
with all the views that are needed, and lent to one run at a time through a list.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Sequence
from itertools import count as numbers
from typing import Any

import numpy as np

from jitgrad.graph.ir import Memory, Scalar, Value
from jitgrad.kernels import calling, cpu
from jitgrad.kernels.conventions import ARRAY, CONSTANT, FLOAT, INTEGER
from jitgrad.kernels.emit import emit_kernels
from jitgrad.kernels.entries import Emitted, Integer, Pointer
from jitgrad.kernels.fusion import Group
from jitgrad.kernels.geometry import row_major
from jitgrad.kernels.layout import allocate, fresh, view_of
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
from jitgrad.kernels.schedule import Schedule
from jitgrad.kernels.threads import pieces
from jitgrad.modes import run_quietly

_programs = numbers()


class Driver:
    """Generates the driver of one program.

    Attributes:
        kernels: those that it calls, each once, in order.
        native_calls: kernels and products of one run.
        source: the text.
        run: the function.
    """

    def __init__(
        self,
        schedule: Schedule,
        inputs: Sequence[Value | Scalar],
        outputs: Sequence[Value | Scalar],
    ) -> None:
        self.kernels: list[cpu.Kernel] = []
        self.native_calls = 0
        self._schedule = schedule
        self._inputs = inputs
        self._outputs = outputs
        self._lines: list[str] = []
        self._names: dict[Any, str] = {}
        self._counters: dict[str, int] = {}
        self._namespace: dict[str, Any] = {
            "empty": np.empty,
            "ndarray": np.ndarray,
            "as_strided": np.lib.stride_tricks.as_strided,
            "matmul": np.matmul,
            "copyto": np.copyto,
            "run_quietly": run_quietly,
            "fresh": fresh,
        }
        self._base: dict[Memory, tuple[str, Value]] = {}
        self._views: dict[tuple, str] = {}
        self._scratch: list[tuple[str, Callable[[], np.ndarray]]] = []
        self._scratch_memory: dict[Memory, int] = {}
        self._outside = {each.memory for each in inputs if isinstance(each, Value)}
        self._escaping = {each.memory for each in outputs if isinstance(each, Value)}
        self._introduced: dict[Memory, Value] = {}
        self.stored = schedule.stored(self._outside | self._escaping)
        self._generate()

    # names

    def _new(self, prefix: str) -> str:
        number = self._counters.get(prefix, 0)
        self._counters[prefix] = number + 1
        return f"{prefix}{number}"

    def _constant(self, prefix: str, value: Any) -> str:
        """Return the name of an object that the driver uses."""
        key = (prefix, id(value))
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = self._new(prefix)
            self._namespace[name] = value
        return name

    def _dtype(self, dtype: np.dtype) -> str:
        self._namespace[dtype.name] = dtype
        return dtype.name

    def _line(self, text: str) -> None:
        self._lines.append(text)

    # memory

    def _prepare(self, value: Value) -> None:
        """Make sure that there is memory for the elements that an operation of ours writes."""
        memory = value.memory
        if memory in self._base:
            return
        first = self._introduced.get(memory, value)
        if memory not in self._escaping:
            self._lend(first, lambda: allocate(first))
            return
        name = self._new("out")
        self._line(f"{name} = {self._allocation(first)}")
        self._base[memory] = (name, first)
        self._views[_geometry(first)] = name

    def _lend(self, value: Value, make: Callable[[], np.ndarray]) -> None:
        """Have memory for `value` that one run after the other uses."""
        name = self._new("scratch")
        self._scratch.append((name, make))
        self._scratch_memory[value.memory] = len(self._scratch)
        self._base[value.memory] = (name, value)
        self._views[_geometry(value)] = name

    def _allocation(self, value: Value) -> str:
        shape, dtype = value.shape, self._dtype(value.dtype)
        order = sorted(range(len(shape)), key=lambda dim: -value.strides[dim])
        for axes in (tuple(range(len(shape))), tuple(order)):
            sizes = tuple(shape[axis] for axis in axes)
            back = tuple(axes.index(dim) for dim in range(len(shape)))
            trial = np.empty(sizes, np.bool_).transpose(back)
            if trial.strides == value.strides:
                text = f"empty({sizes}, {dtype})"
                return text if back == tuple(range(len(shape))) else f"{text}.transpose({back})"
        self._namespace["allocate"] = allocate
        return f"allocate({self._constant('layout', value)})"

    def _array(self, value: Value) -> str:
        """Return the name of the array for `value`."""
        key = _geometry(value)
        if value.memory not in self._base:  # without elements, so nothing was ever written
            self._prepare(value)
        name = self._views.get(key)
        if name is None:
            base, first = self._base[value.memory]
            name = self._new("view")
            if value.memory in self._scratch_memory:
                place = self._scratch_memory[value.memory] - 1
                self._scratch.append((name, _ViewOfScratch(place, first, value)))
            else:
                self._line(f"{name} = {self._view(base, first, value)}")
            self._views[key] = name
        return name

    def _view(self, base: str, first: Value, value: Value) -> str:
        is_same = first.offset == value.offset and first.dtype == value.dtype
        pairs = list(zip(first.shape, first.strides))
        if is_same and sorted(pairs) == sorted(zip(value.shape, value.strides)):
            axes = []
            for pair in zip(value.shape, value.strides):
                axis = next(k for k, held in enumerate(pairs) if held == pair and k not in axes)
                axes.append(axis)
            return f"{base}.transpose({tuple(axes)})"
        itemsize = value.dtype.itemsize
        offset = (value.offset - first.offset) * itemsize
        strides = tuple(stride * itemsize for stride in value.strides)
        is_block = first.strides == row_major(first.shape) and value.memory not in self._outside
        if is_block and min(value.strides, default=0) >= 0:
            dtype = self._dtype(value.dtype)
            return f"ndarray({value.shape}, {dtype}, {base}, {offset}, {strides})"
        self._namespace["view_of"] = view_of
        layout = (value.shape, value.dtype, strides, offset)
        return f"view_of({base}, {self._constant('layout', layout)})"

    # the parts

    def _generate(self) -> None:
        parameters = [self._parameter(each) for each in self._inputs]
        for unit in self._schedule.units:
            for each in [m.operation for m in unit.members] if isinstance(unit, Group) else [unit]:
                if each.target is not None:
                    self._introduced.setdefault(each.target.memory, each.whole or each.target)
        pending: list[Group | Native] = []
        for unit in self._schedule.units:
            if isinstance(unit, (Group, Native)):
                pending.append(unit)
                if isinstance(unit, Group) or unit.routine.declined is None:
                    continue
            self._launch(pending)
            pending = []
            self._operation(unit)
        self._launch(pending)
        results = [self._result(each) for each in self._outputs]
        self._finish(parameters, results)

    def _parameter(self, value: Value | Scalar) -> str:
        if isinstance(value, Scalar):
            name = self._new("number")
            self._names[value] = name
            return name
        name = self._new("in")
        self._base.setdefault(value.memory, (name, value))
        self._views.setdefault(_geometry(value), name)
        return name

    def _result(self, value: Value | Scalar) -> str:
        if isinstance(value, Scalar):
            return self._names[value]
        return self._array(value)

    def _kernels(self, unit: Group | Native) -> Sequence[Emitted]:
        """Return the kernels of `unit`, and have memory for what they write."""
        if isinstance(unit, Native):
            for value, array in unit.routine.tables:
                self._base[value.memory] = (self._constant("table", array), value)
            declined = unit.routine.declined
            if declined is not None:
                self._lend(declined, lambda: np.zeros(1, np.int64))
            return unit.routine.kernels
        for member in unit.members:
            if member in self.stored:
                assert member.operation.target is not None
                self._prepare(member.operation.target)
        return emit_kernels(unit, self.stored)

    def _launch(self, units: Sequence[Group | Native]) -> None:
        """Emit one native call for kernels that follow one another."""
        if not units:
            return
        calls = []
        arguments: dict[str, int] = {}
        for unit in units:
            for emitted in self._kernels(unit):
                kernel = cpu.kernel_for(emitted.source)
                if kernel not in self.kernels:
                    self.kernels.append(kernel)
                split = pieces(emitted.length, emitted.nanoseconds)
                table = self._table(emitted, arguments)
                calls.append(calling.KernelCall(kernel, emitted.length, split, table))
                self.native_calls += 1
        launch = self._constant("launch", calling.launch(calls))
        names = ", ".join(each.kernel.name for each in calls)
        self._line(f"{launch}({', '.join(arguments)})  # {names}")

    def _table(self, emitted: Emitted, arguments: dict[str, int]) -> list[tuple[int, int, int]]:
        table = []
        for entry in emitted.table:
            if isinstance(entry, Integer):
                table.append((CONSTANT, 0, entry.value))
            elif isinstance(entry, Pointer):
                self._prepare(entry.value)
                name, first = self._base[entry.value.memory]
                position = arguments.setdefault(name, len(arguments))
                distance = (entry.value.offset - first.offset) * entry.value.dtype.itemsize
                table.append((ARRAY, position, distance))
            else:
                position = arguments.setdefault(self._names[entry.scalar], len(arguments))
                kind = FLOAT if entry.scalar.type is float else INTEGER
                table.append((kind, position, 0))
        return table

    def _operation(self, operation: Operation) -> None:
        if isinstance(operation, Product):
            a, b = self._array(operation.a), self._array(operation.b)
            assert operation.target is not None
            self._prepare(operation.target)
            self._line(f"matmul({a}, {b}, {self._array(operation.target)})")
            self.native_calls += 1
        elif isinstance(operation, Native):
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
            self._views[_geometry(operation.target)] = name
        elif isinstance(operation, Number):
            name = self._names[operation.output] = self._new("number")
            function = self._constant("function", operation.function)
            operands = [self._operand(each) for each in operation.operands]
            shown = operation.expression.format(*operands)
            self._line(f"{name} = {function}({', '.join(operands)})  # {shown}")
        elif isinstance(operation, Extract):
            name = self._names[operation.output] = self._new("number")
            self._line(f"{name} = {self._array(operation.source)}.item()")

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
        self._views[_geometry(target)] = name

    def _finish(self, parameters: list[str], results: list[str]) -> None:
        body = []
        if self._scratch:
            names = "".join(f"{name}, " for name, _ in self._scratch)
            body += [
                "try:",
                f"    lent = {names}= spare.pop()",
                "except IndexError:",
                f"    lent = {names}= make_scratch()",
            ]
            makers = [make for _, make in self._scratch]
            self._namespace["spare"] = []
            self._namespace["make_scratch"] = lambda: make_scratch(makers)
        body += self._lines
        if self._scratch:
            body.append("spare.append(lent)")
        body.append(f"return ({''.join(each + ', ' for each in results)})")
        lines = [f"def run({', '.join(parameters)}):", *("    " + each for each in body)]
        self.source = "\n".join(lines) + "\n"
        file = f"<jitgrad program {next(_programs)}>"
        listed = list(self.source.splitlines(keepends=True))
        linecache.cache[file] = (len(self.source), None, listed, file)  # type: ignore[assignment]
        exec(compile(self.source, file, "exec"), self._namespace)
        self.run: Callable[..., tuple] = self._namespace["run"]


class _ViewOfScratch:
    def __init__(self, place: int, first: Value, value: Value) -> None:
        self.place = place
        itemsize = value.dtype.itemsize
        strides = tuple(stride * itemsize for stride in value.strides)
        offset = (value.offset - first.offset) * itemsize
        self.layout = (value.shape, value.dtype, strides, offset)

    def __call__(self) -> np.ndarray:
        raise AssertionError("made by make_scratch from the array that it shows")


def make_scratch(makers: Sequence[Callable[[], np.ndarray]]) -> tuple:
    """Return the arrays of one run's scratch memory."""
    made: list[np.ndarray] = []
    for make in makers:
        if isinstance(make, _ViewOfScratch):
            made.append(view_of(made[make.place], make.layout))
        else:
            made.append(make())
    return tuple(made)


def _geometry(value: Value) -> tuple:
    return (value.memory, value.offset, value.shape, value.strides, value.dtype)


def _identifier(name: str) -> str:
    return "".join(each if each.isalnum() else "_" for each in name)
