"""A graph as Python that runs: the printed trace."""

from __future__ import annotations

import gc
import keyword
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from jitgrad.dispatch import bind
from jitgrad.graph.cutting import operands
from jitgrad.graph.ir import Compute, Item, Scalar, ScalarCompute, Step, Value, Write
from jitgrad.graph.recipes import Constant as ConstantRecipe
from jitgrad.graph.recipes import Container, Fresh, Number, Recipe, Root
from jitgrad.graph.segment import Branch, Continue, Evaluate, Exit, Return, Segment
from jitgrad.inplace import write
from jitgrad.primitive import Primitive


class HandsOver(Exception):
    """What a printed trace raises where a replay hands over to Python."""


class BeginsAnew(Exception):
    """What a printed trace raises at the head of a loop that has turned often.

    The next trace goes on from there.
    """


def primitives() -> dict[str, Primitive]:
    """Return all primitives by the names that printed traces use."""
    found: dict[str, Primitive] = {}
    for each in sorted(
        (each for each in gc.get_objects() if type(each) is Primitive), key=lambda e: e.name
    ):
        found.setdefault(_name(each), each)
    return found


def _name(primitive: Primitive) -> str:
    name = primitive.name.replace(".", "_")
    return f"{name}_" if keyword.iskeyword(name) else name


def namespace() -> dict[str, Any]:
    """Return the names that a printed trace uses; execute it with them.

    Example:
        >>> import jitgrad
        >>> from jitgrad.graph.show import namespace
        >>> @jitgrad.compile
        ... def double(x):
        ...     return x * 2
        >>> _ = double(jitgrad.tensor(2.0))
        >>> names = namespace()
        >>> exec(double.trace, names)
        >>> names["trace_1"](jitgrad.tensor(5.0))
        tensor(10.)
    """

    def binder(primitive: Primitive) -> Callable:
        return lambda *inputs, **params: bind(primitive, *inputs, **params)

    names: dict[str, Any] = {name: binder(each) for name, each in primitives().items()}
    names.update(
        write=lambda target, source: write(target, source._array),
        item=lambda tensor: tensor.item(),
        truth=lambda value: bool(value),
        HandsOver=HandsOver,
        BeginsAnew=BeginsAnew,
        dtype=np.dtype,
        array=np.array,
        inf=float("inf"),
        nan=float("nan"),
    )
    names["math"] = math
    return names


