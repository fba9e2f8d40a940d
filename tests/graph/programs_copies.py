"""Scenes of copies.

All of them are recorded without leaving to Python, but those whose name ends in `_leaves`.
"""

from __future__ import annotations

import copy
import copyreg
from dataclasses import dataclass, field
from typing import Any

import jitgrad as torch
from tests.graph.agreement import Session
from tests.graph.programs import T, grad


@dataclass
class Settings:
    rate: float
    names: list = field(default_factory=list)
    inner: Any = None


class Plain:
    def __init__(self, value):
        self.value = value


class Slotted:
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


def scene_deep_copies(s: Session) -> None:
    outer = {"rates": [0.5, 1.0], "names": ("a", ["b"]), "deep": {"n": 1}}

    def f(x, i):
        v = x.sum().item()
        shared = [v, i]
        held = [shared, shared, {"a": shared, 1: (v, i), "text": f"{i}"}, (shared, 1), (1, "a")]
        made = copy.deepcopy(held)
        shared.append(3)
        made[0].append(4)
        other = copy.deepcopy(outer)
        other["rates"].append(v)
        settings = Settings(v, [i], Plain(shared))
        settings.self = settings
        twin = copy.deepcopy(settings)
        twin.names.append(v)
        settings.inner.value = None
        return (
            made, made[0] is made[1], made[3][0] is made[0], made[4], other, x * 2,
            twin, twin is settings, twin.self is twin, twin.inner.value, settings.names,
            copy.deepcopy((1, v)), copy.deepcopy(len), copy.deepcopy(int), copy.deepcopy(f"{v}"),
        )  # fmt: skip

    f = s.compile(f)
    for i, value in enumerate((1.0, 2.5, -3.0, 1.0)):
        s.call(f, T([value]), i)
        s.see(outer)
        outer["deep"]["n"] += 1
    outer["rates"].append(4.0)
    s.call(f, T([2.0]), 7)


def scene_deep_copies_that_hold_themselves(s: Session) -> None:
    def f(x):
        held: list[Any] = [x.sum().item()]
        pair = (held, 1)
        held.append(pair)
        held.append({"held": held})
        made = copy.deepcopy(held)
        twin = copy.deepcopy(pair)
        return made[1][0] is made, made[2]["held"] is made, twin[1], twin[0][0], made[0], x * 2

    f = s.compile(f)
    for value in (1.0, 2.5, -3.0, 1.0):
        s.call(f, T([value]))


def scene_classes_with_a_say_in_copies_leaves(s: Session) -> None:
    def f(x):
        one = Plain(x.sum().item())
        two = copy.copy(one)
        three = copy.deepcopy([one, one])
        return two.value, three[0].value, three[0] is three[1], two is one, x * 2

    f = s.compile(f)
    for way in range(5):
        if way == 1:
            Plain.__deepcopy__ = lambda self, memo: Plain(7)  # type: ignore[attr-defined]
        if way == 2:
            del Plain.__deepcopy__  # type: ignore[attr-defined]
            copyreg.pickle(Plain, lambda one: (Plain, (9,)))  # type: ignore[arg-type, return-value]
        if way == 3:
            del copyreg.dispatch_table[Plain]
            Plain.__setstate__ = lambda self, state: None  # type: ignore[attr-defined]
        if way == 4:
            del Plain.__setstate__  # type: ignore[attr-defined]
        for value in (1.0, 2.0, 3.0):
            s.attempt(f, T([value]))


def scene_copies_of_other_things_leaves(s: Session) -> None:
    outer = [T([1.0])]

    def f(x, way):
        y = x * 2
        if way == 0:
            return copy.deepcopy(outer), y
        if way == 1:
            return copy.deepcopy([y.detach(), 1]), y
        if way == 2:
            return copy.copy(Slotted(y.sum().item())).value, y
        if way == 3:
            return copy.deepcopy([Slotted(y.sum().item())])[0].value, y
        if way == 4:
            return copy.deepcopy({1, 2}), y
        if way == 5:
            return copy.deepcopy([y]), y
        return copy.copy(y.detach()), y

    f = s.compile(f)
    for way in range(7):
        for value in (1.0, 2.0, 3.0):
            s.attempt(f, grad([value]), way)
        outer.append(torch.zeros(2))
