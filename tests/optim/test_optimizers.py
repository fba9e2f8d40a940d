"""Every algorithm, with its options, against PyTorch's; what constructors refuse; steps."""

import inspect

import numpy as np
import pytest

import jitgrad
from tests.optim.algorithms import ALGORITHMS, OPTIONS, errors_of_both, maker
from tests.optim.training import train


def close(dtype):
    return {"torch.float32": 2e-5}.get(str(dtype), 1e-11)


def assert_equal(ours, theirs, scale=1.0):
    assert str(ours.dtype) == str(theirs.dtype)
    assert tuple(ours.shape) == tuple(theirs.shape)
    tolerance = close(theirs.dtype) * scale
    np.testing.assert_allclose(
        ours.detach().numpy(), theirs.detach().numpy(), rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_equals_torch(name, options):
    torch = pytest.importorskip("torch")
    make = maker(name, options)
    ours, our_optimizer = train(jitgrad, make)
    theirs, their_optimizer = train(torch, make)
    for mine, other in zip(ours, theirs):
        assert_equal(mine, other)
    for mine, other in zip(ours, theirs):
        own, expected = our_optimizer.state[mine], their_optimizer.state[other]
        assert set(own) == set(expected)
        for key, value in expected.items():
            assert_equal(own[key], value, 10)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_signatures_are_torch_s(name):
    torch = pytest.importorskip("torch")
    ours = inspect.signature(getattr(jitgrad.optim, name)).parameters
    theirs = inspect.signature(getattr(torch.optim, name)).parameters
    for mine, other in zip(ours.values(), theirs.values(), strict=True):
        assert (mine.name, mine.default, mine.kind) == (other.name, other.default, other.kind)
    made = [
        getattr(library.optim, name)([library.ones(1, requires_grad=True)])
        for library in (jitgrad, torch)
    ]
    assert list(made[0].defaults.items()) == list(made[1].defaults.items())


HINTS = [
    (name, hint)
    for name in ALGORITHMS
    for hint in ("foreach", "fused", "capturable")
    if hint in inspect.signature(getattr(jitgrad.optim, name)).parameters
]


@pytest.mark.parametrize(("name", "hint"), HINTS)
def test_hints_change_nothing(name, hint):
    plain, _ = train(jitgrad, lambda lib, params: getattr(lib.optim, name)(params), 4)
    made, _ = train(
        jitgrad, lambda lib, params: getattr(lib.optim, name)(params, **{hint: True}), 4
    )
    for mine, other in zip(made, plain):
        np.testing.assert_array_equal(mine.detach().numpy(), other.detach().numpy())


STORED = {
    "ASGD": [0.821391734304, 1.47765771579, -0.593209067837],
    "Adadelta": [0.999835680195, 1.99983567645, -0.500164340179],
    "Adafactor": [0.935720161249, 1.93531439868, -0.566545658488],
    "Adagrad": [0.967967032409, 1.96785797174, -0.53264222552],
    "Adam": [0.95007018882, 1.95004203983, -0.550068440992],
    "AdamW": [0.949581028935, 1.94905311362, -0.549808167062],
    "Adamax": [0.95070416468, 1.95039884135, -0.549237484561],
    "NAdam": [0.959883977158, 1.959738592, -0.540926993043],
    "RAdam": [0.812174332788, 1.4253232806, -0.590511762464],
    "RMSprop": [0.704227417896, 1.69346772202, -0.857491666078],
    "Rprop": [0.925584, 1.925584, -0.574416],
    "SGD": [0.821395630856, 1.47766424021, -0.593212076605],
}
"""A parameter [1, 2, -0.5] after 5 updates by PyTorch 2.13, lr=0.01, of the loss sum(x^3 + x)."""


def bowl(library, name, **options):
    x = library.tensor([1.0, 2.0, -0.5], dtype=library.float64, requires_grad=True)
    optimizer = getattr(library.optim, name)([x], lr=0.01, **options)
    for _ in range(5):
        optimizer.zero_grad()
        (x**3 + x).sum().backward()
        optimizer.step()
    return x.tolist()


@pytest.mark.parametrize("name", ALGORITHMS)
def test_stored_figures(name):
    assert bowl(jitgrad, name) == pytest.approx(STORED[name], rel=1e-9)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("SGD", {"momentum": 0.9}),
        ("Adam", {}),
        ("Adam", {"amsgrad": True}),
        ("AdamW", {}),
        ("Adagrad", {}),
        ("ASGD", {"foreach": None}),
        ("RMSprop", {"momentum": 0.5}),
    ],
)
def test_rates_may_be_tensors(name, options):
    torch = pytest.importorskip("torch")
    found = []
    for library in (jitgrad, torch):
        x = library.tensor([1.0, 2.0], dtype=library.float64, requires_grad=True)
        rate = library.tensor(0.05, dtype=library.float64)
        optimizer = getattr(library.optim, name)([x], lr=rate, **options)
        for step in range(6):
            optimizer.zero_grad()
            (x**3).sum().backward()
            optimizer.step()
            rate.fill_(0.05 / (1 + step))
        found.append(x.tolist())
    assert found[0] == pytest.approx(found[1], rel=1e-6)


