"""Scenes of classes with metaclasses, of protocols, and of functions of `dataclasses`."""

from __future__ import annotations

import abc
import copy
import dataclasses
from typing import Any, Protocol

from tests.graph.agreement import Session
from tests.graph.programs import grad

STARTS = (1.0, 1.0, -2.0, 1.0, 3.0, -2.0, 9.0, 3.0)


def each_start(s: Session, f, *more) -> None:
    f = s.compile(f)
    for start in STARTS:
        s.call(f, grad(start, start * 2), *more)


class Registered(type):
    label = 3.0

    def __new__(mcs, name, bases, space):
        made = super().__new__(mcs, name, bases, space)
        made.registered = 2.0
        return made

    @property
    def doubled(cls):
        return cls.factor * 2

    def times(cls, x):
        return x * cls.factor


class Plain(metaclass=Registered):
    factor = 5.0

    def __init__(self, x):
        self.x = x

    def run(self):
        return self.x * self.factor


class Child(Plain):
    factor = 7.0

    def run(self):
        return super().run() + 1


def scene_instances_of_classes_with_metaclasses(s: Session) -> None:
    def f(x):
        first, second = Plain(x), Child(x * 2)
        if type(second) is Child and isinstance(second, Plain) and type(Plain) is Registered:
            x = first.run() + second.run()
        return x * Child.registered

    each_start(s, f)


def scene_attributes_of_metaclasses(s: Session) -> None:
    def f(x, kind):
        return kind.times(x) * kind.doubled + kind.label * Plain.factor

    f = s.compile(f)
    for number, start in enumerate(STARTS):
        s.call(f, grad(start, 1.0), (Plain, Child)[number % 2])


class Finished(type):
    def __call__(cls, *args, **kwargs):
        made = super().__call__(*args, **kwargs)
        made.finish()
        return made


class Layer(metaclass=Finished):
    def __init__(self, x, *, scale=2.0):
        self.x = x
        self.scale = scale

    def finish(self):
        self.y = self.x * self.scale


def scene_metaclasses_that_make_objects(s: Session) -> None:
    def f(x):
        return Layer(x).y + Layer(x, scale=3.0).y

    each_start(s, f)


class Quacking(type):
    def __instancecheck__(cls, obj):
        return hasattr(obj, "quack")

    def __subclasscheck__(cls, kind):
        return kind is Layer


class Duck(metaclass=Quacking):
    pass


class Mallard:
    def quack(self, x):
        return x * 2


class Silent:
    def __init__(self):
        self.hush = 1.0


def scene_metaclasses_that_are_asked_for_instances(s: Session) -> None:
    silent = Silent()

    def f(x, given):
        for each in Mallard(), Silent(), Duck(), given, silent:
            if isinstance(each, Duck):
                x = x + 1
            elif hasattr(each, "hush"):
                x = x * 2
        return x

    f = s.compile(f)
    for number, start in enumerate(STARTS):
        if number == 5:
            silent.quack = None
        s.call(f, grad(start, 1.0), Mallard() if number % 2 else Silent())


class Runs(Protocol):
    def run(self) -> Any: ...


class Running(Runs):
    def __init__(self, x):
        self.x = x

    def run(self):
        return self.x * 2


class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self): ...

    @property
    @abc.abstractmethod
    def name(self): ...

    def double(self):
        return self.area() * 2


class Square(Shape):
    def __init__(self, side):
        self.side = side

    def area(self):
        return self.side * self.side

    @property
    def name(self):
        return "square"


def scene_protocols_and_abstract_classes(s: Session) -> None:
    def f(x):
        square = Square(x)
        if isinstance(square, Shape) and issubclass(Square, Shape):
            x = square.double() * len(square.name)
        return Running(x).run()

    each_start(s, f)


@dataclasses.dataclass(frozen=True)
class State:
    h: Any
    c: Any = 0.0
    steps: int = 0
    names: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Config:
    rate: float = 0.5
    sizes: tuple = (1, 2)
    inner: Any = None


