"""Scenes of `contextlib.ExitStack`, of functions with attributes, and of `singledispatch`.

All of them are recorded without leaving to Python; those whose name ends in `_leaves` or
`_raises` are not.
"""

from __future__ import annotations

import contextlib
import functools
import sys

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs import T, grad


class Scaled:
    """A context manager that sets an attribute for a while."""

    scale = 1.0

    def __init__(self, scale, log):
        self.scale = scale
        self.log = log

    def __enter__(self):
        self.before, Scaled.scale = Scaled.scale, self.scale
        self.log.append("in")
        return self.scale

    def __exit__(self, kind, error, traceback):
        Scaled.scale = self.before
        self.log.append(None if kind is None else kind.__name__)
        return kind is KeyError


@contextlib.contextmanager
def noted(log, name):
    log.append(name)
    try:
        yield name
    except ValueError as error:
        log.append(str(error))
        raise
    finally:
        log.append(-len(name))


def scene_stacks(s: Session) -> None:
    def f(x, k):
        log = []
        with contextlib.ExitStack() as stack:
            stack.callback(log.append, "called")
            stack.callback(lambda a, b=0: log.append((a, b)), 1, b=2)
            name = stack.enter_context(noted(log, "abc"))
            stack.push(lambda kind, error, traceback: log.append(kind is None))
            stack.enter_context(torch.no_grad())
            y = x * 2
            if k > 1:
                stack.enter_context(contextlib.suppress(ValueError))
                raise ValueError("k")
        return x + y, log, name

    f = s.compile(f)
    for k in (0.5, 1.5, 0.5, 2.5):
        s.call(f, grad(1.0), k)


def scene_stacks_of_objects(s: Session) -> None:
    def f(x, scales, error):
        log = []
        try:
            with contextlib.ExitStack() as stack:
                found = [stack.enter_context(Scaled(scale, log)) for scale in scales]
                y = x * sum(found)
                if error is not None:
                    raise error("inside")
                return y, log, Scaled.scale
        except (OSError, KeyError) as raised:
            return x, log, str(raised)
        return x * 7, log, Scaled.scale

    f = s.compile(f)
    for scales in ((2.0, 3.0), (), (1.0,)):
        for error in (None, KeyError, OSError, None):
            s.call(f, grad(1.0), scales, error)
            s.see(Scaled.scale)


def scene_stacks_taken_over(s: Session) -> None:
    def f(x):
        log = []
        with contextlib.ExitStack() as stack:
            stack.callback(log.append, 1)
            stack.enter_context(Scaled(2.0, log))
            rest = stack.pop_all()
            log.append(2)
        with rest:
            log.append(3)
        last = contextlib.ExitStack()
        last.callback(log.append, 4)
        last.close()
        last.close()
        return x * 2, log

    f = s.compile(f)
    for value in (1.0, 2.0, 3.0):
        s.call(f, grad(value))


def scene_python_in_a_stack_leaves(s: Session) -> None:
    def f(x, k):
        log = []
        with contextlib.ExitStack() as stack:
            stack.callback(log.append, "called")
            stack.callback(print, "printed", k)
            stack.enter_context(noted(log, "abc"))
            print("inside")
            y = x * 2
            if k == 2:
                raise ValueError("k")
        print("behind", log)
        return y + x

    f = s.compile(f)
    for k in (0, 1, 2, 0, 1, 2):
        s.attempt(f, grad(1.0), k)


def scene_callbacks_that_raise(s: Session) -> None:
    def f(x, first, second):
        def failing(kind):
            if kind is not None:
                raise kind("again")

        try:
            with contextlib.ExitStack() as stack:
                stack.callback(failing, first)
                stack.callback(failing, second)
                x = x * 2
                raise ValueError("inside")
        except Exception as error:
            context = error.__context__
            inner = None if context is None else context.__context__
            return x, type(error).__name__, type(context).__name__, type(inner).__name__

    f = s.compile(f)
    for first, second in ((None, None), (KeyError, None), (KeyError, OSError), (None, OSError)):
        for _ in range(2):
            s.call(f, grad(1.0), first, second)


def scene_what_is_handled(s: Session) -> None:
    def f(x, k):
        before = sys.exc_info()
        try:
            if k > 1:
                raise ValueError(k)
        except ValueError:
            kind, error, traceback = sys.exc_info()
            return x * error.args[0], kind is ValueError, traceback is None
        return x, before

    f = s.compile(f)
    for k in (0.5, 1.5, 0.5, 2.5):
        s.call(f, grad(1.0), k)


def scene_functions_with_attributes(s: Session) -> None:
    def f(x, k):
        def scale(y):
            return y * scale.factor

        scale.factor = k
        scale.calls = [x]
        y = scale(x)
        scale.factor = 3
        scale.calls.append(y)
        return scale(y), scale.calls, getattr(scale, "missing", None), hasattr(scale, "factor")

    f = s.compile(f)
    for k in (0.5, 1.5, 2.5):
        s.call(f, grad(1.0), k)


def scene_functions_with_attributes_given_away_leaves(s: Session) -> None:
    def f(x, k):
        def scale(y):
            return y * scale.factor

        scale.factor = k
        scale.of = x
        print("made")
        return scale, scale(x)

    def g(x, k):
        scale, y = f(x, k)
        return y, scale(y), scale.factor, scale.of is x

    f = s.compile(f)
    for k in (0.5, 1.5, 2.5):
        s.call(g, grad(1.0), k)


def scene_dispatch_by_class(s: Session) -> None:
    class Leaf:
        pass

    @functools.singledispatch
    def scaled(value, x):
        return x

    @scaled.register
    def _(value: int, x):
        return x * 2

    @scaled.register(list)
    def _(value, x):
        return x * len(value)

    def f(x, value):
        return scaled(value, x) + scaled("text", x) * scaled(3, x)

    f = s.compile(f)
    for value in (1, [1, 2], Leaf(), 1.0, [1, 2], True, Leaf()):
        s.call(f, grad(1.0), value)
    scaled.register(Leaf, lambda value, x: x * 100)
    scaled.register(str, lambda value, x: x * 10)
    for value in (1, [1, 2], Leaf(), T([1.0])):
        s.call(f, grad(1.0), value)
