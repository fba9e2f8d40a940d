"""Tensors from data and rules, against PyTorch."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import jitgrad
from jitgrad.modes import TrackedFloat, state
from tests.ops.against_torch import assert_same, compare_error

torch: Any = pytest.importorskip("torch")

NAN = float("nan")


def both(function: Any) -> None:
    assert_same(function(jitgrad), function(torch))


@pytest.mark.filterwarnings("ignore:Creating a tensor from a list of numpy.ndarrays")
@pytest.mark.parametrize(
    "data",
    [
        1,
        1.5,
        True,
        1j,
        [],
        [[], []],
        [1, 2.5],
        [True, 2],
        [True, 1.5],
        (1, 2),
        range(3),
        [[1, 2], (3, 4)],
        [[[1.0]], [[2.0]]],
        [2**53 + 1],
        [NAN, 1],
        np.float64(1),
        np.int32(3),
        [np.float64(1)],
        [np.float32(1), 2],
        np.zeros((2, 3), np.float16),
        np.arange(6).reshape(2, 3).T,
        [np.array([1, 2]), np.array([3, 4])],
        [np.array([1.5, 2]), [3, 4]],
        np.array(5),
    ],
    ids=repr,
)
def test_data(data: Any) -> None:
    both(lambda t: t.tensor(data))
    both(lambda t: t.as_tensor(data))
    if not np.iscomplexobj(data):
        both(lambda t: t.tensor(data, dtype=t.float64))
        both(lambda t: t.tensor(data, dtype=t.float16))


@pytest.mark.filterwarnings("ignore:To copy construct")
def test_data_with_tensors() -> None:
    both(lambda t: t.tensor([t.tensor(1), t.tensor(2.5)]))
    both(lambda t: t.tensor([t.tensor([1]), t.tensor([3])]).reshape(-1))
    both(lambda t: t.tensor([[t.tensor(1.0, dtype=t.float64), 2], [3, 4]]))
    both(lambda t: t.tensor(t.tensor([1, 2])))
    x = jitgrad.tensor([1.0], requires_grad=True)
    assert not jitgrad.tensor(x).requires_grad
    assert jitgrad.as_tensor(x) is x


def test_numbers_in_dtypes() -> None:
    for value in (2.7, -2.7, True, 3):
        both(lambda t, v=value: t.tensor(v, dtype=t.int64))
        both(lambda t, v=value: t.tensor([v, v], dtype=t.bool))
        both(lambda t, v=value: t.full((2,), v, dtype=t.int8))
    both(lambda t: t.tensor(-1, dtype=t.uint8))
    both(lambda t: t.tensor([-1, 255], dtype=t.uint8))
    both(lambda t: t.tensor([1, 2], dtype=float))
    both(lambda t: t.zeros(2, dtype=int))
    both(lambda t: t.tensor(1e300, dtype=t.float32))


def test_filled() -> None:
    for name in ("zeros", "ones", "empty"):
        for size in ((), (2,), (2, 3), (0, 3)):
            if name != "empty":
                both(lambda t, n=name, s=size: getattr(t, n)(s))
                both(lambda t, n=name, s=size: getattr(t, n)(*s or ((),), dtype=t.int32))
                both(lambda t, n=name, s=size: getattr(t, n)(list(s)))
            made = getattr(jitgrad, name)(size)
            assert tuple(made.shape) == size
            assert made.dtype is jitgrad.float32
    both(lambda t: t.full((2, 3), 2.5))
    both(lambda t: t.full((2,), 1))
    both(lambda t: t.full((2,), True))
    both(lambda t: t.full(size=(2,), fill_value=NAN))
    both(lambda t: t.full((2,), -0.0))
    both(lambda t: t.full((2,), t.tensor(2.5)))
    both(lambda t: t.zeros(t.tensor(2), 3))
    both(lambda t: t.zeros(size=(2, 3)))
    both(lambda t: t.scalar_tensor(3))


def test_like_and_new() -> None:
    for dtype in ("float64", "int32", "bool"):
        x = np.zeros((2, 3), dtype)
        for name in ("zeros_like", "ones_like"):
            both(lambda t, n=name, x=x: getattr(t, n)(t.tensor(x)))
            both(lambda t, n=name, x=x: getattr(t, n)(t.tensor(x), dtype=t.float16))
        both(lambda t, x=x: t.full_like(t.tensor(x), 2))
        both(lambda t, x=x: t.tensor(x).new_ones(2, 2))
        both(lambda t, x=x: t.tensor(x).new_zeros((2, 2), dtype=t.int8))
        both(lambda t, x=x: t.tensor(x).new_full((2,), 3))
        both(lambda t, x=x: t.tensor(x).new_tensor([1.5, 2]))
        assert jitgrad.tensor(x).new_empty(3).shape == (3,)
        assert jitgrad.empty_like(jitgrad.tensor(x)).shape == (2, 3)
    assert jitgrad.ones(2).new_ones(2, requires_grad=True).requires_grad


@pytest.mark.parametrize(
    "limits", [(5,), (5.5,), (1, 5), (1, 2, 0.25), (5, 0, -2), (0,), (-3, 3), (0, 1, 0.1), (3, 3)]
)
def test_arange(limits: tuple) -> None:
    both(lambda t: t.arange(*limits))
    both(lambda t: t.arange(*limits, dtype=t.float16))
    both(lambda t: t.arange(*limits, dtype=t.int32))


def test_arange_by_name() -> None:
    both(lambda t: t.arange(end=4))
    both(lambda t: t.arange(start=1, end=4))
    both(lambda t: t.arange(1, end=4, step=2))
    both(lambda t: t.arange(t.tensor(5)))
    both(lambda t: t.arange(0, t.tensor(2.0)))


@pytest.mark.parametrize("steps", [0, 1, 2, 5, 100])
def test_linspace(steps: int) -> None:
    both(lambda t: t.linspace(-1, 3, steps))
    both(lambda t: t.linspace(0, 10, steps, dtype=t.int64))
    both(lambda t: t.linspace(0, 1, steps, dtype=t.float64))
    both(lambda t: t.logspace(0, 2, steps))


def test_eye() -> None:
    both(lambda t: t.eye(3))
    both(lambda t: t.eye(2, 3, dtype=t.int64))
    both(lambda t: t.eye(0))


def test_from_numpy_shares_memory() -> None:
    x = np.arange(6.0).reshape(2, 3)
    made = jitgrad.from_numpy(x[:, ::2])
    x[0, 0] = 7
    assert made.tolist() == [[7.0, 2.0], [3.0, 5.0]]
    assert np.shares_memory(made.numpy(), x)
    assert np.shares_memory(jitgrad.as_tensor(x).numpy(), x)
    assert not np.shares_memory(jitgrad.tensor(x).numpy(), x)
    assert not np.shares_memory(jitgrad.asarray(x, copy=True).numpy(), x)
    with pytest.raises(ValueError, match="alias"):
        jitgrad.asarray([1], copy=False)


def test_early_constructors() -> None:
    both(lambda t: t.Tensor([1, 2]))
    both(lambda t: t.Tensor([[1, 2], [3, 4]]))
    both(lambda t: t.Tensor())
    both(lambda t: t.Tensor((2, 3)))
    both(lambda t: t.Tensor(np.array([1.0, 2.0])))
    both(lambda t: t.Tensor(t.tensor([1.0])))
    both(lambda t: t.Tensor(t.Size([2, 0])))
    both(lambda t: t.LongTensor([1, 2]))
    both(lambda t: t.DoubleTensor([[1.5]]))
    both(lambda t: t.ByteTensor([1, 0]))
    assert jitgrad.Tensor(2, 3).shape == (2, 3)
    assert jitgrad.FloatTensor(2).dtype is jitgrad.float32
    assert isinstance(jitgrad.ones(2), jitgrad.FloatTensor)  # type: ignore[arg-type]
    assert not isinstance(jitgrad.ones(2), jitgrad.LongTensor)  # type: ignore[arg-type]
    compare_error(lambda t: t.Tensor(3.5))
    compare_error(lambda t: t.FloatTensor(t.tensor([1, 2])))


def test_variable() -> None:
    x = jitgrad.ones(2)
    made = jitgrad.autograd.Variable(x, requires_grad=True)
    assert made.requires_grad and made.is_leaf and not x.requires_grad
    assert np.shares_memory(made.detach().numpy(), x.numpy())
    assert isinstance(x, jitgrad.autograd.Variable)


def test_requires_grad_and_device() -> None:
    assert jitgrad.tensor(1.0, requires_grad=True).requires_grad
    assert jitgrad.zeros(2, device="cpu", requires_grad=True).is_leaf
    with pytest.raises(RuntimeError, match="CUDA"):
        jitgrad.zeros(2, device="cuda")


def test_errors() -> None:
    for make in (
        lambda t: t.tensor([[1, 2], [3]]),
        lambda t: t.tensor([[1, 2], 3]),
        lambda t: t.tensor("abc"),
        lambda t: t.tensor(["abc"]),
        lambda t: t.tensor(None),
        lambda t: t.tensor({1: 2}),
        lambda t: t.tensor(2**70),
        lambda t: t.tensor(300, dtype=t.uint8),
        lambda t: t.tensor(NAN, dtype=t.int64),
        lambda t: t.full((2,), 300, dtype=t.uint8),
        lambda t: t.tensor([1, 2], requires_grad=True),
        lambda t: t.tensor([1], dtype="float32"),
        lambda t: t.zeros(-1),
        lambda t: t.zeros(2.0),
        lambda t: t.zeros("a"),
        lambda t: t.zeros([2, 3.0]),
        lambda t: t.zeros(True),
        lambda t: t.ones(2).new_ones(2, colour=3),
        lambda t: t.arange(0, 1, 0),
        lambda t: t.arange(0, 1, -1),
        lambda t: t.arange(0, NAN),
        lambda t: t.linspace(0, 1, -1),
        lambda t: t.eye(-1),
        lambda t: t.from_numpy([1]),
        lambda t: t.from_numpy(np.arange(3)[::-1]),
        lambda t: t.from_numpy(np.array(["a"])),
        lambda t: t.from_numpy(np.arange(3, dtype=">i4")),
    ):
        compare_error(make)


def test_names_of_dtypes() -> None:
    assert jitgrad.float is jitgrad.float32 and jitgrad.double is jitgrad.float64
    assert jitgrad.half is jitgrad.float16 and jitgrad.long is jitgrad.int64
    assert jitgrad.int is jitgrad.int32 and jitgrad.short is jitgrad.int16
    assert repr(jitgrad.bool) == "torch.bool"
    assert jitgrad.pi == torch.pi and jitgrad.inf == torch.inf and jitgrad.e == torch.e
    assert jitgrad.nan != jitgrad.nan
    for name in ("float16", "float32", "float64"):
        ours, theirs = (t.finfo(getattr(t, name)) for t in (jitgrad, torch))
        for each in ("bits", "eps", "max", "min", "tiny", "smallest_normal", "resolution"):
            assert getattr(ours, each) == getattr(theirs, each)
        assert ours.dtype == theirs.dtype
    for name in ("uint8", "int8", "int16", "int32", "int64"):
        ours, theirs = (t.iinfo(getattr(t, name)) for t in (jitgrad, torch))
        assert (ours.min, ours.max, ours.bits) == (theirs.min, theirs.max, theirs.bits)
    compare_error(lambda t: t.finfo(t.int32))
    compare_error(lambda t: t.iinfo(t.float32))
    assert copy.deepcopy(jitgrad.bool) is jitgrad.bool
    assert pickle.loads(pickle.dumps(jitgrad.float16)) is jitgrad.float16


def test_is_tensor() -> None:
    assert jitgrad.is_tensor(jitgrad.ones(1)) and not jitgrad.is_tensor([1])
    assert jitgrad.numel(jitgrad.ones(2, 3)) == 6


def test_a_trace_sees_data_as_parameters() -> None:
    noted = []

    class Recorder:
        def primitive(self, primitive: Any, inputs: tuple, params: dict, *_: Any) -> None:
            noted.append((primitive.name, inputs, params))

        def __getattr__(self, name: str) -> Any:
            return lambda *_: noted.append(name)

    state.recorder = Recorder()  # type: ignore[assignment]
    try:
        made = [jitgrad.tensor(2.5), jitgrad.tensor([[1, 2]]), jitgrad.full((2,), 0.5)]
        assert [entry[0] for entry in noted] == ["full", "tensor", "full"]
        hash(noted[1][2]["data"])
        assert noted[0][1] == (2.5,) and noted[2][1] == (0.5,)
        jitgrad.tensor([TrackedFloat(1.5)])
        assert noted[3] == "unknown"
    finally:
        state.recorder = None
    assert made[1].tolist() == [[1, 2]]
