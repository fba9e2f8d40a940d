"""Gradients on routes: `autograd.grad` of what turns have computed, by the function of the route.

Python performs that call, since native turns have no trace that could be differentiated. But where
nobody else sees the history before, there is nothing to be performed but one step back.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jitgrad import engine
from jitgrad.dispatch import TensorCore, node_of, wrap
from jitgrad.graph.facts import tensor_key
from jitgrad.graph.host_calls import HostCall
from jitgrad.graph.path_writer import Unfit, tuple_of
from jitgrad.graph.route_facts import Given, Known, RouteFacts, Row, Thing, Values
from jitgrad.graph.route_node import RouteBackward, RouteLayout
from jitgrad.graph.route_reverse import RouteReverse
from jitgrad.node import AccumulateGrad
from jitgrad.walk import run_alone

SIGNATURE = inspect.signature(engine.grad)
PARAMETERS = SIGNATURE.parameters

FIXED = ("grad_outputs", "create_graph", "is_grads_batched", "materialize_grads")
"""The arguments that must be as they are without being given."""


class GradientStage(NamedTuple):
    """A call of `autograd.grad` between two paths of a route, or at its end."""

    call: HostCall


class WayBack(NamedTuple):
    """How the usual call goes back.

    Attributes:
        layout: that of the node.
        positions: which of the edges of the node the inputs are.
    """

    layout: RouteLayout
    reverse: RouteReverse
    positions: list[int]


class Gradients:
    """What `autograd.grad` does at one place of a route.

    Args:
        output: which output of the node of the route is differentiated.
        keep: do not free what is saved.
        may_lack: inputs may have no gradient.

    Attributes:
        way_back: how the usual call goes back; None until a call has done so in one step.
    """

    def __init__(self, output: int, keep: bool, may_lack: bool) -> None:
        self.output = output
        self.keep = keep
        self.may_lack = may_lack
        self.way_back: WayBack | None = None

    def of(self, node: Any, array: np.ndarray, inputs: Sequence) -> list | None:
        """Return the gradients; None where `autograd.grad` may do anything else besides.

        That is to raise an error, or to go through what others know of. Nothing has been done then
        that anybody could see.

        Args:
            node: the history of the output, that nobody else has.
            array: the output, one number.
            inputs: the inputs, if they are tensors.
        """
        way_back = self.way_back
        if way_back is not None and type(node) is RouteBackward:
            found = self._at_once(node, array, inputs, way_back)
            if found is not None:
                return found
        ends = []
        for each in inputs:
            end = node_of(each) if isinstance(each, TensorCore) else None
            if end is None:
                return None
            ends.append(end)
        cotangent = wrap(engine.one_like(array))
        wanted = [(end, each._index) for end, each in zip(ends, inputs)]
        found = run_alone(node, self.output, cotangent, self.keep, wanted)
        if found is None or (not self.may_lack and any(each is None for each in found)):
            return None
        if way_back is None and type(node) is RouteBackward:
            self._learn(node, cotangent, ends)
        return found

    def _at_once(
        self, node: RouteBackward, array: Any, inputs: Sequence, way_back: WayBack
    ) -> list | None:
        """Do it in one step, if this is the usual call; None otherwise, and nothing is done."""
        edges, positions = node.edges, way_back.positions
        for edge in edges:
            # behind it there is nothing, and no hook runs there
            if type(edge) is not AccumulateGrad or edge.hooks is not None:
                return None
        if len(inputs) != len(positions):
            return None
        for each, at in zip(inputs, positions):
            if not isinstance(each, TensorCore) or node_of(each) is not edges[at]:
                return None
        arrays: list[Any] = [None] * node.outputs
        arrays[self.output] = engine.one_like(array)
        flows = node.back_at_once(way_back.reverse, arrays, self.keep)
        return None if flows is None else [flows[at] for at in positions]

    def _learn(self, node: RouteBackward, cotangent: Any, ends: list) -> None:
        """Know how the usual call goes back, if all of it does so in one step."""
        edges = node.edges
        if len(set(edges)) < len(edges) or not set(ends) <= set(edges):
            return
        if any(type(edge) is not AccumulateGrad for edge in edges):
            return
        needed = [edge in ends for edge in edges]
        cotangents: list[Any] = [None] * node.outputs
        cotangents[self.output] = cotangent
        reverse = node.layout.reverse_for(cotangents, needed)
        if reverse is not None and (self.keep or reverse.frees_all):
            self.way_back = WayBack(node.layout, reverse, [edges.index(end) for end in ends])


class GradientStep(str):
    """The lines by which the function of a route performs such a call.

    Args:
        made: the name of the list of gradients.
        name: of what performs it.
        gradients: what performs it.
        node, array: expressions of the output.
        inputs: those of the inputs, or the expression of the sequence in which they are.
    """

    gradients: Gradients
    made: str
    array: str
    inputs: list[str] | str

    def __new__(
        cls,
        made: str,
        name: str,
        gradients: Gradients,
        node: str,
        array: str,
        inputs: list[str] | str,
    ) -> GradientStep:
        given = inputs if isinstance(inputs, str) else tuple_of(inputs)
        self = super().__new__(
            cls,
            "try:\n"
            f"        {made} = {name}.of({node}, {array}, {given})\n"
            "    except BaseException as error:\n"
            "        return interrupted(error, values, *call)\n"
            f"    if {made} is None: return WRONG",
        )
        self.made, self.gradients, self.array, self.inputs = made, gradients, array, inputs
        return self


class GradientWriter:
    """Writes such a stage.

    Args:
        facts: of the route.
        stage: the call.
        values: what it is given.
        number: that of the stage.

    Raises:
        Unfit: a step of a loop comes behind it.
    """

    def __init__(
        self, facts: RouteFacts, stage: GradientStage, values: Values, number: int
    ) -> None:
        self.facts = facts
        course = stage.call.turn
        if course is None or course.steps:
            raise Unfit
        self.called = stage.call.called
        self.course = course
        self.values = values
        self.made = f"flows_{number}"

    def write(self) -> None:
        """Write the call; its result is a list.

        Raises:
            Unfit: it is another one, or not done in one step.
        """
        called, values, constant = self.called, self.values, self.facts.constant
        callee = values[called.callee]
        if not isinstance(callee, Known) or callee.value is not engine.grad:
            raise Unfit
        try:
            given = SIGNATURE.bind(
                *(values[at] for at in called.arguments),
                **{name: values[at] for name, at in called.names.items()},
            ).arguments
        except TypeError:
            raise Unfit from None
        output = given.pop("outputs")
        if isinstance(output, Row) and len(output.items) == 1:
            output = output.items[0]
        if not isinstance(output, Thing) or output.is_outside or not output.node:
            raise Unfit
        if output.key is None or math.prod(output.key[1]) != 1:
            raise Unfit
        inputs = self._inputs(given.pop("inputs"))
        options = {
            name: each.value if isinstance(each, Known) else ... for name, each in given.items()
        }
        for name in FIXED:
            if (
                options.get(name, SIGNATURE.parameters[name].default)
                is not SIGNATURE.parameters[name].default
            ):
                raise Unfit
        keep, may_lack = options.get("retain_graph"), options.get("allow_unused")
        if keep is ... or may_lack is ...:
            raise Unfit
        made = Gradients(int(output.index), bool(keep), bool(may_lack))
        self.facts.lines.append(
            GradientStep(self.made, constant(made), made, output.node, output.array, inputs)
        )
        if self.course.parts is not None:
            self.facts.lines.append(f"if len({self.made}) != {self.course.length}: return WRONG")

    def _inputs(self, given: Any) -> list[str] | str:
        """Return the expressions of the inputs, one or several from outside."""
        if isinstance(given, Thing) and given.is_outside:
            return [given.name] if given.key is not None else self._several(given)
        if isinstance(given, Row):
            items = [each for each in given.items if isinstance(each, Thing) and each.is_outside]
            if len(items) == len(given.items) and all(each.key is not None for each in items):
                return [each.name for each in items]
        raise Unfit

    @staticmethod
    def _several(given: Thing) -> str:
        if given.kind not in (tuple, list):
            raise Unfit
        return given.name

    def result(self) -> str:
        """Return the expression of the result of a call that ends here."""
        if self.course.after is not None:
            raise Unfit
        (display,) = self.course.sources
        if isinstance(display, int):
            (only,) = self._source(display, False)
            return only
        parts = [
            expression
            for each in display.parts
            for expression in (
                self._source(each, False) if isinstance(each, int) else self._source(*each, True)
            )
        ]
        return f"[{', '.join(parts)}]" if display.kind is list else tuple_of(parts)

    def _source(self, number: Any, is_spread: bool) -> list[str]:
        """Return the expressions of what is found at a number, or of its items."""
        item = number - len(self.values) - 1
        if item == -1:
            return [f"*{self.made}" if is_spread else f"tuple({self.made})"]
        if item < 0:
            return self._shown(self.values[number], is_spread)
        if is_spread or item >= self.course.length:
            raise Unfit
        return [f"{self.made}[{item}]"]

    def _shown(self, value: Any, is_spread: bool) -> list[str]:
        if isinstance(value, Row) and (is_spread or value.kind is tuple):
            items = [item for each in value.items for item in self._shown(each, False)]
            return items if is_spread else [tuple_of(items)]
        if is_spread or isinstance(value, Row):
            raise Unfit
        if isinstance(value, Known):
            return [self.facts.constant(value.value)]
        return [value.name if isinstance(value, Given) else self.facts.tensor(value)]

    def following(self, key: tuple) -> Values:
        """Return the values with which the call goes on at an entrance where it has this key."""
        course, known = self.course, len(self.values) + 1
        if course.after is None:
            raise Unfit
        made: dict[int, Thing] = {}
        found: Values = []
        sources: list[Any] = course.sources
        for at, number in enumerate(sources):
            if number < len(self.values):
                found.append(self.values[number])
            elif known <= number < known + course.length:
                item = number - known
                if item not in made:
                    made[item] = self._thing(item, key[3 + at])
                found.append(made[item])
            elif number >= known + course.length:
                found.append(Known(course.constants[number - known - course.length]))
            else:
                raise Unfit
        self._tell_apart(list(made.values()))
        return found

    def _thing(self, item: int, key: Any) -> Thing:
        """Return a gradient, which must be as it was when what follows was recorded."""
        if not isinstance(key, tuple) or len(key) < 3:
            raise Unfit
        name, lines, constant = f"{self.made}_{item}", self.facts.lines, self.facts.constant
        lines.append(f"{name} = {self.made}[{item}]")
        lines.append(f"if {constant(tensor_key)}({name}) != {constant(key)}: return WRONG")
        thing = Thing.made(key, f"{name}._array", f"{name}._storage", 0, "", 0)
        thing.name = name
        return thing

    def _tell_apart(self, made: list[Thing]) -> None:
        """Make sure that gradients lie in memory of their own, as far as anybody can see."""
        others = [each for each in self.facts.outside.values() if each.key is not None]
        for thing in made:
            for other in others:
                self.facts.lines.append(
                    f"if {thing.storage}.owner is {other.storage}.owner: return WRONG"
                )
            others.append(thing)
