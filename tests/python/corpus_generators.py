"""Small functions for the comparison with CPython: generators. Each logs its effects.

The nested generator functions are evaluated in the modes that enter functions; in the others they
are CPython's own. Those functions here that are generator functions themselves are used by
`_drive`, below, or by one another.
"""

# ruff: noqa
# fmt: off
import contextlib
import inspect
import itertools
import sys
import types


def _current(log):
    kind, value, tb = sys.exc_info()
    log.append((kind and kind.__name__, str(value), tb is not None))


def _attempt(log, action, *args):
    try:
        log.append(("gave", action(*args)))
    except BaseException as error:
        log.append((type(error).__name__, error.args, repr(error.__context__), repr(error.__cause__)))


def counting(log):
    def count(n):
        log.append("started")
        while n:
            yield n
            n -= 1
        log.append("finished")
    g = count(3)
    log.append("made")
    log.append(list(g))
    log.append(list(g))
    return sum(count(4)), max(count(2)), [x * y for x in count(2) for y in count(x)]


def what_it_is(log):
    def f():
        yield 1
    g = f()
    log.append((type(g) is types.GeneratorType, inspect.isgenerator(g), isinstance(g, types.GeneratorType)))
    log.append((g.__name__, g.__qualname__, iter(g) is g, g.gi_running, repr(g)[:40]))
    log.append((inspect.getgeneratorstate(g), next(g), inspect.getgeneratorstate(g)))
    log.append((inspect.isgeneratorfunction(f), next(g, "end"), inspect.getgeneratorstate(g)))
    f.__name__, f.__qualname__ = "other", "that.other"
    g = f()
    log.append((g.__name__, g.__qualname__))


def sending(log):
    def echo():
        got = None
        while True:
            got = yield got
            log.append(("got", got))
            if got == "stop":
                return "result"
    g = echo()
    _attempt(log, g.send, 5)
    _attempt(log, g.send, None)
    _attempt(log, g.send, 5)
    _attempt(log, next, g)
    _attempt(log, g.send, "stop")
    _attempt(log, g.send, 5)
    _attempt(log, next, g)


def yields_in_expressions(log):
    def f():
        x = (yield 1) + (yield 2)
        log.append(x)
        y = [(yield x), (yield), *(yield "star")]
        log.append(y)
        z = {(yield "key"): (yield "value")}
        log.append(f"{(yield 'formatted')} {z}")
        log.append((yield "left") < (yield "middle") < (yield "right"))
        log.append(max((yield "a"), (yield "b"), key=(yield "c")))
        log.append((yield "and") and (yield "second"))
        a.attribute = yield
        del items[(yield "index")]
        items[(yield "i")] += yield "j"
        assert (yield "condition"), (yield "message")
    class A: pass
    a = A()
    items = [1, 2, 3]
    g = f()
    sent = [None, 10, 20, 30, 40, (50, 60), "k", "v", "text", 1, 2, 3, 7, -9, abs, "yes", "more", 5, 0, 0, 100, ""]
    for each in sent:
        _attempt(log, g.send, each)
    _attempt(log, g.send, "last")
    log.append((vars(a), items))


def throwing(log):
    def f():
        while True:
            try:
                log.append((yield "waiting"))
            except ValueError as error:
                _current(log)
                log.append(("caught", str(error), repr(error.__context__)))
            else:
                log.append("else")
            finally:
                log.append("finally")
    g = f()
    next(g)
    _attempt(log, g.send, 1)
    _attempt(log, g.throw, ValueError("thrown"))
    _attempt(log, g.throw, ValueError)
    _attempt(log, g.throw, KeyError("out"))
    _attempt(log, next, g)
    _attempt(log, g.throw, KeyError("finished"))
    g = f()
    _attempt(log, g.throw, ValueError("not started"))
    _attempt(log, next, g)
    _attempt(log, g.throw, 5)


def throwing_while_handling(log):
    def f():
        try:
            raise KeyError("inside")
        except KeyError:
            try:
                yield 1
            except ValueError as error:
                log.append(repr(error.__context__))
                _current(log)
                yield 2
            _current(log)
            yield 3
    g = f()
    next(g)
    _attempt(log, g.throw, ValueError("thrown"))
    _current(log)
    _attempt(log, next, g)
    _attempt(log, g.throw, TypeError("again"))
    g = f()
    next(g)
    try:
        raise OSError("outside")
    except OSError:
        _attempt(log, g.throw, ValueError("thrown"))
        _current(log)
        _attempt(log, next, g)
    _current(log)


