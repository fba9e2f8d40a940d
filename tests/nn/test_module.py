"""Modules: what they own, hooks, state dicts, conversions. Each test holds for PyTorch, too."""

import copy
import pickle
import re
from collections import OrderedDict

import pytest

import jitgrad
from jitgrad.nn.modules.hooks import CALL_HOOKS, REGISTRATION_HOOKS
from tests.nn.both import torch  # noqa: F401 the fixture

# ruff: noqa: F811


@pytest.fixture(autouse=True)
def no_hooks_stay():
    yield
    assert not CALL_HOOKS
    assert not REGISTRATION_HOOKS


def block(torch):
    """Return a class of modules with a parameter, an absent one, buffers and a submodule."""

    class Block(torch.nn.Module):
        def __init__(self, size=2):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(size))
            self.register_parameter("bias", None)
            self.register_buffer("mean", torch.zeros(size))
            self.register_buffer("scratch", torch.zeros(1), persistent=False)
            self.inner = torch.nn.Linear(size, 1)
            self.name = "block"

        def forward(self, x, *, scale=1.0):
            return self.inner(x * self.weight) * scale

    return Block


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


def names(pairs):
    return [name for name, _ in pairs]


# -- registration ---------------------------------------------------------------------------


def test_what_is_registered(torch):
    module = block(torch)()
    assert names(module.named_parameters()) == ["weight", "inner.weight", "inner.bias"]
    assert names(module.named_parameters("x", recurse=False)) == ["x.weight"]
    assert names(module.named_buffers()) == ["mean", "scratch"]
    assert names(module.named_children()) == ["inner"]
    assert names(module.named_modules()) == ["", "inner"]
    assert names(module.named_modules(prefix="x")) == ["x", "x.inner"]
    assert list(module.children()) == [module.inner]
    assert list(module.modules()) == [module, module.inner]
    assert [each.shape for each in module.parameters()] == [(2,), (1, 2), (1,)]
    assert [each.shape for each in module.buffers()] == [(2,), (1,)]
    assert module.bias is None
    assert module._parameters["bias"] is None
    assert {"weight", "bias", "mean", "inner", "name", "forward"} <= set(dir(module))


def test_assignment_moves_between_kinds(torch):
    module = block(torch)()
    module.mean = torch.nn.Parameter(torch.ones(1))
    assert "mean" in module._parameters
    assert "mean" not in module._buffers
    with pytest.raises(TypeError, match="as parameter 'mean'"):
        module.mean = torch.nn.Identity()
    module.inner = torch.nn.Parameter(torch.ones(1))
    assert "inner" not in module._modules
    del module.mean
    module.mean = torch.nn.Identity()
    module.new = torch.nn.Buffer(torch.ones(1), persistent=False)
    assert names(module.named_buffers()) == ["scratch", "new"]
    assert "new" not in module.__dict__
    assert "new" not in module.state_dict()
    module.weight = None
    assert "weight" not in names(module.named_parameters())
    assert module.weight is None
    module.scratch = torch.ones(3)
    assert module._buffers["scratch"].shape == (3,)
    module.plain = torch.ones(1)
    assert "plain" not in module._buffers
    del module.inner, module.weight, module.scratch, module.plain
    assert names(module.named_modules()) == ["", "mean"]
    for gone in "inner", "weight", "scratch", "plain":
        with pytest.raises(AttributeError, match=f"'Block' object has no attribute '{gone}'"):
            getattr(module, gone)
    with pytest.raises(AttributeError):
        del module.inner


def test_refused_assignments(torch):
    module = block(torch)()
    with pytest.raises(
        TypeError,
        match=re.escape(
            "cannot assign 'torch.FloatTensor' as parameter "
            "'weight' (torch.nn.Parameter or None expected)"
        ),
    ):
        module.weight = torch.ones(2)
    with pytest.raises(
        TypeError,
        match=re.escape(
            "cannot assign 'int' as child module 'inner' (torch.nn.Module or None expected)"
        ),
    ):
        module.inner = 1
    with pytest.raises(
        TypeError,
        match=re.escape(
            "cannot assign 'str' as buffer 'mean' (torch.nn.Buffer, torch.Tensor or None expected)"
        ),
    ):
        module.mean = "0"
    assert module.weight.shape == (2,)
    assert isinstance(module.inner, torch.nn.Linear)
    assert module.mean.shape == (2,)


