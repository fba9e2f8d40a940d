"""Random traces as the turns of loops."""

from __future__ import annotations

import contextlib
import operator
from typing import Any

import numpy as np

from jitgrad.graph.ir import Memory, Scalar, Value, Write
from jitgrad.kernels.loops import NotNative, Test, lower_loop
from tests.kernels import records as r
from tests.kernels.looping import check, compute, one_path, plain, scalar_step
from tests.kernels.test_random_traces import Maker


class RandomLoop:
    """A random trace as the turn of a loop.

    Args:
        maker: makes the trace.
        steps: the most that it makes.
    """

    def __init__(self, maker: Maker, steps: int = 12) -> None:
        self.maker = maker
        self.random = self.maker.random
        with np.errstate(all="ignore"):
            for _ in range(self.random.integers(3, steps)):
                self.maker.step()
        trace = self.maker.trace
        self.steps = trace.steps
        self.inputs = [each.noted for each in trace.inputs]
        self.carried, self.streamed = [], {}
        self.values, self.streams = [], []
        self.stays: dict[Memory, bool] = {}
        for each, given in zip(self.inputs, trace.given):
            self.use(each, given)
        self.exchanged = self.places()
        self.kept = [each.noted for each in self.maker.tensors if self.random.random() < 0.4]
        self.numbers()
        self.tests = []
        single = [each for each in self.maker.tensors if each.now.size == 1]
        for _ in range(self.random.integers(3) if single else 0):
            chosen = single[self.random.integers(len(single))]
            noted: Any = chosen.noted
            made: list[Any] = [
                None if isinstance(step, Write) else step.output for step in self.steps
            ]
            first = made.index(noted) + 1 if noted in made else 0
            position = int(self.random.integers(first, len(self.steps) + 1))
            truth = bool(chosen.now.item()) if self.random.random() < 0.8 else True
            self.tests.append(Test(position, noted, truth))
        if self.random.random() < 0.5:
            flag = plain((), "bool")
            self.inputs.append(flag)
            self.streamed[flag] = 1
            self.streams.append(self.random.random(4) < 0.7)
            position = int(self.random.integers(len(self.steps) + 1))
            self.tests.append(Test(position, flag, True))
        self.tests.sort(key=lambda test: test.position)

    def numbers(self):
        """Count with a number, which fails in the third turn, and scale a tensor with it."""
        if self.random.random() < 0.5:
            return
        count = Scalar(int)
        position = int(self.random.integers(len(self.steps) + 1))
        grown = scalar_step(operator.mul, "{0} * {1}", count, 2**20, kind=int)
        self.steps.insert(position, grown)
        self.inputs.append(count)
        self.values.append(1)
        self.carried.append((count, grown.output))
        self.kept.append(grown.output)
        floats = [each for each in self.maker.tensors if each.now.dtype.kind == "f"]
        if floats:
            scale = scalar_step(float, "float({0})", count, kind=float)
            factor = floats[self.random.integers(len(floats))].noted
            scaled = compute(r.MUL, factor, scale.output)
            self.steps += [scale, scaled]
            self.kept.append(scaled.output)

    def use(self, each, given):
        """Decide whether an input is carried, read from a record, or the same in every turn."""
        others = [x for x in self.inputs if x is not each and isinstance(x, Value)]
        written = {step.target.memory for step in self.steps if isinstance(step, Write)}
        choice = self.random.random()
        if isinstance(each, Value):
            if each.memory in written or any(each.memory is x.memory for x in others):
                if not self.stays.setdefault(each.memory, self.random.random() < 0.5):
                    self.carried.append((each, each))
            elif choice < 0.5:
                self.carried.append((each, self.following(each, others)))
            elif choice < 0.75:
                self.streamed[each] = int(self.random.choice([-1, 1]))
                record = self.random.integers(-3, 4, (4, *each.shape)).astype(each.dtype)
                self.streams.append(record)
                return
        self.values.append(given)

    def places(self):
        """Let inputs that lie alike change places, if they are neither carried nor streamed."""
        carried = [given for given, _ in self.carried]
        inputs = [each for each in self.inputs if isinstance(each, Value)]
        memories = [each.memory for each in inputs]
        forms: dict[Any, list[Value]] = {}
        for each in inputs:
            is_alone = memories.count(each.memory) == 1
            if is_alone and each not in carried and each not in self.streamed:
                forms.setdefault((each.shape, each.dtype, each.strides), []).append(each)
        if self.random.random() < 0.3:
            return []
        return [
            (given, alike[at])
            for alike in forms.values()
            for given, at in zip(alike, self.random.permutation(len(alike)))
        ]

    def following(self, each, others):
        """Return what `each` can be in the next turn."""
        form = (each.shape, each.dtype, each.strides)
        fitting = [
            x.noted
            for x in self.maker.tensors
            if (x.noted.shape, x.noted.dtype, x.noted.strides) == form
            and not any(x.noted.memory is other.memory for other in others)
        ]
        return fitting[self.random.integers(len(fitting))]

    def check(self) -> None:
        """Compare the turns in native code with those in Python."""
        native = all(getattr(step, "primitive", None) is not r.SORT for step in self.steps)
        arguments = (self.steps, self.inputs, self.tests, self.carried, self.kept, self.streamed)
        if not native:
            with contextlib.suppress(NotNative):  # where the step is dead
                lower_loop(*one_path(*arguments, self.exchanged))
            return
        with np.errstate(all="ignore"):
            more = {"limit": 4, "exchanged": self.exchanged}
            check(*arguments, self.values, self.streams, **more)