def scene_dataclasses_replaced(s: Session) -> None:
    config = Config(inner=Config())

    def f(x, config):
        state = State(x)
        for _ in range(3):
            state = dataclasses.replace(state, h=state.h * config.rate, steps=state.steps + 1)
        other = dataclasses.replace(config, rate=2.0)
        if dataclasses.is_dataclass(state) and not dataclasses.is_dataclass(x):
            x = x + state.h * other.rate
        return x, state, other.inner is config.inner

    f = s.compile(f)
    for number, start in enumerate(STARTS):
        config.rate = number / 4
        s.call(f, grad(start, 1.0), config)


def scene_dataclasses_as_dictionaries(s: Session) -> None:
    config = Config(inner=Config(sizes=(3,)))

    def f(x, config):
        options = dataclasses.asdict(config)
        values = dataclasses.astuple(Config(0.25))
        x = x * options["rate"] * options["inner"]["sizes"][0] + values[0]
        options["rate"] = 0.0
        return x, options, copy.deepcopy(config.rate), copy.deepcopy(3)

    f = s.compile(f)
    for number, start in enumerate(STARTS):
        config.rate = number / 4
        if number == 5:
            config.inner.sizes = (4, 5)
        s.call(f, grad(start, 1.0), config)


def scene_attributes_that_are_there_or_not(s: Session) -> None:
    class Box:
        width = 2.0

        def __init__(self, x):
            self.x = x

        def method(self):
            return self.x

    outer = Box(1.0)

    def f(x, box):
        for each in Box(x), box:
            for name in "x", "width", "method", "missing", "later":
                if hasattr(each, name):
                    x = x * 2 + getattr(each, "later", 0.0)
        return x, hasattr(Box, "width"), getattr(Box, "none", None), hasattr(Box, "later")

    f = s.compile(f)
    for number, start in enumerate(STARTS):
        if number == 3:
            outer.later = 2.0
        if number == 5:
            Box.later = 3.0
            del outer.later
        if number == 6:
            del Box.width
        s.call(f, grad(start, 1.0), outer)


def scene_classes_that_get_and_lose_attributes(s: Session) -> None:
    class Box:
        width = 2.0

        def method(self):
            return 1.0

    def f(x, box):
        return x * 2 if hasattr(box, "method") else x * 3

    def g(x):
        return x * (getattr(Box(), "width", 1.0) + getattr(Box(), "depth", 1.0))

    f, g = s.compile(f), s.compile(g)
    for number, start in enumerate(STARTS):
        if number == 3:
            del Box.method
        if number == 4:
            Box.depth = 4.0
        if number == 5:
            Box.__getattr__ = lambda self, name: 7.0
        if number == 6:
            del Box.width
        s.call(f, grad(start, 1.0), Box())
        s.call(g, grad(start, 1.0))


def scene_metaclasses_changed_between_calls(s: Session) -> None:
    class Meta(type):
        def times(cls, x):
            return x * 2

        @property
        def factor(cls):
            return 3.0

    class Made(metaclass=Meta):
        def __init__(self, x):
            self.x = x

    class Checked(metaclass=Meta):
        pass

    def f(x):
        made = Made(Made.times(x) * Made.factor)
        if isinstance(made, Checked):
            return made.x + 1
        return made.x

    f = s.compile(f)
    for number, start in enumerate(STARTS):
        if number == 2:
            Meta.times = lambda cls, x: x * 5
        if number == 3:
            Made.times = lambda x: x * 7
        if number == 4:
            Meta.factor = 11.0
        if number == 5:
            Meta.__instancecheck__ = lambda cls, obj: True
        if number == 6:
            Meta.__call__ = lambda cls, x: Silent.__new__(Silent)
            Silent.x = 3.0
        s.call(f, grad(start, 1.0))
    del Silent.x
