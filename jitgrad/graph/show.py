"""A graph as Python that runs: the printed trace."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from jitgrad.dispatch import bind
from jitgrad.graph.entrance import Entrance
from jitgrad.graph.ir import Scalar, Value
from jitgrad.graph.linking import Finder, Unlinkable, choices, guards_decide
from jitgrad.graph.lookups import name_of
from jitgrad.graph.naming import Fixed, Outside, Where, entry_names, short, words
from jitgrad.graph.printed_steps import Statements, primitives_by_name
from jitgrad.graph.recipes import Constant as ConstantRecipe
from jitgrad.graph.recipes import Container, Fresh, Number, Recipe, Root
from jitgrad.graph.segment import Branch, Continue, Evaluate, Exit, Return, Segment
from jitgrad.graph.text_recipes import Written
from jitgrad.inplace import write
from jitgrad.primitive import Primitive


class HandsOver(Exception):
    """What a printed trace raises where a replay hands over to Python."""


class GoesOn(NamedTuple):
    """A call with which another one goes on, once that has ended."""

    function: Callable
    arguments: tuple


def goes_on(function: Callable, *arguments: Any) -> GoesOn:
    """Return what a printed trace returns to go on with one that may lead back to it."""
    return GoesOn(function.inner, arguments)  # type: ignore[attr-defined]


def in_turns(function: Callable) -> Callable:
    """Let a function go on with others without calling from within one another."""

    def call(*arguments: Any) -> Any:
        result = function(*arguments)
        while type(result) is GoesOn:
            result = result.function(*result.arguments)
        return result

    call.inner = function  # type: ignore[attr-defined]
    return call


def hands_over(reason: str, **live: Any) -> Any:
    """Stand for what Python does at an exit; `live` are the tensors and numbers it works with.

    Raises:
        HandsOver: always; put a function of your own in the namespace to go on.
    """
    raise HandsOver(reason)


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

    names: dict[str, Any] = {name: binder(each) for name, each in primitives_by_name().items()}
    names.update(
        write=lambda target, source: write(target, source._array),
        item=lambda tensor: tensor.item(),
        truth=lambda value: bool(value),
        HandsOver=HandsOver,
        hands_over=hands_over,
        goes_on=goes_on,
        in_turns=in_turns,
        dtype=np.dtype,
        array=np.array,
        inf=float("inf"),
        nan=float("nan"),
    )
    names["math"] = math
    return names


class Trace:
    """A tree of segments, which is printed as one function.

    Attributes:
        first: its first segment.
        name: what the function is called.
        key: that of the entry.
        arguments: what the values are called with which it begins.
        parameters: what it takes from outside, as far as it is known by now.
        follows: the traces with which it goes on.
    """

    def __init__(self, first: Segment, name: str, key: Any, arguments: list[str]) -> None:
        self.first = first
        self.name = name
        self.key = key
        self.arguments = arguments
        self.parameters: list[Where] = []
        self.follows: set[str] = set()


class Traces:
    """All traces of a graph.

    Args:
        function: the function that was recorded.
        entrances: where traces begin, the beginning of the function first.
    """

    def __init__(self, function: Any, entrances: list[Entrance]) -> None:
        self.by_first: dict[Segment, Trace] = {}
        # once, since others may record meanwhile
        known = [(each, each.reachable()) for each in entrances]
        self.entries = {each.layout.key: entries for each, entries in known if each.layout}
        for entrance, entries in known:
            for key, candidates in entries.items():
                names = entry_names(function, entrance.layout, key)
                for first in candidates:
                    name = f"trace_{len(self.by_first) + 1}"
                    self.by_first[first] = Trace(first, name, key, names)

    def text(self) -> str:
        """Return them as Python."""
        while True:
            # what one takes, those have to hand on that go on with it
            printed = [Printer(each, self) for each in self.by_first.values()]
            texts = [each.text() for each in printed]
            if all(each.is_settled() for each in printed):
                return "\n\n\n".join(texts)
            for each in printed:
                each.settle()

    def leads_back(self, source: Trace, target: Trace) -> bool:
        """May the call come from `target` to `source` again?"""
        following = {each.name: each.follows for each in self.by_first.values()}
        seen: set[str] = set()
        pending = {target.name}
        while pending:
            name = pending.pop()
            seen.add(name)
            pending |= following[name] - seen
        return source.name in seen


class Printer(Statements):
    """Prints one tree of segments as a function."""

    def __init__(self, trace: Trace, traces: Traces) -> None:
        super().__init__()
        self.trace = trace
        self.traces = traces
        for where in trace.parameters:
            self.parameter(where)
        self.follows: set[str] = set()
        self.lines: list[str] = []
        self.outside: dict[Segment | None, Outside | None] = {None: None}

    def is_settled(self) -> bool:
        """Was it printed with what is known now?"""
        trace = self.trace
        return (list(self.parameters), self.follows) == (trace.parameters, trace.follows)

    def settle(self) -> None:
        """Let the others know what this one takes, and where it goes on."""
        self.trace.parameters = list(self.parameters)
        self.trace.follows = self.follows

    def found(self, where: Where, finder: Finder, outside: Outside) -> str:
        """Return what another trace takes, as an expression."""
        made = finder.find(where)
        if isinstance(made, Recipe):
            return self.recipe(made, outside)
        if isinstance(made, Scalar):
            return self.operand(made)
        if made in outside.held:
            return self.operand(outside.held[made])
        if isinstance(made, Fixed):
            raise Unlinkable(made.text)
        return self.parameter(made)

    def segment(self, segment: Segment, indent: str) -> None:
        """Print a segment and what follows it."""
        while True:
            last = None
            outside = Outside(segment, self.trace.arguments, self.outside[segment.parent])
            self.outside[segment] = outside
            for where, held in outside.held.items():
                self.where.setdefault(held, where)
            for guard in outside.guards(segment.facts):
                self.lines.append(f"{indent}# guard: {guard}")
            for step in segment.steps:
                statement = self.step(step)
                line = step.line and short(step.line)
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
        outside = self.outside[segment]
        assert outside is not None
        if isinstance(end, Return):
            self.lines.append(f"{indent}return {self.recipe(end.result, outside)}")
        elif isinstance(end, (Exit, Evaluate)):
            self.lines.append(f"{indent}return {self.exit(end, outside)}")
        elif isinstance(end, Continue):
            self.lines.extend(indent + each for each in self.going_on(end, outside))
        elif isinstance(end, Branch):
            return self.branch(end, indent)
        return None

    def branch(self, end: Branch, indent: str) -> Segment | None:
        """Print a site: all outcomes but the deepest are indented."""
        known = [(key, group[-1]) for key, group in list(end.outcomes.items()) if group]
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

    def exit(self, end: Exit | Evaluate, outside: Outside) -> str:
        """Return the call of what stands for Python."""
        live = {}
        if isinstance(end, Exit):
            frame = end.snapshot.frames[-1]
            for register, recipe in frame.registers.items():
                name = frame.code.register_names[register]
                is_tensor = isinstance(recipe, Fresh) or (
                    isinstance(recipe, Root) and outside.state.roots[recipe.index] is not None
                )
                is_named = register < frame.code.named_count and name.isidentifier()
                if is_named and (is_tensor or isinstance(recipe, Number)):
                    live[name] = self.recipe(recipe, outside)
        reason = repr(f"{end.reason} at {short(end.line)}")
        return f"hands_over({', '.join([reason, *(f'{n}={text}' for n, text in live.items())])})"

    def going_on(self, end: Continue, outside: Outside) -> list[str]:
        """Return the statements that go on with another trace, or with this one again."""
        lines = [f"# begins anew at {short(end.line)}"]
        entries = self.traces.entries.get(end.layout.key, {})
        found = choices(end, self.trace.key, outside, entries)
        finder = Finder(end, outside)
        for first, tests in found:
            target = self.traces.by_first[first]
            try:
                if guards_decide(first):
                    raise Unlinkable("one of several ways by guards behind its decisions")
                given = [self.found(where, finder, outside) for where in target.parameters]
            except Unlinkable as why:
                lines.append(f"raise HandsOver('{target.name} takes {why}')")
                return lines
            self.follows.add(target.name)
            calls = self.call(target, given)
            if not tests:
                return lines + calls
            text = " and ".join(f"{self.operand(held)} == {value!r}" for held, value in tests)
            lines.append(f"if {text}:")
            lines.extend("    " + each for each in calls)
        lines.append("raise HandsOver('nothing was recorded from here')")
        return lines

    def call(self, target: Trace, given: list[str]) -> list[str]:
        """Return the statements that go on with `target`."""
        if target is self.trace:
            pairs = [(f"x{at}", each) for at, each in enumerate(given) if each != f"x{at}"]
            if not pairs:
                return ["continue"]
            names, values = zip(*pairs)
            return [f"{', '.join(names)} = {', '.join(values)}", "continue"]
        if self.traces.leads_back(self.trace, target):
            return [f"return goes_on({', '.join([target.name, *given])})"]
        return [f"return {target.name}({', '.join(given)})"]

    def recipe(self, recipe: Recipe, outside: Outside) -> str:
        """Return how a result is made, as an expression."""
        if isinstance(recipe, Fresh):
            return self.operand(recipe.entry.value)
        if isinstance(recipe, Number):
            return self.operand(recipe.scalar)
        if isinstance(recipe, Root):
            entry = outside.state.roots[recipe.index]
            return repr(outside.root(recipe.index)) if entry is None else self.operand(entry.value)
        if isinstance(recipe, ConstantRecipe):
            return _literal(recipe.value)
        if isinstance(recipe, Written):
            return self._written(recipe, outside)
        if isinstance(recipe, Container):
            inner = [self.recipe(each, outside) for each in recipe.items]
            if recipe.kind is dict:
                return "{" + ", ".join(map(": ".join, zip(inner[::2], inner[1::2]))) + "}"
            text = ", ".join(inner)
            return f"[{text}]" if recipe.kind is list else f"({text}{',' * (len(inner) == 1)})"
        return repr(type(recipe).__name__)

    def _written(self, recipe: Written, outside: Outside) -> str:
        given = [self.recipe(each, outside) for each in recipe.given]
        given = [
            f"({text})" if isinstance(each, Written) else text
            for each, text in zip(recipe.given, given)
        ]
        fields = iter(given)
        return " + ".join(
            repr(each) if isinstance(each, str) else each.shown.format(next(fields))
            for each in recipe.pieces
        )

    def text(self) -> str:
        """Return the whole function."""
        trace = self.trace
        turns = trace.name in trace.follows
        self.segment(trace.first, "        " if turns else "    ")
        lines = [f"def {trace.name}({', '.join(self.parameters.values())}):"]
        if any(self.traces.leads_back(trace, each) for each in self._others()):
            lines.insert(0, "@in_turns")
        lines.extend(
            f"    # {name} is {words(where, trace.arguments)}"
            for where, name in self.parameters.items()
        )
        if turns:
            lines.append("    while True:")
        return "\n".join([*lines, *self.lines])

    def _others(self) -> list[Trace]:
        trace = self.trace
        everyone = self.traces.by_first.values()
        return [each for each in everyone if each is not trace and each.name in trace.follows]


def _literal(value: Any) -> str:
    """Return a constant as an expression, what has none by its name."""
    if type(value) in (tuple, list):
        inner = ", ".join(map(_literal, value))
        return f"[{inner}]" if type(value) is list else f"({inner}{',' * (len(value) == 1)})"
    is_plain = type(value) in (bool, int, float, str, bytes, range, slice, type(None))
    return repr(value) if is_plain else repr(name_of(value))


def _test(ask: str, key: Any, exact: bool) -> str:
    return f"{ask} == {key[1]!r}" if exact else f"truth({ask}) is {key}"


def _depth(segment: Segment) -> int:
    deepest, stack = 0, [(segment, 1)]
    while stack:
        each, depth = stack.pop()
        deepest = max(deepest, depth)
        if isinstance(each.end, Branch):
            stack.extend(
                (inner, depth + 1) for group in list(each.end.outcomes.values()) for inner in group
            )
    return deepest


def show(function: Any, entrances: list[Entrance]) -> str:
    """Return all that was recorded of a function, each trace as a function."""
    return Traces(function, entrances).text()
