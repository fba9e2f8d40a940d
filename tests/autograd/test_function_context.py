"""What forward leaves for backward in the context: tensors that are saved, marks of outputs."""

import gc
import weakref

import pytest

import jitgrad as torch
from jitgrad.autograd import Function, gradcheck, gradgradcheck
from tests.autograd.functions import Scaled, Square
from tests.leaves import leaf


def test_setup_context():
    class Cube(Function):
        @staticmethod
        def forward(x, power):
            assert not torch.is_grad_enabled()
            return x**power

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, ctx.power = inputs
            ctx.save_for_backward(x, output)

        @staticmethod
        def backward(ctx, cotangent):
            x, output = ctx.saved_tensors
            return ctx.power * output / x * cotangent, None

    x = leaf(1.0, 2.0)
    assert gradcheck(lambda x: Cube.apply(x, 3), x)
    assert gradgradcheck(lambda x: Cube.apply(x, 3), x)


def test_materialized_gradients():
    got = []

    class Pair(Function):
        @staticmethod
        def forward(ctx, x, materialize):
            ctx.set_materialize_grads(materialize)
            return x * 1, x * 2

        @staticmethod
        def backward(ctx, first, second):
            got.append(second if second is None else second.tolist())
            return first, None

    for materialize in (True, False):
        Pair.apply(leaf(1.0), materialize)[0].sum().backward()
    assert got == [[0], None]


def test_not_differentiable():
    class Sort(Function):
        @staticmethod
        def forward(ctx, x):
            largest, order = x.max() * 1, x.argmax()
            ctx.mark_non_differentiable(largest)
            return x * 2, largest, order

        @staticmethod
        def backward(ctx, cotangent, largest, order):
            assert largest.item() == 0 and order.item() == 0
            return cotangent * 2

    doubled, largest, order = Sort.apply(leaf(1.0, 5.0))
    assert (doubled.requires_grad, largest.requires_grad) == (True, False)
    assert not order.requires_grad
    doubled.sum().backward()


class Doubled(Function):
    """Double the input in place."""

    @staticmethod
    def forward(ctx, x):
        x.mul_(2)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx, cotangent):
        return cotangent * 2


def test_dirty():
    x = leaf(1.0, 2.0)
    y = x * 1
    z = Doubled.apply(y)
    assert z is y
    assert y.grad_fn.name() == "DoubledBackward"
    y.sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_dirty_view():
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1
    Doubled.apply(y[:2])
    y.sum().backward()
    assert x.grad.tolist() == [2, 2, 1]


def test_dirty_leaf():
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        Doubled.apply(leaf(1.0))


def test_dirty_must_be_returned():
    class Lost(Doubled):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x * 1

    with pytest.raises(RuntimeError, match="marked as dirty"):
        Lost.apply(leaf(1.0) * 1)


def test_saved_versions():
    y = leaf(1.0, 2.0) * 1
    z = Square.apply(y)
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_saved_kinds():
    class Refused(Scaled):
        @staticmethod
        def forward(ctx, x, factor):
            ctx.save_for_backward(x, factor)
            return x

    with pytest.raises(TypeError, match="can only save variables, but argument 1 is of type int"):
        Refused.apply(leaf(1.0), 3)


def test_saved_are_freed():
    x = leaf(1.0)
    y = Square.apply(x)
    y.backward()
    with pytest.raises(RuntimeError, match="a second time"):
        y.backward()
    with pytest.raises(RuntimeError, match="a second time"):
        _ = y.grad_fn.saved_tensors


def test_saved_output_is_no_cycle():
    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y, None)
            return y

        @staticmethod
        def backward(ctx, cotangent):
            y, nothing = ctx.saved_tensors
            assert nothing is None
            return y * cotangent

    assert gradcheck(Exp.apply, leaf(1.0, 0.5))
    assert gradgradcheck(Exp.apply, leaf(1.0, 0.5))
    gc.collect()
    gc.disable()
    try:
        y = Exp.apply(leaf(1.0))
        node = weakref.ref(y.grad_fn)
        del y
        assert node() is None
    finally:
        gc.enable()
