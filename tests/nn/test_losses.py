"""Modules of losses: values, gradients, reductions, reprs, the arguments of old, errors."""

import math
import warnings

import numpy as np
import pytest

import jitgrad
from jitgrad import nn
from jitgrad.nn import functional as F
from tests.nn.both import torch  # noqa: F401 the fixture

# ruff: noqa: F811

draw = np.random.default_rng(0)
X, Y, Z = (draw.normal(size=(4, 3)) for _ in range(3))
SHARES = draw.uniform(0.05, 0.95, (4, 3))
SIGNS = np.where(Y > 0, 1.0, -1.0)
LABELS = np.array([0, 2, 1, 2])
WEIGHT = np.array([0.5, 1.0, 2.0])
IMAGES = draw.normal(size=(2, 3, 2, 2))
PIXELS = draw.integers(0, 3, (2, 2, 2))

CASES = [
    ("L1Loss", {}, (X, Y)),
    ("MSELoss", {}, (X, Y)),
    ("SmoothL1Loss", {"beta": 0.5}, (X, Y)),
    ("SmoothL1Loss", {"beta": 0.0}, (X, Y)),
    ("HuberLoss", {"delta": 0.7}, (X, Y)),
    ("NLLLoss", {"ignore_index": 2}, (X, LABELS)),
    ("NLLLoss", {"weight": WEIGHT}, (IMAGES, PIXELS)),
    ("CrossEntropyLoss", {}, (X, LABELS)),
    ("CrossEntropyLoss", {"weight": WEIGHT, "label_smoothing": 0.1}, (X, LABELS)),
    ("CrossEntropyLoss", {"ignore_index": 2, "label_smoothing": 0.1}, (IMAGES, PIXELS)),
    ("CrossEntropyLoss", {"weight": WEIGHT}, (X, SHARES)),
    ("PoissonNLLLoss", {"full": True}, (X, Y * Y)),
    ("PoissonNLLLoss", {"log_input": False}, (SHARES, Y * Y)),
    ("GaussianNLLLoss", {"full": True}, (X, Y, SHARES)),
    ("KLDivLoss", {}, (X, SHARES)),
    ("KLDivLoss", {"log_target": True}, (X, Y)),
    ("BCELoss", {"weight": WEIGHT}, (SHARES, (Y > 0) * 1.0)),
    ("BCEWithLogitsLoss", {"weight": WEIGHT, "pos_weight": WEIGHT}, (X, (Y > 0) * 1.0)),
    ("HingeEmbeddingLoss", {"margin": 0.3}, (X, SIGNS)),
    ("MultiLabelMarginLoss", {}, (X, np.array([[0, -1, 1], [2, 1, -1], [0, 1, 2], [1, -1, -1]]))),
    ("SoftMarginLoss", {}, (X, SIGNS)),
    ("MultiLabelSoftMarginLoss", {"weight": WEIGHT}, (X, (Y > 0) * 1.0)),
    ("CosineEmbeddingLoss", {"margin": 0.1}, (X, Y, SIGNS[:, 0])),
    ("MarginRankingLoss", {"margin": 0.2}, (X[:, 0], Y[:, 0], SIGNS[:, 0])),
    ("MultiMarginLoss", {"p": 2, "weight": WEIGHT}, (X, LABELS)),
    ("TripletMarginLoss", {"swap": True, "margin": 2.0}, (X, Y, Z)),
    ("TripletMarginWithDistanceLoss", {"margin": 2.0}, (X, Y, Z)),
]
NAMED = [pytest.param(*case, id=f"{case[0]}-{i}") for i, case in enumerate(CASES)]


def made(torch, name, settings, dtype="float64"):
    def tensor(value):
        known = isinstance(value, np.ndarray)
        return torch.tensor(value, dtype=getattr(torch, dtype)) if known else value

    module = getattr(torch.nn, name)
    return module(**{key: tensor(value) for key, value in settings.items()})


def inputs_of(torch, arrays, dtype="float64"):
    kinds = [getattr(torch, dtype) if a.dtype.kind == "f" else torch.int64 for a in arrays]
    return [torch.tensor(a, dtype=kind) for a, kind in zip(arrays, kinds)]


