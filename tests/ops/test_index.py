"""Square brackets and masks, read and written, against PyTorch; what positions refuse."""

from typing import Any

import numpy as np
import pytest

import jitgrad
from tests.ops.against_torch import array, compare, compare_error, places, torch

BASIC = [
    0,
    -1,
    (1, 2),
    (0, 1, 2),
    (-1, -1, -1),
    slice(None),
    ...,
    (),
    None,
    (None, 0, None),
    (..., 0),
    (..., None),
    (0, ..., 1),
    (..., slice(1, 3)),
    slice(1, None),
    slice(None, None, 2),
    slice(-2, 100),
    slice(2, 1),
    (slice(None), slice(1, 3, 2), 0),
    (slice(0, 0), slice(None), slice(None, -1)),
    (slice(None), None, 1, ..., None),
    (0, slice(None), slice(3, None, 3)),
    np.int64(1),
    (np.int32(1), slice(None)),
]

ADVANCED = [
    places(0, 1, 1, 0),
    places(-1, 0),
    places([0, 1], [1, 1]),
    (slice(None), places(2, 0)),
    (..., places(3, 0, 0)),
    (places(0, 1), places(2, 1)),
    (places([0], [1]), places(2, 1)),
    (places(0, 1), slice(None), places(2, 1)),
    (slice(None), places(2, 1), places([0], [3])),
    (0, slice(None), places(1, 1)),
    (places(0, 1), 1),
    (places(1), None, places(2)),
    (places(0, 1), 1, places(2, 3)),
    (None, places(1, 0)),
    (slice(1, None), places(0, 2), slice(None, None, 2)),
    [1, 0],
    (0, [0, 2]),
    ([0, 1], [0, 2], [3, 3]),
    np.array([1, 0]),
    (places(0, dtype="int32"), places(1, dtype="int32")),
    places(),
    np.array(1),
    (np.array(0), np.array(1)),
    (np.array(0), places(1, 2)),
    True,
    False,
    (True, 0),
    (slice(None), True),
    np.array(True),
]


def masks() -> list:
    whole = array(2, 3, 4, seed=5) > 0
    return [
        whole,
        whole[:, :, 0],
        whole[:, 0, 0] | True,
        whole[:, 0, 0] & False,
        (slice(None), whole[0, :, 0]),
        (0, whole[0]),
        (..., whole[0, 0]),
        (places(0, 1), np.array([True, False, True])),
        (slice(None), whole[0, :, 1], slice(1, 3)),
        ([True, False],),
    ]


def tensors(t: Any, index: Any) -> Any:
    """Return an index with tensors of `t` in place of arrays."""
    if isinstance(index, tuple):
        return tuple(tensors(t, each) for each in index)
    return t.tensor(index) if isinstance(index, np.ndarray) else index


def geometry(t: Any, index: Any) -> list:
    x = t.tensor(array(2, 3, 4))
    made = x[tensors(t, index)]
    strides = [step for size, step in zip(made.shape, made.stride()) if size > 1]
    shares = bool(made.numel()) and (
        x.data_ptr() <= made.data_ptr() < x.data_ptr() + x.numel() * x.element_size()
    )
    offset = made.storage_offset() if made.numel() else 0
    return [tuple(made.shape), made.numel() and strides, offset, shares]


@pytest.mark.parametrize("index", BASIC, ids=str)
def test_basic(index: Any) -> None:
    assert geometry(jitgrad, index) == geometry(torch, index)
    compare(lambda t, x: x[tensors(t, index)], array(2, 3, 4))
    compare(lambda t, x: x.transpose(0, 2)[tensors(t, index)], array(4, 3, 2))


@pytest.mark.filterwarnings("ignore:.*non-tuple sequence:UserWarning")
@pytest.mark.parametrize("index", [*ADVANCED, *masks()], ids=str)
def test_advanced(index: Any) -> None:
    shape = geometry(torch, index)
    assert geometry(jitgrad, index)[::3] == shape[::3]
    compare(lambda t, x: x[tensors(t, index)], array(2, 3, 4))
    compare(lambda t, x: x.transpose(0, 2)[tensors(t, index)], array(4, 3, 2))


