"""Square brackets, masks, gather and scatter, read and written, against PyTorch."""

from typing import Any

import numpy as np
import pytest

import jitgrad
from tests.ops.against_torch import array, compare, compare_error, flat, torch


def places(*values: Any, dtype: str = "int64") -> np.ndarray:
    return np.array(values, dtype=dtype)


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


INDEX = places([0, 1, 0], [2, 0, 0])
LINES = places(2, 0, 2)

CALLS = {
    "gather": lambda t, x, i, s: t.gather(x, 0, i),
    "gather_last": lambda t, x, i, s: x.gather(-1, i),
    "gather_int32": lambda t, x, i, s: x.gather(1, i.to(t.int32)),
    "scatter": lambda t, x, i, s: t.scatter(x, 1, i[:, :2], s[:, :2]),
    "scatter_number": lambda t, x, i, s: x.scatter(0, i, 2.5),
    "scatter_value": lambda t, x, i, s: x.scatter(0, i, value=3),
    "scatter_add": lambda t, x, i, s: t.scatter_add(x, 0, i, s),
    "scatter_add_part": lambda t, x, i, s: x.scatter_add(1, i[:1], s[:1]),
    "scatter_add_": lambda t, x, i, s: (x * 1).scatter_add_(0, i, s),
    "scatter_": lambda t, x, i, s: (x * 1).scatter_(0, i[:, :1], s[:, :1]),
    "scatter_view": lambda t, x, i, s: (x * 1)[:, 1:].scatter_(0, i[:, :1], s[:, :1]),
    "sum": lambda t, x, i, s: x.scatter_reduce(0, i, s, "sum"),
    "mean": lambda t, x, i, s: x.scatter_reduce(0, i, s, "mean"),
    "mean_without": lambda t, x, i, s: x.scatter_reduce(0, i, s, "mean", include_self=False),
    "amax": lambda t, x, i, s: t.scatter_reduce(x, 1, i, s, "amax"),
    "amin_without": lambda t, x, i, s: x.scatter_reduce(1, i, s, "amin", include_self=False),
    "take_along_dim": lambda t, x, i, s: t.take_along_dim(x, i[:1], 0),
    "take_along_all": lambda t, x, i, s: t.take_along_dim(x, i),
    "take": lambda t, x, i, s: t.take(x, i * 2 - 1),
    "put": lambda t, x, i, s: x.index_put((i[0], i[1]), s[0]),
    "put_add": lambda t, x, i, s: x.index_put((i[0],), s[0], accumulate=True),
    "put_add_all": lambda t, x, i, s: x.index_put((i[0], i[0]), s[0, 0], accumulate=True),
    "put_": lambda t, x, i, s: (x + 0).index_put_((i[:, :1],), s[:1]),
}


@pytest.mark.parametrize("name", CALLS)
def test_positions(name: str) -> None:
    compare(CALLS[name], array(3, 3), INDEX, array(2, 3, seed=1))
    if name not in ("mean", "mean_without"):
        whole = array(3, 3, dtype="int64")
        compare(CALLS[name], whole, INDEX, array(2, 3, dtype="int64", seed=1))


LINE_CALLS = {
    "index_select": lambda t, x, i, s: t.index_select(x, 1, i),
    "index_select_0": lambda t, x, i, s: x.index_select(0, i),
    "index_add": lambda t, x, i, s: t.index_add(x, 1, i, s),
    "index_add_alpha": lambda t, x, i, s: x.index_add(-1, i, s, alpha=2),
    "index_add_": lambda t, x, i, s: (x * 1).index_add_(1, i, s),
    "index_copy": lambda t, x, i, s: x.index_copy(1, i[:2], s[:, :2]),
    "index_copy_": lambda t, x, i, s: (x * 1).index_copy_(1, i[:2], s[:, :2]),
    "index_fill": lambda t, x, i, s: t.index_fill(x, 0, i, 2.0),
    "index_fill_negative": lambda t, x, i, s: x.index_fill(0, -i, 2),
    "index_fill_tensor": lambda t, x, i, s: x.index_fill(0, i, s[0, 0]),
    "index_fill_": lambda t, x, i, s: (x * 1).index_fill_(1, i, 0),
    "index_fill_scalar": lambda t, x, i, s: x.index_fill(0, i[0], 1.0),
    "of_no_dimension": lambda t, x, i, s: x[0, 0].index_select(0, i[1]),
}


