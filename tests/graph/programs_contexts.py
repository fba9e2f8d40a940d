"""Exceptions that are being handled where a call comes from: who asks sees them, as eager does.

Each function is called many times from the same place, then inside of a handler, then by turns.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Callable
from typing import Any

import jitgrad as torch
from tests.graph.agreement import Session


def name(value: Any) -> str:
    return type(value).__name__


def chain(error: BaseException | None) -> list[str]:
    """Return an exception and what was being handled when each of them was raised."""
    found = []
    while error is not None:
        found.append(repr(error))
        error = error.__context__
    return found


def handled_or_not(s: Session, function: Callable, turns: int = 8) -> None:
    f = s.compile(function)
    x = torch.tensor([1.0, 2.0])
    for handles in [False] * turns + [True] * turns + [False, True, True, False] * 3:
        if handles:
            try:
                raise OSError("outside")
            except OSError:
                s.call(f, x)
        else:
            s.call(f, x)


def scene_asked_for(s: Session) -> None:
    def what() -> Any:
        return sys.exc_info()[0], sys.exc_info()[2] is None

    def f(x):
        x = x * 2
        before = what()
        try:
            raise ValueError("inside")
        except ValueError:
            inside = what()[0]
        return x, before, inside, what()

    handled_or_not(s, f)


def scene_raised_and_handled(s: Session) -> None:
    def f(x):
        x = x * 2
        try:
            raise ValueError("a")
        except ValueError as error:
            found = chain(error)
            try:
                int("b")
            except ValueError as other:
                found += chain(other)
        try:
            raise KeyError("c") from None
        except KeyError as error:
            found += [*chain(error), error.__suppress_context__]
        return x, found

    handled_or_not(s, f)


def scene_raised_by_operations(s: Session) -> None:
    def f(x):
        x = x * 2
        found = []
        for action in (lambda: {}["a"], lambda: [][1], lambda: 1 / 0, lambda: next(iter(()))):
            try:
                action()
            except Exception as error:
                found.append(chain(error))
        return x, found

    handled_or_not(s, f)


def scene_returned(s: Session) -> None:
    kept: list = []

    def f(x):
        x = x * 2
        try:
            raise ValueError("a")
        except ValueError as error:
            kept.append(error)
        return x

    handled_or_not(s, f)
    s.see([chain(each) for each in kept])


def scene_again(s: Session) -> None:
    """A `raise` of what is being handled, if anything is."""

    def again():
        raise

    def f(x):
        x = x * 2
        try:
            again()
        except Exception as error:
            return x, chain(error)

    handled_or_not(s, f)


def scene_turns(s: Session) -> None:
    def f(x):
        found = []
        for i in range(20):
            x = x * 0.5 + 1
            try:
                if i % 7 == 3:
                    raise ValueError(i)
            except ValueError as error:
                found.append(name(error.__context__))
        return x, found

    handled_or_not(s, f)


def scene_generators(s: Session) -> None:
    def waiting(found):
        found.append(sys.exc_info()[0])
        try:
            yield 1
        except ValueError as error:
            found.append(chain(error))
            yield 2
        except GeneratorExit as error:
            found.append(chain(error))
            raise
        finally:
            found.append("over")

    def ended():
        yield 1
        raise StopIteration

    def f(x):
        x = x * 2
        found: list = []
        thrown = waiting(found)
        next(thrown)
        found.append(thrown.throw(ValueError("thrown")))
        thrown.close()
        closed = waiting(found)
        next(closed)
        closed.close()
        for _ in waiting(found):
            break
        try:
            list(ended())
        except RuntimeError as error:
            found.append(chain(error))
        return x, found

    handled_or_not(s, f)


def scene_managers(s: Session) -> None:
    @contextlib.contextmanager
    def noting(found):
        try:
            yield
        except ValueError as error:
            found.append(chain(error))

    def f(x):
        x = x * 2
        found: list = []
        with noting(found):
            raise ValueError("v")
        with contextlib.ExitStack() as stack:
            stack.callback(found.append, "left")
        try:
            with contextlib.ExitStack() as stack:
                stack.callback(lambda: 1 / 0)
                raise KeyError("k")
        except ZeroDivisionError as error:
            found.append(chain(error))
        return x, found

    handled_or_not(s, f)


def scene_groups(s: Session) -> None:
    def f(x):
        x = x * 2
        try:
            raise ExceptionGroup("group", [ValueError(1)])
        except* ValueError as group:
            found = [name(group.__context__), name(group.exceptions[0].__context__)]
        return x, found

    handled_or_not(s, f)


def scene_texts(s: Session) -> None:
    def f(x):
        x = x * 2
        try:
            raise ValueError("a")
        except ValueError:
            return x, traceback.format_exc().count("outside")

    handled_or_not(s, f)


class Noting(Exception):
    """Looks at what is being handled when it is made."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.seen = sys.exc_info()[0]


def scene_made(s: Session) -> None:
    def f(x):
        x = x * 2
        try:
            raise Noting("n")
        except Noting as error:
            return x, error.seen, chain(error)

    handled_or_not(s, f)


def scene_of_a_caller_that_is_compiled(s: Session) -> None:
    """Whose handler is seen as well."""
    inner = s.compile(lambda x: (x * 2, sys.exc_info()[0]))

    def f(x):
        y = inner(x)
        try:
            raise KeyError("in a compiled function")
        except KeyError:
            return y, inner(x)

    handled_or_not(s, f)
    s.call(inner, torch.tensor([1.0]))
