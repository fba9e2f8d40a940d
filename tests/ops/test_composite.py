"""Softmax, losses, normalisation and look-ups against PyTorch."""

from typing import Any

import numpy as np
import pytest

import jitgrad
from jitgrad.modes import state
from tests.ops.against_torch import array, compare, compare_error

INF = float("inf")


def f(library: Any) -> Any:
    return library.nn.functional


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax(name: str) -> None:
    for dim in (0, 1, -1):
        compare(lambda t, x, d=dim: getattr(t, name)(x, d), array(3, 4))
        compare(lambda t, x, d=dim: getattr(x, name)(d), array(3, 4, 2) * 500)
    compare(lambda t, x: getattr(t, name)(x, dim=0), np.array(2.0))
    compare(lambda t, x: getattr(t, name)(x, 1), array(3, 4, dtype="float32"))
    compare(lambda t, x: getattr(t, name)(x, 1), array(3, 4, dtype="float16"), grad=False)
    compare(lambda t, x: getattr(t, name)(x, 1, dtype=t.float64), array(3, 4, dtype="float32"))
    compare(lambda t, x: getattr(t, name)(x, 0, dtype=t.float32), np.array([1, 2]))
    for shape in ((0, 3), (3, 0)):
        compare(lambda t, x: getattr(t, name)(x, 1), np.zeros(shape))
        compare(lambda t, x: getattr(t, name)(x, 0), np.zeros(shape))
    compare(lambda t, x: getattr(f(t), name)(x, dim=0), array(3))


def test_softmax_of_infinities() -> None:
    x = np.array([[-INF, 0.0, 1.0], [INF, 0.0, 1.0], [-INF, -INF, -INF]])
    compare(lambda t, x: t.softmax(x, 1), x[:1])
    compare(lambda t, x: t.softmax(x, 1), x, grad=False)
    compare(lambda t, x: t.log_softmax(x, 1), x, grad=False)
    compare(lambda t, x: t.log_softmax(x, 1)[:, 1:], x[:1])


def test_softmin() -> None:
    compare(lambda t, x: f(t).softmin(x, dim=1), array(3, 4))


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3), (4,)])
def test_cross_entropy(reduction: str, smoothing: float, weighted: bool, shape: tuple) -> None:
    labels = np.random.default_rng(1).integers(0, 4, (*shape[:1], *shape[2:]) if shape[1:] else ())
    weight = np.abs(array(4, seed=2)) if weighted else None
    options: dict = {"reduction": reduction, "label_smoothing": smoothing}

    def loss(t: Any, x: Any, labels: Any) -> Any:
        given = None if weight is None else t.tensor(weight)
        return f(t).cross_entropy(x, labels, weight=given, **options)

    compare(loss, array(*shape), np.asarray(labels))
    if shape[1:]:
        ignored = np.where(labels == 1, -100, labels)
        compare(loss, array(*shape), ignored)
    soft = np.abs(array(*shape, seed=4))
    compare(loss, array(*shape), soft)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_nll_loss(reduction: str) -> None:
    labels = np.array([0, 2, 1])

    def loss(t: Any, x: Any, labels: Any) -> Any:
        return f(t).nll_loss(x, labels, ignore_index=2, reduction=reduction)

    compare(loss, array(3, 4), labels)


@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_losses(reduction: str) -> None:
    x, y = array(3, 4), array(3, 4, seed=1)
    for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"):
        compare(lambda t, x, y, n=name: getattr(f(t), n)(x, y, reduction=reduction), x, y)
    compare(lambda t, x, y: f(t).smooth_l1_loss(x, y, beta=0.3, reduction=reduction), x, y)
    compare(lambda t, x, y: f(t).huber_loss(x, y, delta=0.3, reduction=reduction), x, y)
    p, q = 1 / (1 + np.exp(-x)), 1 / (1 + np.exp(-y))
    compare(lambda t, p, q: f(t).binary_cross_entropy(p, q, reduction=reduction), p, q)
    compare(lambda t, p: f(t).kl_div(p.log(), p * 0 + 0.25, reduction=reduction), p)
    compare(lambda t, p, q: f(t).kl_div(p.log(), q, reduction="batchmean"), p, q)
    compare(lambda t, x, y: f(t).kl_div(x, y, reduction="sum", log_target=True), x, y)

    def logits(t: Any, x: Any, q: Any) -> Any:
        weight = t.tensor([0.5, 1.0, 2.0, 3.0], dtype=t.float64)
        return f(t).binary_cross_entropy_with_logits(x, q, reduction=reduction, pos_weight=weight)

    compare(logits, x, q)


def test_losses_at_their_edges() -> None:
    x = np.array([0.0, 1.0, 0.0, 1.0])
    y = np.array([0.0, 1.0, 1.0, 0.0])
    compare(lambda t, x: f(t).binary_cross_entropy(x, t.tensor(y)), x)
    compare(lambda t, x: f(t).binary_cross_entropy_with_logits(x * 0, t.tensor(y)), x)
    compare(lambda t, x: f(t).logsigmoid(x * 1000 - 500), x)
    compare(lambda t, x: f(t).logsigmoid(x * 0), x)
    compare(lambda t, x: f(t).kl_div(x, t.tensor([0.0, 0.5, 0.5, 0.0]), reduction="sum"), x)
    for library in (jitgrad, pytest.importorskip("torch")):
        with pytest.warns(UserWarning, match="target size"):
            f(library).mse_loss(library.ones(2, 1), library.ones(2))


