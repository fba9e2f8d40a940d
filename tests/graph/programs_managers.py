"""Scenes of context managers that are generators, and of generators that end inside of blocks."""

# what ruff would write otherwise is what is tested
# ruff: noqa: SIM117

from __future__ import annotations

import contextlib
import functools

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs import T, grad

STARTS = (1.0, 1.0, -2.0, 1.0, 3.0, -2.0, 9.0, 3.0, 1.0)


class Setting:
    """Something outside that a block changes and puts back."""

    def __init__(self):
        self.scale = 1.0
        self.log = []


def each_start(s: Session, f, *more) -> None:
    f = s.compile(f)
    for start in STARTS:
        s.call(f, grad(start, start * 2), *more)
        s.see(*more)


@contextlib.contextmanager
def scaled(setting, scale):
    before = setting.scale
    setting.scale = scale
    try:
        yield before
    finally:
        setting.scale = before
        setting.log.append(scale)


@contextlib.contextmanager
def forgiving(setting, *kinds):
    try:
        yield setting
    except kinds as error:
        setting.log.append(type(error).__name__)
    else:
        setting.log.append("fine")


@contextlib.contextmanager
def translating(setting):
    try:
        yield
    except ValueError as error:
        raise KeyError("translated") from error
    except ZeroDivisionError:
        setting.log.append("seen")
        raise


def scene_a_setting_put_back(s: Session) -> None:
    setting = Setting()

    def f(x, setting):
        with scaled(setting, 3.0) as before:
            y = x * setting.scale * before
            if y.sum() > 10:
                y = y + 1
        return y * setting.scale

    each_start(s, f, setting)


def scene_left_by_return_break_and_continue(s: Session) -> None:
    def f(x, setting):
        for turn in range(4):
            with scaled(setting, turn + 2.0):
                if turn == 1:
                    continue
                x = x * setting.scale
                if x.sum() > 100:
                    break
                if x.sum() < -10:
                    return x - setting.scale
        return x + setting.scale

    each_start(s, f, Setting())


def scene_nested_and_several(s: Session) -> None:
    def f(x, setting):
        with scaled(setting, 2.0), scaled(setting, 4.0) as before:
            with forgiving(setting, ValueError) as same:
                x = x * same.scale + before
                with scaled(setting, 8.0):
                    if x.sum() > 60:
                        raise ValueError
                    x = x * 2
            x = x * setting.scale
        return x, setting.log[-1]

    each_start(s, f, Setting())


def scene_swallowed_and_passed_on(s: Session) -> None:
    def f(x, setting):
        try:
            with forgiving(setting, ValueError, LookupError):
                with scaled(setting, 2.0):
                    if x.sum() > 8:
                        raise KeyError("large")
                    if x.sum() < 0:
                        raise TypeError("negative")
                    x = x * setting.scale
                x = x + 1
        except TypeError as error:
            x = x * len(error.args)
        return x * setting.scale

    each_start(s, f, Setting())


def scene_translated(s: Session) -> None:
    def f(x, setting):
        try:
            with translating(setting), scaled(setting, 2.0):
                if x.sum() > 8:
                    raise ValueError("large")
                if x.sum() < 0:
                    raise ZeroDivisionError
                x = x * setting.scale
        except KeyError as error:
            x = x * len(error.args) + isinstance(error.__cause__, ValueError)
            setting.log.append(type(error.__context__).__name__)
        except ZeroDivisionError as error:
            x = x - len(error.args)
        return x

    each_start(s, f, Setting())


def scene_as_decorators(s: Session) -> None:
    setting = Setting()

    @scaled(setting, 5.0)
    def inner(x):
        return x * setting.scale

    def f(x, setting):
        @scaled(setting, 7.0)
        def inside(x):
            return x + setting.scale

        return inner(x) + inside(x), inside.__wrapped__(x)

    each_start(s, f, setting)


def scene_defined_inside(s: Session) -> None:
    def f(x, setting):
        @contextlib.contextmanager
        def added(amount):
            """Add something in the end."""
            nonlocal x
            try:
                yield x * amount
            finally:
                x = x + amount

        with added(3.0) as y:
            x = x * y
        return x

    each_start(s, f, Setting())


