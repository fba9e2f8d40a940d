"""List operations against PyTorch's and against the same operations one by one."""

import math

import numpy as np
import pytest

import jitgrad
from jitgrad.ops import foreach, foreach_unary
from tests.optim.algorithms import errors_of_both

UNARY = sorted({name.rstrip("_") for name in foreach_unary.__all__})
SHAPES = ((3, 2), (), (4,))
DTYPES = ("float32", "float64", "float16")


def numbers(seed, low=0.1, high=0.9):
    generator = np.random.default_rng(seed)
    return [
        np.asarray(generator.uniform(low, high, shape)).astype(dtype)
        for shape, dtype in zip(SHAPES, DTYPES)
    ]


def same(ours, theirs):
    assert type(ours) is type(theirs)
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs):
        assert str(mine.dtype) == str(other.dtype)
        assert tuple(mine.shape) == tuple(other.shape)
        close = {"float16": 2e-3, "float32": 2e-6}.get(str(other.dtype).split(".")[-1], 1e-12)
        np.testing.assert_allclose(
            mine.detach().numpy(), other.detach().numpy(), rtol=close, atol=close
        )


def both(function, *seeds, grad=False):
    """Check `function(library, *lists of tensors)` in both libraries."""
    torch = pytest.importorskip("torch")
    made = []
    for library in (jitgrad, torch):
        lists = [[library.tensor(each) for each in numbers(seed)] for seed in seeds]
        with library.set_grad_enabled(grad):
            found = function(library, *lists)
        made.append((list(found), [list(each) for each in lists], type(found)))
    (ours, our_lists, our_type), (theirs, their_lists, their_type) = made
    assert our_type is their_type
    same(ours, theirs)
    for mine, other in zip(our_lists, their_lists):
        same(mine, other)


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("inplace", ["", "_"])
class TestAgainstTorch:
    @pytest.mark.parametrize("name", UNARY)
    def test_unary(self, name, inplace, grad):
        both(lambda lib, x: getattr(lib, name + inplace)(x), 0, grad=grad)

    @pytest.mark.parametrize(
        "name", ["add", "sub", "mul", "div", "pow", "maximum", "minimum", "clamp_max", "clamp_min"]
    )
    @pytest.mark.parametrize("other", [0.5, 2, [0.5, 1, 3.0], "tensors"])
    def test_binary(self, name, other, inplace, grad):
        def run(lib, x, y):
            return getattr(lib, f"_foreach_{name}{inplace}")(x, y if other == "tensors" else other)

        both(run, 0, 1, grad=grad)

    @pytest.mark.parametrize("name", ["add", "mul", "div"])
    def test_one_tensor_for_all(self, name, inplace, grad):
        both(
            lambda lib, x: getattr(lib, f"_foreach_{name}{inplace}")(x, lib.tensor(0.7)),
            0,
            grad=grad,
        )

    @pytest.mark.parametrize("name", ["add", "sub"])
    def test_alpha(self, name, inplace, grad):
        def run(lib, x, y):
            return getattr(lib, f"_foreach_{name}{inplace}")(x, y, alpha=-0.3)

        both(run, 0, 1, grad=grad)

    @pytest.mark.parametrize("name", ["addcmul", "addcdiv"])
    @pytest.mark.parametrize("value", [None, 1, 0.3, [0.3, 2, 1.0], "vector"])
    def test_blends(self, name, value, inplace, grad):
        def run(lib, x, y, z):
            given = lib.tensor([0.25, 2.0, 1.0]) if value == "vector" else value
            values = () if value is None else (given,)
            return getattr(lib, f"_foreach_{name}{inplace}")(x, y, z, *values)

        both(run, 0, 1, 2, grad=grad)

    @pytest.mark.parametrize("weight", [0.3, 0.8, [0.2, 0.6, 0.9], "tensors"])
    def test_lerp(self, weight, inplace, grad):
        def run(lib, x, y, z):
            given = z if weight == "tensors" else weight
            return getattr(lib, f"_foreach_lerp{inplace}")(x, y, given)

        both(run, 0, 1, 2, grad=grad)


@pytest.mark.parametrize("ord", [2, 1, 3, 0.5, 0, math.inf])
def test_norm(ord):
    both(lambda lib, x: lib._foreach_norm(x, ord), 0)
    both(lambda lib, x: lib._foreach_norm(x, ord, dtype=lib.float64), 0)


