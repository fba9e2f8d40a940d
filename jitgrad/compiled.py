"""`compile`: the decorator, and what it makes of a function."""

from __future__ import annotations

import functools
import threading
import time
import types
import warnings
from collections.abc import Callable
from typing import Any

from jitgrad import config
from jitgrad.errors import CompileError
from jitgrad.explain import Explanation
from jitgrad.graph.entrance import Entrance, Going
from jitgrad.graph.lookups import type_lookup
from jitgrad.graph.origins import KNOWN
from jitgrad.graph.recorder import Recorder
from jitgrad.graph.replay import Miss, follow, frames_of, select
from jitgrad.graph.run import Run
from jitgrad.graph.segment import Exit, PathState, Segment
from jitgrad.graph.verify import Checks
from jitgrad.modes import state
from jitgrad.python.binding import bind_arguments
from jitgrad.python.code import Code, Unlowerable
from jitgrad.python.evaluate import Evaluator
from jitgrad.python.frames import Frame
from jitgrad.python.lower import code_for
from jitgrad.python.operations import Leave, Operations


class Graph:
    """All that is known of one function: its segments by entry key.

    Attributes:
        entrance: where calls begin.
        entrances: where they go on behind the turns of long loops, by place.
        segments: all segments, in the order of their recording.
        traces: how many recordings were made.
        reason: why the function runs eagerly, empty if it does not.
        checks: what has been checked, None if nothing is.
    """

    def __init__(self, function: Any, fullgraph: bool, verify: bool) -> None:
        self.function = function
        self.checks = Checks() if verify else None
        self.fullgraph = fullgraph
        self.entrance = Entrance()
        self.entrances: dict[Any, Entrance] = {}
        self.segments: list[Segment] = []
        self.traces = 0
        self.calls = 0
        self.misses = 0
        self.record_seconds = 0.0
        self.last: Segment | None = None
        self.reason = ""
        self.lock = threading.Lock()
        self.code: Code | None = None
        self.lowered: types.CodeType | None = None

    def lower(self) -> None:
        """Lower the function to register code, or note why it cannot be."""
        python = self.function.__code__
        code, reason = None, ""
        try:
            code = code_for(self.function)
        except Unlowerable as why:
            reason = why.reason
            if self.fullgraph:
                raise CompileError(
                    f"{self.function.__qualname__} cannot be compiled: {why}; "
                    "without fullgraph=True it runs eagerly"
                ) from None
        self.forget()
        self.code, self.reason = code, reason
        # last, since other threads go on as soon as they see it
        self.lowered = python

    def forget(self) -> None:
        """Drop everything that was recorded."""
        self.entrance = Entrance()
        self.entrances.clear()

    def call(self, args: tuple, kwargs: dict) -> Any:
        """Call the function: replay what is known, record what is not."""
        if self.lowered is not self.function.__code__:
            self.lower()
        if self.reason or config.eager or state.forced_eager or state.recorder is not None:
            return self.function(*args, **kwargs)
        self.calls += 1
        entrance, values, names = self.entrance, [*args, *kwargs.values()], tuple(kwargs)
        run = Run(values)
        key = entrance.key(values, names)
        candidates = entrance.entries.get(key)
        segment = select(candidates, run) if candidates else None
        if segment is None:
            result = self.record_call(args, kwargs)
        else:
            result = self.replay(entrance, segment, run)
        while type(result) is Going:
            result = self.go_on(result)
        return result

    def go_on(self, going: Going) -> Any:
        """Go on with a call from a place in the code, by replay or recording."""
        entrance = self.entrances.get(going.layout.key)
        if entrance is None:
            entrance = self.entrances.setdefault(going.layout.key, Entrance(going.layout))
        if self.reason:
            return Evaluator(Operations()).resume(going.frames())
        run = Run(going.values)
        candidates = entrance.entries.get(entrance.key(going.values))
        segment = select(candidates, run) if candidates else None
        if segment is None:
            return self.record_from(entrance, going)
        return self.replay(entrance, segment, run)

    def replay(self, entrance: Entrance, segment: Segment, run: Run) -> Any:
        """Follow the graph from `segment`, and record on where it ends."""
        missed = result = None
        try:
            result = follow(segment, run)
        except Miss as miss:
            missed = miss
        if missed is not None:
            # outside of the handler, which would be the context of what the user's code raises
            return self.record_on(entrance, missed, run)
        self.misses = 0
        self.last = run.last
        return result

    def recorder_at(self, entrance: Entrance, values: list, names: tuple = ()) -> tuple:
        """Return a recorder that begins with `values`, and their origins."""
        run = Run(values)
        entrance.learn(run, entrance.entries.get(entrance.key(values, names), []))
        entrance.learn_arguments(values)
        attach = entrance.entries.setdefault(entrance.key(values, names), []).append
        recorder = Recorder(run, PathState(), attach)
        recorder.varying = entrance.varying
        if config.verify and self.checks is None:
            self.checks = Checks()
        recorder.begin_segment(Segment(None, 0, self.checks))
        origins = [recorder.take_argument(i, each) for i, each in enumerate(values)]
        recorder.evaluator = Evaluator(recorder)
        return recorder, origins

    def record_call(self, args: tuple, kwargs: dict) -> Any:
        """Run the call by evaluation and record it from its beginning."""
        if not self.lock.acquire(blocking=False):
            return self.function(*args, **kwargs)
        try:
            assert self.code is not None
            values = [*args, *kwargs.values()]
            recorder, origins = self.recorder_at(self.entrance, values, tuple(kwargs))
            count = len(args)
            named = dict(zip(kwargs, origins[count:]))
            held, found = bind_arguments(
                recorder, self.code, self.function, args, origins[:count], kwargs, named
            )
            frames = [Frame(self.code, self.function, 0, held, found, KNOWN)]
            recorder.evaluator.frames = frames
            recorder.start_here()
            return self.evaluate(recorder, frames)
        finally:
            self.lock.release()

    def record_from(self, entrance: Entrance, going: Going) -> Any:
        """Go on by evaluation from a place in the code, and record that."""
        if not self.lock.acquire(blocking=False):
            return Evaluator(Operations()).resume(going.frames())
        try:
            recorder, origins = self.recorder_at(entrance, going.values)
            frames = going.layout.frames_with(going.values, origins)
            recorder.evaluator.frames = frames
            recorder.start_here()
            return self.evaluate(recorder, frames)
        finally:
            self.lock.release()

    def record_on(self, entrance: Entrance, miss: Miss, run: Run) -> Any:
        """Go on by evaluation from where a replay did not know the way, and record that."""
        branch = miss.branch
        path = branch.snapshot.state.copy()
        recording = self.lock.acquire(blocking=False)
        try:
            if not recording:
                frames = frames_of(run, branch.snapshot, miss.segment, None)
                return Evaluator(Operations()).resume(frames)
            entrance.learn(run, branch.outcomes.get(miss.outcome, []))
            attach = branch.outcomes.setdefault(miss.outcome, []).append
            recorder = Recorder(run, path, attach)
            recorder.varying = entrance.varying
            segment = Segment(miss.segment, path.slots)
            segment.start = recorder.start = branch.snapshot
            recorder.begin_segment(segment)
            recorder.resuming = branch.slot is not None
            recorder.evaluator = Evaluator(recorder)
            frames = frames_of(run, branch.snapshot, miss.segment, recorder)
            return self.evaluate(recorder, frames)
        finally:
            if recording:
                self.lock.release()

    def evaluate(self, recorder: Recorder, frames: list[Frame]) -> Any:
        """Evaluate from `frames` with `recorder`, and take what it recorded."""
        began = time.perf_counter()
        state.recorder = recorder
        raised = True
        try:
            result = recorder.evaluator.resume(frames)
            raised = False
        except Leave:
            # at the head of a loop that has turned often enough: the rest is a call of its own
            layout: Any = recorder.going_on
            result = Going(layout, layout.values_of(recorder.evaluator.frames))
            raised = False
        except BaseException as error:
            if recorder.active:
                recorder.abandon(f"{type(error).__name__} was raised")
            raise
        finally:
            state.recorder = None
            self.record_seconds += time.perf_counter() - began
            self.take(recorder, raised)
        return result

    def take(self, recorder: Recorder, raised: bool) -> None:
        """Take what was recorded; give up where it does not pay.

        With `fullgraph` an exit is an error, unless the user's code `raised` one itself.
        """
        self.traces += 1
        self.misses += 1
        self.segments.extend(recorder.segments)
        last = recorder.segments[-1] if recorder.segments else None
        if self.fullgraph and not raised and last is not None and isinstance(last.end, Exit):
            file, line = last.end.line
            self.forget()
            raise CompileError(
                f"{self.function.__qualname__} cannot be compiled as a whole: "
                f"{last.end.reason} at {file}:{line}; without fullgraph=True this part runs in "
                "Python"
            )
        if len(self.segments) > config.max_segments or self.misses > config.max_misses:
            file, line = ("?", 0) if last is None else last.end.line
            what = (
                f"{len(self.segments)} segments"
                if len(self.segments) > config.max_segments
                else f"{self.misses} calls in a row had to be recorded"
            )
            self.reason = f"{what}; the last one ended at {file}:{line}"
            self.forget()
            warnings.warn(
                f"jitgrad.compile: {self.function.__qualname__} runs eagerly from now on: "
                f"{self.reason}. Values that differ at every call and decide what Python does "
                "make new traces: lengths, names, integers that are sizes or positions. Keep them "
                "out of the function, or raise jitgrad.config.max_segments and max_misses.",
                stacklevel=4,
            )


