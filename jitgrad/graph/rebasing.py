"""What becomes of histories where the call writes in place to what has one, or gets one by that.

A tensor that is written gets the history of what was written. If it is a view, its base does: that
of a copy in which this part is another one; and the view, like all others of this base, gets the
history of a part of that. These have no step of their own in the trace: the write is there already.
"""

from __future__ import annotations

from typing import Any

from jitgrad.dispatch import AS_STRIDED
from jitgrad.graph import lookups
from jitgrad.graph.derivative import tracked
from jitgrad.graph.ir import Scalar, Value
from jitgrad.graph.lookups import Place
from jitgrad.graph.origins import Excerpt, History, TensorEntry, Variable
from jitgrad.graph.writes import Writes
from jitgrad.kernels.geometry import has_overlap, is_row_major
from jitgrad.node import PrimitiveNode
from jitgrad.ops.rewriting import PART, PART_SCATTER


class Rebasing(Writes):
    """Follows the histories of what is written."""

    def why_not_rebased(self, target: Any, known: TensorEntry) -> str:
        base = target._base
        whole = known if base is None else self.entry(base)
        if whole is None or whole.storage is not known.storage:
            return "a write with history to a view of what is not known"
        if base is not None and self._window(known.value, whole) is None:
            return "a write with history to a view of what does not lie in row-major order"
        if known.storage.root is None:
            if known.storage in self.path.shown and not self._is_kept(whole):
                return "a write with history to what was stored outside"
            return ""
        if whole.root is None or not self._is_whole(whole.root):
            return "a write with history to a view that came from outside"
        memory = whole.value.memory
        sharing = {id(each) for each in self.path.roots if each and each.value.memory is memory}
        if len(sharing) > 1:
            return "a write with history to memory of which something else shows a part"
        return ""

    def _is_whole(self, root: int) -> bool:
        """Is a root tensor no view? That is made a fact."""
        found, origin = self.take(Place(lookups.read_is_whole, root, True, ""))
        return found and origin is not None

    def rebased(self, target: Any, node: Any) -> None:
        """Note the histories that a write has made; `node` is that of what was written."""
        if not self.active:
            return
        base = target._base
        variable: Variable | None = self.variables[node, 0]
        known = self.entry(target)
        whole = known if base is None else self.entry(base)
        assert known is not None and whole is not None
        if base is not None:
            scatter = base._node
            edges = [self._known(scatter, 0), variable]
            if scatter.edges[0] is not None and edges[0] is None:
                return self.unknown("a write to what has a history that is not known")
            variable = self._note(PART_SCATTER, scatter, edges, known.value, whole)
        assert variable is not None
        if whole.root is not None:
            self.path.rebased[whole.root] = variable
        if base is not None and self.variable(target) is False:
            self.unknown("a write to a view whose history is not known then")
        return None

    def variable(self, tensor: Any) -> Variable | bool | None:
        found = super().variable(tensor)
        return found if found is not False else self.followed(tensor, tensor._node) or False

    def followed(self, tensor: Any, node: Any) -> Variable | None:
        """Return the history that a view of what was written has now, None if it is not known."""
        if type(node) is not PrimitiveNode or node.primitive is not AS_STRIDED:
            return None
        near = self.arrays.get(id(tensor._array))
        if near is None or near[0]._array is not tensor._array:
            return None
        known, base, source = near[1], near[1].base, self._known(node, 0)
        if base is None or source is None or has_overlap(known.value):
            return None
        memory = known.value.memory
        if isinstance(memory, Excerpt) and not self.is_place_known(memory):
            # a snapshot may ask, which computes nothing
            return None
        if self._window(known.value, base) is None:
            return None
        return self._note(PART, node, [source], known.value, base)

    def _known(self, node: Any, at: int) -> Variable | None:
        """Return the variable that an edge of a node leads to."""
        indices = node.indices or (0,) * len(node.edges)
        return self.variables.get((node.edges[at], indices[at]))

    def _window(self, value: Value, whole: TensorEntry) -> tuple[Scalar | None, int, int] | None:
        """Return where a value lies in a tensor: a number, a distance, an offset; None if unknown.

        A number of run time is None where there is none.
        """
        memory = value.memory
        if not is_row_major(whole.value):
            return None
        if memory is whole.value.memory:
            return None, 0, value.offset - whole.value.offset
        if not isinstance(memory, Excerpt) or memory.whole is not whole.value.memory:
            return None
        number, distance, offset = self.place_of(value)
        return number, distance, offset - whole.value.offset

    def _note(
        self,
        primitive: Any,
        node: Any,
        edges: list[Variable | None],
        value: Value,
        whole: TensorEntry,
    ) -> Variable:
        """Note the history of no step, and let its node hang on the number that it hangs on."""
        found = self._window(value, whole)
        assert found is not None
        number, distance, offset = found
        params = {
            "distance": distance,
            "size": value.shape,
            "stride": value.strides,
            "offset": offset,
        }
        real = (node.params["offset"] - offset) // distance if distance else 0
        held = 0 if number is None else number
        inputs = (*node.inputs, held)
        history = History(primitive, params, None, (*edges, None), inputs)
        variable = Variable(history=history)
        node.primitive, node.params = primitive, params
        node.edges = (*node.edges, None)
        node.indices = (*(node.indices or (0,) * len(edges)), 0)
        node.inputs = (*node.inputs, 0 if number is None else tracked(real, number))
        self.variables[node, 0] = variable
        self.nodes[variable] = node
        self.segment.histories.append((len(self.segment.steps), variable))
        return variable
