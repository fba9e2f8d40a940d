"""What waits where a history is walked back, and what is still to come."""

import heapq
from collections.abc import Collection, Iterable, Sequence
from itertools import compress, repeat
from operator import attrgetter
from typing import Any

import numpy as np

from jitgrad.modes import run_quietly, state
from jitgrad.node import AccumulateGrad, Node, PrimitiveNode, Unfolding
from jitgrad.topological import inputs_first

_EDGES = attrgetter("edges")


class Waiting:
    """The cotangents that wait at nodes.

    Attributes:
        alone: nothing is recorded, so that what the walk itself has made has no other owner.
        own: the waiting cotangents that it has made itself, to which it may add in place.
    """

    def __init__(self, alone: bool) -> None:
        self.alone = alone
        self.own: set[tuple[Node, int]] = set()
        self.waiting: dict[Node, list] = {}

    def add(self, node: Node, index: int, cotangent: Any, fresh: bool = False) -> None:
        """Add what arrives at output `index` of `node`; `fresh` if nobody else holds it."""
        held = self.waiting.get(node)
        if held is None:
            held = self.waiting[node] = [None] * node.outputs
        before = held[index]
        if before is None:
            held[index] = cotangent
        elif (node, index) in self.own and _are_alike(before._array, cotangent._array):
            run_quietly(np.add, before._array, cotangent._array, before._array)
            return
        else:
            held[index] = before + cotangent
            fresh = self.alone
        if fresh:
            self.own.add((node, index))

    def add_selected(self, node: PrimitiveNode, cotangent: Any) -> bool:
        """Add the cotangent of a selection to what waits for its input, if that is the walk's own.

        Zeros of the input's size are neither made nor added: the gradient of a loop over the
        rows of a tensor takes time in proportion to its size, not to its square.
        """
        edge: Any = node.edges[0]
        index = node.indices[0] if node.indices else 0
        if (edge, index) not in self.own:
            return False
        array = self.waiting[edge][index]._array
        if array.shape != tuple(node.inputs[0].shape):
            return False
        part = node.primitive.numpy(array, **node.params)
        if not _are_alike(part, cotangent._array):
            return False
        run_quietly(np.add, part, cotangent._array, part)
        return True


