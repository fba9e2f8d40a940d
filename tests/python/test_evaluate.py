"""The evaluator itself: frames, pausing and going on, operations that answer `Enter`, errors."""

from __future__ import annotations

import sys
import traceback

import pytest

from jitgrad.python.evaluate import UNBOUND, Evaluator, Frame
from jitgrad.python.lower import code_for
from jitgrad.python.operations import (
    Enter,
    Leave,
    Operations,
    bind_arguments,
)
from tests.python import machine
from tests.python.comparing import EnterEverything


def run(operations: Operations, function, *args):
    return Evaluator(operations).call(code_for(function), function, *args)


def entering(function, *args) -> Enter:
    code = code_for(function)
    none = [None] * len(args)
    return Enter(code, function, *bind_arguments(Operations(), code, function, args, none, {}, {}))


class Counting(Operations):
    """Origins are numbers: each operation that has a value gets a new one."""

    def __init__(self):
        self.seen = []

    def constant(self, value):
        return f"constant {value}"

    def binary(self, op, l, lo, r, ro):  # noqa: E741
        self.seen.append((op, lo, ro))
        return super().binary(op, l, lo, r, ro)[0], f"({lo} {op} {ro})"

    def finished(self, value, origin):
        self.seen.append(("finished", value, origin))


def test_origins_travel_with_values() -> None:
    operations = Counting()
    code = code_for(machine.arithmetic)
    result = Evaluator(operations).run(
        code,
        machine.arithmetic,
        *bind_arguments(operations, code, machine.arithmetic, [2, 3], ["a", "b"], {}, {}),
    )
    assert result == machine.arithmetic(2, 3)
    assert operations.seen == [
        ("*", "a", "b"),
        ("+", "(a * b)", "constant 1"),
        ("finished", 7, "((a * b) + constant 1)"),
    ]


def test_registers_show_the_state_before_the_instruction() -> None:
    class Looking(Operations):
        evaluator: Evaluator

        def binary(self, op, l, lo, r, ro):  # noqa: E741
            frame = self.evaluator.frames[-1]
            seen.append((frame.code.describe(frame.pc), dict(frame.locals())))
            return super().binary(op, l, lo, r, ro)

    seen: list = []
    operations = Looking()
    operations.evaluator = Evaluator(operations)
    assert operations.evaluator.call(code_for(machine.rebinding), machine.rebinding, 1) == 22
    assert [state for _, state in seen] == [{"x": 1}, {"x": 11}]


def test_operations_may_be_replaced_while_running() -> None:
    class Once(Operations):
        evaluator: Evaluator

        def binary(self, op, l, lo, r, ro):  # noqa: E741
            calls.append(op)
            self.evaluator.operations = Operations()
            return super().binary(op, l, lo, r, ro)

    calls: list = []
    operations = Once()
    operations.evaluator = Evaluator(operations)
    evaluator = operations.evaluator
    assert evaluator.call(code_for(machine.arithmetic), machine.arithmetic, 2, 3) == 7
    assert calls == ["*"]


def test_leave_keeps_the_frames() -> None:
    class Stopping(EnterEverything):
        def binary(self, op, l, lo, r, ro):  # noqa: E741
            raise Leave

    evaluator = Evaluator(Stopping())
    with pytest.raises(Leave):
        evaluator.call(code_for(machine.outer), machine.outer, 4)
    assert [frame.code.name for frame in evaluator.frames] == ["outer", "inner"]
    assert Evaluator(Operations()).resume(evaluator.frames) == machine.outer(4)


def test_resume_with_an_answer_or_an_exception() -> None:
    class Stopping(Operations):
        def call(self, frame, callee, co, args, arg_origins, kwargs, kwarg_origins):
            if callee is machine.inner:
                raise Leave
            return super().call(frame, callee, co, args, arg_origins, kwargs, kwarg_origins)

    def stopped() -> list[Frame]:
        evaluator = Evaluator(Stopping())
        with pytest.raises(Leave):
            evaluator.call(code_for(machine.guarded), machine.guarded, 4)
        return evaluator.frames

    assert Evaluator(Operations()).resume(stopped()) == machine.guarded(4)
    assert Evaluator(Operations()).resume(stopped(), answer=(50, None)) == ("value", 50)
    error = ValueError("instead")
    result = Evaluator(Operations()).resume(stopped(), exception=error)
    assert result == ("error", "instead", None)


