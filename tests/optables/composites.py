"""Activations, normalisations and losses: `nn.functional` and its kin."""

import math
from typing import Any

import numpy as np

from tests.opinfo import SHAPES, A, I, Op, S, kink, op, ours, unseen, wrong
from tests.optables.pointwise import TIES, unary

_erf = np.vectorize(math.erf, otypes=[float])


def _softmax(x: Any, dim: int) -> Any:
    if not np.ndim(x):
        return np.ones_like(x)
    powers = np.exp(x - np.max(x, dim, keepdims=True, initial=-np.inf))
    return powers / np.sum(powers, dim, keepdims=True)


def functional(name: str, reference: Any, *extra: Any, **settings: Any) -> Op:
    """Return the line of an activation of `nn.functional`."""
    samples = [S(A(*shape)) for shape in SHAPES]
    settings.setdefault("rounding", 4)
    return op(f"nn.functional.{name}", *samples, *extra, reference=reference, **settings)


ACTIVATIONS = (
    functional("relu", lambda x: np.maximum(x, 0), kink(TIES)),
    functional("sigmoid", lambda x: 1 / (1 + np.exp(-x))),
    functional("gelu", lambda x: 0.5 * x * (1 + _erf(x / np.sqrt(2))), rounding=8),
    op(
        "nn.functional.gelu",
        S(A(2, 3), approximate="tanh"),
        S(A(), approximate="tanh"),
        rounding=8,
        variant="tanh",
        errors=(wrong(RuntimeError, A(3), approximate="no"),),
    ),
    functional("silu", lambda x: x / (1 + np.exp(-x)), kink(TIES)),
    functional("mish", lambda x: x * np.tanh(np.log1p(np.exp(x)))),
    functional(
        "elu",
        lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(x)),
        S(A(3), 0.5),
        kink(TIES),
    ),
    functional("selu", None),
    functional(
        "celu", lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(x / alpha)), S(A(3), 0.5)
    ),
    functional(
        "leaky_relu", lambda x, slope=0.01: np.where(x > 0, x, slope * x), S(A(3), 0.2), kink(TIES)
    ),
    functional(
        "relu6", lambda x: np.clip(x, 0, 6), S(A(5, low=-9, high=9)), kink(np.array([0.0, 6.0]))
    ),
    functional(
        "hardtanh",
        lambda x, low=-1.0, high=1.0: np.clip(x, low, high),
        S(A(3), -0.5, 0.5),
        kink(TIES),
    ),
    # torch's derivatives use 1/6 as a float32
    op(
        "nn.functional.hardsigmoid",
        ours(S(A(5, low=-9, high=9))),
        ours(S(A())),
        reference=lambda x: np.clip(x / 6 + 0.5, 0, 1),
        rounding=4,
    ),
    functional("hardswish", lambda x: x * np.clip(x / 6 + 0.5, 0, 1), S(A(5, low=-9, high=9))),
    functional(
        "softplus",
        lambda x, beta=1.0: np.where(beta * x > 20, x, np.log1p(np.exp(beta * x)) / beta),
        S(A(3), 2.0),
        S(A(5, low=-60, high=60)),
    ),
    functional("softsign", lambda x: x / (1 + np.abs(x))),
    functional("tanhshrink", lambda x: x - np.tanh(x)),
    functional("logsigmoid", lambda x: -np.log1p(np.exp(-x)), kink(np.array([-200.0, 0.0, 200.0]))),
    op(
        "nn.functional.threshold",
        S(A(2, 3), 0.5, 1.0),
        S(A(), 0.0, 2.0),
        kink(TIES, 1.0, 0.0),
        reference=lambda x, t, v: np.where(x > t, x, v),
    ),
    unary("erfinv", None, -0.9, 0.9, special=False, kinds="f", rounding=16),
    unary("digamma", None, 0.4, 3, special=False, kinds="f", order=1, rounding=2048),
    # torch is wrong by 1e-9
    op(
        "polygamma",
        S(1, A(3, low=0.5, high=3)),
        S(2, A(3, low=0.5, high=3)),
        order=1,
        rounding=2048,
    ),
    unary("logit", lambda x: np.log(x / (1 - x)), 0.1, 0.9, special=False, kinds="f", rounding=8),
    op(
        "logit",
        S(A(3, low=0.1, high=0.9), 0.2),
        kink(np.array([0.0, 1.0, 0.5]), 0.1),
        rounding=8,
        variant="eps",
    ),
    op("heaviside", S(A(3), A(3)), kink(TIES, np.array(0.5)), reference=np.heaviside, order=0),
    op("ldexp", S(A(2, 3), I(3)), rounding=2, reference=lambda x, n: x * 2.0**n),
)

