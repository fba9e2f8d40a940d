"""Steps as Python statements, with names for what they make."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Iterator
from typing import Any

from jitgrad.graph.ir import Compute, Item, Scalar, ScalarCompute, Step, Value, Write, operands
from jitgrad.graph.naming import Fixed, Where
from jitgrad.primitive import Primitive, primitives


def primitives_by_name() -> dict[str, Primitive]:
    """Return all primitives by the names that printed traces use."""
    found: dict[str, Primitive] = {}
    for each in primitives():
        found.setdefault(name_of_primitive(each), each)
    return found


def name_of_primitive(primitive: Primitive) -> str:
    """Return the name of a primitive in print."""
    name = primitive.name.replace(".", "_")
    return f"{name}_" if keyword.iskeyword(name) else name


class Statements:
    """Writes steps, with names for what they make.

    Attributes:
        parameters: what they take, by the place that it comes from, with names.
        where: the places of values and numbers from outside.
    """

    def __init__(self) -> None:
        self.names: dict[Value | Scalar, str] = {}
        self.parameters: dict[Where, str] = {}
        self.where: dict[Value | Scalar, Where] = {}
        self.made = 0

    def name(self, held: Value | Scalar, prefix: str = "v") -> str:
        """Return the name of a value, given at its first use."""
        found = self.names.get(held)
        if found is None:
            if prefix == "x":
                found = self.parameter(self.where.get(held, Fixed(id(held), "a value")))
            else:
                self.made += 1
                found = f"{prefix}{self.made}"
            self.names[held] = found
        return found

    def parameter(self, where: Where) -> str:
        """Return the name of the parameter for what is at a place."""
        return self.parameters.setdefault(where, f"x{len(self.parameters)}")

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
            call = f"{name_of_primitive(step.primitive)}({', '.join([*given, *params])})"
        elif isinstance(step, ScalarCompute):
            call = step.expression.format(*given)
        else:
            assert isinstance(step, Item)
            call = f"item({given[0]})"
        return f"{self.name(step.output)} = {call}"


def printed_steps(steps: Iterable[Step]) -> Iterator[str]:
    """Yield steps as statements, as they stand in a trace."""
    statements = Statements()
    for step in steps:
        yield statements.step(step)
