"""Scenes of enumerations: members by value and name, their methods, members that are numbers."""

# members of all kinds are what is tested
# ruff: noqa: PIE796, UP042, SIM300

from __future__ import annotations

import enum

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs import T, grad


class Color(enum.Enum):
    RED = 1
    GREEN = 2
    BLUE = 3
    CRIMSON = 1

    @property
    def factor(self):
        return self.value * 2.0

    def times(self, x):
        return x * self.value

    @classmethod
    def first(cls):
        return cls.RED

    @staticmethod
    def half(x):
        return x / 2

    def __call__(self, x):
        return x + self.value


class Planet(enum.Enum):
    EARTH = (5.0, 6.5)
    MARS = (0.6, 3.5)

    def __init__(self, mass, radius):
        self.mass = mass
        self.radius = radius

    @property
    def gravity(self):
        return self.mass / (self.radius * self.radius)


class Size(enum.IntEnum):
    ONE = 1
    TWO = 2


class Mode(str, enum.Enum):
    FAST = "fast"
    SLOW = "slow"


class Text(enum.StrEnum):
    A = "a"
    B = "b"


class Access(enum.Flag):
    READ = enum.auto()
    WRITE = enum.auto()
    BOTH = READ | WRITE


class Odd(enum.Enum):
    ONE = 1

    @classmethod
    def _missing_(cls, value):
        return cls.ONE if value == "one" else None

    def __eq__(self, other):
        return self is other or other == self.value

    def __hash__(self):
        return hash(self.value)


class Counted(int, enum.Enum):
    TWO = 2

    def __mul__(self, other):
        return other * 10

    __rmul__ = __mul__


NUMBERS = (1, 1, 2, 3, 2, 1, 3)


def scene_members_by_value_and_name(s: Session) -> None:
    def f(x, number, name):
        color = Color(number)
        if color is Color.RED or color == Color[name]:
            x = x * 2
        return x * color.value + len(Color[name].name), color, Color(color)

    f = s.compile(f)
    for number in NUMBERS:
        s.call(f, grad(1.0, number), number, "BLUE")
        s.call(f, grad(1.0, number), 1, ("GREEN", "CRIMSON")[number % 2])


def scene_one_after_the_other(s: Session) -> None:
    def f(x, wanted):
        for color in Color:
            if color is wanted:
                continue
            x = x * color.value
        red, *others = Color
        names = [each.name for each in Color]
        values = {each: each.value for each in Color}
        sizes = sum(Size), max(Size), list(Color), tuple(Text)
        return x * len(Color) + red.value, others, names, values, wanted in Color, sizes

    f = s.compile(f)
    for number in NUMBERS:
        s.call(f, grad(1.0, number), Color(number))


def scene_methods_of_members(s: Session) -> None:
    def f(x, color):
        first = Color.first().times(x) + Color.half(x)
        method = color.times
        return method(first) * color.factor + Color.GREEN(x) + color(x), method

    f = s.compile(f)
    for number in NUMBERS:
        s.call(f, grad(1.0, number), Color(number))


def scene_attributes_of_members(s: Session) -> None:
    def f(x, planet):
        mass, _ = planet.value
        return x * planet.gravity + planet.mass + Planet.MARS.radius - mass

    f = s.compile(f)
    before = Planet.MARS.radius
    try:
        for number in range(8):
            if number == 5:
                Planet.MARS.radius = 4.0
            s.call(f, grad(1.0, 2.0), (Planet.EARTH, Planet.MARS)[number % 2])
    finally:
        Planet.MARS.radius = before


def scene_members_that_are_numbers(s: Session) -> None:
    def f(x, size):
        y = x * size + Size.TWO - (size + 1) * -size
        if size > 1 and size:
            y = y / Size.TWO
        table = [1.0, 2.0, 3.0]
        return y * table[size] + y.sum(Size.ONE - 1) * {1: 2.0, 2: 3.0}[size] + x[
            size - 1
        ], size + 1

    f = s.compile(f)
    for number in NUMBERS:
        s.call(f, grad(1.0, 2.0), Size(number % 2 + 1))


def scene_members_that_are_texts(s: Session) -> None:
    def f(x, mode, options):
        if mode == "fast" or mode != Mode.SLOW:
            x = x * 2
        if mode in ("slow", "other"):
            x = x + 1
        if Text("a") == "a" and Text.A + "b" == "ab":
            x = x * options[mode]
        x = x * options["fast"] * options.get(Mode.SLOW, 1.0)
        options[mode] = 4.0
        return x * len(options) * len(mode), Mode("fast") is Mode.FAST

    f = s.compile(f)
    for number in NUMBERS:
        options = {"fast": 2.0, Mode.SLOW: 3.0}
        s.call(f, grad(1.0, 2.0), (Mode.FAST, Mode.SLOW)[number % 2], options)
        s.see(options)


