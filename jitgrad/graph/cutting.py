"""Where a recording cuts: snapshots of the evaluator, ends of segments, exits."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import MemberDescriptorType
from typing import Any

from jitgrad.dispatch import TensorCore
from jitgrad.graph import lookups
from jitgrad.graph.class_recipes import Beyond, Bound, Instance, Record
from jitgrad.graph.entrance import Layout, live_registers
from jitgrad.graph.ir import Compute, Item, Scalar, ScalarCompute, Value, Write
from jitgrad.graph.knowledge import FreshObject
from jitgrad.graph.lookups import ABSENT
from jitgrad.graph.origins import (
    IDENTIFIED,
    KNOWN,
    Bounds,
    Origin,
    Parts,
    Runtime,
    Variable,
    ancestors,
)
from jitgrad.graph.positions import ITERATORS, Position
from jitgrad.graph.recipes import (
    BaseOf,
    Cell,
    Closure,
    Constant,
    Container,
    Counter,
    DictView,
    Fresh,
    Library,
    Method,
    Number,
    Range,
    Recipe,
    Root,
    walk,
)
from jitgrad.graph.recording import Recording
from jitgrad.graph.residuals import choose_residuals
from jitgrad.graph.run import Run
from jitgrad.graph.segment import (
    Branch,
    Continue,
    End,
    Evaluate,
    Exit,
    FrameRecipe,
    PathState,
    Return,
    Segment,
    Snapshot,
)
from jitgrad.modes import state
from jitgrad.primitive import Kind
from jitgrad.python.frames import UNBOUND


class Unrecordable(Exception):
    """Something is live that no recipe can make again; the message says what."""


def insertion_order(values: list[Any]) -> list[Any]:
    """Return in which order a set takes up constants to have them in the order of `values`."""
    orders = itertools.permutations(values) if len(values) <= 6 else [values]
    found = next((each for each in orders if list(set(each)) == values), None)
    if found is None:
        raise Unrecordable("a set that cannot be made again in its order")
    return list(found)


class Cutting(Recording):
    """A recording that cuts its path into segments and hands them to `attach`.

    Args:
        attach: takes the first segment; the later ones hang on the sites before them.
    """

    def __init__(self, run: Run, path: PathState, attach: Callable[[Segment], None]) -> None:
        super().__init__(run, path)
        self.attach = attach
        self.start: Snapshot | None = None
        self.segments: list[Segment] = []
        self.reason = ""
        self._recipes: dict[Any, Recipe] = {}
        self._effect_recipes: list[Recipe] = []
        self.escaping: list[Fresh] = []
        self._marked_writes: dict = {}
        self._marked_variables = 0
        self._journal: list[tuple[Any, Any]] = []
        self._open: list[FreshObject] = []
        self.hopeless: set = set()
        self.heads: dict[Any, int] = {}
        self.arrivals: dict[Any, int] = {}
        self.stalled = False
        """It has ended without a result, since something raised."""

    def begin(self) -> None:
        super().begin()
        self._marked_writes = dict(self.path.writes)
        self._marked_variables = len(self.nodes)
        self._marked_effects = len(self.segment.effects)
        self._marked_mode = state.grad_enabled
        self._journal.clear()

    # -- recipes ----------------------------------------------------------------------------

    def recipe(self, value: Any, origin: Origin | None) -> Recipe:
        """Return how a replay makes `value`."""
        if value is UNBOUND or origin is KNOWN:
            return Constant(value)
        if isinstance(origin, Runtime):
            return Number(origin.scalar)
        if isinstance(origin, Parts):
            if type(value) is slice:
                items = (value.start, value.stop, value.step)
                return self._container(slice, items, origin.items)
            return self._container(tuple, value, origin.items)
        if isinstance(origin, Bounds):
            bounds = zip((value.start, value.stop, value.step), origin.items)
            return Range(tuple(self.recipe(*each) for each in bounds))
        if origin is IDENTIFIED:
            if isinstance(value, TensorCore) and self.object(value) is None:
                return self._tensor(value)
            return self._object(value)
        raise Unrecordable(f"a value of unknown origin: {type(value).__name__}")

    def _container(self, kind: type, values: Any, origins: Any, key: Any = None) -> Recipe:
        items = tuple(self.recipe(value, origin) for value, origin in zip(values, origins))
        return Container(kind, items, key)

    def _tensor(self, tensor: Any) -> Recipe:
        entry = self.entry(tensor)
        if entry is None:
            raise Unrecordable("a tensor that does not come from this call or a guard")
        if entry.root is not None:
            return Root(entry.root)
        found = self._recipes.get(entry)
        if found is None:
            variable: Any = self.variable(tensor)
            if variable is False:
                raise Unrecordable("a tensor with a history that is not known")
            base = None
            if tensor._base is not None:
                root = self.bases.get(id(tensor._base))
                if root is not None:
                    base = BaseOf(root[1])
                elif variable is not None or self.entry(tensor._base) is not None:
                    base = self._tensor(tensor._base)
            version = self.path.writes.get(entry.storage, 0)
            found = Fresh(entry, variable or None, version, base)
            self._recipes[entry] = found
        return found

    def _object(self, obj: Any) -> Recipe:
        known = self.object(obj)
        if isinstance(known, int):
            return Root(known)
        if known is None:
            method: Any = self.methods.get(id(obj))
            if method is obj and method is not None:
                owner = method.__self__
                origin = KNOWN if isinstance(owner, type) else self.origin_of(owner)
                return Method(self.recipe(owner, origin), method)
            raise Unrecordable(f"an object of unknown origin: {type(obj).__name__}")
        found = self._recipes.get(known)
        if found is None:
            found = self._fresh_object(obj, known)
        return found

    def _fresh_object(self, obj: Any, known: FreshObject) -> Recipe:
        kind, origins, key = known.kind, known.origins, known.key
        if kind == "cell":
            made: Any = Cell(key)
            self._recipes[known] = made
            if origins:
                made.content = self.recipe(obj.cell_contents, origins[0])
            return made
        if kind == "function":
            made = Closure(key, obj)
            self._recipes[known] = made
            made.cells = tuple(self._object(cell) for cell in obj.__closure__ or ())
            count = len(obj.__defaults__ or ())
            made.defaults = tuple(
                self.recipe(value, origin) for value, origin in zip(obj.__defaults__ or (), origins)
            )
            made.kwdefaults = {
                name: self.recipe(value, origin)
                for (name, value), origin in zip(
                    (obj.__kwdefaults__ or {}).items(), origins[count:]
                )
            }
            return made
        if kind == "counter":
            state = known.extra
            numbers = (state.current, state.origin), (state.stop, state.end), (state.step, KNOWN)
            made = Counter(key, tuple(self.recipe(*each) for each in numbers), state.exposed)
        elif kind in ITERATORS:
            sources = tuple(self.recipe(*source) for source in known.extra.sources)
            made = Position(key, kind, sources, known.extra.index, known.extra.start)
        elif kind in ("keys", "items", "values"):
            made = DictView(key, kind, self.recipe(known.extra, IDENTIFIED))
        elif kind == "library":
            made = Library(key, type(obj), dict(obj.__dict__))
        elif kind == "instance":
            return self._instance(obj, known)
        else:
            if known in self._open:
                raise Unrecordable(f"a {kind} that contains itself")
            self._open.append(known)
            try:
                made = self._whole(obj, known)
            finally:
                self._open.remove(known)
        self._recipes[known] = made
        return made

    def _whole(self, obj: Any, known: FreshObject) -> Recipe:
        """Return how an object is made that cannot be there before its parts."""
        kind, origins, key = known.kind, known.origins, known.key
        if kind in ("super", "slot"):
            *kinds, owner, origin = known.extra
            descriptor = kinds.pop() if kind == "slot" else None
            return Beyond(key, tuple(kinds), descriptor, self.recipe(owner, origin))
        if kind == "partial":
            values = (obj.func, *obj.args, *obj.keywords.values())
            function, *rest = map(self.recipe, values, origins)
            named = dict(zip(obj.keywords, rest[len(obj.args) :]))
            return Bound(key, function, tuple(rest[: len(obj.args)]), named)
        if kind == "record":
            return Record(key, type(obj), tuple(map(self.recipe, obj, origins)))
        values = [part for pair in obj.items() for part in pair] if kind == "dict" else list(obj)
        if kind == "set":
            values = insertion_order(values)
        made = {"list": list, "dict": dict, "set": set}[kind]
        return self._container(made, values, origins, key)

    def _instance(self, obj: Any, known: FreshObject) -> Recipe:
        kind = type(obj)
        found = {name: lookups.type_lookup(kind, name) for name in known.extra}
        slots = {n: each for n, each in found.items() if isinstance(each, MemberDescriptorType)}
        made = self._recipes[known] = Instance(known.key, kind, slots)
        for name, origin in known.extra.items():
            made.attributes[name] = self.recipe(lookups.static_lookup(obj, name), origin)
        return made

    def origin_of(self, value: Any) -> Origin | None:
        """Return the origin of something that has an identity, None if it is not known."""
        if isinstance(value, TensorCore):
            return IDENTIFIED if self.entry(value) is not None else None
        if self.object(value) is not None:
            return IDENTIFIED
        return None

    # -- snapshots --------------------------------------------------------------------------

    def snapshot(self, grad_enabled: bool | None = None) -> Snapshot:
        """Return how to go on from before the instruction at hand, with the grad mode then."""
        if grad_enabled is None:
            grad_enabled = state.grad_enabled
        self._recipes = {}
        frames = []
        for frame in self.evaluator.frames:
            registers = {
                register: self.recipe(frame.values[register], frame.origins[register])
                for register in live_registers(frame)
            }
            function = self.recipe(frame.function, frame.function_origin or KNOWN)
            generator = frame.generator and self._object(frame.generator.made)
            frames.append(FrameRecipe(frame.code, function, frame.pc, registers, generator))
        kept = self.kept_tensors()
        variables = [
            each.variable
            for each in self._recipes.values()
            if isinstance(each, Fresh) and each.variable is not None
        ]
        freed = self.freed(ancestors(variables))
        return Snapshot(frames, grad_enabled, self.path, variables, freed, self.where(), kept)

    def kept_tensors(self) -> list[Recipe]:
        """Return the recipes of tensors stored outside whose histories are still to be made."""
        wanted = {entry for entries in self.path.kept.values() for entry in entries}
        if not wanted:
            return []
        found = {entry: tensor for tensor, entry in self.tensors.values() if entry in wanted}
        return [self._tensor(tensor) for tensor in found.values()]

    def _live(self, snapshot: Any) -> list[Recipe]:
        """Return the recipes of all that lives at a snapshot."""
        registers = [each for frame in snapshot.frames for each in frame.parts()]
        return [*registers, *snapshot.kept]

    # -- segments ---------------------------------------------------------------------------

    def effect(self, act: Callable[[Any], None], text: str, recipes: tuple[Recipe, ...]) -> None:
        """Do something to objects once the segment has computed."""
        self.segment.effects.append(act)
        self.segment.effect_texts.append(text)
        self._effect_recipes.extend(recipes)
        for each in walk(recipes):
            if isinstance(each, Fresh):
                # made before the effects that raise versions by the segment's writes
                each.version = self._segment_writes.get(each.entry.storage, 0)
                self.path.shown[each.entry.storage] = None

    def site(self, test: Value | Scalar | None, exact: bool, outcome: Any) -> None:
        """End the segment where the value of `test` decides; go on behind `outcome`."""
        snapshot = self.snapshot()
        branch = self.end_with_branch(test, exact, snapshot)
        self._begin_after(branch, outcome, snapshot)

    def end_with_branch(self, test: Any, exact: bool, snapshot: Snapshot) -> Branch:
        """End the segment with a site."""
        recipes = self._live(snapshot)
        branch = Branch(None, exact, snapshot)
        needed = [] if test is None else [test]
        self._close(branch, recipes, needed, snapshot.variables, snapshot.freed)
        branch.slot = None if test is None else self.path.slot_of[test]
        branch.is_flag = isinstance(test, Value) and test.dtype.kind == "b" and not exact
        snapshot.state = self.path.copy()
        self.attach(self.segment)
        return branch

    def _begin_after(self, branch: Branch, outcome: Any, snapshot: Snapshot) -> None:
        self.start = snapshot
        segment = Segment(self.segment, self.path.slots)
        segment.start = snapshot
        self.attach = branch.outcomes.setdefault(outcome, []).append
        self.begin_segment(segment)

    def begin_segment(self, segment: Segment) -> None:
        """Make `segment` the one that grows."""
        self.segment = segment
        self.produced = set()
        self._effect_recipes = []
        self.visible = False
        self.before = {}
        self._segment_writes = dict(self.path.writes)
        self.begin()

    def split(self) -> None:
        moved = self.segment.steps[self.mark :]
        moved_effects = self.segment.effects[self._marked_effects :]
        if moved_effects or self._changed_since_mark():
            return self.unknown("an operation that can raise follows effects of the same call")
        writes = dict(self.path.writes)
        self._truncate()
        snapshot = self.snapshot(self._marked_mode)
        branch = self.end_with_branch(None, False, snapshot)
        self._begin_after(branch, None, snapshot)
        self.segment.steps.extend(moved)
        for step in moved:
            if isinstance(step, Compute) and step.primitive.kind is not Kind.VIEW:
                self.made_in[step.output.memory] = self.segment
        self.produced.update(step.output for step in moved if not isinstance(step, Write))
        self.path.writes.update(writes)
        return None

    def _changed_since_mark(self) -> bool:
        """Has the instruction at hand changed histories that a snapshot would look at?"""
        made_since = set(list(self.nodes)[self._marked_variables :])
        self._recipes = {}
        try:
            for frame in self.evaluator.frames:
                for register in live_registers(frame):
                    self.recipe(frame.values[register], frame.origins[register])
            self.kept_tensors()
        except Unrecordable:
            return True
        variables = [
            each.variable
            for each in self._recipes.values()
            if isinstance(each, Fresh) and each.variable is not None
        ]
        reached = ancestors(variables)
        return bool(made_since.intersection(reached)) or bool(self.freed(reached))

    def _truncate(self) -> None:
        steps = self.segment.steps
        del steps[self.mark :]
        del self.segment.effects[self._marked_effects :]
        self.path.writes = dict(self._marked_writes)
        for identity, before in reversed(self._journal):
            if before is ABSENT:
                self.path.places.pop(identity, None)
            else:
                self.path.places[identity] = before
        self.produced = {step.output for step in steps if not isinstance(step, Write)}

    def set_place(self, identity: Any, origin: Any) -> None:
        self._journal.append((identity, self.path.places.get(identity, ABSENT)))
        self.path.places[identity] = origin
        self.path.stored[identity] = None

    def forget_place(self, identity: Any) -> None:
        self._journal.append((identity, self.path.places.pop(identity, ABSENT)))

    def go_on_anew(self) -> bool:
        """End the recording here, so that the rest of the call is recorded as one of its own."""
        try:
            snapshot = self.snapshot()
        except Unrecordable:
            return False
        self._stop()
        self._end_with(Continue(snapshot, Layout.of_snapshot(snapshot)))
        return True

    def exit(self, reason: str, clean: bool) -> None:
        """End the recording before the instruction at hand, which Python performs.

        Not `clean`: the instruction has begun, so that what it did is dropped from the trace;
        where that cannot be told apart, replays evaluate from where the segment began.
        """
        if not self.active:
            return
        self._stop()
        self.reason = reason
        try:
            if not clean:
                if self._changed_since_mark():
                    raise Unrecordable(reason)
                self._truncate()
            snapshot = self.snapshot(None if clean else self._marked_mode)
            snapshot.give_frames_back()
        except Unrecordable:
            self._evaluate_from_start(reason)
            return
        self._end_with(Exit(reason, snapshot, Layout.of_snapshot(snapshot)))
        top, began = snapshot.frames[-1], self.start
        if (
            began is not None
            and self.segment.parent is None
            and not self.segment.steps
            and len(began.frames) == len(snapshot.frames)
            and began.frames[-1].code is top.code
            and began.frames[-1].pc == top.pc
        ):
            self.hopeless.add((top.code, top.pc))

    def pause(self) -> None:
        """End the recording before the instruction at hand, which has raised on what it was given.

        Where replays come here the call is recorded on: the next time it may not raise.
        """
        if not self.active:
            return
        self._stop()
        try:
            if self._changed_since_mark():
                raise Unrecordable("an operation has raised")
            self._truncate()
            if self.start is not None and not self.segment.steps and self._is_at(self.start):
                self.stalled = True
                return
            snapshot = self.snapshot(self._marked_mode)
        except Unrecordable as why:
            self._evaluate_from_start(str(why))
            return
        self.end_with_branch(None, False, snapshot)

    def _is_at(self, snapshot: Snapshot) -> bool:
        """Is the evaluator where a snapshot was made?"""
        frames = self.evaluator.frames
        return len(frames) == len(snapshot.frames) and all(
            frame.code is recipe.code and frame.pc == recipe.pc
            for frame, recipe in zip(frames, snapshot.frames)
        )

    def _stop(self) -> None:
        self.active = False
        state.recorder = None

    def _end_with(self, end: Continue) -> None:
        snapshot = end.snapshot
        recipes = self._live(snapshot)
        self._close(end, recipes, [], snapshot.variables, snapshot.freed, last=True)
        snapshot.state = self.path.copy()
        self.attach(self.segment)

    def abandon(self, reason: str) -> None:
        """End a recording that an exception ended; replays evaluate its last segment."""
        self._stop()
        self._evaluate_from_start(reason)

    def _evaluate_from_start(self, reason: str) -> None:
        segment, start = self.segment, self.start
        assert start is not None
        made = Segment(segment.parent, segment.first_slot)
        made.start = start
        # they hold where the segment begins, and take the roots that its first snapshot names
        made.facts = list(segment.facts)
        made.end = Evaluate(f"{reason} (known only later)", start)
        made.end.line = self.where()
        self.segments.append(made)
        self.attach(made)

    def finish(self, value: Any, origin: Origin | None) -> None:
        """End the recording with the result of the call."""
        self._recipes = {}
        self.active = False
        try:
            result = self.recipe(value, origin)
            kept = self.kept_tensors()
        except Unrecordable as why:
            self._evaluate_from_start(str(why))
            return
        outputs = [
            each
            for each in self._recipes.values()
            if isinstance(each, Fresh) and each.variable is not None
        ]
        variables: list[Variable] = [each.variable for each in outputs]  # type: ignore[misc]
        freed = self.freed(ancestors(variables))
        end = Return(result, state.grad_enabled, self.where(), outputs, self.path, freed)
        end.kept = kept
        self._close(end, [result, *kept], [], variables, freed, last=True)
        end.state = self.path.copy()
        self.attach(self.segment)

    def _close(
        self,
        end: End,
        recipes: list[Recipe],
        needed: list[Any],
        variables: list[Variable],
        freed: frozenset[Variable],
        last: bool = False,
    ) -> None:
        segment, path = self.segment, self.path
        used = walk([*recipes, *self._effect_recipes])
        for each in used:
            if isinstance(each, Fresh):
                needed.append(each.entry.value)
            elif isinstance(each, Number):
                needed.append(each.scalar)
        self.escaping = [each for each in used if isinstance(each, Fresh)]
        end.shown = {*path.shown, *(each.entry.storage for each in self.escaping)}
        needed.extend(choose_residuals(variables, freed, self, last))
        segment.inputs = self._inputs(segment)
        segment.arguments = [path.slot_of[each] for each in segment.inputs]
        for each in needed:
            if each not in path.slot_of:
                path.slot_of[each] = path.slots
                path.slots += 1
                self.run.slots.append(None)
                segment.outputs.append(each)
        self._resolve(used)
        self._note_versions(segment)
        segment.end = end
        self.segments.append(segment)

    def _resolve(self, recipes: list[Recipe]) -> None:
        for each in recipes:
            if isinstance(each, Fresh):
                each.slot = self.path.slot_of[each.entry.value]
            elif isinstance(each, Number):
                each.slot = self.path.slot_of[each.scalar]

    def start_here(self) -> None:
        """Make the first snapshot, from which a call begins again where it must."""
        start = self.start = self.segment.start = self.snapshot()
        self._resolve(walk(self._live(start)))
        start.state = self.path.copy()

    def _note_versions(self, segment: Segment) -> None:
        for storage, count in self.path.writes.items():
            more = count - self._segment_writes.get(storage, 0)
            if not more:
                continue
            segment.effects.append(
                lambda run, storage=storage, more=more: run.written(storage, more)
            )
            segment.effect_texts.append(f"version += {more}")
            if storage.root is not None:
                segment.prepares.append(storage.root)

    @staticmethod
    def _inputs(segment: Segment) -> list[Value | Scalar]:
        made: set[Value | Scalar] = set()
        found: dict[Value | Scalar, None] = {}
        for step in segment.steps:
            for each in operands(step):
                if isinstance(each, (Value, Scalar)) and each not in made:
                    found[each] = None
            if not isinstance(step, Write):
                made.add(step.output)
        return list(found)


def operands(step: Any) -> tuple:
    """Return what a step reads."""
    if isinstance(step, (Compute, ScalarCompute)):
        return step.inputs
    if isinstance(step, Item):
        return (step.input,)
    return (step.target, step.source)
