"""Small functions for the comparison with CPython: classes and what their objects do."""

# ruff: noqa
# fmt: off
import abc
import collections
import dataclasses
import enum
import functools
import typing


def _attempt(log, action, *args):
    try:
        log.append(("gave", action(*args)))
    except BaseException as error:
        log.append((type(error).__name__, error.args, repr(error.__context__), repr(error.__cause__)))


def class_statement(log):
    log.append("before")
    class A:
        "The docstring."
        log.append("in the body")
        x = 1
        y: int = x + 1
        z: "later"
        def method(self):
            return self.x, __class__
        names = sorted(n for n in ("b", "a"))
    log.append((A.__name__, A.__qualname__, A.__module__, A.__doc__, A.__annotations__, A.names))
    log.append((A().method(), A.x, A.y, A.__bases__, A.method.__qualname__))
    return A()


def class_order(log):
    def say(value):
        log.append(value)
        return value
    class Meta(type):
        def __new__(meta, name, bases, namespace, **kwargs):
            log.append(("new", name, len(bases), sorted(kwargs)))
            return super().__new__(meta, name, bases, namespace)
        def __init__(cls, name, bases, namespace, **kwargs):
            log.append(("init", name))
            super().__init__(name, bases, namespace)
        @classmethod
        def __prepare__(meta, name, bases, **kwargs):
            log.append(("prepare", name, sorted(kwargs)))
            return collections.OrderedDict()
    def decorate(label):
        def apply(cls):
            log.append(("decorate", label, cls.__name__))
            return cls
        return say(("decorator", label)) and apply
    @decorate("outer")
    @decorate("inner")
    class B(say(object), metaclass=say(Meta), option=say(1), **say({"more": 2})):
        log.append("body")
    class C(*say([B, list]), **say({"metaclass": Meta})):
        pass
    log.append((type(B).__name__, [k.__name__ for k in C.__mro__]))


def class_errors(log):
    def bad(exception):
        class A:
            x = 1
            raise exception
    _attempt(log, bad, ValueError("in the body"))
    def duplicate():
        class A(int, str): pass
    _attempt(log, duplicate)
    def not_a_base():
        class A(5): pass
    _attempt(log, not_a_base)
    def twice():
        class A(metaclass=type, **{"metaclass": type}): pass
    _attempt(log, twice)
    def final():
        class A(bool): pass
    _attempt(log, final)
    class A:
        undefined_in_body


def class_closures(log):
    x = 1
    def show():
        return x
    class A:
        log.append(x)
        y = x + 1
        def get(self):
            return x, show()
        def set(self, value):
            nonlocal x
            x = value
        class B:
            z = x
            def both(self):
                return x, __class__.__qualname__
    a = A()
    a.set(5)
    log.append((a.get(), A.y, A.B.z, A.B().both()))
    class C:
        nonlocal x
        x = 10
        def x2(self): return x
    log.append((x, C().x2(), hasattr(C, "x")))
    class D:
        x = "shadow"
        here = x
        inner = [x for _ in range(1)]
    log.append((D.here, D.inner))


def class_in_loop(log):
    classes = []
    for i in range(3):
        class A:
            n = i
            def late(self):
                return i
        classes.append(A)
    log.append([(c.n, c().late()) for c in classes])
    def make(*bases, **namespace):
        class Made(*bases):
            vars().update(namespace)
        return Made
    log.append([make(), make(int)(3), make(x=5).x])


def class_private_names(log):
    class _Private:
        __secret = 1
        def __init__(self):
            self.__value = 2
            self.__dict__["plain"] = 3
        def get(self):
            return self.__value + self.__secret, [self.__value for _ in range(1)], (lambda: self.__value)()
        def __hidden(self, __argument=5):
            return __argument
        def call(self):
            import os.path as __path
            return self.__hidden(), self.__hidden(_Private__argument=6), __path is not None
    p = _Private()
    log.append((p.get(), p.call(), sorted(vars(p))))


def class_deleted_names(log):
    class A:
        x = 1
        del x
        try:
            x
        except NameError as error:
            message = str(error)
    log.append((hasattr(A, "x"), A.message))
    del A
    A


def supers(log):
    class Base:
        def __init__(self, *args):
            log.append(("Base", args))
        def f(self):
            return "base"
        @classmethod
        def c(cls):
            return cls.__name__
        @staticmethod
        def s():
            return "static"
        @property
        def p(self):
            return "property"
    class Left(Base):
        def __init__(self, *args):
            super().__init__("left", *args)
        def f(self):
            return "left " + super().f()
    class Right(Base):
        def __init__(self, *args):
            super().__init__("right", *args)
        def f(self):
            return "right " + super().f()
    class Both(Left, Right):
        def __init__(self, x, y=2):
            super().__init__(x, y)
            self = None
        def f(self):
            return super().f(), super(Left, self).f(), super(Both, self).f()
        @classmethod
        def c(cls):
            return super().c()
        @property
        def p(self):
            return super().p, super().s()
        def inside(self):
            def nested(self):
                return super().f()
            return nested(self), (lambda self: super().f())(self)
    b = Both(1)
    log.append((b.f(), b.c(), b.p, b.inside()))