def outcome(torch, name, settings, arrays, dtype):
    module = made(torch, name, settings, dtype)
    first, *rest = inputs_of(torch, arrays, dtype)
    first.requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loss = module(first, *rest)
    (gradient,) = torch.autograd.grad(loss.sum(), first)
    return repr(module), list(module.state_dict()), loss.detach().numpy(), gradient.numpy()


@pytest.mark.parametrize(("name", "settings", "arrays"), NAMED)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_as_torch(name, settings, arrays, reduction, dtype):
    theirs = pytest.importorskip("torch")
    settings = {**settings, "reduction": reduction}
    ours, expected = (outcome(each, name, settings, arrays, dtype) for each in (jitgrad, theirs))
    assert ours[:2] == expected[:2]
    bound = {"float32": 3e-5, "float64": 1e-10}[dtype]
    for one, other in zip(ours[2:], expected[2:]):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, bound, bound)


@pytest.mark.parametrize(("name", "settings", "arrays"), NAMED)
def test_derivatives(name, settings, arrays):
    module = made(jitgrad, name, {**settings, "reduction": "sum"})
    first, *rest = inputs_of(jitgrad, arrays)
    first.requires_grad_()
    assert jitgrad.autograd.gradcheck(lambda x: module(x, *rest), (first,))
    assert jitgrad.autograd.gradgradcheck(lambda x: module(x, *rest), (first,))


@pytest.mark.parametrize("name", ["MSELoss", "L1Loss", "KLDivLoss", "SoftMarginLoss", "BCELoss"])
@pytest.mark.parametrize(
    ("arguments", "reduction"),
    [
        ({"size_average": False}, "sum"),
        ({"size_average": True}, "mean"),
        ({"reduce": False}, "none"),
        ({"reduce": True, "size_average": False}, "sum"),
    ],
)
def test_arguments_of_old(torch, name, arguments, reduction):
    with pytest.warns(UserWarning, match=f"reduction='{reduction}'"):
        module = getattr(torch.nn, name)(**arguments)
    assert module.reduction == reduction


def test_functions_take_the_arguments_of_old(torch):
    F = torch.nn.functional
    x, y = torch.tensor([1.0, 3.0]), torch.tensor([1.0, 1.0])
    with pytest.warns(UserWarning, match="reduction='sum'"):
        assert F.mse_loss(x, y, False).item() == 4.0
    with pytest.warns(UserWarning, match="reduction='none'"):
        assert F.l1_loss(x, y, None, False).tolist() == [0.0, 2.0]
    scores = torch.zeros(2, 2)
    with pytest.warns(UserWarning, match="reduction='sum'"):
        total = F.cross_entropy(scores, torch.tensor([0, 1]), size_average=False)
    assert math.isclose(total.item(), 2 * math.log(2), rel_tol=1e-6)


def test_warnings(torch):
    F = torch.nn.functional
    with pytest.warns(UserWarning, match="target size"):
        F.mse_loss(torch.ones(2, 1), torch.ones(2))
    with pytest.warns(UserWarning, match="batchmean"):
        F.kl_div(torch.zeros(2, 2), torch.ones(2, 2))


def test_means_of_nothing(torch):
    F = torch.nn.functional
    assert F.mse_loss(torch.ones(0), torch.ones(0)).isnan()
    assert F.cross_entropy(torch.ones(0, 3), torch.ones(0, dtype=torch.int64)).isnan()
    ignored = torch.tensor([-100, -100])
    assert F.cross_entropy(torch.ones(2, 3), ignored).isnan()
    assert F.cross_entropy(torch.ones(2, 3), ignored, reduction="sum").item() == 0


def test_extremes(torch):
    F = torch.nn.functional
    far = torch.tensor([[1e4, -1e4], [0.0, 1e30]], requires_grad=True)
    loss = F.cross_entropy(far, torch.tensor([1, 1]), reduction="none")
    assert loss.tolist() == [2e4, 0.0]
    loss.sum().backward()
    assert far.grad.tolist() == [[1.0, -1.0], [0.0, 0.0]]
    logits = torch.tensor([-1e4, 1e4])
    target = torch.tensor([1.0, 0.0])
    each = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    assert each.tolist() == [1e4, 1e4]
    certain = F.binary_cross_entropy(torch.tensor([0.0, 1.0]), target, reduction="none")
    assert certain.tolist() == [100.0, 100.0]
    assert F.mse_loss(torch.tensor([math.nan]), torch.ones(1)).isnan()


