"""Scratch memory: what lives at the same time shares no bytes, and what is free is used again."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from jitgrad.graph.ir import Memory, Value
from jitgrad.kernels import calling
from jitgrad.kernels.scratch import ALIGNMENT, Scratch, new_block
from tests.kernels import records as r
from tests.kernels.tracing import Trace


def vector(size: int, stride: int = 1, dtype: str = "float32") -> Value:
    return Value((size,), (stride,), np.dtype(dtype), Memory())


@pytest.mark.parametrize("seed", range(30))
def test_what_lives_at_the_same_time_never_overlaps(seed):
    random = np.random.default_rng(seed)
    values = [
        vector(int(random.integers(0, 100)), int(random.choice([1, 3, -1])), dtype)
        for dtype in random.choice(["bool", "float32", "float64"], 25)
    ]
    scratch = Scratch({})
    lives: dict[Value, list[int]] = {}
    for time in range(40):
        for each in random.choice(np.array(values), 3, replace=False):
            scratch.use(each, time)
            lives.setdefault(each, []).append(time)
    scratch.place()
    block = new_block(scratch.size)
    assert block.__array_interface__["data"][0] % ALIGNMENT == 0
    taken = {}
    for each in lives:
        step = each.strides[0] * each.dtype.itemsize
        shown = np.ndarray(each.shape, each.dtype, block, scratch.offset(each), (step,))
        taken[each] = shown
    for one, other in ((a, b) for a in lives for b in lives if a is not b):
        if lives[one][0] <= lives[other][-1] and lives[other][0] <= lives[one][-1]:
            assert not np.may_share_memory(taken[one], taken[other])


def test_memory_that_is_free_is_used_again():
    scratch = Scratch({})
    values = [vector(1000) for _ in range(10)]
    for time, (one, following) in enumerate(pairwise(values)):
        scratch.use(one, time)
        scratch.use(following, time)
    scratch.place()
    assert scratch.size < 3 * 4 * 1000


def chain(steps: int, size: int) -> tuple[Trace, list]:
    """Return products one after the other, with a sum of what comes out of all."""
    trace = Trace()
    random = np.random.default_rng(0)
    x = trace.input(random.integers(-1, 2, (4, size)).astype("float32"))
    w = trace.input(np.roll(np.eye(size, dtype="float32"), 1, 0))
    total = x
    for _ in range(steps):
        x = trace.compute(r.MM, x, w)
        total = trace.compute(r.ADD, total, x)
    return trace, [total, x]


def test_a_chain_of_products_is_one_native_call():
    trace, outputs = chain(6, 8)
    program = trace.check(*outputs)
    assert program.source.count("launch") == 1


def test_many_short_kernels_do_not_hold_the_lock_for_long(monkeypatch):
    seen = []
    launch = calling.launch
    monkeypatch.setattr(calling, "launch", lambda calls: seen.extend(calls) or launch(calls))
    trace, outputs = chain(100, 256)
    trace.check(*outputs)
    kept = "".join("01"[each.pieces > 0] for each in seen)
    assert len(seen) >= 200 and 0 < kept.count("1") < 50
