"""The machine that runs register code.

One loop runs all evaluated frames, so that evaluated calls take no Python stack. Each instruction
is one call of a function in `steps` and at most one operation that has an effect; a register is
written only after that has succeeded.

With plain `Operations` an arithmetic instruction takes some 220 ns, a call of a C function 1 µs, an
evaluated call with its return 3 µs, an exception raised and caught 10 µs (its traceback has an
entry made for it), measured on one core of a shared server under Python 3.11.

Limits: frames below the innermost one are not Python frames, so that `warnings.warn` with a
`stacklevel` above 1, `inspect.stack()` and the like see the evaluator there, and trace functions
(`sys.settrace`) see nothing of evaluated code. Before Python 3.12 CPython gives a list, set or dict
comprehension a traceback entry of its own; here, as later there, it is part of its function. What a
temporary holds lives until the register is used again or a `del`, a handler or a loop is left, so
that a finalizer may run later than under CPython.

Not evaluated, but performed by CPython: bodies of classes, coroutines and asynchronous generators,
functions that ask for their own frame (`locals()`, `eval`, `exec`, `sys._getframe`), and what an
operation does not answer with `Enter`, nested functions and generators among them.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from types import FunctionType
from typing import Any, Final

from .code import Code, Instruction, Op
from .frames import INTERNAL_FILES, UNBOUND, Frame, shown, traceback_entry
from .generators import Yielded, generator_over
from .operations import Enter, GiveBack, HandOut, Leave, Operations, Resume, bind_arguments
from .steps import BEGUN, RETURNED, STEPS, WRITING, YIELDED, Step, raise_as_is

__all__ = ["UNBOUND", "Evaluator", "Frame", "give_frames_back"]

_UNSEEN: Final = frozenset(
    {Op.CONST, Op.MOVE, Op.UNBIND, Op.FORGET, Op.JUMP, Op.RETURN, Op.RERAISE}
)
"""Instructions that run no code which could ask for the exception being handled.

