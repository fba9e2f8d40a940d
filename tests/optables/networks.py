"""`nn.functional`: activations, normalisations, losses, look-ups, distances, noise."""

from typing import Any

import numpy as np

from tests.opinfo import A, I, Op, S, kink, op, ours, unseen, wrong
from tests.optables.composites import functional
from tests.optables.indexing import assigned
from tests.optables.pointwise import TIES

BOUNDED = kink(np.array([-3.0, 3.0, 0.0, -0.5, 0.5, 1.0, -1.0, 6.0]))


def written(name: str, *samples: tuple, **settings: object) -> Op:
    """Return the line of an activation that writes to its input."""
    kwargs = {} if name.endswith("_") else {"inplace": True}
    return op(
        f"nn.functional.{name}",
        *(
            ours(S(*each, **kwargs)) if name == "hardsigmoid" else S(*each, **kwargs)
            for each in samples
        ),
        through=assigned,
        layouts=False,
        rounding=8,
        variant="" if name.endswith("_") else "inplace",
    )


ACTIVATIONS = (
    op(
        "nn.functional.glu",
        S(A(2, 4)),
        S(A(4, 3), 0),
        S(A(4, 3), dim=-2),
        S(A(0)),
        S(A(2, 0, 3), 1),
        rounding=4,
        errors=(wrong(RuntimeError, A(3)), wrong(RuntimeError, A())),
    ),
    functional(
        "hardshrink", lambda x, reach=0.5: np.where(np.abs(x) <= reach, 0, x), S(A(5), 1.0), BOUNDED
    ),
    functional(
        "softshrink",
        lambda x, reach=0.5: np.sign(x) * np.maximum(np.abs(x) - reach, 0),
        S(A(5), 1.0),
        BOUNDED,
        errors=(wrong(RuntimeError, A(3), -1.0),),
    ),
    op(
        "prelu",
        S(A(2, 3), A(3)),
        S(A(2, 3, 2), A(3)),
        S(A(2, 3), A(1)),
        S(A(3), A(1)),
        S(A(3), A()),
        S(A(), A(1)),
        S(A(0, 3), A(3)),
        kink(TIES, np.array([0.25])),
        expandable=False,
        errors=(
            wrong(RuntimeError, A(2, 3), A(2)),
            wrong(RuntimeError, A(2, 3), A(2, 2)),
            wrong(RuntimeError, A(), A(2)),
            wrong(RuntimeError, I(2, 3), A(3)),
        ),
    ),
    *(
        written(name, (A(2, 3), *extra), (A(), *extra), (A(0, 3), *extra))
        for name, extra in (
            ("celu_", (0.5,)),
            ("elu_", ()),
            ("hardtanh_", ()),
            ("leaky_relu_", ()),
            ("relu_", ()),
            ("selu_", ()),
            ("threshold_", (0.1, 2.0)),
            ("celu", (0.5,)),
            ("elu", ()),
            ("hardsigmoid", ()),
            ("hardswish", ()),
            ("hardtanh", ()),
            ("leaky_relu", ()),
            ("mish", ()),
            ("relu", ()),
            ("relu6", ()),
            ("selu", ()),
            ("silu", ()),
            ("threshold", (0.1, 2.0)),
        )
    ),
)

POSITIVE = A(3, low=0.5, high=2)


def with_running(function: Any) -> Any:
    """Return a function that normalises with copies of the running statistics, and returns them."""

    def normalised(x: Any, mean: Any, variance: Any, *args: Any, **kwargs: Any) -> Any:
        mean, variance = mean.detach().clone(), variance.detach().clone()
        return function(x, mean, variance, *args, **kwargs), mean, variance

    return normalised