def scene_methods(s: Session) -> None:
    class Model:
        def __init__(self):
            self.training = True
            self.depth = 0

        @contextlib.contextmanager
        def evaluating(self):
            before, self.training = self.training, False
            self.depth += 1
            try:
                with torch.no_grad():
                    yield self
            finally:
                self.training = before
                self.depth -= 1

        def run(self, x):
            return x * 2 if self.training else x * 3

    def f(x, model):
        with model.evaluating() as same:
            y = same.run(x)
        return y + model.run(x), model.depth

    each_start(s, f, Model())


def scene_objects_made_in_the_call(s: Session) -> None:
    class Trace:
        def __init__(self):
            self.events = []

        @contextlib.contextmanager
        def region(self, name):
            self.events.append(name)
            try:
                yield
            finally:
                self.events.append(f"/{name}")

    def f(x):
        trace = Trace()
        with trace.region("outer"):
            for turn in range(3):
                with trace.region("inner"):
                    if x.sum() > 20:
                        break
                    x = x * (turn + 1)
        return x, trace.events

    each_start(s, f)


def scene_long_body(s: Session) -> None:
    def f(x, setting):
        with scaled(setting, 1.01):
            turns = 0
            while x.abs().sum() < 200 and turns < 100:
                x = x * setting.scale + 0.5
                turns += 1
        return x, turns

    each_start(s, f, Setting())


def scene_generators_with_blocks(s: Session) -> None:
    def batches(x, setting):
        setting.log.append("open")
        try:
            for turn in range(3):
                with torch.no_grad():
                    weight = x * turn
                yield x * weight
        finally:
            setting.log.append("close")

    def f(x, setting):
        total = 0
        for batch in batches(x, setting):
            total = total + batch
        a, b, c = batches(x + 1, setting)
        return total, a, b, c, sum(batches(x, setting))

    each_start(s, f, Setting())


def scene_thrown_and_closed(s: Session) -> None:
    def careful(x, setting):
        while True:
            try:
                x = x + (yield x * 2)
            except ValueError as error:
                setting.log.append(error.args)
                x = x - 1
            except GeneratorExit:
                setting.log.append("exit")
                return

    def f(x, setting):
        running = careful(x, setting)
        y = next(running)
        y = y + running.send(x)
        y = y * running.throw(ValueError("thrown", 3))
        if x.sum() > 5:
            y = y + running.throw(ValueError)
        running.close()
        running.close()
        return y

    each_start(s, f, Setting())


def scene_close_is_not_the_end(s: Session) -> None:
    def stubborn(x):
        try:
            yield x
        except GeneratorExit:
            yield x * 2

    def careless(x):
        try:
            yield x
        finally:
            raise KeyError("in the end")

    def f(x):
        kept = stubborn(x)
        y = next(kept)
        try:
            kept.close()
        except RuntimeError as error:
            y = y * len(error.args)
        y = y + sum(kept, start=0)
        other = careless(x)
        y = y + next(other)
        try:
            other.close()
        except KeyError as error:
            y = y + len(error.args) + isinstance(error.__context__, GeneratorExit)
        return y

    each_start(s, f)


def scene_the_context_of_what_is_thrown(s: Session) -> None:
    def wrapping():
        try:
            raise KeyError("first")
        except KeyError:
            try:
                yield 1.0
            except ValueError as error:
                yield 2.0 + isinstance(error.__context__, KeyError)
        yield 5.0

    def f(x):
        running = wrapping()
        y = x * next(running)
        y = y * running.throw(ValueError())
        return y * next(running), next(running, 7)

    each_start(s, f)


def scene_suppress_nullcontext_closing(s: Session) -> None:
    class Thing:
        def __init__(self):
            self.closed = 0

        def close(self):
            self.closed += 1

    def f(x):
        thing = Thing()
        with contextlib.suppress(ValueError, KeyError), contextlib.closing(thing):
            with contextlib.nullcontext(x * 2) as y:
                if x.sum() > 8:
                    raise KeyError
                x = x + y
        return x * thing.closed

    each_start(s, f)


