"""Scenes of exceptions: raised, handled, passed on, and raised on some of the calls only."""

# what ruff would write otherwise is what is tested
# ruff: noqa: B012, B904, SIM105

from __future__ import annotations

import contextlib
import sys

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs import T, grad

STARTS = (1.0, 1.0, -2.0, 1.0, 3.0, -2.0, 9.0, 3.0, 1.0)


class Refused(Exception):
    """A plain exception of a user."""


class Coded(Refused):
    code = 7

    def __init__(self, message, value):
        super().__init__(message)
        self.value = value


def each_start(s: Session, f, *more) -> None:
    f = s.compile(f)
    for start in STARTS:
        s.call(f, grad(start, start * 2), *more)


def check(x):
    if x.sum() > 8:
        raise ValueError("too large", 8)
    if x.sum() < 0:
        raise Refused
    return x * 2


def scene_raised_and_handled(s: Session) -> None:
    def f(x):
        try:
            y = check(x)
        except ValueError as error:
            y = x / error.args[1]
            text = str(error)
        except (KeyError, Refused):
            y, text = -x, "refused"
        else:
            text = "fine"
        return y * 3, text

    each_start(s, f)


def scene_groups(s: Session) -> None:
    def f(x, log):
        try:
            y = check(x)
            if x.sum() > 5:
                raise ExceptionGroup("both", [KeyError("key"), Refused("twice"), OSError()])
        except* ValueError as group:
            y = x / group.exceptions[0].args[1]
            log.append("value")
        except* Refused as group:
            y = -x
            log.append([type(each).__name__ for each in group.exceptions])
            if x.sum() > 5:
                raise ArithmeticError("again") from group
        except* (TypeError, OSError):
            y = x * 3
        else:
            log.append("fine")
        return y * 2

    def g(x, log):
        try:
            return f(x, log)
        except ExceptionGroup as group:
            log.append([type(each).__name__ for each in group.exceptions])
            return x + len(group.exceptions)
        finally:
            log.append("behind")

    f, g = s.compile(f), s.compile(g)
    for start in STARTS:
        log = []
        s.attempt(f, T([start, start]), log)
        s.call(g, grad(start, start), log)
        s.see(log)


def scene_finally(s: Session) -> None:
    def f(x):
        log = []
        try:
            try:
                log.append("try")
                x = check(x) + 1
            finally:
                log.append("inner")
                x = x * 2
        except Refused:
            log.append("refused")
        finally:
            log.append("outer")
        return x, log

    f = s.compile(f)
    for start in STARTS:
        s.attempt(f, T([start]))


def scene_nested_and_from(s: Session) -> None:
    def f(x):
        try:
            try:
                check(x)
            except Refused as refused:
                raise KeyError("inner") from refused
            except ValueError:
                raise
            x = x + 1
        except KeyError as error:
            x = x * 2 if type(error.__cause__) is Refused else x
            name = error.args[0]
        except ValueError as error:
            x, name = x * 3, f"{error} {error!r}"
        else:
            name = None
        return x, name

    each_start(s, f)


def scene_leaving_the_call(s: Session) -> None:
    def deeper(x):
        try:
            return check(x)
        except Refused as error:
            raise RuntimeError("from deeper") from error

    def f(x):
        y = x * 2
        try:
            return deeper(y)
        except RuntimeError:
            y = y + 1
            raise
        except ValueError as error:
            raise TypeError(y.sum().item()) from error

    f = s.compile(f)
    for start in STARTS:
        s.attempt(f, T([start]))


def scene_chain_that_leaves(s: Session) -> None:
    def f(x):
        try:
            check(x)
        except Refused:
            with torch.no_grad():
                raise LookupError("while handling")
        finally:
            x = x + 1
        return x

    f = s.compile(f)
    for start in STARTS:
        s.attempt(f, T([start]))