def scene_flags(s: Session) -> None:
    def f(x, access):
        if access & Access.READ:
            x = x * 2
        if Access.WRITE in access:
            x = x * 3
        both = Access.READ | access
        if both == Access.BOTH:
            x = x + 1
        return x, both

    f = s.compile(f)
    for number in NUMBERS:
        s.call(f, grad(1.0, 2.0), Access(number))


def scene_keys(s: Session) -> None:
    table = {Color.RED: 2.0, Color.GREEN: lambda x: x * 3, "other": 4.0}

    def f(x, color):
        made = {Color.RED: x, Color.BLUE: x * 2}
        made[Color.GREEN] = x * 3
        seen = {Color.RED, color}
        if color in seen and Color.BLUE not in seen and color in table:
            x = x + 1
        for key, each in table.items():
            if key is not Color.GREEN and key != "other":
                x = x * each
        del made[Color.RED]
        return (
            table[Color.GREEN](x) * made[Color.BLUE] + len(seen),
            made.get(color, 0),
            table["other"],
        )

    f = s.compile(f)
    for number in (*NUMBERS, *NUMBERS):
        s.call(f, grad(1.0, 2.0), Color(number))
        table[Color.RED] = table[Color.RED] + 1.0
        if len(s.log) == 12:
            table[Color.BLUE] = 5.0
        if len(s.log) == 18:
            table[Color.GREEN] = lambda x: x - 1


def scene_values_that_are_missing(s: Session) -> None:
    def f(x, value):
        try:
            color = Color(value)
        except ValueError as error:
            return x * len(error.args)
        return x * color.value

    def g(x, value):
        return x * Odd(value).value, Odd.ONE == value, {Odd.ONE: 1}.get(value)

    f, g = s.compile(f), s.compile(g)
    for value in (1, 7, 7, "a", 1, None, 2):
        s.attempt(f, T([1.0]), value)
    for value in (1, "one", "one", 1, 3, "one"):
        s.attempt(g, T([1.0]), value)


def scene_names_that_are_missing(s: Session) -> None:
    def f(x, name):
        try:
            return x * Color[name].value
        except KeyError as error:
            return x * len(error.args)

    f = s.compile(f)
    for name in ("RED", "RED", "PINK", "PINK", "BLUE", "PINK"):
        s.attempt(f, T([1.0]), name)


def scene_operators_of_their_own(s: Session) -> None:
    def f(x, number):
        return x * (Counted.TWO * number) + Counted.TWO + (number - Counted.TWO)

    def g(x):
        return Counted.TWO * x

    f, g = s.compile(f), s.compile(g)
    for number in NUMBERS:
        s.call(f, grad(1.0, 2.0), number)
        s.call(g, grad(1.0, 2.0))


def scene_classes_changed_between_calls(s: Session) -> None:
    class Kind(enum.Enum):
        A = 1
        B = 2

        def apply(self, x):
            return x * self.value

    class Level(enum.IntEnum):
        LOW = 1
        HIGH = 2

    def f(x, kind, level):
        if level == 2:
            x = x * 2
        return (
            Kind(kind.value).apply(x) + Kind.B.apply(x) + {Level.LOW: 1.0, Level.HIGH: 2.0}[level]
        )

    f = s.compile(f)
    for number in range(12):
        if number == 4:
            Kind.apply = lambda self, x: x + self.value
        if number == 8:
            Level.__eq__ = lambda self, other: True
            Level.__hash__ = lambda self: 7
        s.call(
            f,
            grad(1.0, 2.0),
            (Kind.A, Kind.B)[number % 2],
            (Level.LOW, Level.HIGH)[number // 2 % 2],
        )


def scene_operators_changed_between_calls(s: Session) -> None:
    class Level(enum.IntEnum):
        LOW = 1
        HIGH = 2

    def f(x, level):
        return x * 2 if level == 2 else x * 3

    def g(x, level):
        return x + (level + 1)

    f, g = s.compile(f), s.compile(g)
    for number in range(12):
        if number == 4:
            Level.__eq__ = lambda self, other: True
        if number == 6:
            Level.__add__ = lambda self, other: 10
        s.call(f, grad(1.0, 2.0), (Level.LOW, Level.HIGH)[number % 2])
        s.call(g, grad(1.0, 2.0), (Level.LOW, Level.HIGH)[number % 2])


def scene_texts_of_members(s: Session) -> None:
    def f(x, color):
        text = f"{color.name}{color}{Size.TWO}{Text.A}"
        return x * len(text), text, str(color), repr(color), hash(Color.RED) == hash(color)

    f = s.compile(f)
    for number in NUMBERS:
        s.call(f, grad(1.0, 2.0), Color(number))


def scene_in_long_loops(s: Session) -> None:
    def f(x, color):
        turns = 0
        while x.sum() < 500:
            for each in Color:
                if each is color:
                    x = x + each.value
            turns += Size.ONE
        return x, turns

    f = s.compile(f)
    for number in NUMBERS[:4]:
        s.call(f, grad(1.0, 2.0), Color(number))
    assert torch.is_grad_enabled()
