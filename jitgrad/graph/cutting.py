"""Where a recording cuts: snapshots of the evaluator, ends of segments, exits."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

from jitgrad.graph.entrance import Layout
from jitgrad.graph.ir import Compute, Scalar, Value, Write, operands
from jitgrad.graph.lookups import ABSENT
from jitgrad.graph.origins import KNOWN, Origin, Variable, ancestors
from jitgrad.graph.recipes import Fresh, Number, Recipe, Selected, walk
from jitgrad.graph.remaking import Remaking, Unrecordable
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
    Rewritten,
    Segment,
    Snapshot,
)
from jitgrad.modes import state
from jitgrad.primitive import Kind


class Cutting(Remaking):
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
        self._effect_recipes: list[tuple[Recipe, ...]] = []
        self.escaping: list[Fresh] = []
        self._marked_writes: dict = {}
        self._marked_excerpts: dict = {}
        self._marked_variables = 0
        self._journal: list[tuple[Any, Any]] = []
        self._exhausting: tuple[Any, int] | None = None
        self.hopeless: set = set()
        self.arrivals: dict[Any, int] = {}
        self.stalled = False
        """It has ended without a result, since something raised."""

    def begin(self) -> None:
        super().begin()
        self._marked_writes = dict(self.path.writes)
        self._marked_excerpts = dict(self.path.excerpts)
        self._marked_variables = len(self.nodes)
        self._marked_effects = len(self.segment.effects)
        self._marked_histories = len(self.segment.histories)
        self._marked_mode = state.grad_enabled
        self._journal.clear()

    # -- snapshots --------------------------------------------------------------------------

    def snapshot(self, grad_enabled: bool | None = None) -> Snapshot:
        """Return how to go on from before the instruction at hand, with the grad mode then."""
        if grad_enabled is None:
            grad_enabled = state.grad_enabled
        self._recipes = {}
        frames = []
        for frame in self.evaluator.frames:
            registers = self.registers(frame)
            function = self.recipe(frame.function, frame.function_origin or KNOWN)
            generator = frame.generator and self._object(frame.generator.made)
            frames.append(FrameRecipe(frame.code, function, frame.pc, registers, generator))
        kept = self.kept_tensors()
        variables = self.histories()
        freed = self.freed(ancestors(variables))
        return Snapshot(frames, grad_enabled, self.path, variables, freed, self.where(), kept)

    def _live(self, snapshot: Any) -> list[Recipe]:
        """Return the recipes of all that lives at a snapshot."""
        registers = [each for frame in snapshot.frames for each in frame.parts()]
        return [*registers, *snapshot.kept]

    # -- segments ---------------------------------------------------------------------------

    def effect(self, act: Callable[[Any], None], text: str, recipes: tuple[Recipe, ...]) -> None:
        """Do something to objects once the segment has computed."""
        self.segment.effects.append(act)
        self.segment.effect_texts.append(text)
        self._effect_recipes.append(recipes)
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
        moved, mark = self.segment.steps[self.mark :], self.mark
        histories = self._histories_since_mark()[1]
        moved_effects = self.segment.effects[self._marked_effects :]
        if moved_effects or self._changed_since_mark():
            return self.unknown("an operation that can raise follows effects of the same call")
        writes, excerpts = dict(self.path.writes), dict(self.path.excerpts)
        self._truncate()
        snapshot = self.snapshot(self._marked_mode)
        branch = self.end_with_branch(None, False, snapshot)
        self._begin_after(branch, None, snapshot)
        self.segment.steps.extend(moved)
        self.segment.histories.extend((count - mark, each) for count, each in histories)
        for step in moved:
            if isinstance(step, Compute) and step.primitive.kind is not Kind.VIEW:
                self.made_in[step.output.memory] = self.segment
        self.produced.update(step.output for step in moved if not isinstance(step, Write))
        self.path.writes.update(writes)
        self.path.excerpts.update(excerpts)
        return None

    def _changed_since_mark(self) -> bool:
        """Has the instruction at hand changed what a snapshot would look at?"""
        if self._exhausting == self._instruction():
            return True
        made_since = set(list(self.nodes)[self._marked_variables :])
        self._recipes = {}
        try:
            for frame in self.evaluator.frames:
                self.registers(frame)
            self.kept_tensors()
        except Unrecordable:
            return True
        reached = ancestors(self.histories())
        if made_since.intersection(reached):
            return True
        return self.went_back and bool(self.freed(reached))

    def _histories_since_mark(self) -> tuple[list, list]:
        """Return those that have become known since, and those that the instruction has made.

        The first are those of views, of which it is the first to ask.
        """
        steps = self.segment.steps[self.mark :]
        made = {each.variable for each in steps if isinstance(each, Compute)} - {None}
        known, own = [], []
        for count, each in self.segment.histories[self._marked_histories :]:
            assert each.history is not None
            if made.isdisjoint(each.history.edges):
                known.append((min(count, self.mark), each))
            else:
                made.add(each)
                own.append((count, each))
        return known, own

    def _instruction(self) -> tuple[Any, int]:
        frame = self.evaluator.frames[-1]
        return frame, frame.pc

    def exhausts(self) -> None:
        """Note that the instruction at hand exhausts an iterator, which no snapshot finds again."""
        self._exhausting = self._instruction()

    def _truncate(self) -> None:
        steps = self.segment.steps
        self.segment.histories[self._marked_histories :] = self._histories_since_mark()[0]
        del steps[self.mark :]
        for each in (self.segment.effects, self.segment.effect_texts, self._effect_recipes):
            del each[self._marked_effects :]
        self.path.writes = dict(self._marked_writes)
        self.path.excerpts = dict(self._marked_excerpts)
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
        variables = self.histories()
        freed = self.freed(ancestors(variables))
        common = self.path, variables, freed, kept, state.grad_enabled
        end = Return(result, self.where(), *common)
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
        used = walk([*recipes, *chain.from_iterable(self._effect_recipes)])
        for each in used:
            if isinstance(each, Selected) and last:
                continue  # nobody will compute with the copy
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
                each.slot = self.path.slot_of.get(each.entry.value, -1)
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
            segment.effects.append(Rewritten(storage, more))
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
