"""Facts: what is read outside, and how a change of it is noticed."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import jitgrad as torch
from jitgrad.graph import facts
from jitgrad.graph.facts import ABSENT, Place, TensorSpec
from jitgrad.graph.run import Run
from jitgrad.nn.functional import hardtanh
from tests.graph import programs_small as programs

T = torch.tensor


class Owner:
    level = 3

    def __init__(self) -> None:
        self.n = 1

    @property
    def computed(self) -> int:
        raise AssertionError("a guard ran user code")

    def method(self) -> None: ...


class Slotted:
    __slots__ = ("a",)


def test_static_lookup_runs_no_user_code() -> None:
    owner = Owner()
    assert facts.static_lookup(owner, "n") == 1
    assert facts.static_lookup(owner, "level") == 3
    assert facts.static_lookup(owner, "computed") is Owner.__dict__["computed"]
    assert facts.static_lookup(owner, "method") is Owner.method
    assert facts.static_lookup(owner, "missing") is ABSENT
    slotted = Slotted()
    assert facts.static_lookup(slotted, "a") is ABSENT
    slotted.a = 5
    assert facts.static_lookup(slotted, "a") == 5


@pytest.mark.parametrize(
    ("found", "now", "holds"),
    [(1, 1, True), (1, 2, False), (1, True, False), ("a", "a", True), (None, 0, False)],
)
def test_values_are_compared_with_their_types(found: object, now: object, holds: bool) -> None:
    box = SimpleNamespace(items={"k": found})
    fact = facts.same_value(Place(facts.read_item, box.items, False, "k"), found)
    box.items["k"] = now
    assert fact(Run([])) is holds


def test_identity_partition() -> None:
    one, other = Owner(), Owner()
    run = Run([])
    assert run.take_object(one, 0)
    assert not run.take_object(one, 1)
    assert run.take_object(one, 0)
    assert run.take_object(other, 2)


def test_tensor_specs_see_aliases() -> None:
    base = torch.arange(6.0)

    def specs(*tensors: torch.Tensor) -> list[TensorSpec]:
        run, made = Run([]), []
        for each in tensors:
            made.append(TensorSpec.describe(run, each))
            assert made[-1].take(run, each)
        return made

    def hold(wanted: list[TensorSpec], *tensors: torch.Tensor) -> bool:
        run = Run([])
        return all(spec.take(run, each) for spec, each in zip(wanted, tensors))

    shifted = specs(base[:4], base[2:])
    assert hold(shifted, base[:4], base[2:])
    assert not hold(shifted, base[:4], base[1:5])
    assert not hold(shifted, base[:4], base[:4])
    assert not hold(shifted, torch.ones(4), torch.ones(4))
    apart = specs(torch.ones(4), torch.ones(4))
    assert not hold(apart, base[:4], base[2:])
    x = torch.ones(4)
    assert not hold(apart, x, x)
    assert not hold(apart, x, x.detach())
    assert not hold(specs(x, x), x, x.detach())


@pytest.mark.parametrize(
    "other",
    [
        torch.ones(3),
        torch.ones(2, dtype=torch.float64),
        torch.ones(2, requires_grad=True),
        torch.ones(4)[::2],
    ],
    ids=["shape", "dtype", "requires_grad", "strides"],
)
def test_another_kind_of_tensor_is_another_entry(other: torch.Tensor) -> None:
    f = torch.compile(programs.double)
    f(torch.ones(2))
    f(other)
    f(torch.ones(2))
    f(other)
    assert f.graph.traces == 2


def test_a_changed_global_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    f = torch.compile(programs.by_global)
    assert f(T([1.0])).item() == 2
    monkeypatch.setattr(programs, "FACTOR", 3)
    assert f(T([1.0])).item() == 3
    monkeypatch.setattr(programs, "FACTOR", 0.5)
    assert f(T([1.0])).item() == 0.5
    monkeypatch.setattr(programs, "FACTOR", 0.25)
    assert f(T([1.0])).item() == 0.25
    assert f.graph.traces == 3
    monkeypatch.setattr(programs, "FACTOR", 3)
    assert f(T([1.0])).item() == 3
    assert f.graph.traces == 3


def test_facts_that_fail_leave_nothing_behind() -> None:
    box = {"a": T([1.0]), "b": 1}

    def f(x):
        return x * box["a"] * box["b"]

    f = torch.compile(f)
    for b in (1, 2, 1, 2, 3):
        box["b"] = b
        assert f(T([2.0])).item() == 2 * b
        box["a"] = T([1.0])
    assert f.graph.traces == 3


def test_guards_are_shown() -> None:
    f = torch.compile(programs.by_global)
    f(T([1.0]))
    assert "# guard: global FACTOR == 2" in f.trace


def test_overlapping_borrowed_memory_is_told_by_its_owner():
    def shift(a, b):
        a.add_(1)
        return b * 2

    compiled = torch.compile(shift)

    def apart():
        return np.zeros(4), np.ones(4)

    def overlapping():
        whole = np.arange(6.0)
        return whole[:4], whole[2:]

    def foreign():
        # the owner is no array, so that nobody can tell whether two of them overlap
        memory = bytearray(48)
        return np.frombuffer(memory, count=4), np.frombuffer(memory, offset=16)

    for make in (apart, overlapping, foreign, apart, foreign, overlapping) * 2:
        eager, native = make(), make()
        expected = shift(*map(torch.from_numpy, eager))
        found = compiled(*map(torch.from_numpy, native))
        assert found.tolist() == expected.tolist()
        assert [each.tolist() for each in native] == [each.tolist() for each in eager]


def kept_between(x: torch.Tensor, low: float, high: float) -> torch.Tensor:
    return hardtanh(x, low, high) * 2


def test_what_library_code_decides_by_is_a_guard() -> None:
    """A number may change, if only the library still decides the same."""
    compiled = torch.compile(kept_between)
    x = T([-3.0, 0.25, 3.0])
    for low, high in ((-1.0, 1.0), (-1.0, 1.0), (-0.5, 0.5), (-2.0, 1.0)):
        assert compiled(x, low, high).tolist() == kept_between(x, low, high).tolist()
    assert compiled.explain().traces == 1
    assert not compiled.explain().exits
    with pytest.raises(ValueError, match="min_val"):
        compiled(x, 1.0, -1.0)


def kept_around(x: torch.Tensor, reach: float) -> torch.Tensor:
    return hardtanh(x, -reach, reach) * 2


def test_library_code_may_decide_by_a_number_that_the_call_computed() -> None:
    compiled = torch.compile(kept_around)
    x = T([-3.0, 0.25, 3.0])
    for reach in (1.0, 1.0, 0.5):
        assert compiled(x, reach).tolist() == kept_around(x, reach).tolist()
    assert not compiled.explain().exits


def doubled(x: torch.Tensor) -> torch.Tensor:
    return x * 2


def negated(x: torch.Tensor) -> torch.Tensor:
    return -x


class Mapped:
    rule = staticmethod(doubled)


def mapped(x: torch.Tensor, holder: Mapped) -> torch.Tensor:
    return holder.rule(x) + 1


def test_a_static_method_may_be_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = torch.compile(mapped)
    x, holder = T([1.0, -2.0]), Mapped()
    for _ in range(3):
        assert compiled(x, holder).tolist() == [3.0, -3.0]
    assert not compiled.explain().exits
    monkeypatch.setattr(Mapped, "rule", staticmethod(negated))
    for _ in range(3):
        assert compiled(x, holder).tolist() == [0.0, 3.0]
    holder.rule = doubled  # type: ignore[method-assign]
    for _ in range(3):
        assert compiled(x, holder).tolist() == [3.0, -3.0]