@pytest.mark.parametrize("name", LINE_CALLS)
def test_lines(name: str) -> None:
    compare(LINE_CALLS[name], array(3, 3), LINES, array(3, 3, seed=1))
    compare(LINE_CALLS[name], array(3, 3, dtype="float32"), LINES, array(3, 3, dtype="float32"))


MASK = np.array([[True, False, True], [False, False, True]])

MASK_CALLS = {
    "fill": lambda t, x, m, s: t.masked_fill(x, m, 2.0),
    "fill_tensor": lambda t, x, m, s: x.masked_fill(m, s[0, 0]),
    "fill_broadcast": lambda t, x, m, s: x.masked_fill(m[0], 1),
    "fill_grows": lambda t, x, m, s: x[0].masked_fill(m, 1),
    "fill_": lambda t, x, m, s: (x * 1).masked_fill_(m, 2),
    "select": lambda t, x, m, s: t.masked_select(x, m),
    "select_broadcast": lambda t, x, m, s: x.masked_select(m[0]),
    "select_grows": lambda t, x, m, s: x[0].masked_select(m),
    "select_0d": lambda t, x, m, s: x[0, 0].masked_select(m[0, 0]),
    "scatter": lambda t, x, m, s: t.masked_scatter(x, m, s),
    "scatter_broadcast": lambda t, x, m, s: x.masked_scatter(m[1], s),
    "scatter_": lambda t, x, m, s: (x * 1).masked_scatter_(m, s),
}


@pytest.mark.parametrize("name", MASK_CALLS)
def test_masks(name: str) -> None:
    compare(MASK_CALLS[name], array(2, 3), MASK, array(2, 3, seed=1))
    compare(MASK_CALLS[name], array(2, 3), ~MASK & MASK, array(2, 3, seed=1))
    compare(MASK_CALLS[name], array(2, 3, dtype="int64"), MASK, array(2, 3, dtype="int64"))


def test_fill_leaves_the_dtype() -> None:
    x = np.array([1, 2])
    mask = np.array([True, False])
    compare(lambda t, x, m: x.masked_fill(m, 1.9), x, mask)
    compare(lambda t, x, m: x.masked_fill(m, True), x.astype("float16"), mask)
    compare(lambda t, x, m: x.masked_fill(m, float("inf")), x.astype("float32"), mask)


@pytest.mark.parametrize("shape", [(), (1,), (4,), (2, 3), (0, 3)])
def test_nonzero(shape: tuple) -> None:
    for values in (array(*shape), np.zeros(shape)):
        compare(lambda t, x: t.nonzero(x.detach()), values)
        compare(lambda t, x: x.detach().nonzero(as_tuple=True), values)
        compare(lambda t, x: t.argwhere(x.detach()), values)


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


# -- writing under autograd -----------------------------------------------------------------


def through_a_view_of_a_view(t: Any, x: Any, v: Any) -> Any:
    y = x * 1
    y[1:][:, 0].copy_(v[:2])
    return y * y


def through_a_transposed_view(t: Any, x: Any, v: Any) -> Any:
    y = x * 1
    y.t()[0].mul_(v)
    return y * y


def base_written_while_views_exist(t: Any, x: Any, v: Any) -> Any:
    y = x * 1
    row, column = y[0], y[:, 1]
    y.mul_(v)
    return y, row * row, column * 2


def a_view_written_while_others_exist(t: Any, x: Any, v: Any) -> Any:
    y = x * 1
    row, column, same = y[0], y[:, 1], y.view(9)
    row.mul_(v)
    return y * y, row, column * column, same * 3


