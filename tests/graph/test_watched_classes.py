"""Models are watched with their classes: what changes about these is seen at the next call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import jitgrad as torch
from jitgrad import nn
from jitgrad.graph import shortcut_functions, watching
from jitgrad.kernels.watches import dictionary_of
from tests.graph.watched import needs_versions, same, watch_soon, watched

pytestmark = needs_versions


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    watch_soon(monkeypatch)


def classes() -> tuple[type, type, type]:
    """Return a module's class and two of its bases, which nobody else has."""

    class Base(nn.Module):
        gain = (2.0, 3.0)

        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)

        def shifted(self, x: Any) -> Any:
            return x + 1

        def grown(self, x: Any) -> Any:
            return x * 3

        def forward(self, x: Any) -> Any:
            x = self.shifted(self.first(x).tanh()) * self.gain[0]
            x = self.second(x)
            # what is looked up here is not looked at where the call begins
            return self.grown(x) if x.sum() > 0 else x - self.gain[1]

    class Between(Base):
        pass

    class Block(Between):
        pass

    return Base, Between, Block


def model_of(block: type) -> Any:
    torch.manual_seed(0)
    return block()


def _back(kind: type) -> None:
    """Change a class, and put it back at once."""
    before = kind.__dict__["shifted"]
    kind.shifted = lambda self, x: x * 5  # type: ignore[attr-defined]
    kind.shifted = before  # type: ignore[attr-defined]


CHANGES: dict[str, Callable[[type, type, type], Any]] = {
    "a method": lambda a, b, c: setattr(a, "shifted", lambda self, x: x - 1),
    "a method behind a site": lambda a, b, c: setattr(a, "grown", lambda self, x: x * 7),
    "a method that hides one": lambda a, b, c: setattr(b, "shifted", lambda self, x: x - 1),
    "one behind a site that hides one": lambda a, b, c: setattr(c, "grown", lambda self, x: -x),
    "forward": lambda a, b, c: setattr(c, "forward", lambda self, x: self.first(x)),
    "a static method": lambda a, b, c: setattr(c, "shifted", staticmethod(lambda x: x - 2)),
    "a class method": lambda a, b, c: setattr(c, "shifted", classmethod(lambda cls, x: x - 2)),
    "a property": lambda a, b, c: setattr(b, "gain", property(lambda self: (4.0, 5.0))),
    "a property in place of a module": lambda a, b, c: setattr(
        b, "first", property(lambda self: torch.sin)
    ),
    "another attribute": lambda a, b, c: setattr(a, "gain", (7.0, 3.0)),
    "an attribute that hides one": lambda a, b, c: setattr(c, "gain", (7.0, 8.0)),
    "how attributes are found": lambda a, b, c: setattr(
        b,
        "__getattr__",
        lambda self, name: torch.cos if name == "first" else nn.Module.__getattr__(self, name),
    ),
    "how all attributes are found": lambda a, b, c: setattr(
        c,
        "__getattribute__",
        lambda self, name: (9.0, 1.0) if name == "gain" else object.__getattribute__(self, name),
    ),
    "how it is called": lambda a, b, c: setattr(b, "__call__", lambda self, x: self.forward(x) * 9),
    "no hooks of its own": lambda a, b, c: setattr(b, "_forward_hooks", {}),
    "what nobody asks for": lambda a, b, c: setattr(a, "more", 1),
    "what is put back": lambda a, b, c: _back(a),
    "another base": lambda a, b, c: setattr(c, "__bases__", (other_of(a),)),
}


def other_of(base: type) -> type:
    return type("Other", (base,), {"shifted": lambda self, x: x - 3})


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_change_is_seen_at_the_next_call(what: str, sign: float) -> None:
    kinds, twins = classes(), classes()
    net, twin = model_of(kinds[2]), model_of(twins[2])
    compiled = torch.compile(lambda x: net(x))
    torch.manual_seed(1)
    for number in range(90):
        if number == 80:
            assert watched(compiled) and compiled.graph.entrance.shortcuts
            for each in (kinds, twins):
                CHANGES[what](*each)
        x = torch.rand(4, 3) * sign
        same(compiled(x), twin(x))


def test_classes_are_watched() -> None:
    kinds = classes()
    net, x = model_of(kinds[2]), torch.rand(4, 3)
    compiled = torch.compile(lambda x: net(x))
    for _ in range(80):
        same(compiled(x), net(x))
    (guards,) = watched(compiled)
    known = guards.watched[1].plan
    assert {~id(each) for each in (*kinds, nn.Module, nn.Linear)} <= {*known.classes}
    assert {"forward", "gain", "shifted"} <= {name for _, name in known.watched.own}
    assert not any(name == "grown" for _, name in known.watched.own)