def super_errors(log):
    class A:
        def nothing():
            return super()
        def deleted(self):
            del self
            return super()
        def wrong(self):
            self = 5
            return super()
        def in_list(self):
            return [super() for _ in range(1)]
        def in_generator(self):
            return list(super() for _ in range(1))
        def shadowed(self):
            super = lambda: "mine"
            return super()
        def attribute(self):
            return super().missing
    a = A()
    for name in "nothing", "deleted", "wrong", "in_list", "in_generator", "shadowed", "attribute":
        function = getattr(A, name)
        _attempt(log, lambda: repr(function() if name == "nothing" else function(a))[:30])
    class B:
        def captured(self):
            return (lambda: self) and super().__repr__()[:2]
        def captured_and_deleted(self):
            f = lambda: self
            del self
            return super()
        def during(self):
            return super()
        _attempt(log, during, None)
    log.append(B().captured())
    _attempt(log, B().captured_and_deleted)
    def outside(x):
        return super()
    _attempt(log, outside, 5)


def descriptors(log):
    class Data:
        def __set_name__(self, owner, name):
            log.append(("set_name", owner.__name__, name))
            self.name = "_" + name
        def __get__(self, instance, owner):
            log.append(("get", instance is None, owner.__name__))
            return self if instance is None else instance.__dict__[self.name]
        def __set__(self, instance, value):
            log.append(("set", value))
            instance.__dict__[self.name] = value
        def __delete__(self, instance):
            log.append("delete")
            del instance.__dict__[self.name]
    class NonData:
        def __get__(self, instance, owner):
            return "computed"
    class A:
        d = Data()
        n = NonData()
    a = A()
    a.d = 1
    a.d += 5
    log.append((a.d, a.n, type(A.d).__name__))
    a.n = "stored"
    log.append(a.n)
    del a.d
    a.d


def properties(log):
    class A:
        def __init__(self):
            self._x = 1
        @property
        def x(self):
            "the x"
            log.append("read")
            return self._x
        @x.setter
        def x(self, value):
            log.append(("write", value))
            if value < 0:
                raise ValueError("negative")
            self._x = value
        @x.deleter
        def x(self):
            log.append("delete")
        @functools.cached_property
        def cached(self):
            log.append("computed")
            return [self._x]
    a = A()
    a.x += 1
    a.x *= 3
    del a.x
    log.append((a.x, A.x.__doc__, a.cached is a.cached))
    class ReadOnly:
        y = property(lambda self: 5)
    _attempt(log, setattr, ReadOnly(), "y", 1)
    a.x = -1


def attribute_hooks(log):
    class A:
        def __init__(self):
            self.real = 1
        def __getattr__(self, name):
            log.append(("getattr", name))
            if name.startswith("no"):
                raise AttributeError(name)
            return name.upper()
        def __setattr__(self, name, value):
            log.append(("setattr", name))
            object.__setattr__(self, name, value)
        def __delattr__(self, name):
            log.append(("delattr", name))
            super().__delattr__(name)
    a = A()
    log.append((a.real, a.virtual, hasattr(a, "nothing"), getattr(a, "none", "default")))
    a.virtual += "!"
    log.append(vars(a))
    del a.virtual
    class B:
        def __getattribute__(self, name):
            log.append(("getattribute", name))
            return 5 if name == "five" else super().__getattribute__(name)
    b = B()
    b.x = b.five
    log.append(b.x)
    del a.missing


