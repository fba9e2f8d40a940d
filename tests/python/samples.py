"""Functions whose lowering is looked at, or refused."""

# ruff: noqa
# fmt: off
import functools
import sys


def plain(a, b):
    return a + b


def generator():
    yield 1


def generator_expression():
    return (x * 2 for x in [1, 2])


async def coroutine():
    pass


async def asynchronous_generator():
    yield 1


def with_class():
    class Inner:
        pass
    return Inner


def with_locals():
    return locals()


def with_vars():
    return vars()


def with_dir():
    return dir()


def with_eval():
    return eval("1")


def with_exec():
    exec("1")


def with_getframe():
    return sys._getframe()


lambdas = (lambda x: x + 1), (lambda x: x * 2), (lambda x, y=(lambda: 7): y()), (lambda: (lambda: 3))


def double(f):
    @functools.wraps(f)
    def wrapper(x):
        return f(x) * 2
    return wrapper


@double
def decorated(x):
    return x


def make_class():
    class Holder:
        def __init__(self, x):
            self.__x = x

        def get(self):
            return self.__x
    return Holder


def make_inner(x):
    def inner(y):
        return x + y
    return inner


def listed(a, /, b, c=1, *rest, d, **named):
    total = a + b
    try:
        total += c
    except TypeError:
        pass
    return lambda: total


def always_bound(n):
    x = 0
    for i in range(n):
        y = i
        x = x + y + i
    try:
        z = x
    finally:
        w = x
    del x
    x = 1
    return x + z + w


def maybe_unbound(n):
    for i in range(n):
        pass
    return i, i
