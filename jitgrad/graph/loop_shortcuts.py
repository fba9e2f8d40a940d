"""The way back through all turns of a run at once, for cotangents that come again and again.

A node of a loop asks what it was given leads to, which turns it can go through natively, and what
was freed or written since. Where all of that came out in the usual way before, a pass of the same
kind only looks at what may have changed: what was freed, and what was written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from jitgrad.dispatch import wrap
from jitgrad.graph.loop_reverse import Reverse
from jitgrad.graph.origins import Variable
from jitgrad.graph.path_writer import tuple_of
from jitgrad.kernels.layout import laid_out

MOST = 64
"""How many kinds of passes a loop knows."""


def kind_of_pass(node: Any, cotangents: list, needed: list[bool]) -> tuple:
    """Return what decides how a pass goes through all turns of a run."""
    kinds = []
    for each in cotangents:
        array = None if each is None else each._array
        kinds.append(None if array is None else (array.shape, array.strides, array.dtype))
    return tuple(node.ways), tuple(needed), tuple(kinds)


class ReverseShortcut:
    """Goes back through all turns of a run by one native loop.

    Args:
        node: the history of a run that took the same ways.
        reverse: the loop; it goes through each of them.
        wanted: the variables whose cotangents are asked for.

    Attributes:
        roots: the variables with which the turns begin, see `LoopBackward`.
        fixed: what is the same in all turns, each with a way that has it; None if nobody reads it.
        given: the outputs whose cotangents go in.
        results: for each of the roots where its cotangent is in what the loop carries, and how it
            lies; None if there is none.
        reached: the ways gone through, with what is freed then.
        checks: nothing saved must have been written since.
        zeros: with what sums over turns begin.
        go_back: given what is the same in all turns, the cotangents, and with what sums begin; for
            each way that the turns took its records; the way of each turn; and how many they are.
            Returns the cotangents of the roots, as arrays.
    """

    def __init__(self, node: Any, reverse: Reverse, wanted: list[Variable]) -> None:
        layout, ways = node.layout, node.ways
        plans = {way: reverse.plans[way, ()] for way in ways}
        known = [(way, plan) for way, plan in plans.items() if plan is not None]
        self.roots = node.roots
        self.given = [layout.leading.index(each) for each in reverse.values]
        # what is freed behind such a pass
        self.reached = [
            (way, layout.ways[way].layout.freed_by(tuple(plan.given), tuple(plan.through)))
            for way, plan in known
        ]
        self.checks = any(plan.checks for _, plan in known)
        self.is_suitable = all(plan.writes_nothing or not plan.checks for _, plan in known)
        held = {way: dict(layout.ways[way].invariant) for way in ways}
        self.fixed = [
            (each, next((way for way in among if way in ways and each in held[way]), None))
            for each, among in reverse.fixed
        ]
        self.zeros = [np.zeros(each.shape, each.dtype) for each in reverse.totals.values()]
        self.results = [self._result(reverse, known, each, wanted) for each in self.roots]
        self.go_back = self._written(layout, reverse, ways)

    def _written(self, layout: Any, reverse: Reverse, ways: list[int]) -> Callable:
        """Write the function `go_back`."""
        space: dict[str, Any] = {"laid_out": laid_out, "run": reverse.loop.run}
        streams = []
        for at, ((way, kinds), taped) in enumerate(zip(reverse.plans, reverse.taped)):
            if way in ways and not kinds:
                records = (layout.ways[way].kept.index(each) for each in taped)
                streams.append(tuple_of(f"tape[{way}][{each}][::-1]" for each in records))
            else:
                # none takes the path
                space[f"none{at}"] = reverse.no_turns((way, kinds))
                streams.append(f"none{at}")
        order = "None"
        if len(reverse.plans) > 1:
            order, paths = "order[::-1]", np.zeros(len(layout.ways), np.uint8)
            for path, (way, kinds) in enumerate(reverse.plans):
                if not kinds:
                    paths[way] = path
            if any(paths[way] != way for way in ways):
                order, space["paths"] = f"paths[{order}]", paths
        flows = []
        for number, result in enumerate(self.results):
            flow = "None" if result is None else f"carried[{result[0]}]"
            if result is not None and result[1] is not None:
                space[f"like{number}"] = result[1]
                flow = f"laid_out(like{number}, {flow})"
            flows.append(flow)
        text = (
            "def go_back(values, tape, order, count):\n"
            f"    turns = run(values, {tuple_of(streams)}, count, order={order}, known=True)\n"
            "    if turns.finished != count:\n"
            "        raise KeyError('what the turns have left')\n"
            "    carried = turns.carried\n"
            f"    return {tuple_of(flows)}\n"
        )
        exec(compile(text, "<jitgrad loop back>", "exec"), space)
        return space.pop("go_back")

    @staticmethod
    def _result(reverse: Reverse, known: list, root: Variable, wanted: list[Variable]) -> Any:
        """Return where the cotangent of a root is in what the loop carries, and how it lies."""
        if root in reverse.totals and any(root in plan.outputs for _, plan in known):
            number = list(reverse.totals).index(root)
            return len(reverse.values) + number, reverse.layouts.get(root)
        if root in reverse.values and root in wanted:
            return list(reverse.values).index(root), None
        return None

    def run(self, node: Any, cotangents: list) -> tuple[list[tuple], tuple] | None:
        """Go back; return what is freed behind it, and the cotangents of the roots.

        None where something has been freed, or written, so that this is not the usual pass.
        """
        past = node.past
        passages = past.passages
        reached = []
        for way, saved in self.reached:
            passage = passages[way]
            if passage.is_freed:
                return None
            reached.append((way, saved, slice(0, passage.count)))
        if self.checks and not past.is_as_it_was():
            return None
        values = [
            None if way is None else passages[way].invariant[each] for each, way in self.fixed
        ]
        values += [cotangents[at]._array for at in self.given]
        values += self.zeros
        # which fails where another thread has freed them meanwhile
        tape = {
            way: [passage.records[each] for each in node.layout.ways[way].kept]
            for way, passage in passages.items()
        }
        flows = self.go_back(values, tape, past.order, past.turns)
        return reached, tuple(None if each is None else wrap(each) for each in flows)