def test_a_class_that_changes_at_each_call_is_not_watched_for_long() -> None:
    kinds = classes()
    net, twin = model_of(kinds[2]), model_of(classes()[2])
    compiled = torch.compile(lambda x: net(x))
    x = torch.rand(4, 3)
    for number in range(60):
        kinds[0].calls = number  # type: ignore[attr-defined]
        same(compiled(x), twin(x))
    (guards,) = watched(compiled)
    classes_now = guards.watched[1].plan.classes
    assert ~id(kinds[0]) not in classes_now and ~id(kinds[2]) in classes_now
    before = guards.watched
    for number in range(5):
        kinds[0].calls = -number  # type: ignore[attr-defined]
        compiled(x)
    assert guards.watched is before
    kinds[0].shifted = lambda self, x: x - 1  # type: ignore[attr-defined]
    same(compiled(x), net(x))


def test_guards_that_are_written_while_a_class_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread changes a class each time, and puts it back."""
    kinds = classes()
    net, twin = model_of(kinds[2]), model_of(classes()[2])
    real, changed = watching.compile_guards, []

    def meanwhile(*given: Any) -> Any:
        before = kinds[0].__dict__["shifted"]
        kinds[0].shifted = lambda self, x: x - 1  # type: ignore[attr-defined]
        try:
            return real(*given)
        finally:
            kinds[0].shifted = before  # type: ignore[attr-defined]
            changed.append(given[-1])

    monkeypatch.setattr(watching, "compile_guards", meanwhile)
    compiled = torch.compile(lambda x: net(x))
    x = torch.rand(4, 3)
    for _ in range(80):
        same(compiled(x), twin(x))
    assert changed


def test_a_shortcut_that_is_written_while_a_class_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = classes()
    net, twin = model_of(kinds[2]), model_of(classes()[2])
    real, written = shortcut_functions.Writer.take, []

    def meanwhile(self: Any, path: Any) -> None:
        before = kinds[0].__dict__["shifted"]
        if not written:
            kinds[0].shifted = lambda self, x: x - 1  # type: ignore[attr-defined]
        real(self, path)
        if not written:
            kinds[0].shifted = before  # type: ignore[attr-defined]
        written.append(self.watch)

    monkeypatch.setattr(shortcut_functions.Writer, "take", meanwhile)
    compiled = torch.compile(lambda x: net(x))
    x = torch.rand(4, 3)
    for _ in range(90):
        same(compiled(x), twin(x))
        # the first one is not used
        assert len(written) != 1 or not compiled.graph.entrance.shortcuts
    assert written[0] is not None and compiled.graph.entrance.shortcuts


def test_a_number_of_a_class_that_becomes_something_else() -> None:
    """Guards that took it as a number of run time have not looked at the class."""

    class Holder:
        __slots__ = ("__dict__",)
        mode: Any = 5

    torch.manual_seed(0)
    net = nn.Sequential(*(nn.Linear(3, 3) for _ in range(4)))
    holder = Holder()
    holder.mode = "text"

    def call(x: Any) -> Any:
        y = net(x)
        return y if holder.mode == "text" else y * 1000

    compiled = torch.compile(call)
    x = torch.rand(2, 3)

    def agree(times: int) -> None:
        for _ in range(times):
            same(compiled(x), call(x))

    agree(6)
    del holder.mode
    Holder.mode = "text"
    agree(80)
    Holder.mode, holder.mode = "other", "text"
    agree(40)
    del holder.mode
    agree(3)


def test_classes_that_are_equal() -> None:
    """What a metaclass says of its classes does not matter: they are two."""

    class ByName(type):
        def __eq__(cls, other: Any) -> bool:
            return isinstance(other, ByName) and cls.__name__ == other.__name__

        def __hash__(cls) -> int:
            return hash(cls.__name__)

    def made(factor: float) -> type:
        class Block(nn.Module, metaclass=ByName):
            def __init__(self) -> None:
                super().__init__()
                self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)

            def act(self, x: Any) -> Any:
                return x * factor

            def forward(self, x: Any) -> Any:
                return self.act(self.second(self.first(x)))

        return Block

    kinds = made(1.0), made(2.0)
    first, second = (model_of(each) for each in kinds)
    compiled = torch.compile(lambda x: second(first(x)))
    x = torch.rand(2, 3)
    for kind in (*kinds, None):
        for _ in range(80):
            same(compiled(x), second(first(x)))
        if kind is not None:
            kind.act = lambda self, x: x * 1000  # type: ignore[attr-defined]


def test_the_dictionary_of_a_class() -> None:
    kind = classes()[0]
    own = dictionary_of(kind)
    assert own is not None and own == dict(kind.__dict__)
    kind.more = 3  # type: ignore[attr-defined]
    assert own["more"] == 3
