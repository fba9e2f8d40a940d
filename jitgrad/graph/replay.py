"""Following the graph: facts, programs, effects, sites; and handing over where it ends."""

from __future__ import annotations

from typing import Any

from jitgrad.errors import VerificationError, is_interrupt
from jitgrad.graph.derivative import rebuild, root_nodes
from jitgrad.graph.entrance import Going
from jitgrad.graph.hot import WARM, make_hot
from jitgrad.graph.residuals import count_bytes
from jitgrad.graph.run import Run
from jitgrad.graph.segment import (
    Branch,
    Continue,
    Evaluate,
    Exit,
    PathState,
    Result,
    Segment,
    Snapshot,
)
from jitgrad.graph.tape import CompiledBackward, Tape
from jitgrad.graph.tape_layout import TapeLayout
from jitgrad.graph.watching import guards_for, is_familiar
from jitgrad.locks import SHARED
from jitgrad.modes import state
from jitgrad.python.evaluate import Evaluator, give_frames_back
from jitgrad.python.frames import Frame
from jitgrad.python.operations import Operations

USUAL = 15
"""The bits that are all set in a segment's hits where it is put first among those to try."""


class Miss(Exception):
    """The graph does not know how to go on: from `snapshot`, behind `outcome` of `branch`."""

    def __init__(self, branch: Branch, outcome: Any, segment: Segment) -> None:
        self.branch = branch
        self.outcome = outcome
        self.segment = segment


def select(candidates: list[Segment], run: Run, again: bool = True) -> Segment | None:
    """Return the first segment whose facts hold; what they took is in the run then.

    Args:
        again: look once more if there is none, since others may have changed places meanwhile.
    """
    for at, segment in enumerate(candidates):
        roots, slots = len(run.roots), len(run.slots)
        guards = segment.guards
        if guards is not None:
            if guards(run):
                if at and segment.hits & USUAL == USUAL:
                    _put_first(candidates, segment)
                return segment
        elif all(fact.holds(run) for fact in segment.facts):
            # by a name of its own: another thread may count on before this one looks
            checked = segment.checked = segment.checked + 1
            if is_familiar(segment.facts, checked):
                segment.guards = guards_for(segment.facts, roots, slots)
            return segment
        run.forget(roots, slots)
    if not again or len(candidates) < 2:
        return None
    with SHARED:
        known = candidates[:]
    return select(known, run, False)


def _put_first(candidates: list[Segment], segment: Segment) -> None:
    """Let a segment be tried first: any that holds will do, and this one usually does."""
    with SHARED:
        at = candidates.index(segment)
        candidates[0], candidates[at] = segment, candidates[0]


def follow(segment: Segment, run: Run) -> Any:
    """Run the graph from `segment` to the result of the call.

    Raises:
        Miss: at a site whose outcome has not been seen, or where facts do not hold.
    """
    slots = run.slots
    first = segment
    while True:
        segment.hits += 1
        program = segment.program or segment.ready()
        effects = segment.effects
        if effects:
            run.doing = segment
            run.announce_writes(segment.prepares)
        raised = False
        try:
            slots += program.run(*[slots[at] for at in segment.arguments])
        except VerificationError:
            raise
        except Exception as error:
            raised = segment.can_raise and not is_interrupt(error)
            if not raised:
                raise
        if raised:
            run.doing = None
            # nothing that can be seen has happened in this segment: Python raises it in its place
            return finish_in_python(run, segment.start, segment)
        if effects:
            run.is_torn = True
            for effect in effects:
                effect(run)
            run.doing, run.is_torn = None, False
        run.last = segment
        end = segment.end
        if type(end) is not Branch:
            break
        # the usual site tests a bool tensor, and what follows takes nothing from outside
        outcome = slots[end.slot].item() if end.is_flag else end.outcome(run)  # type: ignore[index]
        candidates = end.outcomes.get(outcome)
        if not candidates:
            raise Miss(end, outcome, segment)
        following: Segment | None = candidates[0]
        if following.facts:
            following = select(candidates, run)
        if following is None:
            raise Miss(end, outcome, segment)
        segment = following
    if isinstance(end, Result):
        result = give_back(run, end, first, segment)
        # not its hits: native loops add many at once
        followed = segment.followed = segment.followed + 1
        if not followed % (WARM << segment.given_up):
            make_hot(first, segment)
        return result
    assert isinstance(end, Evaluate)
    return finish_in_python(run, end.snapshot, segment)