NATIVE = (
    scene_a_setting_put_back,
    scene_left_by_return_break_and_continue,
    scene_nested_and_several,
    scene_swallowed_and_passed_on,
    scene_translated,
    scene_as_decorators,
    scene_defined_inside,
    scene_methods,
    scene_objects_made_in_the_call,
    scene_generators_with_blocks,
    scene_thrown_and_closed,
    scene_close_is_not_the_end,
    scene_the_context_of_what_is_thrown,
    scene_suppress_nullcontext_closing,
)
"""Those of which nothing is left to Python."""


def scene_an_exception_leaves_the_call(s: Session) -> None:
    def f(x, setting):
        with scaled(setting, 2.0), translating(setting):
            if x.sum() > 8:
                raise ValueError("large")
            if x.sum() < 0:
                x[5]
            return x * setting.scale

    f = s.compile(f)
    setting = Setting()
    for start in STARTS:
        s.attempt(f, T([start]), setting)
        s.see(setting)


def scene_python_acts_in_the_body(s: Session) -> None:
    def f(x, setting):
        with scaled(setting, 3.0):
            print("body", setting.scale)
            y = x * setting.scale
            if x.sum() > 8:
                print("large")
                return y + 1
        print("behind", setting.scale)
        return y * 2

    each_start(s, f, Setting())


def scene_python_acts_in_the_manager(s: Session) -> None:
    @contextlib.contextmanager
    def told(setting, x):
        print("enter")
        y = x * 2
        try:
            print("yield")
            yield y
            print("no exception")
        except ValueError as error:
            print("handling", error, error.__context__)
            y = y + 1
        finally:
            print("leave", y.sum().item())
            setting.log.append(1)

    def f(x, setting):
        with told(setting, x) as y:
            if x.sum() > 8:
                raise ValueError("large")
            x = x + y
        return x * 2

    each_start(s, f, Setting())


def scene_python_acts_behind_the_yield(s: Session) -> None:
    @contextlib.contextmanager
    def told(setting, x):
        y = x * 2
        try:
            yield y
            print("no exception")
        except ValueError as error:
            setting.log.append(str(error))
            print("handling", error)
            y = y + 1
            print("handled", y.sum().item())
        finally:
            print("leave", y.sum().item())
            setting.log.append(1)

    def closing(x):
        try:
            yield x * 2
        finally:
            print("closing", x.sum().item())

    def f(x, setting):
        with told(setting, x) as y:
            if x.sum() > 8:
                raise ValueError("large")
            x = x + y
        running = closing(x)
        y = next(running)
        running.close()
        return x * 2 + y

    each_start(s, f, Setting())


def tracked(setting, x):
    try:
        for turn in range(4):
            yield x * turn
    finally:
        setting.log.append("end")


def scene_dropped_by_break(s: Session) -> None:
    def f(x, setting):
        for y in tracked(setting, x):
            if y.sum() > 3:
                setting.log.append("break")
                break
        setting.log.append("behind")
        return y * 2

    each_start(s, f, Setting())


def scene_dropped_by_return(s: Session) -> None:
    def first(setting, x):
        running = tracked(setting, x)
        next(running)
        y = next(running)
        setting.log.append("first")
        return y

    def f(x, setting):
        running = tracked(setting, x)
        y = next(running)
        z = first(setting, x)
        setting.log.append("behind")
        return y + z

    each_start(s, f, Setting())


def scene_dropped_by_assignment(s: Session) -> None:
    def f(x, setting):
        running = tracked(setting, x)
        held = [running, running]
        next(running)
        y = next(running)
        if x.sum() > 5:
            y = y * 2
        del running
        setting.log.append("del")
        held.pop()
        setting.log.append("pop")
        held.clear()
        setting.log.append("clear")
        held = {"one": tracked(setting, x)}
        y = y + next(held["one"])
        if x.sum() > 5:
            y = y * 2
        held = None
        setting.log.append("none")
        return y

    each_start(s, f, Setting())


def scene_dropped_by_an_object(s: Session) -> None:
    class Holder:
        pass

    def f(x, setting):
        holder = Holder()
        holder.running = tracked(setting, x)
        y = next(holder.running)
        other = Holder()
        other.holder = holder
        del holder
        setting.log.append("still")
        if x.sum() > 5:
            y = y * 2
        other.holder.running = None
        setting.log.append("gone")
        return y + x

    each_start(s, f, Setting())


