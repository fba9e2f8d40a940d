"""Interrupts: an exception that comes while a call is replayed is raised where the call stands.

A signal's handler may raise between any two steps of ours, Ctrl-C does. Then there are no frames of
the evaluator, as a rule, in which a `finally` or a `with` of the user would be left. So they are
made, as they are where Python goes on, and the exception is raised in them.
"""

from __future__ import annotations

from typing import Any

from jitgrad.errors import CompileError, VerificationError
from jitgrad.graph.entrance import Going
from jitgrad.graph.replay import frames_of
from jitgrad.graph.run import Run
from jitgrad.graph.segment import Return, Rewritten
from jitgrad.modes import state
from jitgrad.python.evaluate import Evaluator, give_frames_back
from jitgrad.python.frames import Frame
from jitgrad.python.operations import Operations

OWN = (CompileError, VerificationError)
"""What no code of users is to handle."""


def raise_within(error: BaseException, frames: list[Frame]) -> Any:
    """Raise an exception where frames stand; return what the call returns if it is handled."""
    give_frames_back(frames)
    return Evaluator(Operations()).resume(frames, exception=error)


def standing(going: Going | None, run: Run | None, enabled: bool) -> list[Frame] | None:
    """Return the frames in which a call stands that something has been raised in.

    Args:
        going: where it went on last; None if it has only begun.
        run: the replay that has followed the graph from there, if one has.
        enabled: the grad mode there.

    Returns:
        Empty if all frames have been left; None if there are none: the call has just begun, or it
        is not known which effects have been performed.
    """
    if run is not None:
        if run.going is not None:
            return standing(run.going, None, state.grad_enabled)
        if run.frames is not None:
            return [] if run.frames[0].is_over else run.frames
        if run.doing is not None:
            _count_writes(run)
        if run.is_torn:
            return None
        if run.last is not None:
            return _behind(run)
    while going is not None and going.following is not None:
        going = going.following
    if going is None:
        return None
    if going.left is not None:
        return going.left if going.left and not going.left[0].is_over else []
    state.grad_enabled = enabled
    return going.frames()[0]


def _behind(run: Run) -> list[Frame] | None:
    """Return the frames behind the last segment that a run has performed."""
    end: Any = run.last.end
    if isinstance(end, Return):
        state.grad_enabled = end.grad_enabled
        return []
    if end.snapshot.state.rebased:
        # histories that were given to tensors outside are not given twice
        return None
    # or what is half made would be taken for whole
    run.release()
    before = run.last if run.last.start is not end.snapshot else run.last.parent
    return frames_of(run, end.snapshot, before, None)


def _count_writes(run: Run) -> None:
    """Raise the versions of what a segment has written, or was about to write."""
    for effect in run.doing.effects:
        if isinstance(effect, Rewritten):
            effect(run)
