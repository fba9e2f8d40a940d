"""Training steps of normalisations, losses, embeddings and dropout: compiled as eagerly."""

import copy

import numpy as np
import pytest

import jitgrad as torch
from jitgrad import nn
from jitgrad.nn import functional as F

draw = np.random.default_rng(0)
IMAGES = torch.tensor(draw.normal(size=(6, 3, 4, 4)), dtype=torch.float32)
ROWS = torch.tensor(draw.normal(size=(6, 8)), dtype=torch.float32)
LABELS = torch.tensor([0, 3, 1, 2, 3, 0])


def train(network, inputs, labels, criterion, parameters):
    loss = criterion(network(inputs), labels)
    loss.backward()
    with torch.no_grad():
        for each in parameters:
            each -= 0.1 * each.grad
            each.grad.zero_()
    return loss


def history(step, network, inputs, labels, criterion):
    """Return the losses of five steps, and all that the network holds in the end."""
    torch.manual_seed(3)
    parameters = list(network.parameters())
    losses = [step(network, inputs, labels, criterion, parameters).item() for _ in range(5)]
    return losses, {name: each.numpy().copy() for name, each in network.state_dict().items()}


def same(network, inputs, labels, criterion, is_whole=True):
    compiled = torch.compile(train)
    expected = history(train, copy.deepcopy(network), inputs, labels, criterion)
    found = history(compiled, copy.deepcopy(network), inputs, labels, criterion)
    np.testing.assert_allclose(found[0], expected[0], 1e-5)
    for name, each in expected[1].items():
        np.testing.assert_allclose(found[1][name], each, 1e-4, 1e-5, err_msg=name)
    assert (not compiled.explain().exits) == is_whole
    assert expected[0][-1] != expected[0][0]


CLASSES = nn.CrossEntropyLoss(label_smoothing=0.1, ignore_index=2)


@pytest.mark.parametrize("momentum", [0.1, None])
def test_batch_norm(momentum):
    network = nn.Sequential(nn.BatchNorm2d(3, momentum=momentum), nn.ReLU(), nn.Flatten())
    network.append(nn.Linear(48, 4))
    same(network, IMAGES, LABELS, CLASSES)


def test_instance_and_group_norm():
    network = nn.Sequential(
        nn.InstanceNorm2d(3, affine=True, track_running_stats=True),
        nn.GroupNorm(3, 3),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(48, 4),
    )
    same(network, IMAGES, LABELS, CLASSES)


def test_layer_norm_and_gelu():
    network = nn.Sequential(nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 4), nn.RMSNorm(4))
    same(network, ROWS, LABELS, CLASSES)


@pytest.mark.parametrize("p", [0.25, 0.5])
def test_dropout_takes_the_stream_of_eager(p):
    network = nn.Sequential(nn.Linear(8, 8), nn.Dropout(p), nn.ELU(), nn.Linear(8, 4))
    same(network, ROWS, LABELS, CLASSES)


def test_channels_dropped():
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout2d(0.5), nn.Flatten(), nn.Linear(48, 4))
    same(network, IMAGES, LABELS, CLASSES)


def test_alpha_dropout():
    network = nn.Sequential(nn.Linear(8, 8), nn.SELU(), nn.AlphaDropout(0.25), nn.Linear(8, 4))
    same(network, ROWS, LABELS, CLASSES)


def test_embedding():
    words = torch.tensor([[0, 1, 1], [2, 3, 0], [4, 4, 4], [0, 1, 2], [3, 3, 0], [1, 2, 4]])
    network = nn.Sequential(nn.Embedding(5, 8, padding_idx=0), nn.Flatten(), nn.Linear(24, 4))
    same(network, words, LABELS, CLASSES)
    network[0] = nn.Embedding(5, 8, scale_grad_by_freq=True)
    same(network, words, LABELS, CLASSES)
    # rows are looked up behind a write: that goes on in Python
    network[0] = nn.Embedding(5, 8, max_norm=1.0)
    same(network, words, LABELS, CLASSES, is_whole=False)


@pytest.mark.parametrize(
    "criterion",
    [nn.MSELoss(), nn.SmoothL1Loss(beta=0.5), nn.HuberLoss(delta=0.5), nn.BCEWithLogitsLoss()],
    ids=repr,
)
def test_losses(criterion):
    target = torch.tensor(draw.uniform(size=(6, 4)), dtype=torch.float32)
    same(nn.Sequential(nn.Linear(8, 4), nn.LeakyReLU(0.1)), ROWS, target, criterion)


def test_modes_are_noticed():
    """A module that is switched between training and use takes the way of its mode."""
    network = nn.Sequential(nn.BatchNorm1d(8), nn.Dropout(0.5))
    compiled = torch.compile(lambda x: network(x))
    for turn in range(6):
        network.train(turn % 2 == 0)
        torch.manual_seed(turn)
        other = copy.deepcopy(network)
        expected = other(ROWS)
        torch.manual_seed(turn)
        found = compiled(ROWS)
        np.testing.assert_allclose(found.detach().numpy(), expected.detach().numpy(), 1e-5, 1e-6)
        for one, two in zip(network.buffers(), other.buffers()):
            np.testing.assert_allclose(one.numpy(), two.numpy(), 1e-5)


def test_functions_in_use():
    compiled = torch.compile(
        lambda x, mean, variance: F.gelu(F.batch_norm(x, mean, variance)).softmax(1)
    )
    mean, variance = ROWS.mean(0), ROWS.var(0)
    for _ in range(3):
        expected = F.gelu(F.batch_norm(ROWS, mean, variance)).softmax(1)
        found = compiled(ROWS, mean, variance)
        np.testing.assert_allclose(found.numpy(), expected.numpy(), 1e-5, 1e-6)
    assert not compiled.explain().exits
