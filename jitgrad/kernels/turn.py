"""A path of a loop as operations: what may end the turn comes before what outlives it.

The operations of a path fall into sections. A section may end with a test, and operations that
may *fail*, so that Python must do the turn, stand in all but the last one. The last one carries
values over: it writes them to the memory that the next turn reads. Where the steps themselves
write to that memory earlier, they are given a copy. Writes to memory that is the same in all turns
are put off, and all that hangs on them; where a test does, the steps are given a copy of that, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from jitgrad.graph.ir import (
    Compute,
    Item,
    Memory,
    Renaming,
    Scalar,
    ScalarCompute,
    Step,
    Value,
    Write,
    number_type,
)
from jitgrad.kernels.aliases import Input, check_aliases, check_exchanged, check_reach
from jitgrad.kernels.conventions import DTYPES
from jitgrad.kernels.geometry import overlap
from jitgrad.kernels.layout import allocate
from jitgrad.kernels.loops import NotNative, Path, Test, operands_of, written_by
from jitgrad.kernels.operations import (
    Call,
    Constant,
    Copy,
    Extract,
    Native,
    Number,
    Operation,
    copied,
)
from jitgrad.kernels.reading import operations
from jitgrad.kernels.records import entry, thin
from jitgrad.kernels.scalars import can_fail
from jitgrad.modes import run_quietly
from jitgrad.primitive import Kind

MOST_COPIED = 1 << 12
"""How many elements a turn copies at most to write to the copy."""


class Check(Operation):
    """Leave the path unless a number has the expected truth."""

    def __init__(self, scalar: Scalar, test: Test) -> None:
        super().__init__([], None, [scalar])
        self.scalar = scalar
        self.test = test


class Record(Operation):
    """Put a number on the tape."""

    def __init__(self, scalar: Scalar, target: Value) -> None:
        super().__init__([], target, [scalar])
        self.scalar = scalar


class Carry(Operation):
    """The number `input` becomes `output`, for the next turn."""

    def __init__(self, input: Scalar, output: Scalar) -> None:
        super().__init__([], None, [output])
        self.input = input
        self.output = output


class Plan:
    """What a path does.

    Attributes:
        sections: the operations.
        tests: as in the path.
        inputs: those that are not streamed, in their order.
        carried: those of them that are carried.
        invariant: those of them that are the same in every turn.
        outputs: what becomes of what is carried.
        kept: what is recorded.
        exchanged: as in the path.
        reads: all that it has to do with; a run may lack inputs that only other paths read.
        through: the memories that it writes to in their places.
        streams: what is read of each record.
        tape: what is written of each record.
    """

    def __init__(self, inputs: Sequence[Input], carried: Sequence[Input], path: Path) -> None:
        self.sections: list[list[Operation]] = []
        self.tests = path.tests
        self.inputs = inputs
        self.carried = carried
        states = set(carried)
        self.invariant = [each for each in inputs if each not in states]
        self.outputs = path.outputs
        self.kept = path.kept
        self.exchanged = path.exchanged
        self.reads = operands_of(path)
        memories = {each.memory for each in self.invariant if isinstance(each, Value)}
        self.through = memories & written_by(path)
        self.streams: list[Value] = []
        self.tape: list[Value] = []

    @property
    def outside(self) -> set[Memory]:
        """The memories that outlive a turn."""
        values = [*self.inputs, *self.streams, *self.tape]
        return {each.memory for each in values if isinstance(each, Value)}


def plan_paths(
    inputs: Sequence[Input], carried: Sequence[Input], paths: Sequence[Path]
) -> list[Plan]:
    """Return what each path does; the arguments are those of `lower_loop`."""
    written = set().union(*map(written_by, paths))
    return [_plan(inputs, carried, each, written) for each in paths]


def _plan(
    inputs: Sequence[Input], carried: Sequence[Input], path: Path, written: set[Memory]
) -> Plan:
    pairs = list(zip(carried, path.outputs, strict=True))
    if any(isinstance(each, Value) and each.memory in written for each in path.streamed):
        raise NotNative("what a record holds is written")
    check_aliases(path.steps, [*inputs, *path.streamed], pairs, written)
    check_exchanged(path, inputs, carried)
    copied: set[Memory] = set()
    while True:
        planner = _Planner(Plan(inputs, carried, path), path, pairs, copied)
        early = planner.plan()
        if not early:
            return planner.made
        copied |= early


class _Planner:
    """Makes the plan of one path.

    Args:
        pairs: what each carried input becomes.
        copied: the memories that the steps write to before the turn is sure to count.
    """

    def __init__(
        self, made: Plan, path: Path, pairs: list[tuple[Input, Input]], copied: set[Memory]
    ) -> None:
        self.made = made
        self.given = path.steps
        self.steps: list[Step] = []
        self.checks: dict[Scalar, Check] = {}
        self.renamed = Renaming()
        for each in path.streamed:
            self._stream(each)
        for memory in copied:
            self._copy(memory)
        self.copied = copied
        self.carried = pairs
        self.kept = path.kept

    def plan(self) -> set[Memory]:
        """Make the plan; return the memories that would have to be copied first."""
        self._body(self.made.tests)
        for each in self.made.invariant:
            if isinstance(each, Value) and each.memory in self.copied:
                self.steps.append(Write(thin(each), thin(self.renamed(each))))
        # behind the steps, by which views are known
        self.carried = [(each, self.renamed(output)) for each, output in self.carried]
        self.kept = [self.renamed(each) for each in self.kept]
        numbers = self._keep()
        self._carry()
        pairs = [pair for pair in self.carried if isinstance(pair[0], Scalar)]
        wanted = [pair[1] for pair in pairs] + [scalar for scalar, _ in numbers]
        values = [each for each in self._inputs() if isinstance(each, Value)]
        done = operations(self.steps, values, wanted)
        for operation in done:
            # nothing is seen of a turn that fails, so that only data orders them
            operation.ordered = False
        ready = [self.checks.get(_marked(each), each) for each in _prepared(done)]
        if self.made.through:
            ready, early = _put_off(ready, self.made.through)
            if early:
                return early
        self._sections(ready)
        self._numbers(pairs, numbers)
        states = {each.memory for each in self.made.carried if isinstance(each, Value)}
        early = [operation.target for part in self.made.sections[:-1] for operation in part]
        return {each.memory for each in early if each is not None and each.memory in states}

    def _inputs(self) -> list[Input]:
        made = self.made
        return [*made.inputs, *made.streams, *made.tape]

    def _stream(self, given: Input) -> None:
        value = entry(given)
        self.made.streams.append(value)
        if isinstance(given, Scalar):
            self.steps.append(Item(value, given))
        elif value.strides == given.strides:
            self.renamed.values[given] = value
        else:
            copy = Value(given.shape, given.strides, given.dtype, Memory("entry"))
            self.steps.append(Write(thin(copy), thin(value)))
            self.renamed.values[given] = copy

    def _copy(self, memory: Memory) -> None:
        self.renamed.memories[memory] = Memory("copy")
        values = [each for each in self.made.inputs if isinstance(each, Value)]
        shown = [each for each in values if each.memory is memory and each in self.made.reads]
        if memory in self.made.through:
            if sum(each.size for each in shown) > MOST_COPIED:
                raise NotNative("a test hangs on what was written before to a large tensor")
            check_reach(self.given, shown)
        for each in shown:
            self.steps.append(Write(thin(self.renamed(each)), thin(each)))

    def _body(self, tests: Sequence[Test]) -> None:
        for position in range(len(self.given) + 1):
            for test in tests:
                if test.position == position:
                    self._test(test)
            if position < len(self.given):
                self.steps.append(self.renamed.step(self.given[position]))

    def _test(self, test: Test) -> None:
        operand = self.renamed(test.operand)
        if isinstance(operand, Value):
            scalar = Scalar(number_type(operand.dtype))
            self.steps.append(Item(operand, scalar))
        else:
            scalar = operand
        marker = Scalar(bool)
        self.checks[marker] = Check(scalar, test)
        self.steps.append(ScalarCompute(bool, "bool({0})", (scalar,), marker))

    def _keep(self) -> list[tuple[Scalar, Value]]:
        """Write what is kept to the tape, as soon as it is complete; return the numbers."""
        numbers = []
        for each in self.kept:
            value = entry(each)
            self.made.tape.append(value)
            if isinstance(each, Scalar):
                numbers.append((each, value))
                continue
            makers = [at for at, step in enumerate(self.steps) if _written(step) is each.memory]
            at = makers[-1] + 1 if makers else len(self.steps)
            self.steps.insert(at, Write(thin(value), thin(each)))
        return numbers

    def _carry(self) -> None:
        """Write what is carried to where the next turn reads it, all as if at once."""
        waiting = [
            (target, source)
            for target, source in self.carried
            if isinstance(target, Value)
            and isinstance(source, Value)
            and not source.same_region(target)
        ]
        while waiting:
            sources = [source.memory for _, source in waiting]
            for place, (target, source) in enumerate(waiting):
                if target.memory not in sources[:place] + sources[place + 1 :]:
                    self.steps.append(Write(thin(target), thin(source)))
                    del waiting[place]
                    break
            else:  # all in a circle
                targets = {target.memory for target, _ in waiting}
                place = next(k for k, each in enumerate(sources) if each in targets)
                target, source = waiting[place]
                copy = Value(source.shape, target.strides, source.dtype, Memory("moved"))
                self.steps.append(Write(thin(copy), thin(source)))
                waiting[place] = (target, copy)

    def _sections(self, done: list[Operation]) -> None:
        sections: list[list[Operation]] = [[]]
        for operation in done:
            sections[-1].append(operation)
            if isinstance(operation, Check):
                sections.append([])
        last = sections.pop()
        failing = [at for at, operation in enumerate(last) if _can_fail(operation)]
        cut = failing[-1] + 1 if failing else 0
        self.made.sections = [*sections, last[:cut], last[cut:]]

    def _numbers(self, pairs: list[tuple[Any, Any]], numbers: list[tuple[Scalar, Value]]) -> None:
        """Let numbers go to the tape and to the next turn."""
        last = self.made.sections[-1]
        for scalar, target in numbers:
            last.append(Record(scalar, target))
        for given, output in pairs:
            if output is not given:
                last.append(Carry(given, output))


def _put_off(
    done: Sequence[Operation], memories: set[Memory]
) -> tuple[list[Operation], set[Memory]]:
    """Return the operations with those last that hang on writes to `memories`.

    And of these memories those of which no test may see that they are written.
    """
    late: set[Operation] = set()
    early: set[Memory] = set()
    for memory in memories:
        hanging = _hanging(done, memory)
        if any(isinstance(each, Check) or _can_fail(each) for each in hanging):
            early.add(memory)
        late |= hanging
    return [*(each for each in done if each not in late), *filter(late.__contains__, done)], early


def _hanging(done: Sequence[Operation], memory: Memory) -> set[Operation]:
    """Return the operations that write to a memory, and those that must come behind them."""
    found: set[Operation] = set()
    reads: list[Value] = []
    writes: list[Value] = []
    made: set[Scalar] = set()
    for each in done:
        target = each.target
        if (
            (target is not None and target.memory is memory)
            or not made.isdisjoint(each.scalars)
            or any(overlap(before, value) for value in each.reads for before in writes)
            or (target is not None and any(overlap(x, target) for x in (*reads, *writes)))
        ):
            found.add(each)
            reads += each.reads
            if target is not None:
                writes.append(target)
            if isinstance(each, (Number, Extract)):
                made.add(each.output)
    return found


def _written(step: Step) -> Memory | None:
    """Return the memory whose elements `step` changes."""
    if isinstance(step, Write):
        return step.target.memory
    if isinstance(step, Compute) and step.primitive.kind is not Kind.VIEW:
        return step.output.memory
    return None


def _prepared(done: Sequence[Operation]) -> Iterator[Operation]:
    """Yield the operations in the forms that loops have kernels for."""
    for operation in done:
        if isinstance(operation, Call):
            yield from _constant(operation)
        elif isinstance(operation, Copy):
            raise NotNative("elements of a dtype that kernels do not know are copied")
        else:
            yield operation


def _constant(call: Call) -> Iterator[Operation]:
    """Make the elements of a constant once, and copy them in each turn."""
    target = call.target
    if (
        call.primitive.kind is not Kind.CREATION
        or call.reads
        or call.scalars
        or target is None
        or target.dtype not in DTYPES
    ):
        raise NotNative(f"{call.primitive.name} is done by NumPy")
    array = allocate(target)
    made = run_quietly(call.primitive.numpy, *call.operands, **call.params)
    run_quietly(np.copyto, array, made, casting="unsafe")
    whole = Value(target.shape, target.strides, target.dtype, Memory("constant"))
    yield Constant(array, whole)
    if target.size:
        yield copied(whole, target)


def _marked(operation: Operation) -> Any:
    return operation.output if isinstance(operation, Number) else None


def _can_fail(operation: Operation) -> bool:
    if isinstance(operation, Number):
        return can_fail(operation)
    return isinstance(operation, Native) and operation.routine.declined is not None