NORMALISED = (
    op(
        "nn.functional.rms_norm",
        S(A(2, 3), (3,)),
        S(A(2, 3), (2, 3), A(2, 3)),
        S(A(2, 3), (3,), A(3), 0.1),
        S(A(0, 3), (3,)),
        rounding=32,
        errors=(wrong(RuntimeError, A(2, 3), (2,)), wrong(RuntimeError, A(2, 3), (3,), A(2))),
    ),
    op(
        "nn.functional.group_norm",
        S(A(2, 4), 2),
        S(A(2, 4, 3), 2, A(4), A(4)),
        S(A(2, 4, 2, 2), 1, A(4), None, 0.1),
        S(A(3, 4, 2), 4),
        rounding=128,
        errors=(wrong(RuntimeError, A(2, 3), 2), wrong(RuntimeError, A(2, 4), 2, A(3))),
    ),
    op(
        "nn.functional.batch_norm",
        S(A(4, 3), None, None, training=True),
        S(A(4, 3, 2), None, None, A(3), A(3), True),
        S(A(2, 3, 2, 2), None, None, A(3), None, True, eps=0.1),
        kinds="w",
        rounding=64,
        errors=(
            wrong(ValueError, A(1, 3), None, None, training=True),
            wrong(RuntimeError, A(2, 3), A(2), A(2)),
            wrong(RuntimeError, A(2, 3), None, None, A(2), training=True),
        ),
    ),
    op(
        "nn.functional.batch_norm",
        kink(A(4, 3), A(3), POSITIVE),
        kink(A(4, 3, 2), A(3), POSITIVE, A(3), A(3)),
        kink(A(0, 3), A(3), POSITIVE),
        kink(A(4, 3), A(3), POSITIVE, training=True, momentum=0.3),
        kinds="w",
        rounding=64,
        through=with_running,
        variant="running",
    ),
    op(
        "nn.functional.instance_norm",
        S(A(2, 3, 4)),
        S(A(2, 3, 2, 2), None, None, A(3), A(3)),
        S(A(2, 3, 4), None, None, A(3), None, eps=0.1),
        kinds="w",
        rounding=64,
        errors=(wrong(ValueError, A(2, 3, 1)), wrong(RuntimeError, A(2, 3, 4), None, None, A(2))),
    ),
    op(
        "nn.functional.instance_norm",
        kink(A(2, 3, 4), A(3), POSITIVE),
        kink(A(2, 3, 4), A(3), POSITIVE, A(3), A(3), False),
        kinds="w",
        rounding=64,
        through=with_running,
        variant="running",
    ),
    op(
        "nn.functional.local_response_norm",
        S(A(2, 5, 3), 3),
        S(A(2, 5, 2, 2), 2, 0.5, 0.5, 2.0),
        S(A(1, 1, 2), 4, 1.0),
        rounding=16,
        errors=(wrong(ValueError, A(2, 3), 2),),
    ),
)

HALVES = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
SIGNS = np.array([1, -1, 1])


def of_each(*args: Any, **kwargs: Any) -> tuple:
    """Return the same sample with every reduction."""
    return tuple(S(*args, reduction=each, **kwargs) for each in ("mean", "sum", "none"))


def loss(name: str, *samples: Any, **settings: Any) -> Op:
    """Return the line of a loss."""
    settings.setdefault("rounding", 16)
    bad = wrong(ValueError, *samples[0].args, reduction="all", match="reduction")
    errors = (bad, *settings.pop("errors", ()))
    return op(f"nn.functional.{name}", *samples, errors=errors, kinds="w", **settings)


