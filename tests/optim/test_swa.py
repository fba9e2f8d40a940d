"""Averages of models and their learning rates against PyTorch's."""

import numpy as np
import pytest

import jitgrad
from jitgrad.optim import swa_utils


def model_of(library):
    nn = library.nn
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2)).double()
    for number, each in enumerate(model.parameters()):
        values = np.cos(np.arange(each.numel()) + number).reshape(tuple(each.shape))
        with library.no_grad():
            each.copy_(library.tensor(values))
    return model


def batches(library):
    generator = np.random.default_rng(3)
    return [library.tensor(generator.normal(size=(6, 3))) for _ in range(4)]


AVERAGES = {
    "equal": lambda swa: {},
    "buffers": lambda swa: {"use_buffers": True},
    "ema": lambda swa: {"multi_avg_fn": swa.get_ema_multi_avg_fn(0.9)},
    "ema with buffers": lambda swa: {
        "multi_avg_fn": swa.get_ema_multi_avg_fn(0.9),
        "use_buffers": True,
    },
    "swa together": lambda swa: {"multi_avg_fn": swa.get_swa_multi_avg_fn()},
    "ema one by one": lambda swa: {"avg_fn": swa.get_ema_avg_fn(0.9)},
    "swa one by one": lambda swa: {"avg_fn": swa.get_swa_avg_fn()},
    "own": lambda swa: {"avg_fn": lambda average, value, count: (average + value) / 2},
}


def averaged(library, options):
    model = model_of(library)
    swa = library.optim.swa_utils
    average = swa.AveragedModel(model, **options(swa))
    optimizer = library.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(3):
        for batch in batches(library):
            optimizer.zero_grad()
            (model(batch) ** 2).mean().backward()
            optimizer.step()
        average.update_parameters(model)
    return model, average


def assert_equal(ours, theirs, close=1e-10):
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for mine, other in zip(ours.state_dict().values(), theirs.state_dict().values()):
        assert str(mine.dtype) == str(other.dtype)
        np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=close, atol=close)


@pytest.mark.parametrize("name", AVERAGES)
def test_equals_torch(name):
    torch = pytest.importorskip("torch")
    _, ours = averaged(jitgrad, AVERAGES[name])
    _, theirs = averaged(torch, AVERAGES[name])
    # PyTorch computes the weight of this one in float32
    close = 1e-7 if name == "swa together" else 1e-10
    assert_equal(ours, theirs, close)
    assert ours.n_averaged.item() == 3
    swa_utils.update_bn(batches(jitgrad), ours)
    torch.optim.swa_utils.update_bn(batches(torch), theirs)
    assert_equal(ours, theirs, close)
    assert ours.module[1].momentum == 0.1


def test_averages_equally():
    model = jitgrad.nn.Linear(2, 1)
    average = swa_utils.AveragedModel(model)
    seen = []
    for value in (1.0, 4.0, -2.0, 5.0):
        jitgrad.nn.init.constant_(model.weight, value)
        average.update_parameters(model)
        seen.append(value)
        assert average.module.weight[0, 0].item() == pytest.approx(np.mean(seen))
    assert model.weight[0, 0].item() == 5.0
    assert not average.module.weight.grad_fn


def test_state_resumes():
    model, average = averaged(jitgrad, AVERAGES["equal"])
    other = swa_utils.AveragedModel(model_of(jitgrad))
    other.load_state_dict(average.state_dict())
    for each in (average, other):
        each.update_parameters(model)
    for mine, again in zip(average.state_dict().values(), other.state_dict().values()):
        assert (mine == again).all()


def test_update_bn_takes_pairs_and_keeps_the_mode():
    model = model_of(jitgrad).eval()
    data = batches(jitgrad)
    swa_utils.update_bn([(each, 0) for each in data], model)
    assert not model.training
    rows = jitgrad.cat([model[0](each) for each in data])
    found = model[1].running_mean.numpy()
    np.testing.assert_allclose(found, rows.mean(0).detach().numpy(), rtol=1e-10)
    swa_utils.update_bn(data, jitgrad.nn.Linear(3, 1))  # nothing to do


@pytest.mark.parametrize(
    "options",
    [
        {"swa_lr": 0.5},
        {"swa_lr": [0.5, 0.01], "anneal_strategy": "linear", "anneal_epochs": 4},
        {"swa_lr": 0.5, "anneal_epochs": 0},
    ],
)
def test_swalr_equals_torch(options):
    torch = pytest.importorskip("torch")
    rates = []
    for library in (jitgrad, torch):
        params = [library.zeros(1, requires_grad=True), library.zeros(1, requires_grad=True)]
        optimizer = library.optim.SGD([{"params": params[:1]}, {"params": params[1:]}], lr=0.1)
        scheduler = library.optim.swa_utils.SWALR(optimizer, **options)
        found = []
        for _ in range(20):
            found.append(scheduler.get_last_lr())
            optimizer.step()
            scheduler.step()
        rates.append(found)
    assert rates[0] == [pytest.approx(each, rel=1e-12) for each in rates[1]]


def test_refuses():
    optimizer = jitgrad.optim.SGD([jitgrad.zeros(1, requires_grad=True)])
    with pytest.raises(ValueError, match="decay"):
        swa_utils.get_ema_multi_avg_fn(1.5)
    with pytest.raises(ValueError, match="decay"):
        swa_utils.get_ema_avg_fn(-0.1)
    with pytest.raises(ValueError, match="anneal_strategy"):
        swa_utils.SWALR(optimizer, 0.1, anneal_strategy="x")
    with pytest.raises(ValueError, match="anneal_epochs"):
        swa_utils.SWALR(optimizer, 0.1, anneal_epochs=-1)
    with pytest.raises(ValueError, match="swa_lr"):
        swa_utils.SWALR(optimizer, [0.1, 0.2])
    with pytest.raises(AssertionError):
        swa_utils.AveragedModel(jitgrad.nn.Linear(1, 1), None, min, max)
