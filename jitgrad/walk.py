"""Walking a history back: cotangents go from results to leaves."""

import heapq
from collections.abc import Collection, Sequence
from itertools import repeat
from typing import Any

import numpy as np

from jitgrad.dispatch import node_of, wrap
from jitgrad.locks import SHARED
from jitgrad.modes import run_quietly, state
from jitgrad.node import AccumulateGrad, Node, PrimitiveNode


def accumulate(leaf: Any, cotangent: Any, create_graph: bool) -> None:
    """Add `cotangent` to `leaf.grad`: into the same memory, unless the gradient is recorded.

    Nothing is lost where several threads do so at once.
    """
    with SHARED:
        _accumulate(leaf, cotangent, create_graph)


def _accumulate(leaf: Any, cotangent: Any, create_graph: bool) -> None:
    held = leaf._grad
    if state.recorder is not None:
        held = state.recorder.read_grad(leaf)  # type: ignore[attr-defined]
    if held is None:
        # never the cotangent itself: somebody else may hold it
        if create_graph:
            made = cotangent
        elif state.recorder is not None:
            made = cotangent.detach().clone()
        else:
            made = wrap(cotangent._array.copy(order="K"))
    elif create_graph:
        made = held + cotangent
    else:
        held.add_(cotangent)
        return
    leaf._grad = made
    if state.recorder is not None:
        state.recorder.write_grad(leaf, made)  # type: ignore[attr-defined]


class _Waiting:
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


class _Pass(_Waiting):
    """One walk through any history: what waits at each node, and how much is still to come."""

    def __init__(
        self,
        roots: list[Node],
        targets: set[tuple[Node, int]] | None,
        alone: bool,
        ends: Collection[Node],
    ) -> None:
        super().__init__(alone)
        self.missing: dict[Node, int] = {}
        self.targets = targets
        # those from which something is wanted behind them
        self.useful: set[Node] | None = None
        self._count(roots, ends)
        if targets is not None:
            self._find_useful(roots)

    def _count(self, roots: list[Node], ends: Collection[Node]) -> None:
        missing = self.missing
        stack = list(roots)
        seen = {*stack, *ends}
        while stack:
            for edge in stack.pop().edges:
                if edge is not None:
                    missing[edge] = missing.get(edge, 0) + 1
                    if edge not in seen:
                        seen.add(edge)
                        stack.append(edge)

    def needed(self, node: Node) -> list[bool]:
        """Return which edges of a node lead to what is wanted.

        A node may have several outputs, of which others than this one are wanted.
        """
        useful, targets = self.useful, self.targets
        if useful is None or targets is None:
            return [edge is not None for edge in node.edges]
        indices = node.indices or repeat(0)
        return [
            edge is not None and (edge in useful or (edge, index) in targets)
            for edge, index in zip(node.edges, indices)
        ]

    def _find_useful(self, roots: list[Node]) -> None:
        useful = self.useful = set()
        order: list[Node] = []
        seen: set[Node] = set()
        stack: list[tuple[Node, bool]] = [(root, False) for root in roots]
        while stack:
            node, done = stack.pop()
            if done:
                order.append(node)
            elif node not in seen:
                seen.add(node)
                stack.append((node, True))
                stack.extend((edge, False) for edge in node.edges if edge is not None)
        for node in order:
            if True in self.needed(node):
                useful.add(node)


