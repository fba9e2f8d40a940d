"""Paths that are taken again and again: all their segments in one program.

A path without effects may be computed as a whole before it is known to be the right one: its
program computes every condition on the way, and one flag says whether all came out as recorded. If
so, the call has skipped the sites between; if not, nothing has happened, and it follows the graph.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jitgrad.graph.facts import SameOutcome
from jitgrad.graph.ir import (
    Compute,
    Item,
    Scalar,
    ScalarCompute,
    Step,
    Value,
    Write,
    number_type,
)
from jitgrad.graph.lookups import ABSENT
from jitgrad.graph.recipes import Fresh, Number, walk
from jitgrad.graph.segment import Branch, Continue, Result, Segment
from jitgrad.kernels.geometry import elementwise
from jitgrad.locks import SHARED
from jitgrad.ops.logical import LOGICAL_AND, LOGICAL_NOT
from jitgrad.primitive import Kind

WARM = 64
"""How often a path is followed step by step before a program is made of it."""
MOST = 8
"""How many paths are guessed where it is foreseen which one a call takes."""
PATIENCE = 16
"""How many more wrong guesses than right ones a path may make before it is given up."""
ENDLESS = (math.factorial, math.comb, math.perm, operator.lshift, operator.ilshift)
"""Functions of numbers that may take any time, unless a call has looked at the numbers before."""


class HotPath:
    """One program for a whole path, from an entry to its end; shortcuts run it.

    Attributes:
        last: the last segment.
        program: computes it; where the path is guessed, its first output is a flag.
        arguments: the slots of its inputs.
        places: the slots of its further outputs.
        is_guess: other paths begin as this one does.
        can_raise: its program may raise, and then the path is done step by step.
        credit: right guesses less wrong ones, bounded.
        is_tried: a shortcut has been written, if one can be.
        trace: what the program was lowered from: steps, inputs, outputs.
        kept_bytes: what a call has kept before its last path, if there is another one.
    """

    kept_bytes = 0

    def __init__(
        self,
        last: Segment,
        program: Any,
        trace: tuple[list, list, list],
        arguments: list[int],
        places: list[int],
        is_guess: bool,
    ) -> None:
        self.last = last
        self.program = program
        self.trace = trace
        self.arguments = arguments
        self.places = places
        self.is_guess = is_guess
        self.can_raise = any(segment.can_raise for segment in last.path())
        self.credit = PATIENCE
        self.is_tried = False

    def confirm(self) -> None:
        """Note that the path was the right one."""
        if self.credit < PATIENCE:
            self.credit += 1


def make_hot(first: Segment, last: Segment) -> None:
    """Have a whole path guessed, if it may be.

    Where nothing tells which path a call will take, only one is.
    """
    most = MOST if first.foreseen else 1
    if len(first.hot) < most and not any(each.last is last for each in first.hot):
        made = hot_path(last)
        with SHARED:
            # or another thread has made it meanwhile
            if made is not None and not any(each.last is last for each in first.hot):
                first.hot += (made,)


def hot_path(last: Segment) -> HotPath | None:
    """Return the program of the path that ends with `last`, None where it must not be guessed."""
    end = last.end
    segments = last.path()
    if not isinstance(end, Result) or (end.variables and end.tape_layout is None):
        return None
    if isinstance(end, Continue) and end.returns and not end.settled:
        # turns of a loop may yet become native together
        return None
    if any(segment.effects or segment.prepares for segment in segments):
        return None
    if not any(segment.can_raise or _tests(segment) for segment in segments) and len(segments) == 1:
        return _single(last)
    if not all(map(_is_pure, segments)):
        return None
    found = _steps(segments)
    if found is None:
        return None
    steps, tests = found
    flag = _flag(tests, steps)
    slot_of = end.state.slot_of
    wanted: dict[Value | Scalar, None] = {}
    for recipe in walk(end.recipes()):
        if type(recipe) is Fresh:
            wanted[recipe.entry.value] = None
        elif isinstance(recipe, Number):
            wanted[recipe.scalar] = None
    if end.tape_layout is not None:
        wanted.update(dict.fromkeys(end.tape_layout.slots))
    made = {step.output for step in steps if not isinstance(step, Write)}
    outputs = [each for each in wanted if each in made]
    # what is tested may have come in, and no step of a segment reads it
    read = [each.operand for each in tests]
    read += [each for segment in segments for each in (*_decides(segment), *segment.inputs)]
    inputs = list(dict.fromkeys(each for each in read if each not in made))
    guessed = [] if flag is None else [flag]
    trace = steps, inputs, [*guessed, *outputs]
    program = last.lower(*trace, "whole path to the end")
    arguments, places = ([slot_of[each] for each in row] for row in (inputs, outputs))
    return HotPath(last, program, trace, arguments, places, flag is not None)


def _single(segment: Segment) -> HotPath:
    """Return that of a path that is one segment, and nothing to be guessed."""
    end = segment.end
    assert isinstance(end, Result)
    slots = end.state.slots
    places = list(range(slots - len(segment.outputs), slots))
    trace = segment.steps, segment.inputs, segment.outputs
    return HotPath(segment, segment.ready(), trace, segment.arguments, places, False)


def _is_pure(segment: Segment) -> bool:
    """Can the segment run although it may turn out to be the wrong one?"""
    return not any(
        isinstance(step, Write)
        or (isinstance(step, Compute) and step.primitive.kind is Kind.RANDOM)
        or (isinstance(step, ScalarCompute) and step.function in ENDLESS)
        for step in segment.steps
    )


def _tests(segment: Segment) -> list[SameOutcome]:
    """Return the facts of a segment that are about numbers which the path computes."""
    return [fact for fact in segment.facts if isinstance(fact, SameOutcome)]


def _decides(segment: Segment) -> list[Scalar]:
    """Return the numbers of run time that these facts are about."""
    return [each for fact in _tests(segment) for each, slot in fact.operands if slot is not None]


class _Test(NamedTuple):
    """What decides whether the path is the right one: `operand`, by its truth or by its value.

    Attributes:
        position: how many steps are in front of it.
    """

    operand: Any
    exact: bool
    outcome: Any
    position: int


def _steps(segments: list[Segment]) -> tuple[list[Step], list[_Test]] | None:
    """Return what a path computes, and its tests, which are computed as well.

    None where another thread has taken the path out of the graph.
    """
    steps: list[Step] = []
    tests: list[_Test] = []
    for number, segment in enumerate(segments):
        for fact in _tests(segment):
            operands = tuple(each for each, _ in fact.operands)
            made = _number(steps, fact.function, fact.expression, *operands)
            tests.append(_Test(made, False, fact.outcome, len(steps)))
        steps += segment.steps
        branch = segment.end
        if isinstance(branch, Branch) and branch.slot is not None:
            outcome = branch.outcome_before(segments[number + 1])
            if outcome is ABSENT:
                return None
            tests.append(_Test(_operand(branch), branch.exact, outcome, len(steps)))
    return steps, tests


def _operand(branch: Branch) -> Any:
    """Return what is tested at a site."""
    slot_of = branch.snapshot.state.slot_of
    return next(each for each, slot in slot_of.items() if slot == branch.slot)


def _flag(tests: list[_Test], steps: list[Step]) -> Scalar | None:
    """Add steps that say whether all tests come out as on the path; return their result."""
    truths: list[Scalar] = []
    flag: Value | None = None
    inserted = 0
    for operand, exact, outcome, position in tests:
        is_flag = isinstance(operand, Value) and operand.dtype == np.bool_ and not exact
        if is_flag and operand.shape == ():
            # where they are computed, so that they are fused with that
            more: list[Step] = []
            part = operand if outcome else compute(more, LOGICAL_NOT, operand)
            flag = part if flag is None else compute(more, LOGICAL_AND, flag, part)
            steps[position + inserted : position + inserted] = more
            inserted += len(more)
            continue
        if isinstance(operand, Value):
            operand = _item(steps, operand)
        if exact:
            kind, value = outcome
            truths.append(_number(steps, _is_exactly(kind, value), f"{{0}} is {value!r}", operand))
        elif outcome:
            truths.append(_number(steps, bool, "bool({0})", operand))
        else:
            truths.append(_number(steps, operator.not_, "not {0}", operand))
    if flag is not None:
        truths.append(_item(steps, flag))
    if not truths:
        return None
    return truths[0] if len(truths) == 1 else _number(steps, _all, "all", *truths)


def _all(*truths: bool) -> bool:
    return all(truths)


def _is_exactly(kind: type, value: Any) -> Callable[[Any], bool]:
    """Return what says whether a number has this value and type."""
    return lambda found: type(found) is kind and found == value


def _item(steps: list[Step], value: Value) -> Scalar:
    made = Scalar(number_type(value.dtype))
    steps.append(Item(value, made))
    return made


def _number(steps: list[Step], function: Callable, expression: str, *operands: Any) -> Scalar:
    made = Scalar(bool)
    steps.append(ScalarCompute(function, expression, operands, made))
    return made


def compute(steps: list[Step], primitive: Any, *inputs: Value) -> Value:
    """Add a step that makes of inputs of one shape and dtype another such; return the output."""
    made = elementwise(*inputs)
    steps.append(Compute(primitive, inputs, {}, made))
    return made
