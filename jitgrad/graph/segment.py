"""Segments and the sites between them: the graph that recordings grow and replays follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from jitgrad.graph.facts import Fact
from jitgrad.graph.ir import Memory, Scalar, Step, Value
from jitgrad.graph.lookups import ABSENT
from jitgrad.graph.origins import Excerpt, StorageEntry, TensorEntry, Variable
from jitgrad.graph.recipes import Recipe
from jitgrad.kernels.availability import Unavailable, tell
from jitgrad.kernels.later import LaterProgram, is_small
from jitgrad.kernels.program import Program, lower
from jitgrad.locks import LOWERING
from jitgrad.python.frames import UNBOUND, Frame


class PathState:
    """What is known at one point of a path through the graph; each site keeps a copy.

    Attributes:
        slot_of: which slot of a run holds a value or number.
        slots: how many slots there are.
        places: what was found at places outside, or stored there since, by their identity.
        stored: the identities of places to which the call has stored.
        writes: how often the trace wrote to each storage.
        roots: for each root the tensor's entry, or None for another object.
        storages, memories: of root tensors, by the number of the first root that has them.
        variables: of root tensors that require grad, by their number.
        visits: how often the path has come to each site of the code.
        integers: those that registers held at the latest visit of a site.
        fixed: numbers of run time whose value a site behind has made sure of.
        shown: the storages of tensors made by the trace that effects have stored outside.
        kept: by where they are, tensors among those that are to get their histories.
        contents: for roots whose classes are derived from built-in ones, the root with the content.
        excerpts: those that the trace has copied, with whether their copies are out of date.
        rebased: what the histories of root tensors have become, since the call wrote to them.
    """

    def __init__(self) -> None:
        self.slot_of: dict[Value | Scalar, int] = {}
        self.slots = 0
        self.places: dict[Any, Any] = {}
        self.stored: dict[Any, None] = {}
        self.writes: dict[StorageEntry, int] = {}
        self.roots: list[TensorEntry | None] = []
        self.storages: dict[int, StorageEntry] = {}
        self.memories: dict[int, Memory] = {}
        self.variables: dict[int, Variable] = {}
        self.visits: dict[Any, int] = {}
        self.integers: dict[Any, dict[tuple[int, int], int]] = {}
        self.fixed: dict[Scalar, Any] = {}
        self.shown: dict[StorageEntry, None] = {}
        self.kept: dict[Any, tuple[TensorEntry, ...]] = {}
        self.excerpts: dict[Memory, bool] = {}
        self.contents: dict[int, int] = {}
        self.rebased: dict[int, Variable] = {}

    def slot_in(self, storage: StorageEntry, value: Value) -> int:
        """Return the slot of a value that lies in a storage: of `value`, where it has been kept."""
        if value in self.slot_of and not isinstance(value.memory, Excerpt):
            return self.slot_of[value]
        held = (each for each in self.slot_of if isinstance(each, Value))
        return next(self.slot_of[each] for each in held if each.memory is storage.memory)

    def copy(self) -> PathState:
        """Return an independent copy."""
        made = PathState()
        for name, value in vars(self).items():
            setattr(made, name, value.copy() if isinstance(value, (dict, list)) else value)
        return made


class FrameRecipe:
    """How to make one frame of the evaluator again; that of a generator, if it is one's body."""

    def __init__(
        self,
        code: Any,
        function: Recipe,
        pc: int,
        registers: dict[int, Recipe],
        generator: Any = None,
    ) -> None:
        self.code = code
        self.function = function
        self.pc = pc
        self.registers = registers
        self.generator = generator

    def build(self, run: Any) -> Frame:
        """Return the frame."""
        count = self.code.register_count
        values: list[Any] = [UNBOUND] * count
        origins: list[Any] = [None] * count
        for register, each in self.registers.items():
            values[register] = each.build(run)
            origins[register] = each.origin
        if self.generator is not None:
            return self.generator.frame_with(run, self.pc, values, origins)
        function = self.function.build(run)
        return Frame(self.code, function, self.pc, values, origins, self.function.origin)

    def parts(self) -> list[Recipe]:
        """Return the recipes that it uses."""
        generator = () if self.generator is None else (self.generator,)
        return [*self.registers.values(), self.function, *generator]