def exc_info_of_caller_and_of_generator(log):
    def f():
        _current(log)
        yield 1
        try:
            raise KeyError("own")
        except KeyError:
            _current(log)
            yield 2
            _current(log)
        _current(log)
        yield 3
        _current(log)
    g = f()
    try:
        raise ValueError("caller 1")
    except ValueError:
        next(g)
        _current(log)
    next(g)
    _current(log)
    try:
        raise ValueError("caller 2")
    except ValueError:
        next(g)
        _current(log)
    _attempt(log, next, g)


def closing(log):
    def f():
        try:
            yield 1
            yield 2
        except GeneratorExit:
            log.append("exit")
            raise
        finally:
            log.append("finally")
    g = f()
    g.close()
    log.append("closed before it began")
    _attempt(log, next, g)
    g = f()
    next(g)
    log.append(g.close())
    log.append(g.close())
    _attempt(log, next, g)


def closing_wrongly(log):
    def stubborn():
        while True:
            try:
                yield 1
            except GeneratorExit:
                log.append("ignored")
                if len(log) > 2:
                    return
    g = stubborn()
    next(g)
    _attempt(log, g.close)
    _attempt(log, g.close)
    def failing():
        try:
            yield 1
        finally:
            raise ValueError("while closing")
    g = failing()
    next(g)
    _attempt(log, g.close)
    _attempt(log, g.close)
    def returning():
        try:
            yield 1
        except GeneratorExit:
            return 5
    g = returning()
    next(g)
    _attempt(log, g.close)


def stop_iteration_inside(log):
    def f(error):
        yield 1
        raise error
    for error in StopIteration("value"), StopIteration, GeneratorExit("own"):
        g = f(error)
        next(g)
        _attempt(log, next, g)
        _attempt(log, next, g)
    def g(it):
        while True:
            yield next(it)
    _attempt(log, list, g(iter([1, 2])))
    _attempt(log, list, (next(iter([])) for _ in range(3)))


def stop_iteration_escapes(log):
    def g(it):
        yield next(it)
    list(g(iter([])))


def returning(log):
    def f(value):
        yield 1
        return value
    for value in None, 5, (1, 2), StopIteration(3), KeyError("x"):
        g = f(value)
        next(g)
        try:
            next(g)
        except StopIteration as stop:
            log.append((stop.value, stop.args))
    def empty():
        return 7
        yield
    _attempt(log, next, empty())
    def delegate():
        log.append((yield from empty()))
    log.append(list(delegate()))


def delegating(log):
    def inner():
        try:
            got = yield 1
            log.append(("inner got", got))
            got = yield 2
            log.append(("inner got", got))
        except ValueError as error:
            log.append(("inner caught", str(error)))
            yield "recovered"
        finally:
            log.append("inner finally")
        return "inner result"
    def outer():
        log.append("begins")
        result = yield from inner()
        log.append(("outer has", result))
        result = yield from inner()
        log.append(("outer has", result))
        yield from [10, 20]
        yield from "ab"
        yield from (x for x in range(2))
        return "outer result"
    log.append(list(outer()))
    g = outer()
    next(g)
    _attempt(log, g.send, "A")
    _attempt(log, g.send, "B")
    _attempt(log, g.throw, ValueError("thrown"))
    _attempt(log, next, g)
    _attempt(log, g.send, 5)
    _attempt(log, g.throw, KeyError("through"))
    g = outer()
    next(g)
    log.append(g.close())


def delegating_to_iterators(log):
    class It:
        def __init__(self, n):
            self.n = n
        def __iter__(self):
            log.append("iter")
            return self
        def __next__(self):
            if not self.n:
                raise StopIteration("done")
            self.n -= 1
            return self.n
    class Full(It):
        def send(self, value):
            log.append(("send", value))
            return value
        def throw(self, *error):
            log.append(("throw", len(error), repr(error[0])))
            raise KeyError("from throw")
        def close(self):
            log.append("close")
    def f(it):
        result = yield from it
        log.append(("result", result))
    log.append(list(f(It(3))))
    g = f(It(3))
    next(g)
    _attempt(log, g.send, 5)
    g = f(It(3))
    next(g)
    _attempt(log, g.throw, ValueError("x"))
    g = f(Full(5))
    next(g)
    _attempt(log, g.send, 5)
    _attempt(log, g.throw, ValueError("x"))
    g = f(Full(5))
    next(g)
    _attempt(log, g.close)
    for bad in 5, None, object:
        _attempt(log, next, f(bad))


def delegating_while_handling(log):
    def inner():
        _current(log)
        try:
            yield 1
        except ValueError as error:
            log.append(repr(error.__context__))
            _current(log)
        yield 2
    def outer():
        try:
            raise KeyError("handled by outer")
        except KeyError:
            yield from inner()
        _current(log)
    g = outer()
    next(g)
    _attempt(log, g.throw, ValueError("thrown"))
    _attempt(log, next, g)


