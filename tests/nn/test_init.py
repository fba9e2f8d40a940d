"""Initialisation: bounds and deviations of the distributions, structures, errors."""

import math

import numpy as np
import pytest

import jitgrad
from tests.nn.both import torch  # noqa: F401 the fixture

# ruff: noqa: F811


@pytest.fixture
def init(torch):
    torch.manual_seed(0)
    return torch.nn.init


def filled(torch, name, shape=(400, 300), **options):
    made = torch.empty(*shape)
    assert getattr(torch.nn.init, name)(made, **options) is made
    return made.numpy()


def is_even(values, low, high):
    width = high - low
    assert low <= values.min() < low + 0.01 * width
    assert high - 0.01 * width < values.max() <= high
    assert abs(values.mean() - (low + high) / 2) < 0.01 * width
    assert abs(values.std() - width / math.sqrt(12)) < 0.01 * width


def is_normal(values, mean, std):
    assert abs(values.mean() - mean) < 0.02 * std
    assert abs(values.std() - std) < 0.02 * std
    inside = (np.abs(values - mean) < std).mean()
    assert abs(inside - math.erf(1 / math.sqrt(2))) < 0.01


def test_gains(init):
    gain = init.calculate_gain
    assert gain("linear") == gain("conv2d") == gain("conv_transpose3d") == gain("sigmoid") == 1
    assert gain("tanh") == 5 / 3
    assert gain("relu") == math.sqrt(2)
    assert gain("selu") == 3 / 4
    assert gain("leaky_relu") == math.sqrt(2 / (1 + 0.01**2))
    assert gain("leaky_relu", 0.5) == gain("leaky_relu", param=0.5) == math.sqrt(2 / 1.25)
    with pytest.raises(ValueError, match="Unsupported nonlinearity what"):
        gain("what")
    with pytest.raises(ValueError, match="not a valid number"):
        gain("leaky_relu", True)


def test_simple_distributions(torch, init):
    is_even(filled(torch, "uniform_"), 0, 1)
    is_even(filled(torch, "uniform_", a=-3, b=1), -3, 1)
    is_normal(filled(torch, "normal_"), 0, 1)
    is_normal(filled(torch, "normal_", mean=5, std=0.1), 5, 0.1)


def test_truncated_normal(torch, init):
    values = filled(torch, "trunc_normal_", std=1.5, a=-1, b=2)
    assert -1 <= values.min() < -0.98
    assert 1.98 < values.max() <= 2
    # mean and deviation of the truncated distribution, by its formulas
    low, high = -1 / 1.5, 2 / 1.5
    density = [math.exp(-(x**2) / 2) / math.sqrt(2 * math.pi) for x in (low, high)]
    total = (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2))) / 2
    shift = (density[0] - density[1]) / total
    spread = 1 + (low * density[0] - high * density[1]) / total - shift**2
    assert abs(values.mean() - 1.5 * shift) < 0.02
    assert abs(values.std() - 1.5 * math.sqrt(spread)) < 0.02
    with pytest.warns(UserWarning, match="more than 2 std from"):
        filled(torch, "trunc_normal_", (2, 2), mean=10.0)


def test_constants(torch, init):
    assert (filled(torch, "constant_", val=0.3) == np.float32(0.3)).all()
    assert (filled(torch, "ones_") == 1).all()
    assert (filled(torch, "zeros_") == 0).all()
    assert (filled(torch, "eye_", (3, 5)) == np.eye(3, 5)).all()
    with pytest.raises(ValueError, match="Only tensors with 2 dimensions"):
        init.eye_(torch.empty(3))