def give_back(run: Run, end: Result, first: Segment, last: Segment) -> Any:
    """Make the result of the call, or the call that goes on; the path has these segments."""
    try:
        return _given_back(run, end, first, last)
    finally:
        state.grad_enabled = end.grad_enabled


def _given_back(run: Run, end: Result, first: Segment, last: Segment) -> Any:
    if end.variables:
        if end.tape_layout is None:
            made = TapeLayout(end.variables, end.freed, end.state, last.path(), end.shown)
            end.kept_bytes = count_bytes(made.slots, end.state.memories.values())
            end.tape_layout = made
        make_histories(run, end.tape_layout, end.state)
        rebase_roots(run, end.state)
    for each in end.kept:
        each.build(run)
    if not isinstance(end, Continue):
        return end.recipes()[0].build(run)
    values = end.layout.build(end.snapshot, run)
    result = Going(end.layout, values, type(end) is Exit)
    result.kept_bytes, result.came = end.kept_bytes, (first, last)
    run.going = result
    run.release()
    return result


def make_histories(run: Run, layout: TapeLayout, path: PathState) -> None:
    """Give the variables of `layout` one node over a tape of what the run has kept."""
    tape = Tape.of_run(layout, run)
    nodes = root_nodes(run, path.variables)
    if layout.dependent:
        order = [each for each in layout.order if each.history is not None]
        rebuild(order, nodes, tape)
    else:
        edges = [nodes[each] for each in layout.roots]
        node = CompiledBackward(
            tape, tuple(edge for edge, _ in edges), tuple(index for _, index in edges)
        )
        for index, variable in enumerate(layout.variables):
            nodes[variable] = (node, index)
    run.nodes = nodes


def rebase_roots(run: Run, path: PathState) -> None:
    """Give root tensors to which the call has written the histories that they have now."""
    for root, variable in path.rebased.items():
        tensor = run.roots[root]
        tensor._node, tensor._index = run.nodes[variable]


def frames_of(run: Run, snapshot: Snapshot, segment: Segment | None, recorder: Any) -> list[Frame]:
    """Make the evaluator's frames, and all that live in them, as eager would have left them.

    Args:
        segment: the last segment that ran to its end, None at the beginning of the call.
        recorder: who records from here on, None if nobody does.
    """
    run.recorder = recorder
    if recorder is not None:
        recorder.adopt(run)
    nodes = root_nodes(run, snapshot.state.variables)
    if snapshot.variables and segment is not None:
        shown = getattr(segment.end, "shown", set())
        layout = TapeLayout(
            snapshot.variables, snapshot.freed, snapshot.state, segment.path(), shown
        )
        tape = Tape.of_run(layout, run)
        if recorder is not None:
            recorder.adopt_saved(tape)
        order = [each for each in layout.order if each.history is not None]
        rebuild(order, nodes, tape, track=recorder is not None)
    run.nodes = nodes
    rebase_roots(run, snapshot.state)
    if recorder is not None:
        recorder.adopt_nodes(nodes)
    for each in snapshot.kept:
        each.build(run)
    frames = [each.build(run) for each in snapshot.frames]
    if recorder is None:
        give_frames_back(frames)
    run.frames = frames
    run.release()
    state.grad_enabled = snapshot.grad_enabled
    return frames


def finish_in_python(run: Run, snapshot: Snapshot | None, segment: Segment) -> Any:
    """Hand the call over to the evaluator, which finishes it without recording."""
    assert snapshot is not None
    before = segment if segment.start is not snapshot else segment.parent
    frames = frames_of(run, snapshot, before, None)
    return Evaluator(Operations()).resume(frames)
