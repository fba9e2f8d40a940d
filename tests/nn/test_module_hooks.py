"""Calling modules: hooks forward and backward, and compiled. Each holds for PyTorch, too."""

import pytest

import jitgrad
from tests.nn.blocks import block, no_hooks_stay  # noqa: F401 the fixture
from tests.nn.both import torch  # noqa: F401 the fixture

# ruff: noqa: F811


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