@pytest.mark.parametrize("method", ["register_parameter", "register_buffer", "add_module"])
def test_refused_names(torch, method):
    module = block(torch)()
    register = getattr(module, method)
    for name, error, message in (
        ("a.b", KeyError, 't contain "."'),
        ("", KeyError, "t be empty string"),
        ("forward", KeyError, "attribute 'forward' already exists"),
        (3, TypeError, "name should be a string. Got int"),
    ):
        with pytest.raises(error, match=re.escape(message)):
            register(name, None)


def test_refused_values(torch):
    module = block(torch)()
    with pytest.raises(TypeError, match=r"cannot assign 'torch\.FloatTensor' object to parameter"):
        module.register_parameter("new", torch.ones(1))
    with pytest.raises(TypeError, match="cannot assign 'int' object to buffer 'new'"):
        module.register_buffer("new", 1)
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        module.add_module("new", 1)
    assert not hasattr(module, "new")


def test_assignment_before_init(torch):
    for value, what in (
        (lambda: torch.nn.Parameter(torch.ones(1)), "parameters"),
        (lambda: torch.nn.Identity(), "module"),
    ):

        class Early(torch.nn.Module):
            def __init__(self):
                self.value = value()  # noqa: B023 called at once

        message = re.escape(f"cannot assign {what} before Module.__init__() call")
        with pytest.raises(AttributeError, match=message):
            Early()


def test_init_takes_no_arguments(torch):
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'size'"):
        torch.nn.Module(size=2)
    with pytest.raises(TypeError, match="takes 1 positional argument but 2 were given"):
        torch.nn.Module(2)


def test_init_goes_on_where_asked(torch):
    class Other:
        def __init__(self, size):
            self.size = size

    class Both(torch.nn.Module, Other):
        call_super_init = True

    assert Both(size=3).size == 3


