"""A program for processes of their own: what it computes, and what had to be compiled for it."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from typing import Any

import jitgrad as torch


@torch.compile
def step(x: Any, weight: Any, rate: float) -> Any:
    """An elementwise part, reductions, a product and their derivatives."""
    hidden = (x @ weight).tanh() * rate
    shares = torch.nn.functional.softmax(hidden, -1)
    return (shares * hidden.exp()).sum() + x.half().sigmoid().float().mean()


@torch.compile
def convolve(images: Any, kernel: Any) -> Any:
    """A kernel with tiles of vector registers."""
    return torch.nn.functional.conv2d(images, kernel, padding=1).relu().sum((0, 2, 3))


@torch.compile
def settle(x: Any, matrix: Any, rate: float) -> Any:
    """A native loop, with BLAS, Python's arithmetic and the C library."""
    turns = 0
    angle = 1.0
    while x.norm() > 1e-3:
        x = x - rate * (x @ matrix)
        angle = math.sin(angle) + 0.5
        turns += 1
    return x, turns, angle


@torch.compile
def long(x: Any) -> Any:
    """A kernel that is split over threads."""
    return (x * 2 + 1).sqrt() / 3


def in_steps() -> list[Any]:
    x, weight = torch.randn(20, 30, requires_grad=True), torch.randn(30, 40, requires_grad=True)
    for _ in range(3):
        step(x, weight, 0.5).backward()
    return [x.grad, weight.grad]


def in_loops() -> list[Any]:
    matrix = torch.eye(64, dtype=torch.float64)
    for _ in range(3):
        settled, turns, angle = settle(torch.ones(1, 64, dtype=torch.float64), matrix, 0.01)
    assert any(each["native"] for each in settle.explain().loops)
    return [settled, torch.tensor(turns), torch.tensor(angle, dtype=torch.float64)]


def in_tiles() -> list[Any]:
    images, kernel = torch.randn(2, 3, 12, 12), torch.randn(5, 3, 3, 3)
    return [convolve(images, kernel) for _ in range(3)]


def in_pieces() -> list[Any]:
    return [long(torch.arange(1 << 18, dtype=torch.float32)) for _ in range(3)]


def main(names: list[str]) -> None:
    torch.manual_seed(0)
    compiled = {"step": in_steps, "settle": in_loops, "convolve": in_tiles, "long": in_pieces}
    digests = {}
    for name in names or compiled:
        digest = hashlib.sha256()
        for each in compiled[name]():
            digest.update(each.numpy().tobytes())
        digests[name] = digest.hexdigest()
    reports = [globals()[name].explain() for name in digests]
    kernels = {id(each): each for report in reports for each in report.kernel_list}
    told = {
        "results": digests,
        "compile_seconds": sum(report.compile_seconds for report in reports),
        "kernels": len(kernels),
        "kernels_from_disk": sum(each.from_disk for each in kernels.values()),
        "sources": sorted(each.source for each in kernels.values()),
        "numba": "numba" in sys.modules,
        "text": str(reports[0]),
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1:])
