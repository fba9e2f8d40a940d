"""The graph of one function: its calls are replayed as far as it is known, and recorded beyond."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from jitgrad import config
from jitgrad.errors import CompileError
from jitgrad.graph.cycles import count_return, turn
from jitgrad.graph.entrance import Entrance, Going, Layout
from jitgrad.graph.heads import Head
from jitgrad.graph.interrupts import OWN, raise_within, standing
from jitgrad.graph.notes import Notes
from jitgrad.graph.origins import KNOWN
from jitgrad.graph.path_writer import MISSED, SAMPLED
from jitgrad.graph.recorder import Recorder
from jitgrad.graph.replay import Miss, follow, frames_of, select
from jitgrad.graph.resting import Resting
from jitgrad.graph.returns import Returns
from jitgrad.graph.routes import Routes, passed, stage_of
from jitgrad.graph.run import Run
from jitgrad.graph.segment import Evaluate, Exit, PathState, Segment
from jitgrad.graph.shortcuts import NO_DIRECT, Direct, Usual, add_shortcut, take_shortcut
from jitgrad.graph.verify import Checks
from jitgrad.modes import state
from jitgrad.python.binding import bind_arguments
from jitgrad.python.evaluate import Evaluator
from jitgrad.python.frames import Frame
from jitgrad.python.operations import Leave, Operations

UNSTABLE = 8
"""How many more recordings than replays begin at a place before the call no longer begins there."""


class Graph(Returns):
    """All that is known of one function: its segments by entry key.

    Attributes:
        entrance: where calls begin.
        entrances: where they go on behind the turns of long loops, by place.
        heads: the heads of loops where calls begin anew, by their places.
        unmerged: by its line, why a loop is not a native one.
        in_a_row: by its line, why many turns of a loop are recorded in a row.
        hopeless: places where recordings ended at once; there the call does not begin anew.
        resting: whether recording it pays.
        ended: the file and line at which the last recording ended.
        recorded_by: the thread that made it.
        segments: all segments, in the order of their recording.
        traces: how many recordings were made.
        checks: what has been checked, None if nothing is.
        notes: what is noted for reports.
        direct: what whole calls try before all else, and the shortcuts of the entrance for which
            that is so.
        routes: counts which stages calls go through.
        usual: by place how calls have gone on behind host calls the last time.
    """

    def __init__(self, function: Any, fullgraph: bool, verify: bool) -> None:
        super().__init__(function, fullgraph)
        self.checks = Checks() if verify else None
        self.entrance = Entrance()
        self.entrances: dict[Any, Entrance] = {}
        self.hopeless: set = set()
        self.heads: dict[Any, Head] = {}
        self.unmerged: dict[tuple[str, int], str] = {}
        self.in_a_row: dict[tuple[str, int], str] = {}
        self.segments: list[Segment] = []
        self.traces = 0
        self.calls = 0
        self.resting = Resting()
        self.ended: tuple[str, int] | None = None
        self.record_seconds = 0.0
        self.notes = Notes(function)
        self.last: Segment | None = None
        self.direct: Direct = NO_DIRECT
        self.routes = Routes()
        self.usual: dict[Layout, Usual] = {}
        self.recorded_by = 0

    def forget(self) -> None:
        """Drop everything that was recorded."""
        self.entrance = Entrance()
        self.entrances.clear()
        self.routes = Routes()
        self.usual.clear()
        self.segments = []

    def __del__(self, is_ending: Callable[[], bool] = sys.is_finalizing) -> None:
        # when the interpreter ends, what modules name may be gone
        if self.checks is None and not is_ending():
            for each in self.segments:
                each.let_go()

    def call(self, args: tuple, kwargs: dict, result: Any = MISSED) -> Any:
        """Call the function, or go on from `result`: replay what is known, record what is not."""
        if result is MISSED and self.is_eager():
            return self.function(*args, **kwargs)
        self.calls += 1
        began = time.perf_counter() if self.calls & SAMPLED == 0 else 0.0
        traces = self.traces
        entrance, values, names = self.entrance, [*args, *kwargs.values()], tuple(kwargs)
        begun = enabled = state.grad_enabled
        going = run = failed = frames = None
        try:
            if result is MISSED and entrance.shortcuts:
                result = self.cut_short(entrance, values, names)
            if result is MISSED:
                run = Run(values)
                candidates = entrance.entries.get(entrance.key(values, names))
                segment = select(candidates, run) if candidates else None
                if segment is None:
                    result = self.record_call(args, kwargs, run)
                else:
                    result = self.replay(entrance, segment, run)
            while type(result) is Going:
                going, run, enabled = result, None, state.grad_enabled
                result = self.go_on(going)
                self.count_turn(going, result)
        except OWN:
            raise
        except BaseException as error:
            if type(result) is Going and result is not going:
                going, enabled = result, state.grad_enabled
            frames = standing(going, run if going is None else going.run, enabled)
            if not frames:
                if frames is None or not isinstance(error, Exception):
                    # Ctrl-C may have come in front of what ends a block
                    state.grad_enabled = begun
                raise
            failed = error
        if failed is not None and frames:
            try:
                result = raise_within(failed, frames)
            finally:
                failed = frames = None
        if self.traces != traces and self.recorded_by == threading.get_ident():
            if is_full := len(self.segments) > config.max_segments:
                self.forget()
            self.resting.count_miss(self.function.__qualname__, is_full, self.ended)
        elif began:
            self.notes.samples.append(time.perf_counter() - began)
        return result

    def is_eager(self) -> bool:
        """Is a call that begins left to Python as a whole?"""
        is_lowered = self.lowered is self.function.__code__ or self.lower()
        if not is_lowered or self.reason or config.eager or state.is_watched():
            return True
        return bool(self.resting.left) and self.resting.rests()

    def cut_short(self, entrance: Entrance, *given: Any) -> Any:
        """Return the result of a call by a shortcut, MISSED where none applies."""
        if self.routes.pending:
            self.routes.inline()
        known = entrance.shortcuts
        found = take_shortcut(entrance, *given)
        if found is None:
            return MISSED
        self.resting.misses = 0
        shortcut, result = found
        self.last = shortcut.hot.last
        if entrance is not self.entrance:
            going = given[-1]
            if going.is_plain:
                self.usual[going.layout] = Usual(entrance, known, shortcut)
            self.pass_by(going, shortcut, result)
            return result
        if type(result) is Going:
            result.stages = shortcut.stages
        elif shortcut.hot.kept_bytes:
            self.notes.keep(self.calls, shortcut.hot.kept_bytes)
        if known is entrance.shortcuts:
            self.direct = shortcut.direct_at(known)
        return result

    def pass_by(self, going: Going, stage: Any, result: Any) -> None:
        """Note that a call has gone through a further stage of what may be a route."""
        stages = passed(going, stage, result)
        if stages is not None:
            self.routes.count(stages, self.entrance, list(self.entrances.values()))

    def go_on(self, going: Going) -> Any:
        """Go on with a call from a place in the code, by replay or recording."""
        if going.error is not None:
            error, going.error = going.error, None
            raise error
        if going.kept_bytes:
            self.notes.keep(self.calls, going.kept_bytes)
        if going.performs:
            stage = None if going.stages is None else stage_of(going)
            result = self.notes.perform(going, self.hopeless)
            if stage is not None:
                self.pass_by(going, stage, result)
            return result
        if self.reason or state.detect_anomaly:
            return going.finish()
        return self.begin_anew(going)

    def begin_anew(self, going: Going) -> Any:
        """Go on with a call where another part of it has ended."""
        known = self.usual.get(going.layout)
        if known is not None and going.is_plain:
            result = known.take(going.values)
            if result is not MISSED:
                self.resting.misses, self.last = 0, known.shortcut.hot.last
                return result
        entrance = self.entrances.get(going.layout.key)
        if entrance is None:
            entrance = self.entrances.setdefault(going.layout.key, Entrance(going.layout))
        if entrance.shortcuts:
            result = self.cut_short(entrance, going.values, (), going)
            if result is not MISSED:
                return result
        run = going.run = Run(going.values)
        candidates = entrance.entries.get(entrance.key(going.values))
        segment = select(candidates, run) if candidates else None
        if segment is None:
            entrance.misses += 1
            if entrance.misses > UNSTABLE:
                code, position, *_ = going.layout.frames[-1]
                self.hopeless.add((code, position))
            self.count_differing(entrance)
            return self.record_from(entrance, going, run)
        if entrance.misses:
            entrance.misses -= 1
        if going.came is not None and going.came[0] is segment:
            reason = count_return(*going.came, going.values, going.turns)
            if reason:
                self.unmerged[going.layout.line] = reason
            head = self.heads.get(going.layout.place)
            if reason and not segment.cycles and not (head is not None and head.within):
                # then many turns in a row are better than one at a time
                self.record_in_a_row(going.layout, reason, entrance)
        turned = turn(segment, run, going)
        if turned is not None:
            self.count_native_run(going.layout, going.turns)
            if turned.turned is not None:
                self.pass_by(going, (segment, turned.turned, turned.taken), turned)
            return turned
        result = self.replay(entrance, segment, run)
        going.came_to(self.last)
        return result

    def replay(self, entrance: Entrance, segment: Segment, run: Run) -> Any:
        """Follow the graph from `segment`, and record on where it ends."""
        missed = result = None
        try:
            result = follow(segment, run)
        except Miss as miss:
            missed = miss.with_traceback(None)
        if missed is not None:
            # outside of the handler, which would be the context of what the user's code raises
            return self.record_on(entrance, missed, run)
        self.resting.misses = 0
        self.last = run.last
        for hot in [each for each in segment.hot if not each.is_tried]:
            add_shortcut(entrance, segment, hot)
        return result

    def tell(self, recorder: Recorder, entrance: Entrance) -> None:
        """Tell a recorder what is known of the function and of the place where it begins."""
        recorder.varying = entrance.varying
        recorder.hopeless = self.hopeless
        recorder.heads = self.heads
        # what may not begin anew in front of an exit has no exit if its turns are in a row
        recorder.first_turns = max(min(config.unroll, config.first_turns), 1)
        if self.fullgraph:
            recorder.first_turns = config.unroll
        if entrance.layout is not None:
            recorder.began_at = entrance.layout.place
            recorder.leaves_long_lists = not self.fullgraph

    def recorder_at(self, entrance: Entrance, run: Run, names: tuple = ()) -> tuple:
        """Return a recorder that begins with the arguments of a run, and their origins."""
        values = run.arguments
        self.notes.miss_at_entrance(self.calls, entrance, values, names)
        entrance.learn(run, entrance.entries.get(entrance.key(values, names), []))
        entrance.learn_arguments(values)
        attach = entrance.entries.setdefault(entrance.key(values, names), []).append
        recorder = Recorder(run, PathState(), attach)
        self.tell(recorder, entrance)
        if config.verify and self.checks is None:
            self.checks = Checks()
        waits = entrance.layout is not None and entrance.layout.place in self.heads
        recorder.begin_segment(Segment(None, 0, self.checks, waits, entrance.layout is not None))
        recorder.arrivals = recorder.segment.arrivals
        if entrance.layout is not None:
            # the first turn is not counted
            visits = recorder.path.visits
            visits[entrance.layout.place] = visits["known", entrance.layout.place] = -1
        origins = [recorder.take_argument(i, each) for i, each in enumerate(values)]
        recorder.evaluator = Evaluator(recorder)
        return recorder, origins

    def record_call(self, args: tuple, kwargs: dict, run: Run) -> Any:
        """Run the call by evaluation and record it from its beginning."""
        lock, code = self.lock, self.code
        if code is None or not lock.acquire(blocking=False):
            # it may be another one by now
            return self.function(*args, **kwargs)
        try:
            recorder, origins = self.recorder_at(self.entrance, run, tuple(kwargs))
            count = len(args)
            named = dict(zip(kwargs, origins[count:]))
            held, found = bind_arguments(
                recorder, code, self.function, args, origins[:count], kwargs, named
            )
            run.frames = frames = [Frame(code, self.function, 0, held, found, KNOWN)]
            recorder.evaluator.frames = frames
            recorder.start_here()
            return self.evaluate(recorder, frames)
        finally:
            lock.release()

    def record_from(self, entrance: Entrance, going: Going, run: Run) -> Any:
        """Go on by evaluation from a place in the code, and record that."""
        lock = self.lock
        if not lock.acquire(blocking=False):
            return going.finish()
        try:
            for position, number in going.earlier.items():
                entrance.integers.setdefault(position, number)
            recorder, origins = self.recorder_at(entrance, run)
            adopt = recorder.adopt_iterator
            frames, _ = going.layout.frames_with(going.values, origins, adopt)
            run.frames = frames
            recorder.evaluator.frames = frames
            recorder.start_here()
            return self.evaluate(recorder, frames)
        finally:
            lock.release()

    def record_on(self, entrance: Entrance, miss: Miss, run: Run) -> Any:
        """Go on by evaluation from where a replay did not know the way, and record that."""
        branch = miss.branch
        if (
            branch.slot is not None
            and len(branch.outcomes) >= config.max_outcomes
            and miss.outcome not in branch.outcomes
        ):
            # too many to know them all: Python decides, and the call goes on from there
            frames = frames_of(run, branch.snapshot, miss.segment, None)
            layout = Layout.of_frames(frames, [])
            run.going = Going(layout, layout.values_of(frames), performs=True)
            return run.going
        if branch.outcomes.get(miss.outcome):
            self.count_differing(entrance)
        path = branch.snapshot.state.copy()
        lock = self.lock
        recording = lock.acquire(blocking=False)
        try:
            if not recording:
                frames = frames_of(run, branch.snapshot, miss.segment, None)
                return Evaluator(Operations()).resume(frames)
            self.notes.miss_at_site(self.calls, entrance, miss, run)
            entrance.learn(run, branch.outcomes.get(miss.outcome, []))
            attach = branch.outcomes.setdefault(miss.outcome, []).append
            recorder = Recorder(run, path, attach)
            self.tell(recorder, entrance)
            segment = Segment(miss.segment, path.slots)
            segment.start = recorder.start = branch.snapshot
            recorder.begin_segment(segment)
            recorder.arrivals = segment.path()[0].arrivals
            recorder.evaluator = Evaluator(recorder)
            frames = frames_of(run, branch.snapshot, miss.segment, recorder)
            if branch.slot is not None:
                recorder.begin_behind(branch.slot)
            return self.evaluate(recorder, frames)
        finally:
            if recording:
                lock.release()

    def evaluate(self, recorder: Recorder, frames: list[Frame]) -> Any:
        """Evaluate from `frames` with `recorder`, and take what it recorded."""
        began = time.perf_counter()
        state.recorder = recorder
        raised = True
        try:
            result = recorder.evaluator.resume(frames)
            raised = False
        except Leave:
            # the rest is a call of its own
            result = recorder.run.going = Going.on_from(recorder.evaluator, recorder.earlier)
            raised = False
        except BaseException as error:
            if recorder.active:
                recorder.abandon(f"{type(error).__name__} was raised")
            raise
        finally:
            state.recorder = None
            self.record_seconds += time.perf_counter() - began
            self.take(recorder, raised)
            if not raised:
                recorder.evaluator.let_go()
            # which is part of a cycle: what it holds is to end with the call
            vars(recorder).clear()
        return result

    def take(self, recorder: Recorder, raised: bool) -> None:
        """Take what was recorded.

        With `fullgraph` an exit is an error, unless the user's code `raised` one itself.
        """
        # what raises may do so at the next call, too: no reason to give up
        self.traces += not recorder.stalled
        self.recorded_by = threading.get_ident()
        self.segments.extend(recorder.segments)
        last = recorder.segments[-1] if recorder.segments else None
        if last is not None:
            self.ended = last.end.line
        end = None if last is None else last.end
        if self.fullgraph and not raised and isinstance(end, (Exit, Evaluate)):
            file, line = end.line
            self.forget()
            raise CompileError(
                f"{self.function.__qualname__} cannot be compiled as a whole: {end.reason} at "
                f"{file}:{line}; without fullgraph=True this part runs in Python"
            )
