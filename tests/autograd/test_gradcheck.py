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


@pytest.mark.parametrize("fast_mode", [False, True])
def test_one_wrong_element_of_many(fast_mode):
    """Whatever else is compared with it: of the first and of the second derivative."""

    class Product(Function):
        @staticmethod
        def forward(ctx, x, wrong):
            ctx.save_for_backward(x)
            ctx.wrong = wrong
            return x * x * x

        @staticmethod
        def backward(ctx, cotangent):
            (x,) = ctx.saved_tensors
            slope = 3 * x * x * cotangent
            if ctx.wrong == "first":
                slope[2, 1] *= 1.01
            if ctx.wrong == "second":
                slope[2, 1] = slope[2, 1].detach()
            if ctx.wrong == "turned":
                # what is added is 0 for equal cotangents of the two elements
                slope[0, 0] += 0.1 * cotangent[1, 1]
                slope[1, 1] -= 0.1 * cotangent[0, 0]
            return slope, None

    x = torch.linspace(0.5, 2, 12, dtype=torch.float64).reshape(4, 3).requires_grad_()
    for wrong in ("nothing", "first", "second", "turned"):

        def run(x, wrong=wrong):
            return Product.apply(x, wrong)

        right = wrong in ("nothing", "second")
        kind = {"raise_exception": False, "fast_mode": fast_mode}
        assert gradcheck(run, x, **kind) == right
        # the second derivative is that of the first one, be it right or wrong
        assert gradgradcheck(run, x, **kind) == (wrong != "second")


def test_fast_mode_calls_the_function_a_few_times():
    calls = []

    def run(x):
        calls.append(x)
        return x.exp(), x.sin()

    x = torch.linspace(0, 1, 1000, dtype=torch.float64).requires_grad_()
    assert gradcheck(run, x, fast_mode=True)
    assert len(calls) == 3


def test_fast_mode_compares_all_where_it_finds_a_difference():
    with pytest.raises(GradcheckError, match="Jacobian mismatch") as caught:
        gradcheck(WrongSquare.apply, leaf(1.0, 2.0), fast_mode=True)
    assert "numerical:tensor([[2.0000, 0.0000]" in str(caught.value)
    with pytest.raises(GradcheckError, match="expected to be zero"):
        gradcheck(lambda x: x.detach() * 2, leaf(1.0), fast_mode=True)
    # what is not finite hides nothing
    for bad in (float("nan"), float("inf")):
        with pytest.raises(GradcheckError, match="Jacobian mismatch"):
            gradcheck(
                lambda x, bad=bad: torch.cat([x[:1] * bad, WrongSquare.apply(x[1:])]),
                leaf(1.0, 2.0, 3.0),
                fast_mode=True,
            )
    # each derivative is within the tolerance, their sum is not
    x = torch.ones(1000, dtype=torch.float64).requires_grad_()
    slack = lambda x: (x.detach() * 1e-6 + x).sum()  # noqa: E731
    assert gradcheck(slack, x, fast_mode=True, atol=1e-5, rtol=0)


def test_fast_mode_takes_all_shapes():
    for value in (torch.ones(()), torch.ones(0), torch.ones(2, 3), torch.ones(4, 6)[::2, ::3]):
        x = value.to(torch.float64).requires_grad_()
        assert gradcheck(lambda x: (x * 2, x.sum()), x, fast_mode=True)
    assert gradcheck(lambda x: x.max(0), leaf(1.0, 2.0), fast_mode=True)


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
