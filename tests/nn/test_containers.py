"""Sequential, ModuleList and ModuleDict."""

from collections import OrderedDict

import pytest

from tests.nn.both import torch  # noqa: F401 the fixture

# ruff: noqa: F811


def linears(torch, *sizes):
    return [torch.nn.Linear(size, size + 1) for size in sizes]


def sizes_of(modules):
    return [each.in_features for each in modules]


def test_sequential(torch):
    first, second = linears(torch, 2, 3)
    network = torch.nn.Sequential(first, second)
    x = torch.ones(1, 2)
    assert torch.equal(network(x), second(first(x)))
    assert len(network) == 2
    assert network[0] is first
    assert network[-1] is second
    assert list(network) == [first, second]
    assert list(network.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]
    with pytest.raises(IndexError, match="index 2 is out of range"):
        network[2]
    assert torch.nn.Sequential()(x) is x


def test_sequential_with_names(torch):
    first, second = linears(torch, 2, 3)
    network = torch.nn.Sequential(OrderedDict([("a", first), ("b", second)]))
    assert network.a is network[0] is first
    assert list(network[1:].state_dict()) == ["b.weight", "b.bias"]
    network[0] = torch.nn.Identity()
    assert isinstance(network.a, torch.nn.Identity)
    assert repr(network[:1]) == "Sequential(\n  (a): Identity()\n)"


def test_sequential_changes(torch):
    network = torch.nn.Sequential(*linears(torch, 9, 1, 2, 3, 4, 5))
    del network[0]
    assert sizes_of(network) == [1, 2, 3, 4, 5]
    assert list(network._modules) == ["0", "1", "2", "3", "4"]
    del network[1:3]
    assert sizes_of(network) == [1, 4, 5]
    assert network.pop(1).in_features == 4
    assert network.append(*linears(torch, 6)) is network
    assert network.insert(1, *linears(torch, 2)) is network
    network.insert(-1, *linears(torch, 7))
    assert network.extend(torch.nn.Sequential(*linears(torch, 8))) is network
    assert sizes_of(network) == [1, 2, 5, 7, 6, 8]
    assert list(network._modules) == list("012345")
    with pytest.raises(IndexError, match="Index out of range: 9"):
        network.insert(9, torch.nn.Identity())
    with pytest.raises(IndexError):
        del network[6]
    with pytest.raises(TypeError):
        network.append(1)
    assert len(network) == 6


def test_sequential_arithmetic(torch):
    one = torch.nn.Sequential(*linears(torch, 1))
    two = torch.nn.Sequential(*linears(torch, 2))
    assert sizes_of(one + two) == [1, 2]
    assert sizes_of(one * 2) == sizes_of(2 * one) == [1, 1]
    assert (one * 2)[0] is one[0]
    same = one
    one += two
    assert one is same
    assert sizes_of(one) == [1, 2]
    one *= 2
    assert sizes_of(one) == [1, 2, 1, 2]
    for wrong in 0, -1:
        with pytest.raises(ValueError, match="Non-positive multiplication factor"):
            two * wrong
    with pytest.raises(TypeError):
        two * 1.5
    with pytest.raises(ValueError, match="supports only objects of Sequential class"):
        two + [torch.nn.Identity()]  # noqa: RUF005


def test_module_list(torch):
    layers = torch.nn.ModuleList(linears(torch, 7, 1, 2))
    assert sizes_of(layers) == [7, 1, 2]
    assert sizes_of(layers[1:]) == [1, 2]
    assert isinstance(layers[1:], torch.nn.ModuleList)
    layers += linears(torch, 3)
    assert sizes_of(layers + linears(torch, 4)) == [7, 1, 2, 3, 4]
    assert len(layers) == 4
    layers.insert(0, *linears(torch, 9))
    assert layers.append(*linears(torch, 5)) is layers
    assert layers.pop(-1).in_features == 5
    assert layers.pop(0).in_features == 9
    del layers[:2]
    layers[0] = torch.nn.Identity()
    assert list(layers.state_dict()) == ["1.weight", "1.bias"]
    assert "0" not in dir(layers)
    with pytest.raises(TypeError, match=r"ModuleList\.extend should be called with an iterable"):
        layers.extend(1)
    with pytest.raises(NotImplementedError):
        layers(1)


def test_module_list_text(torch):
    assert repr(torch.nn.ModuleList()) == "ModuleList()"
    layers = torch.nn.ModuleList(
        [torch.nn.Identity(), *(torch.nn.Linear(1, 1) for _ in range(3)), torch.nn.Identity()]
    )
    assert repr(layers) == (
        "ModuleList(\n  (0): Identity()\n"
        "  (1-3): 3 x Linear(in_features=1, out_features=1, bias=True)\n  (4): Identity()\n)"
    )
    nested = torch.nn.ModuleList(torch.nn.Sequential(torch.nn.Identity()) for _ in range(2))
    assert repr(nested) == ("ModuleList(\n  (0-1): 2 x Sequential(\n    (0): Identity()\n  )\n)")


def test_module_dict(torch):
    first, second = linears(torch, 1, 2)
    choices = torch.nn.ModuleDict([("a", first)])
    choices["b"] = second
    choices.update({"c": torch.nn.Identity()})
    choices.update(torch.nn.ModuleDict({"d": first}))
    assert list(choices) == list(choices.keys()) == ["a", "b", "c", "d"]
    assert choices["a"] is choices.a is first
    assert "b" in choices
    assert len(choices) == 4
    assert list(choices.values())[1] is second
    assert next(iter(choices.items())) == ("a", first)
    assert choices.pop("b") is second
    del choices["c"]
    assert repr(choices) == (
        "ModuleDict(\n  (a): Linear(in_features=1, out_features=2, bias=True)\n"
        "  (d): Linear(in_features=1, out_features=2, bias=True)\n)"
    )
    with pytest.raises(TypeError, match="update should be called with an iterable"):
        choices.update(1)
    with pytest.raises(TypeError, match="should be Iterable"):
        choices.update([1])
    with pytest.raises(ValueError, match="has length 3; 2 is required"):
        choices.update([("a", first, second)])
    with pytest.raises(KeyError):
        choices["keys"] = first
    choices.clear()
    assert len(choices) == 0
