"""Paths that are taken again and again: all their segments in one program, back and forth.

A path without effects may be computed as a whole before it is known to be the right one: its
program computes every condition on the way, and one flag says whether all came out as recorded. If
so, the call has skipped the sites between; if not, nothing has happened, and it follows the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import pairwise
from typing import Any, NamedTuple

from jitgrad.dispatch import wrap
from jitgrad.graph.ir import Compute, Item, Memory, Renaming, Scalar, Step, Value, Write
from jitgrad.graph.origins import Variable
from jitgrad.graph.recipes import Fresh, Number, walk
from jitgrad.graph.segment import Branch, Return, Segment
from jitgrad.ops.binary import ADD
from jitgrad.ops.logical import LOGICAL_AND, LOGICAL_NOT
from jitgrad.primitive import Kind

WARM = 64
"""How often a path is followed step by step before a program is made of it."""
PATIENCE = 16
"""How many more wrong guesses than right ones a path may make before it is given up."""


class HotPath:
    """One program for a whole path, from an entry to a return.

    Attributes:
        last: the segment that returns.
        program: computes it; where the path is guessed, its first output is a flag.
        arguments: the slots of its inputs.
        places: the slots of its further outputs.
        is_guess: other paths begin as this one does.
        slots: how many slots a run has at the end.
        credit: right guesses less wrong ones, bounded.
        has_shortcut: calls try it before they look for their first segment.
        is_tried: a shortcut has been written, if one can be.
    """

    def __init__(
        self, last: Segment, program: Any, arguments: list[int], places: list[int], is_guess: bool
    ) -> None:
        assert isinstance(last.end, Return)
        self.last = last
        self.program = program
        self.arguments = arguments
        self.places = places
        self.is_guess = is_guess
        self.has_shortcut = False
        self.is_tried = False
        self.slots = last.end.state.slots
        self.credit = PATIENCE

    def guess(self, slots: list) -> bool:
        """Fill `slots` as the path would, if this is the right path."""
        made = self.program.run(*[slots[at] for at in self.arguments])
        if not made[0].item():
            self.credit -= 1
            return False
        self.confirm()
        slots += [None] * (self.slots - len(slots))
        for at, each in zip(self.places, made[1:]):
            slots[at] = each
        return True

    def confirm(self) -> None:
        """Note that the path was the right one."""
        if self.credit < PATIENCE:
            self.credit += 1


def hot_path(last: Segment) -> HotPath | None:
    """Return the program of the path that ends with `last`, None where it must not be guessed."""
    end = last.end
    segments = last.path()
    if not isinstance(end, Return) or (end.outputs and end.layout is None):
        return None
    if last.parent is None:
        return _single(last)
    if not all(_is_pure(segment, first=segment is segments[0]) for segment in segments):
        return None
    steps: list[Step] = [step for segment in segments for step in segment.steps]
    tests = _tests(segments)
    if not tests:
        return None
    flag = _flag(tests, steps)
    slot_of = end.state.slot_of
    wanted: dict[Value | Scalar, None] = {}
    for recipe in walk([end.result]):
        if isinstance(recipe, Fresh):
            wanted[recipe.entry.value] = None
        elif isinstance(recipe, Number):
            wanted[recipe.scalar] = None
    if end.layout is not None:
        wanted.update(dict.fromkeys(end.layout.slots))
    made = {step.output for step in steps if not isinstance(step, Write)}
    outputs = [each for each in wanted if each in made]
    # what is tested may have come in, and no step reads it
    read = [*tests, *(each for segment in segments for each in segment.inputs)]
    inputs = list(dict.fromkeys(each for each in read if each not in made))
    program = last.lower(steps, inputs, [flag, *outputs], "whole path to the end")
    return HotPath(
        last, program, [slot_of[each] for each in inputs], [slot_of[each] for each in outputs], True
    )


def _single(segment: Segment) -> HotPath | None:
    """Return that of a path that is one segment, and nothing to be guessed."""
    if segment.effects or segment.prepares or segment.can_raise or segment.program is None:
        return None
    end = segment.end
    assert isinstance(end, Return)
    slots = end.state.slots
    places = list(range(slots - len(segment.outputs), slots))
    return HotPath(segment, segment.program, segment.arguments, places, False)


def _is_pure(segment: Segment, first: bool) -> bool:
    """Can the segment run although it may turn out to be the wrong one?"""
    if segment.effects or segment.prepares or segment.can_raise or (segment.facts and not first):
        return False
    return all(
        (
            isinstance(step, Compute)
            and step.primitive.kind is not Kind.RANDOM
            and not step.primitive.raises_on_data
        )
        or isinstance(step, Item)
        for step in segment.steps
    )


def _tests(segments: list[Segment]) -> dict[Value, bool]:
    """Return what the sites of a path test, with the outcomes; nothing where one is no flag."""
    tests: dict[Value, bool] = {}
    for segment, following in pairwise(segments):
        branch = segment.end
        if not isinstance(branch, Branch) or not branch.is_flag:
            return {}
        slot_of = branch.snapshot.state.slot_of
        test = next(each for each, slot in slot_of.items() if slot == branch.slot)
        if not isinstance(test, Value) or test.shape != ():
            return {}
        outcome = not any(following is each for each in branch.outcomes.get(False, ()))
        if tests.setdefault(test, outcome) is not outcome:
            return {}
    return tests


def _flag(tests: dict[Value, bool], steps: list[Step]) -> Value:
    """Add steps that say whether all tests came out as on the path; return their result."""
    flag: Value | None = None
    for test, outcome in tests.items():
        part = test if outcome else _compute(steps, LOGICAL_NOT, test)
        flag = part if flag is None else _compute(steps, LOGICAL_AND, flag, part)
    assert flag is not None
    return flag


def _compute(steps: list[Step], primitive: Any, *inputs: Value) -> Value:
    like = inputs[0]
    made = Value(like.shape, like.strides, like.dtype, Memory())
    steps.append(Compute(primitive, inputs, {}, made))
    return made


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
    parts: list[Any],
    wanted: list[Variable],
    begun: Collection[Variable],
    given: dict[Variable, Value] | None = None,
) -> JoinedPlan | None:
    """Join derivatives, None where they do not fit together.

    Args:
        parts: of the segments of a path, the last segment first.
        begun: the variables whose cotangents go in.
        wanted: the variables whose cotangents are to come out.
        given: what stands for the cotangents that go in; without, the values of the derivatives.
    """
    if given is None:
        given = {}
        for part in parts:
            for variable, value in zip(part.given, part.derivative.cotangents):
                if variable in begun:
                    given.setdefault(variable, value)
    steps: list[Step] = []
    taken = {variable for part in parts for variable in part.given}
    flowing = {each: value for each, value in given.items() if each in taken}
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
            flowing[target] = made if held is None else _compute(steps, ADD, held, made)
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
    parts: list[Any], wanted: list[Variable], begun: Collection[Variable], last: Segment
) -> WholePlan | None:
    """Return one program for the derivatives `parts`, None where they do not fit together.

    Args:
        parts: of the segments of a path, whose `last` comes first.
        wanted: the variables whose cotangents it is to return.
        begun: those whose cotangents it is given.
    """
    if len(parts) == 1:
        (part,) = parts
        if not set(part.given).issuperset(begun):
            return None
        return WholePlan(part.derivative.program, part.inputs, part.given, part.targets)
    joined = join_plan(parts, wanted, begun)
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
        check: is called with the tape, and raises where something saved has been written.

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
        space: dict[str, Any] = {"wrap": wrap, "program": whole.program.run, "check": check}
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
        self.run: Callable[[Any, list, list[bool]], tuple | None] = space["shortcut"]