@pytest.mark.parametrize(
    "index", [(), ..., None, (None, ...), True, np.array(False), (..., None)], ids=str
)
def test_zero_dimensions(index: Any) -> None:
    compare(lambda t, x: x[tensors(t, index)], array())
    compare(lambda t, x: x[tensors(t, index)], array(0))
    compare(lambda t, x: x[tensors(t, index)], array(2, 0))


@pytest.mark.filterwarnings("ignore:.*non-tuple sequence:UserWarning")
@pytest.mark.parametrize("index", [*BASIC, *ADVANCED, *masks()], ids=str)
def test_assignment(index: Any) -> None:
    def put(t: Any, x: Any, value: Any) -> Any:
        y = x * 2
        y[tensors(t, index)] = value
        return y, y * y

    shape = tuple(torch.zeros(2, 3, 4)[tensors(torch, index)].shape)
    compare(lambda t, x: put(t, x, 5.0), array(2, 3, 4))
    compare(lambda t, x: put(t, x, 5), array(2, 3, 4))
    # where nothing is written PyTorch gives the value no gradient, not zeros
    grad = index is not False
    compare(put, array(2, 3, 4), array(), grad=grad)
    compare(put, array(2, 3, 4), array(*shape, seed=1), grad=grad)
    compare(put, array(2, 3, 4), array(1, *[1 for _ in shape], seed=1), grad=grad)
    if shape and shape[-1] > 0:
        compare(put, array(2, 3, 4), array(shape[-1], seed=1), grad=grad)
    compare(lambda t, x: put(t, x, 3.7), array(2, 3, 4, dtype="int64"))
    compare(lambda t, x: put(t, x.transpose(0, 2), 5.0), array(4, 3, 2))
    compare(lambda t, x, v: put(t, x.transpose(0, 2), v), array(4, 3, 2), array(*shape), grad=grad)


def test_assignment_converts() -> None:
    def put(t: Any, x: Any, index: Any, value: Any) -> Any:
        x = x.clone()
        x[tensors(t, index)] = value
        return x

    for dtype in ("float32", "float16", "int64", "uint8", "bool"):
        compare(lambda t, x, v: put(t, x, slice(0, 2), v), array(3), array(2).astype(dtype))
        compare(lambda t, x, v: put(t, x, 0, v), array(3), np.array(1).astype(dtype))
        compare(lambda t, x: put(t, x, 1, 1), np.array([0, 0, 0]).astype(dtype))
        compare(lambda t, x: put(t, x, places(0, 2), True), np.array([0, 0, 0]).astype(dtype))
    compare(lambda t, x: put(t, x, 1, -1), np.array([0, 0], dtype="uint8"))
    compare(lambda t, x, v: put(t, x, 1, v), array(2, dtype="float32"), array())
    compare(lambda t, x: put(t, x, 0, float("nan")), array(2))


def test_the_place_decides() -> None:
    """An index tensor of no dimension selects, as an integer does: a view."""
    for t in (jitgrad, torch):
        x = t.arange(6.0).reshape(2, 3)
        x[t.tensor(1)].zero_()
        assert x.tolist() == [[0, 1, 2], [0, 0, 0]]
        x[t.tensor([0])].zero_()
        assert x.tolist() == [[0, 1, 2], [0, 0, 0]]
        for row in x:
            row += 1
        assert x.tolist() == [[1, 2, 3], [1, 1, 1]]


def x_of(t: Any) -> Any:
    return t.zeros(2, 3)


def assign(t: Any, index: Any, value: Any) -> None:
    x_of(t)[index] = value


