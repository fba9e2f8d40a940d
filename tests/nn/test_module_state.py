"""State dicts of modules, and copies of them. Each test holds for PyTorch, too."""

import copy
import pickle
from collections import OrderedDict

import pytest

import jitgrad
from tests.nn.blocks import block, no_hooks_stay  # noqa: F401 the fixture
from tests.nn.both import torch  # noqa: F401 the fixture

# ruff: noqa: F811


class Scale(jitgrad.nn.Module):
    """A module that can be pickled."""

    def __init__(self):
        super().__init__()
        self.factor = jitgrad.nn.Parameter(jitgrad.tensor([2.0]), requires_grad=False)
        self.register_buffer("shift", jitgrad.tensor([1.0]), persistent=False)
        self.handle = self.register_forward_hook(double)

    def forward(self, x):
        return x * self.factor + self.shift


def double(module, args, output):
    return 2 * output


# -- state dicts ----------------------------------------------------------------------------


def test_state_dict(torch):
    module = block(torch)()
    state = module.state_dict()
    assert type(state) is OrderedDict
    assert list(state) == ["weight", "mean", "inner.weight", "inner.bias"]
    assert state._metadata == {"": {"version": 1}, "inner": {"version": 1}}
    assert not state["weight"].requires_grad
    assert type(state["weight"]) is torch.Tensor
    assert module.state_dict(keep_vars=True)["weight"] is module.weight
    assert next(iter(module.state_dict(prefix="x."))) == "x.weight"
    held = {}
    assert module.state_dict(destination=held) is held
    with torch.no_grad():
        module.weight.add_(1)
    assert state["weight"].tolist() == [2.0, 2.0]


def test_load_state_dict(torch):
    first, second = block(torch)(), block(torch)()
    with torch.no_grad():
        first.weight.fill_(5)
        first.mean.fill_(6)
    weight = second.weight
    keys = second.load_state_dict(first.state_dict())
    assert repr(keys) == "<All keys matched successfully>"
    assert keys.missing_keys == keys.unexpected_keys == []
    assert second.weight is weight
    assert weight.tolist() == [5.0, 5.0]
    assert second.mean.tolist() == [6.0, 6.0]
    assert weight.requires_grad
    first.weight.data.fill_(7)
    assert weight.tolist() == [5.0, 5.0]


def test_load_state_dict_converts(torch):
    module = torch.nn.Linear(1, 1, bias=False)
    module.load_state_dict({"weight": torch.tensor([[3.0]], dtype=torch.float64)})
    assert module.weight.dtype == torch.float32
    assert module.weight.item() == 3
    number = torch.nn.Module()
    number.value = torch.nn.Parameter(torch.tensor(0.0))
    number.load_state_dict({"value": torch.tensor([4.0])})
    assert number.value.item() == 4


def test_load_state_dict_assigns(torch):
    module = block(torch)()
    module.inner.weight.requires_grad_(False)
    state = {name: value.double() + 1 for name, value in module.state_dict().items()}
    module.load_state_dict(state, assign=True)
    assert module.weight.dtype == torch.float64
    assert isinstance(module.weight, torch.nn.Parameter)
    assert module.weight.requires_grad
    assert not module.inner.weight.requires_grad
    assert module.mean is state["mean"]
    state["weight"].fill_(9)
    assert module.weight.tolist() == [9.0, 9.0]


def test_load_state_dict_refuses(torch):
    module = block(torch)()
    state = module.state_dict()
    state["inner.weight"] = torch.ones(3, 2)
    del state["mean"]
    state["inner.more"] = state["extra"] = torch.ones(1)
    state["weight"] = torch.full((2,), 4.0)
    with pytest.raises(RuntimeError) as error:
        module.load_state_dict(state)
    assert str(error.value) == (
        "Error(s) in loading state_dict for Block:\n"
        '\tMissing key(s) in state_dict: "mean". \n'
        '\tUnexpected key(s) in state_dict: "extra", "inner.more". \n'
        "\tsize mismatch for inner.weight: copying a param with shape torch.Size([3, 2]) from "
        "checkpoint, the shape in current model is torch.Size([1, 2])."
    )
    assert module.inner.weight.shape == (1, 2)
    state["inner.weight"] = torch.ones(1, 2)
    keys = module.load_state_dict(state, strict=False)
    assert keys.missing_keys == ["mean"]
    assert keys.unexpected_keys == ["extra", "inner.more"]
    assert repr(keys).startswith("_IncompatibleKeys(missing_keys=['mean']")
    with pytest.raises(TypeError, match="Expected state_dict to be dict-like"):
        module.load_state_dict([1])
    with pytest.raises(RuntimeError, match="or Tensor-like object"):
        module.load_state_dict({"weight": 3}, strict=False)


