"""Scenes of exception groups and `except*`.

All of them are recorded without leaving to Python; those whose name ends in `_leaves` or
`_raises` are not.
"""

from __future__ import annotations

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs import T, grad


class Refused(ValueError):
    """An exception of a user's."""


class Own(ExceptionGroup):
    """A group with ways of its own."""

    def derive(self, excs):
        return Own("own " + self.message, excs)


def shape(error):
    """Return what can be seen of an exception, and of those in it."""
    if error is None:
        return None
    inside = getattr(error, "exceptions", ())
    return (
        type(error).__name__,
        str(error),
        [shape(each) for each in inside],
        shape(error.__cause__),
        shape(error.__context__),
        getattr(error, "__notes__", None),
        error.__suppress_context__,
        lines(error.__traceback__),
    )


def lines(entry):
    found = []
    while entry is not None:
        if "programs_groups" in entry.tb_frame.f_code.co_filename:
            found.append(entry.tb_lineno)
        entry = entry.tb_next
    return found


def scene_clauses(s: Session) -> None:
    def f(x, k):
        found = []
        try:
            if k == "naked":
                raise KeyError(k)
            if k:
                errors = [ValueError("a"), TypeError("b"), Refused("c"), OSError(3)]
                raise ExceptionGroup("all", errors[: len(k)])
            x = x * 2
        except* Refused as group:
            x = x * len(group.exceptions) * 3
            found.append(group.message)
        except* ValueError as group:
            x = x + len(group.exceptions)
            found.append(str(group))
        except* (TypeError, KeyError) as group:
            x = x - len(group.exceptions)
            found.append(group.message)
        except* OSError:
            found.append("os")
        else:
            found.append("fine")
        finally:
            found.append("behind")
        return x, found

    f = s.compile(f)
    for k in ("", "1", "12", "123", "1234", "naked", "12", "", "1234", "naked"):
        s.call(f, grad(1.0), k)


def scene_the_rest_goes_on(s: Session) -> None:
    def f(x, k):
        try:
            try:
                inner = ExceptionGroup("inner", [TypeError("t"), ValueError("v"), KeyError("k")])
                raise ExceptionGroup("outer", [OSError("o"), inner])
            except* ValueError as group:
                x = x * 2
                if k > 1:
                    raise RuntimeError("new") from group
            except* OSError:
                if k > 2:
                    raise
                x = x + 1
        except* RuntimeError as group:
            x = x * 5 * len(group.exceptions)
        except* (TypeError, KeyError, OSError) as group:
            x = x * len(group.exceptions) + len(group.exceptions[0].exceptions)
        return x

    f = s.compile(f)
    for k in (0.5, 1.5, 2.5, 0.5, 2.5):
        s.call(f, grad(1.0), k)


def scene_what_is_left_raises(s: Session) -> None:
    def f(x, k):
        try:
            inner = ExceptionGroup("inner", [TypeError("t"), ValueError("v")])
            raise ExceptionGroup("outer", [OSError("o"), inner])
        except* ValueError:
            if k > 1:
                raise RuntimeError("new") from None
        except* OSError as group:
            if k > 2:
                raise group.exceptions[0] from None
            raise
        return x

    def g(x, k):
        try:
            return f(x, k)
        except BaseException as error:
            return x, shape(error)

    f = s.compile(f)
    for k in (0.5, 1.5, 2.5, 0.5, 2.5):
        s.attempt(f, grad(1.0), k)
        s.call(g, grad(1.0), k)


def scene_python_in_a_clause_leaves(s: Session) -> None:
    def f(x, k):
        try:
            try:
                inner = ExceptionGroup("inner", [TypeError("t"), ValueError("v")])
                inner.add_note("noted")
                raise ExceptionGroup("outer", [OSError("o"), inner, ValueError("w")])
            except* ValueError as group:
                print("values", len(group.exceptions))
                if k > 1:
                    raise RuntimeError("new") from group
                x = x * 2
            except* OSError as group:
                print("os", str(group))
                if k > 2:
                    raise
        except* Exception as group:
            print("rest", len(group.exceptions))
            x = x * 7, shape(group)
        return x

    f = s.compile(f)
    for k in (0.5, 1.5, 2.5, 0.5, 1.5, 2.5, 0.5):
        s.call(f, grad(1.0), k)