class Snapshot:
    """The evaluator at a site: everything needed to go on from there.

    Attributes:
        frames: outermost first.
        grad_enabled: the grad mode.
        state: what is known on this path.
        freed: variables whose saved values a backward pass inside the call has freed.
        variables: those of live tensors that have a history.
        line: the source line, as (file, line).
        kept: tensors stored outside, which get their histories here.
    """

    def __init__(
        self,
        frames: list[FrameRecipe],
        grad_enabled: bool,
        state: PathState,
        variables: list[Variable],
        freed: frozenset[Variable],
        line: tuple[str, int],
        kept: list[Recipe],
    ) -> None:
        self.frames = frames
        self.grad_enabled = grad_enabled
        self.state = state
        self.variables = variables
        self.freed = freed
        self.line = line
        self.kept = kept

    def give_frames_back(self) -> None:
        """Let generators run their frames by themselves, as `evaluate.give_frames_back` does."""
        for at in range(len(self.frames) - 1, 0, -1):
            generator = self.frames[at].generator
            if generator is not None:
                generator.take_back(self.frames[at:])
                del self.frames[at:]


class End:
    """How a segment ends.

    Attributes:
        line: the file and line.
        shown: the storages of tensors made by the trace that somebody can see.
    """

    def __init__(self) -> None:
        self.line: tuple[str, int] = ("", 0)
        self.shown: set[StorageEntry] = set()


class Branch(End):
    """A site: the value of `slot` decides which segment comes next.

    Attributes:
        slot: where the tested value is; None where the path only pauses.
        exact: the outcome is the value itself with its type, not its truth.
        is_flag: the tested value is a bool tensor, and its element is the outcome.
        outcomes: the segments for each outcome seen, tried in order.
        reopened: why there are fewer than there were.
        snapshot: how to go on by evaluation.
    """

    def __init__(self, slot: int | None, exact: bool, snapshot: Snapshot) -> None:
        super().__init__()
        self.slot = slot
        self.exact = exact
        self.is_flag = False
        self.snapshot = snapshot
        self.outcomes: dict[Any, list[Segment]] = {}
        self.reopened: dict[Any, str] = {}
        self.line = snapshot.line

    def outcome_before(self, following: Segment) -> Any:
        """Return the outcome behind which a segment comes, ABSENT if it does so no more."""
        for outcome, candidates in list(self.outcomes.items()):
            if any(following is each for each in candidates):
                return outcome
        return ABSENT

    def outcome(self, run: Any) -> Any:
        """Return the key of the outcome in this run."""
        if self.slot is None:
            return None
        found = run.slots[self.slot]
        if not isinstance(found, (int, float)):
            found = found.item()
        return (type(found), found) if self.exact else bool(found)


class Result(End):
    """The path ends, and something is made: the result of the call, or what its rest begins with.

    Attributes:
        state: what is known there.
        variables: of the tensors made, their histories; `freed`: those of which nothing is saved.
        kept: makes tensors that were stored outside, which get their histories then.
        grad_enabled: the mode from there on.
        tape_layout: of the histories, once a replay has made them; `kept_bytes`: what they keep.
    """

    def __init__(
        self,
        state: PathState,
        variables: list[Variable],
        freed: frozenset[Variable],
        kept: list[Recipe],
        grad_enabled: bool,
    ) -> None:
        super().__init__()
        self.state = state
        self.variables = variables
        self.freed = freed
        self.kept = kept
        self.grad_enabled = grad_enabled
        self.tape_layout: Any = None
        self.kept_bytes = 0

    def recipes(self) -> list[Recipe]:
        """Return what makes the result, or each of the values with which the rest begins."""
        raise NotImplementedError


class Return(Result):
    """The call ends, with what `result` makes."""

    def __init__(self, result: Recipe, line: tuple[str, int], *common: Any) -> None:
        super().__init__(*common)
        self.result = result
        self.line = line

    def recipes(self) -> list[Recipe]:
        return [self.result]


class Continue(Result):
    """The rest of the call begins anew here, with what is live as its arguments.

    Attributes:
        snapshot: how the values are made with which it begins.
        layout: the place in the code.
        returns: how often the path went on where it had begun.
        settled: whether it is a way through a native loop has been decided.
    """

    def __init__(self, snapshot: Snapshot, layout: Any) -> None:
        super().__init__(
            snapshot.state,
            snapshot.variables,
            snapshot.freed,
            snapshot.kept,
            snapshot.grad_enabled,
        )
        self.returns = 0
        self.settled = False
        self.snapshot = snapshot
        self.layout = layout
        self.line = snapshot.line

    def recipes(self) -> list[Recipe]:
        return self.layout.recipes(self.snapshot)


class Exit(Continue):
    """Python performs the next instruction, and the rest of the call begins anew behind it."""

    def __init__(self, reason: str, snapshot: Snapshot, layout: Any) -> None:
        super().__init__(snapshot, layout)
        self.reason = reason


class Evaluate(End):
    """Every replay hands over to the evaluator, which finishes the call in Python."""

    def __init__(self, reason: str, snapshot: Snapshot) -> None:
        super().__init__()
        self.reason = reason
        self.snapshot = snapshot
        self.line = snapshot.line


