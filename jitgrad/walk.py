"""Walking a history back: cotangents go from results to leaves."""

import heapq
from collections.abc import Iterable, Sequence
from itertools import compress, repeat
from typing import Any

from jitgrad.dispatch import node_of, wrap
from jitgrad.locks import SHARED
from jitgrad.modes import state
from jitgrad.node import AccumulateGrad, Node, PrimitiveNode, Unfold
from jitgrad.waiting import Pass, Waiting


def accumulate(leaf: Any, cotangent: Any, create_graph: bool) -> None:
    """Add `cotangent` to `leaf.grad`: into the same memory, unless the gradient is recorded.

    Nothing is lost where several threads do so at once. Hooks that wait for it are called then.
    """
    with SHARED:
        _accumulate(leaf, cotangent, create_graph)
    node = leaf._node
    if type(node) is AccumulateGrad and node.hooks is not None:
        _run_hooks_after(node, leaf)


def _accumulate(leaf: Any, cotangent: Any, create_graph: bool) -> None:
    held = leaf._grad
    if state.recorder is not None:
        held = state.recorder.read_grad(leaf)  # type: ignore[attr-defined]
    if held is None:
        # never the cotangent itself: somebody else may hold it; and in rows if the leaf lies so,
        # since users expect that `.grad` can be seen in the same shapes
        array, like = cotangent._array, leaf._array
        in_rows = array.strides != like.strides and like.flags.c_contiguous
        if create_graph:
            made = cotangent
        elif state.recorder is None:
            made = wrap(array.copy(order="C" if in_rows else "K"))
        elif in_rows and not array.flags.c_contiguous:
            made = cotangent.detach().contiguous()
        else:
            made = cotangent.detach().clone()
    elif create_graph:
        made = held + cotangent
    else:
        held.add_(cotangent)
        return
    leaf._grad = made
    if state.recorder is not None:
        state.recorder.write_grad(leaf, made)  # type: ignore[attr-defined]


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
        if line and len(line) == 1:
            return _run_one(line[0], index, cotangents[0], keep, wanted, targets)
        if line:
            return _run_line(line, index, cotangents[0], keep, wanted, targets)
    return run_nodes(roots, cotangents, keep, create_graph, wanted)


def run_alone(node: Node, index: int, cotangent: Any, keep: bool, wanted: Sequence) -> list | None:
    """Do what `run_nodes` does from one output, if nothing but its node is gone through.

    None where more would be, or hooks or code of users might run: nothing has been done then.
    """
    line = _line_from(node)
    targets = {each for each, _ in wanted}
    if not line or any(type(each) is not AccumulateGrad for each in targets):
        return None
    targets.intersection_update(_leaves_of(line))
    line = _up_to(line, targets)
    if not line or len(line) > 1:
        return None
    return _run_one(node, index, cotangent, keep, wanted, targets)


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
        if isinstance(node, PrimitiveNode) and node.primitive.selects:
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
    if not targets or not targets <= _leaves_of(line):
        return None
    last = max(at for at, node in enumerate(line) if not targets.isdisjoint(node.edges))
    return line[: last + 1]


def _leaves_of(line: list[Node]) -> set[Node]:
    """Return the leaves behind the nodes of a line."""
    return {edge for node in line for edge in node.edges if type(edge) is AccumulateGrad}


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
    last = _last_in(line, index) if targets is None else {}
    needs = None if targets is None else _needed_in(line, targets)
    walk = Waiting(alone=True)
    waiting = walk.waiting
    walk.add(line[0], index, cotangent)
    enabled = state.grad_enabled
    state.grad_enabled = False
    try:
        for node in line:
            edges, indices = node.edges, node.indices
            needed = [edge is not None for edge in edges] if needs is None else needs[node]
            cotangents = waiting.pop(node, None)
            if cotangents is not None and True in needed:
                try:
                    flows = node.backward(cotangents, needed)
                except Unfold:
                    flows = None
                if flows is None:
                    return _go_on(waiting, node, cotangents, keep, wanted)
                if not keep:
                    node.release()
                for position, edge in enumerate(edges):
                    flow = flows[position]
                    if flow is not None and needed[position]:
                        if edge.outputs == 1 and edge not in waiting:
                            # as `add` does, of which hundreds of leaves need nothing else
                            waiting[edge] = [flow]
                        else:
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


def _last_in(line: list[Node], index: int) -> dict[Node, Node]:
    """Return behind which node of a line nothing more arrives at a leaf."""
    found: dict[Node, Node] = {}
    reached = {(line[0], index)}
    for node in line:
        outputs = [at for one, at in reached if one is node]
        if not outputs:
            # the node before leads here from another one of its outputs
            break
        pairs: Iterable[tuple[Any, int]] = zip(node.edges, node.indices or repeat(0))
        if node.outputs > 1:
            pairs = compress(pairs, node.edges_from(outputs))
        reached = set(pairs)
        found.update((edge, node) for edge, _ in reached if type(edge) is AccumulateGrad)
    return found


def _run_one(
    node: Node,
    index: int,
    cotangent: Any,
    keep: bool,
    wanted: Sequence[tuple] | None,
    targets: set | None,
) -> list:
    """Walk back through a node behind which there are only leaves.

    Args:
        index, cotangent, keep, wanted, targets: as for `_run_line`.
    """
    cotangents: list[Any] = [None] * node.outputs
    cotangents[index] = cotangent
    needed = [edge is not None if targets is None else edge in targets for edge in node.edges]
    found: dict[Any, Any] = {}
    enabled = state.grad_enabled
    state.grad_enabled = False
    try:
        try:
            flows = node.backward(cotangents, needed)
        except Unfold:
            flows = None
        if flows is None:
            return _go_on({}, node, cotangents, keep, wanted)
        if not keep:
            node.release()
        for edge, flow, want in zip(node.edges, flows, needed):
            if want and flow is not None:
                held = found.get(edge)
                found[edge] = flow if held is None else held + flow
        if wanted is None:
            for edge, flow in found.items():
                _arrive(edge, flow, False)
    finally:
        state.grad_enabled = enabled
    return [] if wanted is None else [found.get(each) for each, _ in wanted]