def test_extra_state(torch):
    class Counting(torch.nn.Module):
        count = 0

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    first, second = Counting(), Counting()
    first.count = 3
    state = first.state_dict()
    assert state == {"_extra_state": {"count": 3}}
    second.load_state_dict(state)
    assert second.count == 3
    with pytest.raises(RuntimeError, match=r'Missing key.*"_extra_state"'):
        second.load_state_dict({})
    with pytest.raises(RuntimeError, match=r'Unexpected key.*"_extra_state"'):
        torch.nn.Identity().load_state_dict(state)
    with pytest.raises(RuntimeError):
        torch.nn.Identity().get_extra_state()


def test_versions_are_kept(torch):
    class Old(torch.nn.Module):
        _version = 2

        def __init__(self):
            super().__init__()
            self.inner = torch.nn.Identity()
            self.seen = []

        def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):
            self.seen.append(local_metadata.get("version"))
            super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    module = Old()
    module.load_state_dict(module.state_dict())
    module.load_state_dict({})
    assert module.seen == [2, None]
    outer = torch.nn.Sequential(module)
    assert outer.state_dict()._metadata["0"] == {"version": 2}


def test_state_dict_hooks(torch):
    module, seen = block(torch)(), []

    def before(module, prefix, keep_vars):
        seen.append(("before", prefix, keep_vars))

    def after(module, state_dict, prefix, metadata):
        seen.append(("after", list(state_dict)[-1], prefix, metadata))
        state_dict[prefix + "new"] = 1

    module.inner.register_state_dict_pre_hook(before)
    handle = module.inner.register_state_dict_post_hook(after)
    assert module.state_dict()["inner.new"] == 1
    assert seen == [
        ("before", "inner.", False),
        ("after", "inner.bias", "inner.", {"version": 1}),
    ]
    handle.remove()
    assert "inner.new" not in module.state_dict()
    module.register_state_dict_post_hook(lambda *_: {})
    with pytest.raises(RuntimeError, match="state_dict post-hook must return None"):
        module.state_dict()
    other = torch.nn.Identity()
    other._register_state_dict_hook(lambda *_: {"replaced": 1})
    assert other.state_dict() == {"replaced": 1}


def test_load_state_dict_hooks(torch):
    module = torch.nn.Linear(1, 1, bias=False)

    def rename(module, state_dict, prefix, metadata, strict, missing, unexpected, errors):
        state_dict[prefix + "weight"] = state_dict.pop(prefix + "old")

    def forgive(module, keys):
        keys.unexpected_keys.clear()

    module.register_load_state_dict_pre_hook(rename)
    module.register_load_state_dict_post_hook(forgive)
    network = torch.nn.Sequential(module)
    given = {"0.old": torch.tensor([[2.0]]), "0.more": torch.ones(1)}
    network.load_state_dict(given)
    assert module.weight.item() == 2
    assert list(given) == ["0.old", "0.more"]


# -- copies ---------------------------------------------------------------------------------


def test_deepcopy(torch):
    module = block(torch)()
    module.tied = module.weight
    module(torch.ones(1, 2)).sum().backward()
    other = copy.deepcopy(module)
    assert other.weight is other.tied
    assert other.weight is not module.weight
    assert isinstance(other.weight, torch.nn.Parameter)
    assert other.weight.requires_grad
    assert other.weight.grad is None
    with torch.no_grad():
        other.weight.fill_(9)
        other.mean.fill_(9)
    assert module.weight.tolist() == [1.0, 1.0]
    assert module.mean.tolist() == [0.0, 0.0]
    assert list(other.state_dict()) == list(module.state_dict())


def test_copies_keep_hooks():
    module = Scale()
    for other in copy.deepcopy(module), pickle.loads(pickle.dumps(module)):
        assert other(jitgrad.tensor([3.0])).item() == 14
        assert isinstance(other.factor, jitgrad.nn.Parameter)
        assert not other.factor.requires_grad
        assert list(other.state_dict()) == ["factor"]
        # a new hook does not take the place of one that came along
        other.register_forward_hook(double)
        assert other(jitgrad.tensor([3.0])).item() == 28
        other.handle.remove()
        assert other(jitgrad.tensor([3.0])).item() == 14
        assert module(jitgrad.tensor([3.0])).item() == 14


def test_shallow_copies_share(torch):
    module = torch.nn.Linear(1, 1)
    other = copy.copy(module)
    assert other.weight is module.weight


def test_unpickled_without_hooks():
    module = jitgrad.nn.Linear(1, 1)
    state = dict(module.__dict__)
    del state["_forward_hooks"]
    other = jitgrad.nn.Linear.__new__(jitgrad.nn.Linear)
    with pytest.raises(AttributeError):
        other.weight  # noqa: B018
    other.__setstate__(state)
    assert other(jitgrad.ones(1)).shape == (1,)
