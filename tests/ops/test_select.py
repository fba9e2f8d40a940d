"""What is at a position of run time: the primitive that only traces hold."""

import numpy as np
import pytest

import jitgrad as torch
from jitgrad.dispatch import bind
from jitgrad.ops.slicing import SELECT, UNSELECT

PLACES = [((3, 4), 0, 2), ((3, 4), 1, 0), ((2, 3, 4), 1, 1), ((5,), 0, 4)]


def leaf(*shape):
    numbers = np.arange(np.prod(shape), dtype=np.float64).reshape(shape) ** 2 - 3
    return torch.tensor(numbers, requires_grad=True)


@pytest.mark.parametrize(("shape", "dim", "index"), PLACES)
def test_it_is_the_view_that_select_gives(shape, dim, index):
    x = leaf(*shape)
    found = bind(SELECT, x, index, dim=dim)
    expected = x.select(dim, index)
    assert found.tolist() == expected.tolist()
    assert found._base is x
    assert (found.stride(), found.data_ptr()) == (expected.stride(), expected.data_ptr())


@pytest.mark.parametrize(("shape", "dim", "index"), PLACES)
def test_gradients(shape, dim, index):
    x = leaf(*shape)
    assert torch.autograd.gradcheck(lambda x: bind(SELECT, x, index, dim=dim), (x,))
    assert torch.autograd.gradgradcheck(lambda x: bind(SELECT, x, index, dim=dim).square(), (x,))
    g = x.detach().select(dim, index).clone().requires_grad_()

    def back(g):
        return bind(UNSELECT, g, index, dim=dim, shape=shape)

    assert back(g).select(dim, index).tolist() == g.tolist()
    assert back(g).sum().item() == g.sum().item()
    assert torch.autograd.gradcheck(back, (g,))
    assert torch.autograd.gradgradcheck(lambda g: back(g).square(), (g,))
