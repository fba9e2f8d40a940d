"""Parameters, buffers, and those without a shape."""

import copy
import pickle

import pytest

import jitgrad
from tests.nn.both import torch  # noqa: F401 the fixture

# ruff: noqa: F811


def test_parameter(torch):
    parameter = torch.nn.Parameter(torch.ones(2))
    assert isinstance(parameter, torch.Tensor)
    assert isinstance(parameter, torch.nn.Parameter)
    assert parameter.requires_grad
    assert parameter.is_leaf
    assert repr(parameter) == "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    assert str(parameter) == repr(parameter)
    assert not torch.nn.Parameter(torch.ones(2), requires_grad=False).requires_grad
    assert torch.nn.Parameter().shape == (0,)
    assert not isinstance(torch.ones(1), torch.nn.Parameter)


def test_results_are_plain(torch):
    parameter = torch.nn.Parameter(torch.ones(2))
    for made in (
        parameter + 1,
        parameter * parameter,
        parameter.view(2, 1),
        parameter.detach(),
        parameter.data,
        parameter.clone(),
        parameter.double(),
        parameter[0],
    ):
        assert type(made) is torch.Tensor
    with torch.no_grad():
        assert parameter.add_(1) is parameter


def test_parameter_shares_memory(torch):
    data = torch.ones(2, requires_grad=True) * 1
    parameter = torch.nn.Parameter(data)
    assert parameter.is_leaf
    with torch.no_grad():
        parameter.fill_(3)
    assert data.tolist() == [3.0, 3.0]


def test_parameters_of_integers(torch):
    with pytest.raises(RuntimeError, match="of floating point"):
        torch.nn.Parameter(torch.ones(1, dtype=torch.int64))
    whole = torch.nn.Parameter(torch.ones(1, dtype=torch.int64), requires_grad=False)
    assert whole.dtype == torch.int64


def test_parameter_of_no_tensor():
    with pytest.raises(TypeError, match=r"Parameter: got data of type list; .*torch\.tensor"):
        jitgrad.nn.Parameter([1.0])


def test_gradients_arrive(torch):
    parameter = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    (parameter**2).sum().backward()
    assert parameter.grad.tolist() == [2.0, 4.0]
    assert type(parameter.grad) is torch.Tensor


def test_subclasses_with_arguments_of_their_own(torch):
    class Named(torch.nn.Parameter):
        def __new__(cls, name, data):
            made = super().__new__(cls, data)
            made.label = name
            return made

        def __init__(self, name, data):
            pass

    named = Named("a", torch.ones(1))
    assert named.label == "a"
    assert isinstance(named, torch.nn.Parameter)


@pytest.mark.parametrize("requires_grad", [True, False])
def test_copies(torch, requires_grad):
    parameter = torch.nn.Parameter(torch.ones(2), requires_grad)
    if requires_grad:
        parameter.sum().backward()
    for other in copy.deepcopy(parameter), pickle.loads(pickle.dumps(parameter)):
        assert isinstance(other, torch.nn.Parameter)
        assert other.requires_grad is requires_grad
        assert other.tolist() == [1.0, 1.0]
        assert other.grad is None
        with torch.no_grad():
            other.fill_(2)
        assert parameter.tolist() == [1.0, 1.0]


def test_buffer(torch):
    buffer = torch.nn.Buffer(torch.ones(2), persistent=False)
    assert isinstance(buffer, torch.nn.Buffer)
    assert isinstance(buffer, torch.Tensor)
    assert type(buffer) is torch.Tensor
    assert not isinstance(torch.ones(1), torch.nn.Buffer)
    assert not buffer.requires_grad
    assert buffer.persistent is False
    assert torch.nn.Buffer(torch.ones(1)).persistent is True


def test_uninitialized_parameter(torch):
    parameter = torch.nn.UninitializedParameter(dtype=torch.float64)
    assert isinstance(parameter, torch.nn.Parameter)
    assert torch.nn.parameter.is_lazy(parameter)
    assert repr(parameter) == "<UninitializedParameter>"
    assert parameter.requires_grad
    assert parameter.is_leaf
    with pytest.raises(ValueError, match="uninitialized parameter"):
        parameter + 1
    with pytest.raises(RuntimeError, match="Can't access the shape"):
        parameter.shape  # noqa: B018
    parameter.materialize((2, 3))
    assert type(parameter) is torch.nn.Parameter
    assert not torch.nn.parameter.is_lazy(parameter)
    assert parameter.shape == (2, 3)
    assert parameter.dtype == torch.float64
    parameter.sum().backward()
    assert parameter.grad.shape == (2, 3)


