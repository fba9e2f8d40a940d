"""Runs a random program, called several times, as a scene that eager and compiled agree on."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np

import jitgrad as torch
from tests.graph.agreement import Session

_files = count()


class Net(torch.nn.Module):
    """A module whose arithmetic is exact, with a parameter, a buffer, and numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([1.0, -1.0, 2.0], dtype=torch.float64))
        self.register_buffer("total", torch.zeros((), dtype=torch.float64))
        self.seen = 0
        self.shift = 1.0

    def forward(self, x: Any) -> Any:
        self.seen += 1
        if self.training and x.sum() > 0:
            self.total.add_(1)
        return (x * self.weight[: x.shape[-1]] + self.shift).clamp(-8, 8)


def build(source: str) -> Callable:
    """Return the function of a program."""
    name = f"<fuzz/programs {next(_files)}>"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    namespace: dict[str, Any] = {"torch": torch, "__name__": "fuzz_program"}
    exec(compile(source, name, "exec"), namespace)
    return namespace["f"]


def _array(call: dict[str, Any], values: list[int]) -> np.ndarray:
    size = int(np.prod(call["shape"]))
    return np.array(values[:size], call["dtype"]).reshape(call["shape"])


def _tensor(call: dict[str, Any], values: list[int], name: str) -> Any:
    array = _array(call, values)
    layout = call["layout"]
    if layout == "shared":
        made = torch.from_numpy(array.copy())
    elif layout == "strided":
        wide = np.repeat(array, 2, -1)
        made = torch.tensor(wide)[..., ::2]
    elif layout == "transposed" and array.ndim == 2:
        made = torch.tensor(array.T.copy()).t()
    else:
        made = torch.tensor(array)
    history = call["history"]
    if made.dtype.is_floating_point and history in ("both", "computed", "view", name):
        made = made.detach().requires_grad_()
        if history == "computed":
            made = made * 1
        elif history == "view":
            made = (made * 1)[:]
    return made


def arguments(call: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return x, y and k of a call."""
    values = call["values"]
    x = _tensor(call, values[:9], "x")
    alias = call["alias"]
    if alias == "same":
        y = x
    elif alias == "view":
        y = x.view_as(x)
    elif alias == "part":
        y = x[:1]
    elif alias == "detached":
        y = x.detach()
    elif alias == "number":
        y = torch.tensor(float(values[9]), dtype=torch.float64)
    else:
        y = _tensor(call, values[9:], "y")
    return x, y, type(call["k"])(call["number"])


def _first(found: Any) -> Any:
    """Return the first of nested tuples and lists."""
    while isinstance(found, (tuple, list)) and found:
        found = found[0]
    return found


def scene(source: str, calls: list[dict[str, Any]]) -> Callable[[Session], None]:
    """Return a scene that calls a program."""

    def run(s: Session) -> None:
        function = build(source)
        f = s.compile(function)
        net = Net()
        box = SimpleNamespace(
            rate=1.0, total=0.0, n=0, last=None, items=[0, 1.0], table={}, seen=[]
        )
        before: dict[str, Any] = {}
        for call in calls:
            x, y, k = arguments(call)
            again = _first(before.get(call["again"]))
            if isinstance(again, torch.Tensor):
                x = again
            with torch.set_grad_enabled(call["grad_enabled"]):
                if call["by_name"]:
                    result = s.attempt(f, x, y, box=box, net=net, n=call["n"], k=k)
                else:
                    result = s.attempt(f, x, y, k, call["n"], box, net)
            meter = function.__globals__["meter"]
            before = {"x": x, "y": y, "result": result, "last": box.last, "kept": meter.kept}
            written = _first(before.get(call["write"]))
            if isinstance(written, torch.Tensor):
                with torch.no_grad():
                    written.view_as(written).mul_(2)
            if call["backward"]:
                s.backward(result)
            if isinstance(result, tuple) and callable(result[-1]):
                s.see(result[-1](), label="the closure")
            s.see(x, y, box, net, meter, {n: function.__globals__[n] for n in ("log", "RATE")})

    run.__name__ = "random program"
    return run