class Printer:
    """Prints one tree of segments as a function."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.names: dict[Value | Scalar, str] = {}
        self.parameters: list[str] = []
        self.lines: list[str] = []

    def name(self, held: Value | Scalar, prefix: str = "v") -> str:
        """Return the name of a value, given at its first use."""
        found = self.names.get(held)
        if found is None:
            found = self.names[held] = f"{prefix}{len(self.names)}"
            if prefix == "x":
                self.parameters.append(found)
        return found

    def operand(self, each: Any) -> str:
        """Return an operand as text."""
        if isinstance(each, (Value, Scalar)):
            return self.name(each, "v" if each in self.names else "x")
        return repr(each)

    def step(self, step: Step) -> str:
        """Return a step as a statement."""
        given = [self.operand(each) for each in operands(step)]
        if isinstance(step, Write):
            return f"write({given[0]}, {given[1]})"
        if isinstance(step, Compute):
            params = [f"{name}={value!r}" for name, value in step.params.items()]
            call = f"{_name(step.primitive)}({', '.join([*given, *params])})"
        elif isinstance(step, ScalarCompute):
            call = step.expression.format(*given)
        else:
            assert isinstance(step, Item)
            call = f"item({given[0]})"
        return f"{self.name(step.output)} = {call}"

    def segment(self, segment: Segment, indent: str) -> None:
        """Print a segment and what follows it."""
        while True:
            last = None
            for fact in segment.facts:
                self.lines.append(f"{indent}# guard: {fact}")
            for step in segment.steps:
                statement = self.step(step)
                line = step.line and f"{step.line[0].rsplit('/', 1)[-1]}:{step.line[1]}"
                note = f"  # {line}" if line and line != last else ""
                last = line
                self.lines.append(f"{indent}{statement}{note}")
            for text in segment.effect_texts:
                self.lines.append(f"{indent}# effect: {text}")
            following = self.end(segment, indent)
            if following is None:
                return
            segment = following

    def end(self, segment: Segment, indent: str) -> Segment | None:
        """Print the end of a segment; return what goes on without indentation."""
        end = segment.end
        if isinstance(end, Return):
            self.lines.append(f"{indent}return {self.recipe(end.result)}")
        elif isinstance(end, (Exit, Evaluate)):
            where = f"{end.line[0].rsplit('/', 1)[-1]}:{end.line[1]}"
            self.lines.append(f"{indent}raise HandsOver({f'{end.reason} at {where}'!r})")
        elif isinstance(end, Continue):
            where = f"{end.line[0].rsplit('/', 1)[-1]}:{end.line[1]}"
            self.lines.append(f"{indent}raise BeginsAnew({where!r})")
        elif isinstance(end, Branch):
            return self.branch(end, indent)
        return None

    def branch(self, end: Branch, indent: str) -> Segment | None:
        """Print a site: all outcomes but the deepest are indented."""
        known = [(key, group[-1]) for key, group in end.outcomes.items() if group]
        if not known:
            self.lines.append(f"{indent}raise HandsOver('nothing was recorded from here')")
            return None
        if end.slot is None:
            return known[0][1]
        known.sort(key=lambda pair: _depth(pair[1]))
        slot_of = end.snapshot.state.slot_of
        test = next(held for held, slot in slot_of.items() if slot == end.slot)
        text = self.operand(test)
        ask = f"item({text})" if isinstance(test, Value) else text
        for key, group in known[:-1]:
            self.lines.append(f"{indent}if {_test(ask, key, end.exact)}:")
            self.segment(group, indent + "    ")
        key, group = known[-1]
        self.lines.append(f"{indent}if not ({_test(ask, key, end.exact)}):")
        self.lines.append(f"{indent}    raise HandsOver('an outcome that was not recorded')")
        return group

    def recipe(self, recipe: Recipe) -> str:
        """Return how a result is made, as an expression."""
        if isinstance(recipe, Fresh):
            return self.operand(recipe.entry.value)
        if isinstance(recipe, Number):
            return self.operand(recipe.scalar)
        if isinstance(recipe, Root):
            return f"'root {recipe.index}'"
        if isinstance(recipe, ConstantRecipe):
            return repr(recipe.value)
        if isinstance(recipe, Container):
            inner = [self.recipe(each) for each in recipe.items]
            if recipe.kind is dict:
                return "{" + ", ".join(map(": ".join, zip(inner[::2], inner[1::2]))) + "}"
            text = ", ".join(inner)
            return f"[{text}]" if recipe.kind is list else f"({text}{',' * (len(inner) == 1)})"
        return repr(type(recipe).__name__)

    def text(self, first: Segment) -> str:
        """Return the whole function."""
        self.segment(first, "    ")
        head = f"def trace_{self.number}({', '.join(self.parameters)}):"
        return "\n".join([head, *self.lines])


def _test(ask: str, key: Any, exact: bool) -> str:
    return f"{ask} == {key[1]!r}" if exact else f"truth({ask}) is {key}"


def _depth(segment: Segment) -> int:
    deepest, stack = 0, [(segment, 1)]
    while stack:
        each, depth = stack.pop()
        deepest = max(deepest, depth)
        if isinstance(each.end, Branch):
            stack.extend(
                (inner, depth + 1) for group in each.end.outcomes.values() for inner in group
            )
    return deepest


def show(entries: list[list[Segment]]) -> str:
    """Return all trees of a graph, each as a function."""
    firsts = [segment for group in entries for segment in group]
    return "\n\n\n".join(Printer(number).text(each) for number, each in enumerate(firsts, 1))