def a_diagonal(t: Any, x: Any, v: Any) -> Any:
    y = x * 1
    y.diagonal().mul_(v)
    y.diagonal(1).zero_()
    return y * y


def windows(t: Any, x: Any, v: Any) -> Any:
    y = x * 1
    y.unfold(0, 2, 2)[0, 1].fill_(v[0])
    return y * y


def narrowed(t: Any, x: Any, v: Any) -> Any:
    y = x * 1
    y.narrow(0, 1, 2).add_(v)
    y.select(1, 2).mul_(3)
    y.unsqueeze(0).permute(2, 1, 0)[1].mul_(v.view(3, 1))
    return y * y


def twice(t: Any, x: Any, v: Any) -> Any:
    y = x.clone()
    part = y[0]
    part[0] = v[0]
    part[1] = y[0, 0] * 2
    y[1] = part
    return y * y


def masked_through_a_view(t: Any, x: Any, v: Any) -> Any:
    y = x * 1
    y[1:][t.tensor([True, False])] = v
    y[:2].masked_fill_(t.tensor([False, True, False]), v[1])
    return y * y


def indexed_through_a_view(t: Any, x: Any, v: Any) -> Any:
    y = x * 1
    y[:, 1:][t.tensor([2, 0]), t.tensor([0, 1])] = v[:2]
    y.t().index_add_(0, t.tensor([0, 0]), v.expand(2, 3))
    y[0].scatter_(0, t.tensor([2]), v[:1])
    return y * y


def into_a_plain_tensor(t: Any, x: Any, v: Any) -> Any:
    y = t.zeros(3, 3, dtype=t.float64)
    view = y[1]
    view.copy_(v)
    y[0, :2] = x[0, 1:]
    return y * y, view


def zeroed_and_refilled(t: Any, x: Any, v: Any) -> Any:
    y = x * 2
    y.zero_()
    y += v
    return y * y


def of_another_dtype(t: Any, x: Any, v: Any) -> Any:
    y = t.zeros(3, 3, dtype=t.float32)
    y[0] = v
    y[1:, 0] = v[1]
    return y * y


@pytest.mark.parametrize(
    "program",
    [
        through_a_view_of_a_view,
        through_a_transposed_view,
        base_written_while_views_exist,
        a_view_written_while_others_exist,
        a_diagonal,
        windows,
        narrowed,
        twice,
        masked_through_a_view,
        indexed_through_a_view,
        into_a_plain_tensor,
        zeroed_and_refilled,
        of_another_dtype,
    ],
)
def test_writes_with_history(program: Any) -> None:
    compare(program, array(3, 3), array(3, seed=1))


def after(program: Any, t: Any) -> Any:
    """Return the gradient of what `program` makes of a leaf, or the class of its error."""
    x = t.tensor([1.0, 2.0, 3.0], requires_grad=True)
    try:
        program(t, x).backward()
    except RuntimeError:
        return RuntimeError
    return x.grad.tolist()


def square(y: Any) -> Any:
    return (y * y).sum()


def saved_index_may_not_change(t: Any, x: Any) -> Any:
    index = t.tensor([0, 1])
    made = square(x[index])
    index.zero_()
    return made


def indexed_input_may_change(t: Any, x: Any) -> Any:
    y = x * 1
    made = square(y[t.tensor([0, 1])])
    y.zero_()
    return made


def gathered_input_may_change(t: Any, x: Any) -> Any:
    y = x * 1
    made = square(y.gather(0, t.tensor([0, 1])))
    y.zero_()
    return made


def saved_mask_may_not_change(t: Any, x: Any) -> Any:
    mask = t.tensor([True, False, True])
    made = square(x.masked_fill(mask, 0))
    mask.zero_()
    return made


def joined_inputs_may_change(t: Any, x: Any) -> Any:
    y = x * 1
    made = square(t.cat([y, y]))
    y.zero_()
    return made


def copied_source_may_change(t: Any, x: Any) -> Any:
    y = x * 1
    z = t.zeros(3)
    z.copy_(y)
    made = square(z)
    y.zero_()
    return made