@pytest.mark.parametrize(
    "function",
    [
        lambda t: x_of(t)[2],
        lambda t: x_of(t)[-3],
        lambda t: x_of(t)[0, 0, 0],
        lambda t: x_of(t)[::-1],
        lambda t: x_of(t)[::0],
        lambda t: x_of(t)[1.5],
        lambda t: x_of(t)[1.5:2],
        lambda t: x_of(t)["a"],
        lambda t: x_of(t)[t.tensor([2])],
        lambda t: x_of(t)[t.tensor([-3])],
        lambda t: x_of(t)[:, t.tensor([3])],
        lambda t: x_of(t)[t.tensor([0.0])],
        lambda t: x_of(t)[t.tensor([0], dtype=t.int16)],
        lambda t: x_of(t)[t.tensor([0, 1]), t.tensor([0, 1, 2])],
        lambda t: x_of(t)[t.tensor([True, False, True])],
        lambda t: x_of(t)[t.zeros(2, 3, 1, dtype=t.bool)],
        lambda t: t.tensor(1.0)[0],
        lambda t: t.zeros(0)[0],
        lambda t: t.zeros(0)[t.tensor([0])],
        lambda t: assign(t, 2, 1.0),
        lambda t: assign(t, 0, t.zeros(2)),
        lambda t: assign(t, 0, t.zeros(2, 3)),
        lambda t: assign(t, 0, [1.0, 2.0, 3.0]),
        lambda t: assign(t, 0, "a"),
        lambda t: assign(t, t.tensor([0, 1]), t.zeros(2)),
        lambda t: assign(t, t.tensor([0, 1]), t.zeros(3, dtype=t.float64)),
        lambda t: assign(t, t.tensor([2]), 0.0),
        lambda t: t.zeros(2, dtype=t.uint8).fill_(256),
        lambda t: t.zeros(2, dtype=t.int64).fill_(float("nan")),
        lambda t: t.zeros(2).fill_(t.zeros(2)),
        lambda t: t.zeros(2).copy_(t.zeros(3)),
        lambda t: x_of(t).gather(0, t.tensor([[2]])),
        lambda t: x_of(t).gather(0, t.tensor([[-1]])),
        lambda t: x_of(t).gather(0, t.tensor([0])),
        lambda t: x_of(t).gather(0, t.zeros(1, 4, dtype=t.int64)),
        lambda t: x_of(t).gather(0, t.tensor([[0.0]])),
        lambda t: x_of(t).gather(2, t.tensor([[0]])),
        lambda t: x_of(t).scatter(0, t.tensor([[2]]), 1.0),
        lambda t: x_of(t).scatter(0, t.tensor([[0, 0]]), t.zeros(1, 1)),
        lambda t: x_of(t).scatter(0, t.tensor([[0]]), t.zeros(1, 1, dtype=t.float64)),
        lambda t: x_of(t).scatter(0, t.tensor([[0]]), t.zeros(1, 1), reduce="no"),
        lambda t: x_of(t).scatter_reduce(0, t.tensor([[0]]), t.zeros(1, 1), "no"),
        lambda t: x_of(t).index_select(0, t.tensor([2])),
        lambda t: x_of(t).index_select(0, t.tensor([-1])),
        lambda t: x_of(t).index_select(0, t.tensor([[0]])),
        lambda t: x_of(t).index_select(0, t.tensor([0.0])),
        lambda t: x_of(t).index_add(0, t.tensor([0]), t.zeros(2, 3)),
        lambda t: x_of(t).index_copy(0, t.tensor([0]), t.zeros(2, 3)),
        lambda t: x_of(t).index_copy(0, t.tensor([-1]), t.zeros(1, 3)),
        lambda t: x_of(t).index_fill(0, t.tensor([2]), 1.0),
        lambda t: x_of(t).index_fill(0, t.tensor([0]), t.zeros(2)),
        lambda t: x_of(t).take(t.tensor([6])),
        lambda t: x_of(t).masked_fill(t.ones(2, 3), 1.0),
        lambda t: x_of(t).masked_fill(t.ones(2, 2, dtype=t.bool), 1.0),
        lambda t: x_of(t).masked_fill(t.ones(2, 3, dtype=t.bool), t.zeros(1)),
        lambda t: x_of(t).masked_select(t.ones(2, 3)),
        lambda t: x_of(t).masked_scatter(t.ones(2, 3, dtype=t.bool), t.zeros(5)),
        lambda t: x_of(t).masked_scatter(t.ones(2, 3, dtype=t.bool), t.zeros(6).double()),
    ],
)
def test_errors(function: Any) -> None:
    compare_error(function)


def test_error_says_where() -> None:
    with pytest.raises(IndexError, match="index 5 is out of bounds for dimension 0 with size 3"):
        jitgrad.zeros(3)[jitgrad.tensor([0, 5])]
    with pytest.raises(ValueError, match="step must be greater than zero"):
        jitgrad.zeros(3)[::-1]
