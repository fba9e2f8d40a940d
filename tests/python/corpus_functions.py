"""Small functions for the comparison with CPython: functions and classes. Each logs its effects."""

# ruff: noqa
# fmt: off
import functools


def _say(log, value):
    log.append(value)
    return value


def nested(log):
    def add(a, b=2, /, c=3, *args, d, e=5, **kw):
        return a, b, c, args, d, e, kw

    return add(1, d=4), add(1, 2, 3, 4, 5, d=6, f=7), add(0, c=1, d=2, a=9), add.__name__, add.__qualname__


def default_order(log):
    def f(a=_say(log, 1), *, b=_say(log, 2), c: _say(log, "ann") = _say(log, 3)) -> _say(log, "ret"):
        return a, b, c

    return f(), f.__defaults__, f.__kwdefaults__, f.__annotations__


def default_is_shared(log):
    def f(x, acc=[]):
        acc.append(x)
        return acc

    f(1)
    return f(2)


def default_const_tuple(log):
    def f(a=1, b=(2, -3), c="x"):
        return a, b, c

    return f.__defaults__, f()


def annotation_order(log):
    def f(a: _say(log, 1), /, b: _say(log, 2), *c: _say(log, 3), d: _say(log, 4), **e: _say(log, 5)) -> _say(log, 6):
        pass

    return f.__annotations__


def decorators(log):
    def tag(name):
        log.append(f"make {name}")

        def decorate(f):
            log.append(f"apply {name}")

            @functools.wraps(f)
            def wrapper(*a, **k):
                log.append(f"call {name}")
                return f(*a, **k)

            return wrapper

        return decorate

    @tag("outer")
    @tag("inner")
    def f(x):
        "Doc."
        return x + 1

    return f(1), f.__doc__, f.__name__, f.__wrapped__.__name__


def decorator_raises(log):
    @undefined_decorator
    def f():
        pass


def closure_counter(log):
    count = 0

    def up():
        nonlocal count
        count += 1
        return count

    def read():
        return count

    up()
    up()
    return count, read(), up.__closure__[0] is not None, up.__code__.co_name


def closure_of_argument(log):
    def outer(x, *args, k=1, **kw):
        def inner():
            nonlocal x
            x += k
            return x, args, kw

        return inner

    f = outer(1, 2, k=3, z=4)
    return f(), f()


def closure_late_binding(log):
    def f():
        return later

    later = 5
    return f()


def closure_unbound(log):
    def f():
        return later

    try:
        f()
    except NameError as e:
        log.append((type(e).__name__, str(e), e.name))
    f()
    later = 1


def closure_over_loop(log):
    fs = []
    for i in range(3):
        def f(j=i):
            return i, j
        fs.append(f)
    return [f() for f in fs]


def closure_levels(log):
    a = 1

    def f():
        b = 2

        def g():
            nonlocal b
            c = 3
            b += a

            def h():
                return a, b, c

            return h

        return g()()

    return f()


def closure_delete_nonlocal(log):
    x = 1

    def f():
        nonlocal x
        del x

    f()
    return x


def recursion(log):
    def fib(n):
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n != 0 and even(n - 1)

    return fib(10), even(10), odd(7)


def argument_errors(log):
    def f(a, b, /, c, *, d, e=1):
        pass

    def g(a, b=1):
        pass

    def h(**k):
        pass

    for call in (
        lambda: f(),
        lambda: f(1),
        lambda: f(1, 2, 3),
        lambda: f(1, 2, 3, 4, d=5),
        lambda: f(1, b=2, c=3, d=4),
        lambda: f(1, 2, 3, d=4, z=5),
        lambda: f(1, 2, 3, c=4, d=5),
        lambda: g(),
        lambda: g(1, 2, 3),
        lambda: g(1, a=1),
        lambda: g(1, q=1),
        lambda: g(b=1),
        lambda: h(1),
    ):
        try:
            call()
        except TypeError as e:
            log.append(str(e))


def argument_error_line(log):
    def f(a):
        pass

    return f(
        1,
        2,
    )


def keyword_only_missing(log):
    def f(*, a, b, c=1):
        pass

    f(c=2)


def many_arguments(log):
    def f(a, b, c, d=4, *e, f=6, **g):
        return a, b, c, d, e, f, g

    t = (3, 4, 5)
    return f(1, 2, *t, f=0, **{"x": 1}), f(*t), f(c=1, b=2, a=3), f(**dict(a=1, b=2, c=3))