LOSSES = (
    loss(
        "poisson_nll_loss",
        *of_each(A(2, 3), A(2, 3, low=0, high=4)),
        S(A(2, 3), A(2, 3, low=1.1, high=4), full=True),
        kink(A(2, 3), A(2, 3, low=0, high=0.9), full=True),
        S(A(2, 3, low=0.5, high=2), A(2, 3, low=0, high=4), log_input=False, eps=0.1),
    ),
    loss(
        "gaussian_nll_loss",
        *(ours(each) for each in of_each(A(2, 3), A(2, 3), A(2, 3, low=0.5, high=2))),
        S(A(2, 3), A(2, 3), A(2, 3, low=0.5, high=2)),
        S(A(2, 3), A(2, 3), A(2, low=0.5, high=2), full=True),
        S(A(2, 3), A(2, 3), A(2, 1, low=0.5, high=2)),
        S(A(2, 3), A(2, 3), 0.5),
        kink(A(3), A(3), np.array([0.0, 1e-9, 1.0])),
        errors=(
            wrong(ValueError, A(2), A(2), A(3, low=0.5, high=2)),
            wrong(ValueError, A(2), A(2), np.array([1.0, -1.0])),
            wrong(ValueError, A(2), A(2), -0.5),
        ),
    ),
    loss(
        "hinge_embedding_loss",
        *of_each(A(3), SIGNS),
        S(A(2, 3), np.array([[1, -1, 2], [1, 1, -1]]), margin=0.3, reduction="none"),
    ),
    loss(
        "margin_ranking_loss",
        *of_each(A(3), A(3), SIGNS),
        S(A(3), A(3), SIGNS, 0.5),
        errors=(wrong(RuntimeError, A(2), A(2), A(1, 2)),),
    ),
    loss("soft_margin_loss", *of_each(A(3), SIGNS), ours(S(A(2, 3), A(2, 3)))),
    loss(
        "multi_margin_loss",
        *of_each(A(2, 3), np.array([0, 2])),
        S(A(2, 3), np.array([0, 2]), p=2, margin=0.5),
        ours(S(A(2, 3), np.array([0, 2]), weight=A(3, low=0.5, high=2))),
        S(A(3), np.array(1), reduction="none"),
        S(A(3), np.array([1]), reduction="none"),
        S(A(), np.array(0), reduction="none"),
        errors=(
            wrong(ValueError, A(2, 3), np.array([0, 2]), p=3),
            wrong(RuntimeError, A(2, 3), np.array([0, 3])),
            wrong(RuntimeError, A(2, 3), np.array([0, 1, 2])),
            wrong(RuntimeError, A(2, 3), np.array([0, 1]), weight=A(2)),
        ),
    ),
    loss(
        "multilabel_margin_loss",
        *of_each(A(2, 4), np.array([[3, 0, -1, 1], [1, -1, -1, -1]])),
        S(A(4), np.array([3, 0, 1, 2]), reduction="none"),
        S(A(4), np.array([-1, 0, 1, 2]), reduction="none"),
        S(A(), np.array(0)),
        errors=(
            wrong(RuntimeError, A(2, 3), np.array([0, 1])),
            wrong(RuntimeError, A(3), np.array([0, 5, -1])),
        ),
    ),
    loss(
        "multilabel_soft_margin_loss",
        *of_each(A(2, 3), HALVES),
        S(A(3), A(3)),
        ours(S(A(2, 3), HALVES, A(3, low=0.5, high=2))),
    ),
    loss(
        "cosine_embedding_loss",
        *of_each(A(3, 4), A(3, 4), SIGNS),
        S(A(3, 4), A(3, 4), SIGNS, margin=0.3),
        S(A(4), A(4), np.array(1), reduction="none"),
        kink(np.zeros((3, 4)), A(3, 4), SIGNS),
        errors=(
            wrong(RuntimeError, A(2, 3), A(2, 3), A(2, 3)),
            wrong(RuntimeError, A(2, 3), A(2, 3), A()),
        ),
    ),
    loss(
        "triplet_margin_loss",
        *of_each(A(2, 3), A(2, 3), A(2, 3)),
        S(A(2, 3), A(2, 3), A(2, 3), margin=3.0, p=1, swap=True),
        S(A(3), A(3), A(3), margin=5.0, reduction="none"),
        errors=(
            wrong(ValueError, A(2), A(2), A(2), margin=-1.0),
            wrong(RuntimeError, A(2), A(2), A(1, 2)),
        ),
    ),
    loss(
        "triplet_margin_with_distance_loss",
        *of_each(A(2, 3), A(2, 3), A(2, 3)),
        S(A(2, 3), A(2, 3), A(2, 3), margin=4.0, swap=True),
        errors=(wrong(ValueError, A(2), A(2), A(2), margin=0.0),),
    ),
    loss(
        "nll_loss",
        *of_each(A(2, 3, 2, 2), I(2, 2, 2, below=3)),
        ours(S(A(2, 3, 2), I(2, 2, below=3), A(3, low=0.5, high=2), ignore_index=1)),
        S(A(0, 3), I(0), reduction="none"),
        S(A(0, 3), I(0), reduction="sum"),
        kink(A(2, 3), np.array([-100, -100])),
        errors=(
            wrong(RuntimeError, A(2, 3, 4), I(2, 5)),
            wrong(RuntimeError, A(2, 3), I(2), A(2)),
            wrong(IndexError, A(2, 3), np.array([0, -1])),
        ),
        variant="dimensions",
    ),
    loss(
        "cross_entropy",
        *of_each(A(2, 3, 2), I(2, 2, below=3), ignore_index=1, label_smoothing=0.2),
        *(
            ours(each)
            for each in of_each(
                A(2, 3, 2), I(2, 2, below=3), A(3, low=0.5, high=2), label_smoothing=0.2
            )
        ),
        *of_each(A(2, 3, 2), A(2, 3, 2, low=0, high=1), label_smoothing=0.2),
        ours(S(A(2, 3), A(2, 3, low=0, high=1), A(3, low=0.5, high=2))),
        S(A(3), A(3, low=0, high=1), reduction="none"),
        kink(np.array([[1e4, -1e4, 0.0]]), np.array([1])),
        errors=(
            wrong(RuntimeError, A(2, 3), A(2, 3), ignore_index=1, match="nn|cross_entropy"),
            wrong(RuntimeError, A(2, 3), I(2), label_smoothing=2.0),
        ),
        variant="options",
    ),
    loss(
        "huber_loss",
        ours(S(A(2, 3), A(2, 3), weight=A(2, 3, low=0.5, high=2))),
        errors=(wrong(RuntimeError, A(2), A(2), delta=0.0),),
        variant="weighted",
    ),
    loss(
        "mse_loss",
        *(ours(each) for each in of_each(A(2, 3), A(2, 3), weight=A(2, 3, low=0.5, high=2))),
        errors=(wrong(ValueError, A(2), A(2), weight=A(3)),),
        variant="weighted",
    ),
    loss(
        "l1_loss",
        *(ours(each) for each in of_each(A(2, 3), A(2, 3), weight=A(2, 3, low=0.5, high=2))),
        errors=(wrong(ValueError, A(2), A(2), weight=A(3)),),
        variant="weighted",
    ),
    loss(
        "binary_cross_entropy",
        *of_each(A(2, 3, low=0.1, high=0.9), HALVES),
        ours(S(A(2, 3, low=0.1, high=0.9), HALVES, weight=A(3, low=0.5, high=2))),
        ours(kink(np.array([0.0, 1.0, 0.5]), np.array([0.0, 0.0, 1.0]))),
        errors=(wrong(RuntimeError, np.array([1.5]), np.array([1.0])),),
        variant="labels",
    ),
)