def scene_escapes_as_a_value(s: Session) -> None:
    def f(x):
        try:
            check(x)
        except (ValueError, Refused) as error:
            kept = error
        else:
            kept = None
        return x * 2, kept

    f = s.compile(f)
    for start in STARTS:
        _, error = s.call(f, T([start]), backward=False)
        if error is not None:
            s.see(type(error).__name__, error.args, error.__traceback__.tb_lineno)
            s.see(error.__traceback__.tb_next.tb_frame.f_code.co_name, error.__context__)


def scene_loops_and_blocks(s: Session) -> None:
    def f(x, items):
        done = []
        for item in items:
            try:
                if item == 0:
                    continue
                if item < 0:
                    break
                x = x * (6 / item)
                if x.sum() > 50:
                    return x, done, "early"
            except TypeError:
                x = x + 1
            else:
                done.append(item)
            finally:
                done.append("f")
        else:
            done.append("all")
        while x.sum() > 4:
            try:
                x = x / 2
                if x.sum() < 5:
                    raise StopIteration(x)
            except StopIteration as stop:
                x = stop.value * 1.5
                break
        else:
            done.append("counted")
        return x, done

    f = s.compile(f)
    for items in ([1, 2], [1, 0, "a", 3], [1, -1, 2], [6, 6], [1, 2], [None]):
        for start in (1.0, 0.5, 1.0, 3.0):
            s.call(f, grad(start, start), items)


def scene_known_reads(s: Session) -> None:
    table = {"a": 2.0, "b": T([3.0])}
    numbers = [1.0, 2.0]

    class Holder:
        pass

    holder = Holder()

    def f(x, key, at):
        own = {"x": 5.0}
        pair = (x, 2.0)
        try:
            x = x * table[key]
        except KeyError as error:
            x = x - len(error.args)
        try:
            x = x * numbers[at]
        except IndexError as error:
            x, text = x + 7, str(error)
        else:
            text = ""
        try:
            x = x * own[key]
        except KeyError:
            x = x / 3
        try:
            x = x + pair[at]
        except LookupError:
            pass
        try:
            x = x * holder.scale
        except AttributeError:
            x = x * 10
        return x, text

    f = s.compile(f)
    for key, at in (("a", 0), ("b", 1), ("c", 2), ("a", 2), ("c", -3), ("x", 0), ("c", 2)):
        s.call(f, grad(1.0, 2.0), key, at)
    table["c"] = 4.0
    numbers.append(3.0)
    holder.scale = 0.5
    for key, at in (("a", 0), ("c", 2), ("c", 3), ("c", 2)):
        s.call(f, grad(1.0, 2.0), key, at)
    Holder.other = 1
    del holder.scale
    s.call(f, grad(1.0, 2.0), "c", 2)
    Holder.scale = 0.25
    s.call(f, grad(1.0, 2.0), "c", 2)