def test_shared_parts_come_once(torch):
    class Twice(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Linear(1, 1)
            self.second = self.first
            self.weight = self.first.weight

    module = Twice()
    assert names(module.named_parameters()) == ["weight", "first.bias"]
    every = ["weight", "first.weight", "first.bias", "second.weight", "second.bias"]
    assert names(module.named_parameters(remove_duplicate=False)) == every
    assert names(module.named_modules()) == ["", "first"]
    assert names(module.named_modules(remove_duplicate=False)) == ["", "first", "second"]
    assert names(module.named_children()) == ["first"]
    assert list(module.state_dict()) == every


def test_dotted_names(torch):
    network = torch.nn.Sequential(block(torch)(), torch.nn.Identity())
    assert network.get_submodule("") is network
    assert network.get_submodule("0.inner") is network[0].inner
    assert network.get_parameter("0.inner.weight") is network[0].inner.weight
    assert network.get_buffer("0.mean") is network[0].mean
    for method, name, message in (
        ("get_submodule", "0.outer", "Block has no attribute `outer`"),
        ("get_submodule", "0.name", "`name` is not an nn.Module"),
        ("get_parameter", "0.nothing", "Block has no attribute `nothing`"),
        ("get_parameter", "0.mean", "`mean` is not an nn.Parameter"),
        ("get_buffer", "0.weight", "`weight` is not a buffer"),
    ):
        with pytest.raises(AttributeError, match=message):
            getattr(network, method)(name)
    network.set_submodule("0.inner", torch.nn.Identity())
    assert isinstance(network[0].inner, torch.nn.Identity)
    with pytest.raises(AttributeError):
        network.set_submodule("0.new", torch.nn.Identity(), strict=True)
    network.set_submodule("0.new", torch.nn.Identity())
    assert isinstance(network[0].new, torch.nn.Identity)
    with pytest.raises(ValueError):
        network.set_submodule("", torch.nn.Identity())
    with pytest.raises(AttributeError, match="is not an nn"):
        network.set_submodule("0.name", torch.nn.Identity())


def test_registration_hooks(torch):
    modules = torch.nn.modules.module
    seen = []

    def note(module, name, value):
        seen.append(name)

    with (
        modules.register_module_parameter_registration_hook(note),
        modules.register_module_buffer_registration_hook(note),
        modules.register_module_module_registration_hook(note),
    ):
        block(torch)()
    assert seen == ["weight", "mean", "scratch", "weight", "bias", "inner"]
    other = torch.nn.Parameter(torch.zeros(1, 1))
    with modules.register_module_parameter_registration_hook(lambda *_: other):
        assert torch.nn.Linear(1, 1, bias=False).weight is other


# -- calling --------------------------------------------------------------------------------


def test_forward_is_missing(torch):
    class Nothing(torch.nn.Module):
        pass

    with pytest.raises(NotImplementedError, match=r"\[Nothing\] is missing the required"):
        Nothing()(1)


def test_forward_hooks(torch):
    module = torch.nn.Identity()
    order = []

    def noting(name, result=None):
        def hook(*args):
            order.append((name, len(args)))
            return result(*args) if result else None

        return hook

    module.register_forward_pre_hook(noting("pre", lambda _, args: args[0] + 1))
    module.register_forward_pre_hook(noting("first"), prepend=True)
    module.register_forward_hook(noting("post", lambda _, args, out: out * 10))
    last = module.register_forward_hook(
        noting("kwargs", lambda _, args, kwargs, out: out + args[0]), with_kwargs=True
    )
    assert module(torch.tensor(1.0)).item() == 22
    assert order == [("first", 2), ("pre", 2), ("post", 3), ("kwargs", 4)]
    last.remove()
    last.remove()
    assert module(torch.tensor(1.0)).item() == 20


def test_pre_hooks_with_kwargs(torch):
    module = block(torch)()
    x = torch.ones(1, 2)
    plain = module(x).item()

    def louder(module, args, kwargs):
        return args, {"scale": kwargs["scale"] * 2}

    with module.register_forward_pre_hook(louder, with_kwargs=True):
        assert module(x, scale=3.0).item() == pytest.approx(6 * plain)
    assert module(x, scale=3.0).item() == pytest.approx(3 * plain)
    with (
        module.register_forward_pre_hook(lambda *_: 1, with_kwargs=True),
        pytest.raises(RuntimeError, match="must return None or a tuple of"),
    ):
        module(x)


def test_hooks_that_are_always_called(torch):
    class Broken(torch.nn.Module):
        def forward(self, x):
            raise KeyError("broken")

    module, seen = Broken(), []
    module.register_forward_hook(lambda *_: seen.append("plain"))
    module.register_forward_hook(lambda m, args, out: seen.append(out), always_call=True)
    with pytest.raises(KeyError, match="broken"):
        module(1)
    assert seen == [None]

    def fail(*_):
        raise ValueError("late")

    module.register_forward_hook(fail, always_call=True)
    with pytest.raises(KeyError), pytest.warns(UserWarning, match="silenced as another error"):
        module(1)


def test_hooks_of_all_modules(torch):
    modules, seen = torch.nn.modules.module, []
    network = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Identity())
    x = torch.ones(1, 2, requires_grad=True)

    def note(kind):
        return lambda module, *_: seen.append((kind, type(module).__name__))

    with (
        modules.register_module_forward_pre_hook(note("pre")),
        modules.register_module_forward_hook(note("post")),
        modules.register_module_full_backward_pre_hook(note("backward pre")),
        modules.register_module_full_backward_hook(note("backward")),
    ):
        network(x).sum().backward()
    names = ["Sequential", "Linear", "Identity"]
    assert [name for kind, name in seen if kind == "pre"] == names
    assert [name for kind, name in seen if kind == "post"] == [*names[1:], names[0]]
    backwards = ["Sequential", "Identity", "Linear"]
    assert [name for kind, name in seen if kind == "backward pre"] == backwards
    assert [name for kind, name in seen if kind == "backward"] == [*backwards[1:], backwards[0]]
    count = len(seen)
    network(x)
    assert len(seen) == count


def test_full_backward_hooks(torch):
    module = torch.nn.Linear(2, 3)
    torch.nn.init.ones_(module.weight)
    x = torch.ones(1, 2, requires_grad=True)
    seen = []

    def hook(owner, grad_input, grad_output):
        assert owner is module
        seen.append([each.tolist() for each in (*grad_input, *grad_output)])
        return (grad_input[0] * 2,)

    with module.register_full_backward_hook(hook):
        module(x).sum().backward()
    assert seen == [[[[3.0, 3.0]], [[1.0, 1.0, 1.0]]]]
    assert x.grad.tolist() == [[6.0, 6.0]]
    assert module.weight.grad.tolist() == [[1.0, 1.0]] * 3
    with module.register_full_backward_pre_hook(lambda _, grad_output: (grad_output[0] * 10,)):
        module.zero_grad()
        module(x).sum().backward()
    assert module.weight.grad.tolist() == [[10.0, 10.0]] * 3