def _are_alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Is the sum of the two an array like each of them? A hook may have returned anything."""
    return one.shape == other.shape and one.dtype == other.dtype


def run(
    outputs: Sequence, cotangents: list, keep: bool, create_graph: bool, inputs: Sequence | None
) -> list:
    """Walk back from `outputs`; return the cotangents of `inputs`, or fill `.grad` of leaves."""
    roots = [(node_of(each), each._index) for each in outputs]
    wanted = None if inputs is None else [(node_of(each), each._index) for each in inputs]
    if len(roots) == 1 and not (create_graph or state.detect_anomaly or state.recorder):
        ((node, index),) = roots
        line = _line_from(node)
        targets = None if wanted is None else {each for each, _ in wanted}
        if line and targets is not None:
            line = _up_to(line, targets)
        if line:
            return _run_line(line, index, cotangents[0], keep, wanted, targets)
    return run_nodes(roots, cotangents, keep, create_graph, wanted)


def _line_from(node: Any) -> list[Node] | None:
    """Return the nodes of a history in which each leads to leaves and to one other node at most.

    So it is behind compiled calls, one after the other. None for others, and where hooks or code
    of users may run on the way.
    """
    line: list[Node] = []
    while node is not None:
        kind = type(node)
        if kind is AccumulateGrad or kind.calls_users or node.is_chain or node.hooks is not None:
            return None
        if kind is PrimitiveNode and node.primitive.selects:
            return None
        line.append(node)
        following = None
        for edge in node.edges:
            if edge is None or edge is following:
                continue
            if type(edge) is AccumulateGrad:
                if edge.hooks is not None:
                    return None
            elif following is None:
                following = edge
            else:
                return None
        node = following
    return line


def _up_to(line: list[Node], targets: set) -> list[Node] | None:
    """Return what leads to `targets`, None if they are not among the leaves behind it."""
    leaves = {edge for node in line for edge in node.edges if type(edge) is AccumulateGrad}
    if not targets or not targets <= leaves:
        return None
    last = max(at for at, node in enumerate(line) if not targets.isdisjoint(node.edges))
    return line[: last + 1]


def _run_line(
    line: list[Node],
    index: int,
    cotangent: Any,
    keep: bool,
    wanted: Sequence[tuple] | None,
    targets: set | None,
) -> list:
    """Walk back through a line of nodes, in half the time of a walk through any history.

    Args:
        index, cotangent: the output of the first node that it begins with, and what arrives there.
        keep, wanted: as for `run_nodes`.
        targets: the leaves among `wanted`.
    """
    # behind which node all has arrived at a leaf
    last: dict[Node, Node] = {}
    if targets is None:
        last = {edge: node for node in line for edge in node.edges if type(edge) is AccumulateGrad}
    walk = _Waiting(alone=True)
    waiting = walk.waiting
    walk.add(line[0], index, cotangent)
    enabled = state.grad_enabled
    state.grad_enabled = False
    try:
        for node, following in zip(line, (*line[1:], None), strict=True):
            edges, indices = node.edges, node.indices
            if targets is None:
                needed = [edge is not None for edge in edges]
            else:
                needed = [
                    edge is not None and (edge is following or edge in targets) for edge in edges
                ]
            cotangents = waiting.pop(node, None)
            if cotangents is not None and True in needed:
                flows = node.backward(cotangents, needed)
                if not keep:
                    node.release()
                for position, edge in enumerate(edges):
                    flow = flows[position]
                    if flow is not None and needed[position]:
                        walk.add(edge, indices[position] if indices else 0, flow)
                del flows
            if targets is None:
                for edge in dict.fromkeys(edges):
                    if edge in waiting and last.get(edge) is node:
                        _arrive(edge, waiting.pop(edge)[0], False)
    finally:
        state.grad_enabled = enabled
    if wanted is None:
        return []
    return [waiting[each][0] if each in waiting else None for each, _ in wanted]


def _arrive(end: AccumulateGrad, cotangent: Any, create_graph: bool) -> None:
    leaf = end.leaf()
    if leaf is not None:
        accumulate(leaf, cotangent, create_graph)


def run_nodes(
    roots: Sequence,
    cotangents: list,
    keep: bool,
    create_graph: bool,
    wanted: Sequence | None,
    ends: Collection[Node] = (),
) -> list:
    """Walk back from `roots`, pairs of a node and the number of its output.

    Args:
        cotangents: one for each root.
        keep: do not free what is saved.
        create_graph: record the walk itself.
        wanted: pairs whose cotangents are returned (None where nothing arrives); None: the
            leaves take what arrives into `.grad`.
        ends: nodes at which the walk ends, whatever leads on from them: their hooks do not run.
    """
    nodes = list(dict.fromkeys(node for node, _ in roots))
    alone = not create_graph and state.recorder is None
    walk = _Pass(nodes, None if wanted is None else set(wanted), alone, ends)
    found: dict = {}
    enabled = state.grad_enabled
    state.grad_enabled = create_graph
    try:
        for (node, index), cotangent in zip(roots, cotangents):
            walk.add(node, index, cotangent)
        ready = [(-node.sequence, node) for node in nodes if not walk.missing.get(node)]
        heapq.heapify(ready)
        while ready:
            _, node = heapq.heappop(ready)
            if node in ends:
                for index, cotangent in enumerate(walk.waiting.pop(node, ())):
                    if cotangent is not None:
                        found[node, index] = cotangent
                continue
            _visit(node, walk, wanted, found, keep, create_graph, ready)
    finally:
        state.grad_enabled = enabled
    return [] if wanted is None else [found.get(each) for each in wanted]


def _visit(
    node: Any, walk: _Pass, wanted: Any, found: dict, keep: bool, create_graph: bool, ready: list
) -> None:
    cotangents = walk.waiting.pop(node, None)
    asked: Any = None
    if cotangents is not None and node.is_chain:
        asked = [at for at in range(node.outputs) if (node, at) in wanted] if wanted else []
    elif cotangents is not None and node.hooks is not None:
        _run_hooks(node, cotangents)
    if cotangents is not None and wanted is not None and asked is None:
        for index, cotangent in enumerate(cotangents):
            if cotangent is not None and (node, index) in wanted:
                found[node, index] = cotangent
    useful = walk.useful
    flows: tuple = ()
    needed: list[bool] = []
    fresh = False
    if cotangents is not None:
        if isinstance(node, AccumulateGrad):
            if wanted is None:
                _arrive(node, cotangents[0], create_graph)
        elif useful is None or node in useful or asked:
            needed = walk.needed(node)
            if True in needed or asked:
                if state.recorder is not None:
                    state.recorder.visit(node)
                selects = walk.alone and type(node) is PrimitiveNode and node.primitive.selects
                if selects and not state.detect_anomaly and walk.add_selected(node, cotangents[0]):
                    flows = ()
                elif asked or (asked is not None and node.hooks is not None):
                    flows, inner = node.backward_chain(cotangents, needed, asked)
                    found.update(((node, at), each) for at, each in inner.items())
                else:
                    flows = node.backward(cotangents, needed)
                    fresh = selects
                if state.detect_anomaly:
                    _check_nan(node, flows)
                if not keep:
                    node.release()
    indices = node.indices
    for position, edge in enumerate(node.edges):
        if edge is None:
            continue
        if flows and flows[position] is not None and needed[position]:
            walk.add(edge, indices[position] if indices else 0, flows[position], fresh)
        walk.missing[edge] -= 1
        if not walk.missing[edge]:
            heapq.heappush(ready, (-edge.sequence, edge))


def _check_nan(node: Node, flows: tuple) -> None:
    if state.recorder is not None:
        state.recorder.unknown("detect_anomaly")
    for position, each in enumerate(flows):
        # NaN alone differs from itself
        if each is not None and bool((each._array != each._array).any()):
            raise RuntimeError(
                f"Function '{node.name()}' returned nan values in its {position}th output."
            )


def _run_hooks(node: Any, cotangents: list) -> None:
    if state.recorder is not None:
        state.recorder.unknown("a hook runs")
    for hook in list(node.hooks):
        index, function = hook
        if index < len(cotangents) and cotangents[index] is not None:
            changed = function(cotangents[index])
            if changed is not None:
                cotangents[index] = changed
