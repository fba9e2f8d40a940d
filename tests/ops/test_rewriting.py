"""Parts that are written in place: the primitives that only traces hold."""

import numpy as np
import pytest

import jitgrad as torch
from jitgrad.dispatch import bind
from jitgrad.ops.rewriting import PART, PART_BACKWARD, PART_SCATTER

PLACES = [
    ((4, 3), 2, {"distance": 3, "size": (3,), "stride": (1,), "offset": 0}),
    ((4, 3), 0, {"distance": 0, "size": (2, 2), "stride": (3, 1), "offset": 4}),
    ((4, 3), 1, {"distance": 1, "size": (4,), "stride": (3,), "offset": 1}),
    ((5,), 3, {"distance": 1, "size": (), "stride": (), "offset": 1}),
]


def numbers(*shape, start=0.5):
    return torch.tensor(np.arange(np.prod(shape)).reshape(shape) * 0.25 + start, requires_grad=True)


def part_of(x, number, where):
    offset = where["offset"] + number * where["distance"]
    return x.as_strided(where["size"], where["stride"], offset)


@pytest.mark.parametrize(("shape", "number", "where"), PLACES)
def test_a_part_and_its_gradients(shape, number, where):
    x = numbers(*shape)
    found = bind(PART, x, number, **where)
    assert found.tolist() == part_of(x, number, where).tolist()
    assert found._base is None
    found.detach().zero_()
    assert x.tolist() == numbers(*shape).tolist()
    assert torch.autograd.gradcheck(lambda x: bind(PART, x, number, **where), (x,))
    assert torch.autograd.gradgradcheck(lambda x: bind(PART, x, number, **where) ** 2, (x,))
    turned = bind(PART, x.t().clone().t(), number, **where)
    assert turned.tolist() == bind(PART, x, number, **where).tolist()


@pytest.mark.parametrize(("shape", "number", "where"), PLACES)
def test_a_part_alone(shape, number, where):
    part = numbers(*where["size"])
    whole = bind(PART_BACKWARD, part, number, shape=shape, **where)
    assert part_of(whole, number, where).tolist() == part.tolist()
    assert whole.sum().item() == part.sum().item()

    def alone(part):
        return bind(PART_BACKWARD, part, number, shape=shape, **where)

    assert torch.autograd.gradcheck(alone, (part,))
    assert torch.autograd.gradgradcheck(lambda part: alone(part) ** 2, (part,))


@pytest.mark.parametrize(("shape", "number", "where"), PLACES)
def test_another_part(shape, number, where):
    x, part = numbers(*shape), numbers(*where["size"], start=9.0)

    def scatter(x, part):
        return bind(PART_SCATTER, x, part, number, **where)

    wanted = x.detach().clone()
    part_of(wanted, number, where).copy_(part.detach())
    assert scatter(x, part).tolist() == wanted.tolist()
    assert torch.autograd.gradcheck(scatter, (x, part))
    assert torch.autograd.gradgradcheck(lambda x, part: scatter(x, part) ** 2, (x, part))
