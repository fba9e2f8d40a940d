"""Programs of PyTorch's users that must run as written."""

import matplotlib
import numpy as np
import pytest

import jitgrad as torch
from jitgrad.autograd import Variable, gradcheck

matplotlib.use("Agg")


def two_layers(N=64, D_in=1000, H=100, D_out=10):
    torch.manual_seed(0)
    x = torch.randn(N, D_in)
    y = torch.randn(N, D_out)
    w1 = torch.randn(D_in, H, requires_grad=True)
    w2 = torch.randn(H, D_out, requires_grad=True)
    return x, y, w1, w2


def test_two_layer_net(capsys):
    x, y, w1, w2 = two_layers()
    learning_rate = 1e-6
    losses = []
    for t in range(500):
        y_pred = x.mm(w1).clamp(min=0).mm(w2)
        loss = (y_pred - y).pow(2).sum()
        if t % 100 == 99:
            print(t, loss.item())
        losses.append(loss.item())
        loss.backward()
        with torch.no_grad():
            w1 -= learning_rate * w1.grad
            w2 -= learning_rate * w2.grad
            w1.grad.zero_()
            w2.grad.zero_()
    assert losses[-1] < 1e-3 < 1e6 < losses[0]
    assert w1.is_leaf and w1.requires_grad
    assert len(capsys.readouterr().out.splitlines()) == 5


class MyReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return input.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        grad_input = grad_output.clone()
        grad_input[input < 0] = 0
        return grad_input


def test_two_layer_net_with_own_relu():
    def train(relu):
        x, y, w1, w2 = two_layers(8, 20, 10, 3)
        for _ in range(20):
            y_pred = relu(x.mm(w1)).mm(w2)
            loss = (y_pred - y).pow(2).sum()
            loss.backward()
            with torch.no_grad():
                w1 -= 1e-4 * w1.grad
                w2 -= 1e-4 * w2.grad
                w1.grad.zero_()
                w2.grad.zero_()
        return loss.item(), w1

    relu = MyReLU.apply
    loss, w1 = train(relu)
    expected_loss, expected = train(lambda x: x.clamp(min=0))
    assert loss == expected_loss
    assert (w1 == expected).all()


def test_walk_through():
    x = torch.arange(4.0)
    x.requires_grad_(True)
    assert x.grad is None
    y = 2 * torch.dot(x, x)
    assert y.item() == 28
    y.backward()
    assert (x.grad == 4 * x).all()

    # gradients accumulate until they are cleared
    y = 2 * torch.dot(x, x)
    y.backward()
    assert (x.grad == 8 * x).all()
    x.grad.zero_()
    y = x.sum()
    y.backward()
    assert x.grad.tolist() == [1, 1, 1, 1]

    x.grad.zero_()
    (x * x).sum().backward()
    assert (x.grad == 2 * x).all()

    # detached, u is a constant
    x.grad.zero_()
    y = x * x
    u = y.detach()
    z = u * x
    z.sum().backward()
    assert (x.grad == u).all()
    x.grad.zero_()
    y.sum().backward()
    assert (x.grad == 2 * x).all()


def test_second_backward_raises():
    x = torch.arange(4.0, requires_grad=True)
    y = 2 * torch.dot(x, x)
    y.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.backward()


def test_backward_on_a_vector_raises():
    x = torch.arange(4.0, requires_grad=True)
    y = x * x
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar"):
        y.backward()
    y.backward(gradient=torch.ones(len(y)))
    assert (x.grad == 2 * x).all()


def f(a):
    b = a * 2
    while b.norm() < 1000:
        b = b * 2
    if b.sum() > 0:
        c = b
    else:
        c = 100 * b
    return c


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
@pytest.mark.parametrize("sign", [1, -1])
def test_control_flow(shape, sign):
    torch.manual_seed(1)
    a = (sign * torch.rand(shape)).detach().requires_grad_()
    d = f(a)
    d.sum().backward()
    assert torch.allclose(a.grad, d / a)


def test_detach_shares_memory_and_version():
    a = torch.tensor([7.0, 0, 0], requires_grad=True)
    b = a + 2
    loss = torch.mean(b * b)
    b.detach().zero_()
    assert b.tolist() == [0, 0, 0]
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_data_shares_memory_alone():
    a = torch.tensor([7.0, 0, 0], requires_grad=True)
    b = a + 2
    loss = torch.mean(b * b)
    b.data.zero_()
    assert b.tolist() == [0, 0, 0]
    loss.backward()
    # wrong, and silently so, as in PyTorch: that is what .data is for
    assert a.grad.tolist() == [0, 0, 0]


class LinearFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input, weight, bias=None):
        ctx.save_for_backward(input, weight, bias)
        output = input.mm(weight.t())
        if bias is not None:
            output += bias.unsqueeze(0).expand_as(output)
        return output

    @staticmethod
    def backward(ctx, grad_output):
        input, weight, bias = ctx.saved_tensors
        grad_input = grad_weight = grad_bias = None
        if ctx.needs_input_grad[0]:
            grad_input = grad_output.mm(weight)
        if ctx.needs_input_grad[1]:
            grad_weight = grad_output.t().mm(input)
        if bias is not None and ctx.needs_input_grad[2]:
            grad_bias = grad_output.sum(0)
        return grad_input, grad_weight, grad_bias


class MulConstant(torch.autograd.Function):
    @staticmethod
    def forward(ctx, tensor, constant):
        ctx.constant = constant
        return tensor * constant

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.constant, None


def test_own_linear_function():
    linear = LinearFunction.apply
    input = torch.randn(3, 4, dtype=torch.double, requires_grad=True)
    weight = torch.randn(2, 4, dtype=torch.double, requires_grad=True)
    bias = torch.randn(2, dtype=torch.double, requires_grad=True)
    assert gradcheck(linear, (input, weight), eps=1e-6, atol=1e-4)
    assert gradcheck(linear, (input, weight, bias), eps=1e-6, atol=1e-4)
    linear(input.detach(), weight, bias).sum().backward()
    assert input.grad is None
    assert weight.grad.shape == (2, 4)
    assert bias.grad.tolist() == [3, 3]


def test_own_scaling():
    x = torch.randn(3, dtype=torch.double, requires_grad=True)
    assert gradcheck(MulConstant.apply, (x, 5.0))
    MulConstant.apply(x, 5.0).sum().backward()
    assert x.grad.tolist() == [5, 5, 5]


def test_second_derivatives():
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = (x**3).sum()
    (first,) = torch.autograd.grad(y, x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x, create_graph=True)
    (third,) = torch.autograd.grad(second.sum(), x)
    assert torch.allclose(first, 3 * x**2)
    assert torch.allclose(second, 6 * x)
    assert third.tolist() == [6, 6, 6]


def test_sine_and_its_derivative_drawn():
    from matplotlib import pyplot as plt

    x = torch.linspace(-torch.pi, torch.pi, 100)
    x.requires_grad_(True)
    y = torch.sin(x)
    y.sum().backward()
    figure, axes = plt.subplots()
    axes.plot(x.detach(), y.detach(), label="sin")
    axes.plot(x.detach(), x.grad, label="its derivative")
    figure.canvas.draw()
    sine, derivative = axes.lines
    assert np.allclose(sine.get_ydata(), np.sin(np.linspace(-np.pi, np.pi, 100)), atol=1e-6)
    assert np.allclose(derivative.get_ydata(), np.cos(np.linspace(-np.pi, np.pi, 100)), atol=1e-6)
    plt.close(figure)


def train(x, y, w1, w2, lr):
    y_pred = x.mm(w1).clamp(min=0).mm(w2)
    loss = (y_pred - y).pow(2).sum()
    grad_w1, grad_w2 = torch.autograd.grad(loss, (w1, w2))
    return loss, w1 - lr * grad_w1, w2 - lr * grad_w2


def test_static_graph_style():
    random = np.random.default_rng(0)
    w1 = torch.from_numpy(random.standard_normal((20, 10))).requires_grad_()
    w2 = torch.from_numpy(random.standard_normal((10, 3))).requires_grad_()
    losses = []
    x = torch.from_numpy(random.standard_normal((8, 20)))
    y = torch.from_numpy(random.standard_normal((8, 3)))
    for step in range(20):
        loss, new_w1, new_w2 = train(x, y, w1, w2, 1e-3 / (1 + step))
        losses.append(loss.item())
        w1 = new_w1.detach().requires_grad_()
        w2 = new_w2.detach().requires_grad_()
    assert losses[-1] < losses[0] / 2


def test_variable():
    x = Variable(torch.ones(2, 2), requires_grad=True)
    y = x + 2
    z = y * y * 3
    out = z.mean()
    out.backward()
    assert x.grad.tolist() == [[4.5, 4.5], [4.5, 4.5]]
    assert isinstance(x, Variable)
    assert "AddBackward" in repr(y)
