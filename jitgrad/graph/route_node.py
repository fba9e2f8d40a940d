"""The node of a route: it stands for the histories of all stages."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from itertools import compress
from threading import get_ident
from typing import Any, NamedTuple
from weakref import ref

import numpy as np

from jitgrad.graph.ir import Scalar
from jitgrad.graph.loop_node import LoopBackward
from jitgrad.graph.path_writer import tuple_of
from jitgrad.graph.route_reverse import (
    KeptLoop,
    KeptPath,
    RouteReverse,
    lead_always,
    write_reverse,
)
from jitgrad.graph.tape import CompiledBackward
from jitgrad.kernels.instances import Called, Given, Part, maker
from jitgrad.kernels.loops import Turns
from jitgrad.locks import SHARED
from jitgrad.modes import state
from jitgrad.node import NO_VIEWS, Node, Unfold, Unfolding, next_number
from jitgrad.storage import Storage
from jitgrad.waiting import Waiting

MOST = 16
"""How many kinds of passes a route knows."""

PERIOD = 16
"""Behind every how many passes of a kind it is tried to write a function for it."""


class RouteLayout:
    """What the nodes of all calls that took one route have in common.

    Args:
        names: of what is kept.
        chain: given that, makes the nodes of the stages.
        stages: what they have kept, by the same names.

    Attributes:
        outputs: how many the last node has.
        reverses: functions that go back, by kinds of passes.
        leading: what `RouteBackward.leads` has found, where that holds for all calls.
        ends: what `RouteBackward.edges_from` has found, in the same way.
        leavings: what is left where all that is saved has been freed; None before a pass did that.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        chain: Callable[[Sequence[Any]], tuple[Any, ...]],
        stages: list[KeptPath | KeptLoop],
    ) -> None:
        self.names = names
        self.chain = chain
        self.stages = stages
        last = stages[-1]
        layout: Any = last.layout
        self.outputs = len(layout.variables if isinstance(last, KeptPath) else layout.leading)
        self.reverses: dict[tuple, RouteReverse] = {}
        self.leading: dict[tuple, bool] = {}
        self.ends: dict[frozenset[int], list[bool]] = {}
        self._passes: dict[tuple, int] = {}
        self.leavings: Leavings | None = None

    def may_learn(self, kind: tuple) -> bool:
        """Count a pass; is it to be tried whether the next one can go back at once?

        Not behind each: some stages never do it in one step.
        """
        passes = self._passes.get(kind, 0)
        if kind in self.reverses or (not passes and len(self._passes) >= MOST):
            return False
        self._passes[kind] = passes + 1
        return passes % PERIOD == 0

    def reverse_for(self, cotangents: list, needed: list[bool]) -> RouteReverse | None:
        """Return the function for passes of a kind, if there is one."""
        return self.reverses.get(kind_of(cotangents, needed))

    def freed(self, kept: Sequence[Any]) -> Freed:
        """Return what is left when all that stages save is freed: numbers, and what has none."""
        if self.leavings is None:
            # a name stands for a value of the same class in each call
            self.leavings = _leavings(self, kept)
        return self.leavings.of(kept)


class Leavings(NamedTuple):
    """What is left of what a route has kept, when all that its stages save is freed.

    Attributes:
        parts: the expressions of that, by the names of what is kept.
        of: returns these parts.
        kept: given the parts, returns what is kept with nothing in the place of what was freed.
    """

    parts: list[str]
    of: Callable[[Sequence[Any]], Freed]
    kept: Callable[[Freed], tuple[Any, ...]]


def _leavings(layout: RouteLayout, kept: Sequence[Any]) -> Leavings:
    """Return what is left of what one call has `kept`, and of what others do."""
    parts: dict[str, str] = {}

    def left(expression: str) -> str:
        return parts.setdefault(expression, f"left{len(parts)}")

    made: dict[str, str] = {}
    for stage in layout.stages:
        if not isinstance(stage, KeptLoop):
            continue
        name = stage.turns
        turns: Turns = kept[layout.names.index(name)]
        tape = []
        for way, known in enumerate(stage.layout.ways):
            # of what is recorded besides, as by loops that check themselves, nothing is left
            records = ["None"] * len(turns.tape[way])
            for number, each in enumerate(known.kept):
                if isinstance(each, Scalar):
                    records[number] = left(f"{name}.tape[{way}][{number}]")
            tape.append(f"[{', '.join(records)}]")
        carried = ", ".join(
            "None" if isinstance(each, np.ndarray) else left(f"{name}.carried[{at}]")
            for at, each in enumerate(turns.carried)
        )
        own = ("finished", "stop", "counts", "order")
        finished, stop, counts, order = (left(f"{name}.{each}") for each in own)
        made[name] = (
            f"Turns({finished}, {stop}, None, [{carried}], {counts}, [{', '.join(tape)}], {order})"
        )
        made[stage.carried] = f"[{carried}]"
    whole = [
        made.get(name) or ("None" if isinstance(each, np.ndarray) else left(name))
        for name, each in zip(layout.names, kept)
    ]
    space: dict[str, Any] = {"Freed": Freed, "Turns": Turns}
    text = (
        f"def of(kept):\n    {tuple_of(layout.names)} = kept\n"
        f"    return Freed({tuple_of(parts)})\n"
        f"def kept(freed):\n    {tuple_of(parts.values())} = freed\n"
        f"    return {tuple_of(whole)}\n"
    )
    exec(compile(text, "<jitgrad freed route>", "exec"), space)
    return Leavings(list(parts), space.pop("of"), space.pop("kept"))


