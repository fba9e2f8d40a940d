"""Every method and property of tensors, compiled: what reads elements is not baked in."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from typing import Any

import pytest

import jitgrad as torch
from tests.graph.agreement import Session, agree

NAMES = sorted(
    name
    for name in dir(torch.Tensor)
    if not name.startswith("_")
    or name in ("__repr__", "__len__", "__abs__", "__float__", "_version")
)
UNLIKE = {
    "data_ptr": "an address",
    "random_": "draws integers of its own range",
    "register_hook": "a handle of a node",
    "register_post_accumulate_grad_hook": "a handle of a node",
    "grad_fn": "the names inside histories differ",
}
FORMS = ("", "()", "(0)", "(1.5)", "(x)", "(rate)")


def build(name: str, form: str) -> Callable:
    source = f"def f(x, rate):\n    return x.{name}{form}\n"
    file = f"<method/programs {name}{form}>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    namespace: dict[str, Any] = {"__name__": "methods"}
    exec(compile(source, file, "exec"), namespace)
    return namespace["f"]


@pytest.mark.parametrize("name", NAMES)
def test_method(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name in UNLIKE:
        pytest.skip(UNLIKE[name])
    # the kernels of every operator are compared elsewhere
    monkeypatch.setattr(torch.config, "program", "python")

    def scene(s: Session) -> None:
        is_method = callable(getattr(torch.Tensor, name, None))
        for form in FORMS[1:] if is_method else FORMS[:1]:
            f = s.compile(build(name, form))
            for shape in ((), (2, 2)):
                for kind in ("float", "grad", "int"):
                    for value in (1, 2, -3):
                        x = torch.full(shape, value, dtype=torch.float32)
                        x = x.long() if kind == "int" else x
                        x = x.requires_grad_() * 1 if kind == "grad" else x
                        torch.manual_seed(0)
                        s.call(f, x, value * 0.5)

    agree(scene)
