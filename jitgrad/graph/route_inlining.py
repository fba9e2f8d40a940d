"""Gradients on routes whose way back is known: it becomes part of the function of the route.

What a stage keeps for the way back are names in that function, and so is what flows back. The node
is made behind it, of what is left when all that was saved has been freed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jitgrad import engine
from jitgrad.dispatch import TensorCore, node_of
from jitgrad.graph.path_writer import tuple_of
from jitgrad.graph.route_gradients import Gradients, GradientStep, WayBack
from jitgrad.graph.route_history import NodeLine, names_in
from jitgrad.graph.route_node import Freed
from jitgrad.node import AccumulateGrad

NAMES = {
    "AccumulateGrad": AccumulateGrad,
    "Freed": Freed,
    "TensorCore": TensorCore,
    "node_of": node_of,
    "one_like": engine.one_like,
}
"""What such functions know besides what others of routes do."""

GENERAL = "return general(*(call or (values, names)))"
"""Where this is not the usual call, the function without these lines begins again: nothing has been
done that anybody could see."""


def gradient_of(lines: Sequence[str]) -> Gradients | None:
    """Return the gradient that can become part of a function with these lines: there is but one."""
    steps = [each for each in lines if isinstance(each, GradientStep)]
    nodes = [each for each in lines if isinstance(each, NodeLine)]
    return steps[0].gradients if len(steps) == len(nodes) == 1 else None


def is_known(gradients: Gradients) -> bool:
    """Is by now known how it goes back, and what is left behind that?"""
    way_back = gradients.way_back
    return way_back is not None and (gradients.keep or way_back.layout.leavings is not None)


def inline(lines: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Return the lines with those of the way back, and what has a name in these.

    Args:
        lines: those of a function, of which a gradient is known.
    """
    step = next(each for each in lines if isinstance(each, GradientStep))
    node = next(each for each in lines if isinstance(each, NodeLine))
    way_back = step.gradients.way_back
    assert way_back is not None
    begin, end = (next(at for at, one in enumerate(lines) if one is each) for each in (node, step))
    behind = begin + 1 + node.is_watched
    made: list[str] = list(lines[begin:behind])
    if not step.gradients.keep:
        assert way_back.layout.leavings is not None
        left = f"Freed({tuple_of(way_back.layout.leavings.parts)})"
        # nothing is left that others could write to
        made = [NodeLine(node.name, node.make, left, node.edges)]
    before = [*lines[:begin], *lines[behind:end]]
    unusual = " or ".join(_unusual(step, node, way_back))
    # as soon as all of that has been looked up
    used = {*names_in(unusual)}
    last = max(at for at, each in enumerate(before) if each.partition(" = ")[0] in used)
    before.insert(last + 1, f"if {unusual}: {GENERAL}")
    found = [*before, *_lines_back(step, way_back), *made, *lines[end + 1 :]]
    return found, {**way_back.reverse.text.space, **NAMES}


def _unusual(step: GradientStep, node: NodeLine, way_back: WayBack) -> list[str]:
    """Return the conditions under which there is more to be done than to go back on the route."""
    ends = names_in(node.edges[0])
    found = []
    for end in ends:
        # behind it there is nothing, and no hook runs there
        found += [f"type({end}) is not AccumulateGrad", f"{end}.hooks is not None"]
    inputs = step.inputs
    if isinstance(inputs, str):
        found.append(f"len({inputs}) != {len(way_back.positions)}")
        inputs = [f"{inputs}[{at}]" for at in range(len(way_back.positions))]
    for each, position in zip(inputs, way_back.positions, strict=True):
        found.append(f"not isinstance({each}, TensorCore)")
        found.append(f"node_of({each}) is not {ends[position]}")
    return found


def _lines_back(step: GradientStep, way_back: WayBack) -> list[str]:
    """Return the lines that take the place of a step, in front of the line that makes the node."""
    text = way_back.reverse.text
    positions = dict.fromkeys(way_back.positions)
    flows = [(f"{step.made}_to_{at}", text.flows[at]) for at in positions]
    (given,) = text.given.values()
    return [
        *([f"if {' or '.join(text.checks)}: {GENERAL}"] if text.checks else []),
        "try:",
        f"    {given} = one_like({step.array})",
        *(f"    {each}" for each in text.lines),
        *(f"    {name} = {flow and f'wrap({flow})'}" for name, flow in flows),
        f"    {step.made} = [{', '.join(f'{step.made}_to_{at}' for at in way_back.positions)}]",
        "except BaseException as error:",
        "    return interrupted(error, values, *call)",
    ]