def test_uninitialized_buffer(torch):
    buffer = torch.nn.UninitializedBuffer()
    assert isinstance(buffer, torch.Tensor)
    assert repr(buffer) == "<UninitializedBuffer>"
    buffer.materialize((2,), dtype=torch.int64)
    assert type(buffer) is torch.Tensor
    assert buffer.dtype == torch.int64


def test_uninitialized_in_modules(torch):
    module = torch.nn.Module()
    module.weight = torch.nn.UninitializedParameter()
    module.mean = torch.nn.UninitializedBuffer()
    module.double()
    copies = [pickle.loads(pickle.dumps(module))]
    if torch is jitgrad:
        copies.append(copy.deepcopy(module))
    for other in copies:
        assert repr(other.weight) == "<UninitializedParameter>"
        other.weight.materialize((1,))
        assert other.weight.dtype == torch.float64 or torch is not jitgrad
        assert type(other.weight) is torch.nn.Parameter
    assert [name for name, _ in module.named_parameters()] == ["weight"]
    assert [name for name, _ in module.named_buffers()] == ["mean"]
    if torch is jitgrad:
        module.requires_grad_(False)
        assert not module.weight.requires_grad
        assert module.requires_grad_().weight.requires_grad


def test_parameter_list(torch):
    values = torch.nn.ParameterList([torch.ones(2), torch.nn.Parameter(torch.ones(2, 3)), 5])
    assert len(values) == 3
    assert isinstance(values[0], torch.nn.Parameter)
    assert values[-1] == 5
    assert [name for name, _ in values.named_parameters()] == ["0", "1"]
    assert repr(values) == (
        "ParameterList(\n    (0): Parameter containing: [torch.float32 of size 2]\n"
        "    (1): Parameter containing: [torch.float32 of size 2x3]\n"
        "    (2): Object of type: int\n)"
    )
    values += [torch.zeros(1)]
    assert values.append(torch.zeros(4)) is values
    assert [each.shape for each in values[3:]] == [(1,), (4,)]
    assert isinstance(values[3:], torch.nn.ParameterList)
    values[0] = torch.nn.Parameter(torch.zeros(7))
    assert values[0].shape == (7,)
    assert len(list(values)) == 5
    assert list(values.state_dict()) == ["0", "1", "3", "4"]
    assert "0" not in dir(values)
    with pytest.raises(IndexError, match="index 5 is out of range"):
        values[5]
    with pytest.raises(TypeError, match="should be called with an iterable"):
        values.extend(torch.ones(2))
    with pytest.raises(RuntimeError, match="should not be called"):
        values(1)


def test_parameter_dict(torch):
    values = torch.nn.ParameterDict([("b", torch.ones(2)), ("a", torch.ones(1))])
    assert list(values) == list(values.keys()) == ["b", "a"]
    assert isinstance(values["b"], torch.nn.Parameter)
    assert [name for name, _ in values.named_parameters()] == ["b", "a"]
    assert "a" in values
    assert len(values) == 2
    assert repr(values) == (
        "ParameterDict(\n    (b): Parameter containing: [torch.FloatTensor of size 2]\n"
        "    (a): Parameter containing: [torch.FloatTensor of size 1]\n)"
    )
    assert [key for key, _ in values.items()] == ["b", "a"]
    assert [each.shape for each in values.values()] == [(2,), (1,)]
    assert list(reversed(values)) == ["a", "b"]
    values["c"] = torch.zeros(3)
    assert values.pop("b").shape == (2,)
    assert values.popitem()[0] == "c"
    assert values.get("x") is None
    assert values.get("a") is values["a"]
    assert values.setdefault("d", torch.ones(4)).shape == (4,)
    both = values | {"e": torch.ones(5)}
    assert list(both) == ["a", "d", "e"]
    assert both["a"] is values["a"]
    assert list(values.copy()) == ["a", "d"]
    values.update([("f", torch.ones(1))])
    del values["a"]
    values |= {"g": torch.ones(1)}
    assert list(values) == ["d", "f", "g"]
    assert list(values.fromkeys(["x", "y"])) == ["x", "y"]
    assert list(torch.nn.ParameterDict({"z": torch.ones(1), "y": torch.ones(1)})) == ["y", "z"]
    # PyTorch says that there is no such attribute
    with pytest.raises(KeyError if torch is jitgrad else AttributeError):
        values["a"]
    values.clear()
    assert list(values.parameters()) == []
    assert list(pickle.loads(pickle.dumps(values))) == []
    with pytest.raises(TypeError, match="cannot be used as a key"):
        values[1] = torch.ones(1)
    with pytest.raises(RuntimeError, match="should not be called"):
        values(1)