def delegating_to_coroutine(log):
    async def c():
        pass
    def f(x):
        yield from x
    coroutine = c()
    _attempt(log, next, f(coroutine))
    coroutine.close()


def running_already(log):
    def f():
        try:
            next(g)
        except ValueError as error:
            log.append(str(error))
        log.append(g.gi_running)
        yield 1
        try:
            g.close()
        except ValueError as error:
            log.append(str(error))
        yield 2
    g = f()
    log.append(list(g))
    def delegate():
        yield from h
    h = delegate()
    _attempt(log, next, h)


def traceback_through_generators(log):
    def deep(n):
        if not n:
            raise ValueError("deep")
        yield n
        yield from deep(n - 1)
    def middle():
        for x in deep(2):
            yield x
    for x in middle():
        log.append(x)


def traceback_of_what_is_thrown(log):
    def f():
        yield 1
        yield (
            2
        )
    g = f()
    next(g)
    next(g)
    g.throw(ValueError("thrown"))


def traceback_of_generator_expression(log):
    total = sum(
        1 // x
        for x in (1, 0)
    )


def traceback_of_runtime_error(log):
    def f():
        yield 1
        raise StopIteration
    for x in f():
        log.append(x)


def error_in_finally(log):
    def f():
        try:
            yield 1
        finally:
            1 // 0
    g = f()
    next(g)
    g.throw(KeyError("first"))


def finalised(log):
    def f(name):
        try:
            yield 1
        finally:
            log.append(("closed", name))
    g = f("deleted")
    next(g)
    del g
    log.append("after del")
    for x in f("broken loop"):
        break
    log.append("after break")
    def g():
        for x in f("returned from"):
            return x
    g()
    log.append("after return")
    list(zip(f("zipped"), [1]))
    log.append("after zip")
    for x in f("else"):
        pass
    else:
        log.append("else")
    [x for x in f("comprehension")]
    log.append("end")


def left_by_break_in_try(log):
    def f():
        try:
            yield 1
            yield 2
        finally:
            log.append("closed")
    for i in range(2):
        try:
            for x in f():
                if i:
                    break
                continue
        finally:
            log.append(("finally", i))
        log.append(("after", i))


def context_managers(log):
    @contextlib.contextmanager
    def manage(name, suppress=()):
        log.append(("enter", name))
        try:
            yield name.upper()
        except suppress as error:
            log.append(("suppressed", repr(error)))
        finally:
            log.append(("exit", name))
    with manage("a") as a, manage("b", KeyError) as b:
        log.append((a, b))
        raise KeyError("inside")
    with contextlib.ExitStack() as stack:
        log.append([stack.enter_context(manage(name)) for name in "cd"])
    def inside():
        with manage("e"):
            yield 1
            yield 2
    g = inside()
    next(g)
    g.close()
    try:
        with manage("f"):
            raise ValueError("passes")
    except ValueError as error:
        log.append(str(error))
    with manage("g", ValueError):
        raise StopIteration("through")


def generator_with_everything(log):
    def f(a, /, b=2, *rest, c, d=4, **named):
        x = yield a, b, rest, c, d, named
        def inner():
            nonlocal x
            x += 1
            return x
        yield inner()
        yield x, [x + y for y in range(2)], (lambda: x)()
        for x in range(2):
            if x:
                continue
            yield x
        else:
            yield "else"
        with contextlib.suppress(ZeroDivisionError):
            yield 1 // x - 1
            yield 1 // 0
        match x:
            case 1:
                yield "one"
            case y:
                yield y
        del x
        try:
            yield x
        except NameError as error:
            yield str(error)
    g = f(1, 3, 5, c=6, e=7)
    log.append(next(g))
    log.append(g.send(10))
    log.extend(g)
    _attempt(log, f)
    _attempt(log, f, 1, 2)


def generator_expressions(log):
    y = 2
    g = (x * y for x in range(4) if x % 2)
    y = 3
    log.append(list(g))
    log.append((g.__name__, g.__qualname__))
    log.append(list((a, b) for a in range(3) for b in range(a) if a + b))
    log.append(list([x for x in range(n)] for n in range(3)))
    log.append(list((lambda: x)() for x in range(3)))
    fs = list((lambda: x) for x in range(3))
    log.append([f() for f in fs])
    log.append(list((x, *rest) for x, *rest in [(1, 2, 3), "ab"]))
    log.append(list(z := x for x in range(3)))
    log.append(z)
    log.append(any(x > 1 for x in range(10)))
    log.append(list(((i, j) for j in range(i)) .__next__() for i in range(1, 3)))
    log.append(sum(sum(w := x for x in range(v)) for v in range(4)))
    log.append(w)
    log.append(dict((k, v) for k, v in zip("ab", range(2))))
    _attempt(log, list, (u for u in range(3) if unbound_later))
    class Private:
        def f(self):
            self.__x = 4
            return list(self.__x + __y for __y in range(2))
    log.append(Private().f())


