"""The histories of routes: what a backward pass may ask for is left to a function of its own.

The nodes of the stages of a route, and their tapes, are looked at only where something unusual is
asked of them. So the function of a route keeps what they are made of, and makes one node.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from jitgrad.graph import path_writer
from jitgrad.graph.loop_layout import Held
from jitgrad.graph.loop_tape import Past
from jitgrad.graph.path_writer import tuple_of
from jitgrad.graph.route_facts import RouteFacts
from jitgrad.graph.route_node import RouteLayout, node_maker
from jitgrad.graph.route_reverse import KeptLoop, KeptPath, part
from jitgrad.graph.shortcut_facts import Made, PathFacts
from jitgrad.kernels.layout import laid_out

NAMES = {
    "Held": Held,
    "Past": Past,
    "laid_out": laid_out,
    "part": part,
}
"""What the functions of routes know besides what those of paths do."""


class NodeLine(str):
    """The line that makes the node of a route.

    Args:
        name: of the node.
        make: the name of what makes it.
        kept: the expression of what it keeps.
        edges: the expressions of what is behind it, and of which outputs of that.

    Attributes:
        is_watched: the next line has it told of writes.
    """

    name: str
    make: str
    edges: tuple[str, str]
    is_watched: bool

    def __new__(cls, name: str, make: str, kept: str, edges: tuple[str, str]) -> NodeLine:
        self = super().__new__(cls, f"{name} = {make}({kept}, {', '.join(edges)})")
        self.name, self.make, self.edges = name, make, edges
        self.is_watched = False
        return self


def names_in(text: str) -> list[str]:
    """Return the names in a text, as often as they are there."""
    return _NAME.findall(text)


_NAME = re.compile(r"[A-Za-z_]\w*")


def leave_for_later(
    facts: PathFacts,
    passed: Mapping[str, KeptPath | KeptLoop],
    watched: Mapping[str, Sequence[str]],
    edges: tuple[str, str] | None = None,
) -> bool:
    """Have the nodes of stages made when they are asked for, if but one of them is seen.

    Lines that make what nobody needs are left out. Returns whether that is so.

    Args:
        facts: whose lines these are.
        passed: what stages keep, by the names of their nodes.
        watched: for each of these the storages that must not be written unseen.
        edges: the histories from outside, and the numbers of their outputs, where these are known.
    """
    lines = facts.lines
    needed = _needed(lines, passed)
    shown = needed.intersection(passed)
    if len(shown) != 1:
        needed = _needed(lines)
        lines[:] = [line for line in lines if not isinstance(line, Made) or line.name in needed]
        return False
    (node,) = shown
    chain = {node}
    for line in reversed(lines):
        if isinstance(line, Made) and line.name in chain:
            chain.update(names_in(line))
    later: list[str] = []
    now: list[str] = []
    for line in lines:
        if isinstance(line, Made) and line.name == node:
            now.append(line)
            later.append(line)
        elif not isinstance(line, Made) or line.name in needed:
            now.append(line)
        elif line.name in chain:
            (later if line.waits else now).append(line)
    used = set(names_in("\n".join(later)))
    kept = [each for each in _assigned(now) if each in used and each != node]
    nodes = [each for each in passed if each in used]
    text = "".join(f"    {line}\n" for line in later)
    space = {**facts.space(), **path_writer.names(), **NAMES}
    head = f"def chain(kept):\n    {tuple_of(kept)} = kept\n" if kept else "def chain(kept):\n"
    body = f"{head}{text}    return {tuple_of(nodes)}\n"
    exec(compile(body, "<jitgrad route>", "exec"), space)
    layout = RouteLayout(tuple(kept), space.pop("chain"), [passed[each] for each in nodes])
    if edges is None:
        assert isinstance(facts, RouteFacts)
        own = [edge for edge in facts.edges if not used.isdisjoint(edge)]
        edges = tuple_of(each for each, _ in own), tuple_of(index for _, index in own)
    made = NodeLine(node, facts.constant(node_maker(layout)), tuple_of(kept), edges)
    at = next(at for at, line in enumerate(now) if isinstance(line, Made) and line.name == node)
    now[at] = made
    # what the call has made and nobody is shown is written by nobody
    seen = set(_assigned(now[:at]))
    storages = dict.fromkeys(each for one in nodes for each in watched.get(one, ()))
    those = [each for each in storages if each in seen]
    if those:
        now.insert(at + 1, f"{node}.watch({tuple_of(those)})")
        made.is_watched = True
    lines[:] = now
    return True


def _needed(lines: Sequence[str], ends: Collection[str] = ()) -> set[str]:
    """Return the names that are needed, of what `ends` are made of none."""
    needed: set[str] = set()
    for line in reversed(lines):
        if not isinstance(line, Made) or (line.name in needed and line.name not in ends):
            needed.update(names_in(line))
    return needed


def _assigned(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the names that lines assign to."""
    body = "".join(f"    {line}\n" for line in lines)
    space: dict[str, Any] = {}
    exec(compile(f"def assigned():\n{body}", "<jitgrad route>", "exec"), space)
    return space["assigned"].__code__.co_varnames