@pytest.mark.parametrize("shape", [(4, 3, 5), (3, 4, 3, 3), (6, 2, 3, 2, 3)])
@pytest.mark.parametrize("groups", [1, 3])
def test_dirac(torch, init, shape, groups):
    weight = torch.empty(*shape)
    if shape[0] % groups:
        with pytest.raises(ValueError, match="dim 0 must be divisible by groups"):
            init.dirac_(weight, groups)
        return
    assert init.dirac_(weight, groups) is weight
    expected = np.zeros(shape)
    outputs = shape[0] // groups
    for group in range(groups):
        for channel in range(min(outputs, shape[1])):
            place = (group * outputs + channel, channel, *(size // 2 for size in shape[2:]))
            expected[place] = 1
    assert (weight.numpy() == expected).all()


def test_dirac_of_matrices(torch, init):
    with pytest.raises(ValueError, match="Only tensors with 3, 4, or 5 dimensions"):
        init.dirac_(torch.empty(2, 2))


def test_xavier(torch, init):
    std = 2 * math.sqrt(2 / (300 + 400))
    is_even(filled(torch, "xavier_uniform_", gain=2), -math.sqrt(3) * std, math.sqrt(3) * std)
    is_normal(filled(torch, "xavier_normal_", gain=2), 0, std)
    std = math.sqrt(2 / (20 * 9 + 40 * 9))
    is_normal(filled(torch, "xavier_normal_", (400, 200, 3, 3)) * math.sqrt(10), 0, std)
    with pytest.raises(ValueError, match="fewer than 2 dimensions"):
        init.xavier_uniform_(torch.empty(3))


@pytest.mark.parametrize(("mode", "fan"), [("fan_in", 300), ("fan_out", 400)])
def test_kaiming(torch, init, mode, fan):
    std = math.sqrt(2 / (1 + 0.25)) / math.sqrt(fan)
    bound = math.sqrt(3) * std
    is_even(filled(torch, "kaiming_uniform_", a=0.5, mode=mode), -bound, bound)
    is_normal(filled(torch, "kaiming_normal_", a=0.5, mode=mode), 0, std)
    std = 1 / math.sqrt(fan)
    is_normal(filled(torch, "kaiming_normal_", mode=mode, nonlinearity="linear"), 0, std)


def test_kaiming_errors(torch, init):
    with pytest.raises(ValueError, match="Mode what not supported"):
        init.kaiming_uniform_(torch.empty(2, 2), mode="what")
    with pytest.raises(ValueError, match="fewer than 2 dimensions"):
        init.kaiming_normal_(torch.empty(3))
    with pytest.warns(UserWarning, match="zero-element"):
        init.kaiming_uniform_(torch.empty(0, 2))


@pytest.mark.parametrize("shape", [(3, 3), (3, 5), (5, 3), (4, 2, 3)])
def test_orthogonal(torch, init, shape):
    weight = torch.empty(*shape, dtype=torch.float64)
    assert init.orthogonal_(weight, gain=2) is weight
    matrix = weight.numpy().reshape(shape[0], -1)
    product = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-6)


def test_orthogonal_is_even(torch, init):
    # without the signs of the diagonal of R the first entries would all be negative
    made = [init.orthogonal_(torch.empty(2, 2))[0, 0].item() for _ in range(200)]
    assert 60 < sum(each > 0 for each in made) < 140
    with pytest.raises(ValueError, match="2 or more dimensions"):
        init.orthogonal_(torch.empty(3))


def test_sparse(torch, init):
    values = filled(torch, "sparse_", sparsity=0.3, std=0.5)
    assert ((values == 0).sum(0) == 120).all()
    is_normal(values[values != 0], 0, 0.5)
    assert len({tuple(np.nonzero(column)[0]) for column in values.T}) > 290
    with pytest.raises(ValueError, match="Only tensors with 2 dimensions"):
        init.sparse_(torch.empty(3), 0.1)


RANDOM = {
    "uniform_": {},
    "normal_": {},
    "trunc_normal_": {},
    "xavier_uniform_": {},
    "xavier_normal_": {},
    "kaiming_uniform_": {},
    "kaiming_normal_": {},
    "orthogonal_": {},
}


@pytest.mark.parametrize("name", RANDOM)
def test_generators(torch, init, name):
    state = torch.get_rng_state()
    made = [
        filled(torch, name, (3, 4), generator=torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    ]
    assert (made[0] == made[1]).all()
    assert (made[0] != made[2]).any()
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", [*RANDOM, "ones_", "zeros_", "eye_"])
def test_parameters_are_filled_without_history(torch, init, name):
    parameter = torch.nn.Parameter(torch.full((3, 4), 7.0))
    getattr(init, name)(parameter)
    assert parameter.requires_grad
    assert parameter.is_leaf
    assert (parameter != 7).all()


@pytest.mark.parametrize("name", ["uniform", "normal", "xavier_normal", "kaiming_uniform", "eye"])
def test_names_of_old(name):
    from_old, from_new = jitgrad.empty(3, 4), jitgrad.empty(3, 4)
    jitgrad.manual_seed(0)
    with pytest.warns(FutureWarning, match=f"`nn.init.{name}` is now deprecated"):
        getattr(jitgrad.nn.init, name)(from_old)
    jitgrad.manual_seed(0)
    getattr(jitgrad.nn.init, f"{name}_")(from_new)
    assert jitgrad.equal(from_old, from_new)