def generator_expression_reads_late(log):
    n = 5
    g = (n for _ in range(1))
    n = 6
    log.append(next(g))
    del n
    g = (n for _ in range(1))
    next(g)


_total = 0


def generator_assigns_globals(log):
    def f():
        global _total
        _total = yield 1
        log.append([_total := _total + x for x in range(3)])
        list(_total := _total * 2 for x in range(3))
        yield _total
    g = f()
    next(g)
    log.append((g.send(10), _total))


def lambda_generators(log):
    f = lambda x: (yield x * 2)
    g = f(4)
    log.append(next(g))
    _attempt(log, g.send, 7)
    h = lambda: [(yield from range(3)), (yield 9)]
    log.append(list(h()))


def recursion(log):
    def tree(n):
        if n:
            yield from tree(n - 1)
            yield n
            yield from tree(n - 1)
    log.append(list(tree(4)))
    def permutations(items):
        if len(items) <= 1:
            yield items
        for i, item in enumerate(items):
            for rest in permutations(items[:i] + items[i + 1:]):
                yield [item, *rest]
    log.append(list(permutations([1, 2, 3])))


def pipelines(log):
    def primes():
        known = []
        for n in itertools.count(2):
            if all(n % p for p in known):
                known.append(n)
                yield n
    def take(n, it):
        for _, x in zip(range(n), it):
            yield x
    log.append(list(take(8, primes())))
    log.append(dict(enumerate(take(3, (str(p) for p in primes())))))
    a, b, *c = take(4, primes())
    log.append((a, b, c, [*take(2, primes())], {*take(2, primes())}))
    log.append(max(*take(3, primes()), key=lambda x: -x))


def coroutine_by_decorator(log):
    @types.coroutine
    def waits():
        got = yield "waiting"
        return got
    async def main():
        return await waits()
    c = main()
    log.append(c.send(None))
    _attempt(log, c.send, 5)


def methods_are_generators(log):
    class Tree:
        def __init__(self, *parts):
            self.parts = parts
        def __iter__(self):
            for part in self.parts:
                if isinstance(part, Tree):
                    yield from part
                else:
                    yield part
        def __getitem__(self, key):
            yield key
        @property
        def each(self):
            yield from reversed(self.parts)
        @classmethod
        def made(cls):
            yield cls.__name__
        @staticmethod
        def plain():
            yield __class__.__name__
        def parent(self):
            yield super().__repr__()[:30]
    tree = Tree(1, Tree(2, Tree(), 3), 4)
    log.append(list(tree))
    log.append((list(tree[5]), list(tree.made()), list(tree.plain()), len(list(tree.parent()))))
    log.append(list(Tree(1, 2).each))
    log.append(3 in tree)


def throw_types(log):
    def f():
        while True:
            try:
                yield 1
            except Exception as error:
                log.append((type(error).__name__, error.args))
    g = f()
    next(g)
    g.throw(KeyError)
    g.throw(KeyError("a"))
    try:
        raise OSError("with traceback")
    except OSError as error:
        g.throw(error)
    error = ValueError("has cause")
    error.__cause__ = KeyError()
    g.throw(error)
    log.append(repr(error.__cause__))


def context_of_errors_in_generators(log):
    def f():
        try:
            yield 1
        except ValueError:
            raise KeyError("new")
    g = f()
    next(g)
    try:
        g.throw(ValueError("thrown"))
    except KeyError as error:
        log.append((repr(error.__context__), repr(error.__cause__), error.__suppress_context__))
    g = f()
    next(g)
    try:
        raise OSError("outer")
    except OSError:
        g.throw(ValueError("thrown"))


def handled_in_generator_then_left(log):
    def f():
        for i in range(3):
            try:
                if i:
                    raise ValueError(i)
                yield i
            except ValueError as error:
                yield str(error)
                if i == 2:
                    raise
            _current(log)
    list(f())


def generator_function(log):
    log.append("started")
    try:
        x = yield 1
        log.append(x)
        yield from (2, 3)
    finally:
        log.append("ended")
    return "result"


def drive_generator_function(log):
    g = generator_function(log)
    log.append(next(g))
    log.append(g.send("sent"))
    log.append(list(g))
