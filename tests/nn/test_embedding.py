"""Embeddings and bags of them: values, gradients, paddings, norms, states, reprs, errors."""

import numpy as np
import pytest

import jitgrad
from tests.nn.both import torch  # noqa: F401 the fixture

# ruff: noqa: F811

TABLE = np.random.default_rng(0).normal(size=(6, 3))
WORDS = np.array([[0, 2, 2], [5, 1, 2]])


def table(torch, kind="Embedding", **settings):
    module = getattr(torch.nn, kind)(6, 3, **settings).double()
    with torch.no_grad():
        module.weight.copy_(torch.tensor(TABLE))
    return module


SETTINGS = [
    {},
    {"padding_idx": 2},
    {"padding_idx": -1},
    {"scale_grad_by_freq": True},
    {"padding_idx": 2, "scale_grad_by_freq": True},
    {"max_norm": 1.0},
    {"max_norm": 0.5, "norm_type": 1.0, "padding_idx": 0},
]
BAGS = [
    {"mode": "mean"},
    {"mode": "sum"},
    {"mode": "max"},
    {"mode": "sum", "padding_idx": 2},
    {"mode": "mean", "padding_idx": 2},
    {"mode": "max", "padding_idx": 2},
    {"mode": "mean", "max_norm": 1.0},
]


def outcome(torch, kind, settings, *arguments):
    module = table(torch, kind, **settings)
    out = module(*(torch.tensor(each) for each in arguments))
    weights = torch.tensor(np.cos(np.arange(out.numel())), dtype=out.dtype).reshape(out.shape)
    (out * weights).sum().backward()
    tensors = (out, module.weight.grad, module.weight)
    return repr(module), [each.detach().numpy() for each in tensors]


def same(kind, settings, *arguments):
    theirs = pytest.importorskip("torch")
    ours, expected = (outcome(each, kind, settings, *arguments) for each in (jitgrad, theirs))
    assert ours[0] == expected[0]
    for one, other in zip(ours[1], expected[1]):
        np.testing.assert_allclose(one, other, 1e-6, 1e-6)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("words", [WORDS, WORDS.astype(np.int32), np.array(2)], ids=["", "32", "0"])
def test_embedding_as_torch(settings, words):
    same("Embedding", settings, words)


@pytest.mark.parametrize("settings", BAGS, ids=str)
def test_bags_as_torch(settings):
    same("EmbeddingBag", settings, WORDS)
    same("EmbeddingBag", settings, WORDS.reshape(-1), np.array([0, 1, 1, 4]))
    ends = {**settings, "include_last_offset": True}
    same("EmbeddingBag", ends, WORDS.reshape(-1), np.array([0, 2, 6]))


def test_second_derivatives():
    F = jitgrad.nn.functional
    words = jitgrad.tensor(WORDS)
    weight = jitgrad.tensor(TABLE, requires_grad=True)
    factors = jitgrad.tensor(np.random.default_rng(1).normal(size=(2, 3)), requires_grad=True)

    def bag(weight, factors):
        return F.embedding_bag(words, weight, mode="sum", per_sample_weights=factors)

    for function, leaves in (
        (lambda weight: F.embedding(words, weight) ** 2, (weight,)),
        (lambda weight: F.embedding_bag(words, weight, mode="max") ** 2, (weight,)),
        (bag, (weight, factors)),
    ):
        assert jitgrad.autograd.gradcheck(function, leaves)
        assert jitgrad.autograd.gradgradcheck(function, leaves)


def test_start(torch):
    torch.manual_seed(0)
    module = torch.nn.Embedding(400, 50, padding_idx=-3)
    assert module.padding_idx == 397
    assert module.weight[397].tolist() == [0.0] * 50
    values = module.weight.detach()
    assert abs(values.mean().item()) < 0.02
    assert abs(values.std().item() - 1) < 0.02
    assert list(module.state_dict()) == ["weight"]
    assert repr(module) == "Embedding(400, 50, padding_idx=397)"


def test_from_pretrained(torch):
    rows = torch.eye(3)
    module = torch.nn.Embedding.from_pretrained(rows)
    assert not module.weight.requires_grad
    assert module(torch.tensor([2])).tolist() == [[0.0, 0.0, 1.0]]
    free = torch.nn.Embedding.from_pretrained(rows, freeze=False, padding_idx=1)
    assert free.weight.requires_grad
    assert free.padding_idx == 1
    # the memory is shared
    with torch.no_grad():
        rows[0, 0] = 7.0
    assert module.weight[0, 0].item() == 7.0
    bag = torch.nn.EmbeddingBag.from_pretrained(rows, mode="sum")
    assert bag(torch.tensor([[0, 2]])).tolist() == [[7.0, 0.0, 1.0]]


def test_empty(torch):
    module = torch.nn.Embedding(4, 2)
    assert module(torch.ones(0, dtype=torch.int64)).shape == (0, 2)
    assert module(torch.ones(3, 0, dtype=torch.int64)).shape == (3, 0, 2)
    bag = torch.nn.EmbeddingBag(4, 2)
    empty = bag(torch.ones(0, dtype=torch.int64), torch.tensor([0, 0]))
    assert empty.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_errors(torch):
    nn = torch.nn
    words = torch.tensor([0, 4])
    with pytest.raises(IndexError, match="out of range"):
        nn.Embedding(4, 2)(words)
    with pytest.raises(AssertionError, match="adding_idx"):
        nn.Embedding(4, 2, padding_idx=4)
    with pytest.raises(AssertionError, match="Shape of weight"):
        nn.Embedding(4, 2, _weight=torch.ones(2, 2))
    with pytest.raises(AssertionError, match="2-dimensional"):
        nn.Embedding.from_pretrained(torch.ones(2))
    with pytest.raises(RuntimeError):
        nn.Embedding(4, 2)(torch.ones(2))
    with pytest.raises(ValueError, match="mode"):
        torch.nn.functional.embedding_bag(words.reshape(1, 2), torch.ones(5, 2), mode="min")
    with pytest.raises(ValueError, match="offsets"):
        nn.EmbeddingBag(5, 2)(words)
    with pytest.raises(ValueError, match="offsets"):
        nn.EmbeddingBag(5, 2)(words.reshape(1, 2), torch.tensor([0]))


def test_sparse_gradients_are_refused():
    module = jitgrad.nn.Embedding(4, 2, sparse=True)
    assert repr(module) == "Embedding(4, 2, sparse=True)"
    with pytest.raises(NotImplementedError, match="sparse=False"):
        module(jitgrad.tensor([1]))
