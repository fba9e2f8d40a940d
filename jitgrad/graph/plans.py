"""Backward passes that are done again and again: the derivatives of all segments as one program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from jitgrad.dispatch import wrap
from jitgrad.graph import fresh
from jitgrad.graph.derivative import Derivative
from jitgrad.graph.hot import compute
from jitgrad.graph.ir import Compute, Renaming, Scalar, Step, Value
from jitgrad.graph.origins import StorageEntry, Variable
from jitgrad.graph.segment import Segment
from jitgrad.ops.binary import ADD


class Part:
    """The derivative of one segment, with the variables whose cotangents go in."""

    __slots__ = ("derivative", "given", "inputs", "is_simple", "run", "targets")

    def __init__(self, derivative: Derivative, given: list[Variable]) -> None:
        self.derivative = derivative
        self.given = given
        self.inputs = derivative.inputs
        self.targets = derivative.targets
        self.is_simple = not self.inputs and len(given) == 1 and len(self.targets) == 1
        self.run: Any = None if derivative.program is None else derivative.program.run


class Plan:
    """The derivatives to run for one set of cotangents, last segment first.

    Attributes:
        checks: for each storage with something saved in it: the entry, and the version at which
            it was saved.
        hits: how often it was run.
        whole: one program for all parts, once it has been run often.
        shortcut: a function that runs it.
    """

    __slots__ = ("checks", "hits", "parts", "shortcut", "whole")

    def __init__(self) -> None:
        self.hits = 0
        self.whole: WholePlan | None = None
        self.shortcut: BackwardShortcut | None = None
        self.parts: list[Part] = []
        self.checks: list[tuple[StorageEntry, int]] = []


class JoinedPlan(NamedTuple):
    """The derivatives of the segments of a path, as one.

    Attributes:
        steps: what is computed.
        inputs: what it reads from the tape.
        given: the cotangents that go in.
        targets, outputs: the variables whose cotangents come out, and these.
    """

    steps: list[Step]
    inputs: list[Value | Scalar]
    given: dict[Variable, Value]
    targets: list[Variable]
    outputs: list[Value]


def join_plan(
    parts: list[Any], wanted: list[Variable], given: dict[Variable, Value]
) -> JoinedPlan | None:
    """Join derivatives, None where they do not fit together.

    Args:
        parts: of the segments of a path, the last segment first.
        wanted: the variables whose cotangents are to come out.
        given: what stands for the cotangents that go in.
    """
    steps: list[Step] = []
    taken = {variable for part in parts for variable in part.given}
    given = {each: value for each, value in given.items() if each in taken}
    flowing = dict(given)
    inputs: dict[Value | Scalar, None] = {}
    for part in parts:
        derivative = part.derivative
        inputs.update(dict.fromkeys(derivative.inputs))
        renaming = Renaming()
        for variable, value in zip(part.given, derivative.cotangents):
            held = flowing.pop(variable, None)
            if held is None or not _alike(held, value):
                return None
            renaming.values[value] = held
        for step in derivative.steps:
            if not isinstance(step, Compute):
                return None
            steps.append(renaming.step(step))
        for target, value in zip(derivative.targets, derivative.outputs):
            made = renaming(value)
            # one result may depend on another: what goes in meets what comes from there
            held = flowing.get(target)
            flowing[target] = made if held is None else compute(steps, ADD, held, made)
    targets = [each for each in wanted if each in flowing]
    if any(each not in targets for each in flowing):
        return None
    outputs = [flowing[each] for each in targets]
    return JoinedPlan(steps, list(inputs), given, targets, outputs)


def _alike(a: Value, b: Value) -> bool:
    return (a.shape, a.strides, a.dtype) == (b.shape, b.strides, b.dtype)


class WholePlan:
    """One program for the derivatives of all segments of a path.

    Attributes:
        program: takes what `inputs` name on the tape, then the cotangents of `given`.
        targets: the variables whose cotangents it returns.
    """

    def __init__(
        self,
        program: Any,
        inputs: list[Value | Scalar],
        given: list[Variable],
        targets: list[Variable],
    ) -> None:
        self.program = program
        self.inputs = inputs
        self.given = given
        self.targets = targets

    def run(self, tape: Any, waiting: dict) -> dict:
        """Return the cotangents of the targets, as tensors."""
        values = tape.values
        made = self.program.run(
            *[values[each] for each in self.inputs], *[waiting[each] for each in self.given]
        )
        return {target: wrap(array) for target, array in zip(self.targets, made)}


def whole_plan(
    parts: list[Any], wanted: list[Variable], given: dict[Variable, Value], last: Segment
) -> WholePlan | None:
    """Return one program for the derivatives `parts`, None where they do not fit together.

    Args:
        parts: of the segments of a path, whose `last` comes first.
        wanted: the variables whose cotangents it is to return.
        given: what stands for the cotangents that go in, as these lie: where others are added to
            them on the way, the derivatives know how the sums lie.
    """
    if len(parts) == 1:
        (part,) = parts
        if not set(part.given).issuperset(given):
            return None
        return WholePlan(part.derivative.program, part.inputs, part.given, part.targets)
    joined = join_plan(parts, wanted, given)
    if joined is None:
        return None
    inputs = [*joined.inputs, *joined.given.values()]
    program = last.lower(joined.steps, inputs, joined.outputs, "backward pass from the end")
    return WholePlan(program, joined.inputs, list(joined.given), joined.targets)


class BackwardShortcut:
    """A backward pass as one Python function, for the cotangents that come again and again.

    Args:
        whole: computes it.
        layout: of the tapes.
        given: the cotangents for which it is, by their variables.
        wanted: the variables whose cotangents it is asked for.
        check: is called with the tape, and raises `Unfold` where something saved has been written.

    Attributes:
        run: given a tape, the cotangents of all results and which inputs need one, returns these,
            or None for other cotangents and inputs.
        reached: what a pass has gone through, as `CompiledBackward.release` wants it.
    """

    def __init__(
        self,
        whole: WholePlan,
        layout: Any,
        given: dict[Variable, Any],
        wanted: list[Variable],
        check: Any,
    ) -> None:
        self.reached = tuple(given), tuple(wanted)
        space = {**fresh.names(), "program": whole.program.at_once(), "check": check}
        names: dict[Any, str] = {}

        def constant(value: Any) -> str:
            name = names.setdefault(id(value), f"c{len(names)}")
            space[name] = value
            return name

        conditions = [f"needed != {[each in wanted for each in layout.roots]}"]
        cotangents = {each: f"g{number}" for number, each in enumerate(layout.variables)}
        lines = [f"{''.join(f'{name}, ' for name in cotangents.values())}= cotangents"]
        for variable, name in cotangents.items():
            tensor = given.get(variable)
            conditions.append(f"{name} is {'not ' if tensor is None else ''}None")
        lines.append(f"if {' or '.join(conditions)}: return None")
        for variable, tensor in given.items():
            array, name = tensor._array, cotangents[variable]
            lines += [
                f"{name} = {name}._array",
                f"if {name}.shape != {array.shape} or {name}.strides != {array.strides} "
                f"or {name}.dtype != {constant(array.dtype)}: return None",
            ]
        if check:
            lines.append("check(tape)")
        arguments = [f"values[{constant(each)}]" for each in whole.inputs]
        arguments += [cotangents[each] for each in whole.given]
        made = {each: f"m{number}" for number, each in enumerate(whole.targets)}
        lines.append("values = tape.values")
        lines.append(
            f"{''.join(f'{name}, ' for name in made.values())}= program({', '.join(arguments)})"
        )
        flows = [f"wrap({made[each]})" if each in made else "None" for each in layout.roots]
        lines.append(f"return ({''.join(f'{each}, ' for each in flows)})")
        body = "".join(f"    {line}\n" for line in lines)
        text = f"def shortcut(tape, cotangents, needed):\n{body}"
        exec(compile(text, "<jitgrad backward shortcut>", "exec"), space)
        self.run: Callable[[Any, list, list[bool]], tuple | None] = space.pop("shortcut")
