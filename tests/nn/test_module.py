"""Modules: what they own, modes, conversions, text. Each test holds for PyTorch, too."""

import re

import pytest

import jitgrad
from tests.nn.blocks import block, no_hooks_stay  # noqa: F401 the fixture
from tests.nn.both import torch  # noqa: F401 the fixture

# ruff: noqa: F811


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