def saved_through_detached(t: Any, x: Any) -> Any:
    y = x * 1
    made = square(y)
    y.detach().zero_()
    return made


def saved_through_data(t: Any, x: Any) -> Any:
    y = x * 1
    made = square(y)
    y.data.zero_()
    return made


def a_leaf_assigned(t: Any, x: Any) -> Any:
    x[0] = 1
    return square(x)


def a_leaf_assigned_by_mask(t: Any, x: Any) -> Any:
    x[x > 1] = 1
    return square(x)


def a_leaf_assigned_unrecorded(t: Any, x: Any) -> Any:
    with t.no_grad():
        x[0] = 7
        x[x > 6] += 1
        x[t.tensor([1])] = 5
    return square(x)


@pytest.mark.parametrize(
    "program",
    [
        saved_index_may_not_change,
        indexed_input_may_change,
        gathered_input_may_change,
        saved_mask_may_not_change,
        joined_inputs_may_change,
        copied_source_may_change,
        saved_through_detached,
        saved_through_data,
        a_leaf_assigned,
        a_leaf_assigned_by_mask,
        a_leaf_assigned_unrecorded,
    ],
)
def test_versions(program: Any) -> None:
    assert after(program, jitgrad) == after(program, torch)


def test_second_derivatives() -> None:
    for function in (
        lambda t, x: x[t.tensor([0, 0, 2])],
        lambda t, x: x.gather(0, t.tensor([[1, 1, 0]])),
        lambda t, x: x.scatter_add(0, t.tensor([[1, 1, 0]]), x[:1]),
        lambda t, x: x.scatter(0, t.tensor([[1, 1, 0]]), x[:1]),
        lambda t, x: x.masked_fill(t.eye(3, dtype=t.bool), x[0, 0]),
        lambda t, x: x.masked_scatter(t.eye(3, dtype=t.bool), x[1]),
        lambda t, x: x.index_put((t.tensor([0, 1]),), x[2:], accumulate=True),
        lambda t, x: x.index_copy(1, t.tensor([1]), x[:, :1]),
        lambda t, x: x.scatter_reduce(0, t.tensor([[1, 1, 0]]), x[:1], "amax"),
        lambda t, x: t.cat([x, x[:1]]) * 2,
        lambda t, x: x.unfold(0, 2, 1),
        lambda t, x: x.roll(1, 0).tril().flip(0),
        lambda t, x: (x * 1).copy_(x[0]),
    ):
        found = []
        for t in (jitgrad, torch):
            x = t.tensor(array(3, 3), requires_grad=True)
            (first,) = t.autograd.grad((function(t, x) ** 3).sum(), x, create_graph=True)
            (second,) = t.autograd.grad((first**2).sum(), x)
            found.append(second.numpy())
        np.testing.assert_allclose(*found)


@pytest.mark.parametrize("seed", range(60))
def test_random_assignments(seed: int) -> None:
    """Chains of views and writes, drawn at random, leave the same values and gradients."""

    def program(t: Any, x: Any, v: Any) -> Any:
        random = np.random.default_rng(seed)
        held = [x * 1]
        for _ in range(8):
            target = held[random.integers(len(held))]
            choice = random.integers(8)
            if target.dim() == 0 or choice == 0:
                target.mul_(2)
            elif choice == 1:
                held.append(target[random.integers(target.shape[0])])
            elif choice == 2:
                held.append(target[int(random.integers(target.shape[0])) :])
            elif choice == 3:
                held.append(target.transpose(0, -1))
            elif choice == 4:
                target[0] = v[random.integers(3)]
            elif choice == 5:
                target[..., -1] += v[0]
            elif choice == 6:
                target[t.tensor([0])] = target[t.tensor([-1])] * 2
            else:
                held.append(target.unsqueeze(0))
        return [each * each for each in held]

    compare(program, array(3, 4), array(3, seed=1))


def test_flat_helper_sees_tuples() -> None:
    assert len(flat(jitgrad.nonzero(jitgrad.ones(2, 2), as_tuple=True))) == 2