def scene_collected(s: Session) -> None:
    def f(xs):
        errors, total = [], 0
        for i, x in enumerate(xs):
            try:
                if x.sum() < 0:
                    raise ValueError(i)
                total = total + x
            except ValueError as error:
                errors.append(error)
        try:
            if errors:
                raise ExceptionGroup("some", errors)
        except* ValueError as group:
            errors.append(KeyError())
            total = total * len(group.exceptions), [e.args for e in group.exceptions], len(errors)
        return total

    f = s.compile(f)
    for values in ((1.0, 2.0), (1.0, -2.0), (-1.0, -2.0, 3.0), (1.0, -2.0)):
        s.call(f, [grad(value) for value in values])


def scene_methods(s: Session) -> None:
    def f(x):
        inner = ExceptionGroup("inner", [TypeError("t"), Refused("v")])
        group = ExceptionGroup("outer", [OSError("o"), inner])
        group.add_note("one")
        group.add_note("two")
        match, rest = group.split(ValueError)
        none = group.subgroup(KeyError)
        some = group.subgroup((OSError, TypeError))
        derived = group.derive([ValueError("z"), TypeError("y")])
        whole = group.split(ExceptionGroup)
        found = [len(each.exceptions) for each in (match, rest, some, derived, whole[0])]
        found.append([group.__notes__, match.__notes__, rest.message, none, whole[1]])
        inside = match.exceptions[0].exceptions[0]
        return x * len(found), found, str(inside), match is whole[0], whole[0] is group

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, grad(value))


def scene_groups_given_away_leaves(s: Session) -> None:
    def f(x, k):
        inner = ExceptionGroup("inner", [TypeError("t"), ValueError("v")])
        errors = [OSError("o"), inner]
        group = ExceptionGroup("outer", errors)
        errors.append(KeyError("later"))
        group.add_note("noted")
        match, rest = group.split(ValueError)
        print(len(errors), k)
        return x * 2, shape(group), shape(match), shape(rest), len(group.args[1]), group, rest

    f = s.compile(f)
    for k in range(4):
        *seen, group, rest = s.attempt(f, grad(1.0), k)
        s.see(seen, shape(group), shape(rest), [type(each).__name__ for each in group.args[1]])


def scene_notes(s: Session) -> None:
    def f(x, k):
        try:
            if k > 1:
                raise Refused("a")
        except Refused as error:
            error.add_note("first")
            error.add_note("second")
            x = x * len(error.__notes__)
            notes = list(error.__notes__)
            return x, notes
        return x, None

    f = s.compile(f)
    for k in (0.5, 1.5, 0.5, 2.5):
        s.call(f, grad(1.0), k)


def scene_groups_of_a_class_of_its_own_leaves(s: Session) -> None:
    def f(x, k):
        try:
            raise Own("mine", [ValueError("v"), TypeError("t"), KeyError("k")])
        except* ValueError as group:
            x = x * len(group.exceptions)
        except* (TypeError, KeyError) as group:
            x = x, shape(group)
        return x

    f = s.compile(f)
    for k in range(3):
        s.call(f, grad(1.0), k)


def scene_wrong_clauses_raises(s: Session) -> None:
    def f(x, wanted):
        try:
            raise ExceptionGroup("g", [ValueError("v")])
        except* wanted:
            x = x * 2
        return x

    f = s.compile(f)
    for wanted in (ValueError, ExceptionGroup, int, (TypeError, ValueError), ValueError):
        s.attempt(f, grad(1.0), wanted)


def scene_bases_that_change(s: Session) -> None:
    class First(Exception):
        pass

    class Second(Exception):
        pass

    class Mine(First):
        pass

    def f(x):
        try:
            raise ExceptionGroup("g", [Mine("m"), ValueError("v")])
        except* First:
            x = x * 2
        except* Second:
            x = x * 3
        except* ValueError:
            x = x + 1
        return x

    f = s.compile(f)
    for bases in ((First,), (Second,), (First,)):
        Mine.__bases__ = bases
        for _ in range(3):
            s.call(f, grad(1.0))


def scene_gradients_and_modes(s: Session) -> None:
    def f(x, k):
        total = x * 0
        for i in range(3):
            try:
                with torch.set_grad_enabled(i != 1):
                    y = x * (i + 1)
                    if y.sum() > k:
                        raise ExceptionGroup("big", [ValueError(i), TypeError(i)])
                    total = total + y
            except* ValueError as group:
                total = total + x * group.exceptions[0].args[0]
            except* TypeError:
                total = total * 2
        return total

    f = s.compile(f)
    for x, k in ((grad(1.0), 2.5), (grad(1.0), 0.5), (T([2.0]), 2.5), (grad(1.0), 9.0)):
        s.call(f, x, k)
        s.call(f, x, k)
