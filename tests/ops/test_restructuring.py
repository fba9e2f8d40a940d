"""In-place views, copies of expanded tensors, fills of them, divisors in place."""

import numpy as np
import pytest

import jitgrad
from tests.ops.against_torch import compare_error, torch


@pytest.mark.parametrize("library", [jitgrad, torch], ids=["jitgrad", "torch"])
def test_views_in_place_keep_history(library):
    x = library.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    y = x * 2
    part = y[0]
    assert y.unsqueeze_(0) is y
    assert tuple(y.shape) == (1, 1, 3)
    y.squeeze_().mul_(3)
    assert part.tolist() == [6, 12, 18]
    (part * part).sum().backward()
    assert x.grad.tolist() == [[72, 144, 216]]


@pytest.mark.parametrize("library", [jitgrad, torch], ids=["jitgrad", "torch"])
def test_views_in_place_of_views(library):
    x = library.arange(6.0, requires_grad=True)
    y = x * 1
    view = y.view(2, 3)
    view.t_()
    assert view.tolist() == [[0, 3], [1, 4], [2, 5]]
    view[0].mul_(10)
    assert y.tolist() == [0, 1, 2, 30, 4, 5]
    y.sum().backward()
    assert x.grad.tolist() == [10, 1, 1, 10, 1, 1]


def test_views_in_place_are_refused_where_saved_or_a_leaf():
    def saved(library):
        x = library.ones(2, requires_grad=True)
        y = x * 1
        z = y * y
        y.unsqueeze_(0)
        z.sum().backward()

    compare_error(saved)
    compare_error(lambda library: library.ones(2, requires_grad=True).unsqueeze_(0))


def test_copies_of_expanded_tensors_are_contiguous():
    for make in (
        lambda library: library.ones(1, 2).expand(3, 2),
        lambda library: library.ones(3).expand(2, 3),
        lambda library: library.ones(4, 2).t(),
        lambda library: library.ones(4, 4)[::2].t(),
        lambda library: library.ones(1, 1).expand(1, 1),
    ):
        assert make(jitgrad).clone().stride() == make(torch).clone().stride()
        assert make(jitgrad).double().stride() == make(torch).double().stride()


@pytest.mark.parametrize("library", [jitgrad, torch], ids=["jitgrad", "torch"])
def test_expanded_tensors_may_be_filled(library):
    x = library.ones(2, 1)
    x.expand(2, 3).fill_(4)
    assert x.tolist() == [[4], [4]]
    x.expand(3, 2, 3).zero_()
    assert x.tolist() == [[0], [0]]


def test_expanded_tensors_may_not_be_written_otherwise():
    compare_error(lambda library: library.ones(1).expand(3).add_(1))
    compare_error(lambda library: library.ones(1).expand(3).copy_(library.ones(3)))


def test_divisors_in_place():
    x = jitgrad.tensor([4, 6], dtype=jitgrad.int32)
    assert x.gcd_(jitgrad.tensor(10)) is x
    assert x.tolist() == [2, 2]
    assert x.lcm_(jitgrad.tensor([3, 4])).tolist() == [6, 4]
    with pytest.raises(NotImplementedError):
        jitgrad.ones(1).gcd_(jitgrad.ones(1))


def test_promotion_is_pytorchs():
    kinds = ("bool", "uint8", "int8", "int64", "float16", "float32", "float64")
    for one in kinds:
        for other in kinds:
            for name in ("promote_types", "can_cast"):
                ours = getattr(jitgrad, name)(getattr(jitgrad, one), getattr(jitgrad, other))
                theirs = getattr(torch, name)(getattr(torch, one), getattr(torch, other))
                assert str(ours) == str(theirs)
    assert jitgrad.result_type(jitgrad.tensor([1]), 2.0) is jitgrad.float32
    assert jitgrad.result_type(jitgrad.tensor([1], dtype=jitgrad.int8), 2) is jitgrad.int8


def test_real_tensors_have_no_imaginary_part():
    compare_error(lambda library: library.ones(2).imag)
    x = jitgrad.ones(2)
    assert x.real is x
    assert x.conj() is x
    assert not x.is_conj()


def test_random_fills_follow_their_distributions():
    jitgrad.manual_seed(0)
    x = jitgrad.empty(20000, dtype=jitgrad.float64)
    assert abs(x.geometric_(0.25).mean().item() - 4) < 0.1
    assert x.min() == 1
    assert abs(x.log_normal_(0.5, 0.25).log().mean().item() - 0.5) < 0.01
    assert abs(x.cauchy_(2, 3).median().item() - 2) < 0.15
    with pytest.raises(RuntimeError, match="p to be in"):
        x.geometric_(1)


@pytest.mark.parametrize(
    "several",
    [
        lambda x: x.split(1),
        lambda x: x.chunk(2),
        lambda x: x.unbind(),
        lambda x: list(x),
        lambda x: [x.unbind()[0][:1]],
    ],
)
def test_one_of_several_views_is_not_written(several):
    def written(library):
        x = library.ones(2, 2, requires_grad=True) * 1
        several(x)[0].mul_(2)

    compare_error(written)
    for library in (jitgrad, torch):
        # what has no history may be written
        x = library.ones(2, 2)
        several(x)[0].mul_(2)
        assert x.sum() > 4
        with library.no_grad():
            several(library.ones(2, 2, requires_grad=True))[0].mul_(2)


@pytest.mark.parametrize("library", [jitgrad, torch], ids=["jitgrad", "torch"])
@pytest.mark.parametrize("name", ["unsafe_split", "unsafe_chunk", "tensor_split"])
def test_other_views_may_be_written(library, name):
    x = library.ones(2, requires_grad=True)
    first, _ = getattr(x * 1, name)(1 if name == "unsafe_split" else 2)
    first.mul_(3)
    assert first.tolist() == [3]


@pytest.mark.parametrize("library", [jitgrad, torch], ids=["jitgrad", "torch"])
def test_memory_of_others(library):
    held = bytearray(np.arange(4, dtype=np.int32).tobytes())
    made = library.frombuffer(held, dtype=library.int32, count=2, offset=4)
    assert made.tolist() == [1, 2]
    made[0] = 9
    assert np.frombuffer(held, np.int32).tolist() == [0, 9, 2, 3]
    for wrong in ({"count": 0}, {"offset": 16}, {"count": 5}):
        with pytest.raises(ValueError):
            library.frombuffer(held, dtype=library.int32, **wrong)
    array = np.arange(3.0)
    library.from_dlpack(array)[0] = 5
    assert array.tolist() == [5, 1, 2]


@pytest.mark.parametrize("library", [jitgrad, torch], ids=["jitgrad", "torch"])
def test_old_forms(library):
    x = library.tensor([[1, 2], [3, 4]])
    assert x.apply_(lambda each: each * 10) is x
    assert x.tolist() == [[10, 20], [30, 40]]
    assert x.new([5]).dtype is library.int64
    assert tuple(x.new(2, 3).shape) == (2, 3)