class Pass(Waiting):
    """One walk through any history: what waits at each node, and how much is still to come.

    Attributes:
        keep: do not free what is saved.
        create_graph: the walk itself is recorded.
        targets: pairs whose cotangents are to be found; None: the leaves take what arrives.
        found: these cotangents.
        unfolding: lasts as long as the walk.
        ready: the nodes at which nothing more will arrive, a heap.
    """

    def __init__(
        self, keep: bool, create_graph: bool, targets: set[tuple[Node, int]] | None
    ) -> None:
        super().__init__(alone=not create_graph and state.recorder is None)
        self.keep = keep
        self.create_graph = create_graph
        self.targets = targets
        # the nodes of targets
        self.asked_nodes = {node for node, _ in targets or ()}
        self.found: dict[tuple[Node, int], Any] = {}
        self.ready: list[tuple[int, Node]] = []
        self.missing: dict[Node, int] = {}
        # of nodes whose outputs lead on along some of their edges, those from the ones at hand
        self._open: dict[Node, Sequence[bool]] = {}
        # those from which something is wanted behind them
        self.useful: set[Node] | None = None if targets is None else set()
        # of those among them that have several outputs
        self._needed: dict[Node, list[bool]] = {}
        self.unfolding = Unfolding()
        # by targets of nodes that were unfolded, what they are now
        self._unfolded: dict[tuple[Node, int], tuple[Node, int]] = {}

    def begin(
        self, roots: Sequence[tuple[Node, int]], cotangents: list, ends: Collection[Node] = ()
    ) -> None:
        """Begin at `roots`; what comes behind `ends` is known already."""
        nodes = [node for node in dict.fromkeys(node for node, _ in roots) if node not in ends]
        self._count(roots, nodes, ends)
        if self.targets is not None:
            self._find_useful(nodes, ends)
        for (node, index), cotangent in zip(roots, cotangents):
            self.add(node, index, cotangent)
        for node in nodes:
            if not self.missing.get(node):
                self.is_ready(node)

    def ahead(self) -> list[Node]:
        """Return the nodes that are to be run, as far as nothing unfolds."""
        nodes = {*self.missing, *(node for _, node in self.ready)}
        return [
            node
            for node in nodes
            if not isinstance(node, AccumulateGrad)
            and (self.useful is None or (node in self.useful and True in self.needed(node)))
        ]

    def is_ready(self, node: Node) -> None:
        """Note that nothing more will arrive at a node."""
        heapq.heappush(self.ready, (-node.sequence, node))

    def asked(self, node: Node) -> list[int]:
        """Return which outputs of a node are targets."""
        targets = self.targets or ()
        return [at for at in range(node.outputs) if (node, at) in targets]

    def find(self, node: Node, cotangents: list) -> None:
        """Note what has arrived at the outputs of a node that are targets."""
        for at in self.asked(node):
            if cotangents[at] is not None:
                self.found[node, at] = cotangents[at]

    def cotangent_of(self, target: tuple[Node, int]) -> Any:
        """Return what has arrived at a target, None if nothing has."""
        return self.found.get(self._unfolded.get(target, target))

    def unfold(self, node: Node, cotangents: list, is_visited: bool) -> None:
        """Go on through the nodes that `node` stands for.

        Args:
            cotangents: what has arrived at it.
            is_visited: its hooks have run, and its outputs that are targets have been found.
        """
        given = {at: each for at, each in enumerate(cotangents) if each is not None}
        asked = [] if is_visited else self.asked(node)
        hooks = [] if is_visited else node.hooks or []
        made = node.unfold({*given, *asked, *(each.output for each in hooks)}, self.unfolding)
        for each in hooks:
            inner, index = made[each.output]
            inner.hooks = [*(inner.hooks or ()), each._replace(output=index)]
        for at in asked:
            self._unfolded[node, at] = made[at]
        if self.targets is not None:
            self.targets.update(made[at] for at in asked)
            self.asked_nodes.update(made[at][0] for at in asked)
        ends = [edge for edge in self.edges(node) if edge is not None]
        for edge in ends:
            self.missing[edge] -= 1
        self.begin([made[at] for at in given], list(given.values()), ends)
        for edge in dict.fromkeys(ends):
            if not self.missing[edge]:
                self.is_ready(edge)

    def _count(self, roots: Sequence, nodes: list[Node], ends: Collection[Node]) -> None:
        """Count how often something is still to arrive at what lies behind `roots`."""
        arrivals: dict[Node, int] = {}
        stack = list(nodes)
        seen = {*stack, *ends}
        while stack:
            node = stack.pop()
            if node.unfolds and node.outputs > 1:
                arrivals = self._arrivals(roots, nodes, ends)
                break
            for edge in node.edges:
                if edge is not None:
                    arrivals[edge] = arrivals.get(edge, 0) + 1
                    if edge not in seen:
                        seen.add(edge)
                        stack.append(edge)
        missing = self.missing
        for node, count in arrivals.items():
            missing[node] = missing.get(node, 0) + count

    def _arrivals(
        self, roots: Sequence, nodes: list[Node], ends: Collection[Node]
    ) -> dict[Node, int]:
        """Return that where not every output of a node leads on along all of its edges."""
        outputs: dict[Node, set[int]] = {}
        for node, index in roots:
            outputs.setdefault(node, set()).add(index)
        arrivals: dict[Node, int] = {}
        for node in reversed(inputs_first(nodes, _EDGES, ends)):
            if node not in outputs:
                continue
            pairs: Iterable[tuple[Any, int]] = zip(node.edges, node.indices or repeat(0))
            if node.unfolds and node.outputs > 1:
                is_open = self._open[node] = node.edges_from(outputs[node])
                pairs = compress(pairs, is_open)
            for edge, index in pairs:
                if edge is not None:
                    arrivals[edge] = arrivals.get(edge, 0) + 1
                    outputs.setdefault(edge, set()).add(index)
        return arrivals

    def edges(self, node: Node) -> Iterable[Node | None]:
        """Return the edges along which something may come from a node."""
        is_open = self._open.get(node)
        return node.edges if is_open is None else compress(node.edges, is_open)

    def needed(self, node: Node) -> list[bool]:
        """Return which edges of a node lead to what is wanted."""
        useful, targets = self.useful, self.targets
        if useful is None or targets is None:
            return [edge is not None for edge in node.edges]
        indices = node.indices or repeat(0)
        return [
            edge is not None
            and (
                (edge in useful and (edge.outputs == 1 or self._leads(edge, index)))
                or (edge, index) in targets
            )
            for edge, index in zip(node.edges, indices)
        ]

    def _leads(self, node: Node, index: int) -> bool:
        """Does an output of a useful node lead to what is wanted?

        Others may do so than this one; and one of a chain may lead to another one.
        """
        needed = self._needed[node]
        return node.leads(index, needed) or (node.is_chain and bool(self.asked(node)))

    def _find_useful(self, roots: list[Node], ends: Collection[Node]) -> None:
        useful: Any = self.useful
        for node in inputs_first(roots, _EDGES, ends):
            needed = self.needed(node)
            if True in needed or (node.is_chain and self.asked(node)):
                useful.add(node)
                if node.outputs > 1:
                    self._needed[node] = needed


def _are_alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Is the sum of the two an array like each of them? A hook may have returned anything."""
    return one.shape == other.shape and one.dtype == other.dtype