def operators(log):
    class N:
        def __init__(self, v, reflected=True):
            self.v, self.reflected = v, reflected
        def __repr__(self):
            return f"N({self.v})"
        def __add__(self, other):
            log.append(("add", other))
            return N(self.v + other) if isinstance(other, int) else NotImplemented
        def __radd__(self, other):
            log.append(("radd", other))
            return N(other + self.v)
        def __iadd__(self, other):
            log.append(("iadd", other))
            self.v += other
            return self
        def __mul__(self, other):
            log.append(("mul", other))
            return NotImplemented
        def __matmul__(self, other):
            return "matmul", other
        def __imatmul__(self, other):
            return NotImplemented
        def __rpow__(self, other):
            return "rpow", other
        def __neg__(self):
            return N(-self.v)
        def __invert__(self):
            return "invert"
        def __rfloordiv__(self, other):
            return "rfloordiv"
        def __divmod__(self, other):
            return "divmod"
    class Sub(N):
        def __radd__(self, other):
            log.append("Sub.radd first")
            return "from Sub"
    n = N(1)
    log.append((n + 2, 2 + n, -n, ~n, n @ 5, 2 ** n, 7 // n, divmod(n, 2)))
    log.append((n + Sub(5), N(3) + N(4) if False else None))
    m = n
    n += 10
    log.append((n, m is n))
    n @= 4
    log.append(n)
    _attempt(log, lambda: m * 2)
    _attempt(log, lambda: m - 2)
    _attempt(log, lambda: 2 - m)
    k = 5
    k += m
    log.append(k)
    log.append(m + "text")


def comparisons(log):
    class C:
        def __init__(self, v): self.v = v
        def __eq__(self, other):
            log.append(("eq", self.v))
            return "equal" if isinstance(other, C) else NotImplemented
        def __lt__(self, other):
            log.append(("lt", self.v))
            return NotImplemented
        def __gt__(self, other):
            log.append(("gt", self.v))
            return "greater"
        def __contains__(self, item):
            log.append(("contains", item))
            return "truthy"
    a, b = C(1), C(2)
    log.append((a == b, a != b, a < b, a > b, a == 5, 5 in a, 5 not in a))
    _attempt(log, hash, a)
    log.append(a < b > a)
    @functools.total_ordering
    class T:
        def __init__(self, v): self.v = v
        def __eq__(self, other): return self.v == other.v
        def __lt__(self, other): return self.v < other.v
    log.append([T(1) <= T(2), T(1) >= T(2), T(2) > T(1), sorted([T(3), T(1)])[0].v])
    a <= b


def truths(log):
    class Fails:
        def __bool__(self):
            raise ValueError("no truth")
    class Wrong:
        def __bool__(self):
            return 5
    class Sized:
        def __init__(self, n): self.n = n
        def __len__(self):
            log.append(("len", self.n))
            return self.n
    for x in Sized(0), Sized(2), Sized(-1), Wrong(), Fails():
        _attempt(log, lambda: "true" if x else "false")
        _attempt(log, lambda: not x)
        _attempt(log, lambda: x and 1)
        _attempt(log, lambda: [1 for _ in range(1) if x])
    while Fails():
        log.append("never")


def containers(log):
    class Items:
        def __getitem__(self, key):
            log.append(("get", key))
            if isinstance(key, int) and key > 2:
                raise IndexError(key)
            return key
        def __setitem__(self, key, value):
            log.append(("set", key, value))
        def __delitem__(self, key):
            log.append(("del", key))
        def __missing__(self, key):
            log.append("never asked")
    i = Items()
    log.append((i[1], i[1:2], i[1:2, ...], i["a"], i[::2], list(i), 2 in i))
    i[0] = 5
    i["x"] += "y"
    i[1:2] *= 1 if False else slice(1).stop
    del i[0], i[1:]
    a, b, c = i
    log.append((a, b, c))
    class Index:
        def __index__(self):
            log.append("index")
            return 1
    log.append(([10, 20][Index()], [1, 2, 3][Index():], (1, 2) * Index(), range(Index()), hex(Index())))
    class D(dict):
        def __missing__(self, key):
            log.append(("missing", key))
            self[key] = key * 2
            return self[key]
    d = D(a=1)
    log.append((d["a"], d["b"], d.get("c"), "b" in d))
    d["x"] += "!"
    class L(list):
        def append(self, item):
            log.append(("append", item))
            super().append(item)
        def __getitem__(self, key):
            return ("wrapped", super().__getitem__(key))
        def __iter__(self):
            log.append("iter")
            return super().__iter__()
    l = L([1, 2])
    l.append(3)
    log.append((l[0], [*l], l + [4], len(l), l == [1, 2, 3]))
    first, *rest = l
    log.append((first, rest, {**d}))
    i[5]


def iterators(log):
    class Count:
        def __init__(self, n): self.n = n
        def __iter__(self): return self
        def __next__(self):
            if self.n <= 0:
                raise StopIteration
            self.n -= 1
            return self.n
    log.append((list(Count(3)), [*Count(2)], sum(Count(4)), 2 in Count(5), max(Count(3))))
    a, *b = Count(4)
    log.append((a, b, dict(zip("ab", Count(5)))))
    class NotAnIterator:
        def __iter__(self): return 5
    _attempt(log, lambda: [x for x in NotAnIterator()])
    class Refuses:
        __iter__ = None
        def __getitem__(self, i): return i
    _attempt(log, lambda: [*Refuses()])
    class Raises:
        def __iter__(self):
            raise KeyError("iter")
    _attempt(log, lambda: {*Raises()})
    class Reversed:
        def __reversed__(self): return iter("cba")
        def __length_hint__(self): return 3
    log.append(list(reversed(Reversed())))
    for x in Raises():
        pass


def callables(log):
    class F:
        def __call__(self, *args, **kwargs):
            return args, kwargs
    f = F()
    log.append((f(), f(1, *[2, 3], x=4, **{"y": 5})))
    f.__call__ = lambda: "never used"
    log.append(f())
    class New:
        def __new__(cls, *args):
            log.append(("new", args))
            return super().__new__(cls) if args else 5
        def __init__(self, *args):
            log.append(("init", args))
    log.append((New(), type(New(1)).__name__))
    class Callable:
        __call__ = F()
    log.append(Callable()(1))


def class_hooks(log):
    class Base:
        def __init_subclass__(cls, /, tag=None, **kwargs):
            super().__init_subclass__(**kwargs)
            log.append(("subclass", cls.__name__, tag))
        def __class_getitem__(cls, item):
            return cls.__name__, item
    class A(Base, tag="t"): pass
    log.append((A[int], Base[1, 2]))
    class Meta(type):
        def __call__(cls, *args):
            log.append("meta call")
            return super().__call__(*args)
        def __instancecheck__(cls, instance):
            return instance == "special"
        def __getattr__(cls, name):
            return f"meta {name}"
        def __len__(cls):
            return 7
        def __iter__(cls):
            return iter("xyz")
    class M(metaclass=Meta): pass
    M()
    log.append((isinstance("special", M), isinstance(5, M), M.unknown, len(M), [*M]))
    class Abstract(abc.ABC):
        @abc.abstractmethod
        def f(self): ...
    _attempt(log, Abstract)
    class B(Base, tag=1, more=2): pass


def library_classes(log):
    @dataclasses.dataclass(order=True, frozen=True)
    class Point:
        x: int
        y: int = 2
        tags: list = dataclasses.field(default_factory=list, compare=False)
        kind: typing.ClassVar[str] = "point"
        def __post_init__(self):
            log.append(("post", self.x))
        @property
        def norm(self):
            return self.x * self.x + self.y * self.y
    p = Point(1)
    log.append((p, p < Point(2), dataclasses.replace(p, y=5), p.norm, dataclasses.asdict(p)))
    _attempt(log, setattr, p, "x", 2)
    match p:
        case Point(x, y=2):
            log.append(("matched", x))
    class Color(enum.Enum):
        RED = 1
        GREEN = enum.auto()
        @property
        def lower(self):
            return self.name.lower()
    log.append((Color.RED, Color(2), Color["RED"].lower, list(Color), Color.RED is Color(1)))
    class Pair(typing.NamedTuple):
        a: int
        b: str = "b"
        def both(self):
            return f"{self.a}{self.b}"
    log.append((Pair(1), Pair(1).both(), Pair(1, "c")._asdict()))
    a, b = Pair(3)
    log.append((a, b))
    T = typing.TypeVar("T")
    class Box(typing.Generic[T]):
        def __init__(self, item: T) -> None:
            self.item = item
    log.append((Box[int](5).item, Box.__init__.__annotations__))
    class Slots:
        __slots__ = ("a",)
    s = Slots()
    s.a = 1
    s.b = 2


def managers(log):
    class M:
        def __init__(self, name, suppress=False):
            self.name, self.suppress = name, suppress
        def __enter__(self):
            log.append(("enter", self.name))
            return self
        def __exit__(self, kind, value, traceback):
            log.append(("exit", self.name, kind and kind.__name__, str(value), traceback is not None))
            return self.suppress
    with M("a") as a, M("b", True) as b, M("c") as (a.inner):
        log.append((a.name, b.name, a.inner.name))
        raise KeyError("suppressed by b")
    for i in range(3):
        with M(i), M(i * 10, i == 1):
            if i == 0:
                continue
            if i == 1:
                raise ValueError(i)
            break
    def returns():
        with M("r"):
            try:
                return "value"
            finally:
                log.append("finally")
    log.append(returns())
    instance = M("instance")
    instance.__exit__ = None
    with instance:
        pass
    with M("outer"):
        with M("raises", True) as m:
            m.suppress = property(5)
            raise OSError("gone")
        log.append("goes on")
        raise LookupError("leaves")


def class_and_generator(log):
    def make():
        for base in (object, list):
            got = yield base.__name__
            class Made(base):
                n = got
            yield Made
    g = make()
    log.append((next(g), g.send(1).n, next(g)))
    made = g.send(2)
    log.append((made.n, made.__mro__[1].__name__))