def kind_of(cotangents: list, needed: list[bool]) -> tuple:
    """Return what decides about the way back: what arrives and how it lies, and what is wanted."""
    kinds: list[Any] = []
    for each in cotangents:
        array = None if each is None else each._array
        kinds.append(None if array is None else (array.shape, array.strides, array.dtype))
    return tuple(needed), tuple(kinds)


class Freed(tuple):
    """What a node keeps of a call behind a backward pass that has freed everything."""


class _Chain(tuple):
    """The nodes of the stages, once somebody has asked for them."""


class RouteBackward(Node):
    """The history of what comes out of a route.

    It stands for a chain of nodes, one for each stage that has any, which are made where they are
    asked for: the last one has the same outputs.

    Args:
        kept: what they are made of.
    """

    __slots__ = ("_kept", "_reached", "layout")

    unfolds = True

    def __init__(
        self, layout: RouteLayout, kept: Sequence[Any], edges: tuple, indices: tuple[int, ...]
    ) -> None:
        Node.__init__(self, edges, indices, layout.outputs)
        self.layout = layout
        # that, or what is left of it, or the chain: replaced by one store
        self._kept: Sequence[Any] = kept
        # by thread, what a pass that may be about to free has gone through
        self._reached: dict[int, RouteReverse | list[Node]] = {}

    def watch(self, storages: Iterable[Storage]) -> None:
        """Have the chain made before somebody writes to what it needs, see `Tape.watch`."""
        watcher = ref(self)
        with SHARED:
            seen = [each.watch(watcher) for each in storages]
        if not all(seen):
            self.chain()

    def copy_arguments(self) -> None:
        """Have the chain copy what is about to be written."""
        for node in self.chain():
            if isinstance(node, CompiledBackward):
                node.tape.copy_arguments()

    def chain(self) -> tuple[Any, ...]:
        """Return the nodes that it stands for, the first stage's first."""
        kept = self._kept
        if type(kept) is _Chain:
            return kept
        with SHARED:
            kept = self._kept
            if type(kept) is not _Chain:
                if type(kept) is Freed:
                    assert self.layout.leavings is not None
                    chain = _Chain(self.layout.chain(self.layout.leavings.kept(kept)))
                    for node in chain:
                        node.free_all()
                else:
                    chain = _Chain(self.layout.chain(kept))
                self._kept = kept = chain
        return kept  # type: ignore[return-value]

    def backward(self, cotangents: list, needed: list[bool]) -> tuple:
        if state.recorder is not None:
            state.recorder.unknown("a backward pass through a compiled call made before")
        if state.grad_enabled or state.detect_anomaly:
            raise Unfold
        kept = self._kept
        if type(kept) is Freed:
            raise Unfold
        kind = kind_of(cotangents, needed)
        reverse = None if type(kept) is _Chain else self.layout.reverses.get(kind)
        if reverse is not None and self._has_different_edges():
            arrays = [None if each is None else each._array for each in cotangents]
            flows = reverse.run(kept, arrays)
            # behind that, since another thread may have written to what was read
            if self._kept is not kept:
                raise Unfold
            self._reached[get_ident()] = reverse
            return flows
        return self._along(self.chain(), cotangents, needed, kind)

    def back_at_once(self, reverse: RouteReverse, arrays: list, keep: bool) -> tuple | None:
        """Go back as one of the functions of the layout does, for a pass that sees nothing else.

        None where that is not possible: nothing has been done then.

        Args:
            arrays: the cotangents.
        """
        kept = self._kept
        if type(kept) is not tuple:
            return None
        try:
            flows = reverse.run(kept, arrays)
        except Unfold:
            return None
        if not keep:
            self._kept = self.layout.freed(kept)
        return flows

    def _has_different_edges(self) -> bool:
        edges = self.edges
        return len(edges) < 2 or len(set(zip(edges, self.indices or ()))) == len(edges)

    def _needs(self, chain: Sequence[Any], needed: list[bool]) -> dict[Any, list[bool]]:
        """Return which edges of the nodes of the chain lead along one of the `needed` edges."""
        wanted = {edge for edge, want in zip(self._ends(), needed) if want}
        needs: dict[Any, list[bool]] = {}
        for node in chain:
            needs[node] = [
                edge in wanted or (edge[0] in needs and edge[0].leads(edge[1], needs[edge[0]]))
                for edge in zip(node.edges, node.indices)
            ]
        return needs

    def _ends(self) -> Iterable[tuple[Node, int]]:
        return zip(self.edges, self.indices or ())

    def _along(
        self, chain: Sequence[Any], cotangents: list, needed: list[bool], kind: tuple
    ) -> tuple:
        """Go back node by node, and learn how to do it at once."""
        needs = self._needs(chain, needed)
        walk = Waiting(alone=True)
        for at, cotangent in enumerate(cotangents):
            if cotangent is not None:
                walk.add(chain[-1], at, cotangent)
        given: dict[Any, list] = {}
        for node in reversed(chain):
            arrived = walk.waiting.pop(node, None)
            if arrived is None or True not in needs[node]:
                continue
            given[node] = arrived
            flows = node.backward(arrived, needs[node])
            for edge, index, flow, want in zip(node.edges, node.indices, flows, needs[node]):
                if want and flow is not None:
                    walk.add(edge, index, flow)
        self._reached[get_ident()] = [*given]
        flowing: dict[Any, Any] = {
            (edge, at): each
            for edge, arrived in walk.waiting.items()
            for at, each in enumerate(arrived)
        }
        # along one of several edges to the same end
        found = [flowing.pop(edge, None) for edge in self._ends()]
        if self.layout.may_learn(kind) and self._has_different_edges():
            made = write_reverse(self, chain, given, needs)
            if made is not None:
                self.layout.reverses[kind] = made
        return tuple(found)

    def leads(self, output: int, needed: list[bool]) -> bool:
        key = output, tuple(needed)
        found = self.layout.leading.get(key)
        if found is None:
            chain = self.chain()
            needs = self._needs(chain, needed)
            found = chain[-1].leads(output, needs[chain[-1]])
            if lead_always(needs):
                self.layout.leading[key] = found
        return found

    def edges_from(self, outputs: Collection[int]) -> Sequence[bool]:
        key = frozenset(outputs)
        found = self.layout.ends.get(key)
        if found is None:
            chain = self.chain()
            reached = {(chain[-1], at) for at in key}
            is_lasting = True
            for node in reversed(chain):
                own = [at for one, at in reached if one is node]
                is_lasting &= not isinstance(node, LoopBackward) or node.is_lasting(own)
                pairs = zip(node.edges, node.indices or ())
                reached.update(compress(pairs, node.edges_from(own)))
            found = [end in reached for end in self._ends()]
            if is_lasting:
                self.layout.ends[key] = found
        return found

    def unfold(self, outputs: Collection[int], unfolding: Unfolding) -> dict[int, tuple[Node, int]]:
        # a copy, since it gets the hooks of this node for one walk
        last = copy.copy(self.chain()[-1])
        return {at: (last, at) for at in outputs}

    def release(self) -> None:
        reached = self._reached.pop(get_ident())
        if isinstance(reached, list):
            for node in reached:
                node.release()
            return
        with SHARED:
            kept = self._kept
            if type(kept) is Freed:
                return
            if type(kept) is not _Chain and reached.frees_all:
                self._kept = self.layout.freed(kept)
                return
            chain = self.chain()
        for node, through in zip(chain, reached.through):
            node.free(through)


def node_maker(layout: RouteLayout) -> Callable[..., RouteBackward]:
    """Return what makes the nodes of a route: given what is kept, the edges and their indices."""
    slots = {
        "layout": layout,
        "_kept": Given(0),
        "edges": Given(1),
        "indices": Given(2),
        "_reached": Called(dict),
        "sequence": Called(next_number),
        "outputs": layout.outputs,
        "views": NO_VIEWS,
        "hooks": None,
    }
    return maker(partial(RouteBackward, layout), [Part(RouteBackward, slots)], [None, tuple, tuple])