class _Base:
    registry = []

    def __init__(self, x):
        self.x = x
        self.__hidden = "base"

    def hidden(self):
        return self.__hidden, self._Base__hidden

    def hello(self):
        return "base", self.x

    def who(self):
        return __class__.__name__

    @property
    def twice(self):
        return self.x * 2

    @twice.setter
    def twice(self, value):
        self.x = value // 2

    @classmethod
    def make(cls, x):
        return cls(x)

    @staticmethod
    def plain(x):
        return x + 1

    def __call__(self, *a):
        return "called", a

    def __len__(self):
        return self.x

    def inner(self):
        def f():
            __local = 1
            return self.__hidden, __local
        return f()

    def mangled_things(self):
        import os as __os
        self.__a, self.__b = 1, 2
        self.__a += 1
        del self.__b
        def __f(__x, *, __y=2):
            return __x, __y
        return __f(3), __os.sep, sorted(k for k in vars(self)), {k: 1 for k in [__f.__name__]}


class _Derived(_Base):
    def __init__(self, x):
        super().__init__(x + 1)
        self.__hidden = "derived"

    def hello(self):
        return "derived", super().hello(), super(_Derived, self).hello()

    def own(self):
        return self.__hidden, self.hidden()

    def in_closure(self):
        def f():
            return super(_Derived, self).hello()
        return f(), (lambda: __class__)().__name__

    def cell_first(self):
        get = lambda: self.x
        return super().hello(), get()

    def local_super(self):
        super = lambda: "mine"
        return super()

    @classmethod
    def make(cls, x):
        return super().make(x * 10)

    def missing(self):
        return super().nothing()


def methods(log):
    d = _Derived(1)
    return d.hello(), d.own(), d.in_closure(), d.cell_first(), d.local_super(), d.who()


def methods_more(log):
    d = _Derived.make(2)
    d.twice = 50
    d.twice += 2
    bound = d.hello
    return d.x, d.twice, d(1, 2), len(d), d.plain(1), bound(), _Base.hello(d), d.inner(), d.mangled_things()


def method_missing(log):
    return _Derived(1).missing()


def truth_by_len(log):
    return [1 if _Base(n) else 0 for n in (0, 1)]


def higher_order(log):
    compose = lambda *fs: functools.reduce(lambda f, g: lambda x: g(f(x)), fs)
    return compose(lambda x: x + 1, lambda x: x * 2, str)(3)


def partials(log):
    def f(a, b, c):
        return a, b, c

    return functools.partial(f, 1, c=3)(2), sorted("bca", key=lambda c: -ord(c)), list(filter(lambda x: x, [0, 1]))


def generators(log):
    def count(n):
        received = yield "start"
        for i in range(n):
            received = yield i, received
        return "end"

    def outer():
        result = yield from count(2)
        yield result

    g = outer()
    return next(g), g.send("a"), g.send("b"), next(g), list(outer())


def generator_closure(log):
    x = 1

    def g():
        nonlocal x
        while x < 4:
            yield x
            x += 1

    return list(g()), x, [y for y in g()]


def nested_class_instance(log):
    return type("T", (_Base,), {"hello": lambda self: super(T_holder[0], self).hello() if T_holder else 0})(3).hello()


T_holder = []


def function_attributes(log):
    def f():
        pass

    f.count = 1
    f.count += 1
    return f.count, f.__module__.rpartition(".")[2], f.__dict__, f.__globals__ is globals()


def identity_of_constants(log):
    def f():
        return 1000, "a b", (1, 2)

    a, b = f(), f()
    return a is b, a[0] is b[0]


def star_parameters(log):
    def f(*args, **kwargs):
        args += (1,)
        kwargs["z"] = 2
        return args, kwargs

    given = {"a": 1}
    return f(0, **given), given


def lambda_on_several_lines(log):
    f = lambda a, \
        b: (a +
            b)
    g = [
        lambda: 1, lambda: 2,
        lambda: 3,
    ]
    return f(1, 2), [h() for h in g]


def shadowed_builtins(log):
    list = lambda x: ("mine", x)
    len = 5
    def eval(x):
        return "evaluated", x
    return list(1), len, eval("1 +")


def globals_are_the_modules(log):
    return [(lambda: __name__)().rpartition(".")[2], _say.__module__ == __name__]


def local_import_of_own_module(log):
    import functools as f
    return f is functools


def conditional_function(log):
    for flag in (True, False):
        if flag:
            def f():
                return "yes"
        else:
            def f():
                return "no"
        log.append(f())


def eval_with_globals(log):
    return eval("x + 1", {"x": 2})


def set_and_frozenset(log):
    return {1, 2} == frozenset((1, 2)), 3 in {1, 2, 3}, [x for x in (1, 2) if x in {2}]


def shadowing_comprehension_name_of_global(log):
    r = [_say for _say in range(2)]
    return r, callable(_say)


def walrus_global(log):
    global _walrus_target
    values = [(_walrus_target := i) for i in range(3)]
    r = _walrus_target
    del _walrus_target
    return values, r


def walrus_captured(log):
    r = [y := x for x in range(3)]
    f = lambda: y
    any((y := v) > 1 for v in [0, 1, 2, 3])
    return f(), r, y
