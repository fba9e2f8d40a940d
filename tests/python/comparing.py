"""Running a function by CPython and by the evaluator, and what of it must agree."""

from __future__ import annotations

import re
import types
from typing import Any

from jitgrad.python.evaluate import UNBOUND, Evaluator, Frame
from jitgrad.python.generators import generator_over
from jitgrad.python.lower import Unlowerable, code_for
from jitgrad.python.operations import Enter, Leave, Operations, bind_arguments

INLINED = ("<listcomp>", "<setcomp>", "<dictcomp>")


class Plain(Operations):
    """Leaves this file out of tracebacks, since the pausing steps are in it."""

    internal_files = frozenset({__file__})


class EnterEverything(Plain):
    """Asks for a new frame whenever a Python function with register code is called.

    Generators are evaluated, too.
    """

    def make_generator(self, frame, make):
        return make(frame, self), None

    def call(self, frame, callee, co, args, arg_origins, kwargs, kwarg_origins):
        if isinstance(callee, types.MethodType):
            args = [callee.__self__, *args]
            arg_origins = [None, *arg_origins]
            callee = callee.__func__
        if isinstance(callee, types.FunctionType):
            try:
                code = code_for(callee, generators=True)
            except Unlowerable:
                pass
            else:
                return Enter(
                    code,
                    callee,
                    *bind_arguments(self, code, callee, args, arg_origins, kwargs, kwarg_origins),
                )
        return super().call(frame, callee, co, args, arg_origins, kwargs, kwarg_origins)


class PausingGenerators(Plain):
    """Evaluates generators with a pause before every instruction."""

    def make_generator(self, frame, make):
        def resume(frame, answer, exception):
            frames[:] = [_only_live(each) for each in frames]
            return _pausing_resume(self, frames, answer, exception)

        frames = [frame]
        return generator_over(frame, resume), None


class PausingEverything(PausingGenerators, EnterEverything):
    pass


def pausing_run(operations: Operations, function: types.FunctionType, *args: Any) -> Any:
    """Run with a pause before every instruction, after which only live registers are left."""
    code = code_for(function, generators=True)
    values, origins = bind_arguments(operations, code, function, args, [None] * len(args), {}, {})
    return _pausing_resume(operations, [Frame(code, function, 0, values, origins)])


def _pausing_resume(
    operations: Operations,
    frames: list[Frame],
    answer: tuple[Any, Any] | None = None,
    exception: BaseException | None = None,
) -> Any:
    """Run to the end or the next `yield`; `frames` are then those that go on from there."""
    while True:
        evaluator = Evaluator(operations)
        evaluator.steps = _one_only(evaluator.steps)
        try:
            return evaluator.resume(frames, answer=answer, exception=exception)
        except Leave:
            frames[:] = [_only_live(frame) for frame in evaluator.frames]
            answer = exception = None


def _one_only(steps):
    """Return steps of which the second to be taken leaves the evaluator."""
    taken = []

    def stopping(step):
        def take(operations, frame, instruction):
            if taken:
                raise Leave
            taken.append(True)
            return step(operations, frame, instruction)

        return take

    return [stopping(step) for step in steps]


def _only_live(frame: Frame) -> Frame:
    values: list[Any] = [UNBOUND] * frame.code.register_count
    origins: list[Any] = [None] * frame.code.register_count
    for register in frame.code.live_at(frame.pc):
        values[register] = frame.values[register]
        origins[register] = frame.origins[register]
    return Frame(frame.code, frame.function, frame.pc, values, origins, frame.function_origin)


def _plain(value: Any) -> str:
    return re.sub(r"0x[0-9a-f]+", "0x", repr(value))


def error_of(exception: BaseException, depth: int = 0) -> tuple[Any, ...]:
    """Return type, message, the lines of the traceback in test files, cause and context."""
    entries = []
    entry = exception.__traceback__
    while entry is not None:
        code = entry.tb_frame.f_code
        if code.co_name in INLINED and entries:  # a function of its own before Python 3.12
            entries[-1] = (entries[-1][0], entry.tb_lineno)
        elif "corpus" in code.co_filename:
            entries.append((code.co_name, entry.tb_lineno))
        entry = entry.tb_next
    if depth > 5:
        return ("deep",)
    return (
        type(exception).__name__,
        _plain(exception.args),
        entries,
        exception.__suppress_context__,
        exception.__cause__ and error_of(exception.__cause__, depth + 1),
        exception.__context__ and error_of(exception.__context__, depth + 1),
    )


def outcome(run, *args) -> tuple[Any, ...]:
    """Return everything that must agree: how the run ended, and its effects in order."""
    log: list[Any] = []
    try:
        end: tuple[Any, ...] = ("value", _plain(run(*args, log)))
    except Exception as exception:
        end = ("error", *error_of(exception))
    return (*end, [_plain(item) for item in log])


def by_evaluator(operations: Operations):
    def run(function, log):
        code = code_for(function, generators=True)
        return Evaluator(operations).call(code, function, log)

    return run


def by_pausing(operations: Operations):
    def run(function, log):
        return pausing_run(operations, function, log)

    return run


def by_cpython(function, log):
    return function(log)


MODES = {
    "base": by_evaluator(Plain()),
    "enter": by_evaluator(EnterEverything()),
    "pausing": by_pausing(PausingGenerators()),
    "entering and pausing": by_pausing(PausingEverything()),
}


def functions_of(module: types.ModuleType) -> list[types.FunctionType]:
    return [
        value
        for name, value in vars(module).items()
        if isinstance(value, types.FunctionType)
        and value.__module__ == module.__name__
        and not name.startswith("_")
    ]