def test_errors(torch):
    nn, F = torch.nn, torch.nn.functional
    x, labels = torch.ones(2, 3), torch.tensor([0, 1])
    for wrong in (
        lambda: F.mse_loss(x, x, reduction="batchmean"),
        lambda: F.cross_entropy(x, torch.tensor([0, 1, 2])),
        lambda: F.binary_cross_entropy(x, torch.ones(3)),
        lambda: F.multi_margin_loss(x, labels, p=3),
        lambda: F.triplet_margin_loss(x, x, x, margin=0.0),
        lambda: nn.TripletMarginLoss(margin=0.0),
        lambda: nn.MultiMarginLoss(p=3),
        lambda: F.gaussian_nll_loss(x, x, -x),
    ):
        with pytest.raises(ValueError):
            wrong()
    for wrong in (
        lambda: F.cross_entropy(x, labels.int()),
        lambda: F.cross_entropy(x, labels, label_smoothing=2.0),
        lambda: F.cross_entropy(x, x, ignore_index=1),
        lambda: F.nll_loss(x, labels, torch.ones(2)),
        lambda: F.binary_cross_entropy(2 * x, x),
        lambda: F.smooth_l1_loss(x, x, beta=-1.0),
        lambda: F.huber_loss(x, x, delta=0.0),
    ):
        with pytest.raises(RuntimeError):
            wrong()
    with pytest.raises(IndexError, match="out of bounds"):
        F.cross_entropy(x, torch.tensor([0, 3]))


def test_ctc(torch):
    log_probs = torch.full((3, 2, 3), math.log(1 / 3), dtype=torch.float64)
    targets, times, spans = torch.tensor([[1, 2], [1, 1]]), (3, 3), (2, 2)
    loss = torch.nn.CTCLoss(reduction="none")(log_probs, targets, times, spans)
    # of 27 paths 5 give "12" (112, 122, -12, 1-2, 12-), and only 1-1 gives "11"
    assert np.allclose(loss.exp().numpy(), [27 / 5, 27])
    short = torch.nn.functional.ctc_loss(log_probs, targets, (1, 1), spans, reduction="none")
    assert short.tolist() == [math.inf, math.inf]
    zero = torch.nn.CTCLoss(zero_infinity=True)(log_probs, targets, (1, 3), spans)
    assert math.isclose(zero.item(), math.log(27) / 4)


def test_adaptive_softmax(torch):
    torch.manual_seed(0)
    layer = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 10], div_value=2.0, head_bias=True)
    x, target = torch.randn(6, 8), torch.tensor([0, 3, 4, 9, 10, 19])
    output, loss = layer(x, target)
    every = layer.log_prob(x)
    assert torch.allclose(every.exp().sum(1), torch.ones(6), atol=1e-5)
    assert torch.allclose(output, every.gather(1, target.unsqueeze(1)).squeeze(1), atol=1e-5)
    assert torch.allclose(loss, -output.mean())
    assert layer.predict(x).tolist() == every.argmax(1).tolist()
    single = layer(x[3], target[3])
    assert single.output.shape == ()
    assert torch.allclose(single.output, output[3], atol=1e-5)
    loss.backward()
    assert all(each.grad is not None for each in layer.parameters())
    names = ["head.weight", "head.bias", "tail.0.0.weight", "tail.0.1.weight"]
    assert list(layer.state_dict()) == [*names, "tail.1.0.weight", "tail.1.1.weight"]
    with pytest.raises(RuntimeError, match="Target values"):
        layer(x, target + 1)
    with pytest.raises(RuntimeError, match="batch dimension"):
        layer(x, target[:2])
    for cutoffs in ([], [4, 4], [10, 4], [0], [20]):
        with pytest.raises(ValueError, match="cutoffs"):
            torch.nn.AdaptiveLogSoftmaxWithLoss(8, 20, cutoffs)


def test_distance_of_ones_own(torch):
    def taxi(a, b):
        return (a - b).abs().sum(-1)

    loss = torch.nn.TripletMarginWithDistanceLoss(distance_function=taxi, margin=0.5)
    a, b = torch.zeros(1, 2), torch.ones(1, 2)
    assert loss(a, b, a).item() == 2.5