def test_one_element_rates_and_tensor_betas():
    x = jitgrad.ones(2, requires_grad=True)
    y = jitgrad.ones(2, requires_grad=True)
    first = jitgrad.optim.Adam([x], lr=0.1, betas=(0.5, 0.75))
    betas = (jitgrad.tensor(0.5), jitgrad.tensor(0.75))
    second = jitgrad.optim.Adam([y], lr=jitgrad.tensor([0.1]), betas=betas)
    for _ in range(3):
        for each, optimizer in ((x, first), (y, second)):
            optimizer.zero_grad()
            (each**3).sum().backward()
            optimizer.step()
    assert x.tolist() == pytest.approx(y.tolist())


DIFFERENTIABLE = [
    ("SGD", {"momentum": 0.9, "weight_decay": 0.1, "nesterov": True}),
    ("Adam", {"amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {}),
    ("Adamax", {}),
    ("NAdam", {"decoupled_weight_decay": True, "weight_decay": 0.1}),
    ("RAdam", {"betas": (0.5, 0.6)}),
    ("Adagrad", {"lr_decay": 0.1}),
    ("Adadelta", {}),
    ("RMSprop", {"centered": True, "momentum": 0.5}),
    ("Rprop", {}),
    ("ASGD", {"weight_decay": 0.1}),
]


@pytest.mark.parametrize(("name", "options"), DIFFERENTIABLE)
def test_differentiates_through_a_step(name, options):
    """The updated parameter as a function of parameter and gradient."""
    generator = np.random.default_rng(0)
    start, slope = (
        jitgrad.tensor(generator.uniform(0.5, 1.5, 3), requires_grad=True) for _ in range(2)
    )

    def updated(start, slope):
        # a state that is not zero, so that roots have derivatives
        first = jitgrad.ones(3, dtype=jitgrad.float64)
        optimizer = getattr(jitgrad.optim, name)([first], lr=0.05, differentiable=True, **options)
        first.grad = jitgrad.tensor([0.3, 0.8, 0.6], dtype=jitgrad.float64)
        optimizer.step()
        param = start.clone()
        optimizer.state[param] = optimizer.state.pop(first)
        optimizer.param_groups[0]["params"] = [param]
        param.grad = slope.clone()
        optimizer.step()
        return param

    assert jitgrad.autograd.gradcheck(updated, (start, slope))


def test_differentiates_with_respect_to_the_rate():
    rate = jitgrad.tensor(0.1, dtype=jitgrad.float64, requires_grad=True)
    for name in ("SGD", "Adam", "RMSprop", "Adagrad"):
        x = jitgrad.tensor([1.0, 2.0], dtype=jitgrad.float64, requires_grad=True).clone()
        optimizer = getattr(jitgrad.optim, name)([x], lr=rate, differentiable=True)
        x.grad = jitgrad.tensor([0.5, 2.0], dtype=jitgrad.float64)
        optimizer.step()
        (slope,) = jitgrad.autograd.grad(x.sum(), rate)
        expected = -2.5 if name == "SGD" else -20.0 if name == "RMSprop" else -2.0
        assert slope.item() == pytest.approx(expected, rel=1e-5)


def test_closures():
    x = jitgrad.ones(2, requires_grad=True)
    optimizer = jitgrad.optim.SGD([x], lr=0.25)

    def closure():
        assert jitgrad.is_grad_enabled()
        optimizer.zero_grad()
        loss = (x * x).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 2.0
    assert x.tolist() == [0.5, 0.5]
    assert x.grad_fn is None
    assert x.requires_grad


def test_an_optimizer_of_the_user_s():
    class Signs(jitgrad.optim.Optimizer):
        def __init__(self, params, lr=0.5):
            super().__init__(params, {"lr": lr})

        @jitgrad.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for each in group["params"]:
                    self.state[each]["count"] = self.state[each].get("count", 0) + 1
                    each -= group["lr"] * each.grad.sign()

    x = jitgrad.tensor([1.0, -2.0], requires_grad=True)
    optimizer = Signs([x])
    seen = []
    optimizer.register_step_post_hook(lambda *_: seen.append(1))
    (x * x).sum().backward()
    optimizer.step()
    assert x.tolist() == [0.5, -1.5]
    assert optimizer.state_dict()["state"] == {0: {"count": 1}}
    assert seen == [1]
    with pytest.raises(NotImplementedError):
        jitgrad.optim.Optimizer([x], {}).step()


ERRORS = [
    *(
        (name, {option: -1.0})
        for name, options in {
            "SGD": ("lr", "momentum", "weight_decay"),
            "Adam": ("lr", "eps", "weight_decay"),
            "AdamW": ("lr", "eps", "weight_decay"),
            "Adamax": ("lr", "eps", "weight_decay"),
            "NAdam": ("lr", "eps", "weight_decay", "momentum_decay"),
            "RAdam": ("lr", "eps", "weight_decay"),
            "Adagrad": ("lr", "lr_decay", "eps", "weight_decay", "initial_accumulator_value"),
            "Adadelta": ("lr", "rho", "eps", "weight_decay"),
            "RMSprop": ("lr", "eps", "weight_decay", "momentum", "alpha"),
            "Rprop": ("lr",),
            "ASGD": ("lr", "weight_decay"),
            "Adafactor": ("lr", "d", "weight_decay"),
        }.items()
        for option in options
    ),
    *((name, {"betas": betas}) for name in ("Adam", "NAdam") for betas in ((1.0, 0.5), (0.5, -1))),
    ("SGD", {"nesterov": True}),
    ("SGD", {"nesterov": True, "momentum": 0.5, "dampening": 0.5}),
    ("SGD", {"fused": True, "foreach": True}),
    ("Adam", {"fused": True, "differentiable": True}),
    ("Adadelta", {"rho": 1.5}),
    ("Rprop", {"etas": (1.5, 0.5)}),
    ("Adafactor", {"beta2_decay": 1.0}),
    ("Adafactor", {"eps": (-1.0, 0.1)}),
    ("Adafactor", {"eps": (None, -0.1)}),
]


@pytest.mark.parametrize(("name", "options"), ERRORS)
def test_constructors_refuse(name, options):
    make = maker(name, options)
    ours, theirs = errors_of_both(lambda lib: make(lib, [lib.ones(1, requires_grad=True)]))
    assert isinstance(theirs, (ValueError, RuntimeError))
    assert str(theirs).split(":")[0].strip("`") in str(ours)


PARAMS_ERRORS = [
    lambda lib, x: lib.optim.SGD(x),
    lambda lib, x: lib.optim.SGD([]),
    lambda lib, x: lib.optim.SGD([1]),
    lambda lib, x: lib.optim.SGD([{"params": {x}}]),
    lambda lib, x: lib.optim.SGD([x * 2]),
    lambda lib, x: lib.optim.SGD([{"params": x}, {"params": [x]}]),
    lambda lib, x: lib.optim.SGD([("a", x), x]),
    lambda lib, x: lib.optim.SGD([{"params": [("a", x)]}, {"params": [lib.zeros(1)]}]),
    lambda lib, x: lib.optim.SGD([{"lr": 1}]),
    lambda lib, x: lib.optim.SGD([x], lr=lib.tensor([1.0, 2.0])),
    lambda lib, x: lib.optim.Adam([x], lr=lib.tensor(0.1), foreach=True),
    lambda lib, x: lib.optim.Adam([x], betas=(lib.tensor(0.9), 0.99)),
    lambda lib, x: lib.optim.Adam([x], betas=(lib.tensor(0.9), lib.tensor(0.9)), foreach=True),
]


@pytest.mark.parametrize("number", range(len(PARAMS_ERRORS)))
def test_parameters_are_checked(number):
    errors_of_both(lambda lib: PARAMS_ERRORS[number](lib, lib.zeros(2, requires_grad=True)))
