"""Derivatives compared with finite differences: what is accepted, refused, in which words."""

import pytest

import jitgrad as torch
from jitgrad.autograd import Function, GradcheckError, gradcheck, gradgradcheck
from tests.leaves import leaf


class WrongSquare(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, cotangent):
        return 3 * ctx.saved_tensors[0] * cotangent


def test_right():
    x, y = leaf(1.0, 2.0), leaf(0.5, 0.25)
    assert gradcheck(lambda x, y: (x * y, x.exp()), (x, y))
    assert gradgradcheck(lambda x, y: (x * y, x.exp()), (x, y))


def test_wrong():
    with pytest.raises(GradcheckError) as caught:
        gradcheck(lambda a, x: (a, WrongSquare.apply(x)), (1.0, leaf(1.0, 2.0)))
    message = str(caught.value)
    assert message.startswith("Jacobian mismatch for output 0 with respect to input 1,\n")
    assert "numerical:tensor([[2.0000, 0.0000]" in message
    assert "analytical:tensor([[3., 0.]" in message
    assert not gradcheck(WrongSquare.apply, leaf(1.0, 2.0), raise_exception=False)


def test_wrong_second():
    class WrongTwice(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx, cotangent):
            (x,) = ctx.saved_tensors
            return 3 * x * x.detach() * cotangent

    assert gradcheck(WrongTwice.apply, leaf(1.0, 2.0))
    with pytest.raises(GradcheckError, match="Jacobian mismatch"):
        gradgradcheck(WrongTwice.apply, leaf(1.0, 2.0))
    assert not gradgradcheck(WrongTwice.apply, leaf(1.0, 2.0), raise_exception=False)


def test_dependence_that_autograd_does_not_see():
    with pytest.raises(GradcheckError, match="expected to be zero"):
        gradcheck(lambda x: x.detach() * 2, leaf(1.0))
    assert gradcheck(lambda x: torch.ones(2, dtype=torch.float64), leaf(1.0))


def test_not_reentrant():
    calls = []

    class Wavering(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, cotangent):
            calls.append(1)
            return cotangent * (1 + 1e-7 * len(calls))

    with pytest.raises(GradcheckError, match="not reentrant"):
        gradcheck(Wavering.apply, leaf(1.0))
    assert gradcheck(Wavering.apply, leaf(1.0), nondet_tol=1e-3)


def test_nothing_to_check():
    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        gradcheck(torch.exp, torch.ones(2))


def test_input_kinds():
    with pytest.warns(UserWarning, match="Input #0 requires gradient and is not a double"):
        gradcheck(lambda x: x * 2, leaf(1.0, dtype=torch.float32), eps=0.1)
    x = torch.ones(1, dtype=torch.float64).expand(3).requires_grad_()
    with pytest.raises(RuntimeError, match="stride 0"):
        gradcheck(torch.exp, x)


def test_inputs_come_out_unchanged():
    x = leaf(1.0, 2.0)
    before, version = x.tolist(), x._version
    gradcheck(torch.exp, x)
    assert x.tolist() == before
    assert x._version == version
    assert x.grad is None


def test_shapes():
    assert gradcheck(lambda x: x.sum(), torch.ones((), dtype=torch.float64, requires_grad=True))
    assert gradcheck(lambda x: x * 2, torch.ones(0, dtype=torch.float64, requires_grad=True))
    assert gradcheck(lambda x: x, leaf(1.0, 2.0))
    assert gradcheck(lambda x: x.t(), torch.ones(2, 3, dtype=torch.float64, requires_grad=True))
    x = torch.ones(4, 6, dtype=torch.float64)[::2, ::3].requires_grad_()
    assert gradcheck(lambda x: x * x, x)


def test_integer_outputs_are_left_out():
    assert gradcheck(lambda x: x.max(0), leaf(1.0, 2.0))