def test_others():
    both(lambda lib, x: lib._foreach_max([each.flatten() for each in x]), 0)
    both(lambda lib, x: lib._foreach_pow(2.0, x), 0)
    both(lambda lib, x: lib._foreach_zero_(x), 0)
    both(lambda lib, x: lib._foreach_clone(x), 0)
    both(lambda lib, x, y: lib._foreach_copy_(x, y), 0, 1)


def test_dtypes_are_promoted_row_by_row():
    def run(lib, x, y):
        return lib._foreach_add([*x[:2], x[2].long()], [y[0].double(), y[1].float(), y[2]])

    both(run, 0, 1)
    both(run, 0, 1, grad=True)


ERRORS = [
    lambda lib, x: lib._foreach_add([], 1),
    lambda lib, x: lib._foreach_add(x, x[:1]),
    lambda lib, x: lib._foreach_add(x, [1.0]),
    lambda lib, x: lib._foreach_add(x, lib.ones(1)),
    lambda lib, x: lib._foreach_add(x[0], 1),
    lambda lib, x: lib._foreach_add(x, "a"),
    lambda lib, x: lib._foreach_add([1.0], 1),
    lambda lib, x: lib._foreach_add([lib.ones(2)], [lib.ones(3)]),
    lambda lib, x: lib._foreach_add_([lib.ones(1)], [lib.ones(3)]),
    lambda lib, x: lib._foreach_add_([lib.ones(2, dtype=lib.int64)], 1.5),
    lambda lib, x: lib._foreach_add([lib.ones(2, dtype=lib.int64)] * 2, x[:2], alpha=[1]),
    lambda lib, x: lib._foreach_add_(
        [lib.ones(2, dtype=lib.int64)], [lib.ones(2).long()], alpha=1.5
    ),
    lambda lib, x: lib._foreach_addcmul(x, x, x[:2]),
    lambda lib, x: lib._foreach_addcmul(x, x, x, [1.0]),
    lambda lib, x: lib._foreach_lerp_(x, x, [1.0]),
    lambda lib, x: lib._foreach_norm([lib.ones(2).long()]),
    lambda lib, x: lib._foreach_copy_(x, x[:1]),
    lambda lib, x: lib._foreach_sqrt([]),
    lambda lib, x: lib._foreach_add_([lib.ones(1).expand(3)], 1),
]


@pytest.mark.parametrize("number", range(len(ERRORS)))
@pytest.mark.parametrize("grad", [False, True])
def test_errors(number, grad):
    def call(library):
        x = [library.tensor(each) for each in numbers(0)]
        with library.set_grad_enabled(grad):
            ERRORS[number](library, x)

    errors_of_both(call)


def test_writes_raise_the_version_and_are_refused_where_one_by_one_are():
    x = jitgrad.ones(2, requires_grad=True)
    y = x * 1
    loss = (y * y).sum()
    with jitgrad.no_grad():
        jitgrad._foreach_mul_([y], 2.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()
    with pytest.raises(RuntimeError, match="leaf"):
        jitgrad._foreach_mul_([x], 2.0)
    array = np.ones(2, np.float32)
    array.flags.writeable = False
    with jitgrad.no_grad(), pytest.raises(RuntimeError, match="read-only"):
        jitgrad._foreach_mul_([jitgrad.from_numpy(array)], 2.0)


def test_views_write_to_their_base():
    base = jitgrad.zeros(2, 3)
    with jitgrad.no_grad():
        jitgrad._foreach_add_([base[0], base[:, 1]], [1.0, 10.0])
    assert base.tolist() == [[1.0, 11.0, 1.0], [0.0, 10.0, 0.0]]


def test_gradients():
    x = [jitgrad.tensor(each.astype("float64"), requires_grad=True) for each in numbers(0)]
    y = [jitgrad.tensor(each.astype("float64"), requires_grad=True) for each in numbers(1)]

    def chain(*tensors):
        x, y = tensors[:3], tensors[3:]
        made = jitgrad._foreach_addcdiv(jitgrad._foreach_mul(x, y), x, y, [1.0, 2.0, 3.0])
        jitgrad._foreach_lerp_(made, jitgrad._foreach_sqrt(x), 0.3)
        return (*made, *jitgrad._foreach_norm(made))

    assert jitgrad.autograd.gradcheck(chain, (*x, *y))
    assert jitgrad.autograd.gradgradcheck(chain, (*x, *y))


def test_names_are_late_and_complete():
    assert callable(jitgrad._foreach_add_)
    with pytest.raises(AttributeError):
        jitgrad._foreach_nothing  # noqa: B018
    assert len(set(foreach.__all__)) == len(foreach.__all__)
    for name in foreach.__all__:
        assert getattr(jitgrad, name).__name__ == name or "clamp" in name