NORMALISED = (
    op(
        "softmax",
        S(A(2, 3), 1),
        S(A(2, 3), 0),
        S(A(), 0),
        S(A(0, 3), 1),
        S(A(2, 3), -1),
        kink(np.array([1e4, -1e4, 0.0]), 0),
        S(A(2, 3), dim=1, dtype="float64"),
        reference=lambda x, dim, dtype=None: _softmax(x, dim),
        rounding=4,
        errors=(wrong(IndexError, A(2), 1),),
    ),
    op(
        "log_softmax",
        S(A(2, 3), 1),
        S(A(2, 3), 0),
        S(A(), 0),
        S(A(0, 3), 1),
        kink(np.array([1e4, -1e4, 0.0]), 0),
        reference=lambda x, dim: (
            x
            - np.log(np.sum(np.exp(x - np.max(x, dim, keepdims=True)), dim, keepdims=True))
            - np.max(x, dim, keepdims=True)
            if np.ndim(x) and x.size
            else x * 0
        ),
        rounding=4,
    ),
    op(
        "nn.functional.softmin",
        S(A(2, 3), 1),
        reference=lambda x, dim: _softmax(-x, dim),
        rounding=4,
    ),
    op(
        "nn.functional.normalize",
        S(A(2, 3)),
        S(A(2, 3), 1.0, 0),
        S(A(3), dim=0),
        kink(np.zeros((2, 2))),
        rounding=8,
    ),
    op(
        "cosine_similarity",
        S(A(2, 3), A(2, 3)),
        S(A(3), A(2, 3), dim=1),
        S(A(2, 1, 3), A(4, 3), dim=-1),
        S(A(2, 1, 3), A(4, 3), dim=-1),
        S(A(3), A(3), dim=0),
        rounding=8,
    ),
    op(
        "nn.functional.layer_norm",
        S(A(2, 3), (3,)),
        S(A(2, 3), (2, 3)),
        S(A(2, 3), (3,), A(3), A(3)),
        rounding=64,
        errors=(wrong(RuntimeError, A(2, 3), (2,)),),
    ),
    op(
        "nn.functional.linear",
        S(A(2, 3), A(4, 3)),
        S(A(2, 3), A(4, 3), A(4)),
        S(A(3), A(4, 3), A(4)),
        S(A(2, 2, 3), A(4, 3)),
        rounding=8,
        reference=lambda x, w, b=0.0: x @ w.T + b,
        errors=(wrong(RuntimeError, A(2, 3), A(4, 2)),),
    ),
    op(
        "nn.functional.embedding",
        S(I(2, 3, below=4), A(4, 2)),
        kink(I(3, below=4), A(4, 2), padding_idx=1),
        reference=lambda i, w, padding_idx=None: w[i],
        errors=(wrong(IndexError, np.array([4]), A(4, 2)),),
    ),
    op(
        "nn.functional.one_hot",
        S(I(3, below=4)),
        S(I(2, 2), 4),
        order=0,
        layouts=False,
        reference=None,
        errors=(wrong(RuntimeError, np.array([4]), 3),),
    ),
    op(
        "nn.functional.dropout",
        S(A(2, 3), 0.5, False),
        S(A(3), 0.0),
        unseen(A(3), 0.5),
        order=2,
        errors=(wrong(ValueError, A(3), 1.5),),
    ),
)


def loss(name: str, *samples: Any, **settings: Any) -> Op:
    """Return the line of a loss with `reduction`."""
    return op(f"nn.functional.{name}", *samples, rounding=8, **settings)


def reductions(*args: Any, **kwargs: Any) -> tuple:
    """Return the same sample with every reduction."""
    return tuple(S(*args, reduction=each, **kwargs) for each in ("mean", "sum", "none"))


BAD = (wrong(ValueError, A(3), A(3), reduction="all", match="reduction"),)
PROBABILITIES = A(2, 3, low=0.1, high=0.9)

LOSSES = (
    loss("mse_loss", *reductions(A(2, 3), A(2, 3)), S(A(2, 3), A(2, 3)), errors=BAD),
    loss("l1_loss", *reductions(A(2, 3), A(2, 3)), errors=BAD),
    loss("smooth_l1_loss", *reductions(A(2, 3), A(2, 3)), S(A(3), A(3), beta=0.5)),
    loss("huber_loss", *reductions(A(2, 3), A(2, 3)), S(A(3), A(3), delta=0.5)),
    loss(
        "binary_cross_entropy",
        *reductions(PROBABILITIES, A(2, 3, low=0.1, high=0.9)),
        ours(S(PROBABILITIES, A(2, 3, low=0.1, high=0.9), A(2, 3, low=0.1, high=0.9))),
        errors=(wrong(ValueError, A(2, low=0, high=1), A(3, low=0, high=1)),),
    ),
    loss(
        "binary_cross_entropy_with_logits",
        *reductions(A(2, 3), A(2, 3, low=0.1, high=0.9)),
        ours(S(A(2, 3), A(2, 3, low=0.1, high=0.9), pos_weight=A(3, low=0.5, high=2))),
    ),
    loss(
        "kl_div",
        S(A(2, 3), PROBABILITIES, reduction="sum"),
        S(A(2, 3), PROBABILITIES, reduction="none"),
        S(A(2, 3), PROBABILITIES, reduction="batchmean"),
        S(A(2, 3), A(2, 3), reduction="batchmean", log_target=True),
    ),
    loss(
        "nll_loss",
        *reductions(A(3, 4), np.array([0, 3, 1])),
        ours(S(A(3, 4), np.array([0, 3, 1]), A(4, low=0.5, high=2))),
        S(A(3, 4), np.array([0, -100, 1])),
        S(A(4), np.array(2)),
        S(A(2, 3, 2), np.array([[0, 1], [2, 0]])),
        errors=(
            wrong(IndexError, A(2, 3), np.array([0, 3]), match="out of bounds"),
            wrong(ValueError, A(2, 3), np.array([0, 1, 2])),
        ),
    ),
    loss(
        "cross_entropy",
        *reductions(A(3, 4), np.array([0, 3, 1])),
        ours(S(A(3, 4), np.array([0, 3, 1]), A(4, low=0.5, high=2))),
        S(A(3, 4), np.array([0, 1, 1]), ignore_index=1),
        S(A(3, 4), np.array([0, 3, 1]), label_smoothing=0.1),
        S(A(4), np.array(2)),
        S(A(2, 3, 2), np.array([[0, 1], [2, 0]])),
        S(A(3, 4), A(3, 4, low=0.1, high=0.9)),
        errors=(
            wrong(ValueError, A(2, 3), np.array([0, 1, 2])),
            wrong(IndexError, A(2, 3), np.array([0, 3]), match="out of bounds"),
        ),
    ),
)

OPS = ACTIVATIONS + NORMALISED + LOSSES