class CompiledFunction:
    """A function that records what it does and replays it natively; made by `jitgrad.compile`.

    Attributes:
        trace: what was recorded, printed as Python that runs.
        kernels: the sources of the generated kernels.
    """

    def __init__(self, function: Any, fullgraph: bool, verify: bool = False) -> None:
        functools.update_wrapper(self, function)
        self.__compiled_function__ = function
        self.graph = Graph(function, fullgraph, verify)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.graph.call(args, kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def explain(self) -> Explanation:
        """Return what ran where and why: segments, guards, kernels, times, exits.

        Example:
            >>> import jitgrad
            >>> @jitgrad.compile
            ... def double(x):
            ...     return x * 2
            >>> double(jitgrad.tensor(2.0)), double(jitgrad.tensor(3.0))
            (tensor(4.), tensor(6.))
            >>> double.explain().traces
            1
        """
        return Explanation(self.graph)

    @property
    def trace(self) -> str:
        """What was recorded, as Python that runs."""
        return self.explain().trace()

    @property
    def kernels(self) -> tuple[str, ...]:
        """The sources of the generated kernels."""
        return tuple(each.source for each in self.explain().kernel_list)

    def __repr__(self) -> str:
        return f"<compiled {self.graph.function.__qualname__}>"


def _compiled_object(obj: Any, fullgraph: bool, verify: bool = False) -> Any:
    """Return an object that is called compiled and is `obj` in everything else.

    The two share their attributes: one `__dict__`. A class of its own, derived from that of
    `obj`, holds the compiled call.
    """
    kind = type(obj)
    call = type_lookup(kind, "__call__")
    compiled = CompiledFunction(call, fullgraph, verify)

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        return compiled(obj, *args, **kwargs)

    __call__.__compiled_function__ = call  # type: ignore[attr-defined]
    __call__.__compiled_object__ = obj  # type: ignore[attr-defined]
    names = {
        "__call__": __call__,
        "__reduce_ex__": lambda self, protocol: (_compiled_object, (obj, fullgraph, verify)),
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__doc__": kind.__doc__,
        "explain": lambda self: compiled.explain(),
        "trace": property(lambda self: compiled.trace),
        "kernels": property(lambda self: compiled.kernels),
    }
    metaclass: Any = type(kind)
    made = object.__new__(metaclass(kind.__name__, (kind,), names))
    object.__setattr__(made, "__dict__", obj.__dict__)
    return made


def compile(function: Callable | None = None, *, fullgraph: bool = False) -> Any:
    """Compile a function by recording what it does; use it as a decorator or call it.

    The first call runs the function and records its operations; later calls replay them in
    native kernels. Python control flow on values is guarded, and recorded anew for each way that
    it takes. What cannot be compiled runs in Python, in its place: `explain()` says what and why.

    Args:
        function: a Python function or method; or a module, or another object with a `__call__`
            written in Python and attributes in a `__dict__`: then the result is an object of the
            same class with the same attributes, that is called compiled.
        fullgraph: raise `CompileError` instead of running anything in Python.

    Raises:
        TypeError: `function` is nothing of this kind.
        CompileError: with `fullgraph`, when something cannot be compiled.

    Example:
        >>> import jitgrad
        >>> @jitgrad.compile
        ... def grow(x):
        ...     while x.norm() < 100:
        ...         x = x * 2
        ...     return x
        >>> grow(jitgrad.tensor([3.0, 4.0]))
        tensor([ 96., 128.])
    """
    if function is None:
        return functools.partial(compile, fullgraph=fullgraph)
    if hasattr(_called(function), "__compiled_function__"):
        return function
    return _compiled("compile", function, fullgraph, False)


def verify(function: Callable | None = None, *, fullgraph: bool = False) -> Any:
    """Compile a function so that it checks itself: for tests, and for finding what is wrong.

    Whatever a replay runs natively, backward passes included, is also performed step by step with
    the NumPy implementations of the operations, on copies of the same inputs. All results are
    compared: dtypes, shapes, strides and places in memory, integers and booleans exactly, floats
    as closely as the order and the fusion of their operations allow (see `jitgrad.graph.verify`).
    Effects happen once. With `JITGRAD_VERIFY=1` in the environment, or `jitgrad.config.verify`
    set before functions are first called, all compiled functions do so.

    Args:
        function: what `compile` takes, or what it returned; that is left as it is.
        fullgraph: as for `compile`.

    Raises:
        TypeError: `function` is nothing of this kind.
        VerificationError: at a call or in a backward pass, where the two differ; it names the line,
            the step, and both values.

    Example:
        >>> import jitgrad
        >>> @jitgrad.verify
        ... def halve(x):
        ...     while x.sum() > 1:
        ...         x = x / 2
        ...     return x
        >>> for _ in range(3):
        ...     result = halve(jitgrad.tensor([3.0, 4.0]))
        >>> halve.explain().checked_runs
        10
    """
    if function is None:
        return functools.partial(verify, fullgraph=fullgraph)
    called = _called(function)
    plain: Any = function
    if hasattr(called, "__compiled_object__"):
        plain = called.__compiled_object__
    elif isinstance(function, types.MethodType) and isinstance(function.__func__, CompiledFunction):
        plain = types.MethodType(function.__func__.__compiled_function__, function.__self__)
    elif isinstance(function, CompiledFunction):
        plain = function.__compiled_function__
    return _compiled("verify", plain, fullgraph, True)


def _called(function: Any) -> Any:
    """Return what is called where `function` is."""
    if isinstance(function, (CompiledFunction, types.FunctionType)):
        return function
    if isinstance(function, types.MethodType):
        return function.__func__
    return type_lookup(type(function), "__call__")


def _compiled(name: str, function: Any, fullgraph: bool, verify: bool) -> Any:
    if isinstance(function, types.FunctionType):
        return CompiledFunction(function, fullgraph, verify)
    call = _called(function)
    if isinstance(call, types.FunctionType):
        if isinstance(function, types.MethodType):
            made = CompiledFunction(call, fullgraph, verify)
            return types.MethodType(made, function.__self__)
        if type(getattr(function, "__dict__", 0)) is dict:
            return _compiled_object(function, fullgraph, verify)
    raise TypeError(
        f"{name}: got a {type(function).__name__}; only Python functions, methods and "
        "objects called by a Python method can be compiled; wrap it in a function"
    )