def _needed_in(line: list[Node], targets: set) -> dict[Node, list[bool]]:
    """Return which edges of the nodes of a line lead to `targets`."""
    found: dict[Node, list[bool]] = {}
    for node in reversed(line):
        found[node] = [
            edge in targets or (edge in found and edge.leads(index, found[edge]))
            for edge, index in zip(node.edges, node.indices or repeat(0))
        ]
    return found


def _go_on(
    waiting: dict[Node, list], node: Node, cotangents: list, keep: bool, wanted: Sequence | None
) -> list:
    """Walk on from a node of a line as through any history."""
    pairs = [
        ((each, at), cotangent)
        for each, held in {node: cotangents, **waiting}.items()
        for at, cotangent in enumerate(held)
        if cotangent is not None
    ]
    roots, rest = zip(*pairs)
    return run_nodes(roots, list(rest), keep, False, wanted)


def _arrive(end: AccumulateGrad, cotangent: Any, create_graph: bool) -> None:
    leaf = end.leaf()
    if leaf is not None:
        accumulate(leaf, cotangent, create_graph)


def run_nodes(
    roots: Sequence, cotangents: list, keep: bool, create_graph: bool, wanted: Sequence | None
) -> list:
    """Walk back from `roots`, pairs of a node and the number of its output.

    Args:
        cotangents: one for each root.
        keep: do not free what is saved.
        create_graph: record the walk itself.
        wanted: pairs whose cotangents are returned (None where nothing arrives); None: the
            leaves take what arrives into `.grad`.
    """
    walk = Pass(keep, create_graph, None if wanted is None else set(wanted))
    enabled = state.grad_enabled
    state.grad_enabled = create_graph
    try:
        walk.begin(roots, cotangents)
        if state.recorder is not None:
            state.recorder.goes_back(walk.ahead())  # type: ignore[attr-defined]
        while walk.ready:
            _, node = heapq.heappop(walk.ready)
            _visit(node, walk)
    finally:
        state.grad_enabled = enabled
        walk.unfolding.lasts = False
    return [] if wanted is None else [walk.cotangent_of(each) for each in wanted]


def _visit(node: Any, walk: Pass) -> None:
    cotangents = walk.waiting.pop(node, None)
    flows: Any = ()
    needed: list[bool] = []
    fresh = False
    if cotangents is not None:
        if node.unfolds and _is_seen_inside(node, walk):
            return walk.unfold(node, cotangents, is_visited=False)
        if node.hooks is not None:
            _run_hooks(node, cotangents)
        if node in walk.asked_nodes:
            walk.find(node, cotangents)
        if isinstance(node, AccumulateGrad):
            if walk.targets is None:
                _arrive(node, cotangents[0], walk.create_graph)
        elif walk.useful is None or node in walk.useful:
            needed = walk.needed(node)
            if True in needed:
                if state.recorder is not None:
                    state.recorder.visit(node)
                fresh = walk.alone and isinstance(node, PrimitiveNode) and node.primitive.selects
                if not fresh or state.detect_anomaly or not walk.add_selected(node, cotangents[0]):
                    try:
                        flows = node.backward(cotangents, needed)
                    except Unfold:
                        flows = None
                    if flows is None:
                        # here, since what its nodes raise has nothing to do with that
                        return walk.unfold(node, cotangents, is_visited=True)
                    if state.detect_anomaly:
                        _check_nan(node, flows)
                if not walk.keep:
                    node.release()
    if flows:
        indices = node.indices or repeat(0)
        for edge, index, flow, want in zip(node.edges, indices, flows, needed):
            if want and flow is not None:
                walk.add(edge, index, flow, fresh)
    missing = walk.missing
    for edge in walk.edges(node):
        if edge is None:
            continue
        missing[edge] -= 1
        if not missing[edge]:
            walk.is_ready(edge)
    return None


def _is_seen_inside(node: Node, walk: Pass) -> bool:
    """Do hooks run before all that a node stands for is done, or is something asked for there?"""
    if any(type(edge) is AccumulateGrad and edge.hooks is not None for edge in node.edges):
        return True
    return node.is_chain and (node.hooks is not None or bool(walk.asked(node)))


def _check_nan(node: Node, flows: tuple) -> None:
    if state.recorder is not None:
        state.recorder.unknown("detect_anomaly")
    for position, each in enumerate(flows):
        # NaN alone differs from itself
        if each is not None and bool((each._array != each._array).any()):
            raise RuntimeError(
                f"Function '{node.name()}' returned nan values in its {position}th output."
            )


def _run_hooks_after(node: AccumulateGrad, leaf: Any) -> None:
    if state.recorder is not None:
        state.recorder.unknown("a hook runs")
    for index, function, _ in list(node.hooks or ()):
        if index == AccumulateGrad.AFTER and function(leaf) is not None:
            raise TypeError(
                "register_post_accumulate_grad_hook: the hook of a tensor of shape "
                f"{tuple(leaf.shape)} returned a value; it has to return None: what it changes is "
                "the .grad of the tensor that it is given"
            )


def _run_hooks(node: Any, cotangents: list) -> None:
    if state.recorder is not None:
        state.recorder.unknown("a hook runs")
    for index, function, _ in list(node.hooks):
        if index < len(cotangents) and cotangents[index] is not None:
            changed = function(cotangents[index])
            if changed is not None:
                cotangents[index] = changed
