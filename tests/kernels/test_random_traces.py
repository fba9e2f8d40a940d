"""Random traces, lowered, against the steps performed one by one by NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from jitgrad.ops.joining import CAT, STACK
from jitgrad.ops.slicing import UNSLICE
from tests.kernels import records as r
from tests.kernels.tracing import Trace, Traced

SHAPES = ((), (1,), (5,), (3, 4), (4, 3), (2, 3, 4), (12,), (1, 4), (3, 1))


class Maker:
    """Adds random steps to a trace, in arithmetic on small integers, which is exact.

    Args:
        shapes: of the inputs.
    """

    def __init__(self, seed: int, shapes: Sequence[tuple[int, ...]] = SHAPES) -> None:
        self.random = np.random.default_rng(seed)
        self.shapes = shapes
        self.trace = Trace()
        self.tensors: list[Traced] = []
        self.numbers: list[Traced] = []
        for _ in range(self.random.integers(1, 4)):
            self.tensors.append(self.trace.input(self.array()))
        if self.random.random() < 0.5:
            base = self.pick()
            if base.now.ndim:
                self.tensors.append(self.trace.input_view(base, self.view_of(base.now)))
        if self.random.random() < 0.5:
            self.numbers.append(self.trace.number(float(self.random.integers(-3, 4))))

    def pick(self) -> Traced:
        return self.tensors[self.random.integers(len(self.tensors))]

    def array(self) -> np.ndarray:
        shape = self.shapes[self.random.integers(len(self.shapes))]
        dtype = self.random.choice(["float32", "float32", "float64", "int32", "bool", "float16"])
        array = self.random.integers(-3, 4, shape).astype(dtype)
        kind = self.random.integers(4)
        if kind == 1 and array.ndim > 1:
            return array.T
        if kind == 2 and array.ndim:
            return np.repeat(array, 2, axis=-1)[..., ::2]
        if kind == 3 and array.ndim:
            return array[::-1]
        return array

    def view_of(self, array: np.ndarray):
        kind = self.random.integers(5)
        if kind == 0 and array.ndim > 1:
            return lambda x: x.T
        if kind == 1 and array.shape[0] > 1:
            return lambda x: x[1:]
        if kind == 2 and array.shape[0] > 1:
            return lambda x: x[:-1]
        if kind == 3:
            return lambda x: x[0:1]
        return lambda x: x[..., None]

    def partner(self, tensor: Traced):
        """Return something that goes with `tensor`: of its dtype and a shape that broadcasts."""
        if self.random.random() < 0.3:
            return float(self.random.integers(-2, 3)) if tensor.now.dtype.kind == "f" else 1
        if self.numbers and tensor.now.dtype.kind == "f" and self.random.random() < 0.3:
            return self.numbers[self.random.integers(len(self.numbers))]
        fitting = [
            each
            for each in self.tensors
            if each.now.dtype == tensor.now.dtype and self.fits(each.now, tensor.now)
        ]
        return fitting[self.random.integers(len(fitting))]

    def fits(self, first: np.ndarray, second: np.ndarray) -> bool:
        try:
            return np.broadcast_shapes(first.shape, second.shape) is not None
        except ValueError:
            return False

    def step(self) -> None:
        tensor = self.pick()
        kind = self.random.integers(15)
        array = tensor.now
        if kind < 5:
            self.elementwise(tensor)
        elif kind == 5 and array.size and array.ndim:
            self.reduction(tensor)
        elif kind == 6 and array.ndim:
            self.tensors.append(self.trace.view(tensor, self.view_of(array)))
        elif kind == 7 and array.ndim and array.size:
            shape = (array.size,)
            if np.shares_memory(array.reshape(shape), array):
                self.tensors.append(self.trace.view(tensor, lambda x: x.reshape(shape)))
        elif kind == 8:
            self.write(tensor)
        elif kind == 9 and array.ndim and self.random.random() < 0.5:
            self.tensors.append(self.trace.compute(r.SORT, tensor))
        elif kind == 10 and array.dtype == np.float32 and array.size == 1:
            self.numbers.append(self.trace.item(tensor))
        elif kind == 12 and array.ndim == 2 and array.dtype == np.float32:
            turned = self.trace.view(tensor, lambda x: x.T)
            fitting = [
                each
                for each in self.tensors
                if each.now.shape == turned.now.shape and each.now.dtype == np.float32
            ]
            right = fitting[self.random.integers(len(fitting))] if fitting else turned
            product = self.trace.compute(r.MM, tensor, right)
            self.tensors.append(self.trace.compute(r.MAXIMUM, product, -5.0))
        elif kind == 11:
            dtype = np.dtype(self.random.choice(["float32", "float64", "int32"]))
            made = self.trace.compute(r.FILL, 2, size=array.shape, dtype=dtype)
            self.tensors.append(made)
        elif kind == 13:
            self.join(tensor)
        elif kind == 14 and array.ndim:
            self.put_back(tensor)

    def join(self, tensor: Traced) -> None:
        """Put tensors of one shape side by side, or behind one another in a new dimension."""
        now = tensor.now
        alike = [
            each
            for each in self.tensors
            if each.now.shape == now.shape and each.now.dtype == now.dtype
        ]
        count = self.random.integers(1, 4)
        parts = [tensor, *(alike[self.random.integers(len(alike))] for _ in range(count))]
        if now.ndim and self.random.random() < 0.6:
            made = self.trace.compute(CAT, *parts, dim=int(self.random.integers(now.ndim)))
        else:
            made = self.trace.compute(STACK, *parts, dim=int(self.random.integers(now.ndim + 1)))
        if made.now.size < 5000 and made.now.ndim < 5:
            self.tensors.append(made)

    def put_back(self, tensor: Traced) -> None:
        """Put a tensor among zeros, as the derivative of a slice does."""
        index, shape = [], []
        for size in tensor.now.shape:
            start, step = int(self.random.integers(3)), int(self.random.integers(1, 3))
            stop = start + (size - 1) * step + 1 if size else start
            index.append((start, stop, step))
            shape.append(stop + int(self.random.integers(3)))
        if self.random.random() < 0.5 and len(shape) < 4:
            index.insert(0, int(self.random.integers(2)))
            shape.insert(0, 2)
        made = self.trace.compute(UNSLICE, tensor, index=tuple(index), shape=tuple(shape))
        if made.now.size < 5000:
            self.tensors.append(made)

    def elementwise(self, tensor: Traced) -> None:
        dtype = tensor.now.dtype
        partner = self.partner(tensor)
        choice = self.random.integers(6)
        if choice == 0:
            target = np.dtype(self.random.choice(["float32", "float64", "int32"]))
            made = self.trace.compute(r.CAST, tensor, dtype=target)
        elif choice == 1:
            made = self.trace.compute(r.LESS, tensor, partner)
        elif choice == 2 and dtype != np.bool_:
            made = self.trace.compute(r.MAXIMUM, tensor, partner)
        elif choice == 3:
            made = self.trace.compute(r.ADD, tensor, partner)
        elif choice == 4 and dtype != np.bool_:
            made = self.trace.compute(r.SUB, tensor, partner)
        else:
            made = self.trace.compute(
                r.WHERE, self.trace.compute(r.LESS, tensor, tensor), tensor, tensor
            )
        if made.now.size < 5000:
            self.tensors.append(made)

    def reduction(self, tensor: Traced) -> None:
        ndim = tensor.now.ndim
        dims = tuple(
            sorted(
                self.random.choice(ndim, self.random.integers(1, ndim + 1), replace=False).tolist()
            )
        )
        kind = (r.SUM, r.AMAX, r.AMIN, r.ANY, r.ALL)[self.random.integers(5)]
        self.tensors.append(
            self.trace.compute(kind, tensor, dim=dims, keepdim=bool(self.random.integers(2)))
        )

    def write(self, tensor: Traced) -> None:
        if any(
            stride == 0 and size > 1 for size, stride in zip(tensor.now.shape, tensor.now.strides)
        ):
            return
        sources = [each for each in self.tensors if each.now.shape == tensor.now.shape]
        source = sources[self.random.integers(len(sources))]
        kinds = source.now.dtype.kind + tensor.now.dtype.kind
        if kinds in ("bb", "bi", "ii", "bf", "if", "ff"):
            self.trace.write(tensor, source)


def program(seed: int):
    """Return a random trace and outputs to ask of it."""
    maker = Maker(seed)
    with np.errstate(all="ignore"):
        for _ in range(maker.random.integers(3, 14)):
            maker.step()
    count = maker.random.integers(1, min(4, len(maker.tensors)) + 1)
    chosen = maker.random.choice(len(maker.tensors), count, replace=False)
    outputs = [maker.tensors[k] for k in chosen]
    outputs += maker.numbers[:1]
    return maker.trace, outputs


@pytest.mark.parametrize("seed", range(120))
def test_random_traces_run_as_written(seed):
    trace, outputs = program(seed)
    trace.check(*outputs)


def test_outputs_in_one_block():
    counts = []
    for seed in range(120):
        trace, outputs = program(seed)
        counts.append(trace.check_block(*outputs))
    assert sum(each > 1 for each in counts) > 10, counts
