"""Runs a random program, called several times, as a scene that eager and compiled agree on."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from itertools import count
from types import SimpleNamespace
from typing import Any

import numpy as np

import jitgrad as torch
from tests.fuzz.prelude import HOSTS
from tests.graph.agreement import Session, message

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
    exec(compile(HOSTS, "<without source>", "exec"), namespace)
    # not with the annotations of this file, which dataclasses would look up in a module
    exec(compile(source, name, "exec", dont_inherit=True), namespace)
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


def arguments(call: dict[str, Any], box: Any, net: Any) -> tuple[Any, Any, Any]:
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
    elif alias == "data":
        y = x.data
    elif alias == "base":
        x, y = x[..., :1], x
    elif alias == "overlap":
        x, y = x[..., 1:], x[..., :-1]
    elif alias == "weight":
        y = net.weight
    elif alias == "number":
        y = torch.tensor(float(values[9]), dtype=torch.float64)
    else:
        y = _tensor(call, values[9:], "y")
    if alias == "last":
        box.last = x
    elif alias == "item":
        box.items[:1] = [y]
    return x, y, type(call["k"])(call["number"])


def _first(found: Any) -> Any:
    """Return the first of nested tuples and lists."""
    while isinstance(found, (tuple, list)) and found:
        found = found[0]
    return found


def _write(found: Any, how: str) -> None:
    """Write to a tensor, in one of the ways in which callers may do so."""
    written = _first(found)
    if not isinstance(written, torch.Tensor):
        return
    try:
        if how == "data":
            written.data.add_(1)
        elif how == "numpy":
            written.detach().numpy()[...] += 1
        else:
            with torch.no_grad():
                written.view_as(written).mul_(2)
    except (RuntimeError, ValueError):
        pass  # an expanded one


def change(what: str, namespace: dict[str, Any], box: Any, net: Any, x: Any) -> None:
    """Change something that the program reads."""
    meter = namespace["Meter"]
    if what == "helper":
        namespace["helper"], namespace["swapped"] = namespace["swapped"], namespace["helper"]
    elif what == "class":
        meter.__call__, meter.other = meter.other, meter.__call__
    elif what == "shift":
        net.shift = 3.0 - net.shift
    elif what == "train":
        net.train(not net.training)
    elif what == "parameter":
        net.weight = torch.nn.Parameter(net.weight.detach() + 1)
    elif what == "frozen":
        net.weight.requires_grad_(not net.weight.requires_grad)
    elif what == "items":
        box.items = [*box.items[::-1], 2]
    elif what == "table":
        box.table = dict(reversed(box.table.items()))
    elif what == "rate":
        box.rate = 2 if type(box.rate) is float else 1.0
    elif what == "grad":
        net.weight.grad = None
    elif what == "same objects":
        box.last, box.other = x, box if box.other is not box else box.spare
    elif what == "flag":
        box.flag = {int: True, bool: 1.0, float: 1}[type(box.flag)]
    elif what == "item":
        box.items[:1] = [{int: True, bool: 1.0}.get(type(each), 1) for each in box.items[:1]]
    elif what == "keys":
        box.table = {1: 2.0, "t": x.detach(), **box.table}
    elif what == "dtype":
        net.total = net.total.to(torch.float32)
    elif what == "default":
        torch.set_default_dtype(torch.float64)


def _again(s: Session, result: Any, x: Any) -> None:
    """Differentiate a result twice."""
    found = _first(result)
    try:
        (slope,) = torch.autograd.grad(
            (found * found).sum(), x, create_graph=True, allow_unused=True
        )
        s.see(slope, label="the slope")
        if slope is not None and slope.requires_grad:
            slope.sum().backward()
    except (RuntimeError, TypeError, AttributeError) as error:
        s.see(type(error).__name__, message(error), label="second order")


def _between(s: Session, result: Any) -> None:
    """Differentiate results by each other."""
    found = [each for each in _all(result) if isinstance(each, torch.Tensor)]
    found = [each for each in found if each.requires_grad][:4]
    for one in found:
        s.attempt(_slopes, one, found)


def _slopes(one: Any, others: list[Any]) -> list[Any]:
    # whether they are one object, where they are the same, is nobody's business
    found = torch.autograd.grad(one.sum(), others, retain_graph=True, allow_unused=True)
    return [None if each is None else each.tolist() for each in found]


def _back(s: Session, how: str, result: Any, x: Any, y: Any, net: Any) -> None:
    """Go back from all results at once, from one after the other, or to some of what came in."""
    found = [each for each in _all(result) if isinstance(each, torch.Tensor)]
    sums = [each.sum() for each in found if each.requires_grad][:6]
    if not sums:
        return
    # what arrives at a result has one element in memory, and meets what comes from other ones
    total = sum(sums[1:], sums[0])
    if how == "together":
        for _ in range(2):
            s.attempt(total.backward)
    elif how == "one by one":
        for each in (*sums, *reversed(sums)):
            s.attempt(each.backward)
    else:
        for each in (x, net.weight, y):
            if each.requires_grad:
                s.attempt(_to, total, each)
        s.attempt(total.backward)


def _to(total: Any, tensor: Any) -> Any:
    return torch.autograd.grad(total, tensor, allow_unused=True)


def _all(found: Any) -> list[Any]:
    """Return what is in nested tuples, lists and dicts."""
    if isinstance(found, dict):
        found = list(found.values())
    if not isinstance(found, (tuple, list)):
        return [found]
    return [each for part in found for each in _all(part)]


def scene(source: str, calls: list[dict[str, Any]]) -> Callable[[Session], None]:
    """Return a scene that calls a program."""

    def run(s: Session) -> None:
        function = build(source)
        f, namespace = s.compile(function), function.__globals__
        net = Net()
        box = SimpleNamespace(
            rate=1.0, total=0.0, n=0, last=None, items=[0, 1.0], table={}, seen=[], flag=1
        )
        box.pool = {1}
        box.other = SimpleNamespace(n=1, items=box.items, table={0: 1})
        box.spare = box.other
        before: dict[str, Any] = {}
        waiting: list[Any] = []
        meter = namespace["meter"]
        for call in calls:
            x, y, k = arguments(call, box, net)
            again = _first(before.get(call["again"]))
            if isinstance(again, torch.Tensor):
                x = again
            change(call["change"], namespace, box, net, x)
            with torch.set_grad_enabled(call["grad_enabled"]):
                if call["by_name"]:
                    result = s.attempt(f, x, y, box=box, net=net, n=call["n"], k=k)
                else:
                    result = s.attempt(f, x, y, k, call["n"], box, net)
            torch.set_default_dtype(torch.float32)
            before = {
                "x": x, "y": y, "result": result, "last": box.last, "kept": meter.kept,
                "weight": net.weight,
            }  # fmt: skip
            is_seen = call["how"] == "in place"
            if is_seen:
                _write(before.get(call["write"]), call["how"])
            if waiting:
                s.backward(*waiting)
                waiting.clear()
            how = call["backward"]
            if how == "later":
                waiting.append(result)
            elif how == "between":
                _between(s, result)
            elif how == "second order":
                _again(s, result, x)
            elif how in ("together", "one by one", "in part"):
                _back(s, how, result, x, y, net)
            elif how:
                s.backward(result)
                if how == "twice":
                    s.backward(result)
            if not (is_seen or waiting):
                # of which a backward pass would not know
                _write(before.get(call["write"]), call["how"])
            if isinstance(result, tuple) and callable(result[-1]):
                s.see(result[-1](), label="the closure")
            s.see(x, y, box, net, meter, {n: namespace[n] for n in ("log", "RATE")})

    run.__name__ = "random program"
    return run
