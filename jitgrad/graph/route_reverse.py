"""The way back along a route, as one function.

Each stage knows how it goes back for what usually arrives: by one program, or by one native loop.
Behind passes that did so at each stage, a function calls one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from jitgrad.graph import fresh
from jitgrad.graph.derivative import add_cotangents, described, kinds_of
from jitgrad.graph.ir import Scalar, Value
from jitgrad.graph.loop_layout import LoopLayout
from jitgrad.graph.loop_node import LoopBackward
from jitgrad.graph.loop_shortcuts import ReverseShortcut, kind_of_pass
from jitgrad.graph.origins import StorageEntry, Variable
from jitgrad.graph.path_writer import tuple_of
from jitgrad.graph.plans import Plan, WholePlan, join_plan
from jitgrad.graph.tape_layout import TapeLayout
from jitgrad.kernels.layout import view_of
from jitgrad.node import Unfold

Storages = dict[StorageEntry, tuple[str, str]]
"""The names of storages, and of their versions then."""


class KeptPath(NamedTuple):
    """What a path keeps for a backward pass.

    Attributes:
        values: the expressions of what it keeps.
        storages: where that lies, as far as others know of it.
        block, offsets: the name of the block with all other values, and where they begin in it.
    """

    layout: TapeLayout
    values: dict[Value | Scalar, str]
    storages: Storages
    block: str = ""
    offsets: Mapping[Value, int] = MappingProxyType({})


class KeptLoop(NamedTuple):
    """What a native loop keeps for a backward pass.

    Attributes:
        turns, carried: the names of what the loop has done, and of what it carries then.
        held: for each way the names of what is the same in all turns, and where that lies; None
            for one that was not taken.
        shown: the names of the storages of what came out.
    """

    layout: LoopLayout
    turns: str
    carried: str
    held: list[tuple[dict[Value | Scalar, str], Storages] | None]
    shown: list[str]


def part(block: Any, layout: tuple) -> Any:
    """Return a part of a block of bytes; nothing, if it has been freed."""
    return None if block is None else view_of(block, layout)


class ReverseText(NamedTuple):
    """The way back as lines, in which what a node has kept has its names.

    Attributes:
        given: the names of the cotangents, by the outputs of the node.
        checks: conditions that hold where something that is saved has been written.
        lines: what it does.
        flows: the names of the arrays that flow along the edges of the node.
        space: what else has a name.
    """

    given: dict[int, str]
    checks: Sequence[str]
    lines: Sequence[str]
    flows: Sequence[str | None]
    space: dict[str, Any]


class RouteReverse(NamedTuple):
    """The way back for cotangents that come again and again.

    Attributes:
        run: given what a node has kept and the cotangents of its outputs as arrays, returns those
            of its edges; raises `Unfold` where something that is saved has been written.
        text: the same, to become part of another function.
        through: for each node of the chain what a pass goes through, as its `free` wants it.
        frees_all: that is all that it saves.
    """

    run: Callable[[Sequence[Any], list], tuple]
    text: ReverseText
    through: list[Any]
    frees_all: bool


class _NotYet(Exception):
    """A stage does not go back in one step, up to now."""


def lead_always(needs: Mapping[Any, list[bool]]) -> bool:
    """Do these edges of the nodes of a chain lead on in all calls that take its route?

    Loops take other turns there.
    """
    return all(
        node.leads_always(needed) for node, needed in needs.items() if type(node) is LoopBackward
    )


def write_reverse(
    node: Any, chain: Sequence[Any], given: Mapping[Any, list], needs: Mapping[Any, list[bool]]
) -> RouteReverse | None:
    """Return a function for passes like one that went through the chain, None if there is none yet.

    Args:
        node: the node of the route.
        chain: those of its stages.
        given: what arrived at them.
        needs: which of their edges were wanted.
    """
    if not lead_always(needs):
        return None
    try:
        return _Writer(node, chain, given, needs).reverse()
    except _NotYet:
        return None


def _with_block(
    stage: KeptPath, plan: Plan, wanted: Sequence[Variable], given: Mapping[Variable, Any]
) -> tuple[WholePlan, dict[Any, int]]:
    """Return the program of a pass, if it can be had one that reads the block; and what is in it.

    Args:
        plan: that of the pass.
        wanted, given: the variables whose cotangents come out, and the cotangents that go in.
    """
    assert plan.whole is not None
    if not any(each in stage.offsets for each in plan.whole.inputs):
        return plan.whole, {}
    values = {each: described(array) for each, array in given.items()}
    joined = join_plan(plan.parts, list(wanted), values)
    if joined is None:
        return plan.whole, {}
    within: dict[Any, int] = {
        each: stage.offsets[each]
        for each in joined.inputs
        if isinstance(each, Value) and each in stage.offsets
    }
    inputs = [*joined.inputs, *joined.given.values()]
    program = stage.layout.segments[-1].lower_with_block(
        joined.steps, inputs, joined.outputs, within=within
    )
    if program is None:
        return plan.whole, {}
    return WholePlan(program, joined.inputs, list(joined.given), joined.targets), within


def _compiled(names: tuple[str, ...], text: ReverseText) -> Callable[[Sequence[Any], list], tuple]:
    """Return the function of what is kept, under these names, and of the cotangents."""
    flows = ("None" if each is None else f"wrap({each})" for each in text.flows)
    lines = [
        f"{tuple_of(names)} = kept",
        *(f"{name} = cotangents[{at}]" for at, name in text.given.items()),
        *(f"if {condition}: raise Unfold" for condition in text.checks),
        *text.lines,
        f"return {tuple_of(flows)}",
    ]
    body = "".join(f"    {line}\n" for line in lines)
    space = {**text.space, "Unfold": Unfold, **fresh.names()}
    exec(compile(f"def reverse(kept, cotangents):\n{body}", "<jitgrad route back>", "exec"), space)
    return space.pop("reverse")


class _Writer:
    """Writes such a function.

    Attributes:
        lines: what it does.
        names: of the cotangents that wait, by the node and the number of its output.
    """

    def __init__(
        self, node: Any, chain: Sequence[Any], given: Mapping[Any, list], needs: Mapping
    ) -> None:
        self.node = node
        self.chain = chain
        self.given = given
        self.needs = needs
        self.space: dict[str, Any] = {"add_cotangents": add_cotangents, "part": part}
        self.lines: list[str] = []
        self.checks: dict[str, None] = {}
        self.names: dict[tuple[Any, int], str] = {}
        self.frees_all = True

    def constant(self, value: Any) -> str:
        name = f"back{len(self.space)}"
        self.space[name] = value
        return name

    def reverse(self) -> RouteReverse:
        """Write all stages, the last one first."""
        layout, last = self.node.layout, self.chain[-1]
        given: dict[int, str] = {}
        for at, cotangent in enumerate(self.given.get(last, ())):
            if cotangent is not None:
                self.names[last, at] = given[at] = f"given{at}"
        through: list[Any] = []
        for node, stage in zip(reversed(self.chain), reversed(layout.stages)):
            arrived = self.given.get(node)
            if arrived is None:
                self.frees_all = False
                through.append(())
            elif isinstance(stage, KeptPath):
                through.append(self._path(node, stage, arrived))
            else:
                through.append(self._loop(node, stage, arrived))
        flows = [self.names.get(edge) for edge in self._edges(self.node)]
        text = ReverseText(given, [*self.checks], self.lines, flows, self.space)
        return RouteReverse(_compiled(layout.names, text), text, through[::-1], self.frees_all)

    def _flow(self, node: Any, names: Iterable[str | None]) -> None:
        """Let the cotangents of the edges of a node wait."""
        for edge, want, name in zip(self._edges(node), self.needs[node], names):
            if not want or name is None:
                continue
            held = self.names.get(edge)
            if held is not None:
                total = f"total{len(self.lines)}"
                self.lines.append(f"{total} = add_cotangents({held}, {name})")
                name = total
            self.names[edge] = name

    def _waiting(self, node: Any, at: int) -> str:
        return self.names[node, at]

    def _unwritten(self, storages: Storages, entry: StorageEntry, behind: int) -> None:
        """Have it checked that a storage was written so many times since it was kept."""
        storage, version = storages[entry]
        name, is_one_of_many, _ = storage.partition("[")
        if name in self.node.layout.names:
            if is_one_of_many and not behind:
                those = version.partition("[")[0]
                self.checks[f"(*[each.version for each in {name}],) != {those}"] = None
            else:
                self.checks[f"{storage}.version - {version} != {behind}"] = None
        elif behind:
            # it is seen by nobody, and this never holds
            raise _NotYet

    def _path(self, node: Any, stage: KeptPath, arrived: list) -> Any:
        layout = stage.layout
        pairs = zip(layout.variables, arrived)
        given = {each: cotangent._array for each, cotangent in pairs if cotangent is not None}
        wanted = tuple(each for each, want in zip(layout.roots, self.needs[node]) if want)
        plan = layout.plans.get((kinds_of(given), wanted))
        if plan is None or plan.whole is None or node.tape.freed:
            raise _NotYet
        for entry, expected in plan.checks:
            if entry in stage.storages:
                self._unwritten(stage.storages, entry, expected)
            elif layout.state.writes.get(entry, 0) != expected:
                raise _NotYet
        number_of = {each: at for at, each in enumerate(layout.variables)}
        whole, within = _with_block(stage, plan, wanted, given)
        arguments = [stage.block] * bool(within)
        arguments += [stage.values[each] for each in whole.inputs if each not in within]
        arguments += [self._waiting(node, number_of[each]) for each in whole.given]
        made = {each: f"flow{len(self.lines)}_{at}" for at, each in enumerate(whole.targets)}
        call = f"{self.constant(whole.program.at_once())}({', '.join(arguments)})"
        self.lines.append(f"{tuple_of(made.values())} = {call}" if made else call)
        self._flow(node, [made.get(each) for each in layout.roots])
        freed = layout.freed_by(tuple(given), wanted)
        self.frees_all = self.frees_all and freed.issuperset(layout.saving)
        return freed

    def _begun(self, node: Any, shortcut: ReverseShortcut) -> list[str]:
        """Return with what sums over turns begin: numbers with what has arrived there by now.

        So they are summed in the order in which eager does it.
        """
        first = len(shortcut.given)
        begun = [self.constant(each) for each in shortcut.zeros]
        for edge, want, result in zip(self._edges(node), self.needs[node], shortcut.results):
            if want and result is not None and result[0] >= first:
                at, like = result
                if like is None and not shortcut.zeros[at - first].ndim and edge in self.names:
                    begun[at - first] = self.names.pop(edge)
        return begun

    @staticmethod
    def _edges(node: Any) -> Iterable[tuple[Any, int]]:
        return zip(node.edges, node.indices)

    def _loop(self, node: Any, stage: KeptLoop, arrived: list) -> Any:
        layout = stage.layout
        shortcut: ReverseShortcut | None = layout.shortcuts.get(
            kind_of_pass(node, arrived, self.needs[node])
        )
        if (
            shortcut is None
            or shortcut.roots is not node.roots
            or not layout.has_lasting_roots(node.ways)
        ):
            raise _NotYet
        taken = {number: held for number, held in enumerate(stage.held) if held is not None}
        if shortcut.checks:
            for _, storages in taken.values():
                for entry in storages:
                    self._unwritten(storages, entry, 0)
            for storage in stage.shown:
                if storage in self.node.layout.names:
                    self.checks[f"{storage}.version"] = None
        fixed = ["None" if way is None else taken[way][0][each] for each, way in shortcut.fixed]
        cotangents = [self._waiting(node, at) for at in shortcut.given]
        back = f"turned{len(self.lines)}"
        call = self.constant(shortcut.go_back)
        begun = self._begun(node, shortcut)
        values, turns = ", ".join(fixed + cotangents + begun), stage.turns
        self.lines.append(
            f"{back} = {call}([{values}], {turns}.tape, {turns}.order, {turns}.finished)"
        )
        self._flow(
            node,
            [
                None if result is None else f"{back}[{at}]"
                for at, result in enumerate(shortcut.results)
            ],
        )
        through = dict(shortcut.reached)
        self.frees_all = self.frees_all and all(
            through.get(way, frozenset()).issuperset(layout.ways[way].layout.saving)
            for way in taken
        )
        return shortcut.reached