def test_resume_an_iteration_and_an_unpacking() -> None:
    class Stopping(Operations):
        def advance(self, it, io):
            raise Leave

        def unpack(self, x, xo, before, has_star, after):
            raise Leave

    def stopped(function) -> list[Frame]:
        evaluator = Evaluator(Stopping())
        with pytest.raises(Leave):
            evaluator.call(code_for(function), function, [(1, 2), (3, 4)])
        return evaluator.frames

    plain = Evaluator(Operations())
    assert plain.resume(stopped(machine.loop)) == [(1, 2), (3, 4)]
    assert plain.resume(stopped(machine.loop), answer=(9, None)) == [9, (1, 2), (3, 4)]
    assert plain.resume(stopped(machine.loop), exception=StopIteration()) == []
    with pytest.raises(KeyError):
        plain.resume(stopped(machine.loop), exception=KeyError())
    pairs = [(5, None), (6, None)]
    assert plain.resume(stopped(machine.unpacking), answer=(pairs, None)) == (5, 6)


@pytest.mark.parametrize("value", [0, 3])
def test_any_operation_may_enter(value: int) -> None:
    class Modelled(Operations):
        """Does what objects ask for by evaluating functions."""

        def binary(self, op, l, lo, r, ro):  # noqa: E741
            return entering(machine.model_add, l, r)

        def truth(self, x, xo):
            return super().truth(x, xo) if isinstance(x, bool) else entering(bool_of, x)

        def set_attribute(self, obj, obj_origin, name, value, origin):
            return entering(machine.model_store, obj, name, value)

        def advance(self, it, io):
            return entering(machine.model_next, it)

    bool_of = machine.model_truth
    assert run(Modelled(), machine.modelled, value) == machine.modelled(value)


def test_bind_arguments_leaves_errors_to_cpython() -> None:
    with pytest.raises(TypeError, match=r"arithmetic\(\) missing 1 required positional argument"):
        run(Operations(), machine.arithmetic, 1)


def test_dead_registers_may_be_dropped() -> None:
    code = code_for(machine.rebinding)
    assert code.live_at(0) == (0,)
    assert all(len(code.live_at(pc)) <= 3 for pc in range(len(code.instructions)))
    frame = Frame(code, machine.rebinding, 0, [UNBOUND] * code.register_count, [])
    assert repr(UNBOUND) == "UNBOUND" and "rebinding" in repr(frame)


@pytest.mark.parametrize("operations", [Operations(), EnterEverything()])
def test_tracebacks_show_the_users_source(operations: Operations) -> None:
    with pytest.raises(ZeroDivisionError) as info:
        run(operations, machine.failing, 0)
    text = "".join(traceback.format_exception(info.value))
    assert 'machine.py", line ' in text
    assert "in failing\n    return (\n" in text or "in failing\n    deeper(x)" in text
    assert "in deeper\n    1 // x" in text
    entries = traceback.extract_tb(info.value.__traceback__)
    own = [e for e in entries if e.filename == machine.__file__]
    assert [e.name for e in own] == ["failing", "deeper"]
    if sys.flags.dev_mode or own[-1].colno is not None:
        assert (own[-1].colno, own[-1].end_colno) == (8, 14)


def test_globals_and_locals_in_tracebacks() -> None:
    with pytest.raises(ZeroDivisionError) as info:
        run(EnterEverything(), machine.failing, 0)
    last = list(traceback.walk_tb(info.value.__traceback__))[-1][0]
    assert last.f_locals["x"] == 0
    assert last.f_globals is machine.__dict__


def test_recursion_limit_counts_evaluated_frames() -> None:
    with pytest.raises(RecursionError, match="maximum recursion depth exceeded"):
        run(EnterEverything(), machine.endless, 0)
    assert run(EnterEverything(), machine.count_down, sys.getrecursionlimit() // 2) == 0


def test_exception_of_the_caller_is_seen() -> None:
    try:
        raise KeyError("outside")
    except KeyError as error:
        assert run(Operations(), machine.current_exception) is error
        with pytest.raises(KeyError, match="outside"):
            run(Operations(), machine.raise_again)
        with pytest.raises(ValueError) as info:
            run(Operations(), machine.raise_new)
        assert info.value.__context__ is error


def test_keyboard_interrupt_passes_through_finally() -> None:
    class Interrupting(Operations):
        def binary(self, op, l, lo, r, ro):  # noqa: E741
            raise KeyboardInterrupt

    log: list = []
    with pytest.raises(KeyboardInterrupt):
        run(Interrupting(), machine.cleaning, log)
    assert log == ["cleaned"]


def test_callees_find_their_caller() -> None:
    assert run(Operations(), machine.make_named_tuple).__module__ == machine.__name__
    with pytest.warns(UserWarning, match="here") as record:
        run(Operations(), machine.warn)
    assert record[0].filename == machine.__file__
    assert record[0].lineno == machine.warn.__code__.co_firstlineno + 1
    found = run(Operations(), machine.aliased_locals, 3)
    assert found == machine.aliased_locals(3) == {"x": 3, "y": 4, "f": 1, "look": locals}


def test_evaluators_nest() -> None:
    def nested(x):
        return run(Operations(), machine.arithmetic, x, 1)

    assert run(Operations(), machine.apply, nested, 5) == 6