def test_backward_hooks_see_all_arguments(torch):
    class Two(torch.nn.Module):
        def forward(self, x, flag, y, z):
            return x * y, flag, z * 2

    module, seen = Two(), []
    module.register_full_backward_hook(lambda _, gi, go: seen.append((gi, go)))
    x, y = (torch.tensor(v, requires_grad=True) for v in (2.0, 3.0))
    first, flag, _ = module(x, "flag", y, torch.tensor(1.0))
    assert flag == "flag"
    first.backward()
    ((grad_input, grad_output),) = seen
    values = [None if each is None else each.item() for each in grad_input]
    assert values == [3.0, None, 2.0, 0.0]
    assert [None if each is None else each.item() for each in grad_output] == [1.0, None, None]


def test_backward_hooks_without_inputs(torch):
    module, seen = torch.nn.Linear(2, 1), []
    module.register_full_backward_hook(lambda _, gi, go: seen.append((gi, go[0].tolist())))
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module(torch.ones(1, 2)).sum().backward()
    assert seen == [((None,), [[1.0]])]


def test_backward_hooks_that_return_nonsense(torch):
    module = torch.nn.Linear(2, 1)
    x = torch.ones(1, 2, requires_grad=True)
    with (
        module.register_full_backward_hook(lambda _, gi, go: (gi[0], gi[0])),
        pytest.raises(RuntimeError, match="invalid number of grad_input"),
    ):
        module(x).sum().backward()
    with module.register_full_backward_hook(lambda *_: None), torch.no_grad():
        assert not module(x).requires_grad


def test_backward_hooks_and_strange_outputs(torch):
    class Dictionary(torch.nn.Module):
        def forward(self, x):
            return {"x": x * 2}

    module = Dictionary()
    module.register_full_backward_hook(lambda *_: None)
    with pytest.warns(UserWarning, match="module output should be a Tensor or a tuple"):
        module(torch.ones(1, requires_grad=True))


def test_second_derivatives_through_hooks(torch):
    module = torch.nn.Identity()
    module.register_full_backward_hook(lambda _, gi, go: (gi[0] * 2,))
    x = torch.tensor(3.0, requires_grad=True)
    (slope,) = torch.autograd.grad(module(x) ** 3, x, create_graph=True)
    (curvature,) = torch.autograd.grad(slope, x)
    assert (slope.item(), curvature.item()) == (54.0, 72.0)


# -- all of it ------------------------------------------------------------------------------


def test_train_and_eval(torch):
    module = block(torch)()
    assert module.training
    assert module.inner.training
    assert module.eval() is module
    assert not module.training
    assert not module.inner.training
    module.train()
    assert module.inner.training
    with pytest.raises(ValueError, match="training mode is expected to be boolean"):
        module.train("yes")


def test_apply(torch):
    module, seen = block(torch)(), []
    assert module.apply(lambda each: seen.append(type(each).__name__)) is module
    assert seen == ["Linear", "Block"]


def test_requires_grad_and_zero_grad(torch):
    module = block(torch)()
    module(torch.ones(1, 2)).sum().backward()
    gradient = module.weight.grad
    module.zero_grad(set_to_none=False)
    assert module.weight.grad is not None
    assert module.weight.grad.tolist() == gradient.tolist() == [0.0, 0.0]
    module.zero_grad()
    assert module.weight.grad is None
    assert module.requires_grad_(False) is module
    assert not any(each.requires_grad for each in module.parameters())
    assert not module(torch.ones(1, 2)).requires_grad


def test_conversions_keep_identity(torch):
    module = block(torch)()
    module.register_buffer("count", torch.zeros(1, dtype=torch.int64))
    module(torch.ones(1, 2)).sum().backward()
    weight, gradient = module.weight, module.weight.grad.tolist()
    assert module.double() is module
    assert module.weight is weight
    assert weight.dtype == weight.grad.dtype == module.mean.dtype == torch.float64
    assert weight.grad.tolist() == gradient
    assert weight.requires_grad
    assert weight.is_leaf
    assert module.count.dtype == torch.int64
    module(torch.ones(1, 2, dtype=torch.float64)).sum().backward()
    assert weight.grad.tolist() == [2 * each for each in gradient]
    assert module.half().inner.weight.dtype == torch.float16
    assert module.float().weight.dtype == torch.float32
    assert module.to(torch.float64).weight.dtype == torch.float64
    assert module.to("cpu").weight.dtype == torch.float64
    assert module.to("cpu", torch.float32).weight.dtype == torch.float32
    assert module.to(torch.ones(1, dtype=torch.float64)).weight.dtype == torch.float64
    assert module.to(device="cpu", dtype=torch.float32).weight.dtype == torch.float32
    assert module.cpu() is module
    assert module.type(torch.float64).count.dtype == torch.float64
    assert module.weight is weight
    with pytest.raises(TypeError, match="only accepts floating point or complex dtypes"):
        module.to(torch.int64)
    assert module.to_empty(device="cpu") is module
    assert module.weight is weight
    assert weight.shape == (2,)