def scene_dropped_by_an_exception(s: Session) -> None:
    def fails(x, setting):
        running = tracked(setting, x)
        next(running)
        raise ValueError("fails")

    def f(x, setting):
        try:
            fails(x, setting)
        except ValueError:
            setting.log.append("handled")
        setting.log.append("behind")
        return x * 2

    each_start(s, f, Setting())


def scene_dropped_inside_of_another(s: Session) -> None:
    def outer(setting, x):
        yield from tracked(setting, x)

    def holding(setting, x):
        running = tracked(setting, x)
        y = next(running) + next(running)
        yield y
        yield y * 2

    def f(x, setting):
        running = outer(setting, x)
        next(running)
        y = next(running)
        running = None
        setting.log.append("outer")
        other = holding(setting, x)
        y = y + next(other)
        del other
        setting.log.append("holding")
        return y

    each_start(s, f, Setting())


def scene_given_away(s: Session) -> None:
    def f(x, setting):
        running = tracked(setting, x)
        next(running)
        y = next(running)
        return y, running

    f, setting = s.compile(f), Setting()
    for start in STARTS:
        x = grad(start, start * 2)
        y, running = f(x, setting)
        s.see(y, next(running), setting)
        del running
        s.see(setting)


def scene_a_manager_that_is_given_away(s: Session) -> None:
    def f(x, setting):
        manager = scaled(setting, 2.0)
        before = manager.__enter__()
        return x * setting.scale * before, manager

    f, setting = s.compile(f), Setting()
    for start in STARTS:
        y, manager = f(grad(start, 2.0), setting)
        s.see(y, setting)
        manager.__exit__(None, None, None)
        s.see(setting)


def scene_a_manager_from_outside(s: Session) -> None:
    def f(x, manager, setting):
        with manager as before:
            y = x * before * setting.scale
            if x.sum() > 5:
                return y
        return y + setting.scale

    f, setting = s.compile(f), Setting()
    for start in STARTS:
        s.call(f, grad(start, 1.0), scaled(setting, 2.0), setting)
        s.see(setting)


def scene_changed_between_calls(s: Session) -> None:
    setting = Setting()
    kind = contextlib._GeneratorContextManager
    leave = kind.__exit__

    def also(self, *exception):
        if self.gen.__name__ in ("doubled", "scaled"):
            setting.log.append("also")
        return leave(self, *exception)

    def doubled(setting):
        try:
            yield 2.0
        finally:
            setting.log.append("doubled")

    def tripled(setting):
        try:
            yield 3.0
        finally:
            setting.log.append("tripled")

    def f(x):
        with scaled(setting, 2.0) as before:
            x = x * setting.scale + before
        with contextlib.contextmanager(doubled)(setting) as factor:
            return x * factor

    f = s.compile(f)
    for number, start in enumerate(STARTS):
        if number == 3:
            kind.__exit__ = also
        if number == 5:
            kind.__exit__ = leave
        if number == 7:
            doubled.__code__ = tripled.__code__
        try:
            s.call(f, grad(start, 1.0))
        finally:
            if number == 8:
                kind.__exit__ = leave
        s.see(setting)


def scene_wrapped_functions(s: Session) -> None:
    def twice(function):
        @functools.wraps(function)
        def wrapper(*args):
            return function(*args) * 2

        return wrapper

    def outer(x):
        """Return something."""
        return x + 1

    def f(x, wanted):
        @twice
        def inner(x):
            """Add."""
            return x + 3

        made = twice(outer)
        text = getattr(outer, "__doc__", None) or ""
        x = x * len(text) * len(getattr(outer, "tag", "none")) * len(outer.__name__)
        if hasattr(outer, "tag"):
            x = x + 1
        if x.sum() > wanted:
            x = x - 1
        return made(x) + inner(x), made, inner

    f = s.compile(f)
    for number, start in enumerate(STARTS):
        if number == 3:
            outer.__doc__ = "Something else."
        if number == 5:
            outer.tag = "tagged"
            outer.__name__ = "renamed"
        result = s.call(f, grad(start, 1.0), 5.0)
        for made in result[1:]:
            s.see(made.__name__, made.__doc__, made.__module__, made.__wrapped__, vars(made))
