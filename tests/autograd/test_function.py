"""Operations with derivatives written by users."""

from typing import ClassVar

import pytest

import jitgrad as torch
from jitgrad.autograd import Function, gradcheck, gradgradcheck
from jitgrad.autograd.function import once_differentiable
from tests.autograd.functions import Scaled, Square
from tests.leaves import leaf


def test_apply():
    x = leaf(1.0, 2.0)
    y = Square.apply(x)
    assert y.tolist() == [1, 4]
    assert y.grad_fn.name() == "SquareBackward"
    assert y.requires_grad and not y.is_leaf
    y.sum().backward()
    assert x.grad.tolist() == [2, 4]


def test_checked_twice():
    assert gradcheck(Square.apply, leaf(1.0, 2.0))
    assert gradgradcheck(Square.apply, leaf(1.0, 2.0))


def test_vjp_is_another_name():
    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def vjp(ctx, cotangent):
            return cotangent * 2

    assert gradcheck(Double.apply, leaf(1.0))


def test_forward_runs_without_history():
    seen = {}

    class Look(Function):
        @staticmethod
        def forward(ctx, x, y):
            seen.update(mode=torch.is_grad_enabled(), grad=(x * y).requires_grad)
            seen.update(needs=ctx.needs_input_grad, saved=ctx.saved_tensors, x=x.requires_grad)
            return x * y

        @staticmethod
        def backward(ctx, cotangent):
            seen.update(backward=torch.is_grad_enabled())
            return cotangent, None

    Look.apply(leaf(1.0), torch.ones(1)).sum().backward()
    assert seen == {
        "mode": False,
        "grad": False,
        "needs": (True, False),
        "saved": (),
        "x": True,
        "backward": False,
    }


def test_without_history():
    x = leaf(1.0)
    with torch.no_grad():
        assert not Square.apply(x).requires_grad
    assert not Square.apply(x.detach()).requires_grad


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda g: g, r"incorrect number of gradients \(expected 2, got 1\)"),
        (lambda g: (g, None, g), r"incorrect number of gradients \(expected 2, got 3\)"),
        (lambda g: (g, g), "different than None at position 2"),
        (lambda g: (3, None), r"expected Variable or None \(got int\)"),
        (lambda g: (torch.ones(5), None), r"got \[5\] but expected shape compatible with \[2\]"),
    ],
)
def test_wrong_gradients(returned, message):
    class Wrong(Scaled):
        @staticmethod
        def backward(ctx, cotangent):
            return returned(cotangent)

    with pytest.raises(RuntimeError, match=message) as caught:
        Wrong.apply(leaf(1.0, 2.0), 3).sum().backward()
    assert "WrongBackward" in str(caught.value)


def test_surplus_none_and_fitting_gradients():
    class Wide(Scaled):
        @staticmethod
        def backward(ctx, cotangent):
            return torch.ones(3, 2, dtype=torch.float32), None, None

    x = leaf(1.0, 2.0)
    Wide.apply(x, 3).sum().backward()
    assert x.grad.tolist() == [3, 3]
    assert x.grad.dtype is torch.float64


def test_none_for_all():
    class Nothing(Scaled):
        @staticmethod
        def backward(ctx, cotangent):
            return None, None

    x = leaf(1.0)
    Nothing.apply(x, 3).sum().backward()
    assert x.grad is None


def test_several_outputs():
    class Both(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2, x * x, "word", None

        @staticmethod
        def backward(ctx, double, square, word, nothing):
            assert word is None and nothing is None
            (x,) = ctx.saved_tensors
            return double * 2 + square * 2 * x

    x = leaf(1.0, 3.0)
    double, square, word, nothing = Both.apply(x)
    assert (word, nothing) == ("word", None)
    assert square.output_nr == 1
    square.sum().backward(retain_graph=True)
    assert x.grad.tolist() == [2, 6]
    (double.sum() + square.sum()).backward()
    assert x.grad.tolist() == [6, 14]
    assert gradcheck(lambda x: Both.apply(x)[:2], x)
    assert gradgradcheck(lambda x: Both.apply(x)[:2], x)


def test_returned_input():
    class Same(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, cotangent):
            return cotangent * 3

    x = leaf(1.0, 2.0)
    y = Same.apply(x)
    assert y is not x
    assert y._version == x._version
    y.sum().backward()
    assert x.grad.tolist() == [3, 3]
    with pytest.raises(RuntimeError, match="cloning the output of the custom Function"):
        Same.apply(x).add_(1)
    z = x.detach()
    assert Same.apply(z) is not z
    assert not Same.apply(z).requires_grad


def test_once_differentiable():
    class Once(Square):
        @staticmethod
        @once_differentiable
        def backward(ctx, cotangent):
            assert not torch.is_grad_enabled()
            return 2 * ctx.saved_tensors[0] * cotangent

    x = leaf(1.0, 2.0)
    Once.apply(x).sum().backward()
    assert x.grad.tolist() == [2, 4]
    y = Once.apply(x * x).sum()
    (first,) = torch.autograd.grad(y, x, create_graph=True)
    assert first.tolist() == [4, 32]
    cotangent = leaf(1.0, 1.0)
    (first,) = torch.autograd.grad(Once.apply(x), x, cotangent, create_graph=True)
    with pytest.raises(RuntimeError, match="marked with @once_differentiable"):
        first.sum().backward()


def test_what_is_missing():
    class Empty(Function):
        pass

    class NoBackward(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

    with pytest.raises(NotImplementedError, match="forward function"):
        Empty.apply(leaf(1.0))
    with pytest.raises(NotImplementedError, match="backward or vjp"):
        NoBackward.apply(leaf(1.0)).backward()
    with pytest.raises(RuntimeError, match="Legacy autograd function"):
        Square()(leaf(1.0))
    with pytest.raises(TypeError, match="keyword"):
        Square.apply(x=leaf(1.0))


def test_errors_of_the_user_pass_through():
    class Raises(Square):
        @staticmethod
        def backward(ctx, cotangent):
            raise KeyError("mine")

    y = Raises.apply(leaf(1.0))
    with pytest.raises(KeyError, match="mine"):
        y.backward()
    assert torch.is_grad_enabled()


def test_inside_another():
    class Outer(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return Square.apply(x) + 1

        @staticmethod
        def backward(ctx, cotangent):
            (x,) = ctx.saved_tensors
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                (found,) = torch.autograd.grad(Square.apply(x), x, cotangent)
            return found

    x = leaf(1.0, 2.0)
    Outer.apply(x).sum().backward()
    assert x.grad.tolist() == [2, 4]


def test_unknown_to_the_recorder():
    """What a user's Function does cannot be noted: a recorder hears of it before it runs."""
    from jitgrad.modes import state

    class Recorder:
        reasons: ClassVar[list] = []

        def unknown(self, reason):
            self.reasons.append(reason)
            state.recorder = None

        def __getattr__(self, name):
            return lambda *args: None

    x = leaf(1.0)
    state.recorder = Recorder()
    try:
        y = Square.apply(x)
    finally:
        state.recorder = None
    assert Recorder.reasons == ["autograd.Function Square.apply"]
    state.recorder = Recorder()
    try:
        y.backward(torch.ones(1, dtype=torch.float64))
    finally:
        state.recorder = None
    assert "autograd.Function Square.backward" in Recorder.reasons