class Rewritten(NamedTuple):
    """The effect of a segment that has written to a storage so many times."""

    storage: StorageEntry
    times: int

    def __call__(self, run: Any) -> None:
        run.written(self.storage, self.times)


class Segment:
    """A straight line of the graph.

    Attributes:
        parent: the segment before, None for the first of a path.
        facts: what must hold outside, in order; they take roots and numbers into the run.
        steps: the computation.
        histories: those of no step: of what was written in place, and of views of it, each with the
            number of steps before it.
        arguments: the slots of its inputs.
        effects: what is done to objects after the computation, in order.
        prepares: the roots whose storage is about to be written.
        end: how it ends.
        can_raise: a step may raise on data, before any effect of the segment can be seen.
        hits: how often replays ran it.
        followed: for the last of a path, how often replays came to it step by step.
        checked: how often its facts were found to hold, one by one.
        guards: the facts as one function, once they have been checked several times.
        hot: for the first of a path, whole paths that are guessed.
        given_up: for the last of a path, how often it was guessed in vain.
        foreseen: for the first of a path, what calls do here is foreseen by where they come from.
        arrivals: for the first of a path, how often recordings came to each site behind it.
        cycles: for the first of a path, the native loops of those that lead back to it.
        check: makes programs of the path that check themselves, None where none do.
        waits: small programs of the path are compiled only once they have been run often.
        followed_by: where the path goes on, the last segment of what followed the last time.
    """

    def __init__(
        self,
        parent: Segment | None,
        first_slot: int,
        check: Any = None,
        waits: bool = False,
        foreseen: bool = False,
    ) -> None:
        self.parent = parent
        self.check = check if parent is None else parent.check
        self.waits = waits if parent is None else parent.waits
        self.first_slot = first_slot
        self.facts: list[Fact] = []
        self.steps: list[Step] = []
        self.histories: list[tuple[int, Variable]] = []
        self.inputs: list[Value | Scalar] = []
        self.arguments: list[int] = []
        self.outputs: list[Value | Scalar] = []
        self.effects: list[Callable[[Any], None]] = []
        self.effect_texts: list[str] = []
        self.prepares: list[int] = []
        self.end: End = End()
        self.start: Snapshot | None = None
        self.can_raise = False
        self.hits = 0
        self.followed = 0
        self.checked = 0
        self.guards: Callable[[Any], bool] | None = None
        self.hot: tuple[Any, ...] = ()
        self.given_up = 0
        self.foreseen = foreseen
        self.arrivals: dict[Any, int] = {}
        self.cycles: list[Any] = []
        self.followed_by: Segment | None = None
        self.program: Program | None = None
        self.derivatives: dict[Any, Any] = {}

    def let_go(self) -> None:
        """Let go of the user's objects: nobody follows the graph any more, though tapes use it.

        Segments are parts of cycles, and the collector does not know how large tensors are.
        """
        self.facts, self.effects, self.cycles = [], [], []
        self.guards = self.start = self.followed_by = None
        self.hot = ()
        self.end = End()

    def ready(self) -> Program:
        """Return the program, lowered at its first use."""
        with LOWERING:
            if self.program is None:
                self.program = self._lowered(
                    self.steps, self.inputs, self.outputs, "forward pass", self.waits
                )
        tell()
        return self.program

    def lower_with_block(
        self, steps: Any, inputs: Any, outputs: Any, together: Any = (), within: Any = None
    ) -> Program | None:
        """Return a program some outputs or inputs of which are in one block of bytes.

        None where there is none: programs that check themselves look at each array.

        Args:
            steps, inputs, outputs, together, within: as for `kernels.program.lower`.
        """
        if self.check is not None:
            return None
        try:
            return lower(steps, inputs, outputs, together, within or {})
        except Unavailable:
            return None
        finally:
            tell()

    def lower(
        self, steps: Any, inputs: Any, outputs: Any, what: str, waits: bool = False
    ) -> Program:
        """Return a program that has to do with this segment.

        Args:
            steps, inputs, outputs: as for `kernels.program.lower`.
            what: says what it is of the segment.
            waits: if it is small, it is compiled only once it has been run often.
        """
        program = self._lowered(steps, inputs, outputs, what, waits)
        tell()
        return program

    def _lowered(self, steps: Any, inputs: Any, outputs: Any, what: str, waits: bool) -> Program:
        if waits and self.check is None and is_small(steps):
            later: Any = LaterProgram(steps, inputs, outputs)
            return later
        program = lower(steps, inputs, outputs)
        if self.check is None:
            return program
        return self.check(program, steps, inputs, outputs, self, what)

    def path(self) -> list[Segment]:
        """Return the segments from the first of the path to this one."""
        found: list[Segment] = []
        segment: Segment | None = self
        while segment is not None:
            found.append(segment)
            segment = segment.parent
        return found[::-1]
