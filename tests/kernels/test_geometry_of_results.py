"""What is made of operands lies as NumPy would have it."""

import itertools

import numpy as np
import pytest

from jitgrad.graph.ir import Memory, Value
from jitgrad.kernels.geometry import elementwise, has_overlap


def layouts(shape):
    """Return arrays of a shape that lie in several ways."""
    for order in itertools.permutations(range(len(shape))):
        block = np.zeros([shape[axis] for axis in order])
        yield block.transpose(np.argsort(order))
    for axis in range(len(shape)):
        small = [1 if each == axis else size for each, size in enumerate(shape)]
        yield np.broadcast_to(np.zeros(small), shape)
        yield np.zeros([2 * size for size in shape])[tuple(slice(None, None, 2) for _ in shape)]
        yield np.flip(np.zeros(shape), axis)
    yield np.broadcast_to(np.zeros(()), shape)


@pytest.mark.parametrize("shape", [(), (3,), (1,), (2, 3), (1, 3), (2, 1, 3), (4, 2, 3), (0, 3)])
def test_sums_lie_as_those_of_numpy(shape):
    for pair in itertools.product(layouts(shape), repeat=2):
        values = [
            Value(shape, tuple(step // 8 for step in each.strides), each.dtype, Memory())
            for each in pair
        ]
        made, wanted = elementwise(*values), np.add(*pair)
        assert (made.shape, made.dtype) == (wanted.shape, wanted.dtype)
        assert not (wanted.size and has_overlap(made))
        pairs = zip(shape, made.strides, np.asarray(wanted).strides)
        # of what has one element along a dimension, its stride there says nothing
        assert wanted.size == 0 or all(8 * own == step for size, own, step in pairs if size > 1), [
            each.strides for each in pair
        ]
