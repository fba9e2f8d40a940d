"""The history of tensors: one node for each operation that made one, pointing to its inputs."""

import itertools
import weakref
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from jitgrad.locks import SHARED
from jitgrad.primitive import Primitive
from jitgrad.spec import Spec

SECOND_BACKWARD = (
    "Trying to backward through the graph a second time (or directly access saved tensors after "
    "they have already been freed). Saved intermediate values of the graph are freed when you "
    "call .backward() or autograd.grad(). Specify retain_graph=True if you need to backward "
    "through the graph a second time."
)

next_number: Callable[[], int] = itertools.count().__next__
"""Returns the number of the next node that is made."""

NO_VIEWS: frozenset[int] = frozenset()


class Node:
    """One step of a history.

    Attributes:
        edges: for each input the node that made it, or None where no gradient is wanted.
        indices: which output of that node the input is.
        sequence: nodes made later have larger numbers; the engine runs them first.
        outputs: how many outputs the node has.
        views: which outputs show an input's memory that must not be changed in place.
        hooks: what is run before the node.
    """

    __slots__ = ("__weakref__", "edges", "hooks", "indices", "outputs", "sequence", "views")

    is_chain = False
    """Do its outputs depend on each other? Then it is unfolded for hooks, and to be asked for one.
    """

    unfolds = False
    """Does it stand for several nodes?"""

    calls_users = False
    """Does it run code of users, which may do anything to what comes behind it?"""

    def __init__(self, edges: tuple, indices: tuple[int, ...] | None = None, outputs: int = 1):
        self.edges = edges
        self.sequence = next_number()
        self.indices = indices
        self.outputs = outputs
        self.views: frozenset[int] = NO_VIEWS
        self.hooks: list[Hook] | None = None

    @property
    def next_functions(self) -> tuple[tuple["Node | None", int], ...]:
        """The nodes that made the inputs, each with the number of the output, as in PyTorch."""
        indices = self.indices or (0,) * len(self.edges)
        return tuple(zip(self.edges, indices))

    def name(self) -> str:
        """Return the name of the node, such as "AddBackward"."""
        return type(self).__name__

    def __repr__(self) -> str:
        return f"<{self.name()}>"

    def backward(self, cotangents: list, needed: list[bool]) -> tuple:
        """Return the cotangents of the inputs, None where there is none.

        Raises:
            Unfold: it stands for several nodes, which are to be walked one by one.
        """
        raise NotImplementedError

    def leads(self, output: int, needed: list[bool]) -> bool:
        """Does what arrives at an output flow on along one of the `needed` edges?"""
        return True in needed

    def edges_from(self, outputs: Collection[int]) -> Sequence[bool]:
        """Return along which edges what arrives at some outputs flows on."""
        return [edge is not None for edge in self.edges]

    def unfold(
        self, outputs: Collection[int], unfolding: "Unfolding"
    ) -> dict[int, tuple["Node", int]]:
        """Make the nodes that it stands for, which lead on to the same edges.

        Args:
            outputs: some of its own.
            unfolding: as long as that lasts, what is freed of them is freed of it, too.

        Returns:
            For each of these the node that made it, and the number of that node's output.
        """
        raise NotImplementedError

    def release(self) -> None:
        """Free what was saved; a later `backward` raises."""


class Unfold(Exception):
    """A node stands for several, of which a walk must visit one after the other.

    So it is where one of them raises: what comes before it has arrived and is freed by then.
    """


class Unfolding:
    """The time for which nodes stand in the place of one that was unfolded: one walk.

    Where that was recorded they live on, as histories of what it has made.
    """

    __slots__ = ("lasts",)

    def __init__(self) -> None:
        self.lasts = True


class AccumulateGrad(Node):
    """The end of a history: adds what arrives to `.grad` of a leaf.

    The leaf is held weakly: nobody can see the gradient of a leaf that is gone.
    """

    def __init__(self, leaf: Any) -> None:
        super().__init__(())
        self.sequence += 1 << 62  # run as soon as it is ready
        self.leaf = weakref.ref(leaf)

    AFTER = 1
    """In the place of the number of an output, with a hook: it is called behind the node, with the
    leaf. There is no such output."""

    @property
    def variable(self) -> Any:
        """The leaf tensor, None if it is gone."""
        return self.leaf()


def modified_error(name: str, shape: tuple, saved: int, version: int) -> RuntimeError:
    """Return the error for a saved tensor whose memory has been written since."""
    return RuntimeError(
        "one of the variables needed for gradient computation has been modified by an "
        f"inplace operation: [{name}] saved a tensor of shape {shape} at "
        f"version {saved}, and it is at version {version} now. "
        "Hint: work on a copy (clone()), or use the out-of-place form of the operation "
        "that changed it."
    )