def scene_known_arithmetic(s: Session) -> None:
    def f(x, n, text):
        try:
            x = x * (6 // n)
        except ZeroDivisionError as error:
            x = x + len(error.args)
        try:
            x = x * int(text)
        except ValueError:
            x = x - 1
        try:
            x = x * (text * text)
        except TypeError as error:
            x = x * 2 if "multiply" in str(error) else x
        return x

    f = s.compile(f)
    for n, text in ((1, "3"), (2, "a"), (0, "3"), (0, "b"), (3, "3"), (0, "3")):
        s.call(f, grad(1.0, 2.0), n, text)


def scene_arithmetic_that_raises_for_some_numbers(s: Session) -> None:
    def divided(x, k):
        try:
            y = 1 // (k - 2)
        except ZeroDivisionError:
            y = 7
        return (x * 2 if x.sum() > 0 else x * 3), y

    def repeated(x, k):
        y = 0
        for divisor in (k, k - 1, k - 2):
            try:
                y += 6 // divisor
            except ZeroDivisionError:
                y += 100
        return (x * 2 if x.sum() > 0 else x * 3), y

    def returned(x, k):
        try:
            7 % (k - 2)
            return x
        finally:
            if x.sum() > 0:
                return x * 2

    # who divides by a number that an earlier call could not divide by decides nothing by that
    for each in (divided, repeated, returned):
        f = s.compile(each)
        for start in (1.0, -1.0, 2.0, -2.0, 1.0):
            for k in (0, 2, -10, 1, 5):
                s.call(f, grad(start), k)


def scene_asserts(s: Session) -> None:
    def f(x, n):
        try:
            assert x.sum() > 0, "negative"
            assert n < 5
        except AssertionError as error:
            x = x * 2 if error.args else x * 3
        assert n != 4, f"not {n}"
        return x

    f = s.compile(f)
    for n in (1, 1, 7, 4, 1, 4, 7):
        for start in (1.0, -1.0):
            s.attempt(f, T([start, start]), n)


def scene_stop_iteration(s: Session) -> None:
    def f(x):
        items = (x * i for i in range(2))
        total = 0
        while True:
            try:
                total = total + next(items)
            except StopIteration as stop:
                return total, stop.value

    def g(x):
        def body():
            yield x
            return x * 2

        it = body()
        try:
            next(it)
            next(it)
        except StopIteration as stop:
            return stop.value + 1

    each_start(s, f)
    each_start(s, g)


def scene_exceptions_through_generators(s: Session) -> None:
    def strict(items):
        for item in items:
            if item.sum() > 3:
                raise Refused("too large")
            yield item * 2

    def wrapped(items):
        yield from strict(items)

    def f(x):
        total = x
        try:
            for item in wrapped([x, x + 1, x * 2]):
                total = total + item
        except Refused as error:
            total = total * 2 if error.args == ("too large",) else total
        return total

    each_start(s, f)


def scene_library_raises_on_shapes(s: Session) -> None:
    def f(x, y):
        try:
            z = x * 2 @ y
        except RuntimeError:
            z = x * 3
        return z + 1

    f = s.compile(f)
    for shape in ((2,), (3,), (2,), (3,), (2,)):
        s.call(f, grad(1.0, 2.0), torch.ones(shape))


def scene_raises_on_data_first(s: Session) -> None:
    def f(x, at):
        y = x * 2
        try:
            z = y[at] + 1
        except IndexError:
            z = -y.sum()
        return z * 3

    for order in ((9, 0, 1, 9, 0), (0, 9, 1, 0, 9, 9), (9, 9, 9, 0, 0)):
        g = s.compile(f)
        for at in order:
            s.call(g, grad(1.0, 2.0), T([at]))


def scene_singular_matrix(s: Session) -> None:
    def f(a, x):
        try:
            return torch.linalg.solve(a, x) + 1
        except torch.linalg.LinAlgError:
            return x * 0

    for order in ((0.0, 1.0, 2.0, 0.0, 1.0), (1.0, 2.0, 0.0, 0.0, 3.0)):
        g = s.compile(f)
        for value in order:
            s.call(g, T([[value, 0.0], [0.0, 2.0]]), grad(1.0, 2.0))


def scene_raises_after_effects(s: Session) -> None:
    class Counter:
        n = 0

    counter = Counter()

    def f(x, at):
        counter.n += 1
        try:
            y = x[at].sum()
        except IndexError:
            counter.n += 100
            y = x.sum()
        counter.n += 10
        return y * counter.n

    f = s.compile(f)
    for at in (5, 0, 5, 1, 1, 5, 0, 0):
        s.call(f, grad(1.0, 2.0), T([at]))
        s.see(counter.n)


def scene_managers(s: Session) -> None:
    class Manager:
        def __init__(self, swallows):
            self.swallows = swallows
            self.seen = None

        def __enter__(self):
            return self

        def __exit__(self, kind, value, traceback):
            self.seen = None if kind is None else kind.__name__
            return self.swallows and kind is Refused

    quiet, loud = Manager(True), Manager(False)

    def f(x):
        y = x
        with quiet, loud, torch.no_grad():
            y = check(x) * 2
        with torch.enable_grad(), contextlib.suppress(ValueError, Refused):
            y = y + check(x)
        return y

    f = s.compile(f)
    for start in STARTS:
        s.attempt(f, grad(start))
        s.see(quiet.seen, loud.seen)
    quiet.swallows = False
    for start in STARTS:
        s.attempt(f, grad(start))
        s.see(quiet.seen, loud.seen)


def scene_exceptions_with_state(s: Session) -> None:
    def f(x):
        try:
            if x.sum() > 0:
                raise Coded("with state", x * 2)
        except Coded as error:
            return error.value + error.code
        return x

    each_start(s, f)


def scene_looking_at_what_is_handled(s: Session) -> None:
    def current():
        return type(sys.exc_info()[1]).__name__

    def f(x):
        names = [current()]
        try:
            check(x)
        except Exception:
            names.append(current())
            try:
                raise KeyError
            except KeyError:
                names.append(current())
            names.append(current())
        names.append(current())
        return x * 2, names

    each_start(s, f)


def scene_printing_in_a_handler(s: Session) -> None:
    def f(x):
        try:
            x = check(x)
        except Refused as error:
            print("refused", error.args)
            x = x * 5
            if x.sum() < -5:
                raise ValueError(f"bad {error!r}") from None
        return x * 2

    f = s.compile(f)
    for start in (*STARTS, -0.1, -0.2, -7.0):
        s.attempt(f, T([start]))


def scene_classes_change(s: Session) -> None:
    class Ours(Exception):
        pass

    class Theirs(Exception):
        pass

    class Problem(Ours):
        pass

    def f(x):
        try:
            raise Problem("one")
        except Problem as error:
            return x * len(error.args), str(error)

    def g(x):
        try:
            raise Problem("one")
        except Theirs:
            return x * 2
        except Problem as error:
            return x * 3, f"{error} {error!r}"

    f, g = s.compile(f), s.compile(g)
    for change in (
        lambda: None,
        lambda: setattr(Problem, "__format__", lambda self, spec: "formatted"),
        lambda: setattr(Problem, "__str__", lambda self: "changed"),
        lambda: delattr(Problem, "__str__"),
        lambda: setattr(Problem, "args", ("of", "the", "class")),
        lambda: delattr(Problem, "args"),
        lambda: setattr(Problem, "__init__", lambda self, *args: print(args)),
        lambda: delattr(Problem, "__init__"),
        lambda: setattr(Problem, "__bases__", (Theirs,)),
    ):
        s.attempt(f, grad(1.0))
        s.attempt(g, grad(1.0))
        change()
        s.attempt(f, grad(1.0))
        s.attempt(g, grad(1.0))


def scene_the_class_that_is_caught_changes(s: Session) -> None:
    wanted = {"kind": Refused}

    def f(x):
        try:
            check(x)
        except wanted["kind"]:
            return x * 2
        return x

    f = s.compile(f)
    for kind in (Refused, Refused, ValueError, (Refused, ValueError), Exception, KeyError):
        wanted["kind"] = kind
        for start in STARTS:
            s.attempt(f, T([start]))


def scene_exceptions_of_arguments(s: Session) -> None:
    def f(x, error):
        try:
            if x.sum() > 0:
                raise error
        except ValueError as caught:
            return x * 2, caught is error
        except (TypeError, Refused):
            return x * 3
        return x

    f = s.compile(f)
    for error in (ValueError("a"), Refused, TypeError("b"), ValueError, KeyError("c")):
        for start in (1.0, -1.0, 1.0):
            s.attempt(f, T([start]), error)


NATIVE = (
    scene_raised_and_handled,
    scene_nested_and_from,
    scene_loops_and_blocks,
    scene_known_reads,
    scene_known_arithmetic,
    scene_stop_iteration,
    scene_exceptions_through_generators,
    scene_escapes_as_a_value,
)
"""Those of which nothing is left to Python."""