What is raised again must not get that for its context.
"""

ATTEMPTS: Final = 3
"""How often an evaluator goes on where something was raised between two instructions."""


class Evaluator:
    """Runs register code with `operations`.

    `frames` is the stack, outermost first. An operation may replace `operations` at any time: the
    next instruction goes to the new one.
    """

    def __init__(self, operations: Operations) -> None:
        self.operations = operations
        self.frames: list[Frame] = []
        self.steps: list[Step] = STEPS
        """By instruction; an instance may be given other ones, to watch or to stop."""
        self._room: int | None = None

    def call(self, code: Code, function: FunctionType, *args: Any, **kwargs: Any) -> Any:
        """Run `function` with these arguments, whose origins are None."""
        values, origins = bind_arguments(
            self.operations,
            code,
            function,
            args,
            [None] * len(args),
            kwargs,
            dict.fromkeys(kwargs),
        )
        return self.run(code, function, values, origins)

    def run(
        self,
        code: Code,
        function: FunctionType,
        values: list[Any],
        origins: list[Any],
        function_origin: Any = None,
    ) -> Any:
        """Run a call that begins with these registers (see `bind_arguments`), to its result."""
        return self._run([Frame(code, function, 0, values, origins, function_origin)], None, None)

    def resume(
        self,
        frames: list[Frame],
        *,
        answer: tuple[Any, Any] | None = None,
        exception: BaseException | None = None,
    ) -> Any:
        """Go on from a stack of frames, outermost first, and return what the outermost returns.

        The top frame goes on *before* the instruction at its pc; that of each caller is the
        instruction that waits for its callee. With `answer`, a value and its origin, the top
        instruction completes with that instead of being performed; with `exception` it raises.
        The value is the truth for a jump, a list of (value, origin) for an `unpack`, and a
        StopIteration ends an `advance`.
        """
        handled: BaseException | None = None
        for frame in frames:
            frame.inherited = handled
            handled = frame.handled()
        return self._run(frames, answer, exception)

    def let_go(self) -> None:
        """Hold no frames any longer: the call has ended, or goes on in others."""
        for each in self.frames:
            if each.generator is None:
                each.clear()
        self.frames = []

    def _run(
        self,
        frames: list[Frame],
        answer: tuple[Any, Any] | None,
        exception: BaseException | None,
    ) -> Any:
        before = self.frames
        self.frames = frames
        self._room = None
        left = ATTEMPTS
        try:
            while True:
                left -= 1
                try:
                    if answer is not None:
                        pair, answer = answer, None
                        _complete(frames[-1], *pair)
                    if isinstance(exception, StopIteration) and _exhaust(frames[-1]):
                        exception = None
                    result = self._result(exception)
                    break
                except Leave:
                    raise
                except BaseException as error:
                    if frames[0].is_over or not left:
                        self.frames = before
                        raise
                    exception = error  # an interrupt that came between two instructions
        finally:
            exception = None  # whose traceback has this frame
        self.frames = before
        return result

    def _result(self, exception: BaseException | None) -> Any:
        try:
            return self._loop(exception)
        except GiveBack:
            self.operations.begin_again(self)
        # outside of the handler, which would be the context of what is raised
        give_frames_back(self.frames)
        return self._loop(None)

    def _loop(self, pending: BaseException | None) -> Any:
        frames = self.frames
        try:
            while True:
                frame = frames[-1]
                values, origins = frame.values, frame.origins
                instructions = frame.code.instructions
                handled = frame.handled()
                try:
                    if pending is not None:
                        raising, pending = pending, None
                        raise_as_is(raising)
                    while True:
                        instruction = instructions[frame.pc]
                        step, ops = self.steps[instruction[0]], self.operations
                        if handled is None or instruction[0] in _UNSEEN:
                            answer = step(ops, frame, instruction)
                        else:
                            answer = _step_handling(
                                handled, step, self.operations, frame, instruction
                            )
                        if answer is None:
                            frame.pc += 1
                        elif answer.__class__ is tuple:
                            register = instruction[1]
                            values[register], origins[register] = answer
                            frame.pc += 1
                        elif answer.__class__ is int:
                            frame.pc = answer
                        else:
                            break
                        if handled is not None:
                            handled = frame.handled()
                    if answer is RETURNED:
                        register = instruction[1]
                        if len(frames) == 1:
                            return self._finish(frame, register)
                        self._return(values[register], origins[register])
                    elif answer is YIELDED:
                        if len(frames) == 1:
                            return Yielded.at(frame)
                        self._hand_out(values[instruction[2]], origins[instruction[2]])
                    elif answer.__class__ is HandOut:
                        self._hand_out(answer.value, answer.origin)
                    elif answer is BEGUN:
                        _complete(frame, *self.operations.make_generator(_suspended(frame), _make))
                    else:
                        pending = self._enter(answer, handled)
                except Leave:
                    raise
                except BaseException as exception:
                    if frames[0].is_over:
                        raise
                    left = self._handle(exception)
                    if left is exception:
                        raise
                    if left is not None:
                        raise_as_is(left)
        finally:
            # their tracebacks may have this frame, behind those of callees, too
            raising = handled = left = pending = None

    def _finish(self, frame: Frame, register: int) -> Any:
        value = frame.values[register]
        self.operations.finished(value, frame.origins[register])
        frame.clear()
        return value

    def _return(self, value: Any, origin: Any) -> None:
        """Take the frame at hand off, and complete what waits for it."""
        frame = self.frames[-1]
        if frame.generator is not None:
            self._end_generator(value, origin)
            return
        caller = self.frames[-2]
        if caller.code.instructions[caller.pc][0] == Op.UNPACK:
            value, origin = self.operations.parts_of(value, origin), None
        _complete(caller, value, origin)
        self.frames.pop().clear()

    def _hand_out(self, value: Any, origin: Any) -> None:
        """Let the generator at hand wait, and complete what waits for its item."""
        frames = self.frames
        while True:
            frames.pop().generator.waits()
            instruction = frames[-1].code.instructions[frames[-1].pc]
            if instruction[0] != Op.YIELD_FROM:
                break
        _complete(frames[-1], value, origin)

    def _end_generator(self, value: Any, origin: Any) -> None:
        """Complete what waits for a generator that returns."""
        frames = self.frames
        frames.pop().generator.ends()
        frame = frames[-1]
        if _exhaust(frame):
            return
        instruction = frame.code.instructions[frame.pc]
        if instruction[0] == Op.YIELD_FROM:
            frame.generator.delegate = None
            _complete(frame, value, origin)
            return
        _, _, callee, arguments, *_ = instruction
        if frame.values[callee] is next and len(arguments) == 2:
            _complete(frame, frame.values[arguments[1]], frame.origins[arguments[1]])
            return
        stop = self.operations.stop_iteration(value, origin)
        stop.__context__ = frame.handled()
        raise stop

    def _go_on(self, answer: Resume, handled: BaseException | None) -> BaseException | None:
        """Go on in the frame of a generator; return what is to be raised there."""
        frame = answer.frame
        self._make_room()
        frame.inherited = handled
        self.frames.append(frame)
        generator = frame.generator
        generator.is_running = True
        if answer.exception is not None:
            _give_context(answer.exception, frame)
        elif generator.has_begun and generator.delegate is None:
            _complete(frame, answer.value, answer.origin)
        generator.has_begun = True
        generator.was_thrown = answer.exception is not None
        return answer.exception

    def _make_room(self) -> None:
        """Raise RecursionError if there are too many frames for one more."""
        frames = self.frames
        if self._room is None:
            depth = 0
            below = sys._getframe()
            while below is not None:
                depth += 1
                below = below.f_back
            self._room = depth
        if len(frames) + self._room > sys.getrecursionlimit():
            raise RecursionError("maximum recursion depth exceeded")

    def _enter(self, answer: Enter | Resume, handled: BaseException | None) -> BaseException | None:
        """Push the frame of a call or of a generator; return what is to be raised there."""
        if isinstance(answer, Resume):
            return self._go_on(answer, handled)
        self._make_room()
        new = Frame(
            answer.code,
            answer.function,
            0,
            answer.values,
            answer.origins,
            answer.function_origin,
        )
        new.inherited = handled
        self.frames.append(new)
        return None

    def _handle(self, exception: BaseException) -> BaseException | None:
        """Go to the handler of an exception; return what is to be raised if there is none.

        The frames without one are taken off, and each leaves its entry in the traceback, except
        where the exception is only raised again.
        """
        frames = self.frames
        hidden = INTERNAL_FILES | self.operations.internal_files
        entries = shown(exception.__traceback__, hidden)
        instruction = frames[-1].code.instructions[frames[-1].pc]
        again = instruction[0] == Op.RERAISE
        if instruction[0] == Op.RAISE and instruction[1] is None:
            # If new, it says that there is none to be raised again.
            again = entries is not None or exception is frames[-1].handled()
        exception.__traceback__ = entries
        self.operations.raised(exception)
        while True:
            frame = frames[-1]
            if not again and frame.code.filename not in hidden:
                entries = traceback_entry(frame, entries)
            again = False
            exception.__traceback__ = entries
            entry = frame.code.handlers[frame.pc]
            if entry is not None:
                target, register = entry
                origin = self.operations.handle(exception)
                frame.values[register], frame.origins[register] = exception, origin
                frame.pc = target
                return None
            if len(frames) == 1:
                frame.clear()
                return exception
            frames.pop().clear()
            if frame.generator is not None:
                frame.generator.ends()
                if isinstance(exception, StopIteration):
                    exception, entries = self.operations.stopped_inside(exception), None
                if frames[-1].generator is not None:
                    frames[-1].generator.delegate = None
            elif isinstance(exception, StopIteration) and _exhaust(frames[-1]):
                return None


def _give_context(thrown: BaseException, frame: Frame) -> None:
    """Give an exception the context that it gets where the generator of `frame` waits."""
    handling = frame.code.handled[frame.pc]
    if handling < 0:
        return
    entries = thrown.__traceback__
    try:
        raise_as_is(frame.values[handling])
    except BaseException:
        try:
            raise thrown
        except BaseException:
            thrown.__traceback__ = entries


def give_frames_back(frames: list[Frame]) -> None:
    """Let generators run their frames, and those above them, by themselves from here on.

    Whoever waits for one of them performs the instruction again that resumes it.
    """
    for at in range(len(frames) - 1, 0, -1):
        if frames[at].generator is not None:
            frames[at].generator.take_back(frames[at + 1 :])
            del frames[at:]


def _suspended(frame: Frame) -> Frame:
    """Return a frame of its own for the generator, in which nothing refers to that."""
    target = frame.code.instructions[frame.pc][2]
    values, origins = list(frame.values), list(frame.origins)
    return Frame(frame.code, frame.function, target, values, origins, frame.function_origin)


def _make(frame: Frame, operations: Operations) -> Generator[Any, Any, Any]:
    """Return the generator that evaluates `frame` with `operations`."""
    evaluator = Evaluator(operations)

    def resume(
        frame: Frame, answer: tuple[Any, Any] | None, exception: BaseException | None
    ) -> Any:
        return evaluator.resume([frame], answer=answer, exception=exception)

    return generator_over(frame, resume)


def _step_handling(
    handled: BaseException,
    step: Step,
    operations: Operations,
    frame: Frame,
    instruction: Instruction,
) -> Any:
    """Perform a step while an exception is handled, for whoever asks `sys.exc_info()`.

    What the step raises gets its `__context__` from the interpreter too.
    """
    context, entries = handled.__context__, handled.__traceback__
    try:
        raise handled
    except BaseException:
        handled.__context__ = context
        handled.__traceback__ = entries
        return step(operations, frame, instruction)


def _exhaust(frame: Frame) -> bool:
    """End the loop whose iterator has ended, and tell whether there is one waiting for it."""
    instruction = frame.code.instructions[frame.pc]
    if instruction[0] != Op.ADVANCE:
        return False
    frame.pc = instruction[3]
    return True


def _complete(frame: Frame, value: Any, origin: Any) -> None:
    """Complete the instruction of a caller with what its callee returned."""
    instruction = frame.code.instructions[frame.pc]
    op = instruction[0]
    if op == Op.JUMP_IF_TRUE or op == Op.JUMP_IF_FALSE:
        taken = (value is True) == (op == Op.JUMP_IF_TRUE)
        frame.pc = instruction[2] if taken else frame.pc + 1
        return
    if op == Op.JUMP_UNLESS_CAUGHT:
        frame.pc = frame.pc + 1 if value else instruction[3]
        return
    if op == Op.NOT:
        value = not value
    if op == Op.UNPACK:
        for register, pair in zip(instruction[1], value):
            frame.values[register], frame.origins[register] = pair
    if op in WRITING:
        register = instruction[1]
        frame.values[register], frame.origins[register] = value, origin
    frame.pc += 1