def test_normalisation() -> None:
    x = array(3, 4, 5)
    w, b = array(4, 5, seed=1), array(4, 5, seed=2)
    compare(lambda t, x, w, b: f(t).layer_norm(x, (4, 5), w, b), x, w, b)
    compare(lambda t, x: f(t).layer_norm(x, (5,), eps=1e-3), x)
    compare(lambda t, x: f(t).layer_norm(x, [5]), array(3, 5, dtype="float16"), grad=False)
    compare(lambda t, x: f(t).normalize(x), x)
    compare(lambda t, x: f(t).normalize(x, p=1, dim=2), x)
    compare(lambda t, x: f(t).normalize(x * 0), x)
    compare(lambda t, x: f(t).cosine_similarity(x, x.flip(0)), x)
    compare(lambda t, x: t.cosine_similarity(x, x[:1], dim=-1), x)


def test_linear() -> None:
    x, w, b = array(2, 3, 4), array(5, 4, seed=1), array(5, seed=2)
    compare(lambda t, x, w, b: f(t).linear(x, w, b), x, w, b)
    compare(lambda t, x, w, b: f(t).linear(x[0], w, b), x, w, b)
    compare(lambda t, x, w: f(t).linear(x[0, 0], w), x, w)
    compare(lambda t, x, w: f(t).linear(x, w[0]), x, w)


def test_look_ups() -> None:
    index = np.array([[0, 2, 2], [1, 0, 2]])
    compare(lambda t, i: f(t).one_hot(i), index)
    compare(lambda t, i: f(t).one_hot(i, num_classes=5), index)
    compare(lambda t, i, w: f(t).embedding(i, w), index, array(4, 3))
    compare(lambda t, i, w: f(t).embedding(i, w, padding_idx=2), index, array(4, 3))


def test_dropout() -> None:
    drop = jitgrad.nn.functional.dropout
    x = jitgrad.ones(10000, requires_grad=True)
    y = drop(x, 0.25)
    y.sum().backward()
    assert set(y.unique().tolist()) == {0.0, jitgrad.tensor(1 / 0.75).item()}
    assert 0.72 < (y != 0).float().mean().item() < 0.78
    assert x.grad is not None and (x.grad == y).all()
    assert drop(x, 0.5, training=False) is x
    assert (drop(x, 1.0) == 0).all()
    z = jitgrad.ones(5)
    assert drop(z, 1.0, inplace=True) is z and (z == 0).all()


def test_errors() -> None:
    for wrong in (
        lambda t: t.softmax(t.tensor([1, 2]), 0),
        lambda t: t.softmax(t.ones(2), 1),
        lambda t: f(t).cross_entropy(t.ones(2, 3), t.tensor([0, 3])),
        lambda t: f(t).cross_entropy(t.ones(2, 3), t.tensor([0, 1, 2])),
        lambda t: f(t).cross_entropy(t.ones(2, 3), t.tensor([0, 1], dtype=t.int32)),
        lambda t: f(t).cross_entropy(t.ones(2, 3), t.tensor([0, 1]), reduction="max"),
        lambda t: f(t).mse_loss(t.ones(2), t.ones(2), reduction="max"),
        lambda t: f(t).nll_loss(t.ones(2, 3, 2), t.ones(2, dtype=t.int64)),
        lambda t: f(t).binary_cross_entropy(t.ones(2), t.ones(3)),
        lambda t: f(t).binary_cross_entropy_with_logits(t.ones(2), t.ones(3)),
        lambda t: f(t).huber_loss(t.ones(2), t.ones(2), delta=0),
        lambda t: f(t).layer_norm(t.ones(2, 3), (2,)),
        lambda t: f(t).one_hot(t.tensor([1, 5]), 3),
        lambda t: f(t).one_hot(t.tensor([1.0])),
        lambda t: f(t).embedding(t.tensor([5]), t.ones(2, 3)),
        lambda t: f(t).dropout(t.ones(2), 1.5),
    ):
        compare_error(wrong)


class _Silent:
    """A recorder that notes nothing: while there is one, composites take their parts."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


@pytest.mark.parametrize(
    "function",
    [
        lambda t, x: t.softmax(x, 1),
        lambda t, x: t.log_softmax(x, 0),
        lambda t, x: f(t).cross_entropy(x, t.arange(3)),
        lambda t, x: x.norm(2, 1),
        lambda t, x: (x * 0).norm(),
        lambda t, x: x.var(1),
        lambda t, x: x.std(0, keepdim=True),
        lambda t, x: t.dot(x[0], x[1]),
        lambda t, x: t.linalg.norm(x),
    ],
)
def test_parts_agree_with_the_whole(function: Any) -> None:
    x = array(3, 4)
    compare(function, x)
    results = []
    for recorder in (None, _Silent()):
        leaf = jitgrad.tensor(x, requires_grad=True)
        state.recorder = recorder  # type: ignore[assignment]
        try:
            y = function(jitgrad, leaf)
        finally:
            state.recorder = None
        (first,) = jitgrad.autograd.grad(y.sin().sum(), leaf, create_graph=True)
        results.append((y, first, *jitgrad.autograd.grad(first.sin().sum(), leaf)))
    for whole, parts in zip(*results):
        np.testing.assert_allclose(whole.detach().numpy(), parts.detach().numpy(), atol=1e-12)
