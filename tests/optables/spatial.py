"""What slides over images: convolutions, pools, padding, resampling, patches."""

from typing import Any

import numpy as np

from tests.opinfo import A, Op, S, op, wrong


def convolve(x: Any, weight: Any, bias: Any = None, stride: int = 1, padding: int = 0) -> Any:
    """Return a convolution of images without groups, by its definition."""
    x = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    height, width = weight.shape[2:]
    windows = np.lib.stride_tricks.sliding_window_view(x, (height, width), (2, 3))
    made = np.einsum("nchwij,ocij->nohw", windows[:, :, ::stride, ::stride], weight)
    return made if bias is None else made + bias[:, None, None]


def convolution(name: str, *samples: Any, **settings: Any) -> Op:
    """Return the line of a convolution."""
    return op(name, *samples, kinds="fi", rounding=16, **settings)


CONVOLUTIONS = (
    convolution(
        "conv2d",
        S(A(2, 2, 4, 5), A(3, 2, 2, 3)),
        S(A(2, 2, 4, 5), A(3, 2, 2, 3), A(3)),
        S(A(1, 2, 5, 5), A(3, 2, 3, 2), A(3), 2, 1),
        S(A(1, 1, 4, 4), A(1, 1, 1, 1)),
        S(A(0, 2, 3, 3), A(1, 2, 2, 2)),
        reference=convolve,
        reference_kinds="w",
        errors=(
            wrong(RuntimeError, A(1, 2, 3, 3), A(2, 3, 2, 2), match="channels"),
            wrong(RuntimeError, A(1, 2, 3, 3), A(2, 2, 4, 2), match="greater than actual input"),
            wrong(RuntimeError, A(3, 3), A(2, 2, 2, 2), match="unbatched"),
            wrong(RuntimeError, A(1, 2, 3, 3), A(2, 2, 2)),
            wrong(RuntimeError, A(1, 2, 3, 3), A(2, 2, 2, 2), A(3), match="bias"),
            wrong(RuntimeError, A(1, 2, 3, 3), A(3, 1, 2, 2), groups=2, match="divisible"),
            wrong(RuntimeError, A(1, 2, 3, 3), A(2, 2, 2, 2), stride=0, match="stride"),
            wrong(RuntimeError, A(1, 2, 3, 3), A(2, 2, 2, 2), padding=-1, match="negative"),
            wrong(RuntimeError, A(1, 2, 3, 3), A(2, 2, 2, 2), dilation=0, match="dilation"),
            wrong(RuntimeError, A(1, 2, 3, 3), A(2, 2, 2, 2), padding="some", match="'same'"),
            wrong(RuntimeError, A(1, 2, 3, 3), A(2, 2, 2, 2), padding="same", stride=2),
            wrong(RuntimeError, A(1, 2, 3, 3), A(2, 2, 2, 2), stride=(1, 1, 1), match="2 values"),
            wrong(RuntimeError, A(1, 2, 3, 3), np.ones((2, 2, 2, 2), int), match="dtype|type"),
        ),
    ),
    convolution(
        "conv2d",
        S(A(4, 4, 4), A(4, 2, 2, 2), A(4), groups=2),
        S(A(1, 2, 5, 4), A(4, 1, 2, 2), None, (2, 1), (1, 0), (2, 1), 2),
        S(A(1, 2, 4, 4), A(2, 2, 2, 3), padding="same", dilation=(1, 2)),
        S(A(1, 2, 4, 4), A(2, 2, 2, 3), padding="valid"),
        variant="grouped",
    ),
    convolution(
        "conv1d",
        S(A(2, 2, 5), A(3, 2, 3)),
        S(A(2, 5), A(4, 1, 2), A(4), 2, 1, 2, 2),
        S(A(1, 2, 5), A(3, 2, 2), padding="same"),
    ),
    convolution(
        "conv3d",
        S(A(1, 2, 3, 3, 4), A(2, 2, 2, 2, 3), A(2)),
        S(A(2, 3, 3, 4), A(2, 1, 2, 2, 2), None, (1, 2, 1), 1, 1, 2),
    ),
    convolution("conv_tbc", S(A(4, 2, 3), A(2, 3, 2), A(2), 1), S(A(4, 2, 3), A(2, 3, 2), A(2))),
    convolution(
        "conv_transpose2d",
        S(A(2, 2, 3, 2), A(2, 3, 2, 2)),
        S(A(2, 3, 2), A(2, 2, 3, 2), A(4), 2, 1, 1, 2),
        S(A(1, 2, 2, 2), A(2, 1, 2, 2), None, (1, 3), (0, 1), (0, 2), 1, (2, 1)),
        S(A(1, 2, 2, 2), A(2, 1, 2, 2), A(1), output_padding=1, dilation=2),
        errors=(
            wrong(RuntimeError, A(1, 2, 3, 3), A(3, 2, 2, 2), match="channels"),
            wrong(RuntimeError, A(1, 2, 3, 3), A(2, 2, 2, 2), output_padding=1, match="smaller"),
            wrong(RuntimeError, A(1, 2, 1, 1), A(2, 2, 2, 2), padding=1, match="too small"),
            wrong(RuntimeError, A(1, 2, 1, 1), A(2, 2, 2, 2), A(3), match="bias"),
            wrong(RuntimeError, A(1, 3), A(3, 2, 2, 2), match="unbatched"),
        ),
    ),
    convolution(
        "conv_transpose1d",
        S(A(2, 2, 3), A(2, 3, 2)),
        S(A(2, 3), A(2, 1, 3), A(2), 2, 1, 1, 2),
    ),
    convolution(
        "conv_transpose3d",
        S(A(1, 2, 2, 2, 2), A(2, 1, 2, 2, 2), A(1), 2, 1, 1),
    ),
)

OPS = CONVOLUTIONS
