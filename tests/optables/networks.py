"""`nn.functional`: activations, normalisations, losses, look-ups, distances, noise."""

import numpy as np

from tests.opinfo import A, I, Op, S, kink, op, ours, wrong
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

OPS: tuple[Op, ...] = ACTIVATIONS