def test_shared_parameters_stay_shared_in_conversions(torch):
    first, second = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    second.weight = first.weight
    network = torch.nn.Sequential(first, second).double()
    assert network[0].weight is network[1].weight
    assert network[0].weight.dtype == torch.float64


def test_conversion_lends_no_memory():
    # what NumPy may hold is not written natively
    module = jitgrad.nn.Linear(2, 2).double()
    assert not module.weight._storage.lent
    module.load_state_dict(module.state_dict())
    assert not module.weight._storage.lent


def test_there_is_no_cuda():
    with pytest.raises(RuntimeError, match="no CUDA support"):
        jitgrad.nn.Linear(1, 1).cuda()
    with pytest.raises(RuntimeError, match="no CUDA support"):
        jitgrad.nn.Linear(1, 1).to("cuda")


# -- text -----------------------------------------------------------------------------------


def test_repr(torch):
    class Extra(torch.nn.Module):
        def __init__(self, text):
            super().__init__()
            self.text = text

        def extra_repr(self):
            return self.text

    class Parent(Extra):
        def __init__(self, text):
            super().__init__(text)
            self.child = Extra("x=1")
            self.none = None
            self.register_module("gone", None)

    assert repr(torch.nn.Module()) == "Module()"
    assert repr(Extra("x=1")) == "Extra(x=1)"
    assert repr(Extra("x\ny")) == "Extra(\n  x\n  y\n)"
    assert repr(Parent("")) == "Parent(\n  (child): Extra(x=1)\n  (gone): None\n)"
    assert repr(Parent("a")) == "Parent(\n  a\n  (child): Extra(x=1)\n  (gone): None\n)"
    nested = torch.nn.Sequential(torch.nn.Sequential(torch.nn.Linear(2, 3, bias=False)))
    assert repr(nested) == (
        "Sequential(\n  (0): Sequential(\n"
        "    (0): Linear(in_features=2, out_features=3, bias=False)\n  )\n)"
    )


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


# -- compiled -------------------------------------------------------------------------------


def test_hooks_are_compiled():
    network = jitgrad.nn.Sequential(jitgrad.nn.Linear(2, 2), jitgrad.nn.Linear(2, 1))
    network[0].register_forward_hook(lambda module, args, out: out * 2)
    network[1].register_forward_pre_hook(lambda module, args: (args[0] + 1,))
    compiled = jitgrad.compile(lambda x: network(x).sum())
    x = jitgrad.ones(3, 2)
    for _ in range(3):
        assert compiled(x).item() == pytest.approx(network(x).sum().item())
    assert not compiled.explain().exits


def test_compiled_calls_notice_changes():
    nn = jitgrad.nn
    network = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.9), nn.Linear(2, 1)).eval()
    compiled = jitgrad.compile(lambda x: network(x).sum())
    x = jitgrad.ones(3, 2)
    handles = []

    def change(number):
        match number:
            case 1:
                handles.append(network[0].register_forward_hook(lambda m, args, out: out * 2))
            case 2 | 4:
                handles.pop().remove()
            case 3:
                register = nn.modules.module.register_module_forward_hook
                handles.append(register(lambda m, args, out: out + 1))
            case 5:
                network[0].weight = nn.Parameter(jitgrad.ones(2, 2))
            case 6:
                network[2] = nn.Identity()
            case 7:
                network.append(nn.Linear(2, 2))
            case 8:
                network.load_state_dict({k: v + 1 for k, v in network.state_dict().items()})
            case 9:
                network[0].bias = None
            case 10:
                nn.utils.parametrizations.weight_norm(network[3])
            case 11:
                network[3].parametrizations.weight.original0.data.mul_(2)
            case 12:
                nn.utils.parametrize.remove_parametrizations(network[3], "weight")
            case 13:
                nn.utils.vector_to_parameters(jitgrad.arange(6.0), network[3].parameters())
            case 14:
                network.requires_grad_(False)
            case 15:
                network[0].forward = lambda x: x * 3

    for number in range(16):
        change(number)
        for _ in range(2):
            assert compiled(x).item() == pytest.approx(network(x).sum().item()), number