def scored(function: Any) -> Any:
    """Return `ctc_loss` of scores, through `log_softmax`."""

    def loss(scores: Any, *args: Any, **kwargs: Any) -> Any:
        return function(scores.log_softmax(-1), *args, **kwargs)

    return loss


TIMES, SPANS = np.array([5, 4, 5]), np.array([2, 1, 0])
LABELS = np.array([[1, 2], [3, 0], [0, 0]])

ALIGNED = (
    op(
        "nn.functional.ctc_loss",
        *of_each(A(5, 3, 4), LABELS, TIMES, SPANS),
        S(A(5, 3, 4), np.array([1, 1, 3]), TIMES, SPANS),
        S(A(5, 3, 4), 2 - LABELS // 2, (5, 4, 5), [2, 1, 0], blank=3, reduction="none"),
        S(A(5, 4), np.array([1, 2]), np.array(5), np.array(2)),
        S(A(5, 4), np.array([1, 2]), np.array(5), np.array(2), reduction="none"),
        kink(A(3, 2, 4), np.array([[1, 1, 1], [1, 2, 3]]), (3, 3), (3, 3), zero_infinity=True),
        kink(A(2, 1, 4), np.array([[1, 1]]), (2,), (2,), reduction="none"),
        through=scored,
        kinds="w",
        order=1,
        rounding=16,
        errors=(
            wrong(RuntimeError, A(2, 1, 2), np.array([[1]]), [3], [1]),
            wrong(RuntimeError, A(2, 1, 2), np.array([[1]]), [2], [2]),
            wrong(RuntimeError, A(2, 1, 2), np.array([[1]]), [2], [1], blank=4),
            wrong(RuntimeError, A(2, 1, 2), np.array([[1]]), [2, 3], [1]),
        ),
    ),
)

WORDS = np.array([0, 3, 1, 1, 2])
STARTS = np.array([0, 2, 2, 4])

LOOKED_UP = (
    op(
        "nn.functional.embedding",
        kink(np.array([[0, 2], [2, 1]]), A(4, 2), scale_grad_by_freq=True),
        kink(np.array([[0, 2], [2, 1]]), A(4, 2), 2, None, 2.0, True),
        kink(np.array(3), A(4, 2), -1),
        S(I(0), A(4, 2)),
        S(I(2, 0), A(4, 2), padding_idx=0),
        S(I(3).astype(np.int32), A(4, 2)),
        kinds="w",
        variant="options",
        errors=(
            wrong(RuntimeError, I(2), A(4)),
            wrong(RuntimeError, A(2), A(4, 2)),
            wrong(AssertionError, I(2), A(4, 2), padding_idx=4),
        ),
    ),
    op(
        "nn.functional.embedding_bag",
        *(S(WORDS, A(4, 2), STARTS, mode=each) for each in ("mean", "sum", "max")),
        *(S(I(2, 3, below=4), A(4, 2), mode=each) for each in ("mean", "sum", "max")),
        *(S(WORDS, A(4, 2), STARTS, mode=each, padding_idx=1) for each in ("mean", "sum", "max")),
        S(WORDS, A(4, 2), STARTS, mode="sum", per_sample_weights=A(5)),
        S(I(2, 3, below=4), A(4, 2), mode="sum", per_sample_weights=A(2, 3)),
        S(WORDS, A(4, 2), np.array([0, 2, 5]), mode="sum", include_last_offset=True),
        ours(kink(WORDS, A(4, 2), STARTS, mode="sum", scale_grad_by_freq=True)),
        S(I(0), A(4, 2), np.array([0, 0])),
        kinds="w",
        expandable=False,
        rounding=2,
        errors=(
            wrong(ValueError, WORDS, A(4, 2), STARTS, mode="min"),
            wrong(ValueError, WORDS, A(4, 2)),
            wrong(ValueError, I(2, 3), A(4, 2), STARTS),
            wrong(ValueError, WORDS, A(4, 2), I(2, 2)),
            wrong(NotImplementedError, WORDS, A(4, 2), STARTS, per_sample_weights=A(5)),
            wrong(RuntimeError, WORDS, A(3, 2), STARTS),
            wrong(RuntimeError, WORDS, A(4, 2), STARTS + 1),
            wrong(RuntimeError, WORDS, A(4, 2), STARTS * 2),
            wrong(RuntimeError, WORDS, A(4, 2), STARTS, padding_idx=4),
        ),
    ),
)

MEASURED = (
    op(
        "nn.functional.pairwise_distance",
        S(A(2, 3), A(2, 3)),
        S(A(2, 3), A(3), 1.0, 0.1, True),
        S(A(3), A(3), float("inf")),
        S(A(2, 1, 3), A(4, 3), 3.0),
        kink(np.zeros((2, 3)), np.zeros((2, 3)), eps=0.0),
        rounding=8,
        errors=(wrong(RuntimeError, A(2, 3), A(4), match=""),),
        named="",
    ),
    op(
        "pdist",
        S(A(4, 3)),
        S(A(4, 3), 1.0),
        S(A(3, 2), 3.0),
        S(A(3, 2), float("inf")),
        ours(S(A(1, 3))),
        ours(S(A(0, 3))),
        kink(np.ones((3, 2))),
        kinds="w",
        order=2,
        rounding=8,
        expandable=False,
        errors=(wrong(RuntimeError, A(3)), wrong(RuntimeError, A(3, 2), -1.0)),
    ),
    op(
        "cdist",
        S(A(4, 3), A(2, 3)),
        S(A(2, 4, 3), A(3, 3), 1.0),
        S(A(2, 4, 3), A(3, 3), 3.0),
        S(A(4, 3), A(2, 3), float("inf")),
        S(A(3, 2), A(27, 2)),
        S(A(3, 2), A(4, 2), compute_mode="use_mm_for_euclid_dist"),
        S(A(3, 2), A(27, 2), compute_mode="donot_use_mm_for_euclid_dist"),
        ours(S(A(0, 2), A(4, 2))),
        ours(S(A(3, 0), A(4, 0))),
        kinds="w",
        rounding=64,
        errors=(
            wrong(RuntimeError, A(2), A(2)),
            wrong(RuntimeError, A(2, 3), A(2, 2)),
            wrong(RuntimeError, A(2, 3), A(2, 3), -1.0),
            wrong(ValueError, A(2, 3), A(2, 3), compute_mode="no"),
        ),
    ),
)

NOISE = (
    op(
        "nn.functional.rrelu",
        S(A(2, 3)),
        S(A(2, 3), 0.5, 0.5, True),
        unseen(A(2, 3), 0.1, 0.9, True),
        kinds="w",
        errors=(wrong(RuntimeError, A(2), 0.5, 0.2),),
    ),
    written("rrelu_", (A(2, 3),), (A(2, 3), 0.5, 0.5, True)),
    written("rrelu", (A(2, 3),), (A(2, 3), 0.5, 0.5, True)),
    *(
        op(
            f"nn.functional.{name}",
            S(A(*shape), 0.5, False),
            S(A(*shape), 0.0, True),
            unseen(A(*shape), 0.5, True),
            unseen(A(*shape), 1.0, True),
            kinds="w",
            errors=(wrong(ValueError, A(*shape), 1.5), wrong(ValueError, A(*shape), -0.5)),
        )
        for name, shape in (
            ("alpha_dropout", (2, 3)),
            ("feature_alpha_dropout", (2, 3, 2)),
            ("dropout1d", (2, 3, 2)),
            ("dropout2d", (2, 3, 2, 2)),
            ("dropout3d", (2, 3, 1, 2, 2)),
        )
    ),
    op(
        "nn.functional.gumbel_softmax",
        unseen(A(2, 3)),
        unseen(A(2, 3), 0.5, True),
        unseen(A(2, 3), dim=0),
        kinds="w",
    ),
)

OPS: tuple[Op, ...] = (
    *ACTIVATIONS,
    *NORMALISED,
    *LOSSES,
    *ALIGNED,
    *LOOKED_UP,
    *MEASURED,
    *NOISE,
)
