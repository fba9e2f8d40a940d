"""Proof, in seconds, that the machine works. Run it first when something is wrong."""

import numpy as np

import jitgrad as torch


def test_compute():
    a = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert (a @ a + 1).tolist() == [[8, 11], [16, 23]]
    assert repr(a.sum(0)) == "tensor([4., 6.])"


def test_promote_and_broadcast():
    a = torch.tensor([1, 2, 3])
    assert (a + 1).dtype is torch.int64
    assert (a / 2).tolist() == [0.5, 1, 1.5]
    assert (a[:, None] * a.float()).shape == (3, 3)


def test_share_memory_with_numpy():
    array = np.zeros(3)
    torch.from_numpy(array)[1:] = 5
    assert array.tolist() == [0, 5, 5]


def test_differentiate():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (x.exp() * x).sum().backward()
    assert torch.allclose(x.grad, x.exp() * (1 + x))


def test_differentiate_again():
    x = torch.tensor(2.0, requires_grad=True)
    (first,) = torch.autograd.grad(x**4, x, create_graph=True)
    first.backward()
    assert x.grad.item() == 48


def test_descend():
    target = torch.tensor([3.0, -1.0])
    x = torch.zeros(2, requires_grad=True)
    for _ in range(60):
        ((x - target) ** 2).sum().backward()
        with torch.no_grad():
            x -= 0.2 * x.grad
            x.grad.zero_()
    assert torch.allclose(x, target)


def test_write_into_a_view():
    x = torch.ones(4, requires_grad=True)
    y = x * 2
    y[1:3] *= 10
    y.sum().backward()
    assert x.grad.tolist() == [2, 20, 20, 2]
