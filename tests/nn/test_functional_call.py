"""Calling modules with other parameters."""

import pytest

from tests.nn.both import torch  # noqa: F401 the fixture

# ruff: noqa: F811


def network(torch):
    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = torch.nn.Linear(2, 1, bias=False)
            self.register_buffer("shift", torch.zeros(1))
            self.fails = False

        def forward(self, x, scale=1.0):
            if self.fails:
                raise KeyError("fails")
            return self.inner(x) * scale + self.shift

    return Network()


def call(torch):
    return torch.func.functional_call


def test_functional_call(torch):
    module = network(torch)
    own, buffer = module.inner.weight, module.shift
    weight = torch.ones(1, 2, requires_grad=True)
    x = torch.tensor([[1.0, 2.0]])
    given = {"inner.weight": weight, "shift": torch.tensor([10.0])}
    out = call(torch)(module, given, x)
    assert out.item() == 13
    out.backward()
    assert weight.grad.tolist() == [[1.0, 2.0]]
    assert own.grad is None
    assert module.inner.weight is own
    assert module.shift is buffer
    assert call(torch)(module, given, (x,), {"scale": 2.0}).item() == 16
    assert call(torch)(module, ({"inner.weight": weight}, {"shift": buffer}), x).item() == 3
    only = call(torch)(module, {}, x)
    assert torch.equal(only, module(x))


def test_parameters_come_back_after_errors(torch):
    module = network(torch)
    own = module.inner.weight
    module.fails = True
    with pytest.raises(KeyError):
        call(torch)(module, {"inner.weight": torch.ones(1, 2)}, torch.ones(1, 2))
    assert module.inner.weight is own
    assert isinstance(module.inner.weight, torch.nn.Parameter)


def test_strict(torch):
    module, x = network(torch), torch.ones(1, 2)
    state = dict(module.state_dict())
    call(torch)(module, state, x, strict=True)
    with pytest.raises(RuntimeError, match=r"Missing key\(s\): 'shift'"):
        call(torch)(module, {"inner.weight": torch.ones(1, 2)}, x, strict=True)
    with pytest.raises(RuntimeError, match=r"Unexpected key\(s\): 'more'"):
        call(torch)(module, state | {"more": x}, x, strict=True)
    call(torch)(module, state | {"more": x}, x)
    assert not hasattr(module, "more")


def test_refused_dictionaries(torch):
    module, x = network(torch), torch.ones(1, 2)
    with pytest.raises(ValueError, match="appeared in multiple dictionaries"):
        call(torch)(module, ({"shift": x}, {"shift": x}), x)
    with pytest.raises(ValueError, match="to be a dict, or a list/tuple of dicts"):
        call(torch)(module, 3, x)


def test_tied_weights(torch):
    module = torch.nn.Sequential(*(torch.nn.Linear(1, 1, bias=False) for _ in range(2)))
    module[1].weight = module[0].weight
    x, two, three = torch.ones(1, 1), torch.full((1, 1), 2.0), torch.full((1, 1), 3.0)
    assert call(torch)(module, {"0.weight": two}, x).item() == 4
    assert call(torch)(module, {"1.weight": two}, x).item() == 4
    own = module[0].weight.item()
    loose = call(torch)(module, {"0.weight": two}, x, tie_weights=False).item()
    assert loose == pytest.approx(2 * own)
    assert module[0].weight is module[1].weight
    with pytest.raises(ValueError, match="got multiple values for keys"):
        call(torch)(module, {"0.weight": two, "1.weight": three}, x)
    both = {"0.weight": two, "1.weight": three}
    assert call(torch)(module, both, x, tie_weights=False).item() == 6


def test_assigned_buffers_come_back(torch):
    class Counting(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("count", torch.zeros(()))

        def forward(self):
            self.count = self.count + 1
            return self.count

    module, given = Counting(), {"count": torch.tensor(5.0)}
    assert call(torch)(module, given).item() == 6
    assert given["count"].item() == 6
    assert module.count.item() == 0


def test_gradients_for_several_models(torch):
    """The use in meta-learning: a step of descent that is differentiated."""
    module = torch.nn.Linear(1, 1, bias=False).double()
    weight = torch.tensor([[3.0]], dtype=torch.float64, requires_grad=True)
    x = torch.tensor([[2.0]], dtype=torch.float64)
    loss = call(torch)(module, {"weight": weight}, x).pow(2).sum()
    (slope,) = torch.autograd.grad(loss, weight, create_graph=True)
    later = call(torch)(module, {"weight": weight - 0.01 * slope}, x).pow(2).sum()
    later.backward()
    # loss 4 w^2; after the step w (1 - 0.08), so 4 w^2 0.92^2
    assert weight.grad.item() == pytest.approx(8 * 3 * 0.92**2)