class Hook(NamedTuple):
    """A function of users to which a node shows the cotangent of an output.

    Attributes:
        output: its number.
        function: given the cotangent, returns another one, or None.
        is_last: does it see what others make of the cotangent, those that come later among them?
    """

    output: int
    function: Callable[[Any], Any]
    is_last: bool = False


class HookHandle:
    """Takes a hook away again."""

    def __init__(self, node: Node, entry: Hook) -> None:
        with SHARED:
            # in their order, as sorting keeps that
            node.hooks = sorted([*(node.hooks or ()), entry], key=lambda each: each.is_last)
        self._node, self._entry = node, entry

    def remove(self) -> None:
        """Take the hook away."""
        with SHARED:
            self._node.hooks = [
                each for each in self._node.hooks or () if each is not self._entry
            ] or None

    def __enter__(self) -> "HookHandle":
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


class Saved:
    """A tensor kept for the backward pass, with the version of its memory at that time.

    An input is kept as the tensor that it was. An output (`own`) is kept without its tensor and
    its history, which would be a cycle.
    """

    __slots__ = ("array", "node", "storage", "tensor", "version")

    def __init__(self, tensor: Any, node: Node | None, own: bool) -> None:
        storage = tensor._storage
        self.storage = storage
        self.version = storage.version
        if own:
            self.tensor = None
            self.array = tensor._array
        else:
            self.tensor = tensor
            self.node = node

    @classmethod
    def restore(
        cls, tensor: Any, storage: Any, version: int, node: Node | None, own: bool
    ) -> "Saved":
        """Return what a node would hold that saved `tensor` when `storage` was at `version`."""
        made = cls(tensor, node, own)
        made.storage = storage
        made.version = version
        return made

    def unpack(self, node: Node, name: str, rebuild: Callable) -> Any:
        """Return the tensor; RuntimeError if its memory has been written since."""
        storage, tensor = self.storage, self.tensor
        if storage.version != self.version:
            array = self.array if tensor is None else tensor._array
            raise modified_error(name, tuple(array.shape), self.version, storage.version)
        if tensor is None:
            return rebuild(self.array, storage, node, 0)
        if tensor._node is self.node:
            return tensor
        return rebuild(tensor._array, storage, self.node, tensor._index)


FREED: Any = object()


class PrimitiveNode(Node):
    """The history of one primitive's output.

    Attributes:
        inputs: for each input what its rule reads (`Saved`, a `Spec`, a number), None if nothing.
        out: the saved output, None if no rule reads it.
        shapes: for each input its shape where it was broadcast; None if none was.
    """

    # one is made for every operation: slots are written and read in half the time
    __slots__ = ("inputs", "out", "params", "primitive", "shapes")

    rebuild: Callable  # set by dispatch: (array, storage, node, index) -> Tensor
    finish: Callable  # set by dispatch: (cotangent, spec) -> cotangent in the input's shape

    def __init__(
        self, primitive: Primitive, edges: tuple, indices: tuple | None, params: dict, shapes: Any
    ) -> None:
        # as Node.__init__ does; without the call a small operation takes 0.2 us less
        self.edges = edges
        self.sequence = next_number()
        self.indices = indices
        self.outputs = 1
        self.views = NO_VIEWS
        self.hooks = None
        self.primitive = primitive
        self.params = params
        self.inputs: Any = ()
        self.out: Saved | None = None
        self.shapes = shapes

    def name(self) -> str:
        words = self.primitive.name.strip("_").split("_")
        return "".join(word[:1].upper() + word[1:] for word in words) + "Backward"

    @property
    def saves_anything(self) -> bool:
        if self.inputs is FREED:
            return True
        return self.out is not None or any(isinstance(each, Saved) for each in self.inputs)

    def backward(self, cotangents: list, needed: list[bool]) -> tuple:
        # in this order, since another thread may free them in the other one
        out, inputs, cotangent = self.out, self.inputs, cotangents[0]
        if inputs is FREED:
            raise RuntimeError(SECOND_BACKWARD)
        rebuild, name = PrimitiveNode.rebuild, self.primitive.name
        values = [
            each.unpack(self, name, rebuild) if type(each) is Saved else each for each in inputs
        ]
        if out is not None:
            out = out.unpack(self, name, rebuild)
        rules: Any = self.primitive.vjp
        if self.primitive.variadic:
            return rules(cotangent, out, *values, **self.params)
        result: list[Any] = [None] * len(needed)
        for position, wanted in enumerate(needed):
            if wanted:
                made = rules[position](cotangent, out, *values, **self.params)
                shape = self.shapes and self.shapes[position]
                if shape is not None and made is not None:
                    made = PrimitiveNode.finish(made, shape)
                result[position] = made
        return tuple(result)

    def release(self) -> None:
        if self.saves_anything:
            self.inputs = FREED
            self.out = None


def spec_like(tensor: Any) -> Spec:
    """Return the spec of a tensor."""
    return Spec(tensor._array.shape, tensor._array.dtype)