def test_stored_figures():
    """Figures that follow from the definitions, for where PyTorch is not installed."""
    F = jitgrad.nn.functional
    scores, labels = jitgrad.tensor([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]]), jitgrad.tensor([2, 0])
    found = F.cross_entropy(scores, labels, label_smoothing=0.3, reduction="none")
    # log(e + e^2 + e^3) is 3.407606, log(3 e) is 2.098612
    logs = np.array([[-2.407606, -1.407606, -0.407606], [-1.098612] * 3])
    expected = -0.7 * logs[[0, 1], [2, 0]] - 0.1 * logs.sum(1)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("out_features", [(), (2, 3)])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_linear_cross_entropy_is_that_of_both(bias, out_features, reduction):
    jitgrad.manual_seed(0)
    x = jitgrad.randn(5, 4, dtype=jitgrad.float64, requires_grad=True)
    target = jitgrad.randint(0, 3, (5, *out_features))
    target[0] = 1
    loss = nn.LinearCrossEntropyLoss(
        4,
        3,
        out_features=out_features,
        bias=bias,
        dtype=jitgrad.float64,
        reduction=reduction,
        ignore_index=1,
        label_smoothing=0.1,
        weight=jitgrad.tensor([1.0, 2.0, 0.5], dtype=jitgrad.float64),
    )
    found = loss(x, target)
    logits = loss.linear(x).reshape(5, 3, *out_features)
    expected = F.cross_entropy(
        logits, target, loss.weight, ignore_index=1, reduction=reduction, label_smoothing=0.1
    )
    assert jitgrad.allclose(found, expected)
    ours = jitgrad.autograd.grad(found.sum(), [x, loss.linear.weight], retain_graph=True)
    theirs = jitgrad.autograd.grad(expected.sum(), [x, loss.linear.weight])
    for one, other in zip(ours, theirs):
        assert jitgrad.allclose(one, other)


def test_linear_cross_entropy_refuses():
    w = jitgrad.zeros(3, 4)
    labels = jitgrad.tensor([0, 1])
    for wrong in (jitgrad.zeros(2, 5), jitgrad.zeros(2, 2, 4)):
        with pytest.raises(RuntimeError, match="linear_cross_entropy"):
            F.linear_cross_entropy(wrong, w, labels)
    with pytest.raises(RuntimeError, match="linear_bias has the shape"):
        F.linear_cross_entropy(jitgrad.zeros(2, 4), w, labels, linear_bias=jitgrad.zeros(2))
    with pytest.raises(RuntimeError, match="probabilities"):
        F.linear_cross_entropy(jitgrad.zeros(2, 4), w, jitgrad.zeros(2, 3), ignore_index=1)
    with pytest.raises(RuntimeError, match="requires batched input"):
        F.linear_cross_entropy(jitgrad.zeros(4), jitgrad.zeros(3, 2, 4), labels)
    with pytest.raises(NotImplementedError, match="options"):
        F.linear_cross_entropy(jitgrad.zeros(2, 4), w, labels, options=1)
    with pytest.raises(RuntimeError, match="label_smoothing"):
        nn.LinearCrossEntropyLoss(4, 3, label_smoothing=2.0)
    with pytest.raises(RuntimeError, match="weight shape"):
        nn.LinearCrossEntropyLoss(4, 3, weight=jitgrad.zeros(2))


def test_linear_cross_entropy_is_torchs():
    torch = pytest.importorskip("torch")
    if not hasattr(torch.nn, "LinearCrossEntropyLoss"):
        pytest.skip("this PyTorch has none yet")
    theirs = torch.nn.LinearCrossEntropyLoss(4, 3, bias=True, label_smoothing=0.2)
    ours = nn.LinearCrossEntropyLoss(4, 3, bias=True, label_smoothing=0.2)
    ours.load_state_dict({k: jitgrad.tensor(v.numpy()) for k, v in theirs.state_dict().items()})
    x, labels = np.linspace(-1, 1, 20, dtype="float32").reshape(5, 4), np.array([0, 1, 2, 1, 0])
    found = ours(jitgrad.tensor(x), jitgrad.tensor(labels))
    assert found.item() == pytest.approx(theirs(torch.tensor(x), torch.tensor(labels)).item())
    assert repr(ours) == repr(theirs)


def test_the_loss_of_images_has_another_name_now():
    with pytest.warns(FutureWarning, match="NLLLoss2d"):
        loss = nn.NLLLoss2d()
    assert isinstance(loss, nn.NLLLoss)
