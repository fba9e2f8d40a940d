"""Tensors in pickles and copies: memory, strides, flags and attributes survive."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import jitgrad
from jitgrad.pickling import ArrayPickler, ArrayUnpickler, Blocks
from tests.arrays import many_arrays


def by_pickle(protocol: int) -> Any:
    return lambda obj: pickle.loads(pickle.dumps(obj, protocol))


def by_blocks(obj: Any) -> Any:
    pickler = ArrayPickler()
    pickled = pickler.pickled(obj)
    return ArrayUnpickler(pickled, Blocks([each.copy() for each in pickler.blocks])).load()


WAYS = [
    *(pytest.param(by_pickle(protocol), id=f"protocol {protocol}") for protocol in range(6)),
    pytest.param(copy.deepcopy, id="deepcopy"),
    pytest.param(by_blocks, id="blocks"),
]
ways = pytest.mark.parametrize("again", WAYS)


@ways
def test_elements_dtypes_and_strides(again: Any) -> None:
    whole = jitgrad.arange(24).view(2, 3, 4)
    for dtype in (jitgrad.float16, jitgrad.float64, jitgrad.int8, jitgrad.bool, jitgrad.uint8):
        for view in (whole, whole.transpose(0, 2), whole[:, 1], whole[..., ::2], whole[1, 2, 3]):
            tensor = view.to(dtype)
            made = again(tensor)
            assert type(made) is jitgrad.Tensor and made.dtype is dtype
            assert made.stride() == tensor.stride()
            assert made.equal(tensor) and made.data_ptr() != tensor.data_ptr()
            assert not made._storage.is_foreign
            made.fill_(1)
    for empty in (jitgrad.zeros(0), jitgrad.zeros(3, 0, 2), jitgrad.zeros(2, 0).t()):
        assert again(empty).shape == empty.shape
    assert again(jitgrad.ones(2).expand(3, 2)).stride() == (0, 1)


@ways
def test_memory_stays_shared(again: Any) -> None:
    whole = jitgrad.zeros(2, 3)
    first, second, row = again([whole, whole.t(), whole[1]])
    row.fill_(5)
    assert first[1].tolist() == [5, 5, 5] and second[:, 1].tolist() == [5, 5, 5]
    assert second._version == row._version
    assert whole.sum().item() == 0
    one, same = again([whole, whole])
    assert one is same


@ways
def test_memory_of_numpy(again: Any) -> None:
    for array in (
        np.arange(12.0)[::3],
        np.arange(12.0).reshape(3, 4).T,
        np.arange(24).reshape(2, 3, 4)[:, ::2, 1:3],
        np.broadcast_to(np.float32(2), (3, 2)),
    ):
        tensor = jitgrad.from_numpy(array)
        made = again(tensor)
        assert made.stride() == tensor.stride() and made.equal(tensor)
        assert not np.shares_memory(made.numpy(), array)


@ways
def test_flags_and_attributes(again: Any) -> None:
    leaf = jitgrad.ones(2, requires_grad=True)
    leaf.tag = ["mine"]  # type: ignore[attr-defined]
    leaf.itself = leaf  # type: ignore[attr-defined]
    made = again(leaf)
    assert made.requires_grad and made.is_leaf and made.tag == ["mine"] and made.itself is made
    (made * 3).sum().backward()
    assert made.grad.tolist() == [3, 3] and leaf.grad is None


class Named(jitgrad.Tensor):
    """A class of a user's own."""


@ways
def test_classes(again: Any) -> None:
    mine = Named([[1.0, 2.0], [3.0, 4.0]]).requires_grad_()
    mine.tag = 3  # type: ignore[attr-defined]
    made, data = again([mine, mine.detach()])
    assert type(made) is Named and made.requires_grad and made.tag == 3
    assert type(data) is jitgrad.Tensor and data._storage is made._storage


@ways
def test_what_is_no_tensor(again: Any) -> None:
    values = (jitgrad.float32, jitgrad.bool, jitgrad.device("cpu:0"), jitgrad.Size((2, 3)))
    assert again(values) == values
    assert type(again(values)[3]) is jitgrad.Size


@ways
def test_generators(again: Any) -> None:
    generator = jitgrad.Generator().manual_seed(3)
    jitgrad.rand(3, generator=generator)
    made = again(generator)
    assert made.initial_seed() == 3
    for _ in range(2):
        drawn = (jitgrad.randn(5, generator=each) for each in (generator, made))
        assert next(drawn).equal(next(drawn))
        assert made.get_state().equal(generator.get_state())


def test_a_copy_shares_memory() -> None:
    for tensor in (jitgrad.arange(6).view(2, 3).t(), jitgrad.from_numpy(np.arange(9)[::2])):
        made = copy.copy(tensor)
        assert made is not tensor and made.data_ptr() == tensor.data_ptr()
        made.zero_()
        assert tensor.sum().item() == 0 and tensor._version == made._version


def test_deepcopy_copies_grad_and_keeps_inner_sharing() -> None:
    leaf = jitgrad.ones(2, requires_grad=True)
    (leaf * 2).sum().backward()
    made, gradient = copy.deepcopy([leaf, leaf.grad])
    assert made.grad is gradient and gradient is not leaf.grad
    assert made.grad.tolist() == [2, 2]
    assert pickle.loads(pickle.dumps(leaf)).grad is None


def test_only_leaves_are_deepcopied() -> None:
    result = jitgrad.ones(2, requires_grad=True) * 2
    with pytest.raises(RuntimeError, match="graph leaves"):
        copy.deepcopy(result)
    assert pickle.loads(pickle.dumps(result)).is_leaf
    assert pickle.loads(pickle.dumps(result)).requires_grad


def test_agrees_with_torch() -> None:
    torch = pytest.importorskip("torch")

    def facts(library: Any) -> list:
        leaf = library.arange(6.0).reshape(2, 3).requires_grad_()
        (leaf * leaf).sum().backward()
        view = leaf.detach().t()
        found: list = []
        for again in (copy.copy, copy.deepcopy, by_pickle(2), by_pickle(5)):
            for each in (leaf, view, view[1:]):
                made = again(each)
                found.append((made.tolist(), made.stride(), made.storage_offset()))
                found.append((made.requires_grad, made.is_leaf, made.grad is None))
        found.append(by_pickle(2)(leaf * 2).is_leaf)
        return found

    assert facts(jitgrad) == facts(torch)


def test_numpy_in_blocks() -> None:
    arrays = [*many_arrays(), np.array([{}, None]), np.zeros(2, [("a", "i4")])]
    for array, made in zip(arrays, by_blocks(arrays)):
        assert made.dtype == array.dtype and made.shape == array.shape
        assert (made == array).all()
        assert not array.size or made.strides == array.copy("K").strides
    scalars = [np.float32(2), np.bool_(True), np.int8(-1), np.str_("x"), np.dtype("<f4")]
    for scalar, made in zip(scalars, by_blocks(scalars)):
        assert type(made) is type(scalar) and made == scalar


def test_one_memory_is_one_block() -> None:
    whole = jitgrad.zeros(100)
    pickler = ArrayPickler()
    pickler.pickled([whole, whole[::2], whole.detach(), whole.data, whole[:50].view(5, 10)])
    assert [block.nbytes for block in pickler.blocks] == [400]


def test_copies_in_a_compiled_function() -> None:
    @jitgrad.compile
    def f(x: Any) -> Any:
        y = copy.deepcopy(x)
        y *= 2
        return y + copy.copy(x)

    for number in range(4):
        x = jitgrad.full((3,), float(number))
        assert f(x).tolist() == [3.0 * number] * 3
