"""What slides over images: convolutions, pools, padding, resampling, patches."""

from typing import Any

import numpy as np

from tests.opinfo import A, Op, S, kink, op, ours, unseen, wrong


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


def spatial(name: str, *samples: Any, **settings: Any) -> Op:
    """Return the line of a function of `nn.functional`."""
    settings.setdefault("rounding", 8)
    return op(f"nn.functional.{name}", *samples, **settings)


def largest(x: Any, kernel: int) -> Any:
    """Return the largest elements of windows that lie side by side."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (-2, -1))
    return windows[..., ::kernel, ::kernel, :, :].max((-2, -1))


def mean(x: Any, kernel: int) -> Any:
    """Return the averages of windows that lie side by side."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (-2, -1))
    return windows[..., ::kernel, ::kernel, :, :].mean((-2, -1))


LOW = np.full((1, 3, 3), -np.inf)
UNKNOWN = np.array([[[1.0, np.nan, 2.0, np.nan], [0.0, 3.0, np.nan, 1.0]]])

WINDOWS_THAT_DO_NOT_FIT = (
    wrong(RuntimeError, A(4), 2),
    wrong(RuntimeError, A(1, 3, 3), 4, match="too small"),
    wrong(RuntimeError, A(1, 3, 3), 2, 0, match="stride"),
    wrong(RuntimeError, A(1, 3, 3), 2, 1, 2, match="at most half"),
    wrong(RuntimeError, A(1, 3, 3), 2, 1, -1, match="negative"),
    wrong(RuntimeError, A(1, 3, 3), (2, 2, 2)),
)

MAXIMA = (
    spatial(
        "max_pool2d",
        S(A(2, 2, 4, 4), 2),
        S(A(2, 5, 4), 2),
        kink(np.zeros((1, 4, 4)), 2),
        kink(UNKNOWN, 2),
        reference=largest,
        reference_kinds="f",
        kinds="fi",
        expandable=False,
        errors=(*WINDOWS_THAT_DO_NOT_FIT, wrong(RuntimeError, A(1, 0, 4, 4), 2)),
    ),
    spatial(
        "max_pool2d",
        S(A(1, 2, 5, 6), (3, 2), (2, 1), 1),
        S(A(2, 5, 6), 2, 2, 0, 2, True),
        S(A(1, 1, 5, 5), 2, ceil_mode=True, return_indices=True),
        S(A(1, 5, 5), 3, 1, 1, return_indices=True),
        kink(LOW, 3, 2, 1, return_indices=True),
        kink(UNKNOWN, 2, return_indices=True),
        S(A(0, 1, 4, 4), 2),
        expandable=False,
        variant="windows",
    ),
    spatial("max_pool1d", S(A(2, 2, 5), 2), S(A(2, 6), 3, 2, 1, 1, True), expandable=False),
    spatial(
        "max_pool3d",
        S(A(1, 2, 3, 4, 4), 2),
        S(A(1, 4, 3, 4), 2, 1, 1, return_indices=True),
        expandable=False,
    ),
    spatial("max_pool2d_with_indices", S(A(1, 1, 4, 4), 2), expandable=False),
    op("max_pool1d_with_indices", S(A(1, 4), 2), expandable=False),
    spatial(
        "adaptive_max_pool2d",
        S(A(2, 5, 7), (2, 3)),
        S(A(1, 2, 4, 6), 2),
        S(A(1, 2, 5, 3), (None, 1), return_indices=True),
        S(A(1, 2, 3), (4, 5), return_indices=True),
        kink(np.full((1, 5, 5), -np.inf), 3, return_indices=True),
        expandable=False,
        errors=(
            wrong(RuntimeError, A(4, 4), 2),
            wrong(RuntimeError, A(1, 1, 4, 4), (1, 2, 3)),
            wrong(RuntimeError, A(1, 0, 4), 1),
        ),
    ),
    op("adaptive_max_pool1d", S(A(2, 2, 5), 3), S(A(2, 6), 3), expandable=False),
    spatial("adaptive_max_pool1d", S(A(2, 2, 5), 3), S(A(2, 6), (2,), True), expandable=False),
    spatial("adaptive_max_pool3d_with_indices", S(A(1, 2, 4, 3), 2), expandable=False),
    spatial("adaptive_max_pool3d", S(A(1, 3, 4, 5), (2, 3, 2)), expandable=False),
    spatial(
        "max_unpool2d",
        S(A(1, 1, 2, 2), np.array([[[[0, 6], [9, 15]]]]), 2),
        S(A(1, 2, 2), np.array([[[6, 8], [16, 18]]]), 2, output_size=(5, 5)),
        named="max_unpool",
        errors=(
            wrong(RuntimeError, A(1, 2, 2), np.full((1, 2, 2), 99), 2, match="max index"),
            wrong(RuntimeError, A(1, 2, 2), np.zeros((1, 2, 3), int), 2, match="shape"),
            wrong(RuntimeError, A(1, 2, 2), A(1, 2, 2), 2, match="int64"),
            wrong(ValueError, A(1, 2, 2), np.zeros((1, 2, 2), int), 2, output_size=(9, 9)),
            wrong(ValueError, A(1, 2, 2), np.zeros((1, 2, 2), int), 2, output_size=(4,)),
        ),
    ),
    spatial("max_unpool1d", S(A(1, 2), np.array([[1, 2]]), 2)),
    spatial("max_unpool3d", S(A(1, 1, 1, 2), np.array([[[[0, 3]]]]), 2, padding=0)),
    spatial(
        "fractional_max_pool2d",
        ours(S(A(2, 2, 6, 7), 2, (3, 4), None, True, A(2, 2, 2, low=0, high=0.99))),
        unseen(A(1, 6, 6), 2, output_ratio=(0.5, 0.5)),
        kinds="d",
        order=1,
        expandable=False,
        errors=(
            wrong(ValueError, A(1, 6, 6), 2),
            wrong(RuntimeError, A(1, 6, 6), 2, output_size=7),
        ),
    ),
    spatial(
        "fractional_max_pool3d",
        ours(S(A(1, 4, 6, 5), 2, 2, None, True, A(1, 1, 3, low=0, high=0.99))),
        kinds="d",
        order=1,
        expandable=False,
    ),
)

AVERAGES = (
    spatial(
        "avg_pool2d",
        S(A(2, 2, 4, 4), 2),
        S(A(2, 5, 4), 2),
        reference=mean,
        reference_kinds="f",
        kinds="fi",
        errors=(
            *WINDOWS_THAT_DO_NOT_FIT[1:],
            wrong(RuntimeError, A(1, 4, 4), 2, divisor_override=0),
        ),
    ),
    spatial(
        "avg_pool2d",
        S(A(1, 2, 5, 6), (3, 2), (2, 1), 1),
        S(A(1, 2, 5, 6), 3, 2, 1, True),
        S(A(2, 5, 6), 3, 2, 1, True, False),
        S(A(1, 4, 4), 2, 1, divisor_override=3),
        S(A(0, 1, 4, 4), 2),
        variant="windows",
    ),
    op("avg_pool1d", S(A(2, 2, 5), 2), S(A(2, 6), 3, 2, 1, True, False)),
    spatial("avg_pool3d", S(A(1, 2, 3, 4, 4), 2), S(A(1, 4, 3, 4), 2, 1, 1, True, False, 5)),
    spatial(
        "lp_pool2d",
        S(A(1, 2, 4, 4, low=0.5), 2, 2),
        S(A(1, 4, 5), 2.0, (2, 3), 1, True),
        rounding=64,
    ),
    spatial("lp_pool1d", S(A(1, 2, 4), 2, 2), S(A(2, 5, low=0.5), 3, 2, 1), rounding=64),
    spatial("lp_pool3d", S(A(1, 2, 2, 2, 4), 2, 2), rounding=64),
    spatial(
        "adaptive_avg_pool2d",
        S(A(2, 5, 7), (2, 3)),
        S(A(1, 2, 4, 6), 2),
        S(A(1, 2, 4, 6), 1),
        S(A(1, 2, 5, 3), (None, 1)),
        S(A(1, 2, 3), (4, 5)),
        errors=(
            wrong(RuntimeError, A(4, 4), 2),
            wrong(RuntimeError, A(1, 4, 4), -1),
            wrong(RuntimeError, A(1, 1, 0, 4), 2),
            wrong(NotImplementedError, np.ones((1, 4, 4), int), 3),
        ),
    ),
    op("adaptive_avg_pool1d", S(A(2, 2, 5), 3), S(A(2, 6), 3)),
    spatial("adaptive_avg_pool3d", S(A(1, 3, 4, 5), (2, 3, 2))),
)

BORDERS = (
    op(
        "constant_pad_nd",
        S(A(2, 3), (1, 2)),
        S(A(2, 3), (1, -1, 0, 2), 2.0),
        S(A(2, 3), (0, 0)),
        S(A(2, 3), (-1, 0)),
        kinds="fib",
    ),
    spatial(
        "pad",
        S(A(2, 3), (1, 2)),
        S(A(2, 3), (-1, 1, 0, -1), value=2.0),
        S(A(2, 3), (1, -2), "constant", None),
        S(A(), ()),
        S(A(0, 3), (1, 1)),
        kinds="fib",
        errors=(
            wrong(RuntimeError, A(2, 3), (1,)),
            wrong(RuntimeError, A(2, 3), (1, 1, 1, 1, 1, 1)),
            wrong(RuntimeError, A(2, 3), (-2, -2)),
            wrong(TypeError, A(2, 3), 1),
            wrong(NotImplementedError, A(1, 2, 3), (1, 1), "other", match="mode"),
            wrong(RuntimeError, A(1, 2, 3), (1, 1), "reflect", 1.0, match="value"),
            wrong(RuntimeError, A(2, 3), (3, 1), "reflect", match="less than"),
            wrong(RuntimeError, A(1, 2, 3), (4, 1), "circular", match="wrapping"),
            wrong(NotImplementedError, A(3), (1, 1), "reflect"),
        ),
    ),
    spatial(
        "pad",
        S(A(2, 4), (2, 1), "reflect"),
        S(A(2, 4), (1, 5), "replicate"),
        S(A(2, 4), (3, 2), "circular"),
        S(A(1, 3, 4), (1, 2, 2, 0), "reflect"),
        S(A(1, 3, 4), (1, -2, 2, 0), "replicate"),
        S(A(1, 1, 3, 4), (-1, 2, 2, 1), "circular"),
        S(A(1, 2, 3, 2), (1, 0, 2, 1, 1, 1), "reflect"),
        S(A(0, 2, 3), (1, 1), "replicate"),
        kinds="f",
        variant="mode",
    ),
)

RESIZED = (
    spatial(
        "interpolate",
        S(A(1, 2, 3), 5),
        S(A(1, 1, 4, 3), scale_factor=2),
        S(A(1, 1, 4, 3), (2, 4), mode="nearest-exact"),
        S(A(1, 1, 2, 3, 2), scale_factor=(1.5, 2, 1)),
        S(A(1, 1, 5, 4), (2, 3), mode="area"),
        errors=(
            wrong(ValueError, A(1, 1, 4)),
            wrong(ValueError, A(1, 1, 4), 3, 2.0),
            wrong(ValueError, A(1, 1, 4), (3, 3)),
            wrong(ValueError, A(1, 1, 4), 3, align_corners=True),
            wrong(ValueError, A(1, 1, 4), 3, recompute_scale_factor=True),
            wrong(ValueError, A(1, 1, 4), 3, mode="linear", antialias=True),
            wrong(NotImplementedError, A(1, 1, 4), 3, mode="bilinear"),
            wrong(NotImplementedError, A(1, 1, 4), 3, mode="other"),
            wrong(NotImplementedError, A(1, 4), 3),
            wrong(NotImplementedError, np.ones((1, 1, 4), int), 3),
            wrong(RuntimeError, A(1, 1, 4), 0),
        ),
    ),
    spatial(
        "interpolate",
        S(A(1, 2, 3), 5, mode="linear"),
        S(A(1, 1, 4, 3), (3, 5), mode="bilinear"),
        S(A(1, 1, 4, 3), (3, 5), mode="bilinear", align_corners=True),
        S(A(1, 1, 4, 3), scale_factor=1.7, mode="bilinear"),
        S(A(1, 1, 4, 3), scale_factor=1.7, mode="bilinear", recompute_scale_factor=True),
        S(A(1, 1, 2, 2, 3), (3, 2, 4), mode="trilinear"),
        S(A(1, 1, 4, 3), (3, 5), mode="bicubic"),
        S(A(1, 1, 4, 3), (3, 5), mode="bicubic", align_corners=True),
        kinds="w",
        rounding=16,
        variant="smooth",
    ),
    spatial(
        "interpolate",
        S(A(1, 1, 7, 6), (3, 4), mode="bilinear", antialias=True),
        S(A(1, 1, 7, 6), (3, 8), mode="bicubic", antialias=True),
        kinds="w",
        rounding=16,
        variant="antialias",
    ),
)

PLACES = A(1, 2, 3, 2, low=-1.4, high=1.4)

SAMPLED = (
    spatial(
        "grid_sample",
        *(
            S(A(1, 2, 4, 3), PLACES, padding_mode=padding, align_corners=align)
            for padding in ("zeros", "border", "reflection")
            for align in (True, False)
        ),
        S(A(1, 1, 2, 3, 2), A(1, 1, 2, 1, 3, low=-1.3, high=1.3), align_corners=True),
        S(A(1, 1, 1, 1), PLACES, padding_mode="reflection", align_corners=True),
        kinds="w",
        rounding=32,
        errors=(
            wrong(RuntimeError, A(1, 1, 2, 2), A(1, 2, 2, 3), align_corners=True),
            wrong(RuntimeError, A(1, 1, 2, 2), A(2, 2, 2, 2), align_corners=True),
            wrong(ValueError, A(1, 1, 2, 2), A(1, 2, 2, 2), mode="other"),
            wrong(ValueError, A(1, 1, 2, 2), A(1, 2, 2, 2), padding_mode="other"),
        ),
    ),
    spatial(
        "grid_sample",
        *(
            S(A(1, 2, 4, 3), PLACES, "bicubic", padding, align)
            for padding in ("zeros", "border", "reflection")
            for align in (True, False)
        ),
        kinds="w",
        rounding=64,
        variant="cubic",
    ),
    spatial(
        "grid_sample",
        # torch has a gradient of zeros for the places, here there is none
        *(
            ours(kink(A(1, 2, 4, 3), PLACES, "nearest", padding, True))
            for padding in ("zeros", "border", "reflection")
        ),
        kinds="w",
        variant="nearest",
    ),
    spatial(
        "affine_grid",
        S(A(2, 2, 3), (2, 1, 3, 2), True),
        S(A(2, 2, 3), (2, 1, 1, 4), False),
        S(A(1, 3, 4), (1, 1, 2, 1, 3), align_corners=False),
        kinds="w",
        rounding=16,
        errors=(
            wrong(ValueError, A(1, 2, 2), (1, 1, 2, 2), True),
            wrong(ValueError, np.ones((1, 2, 3), int), (1, 1, 2, 2), True),
            wrong(NotImplementedError, A(1, 2, 3), (1, 1, 2), True),
        ),
    ),
)

PATCHES = (
    spatial(
        "unfold",
        S(A(1, 2, 3, 4), 2),
        S(A(2, 4, 4), (2, 3), dilation=(2, 1), padding=1, stride=2),
        errors=(
            wrong(RuntimeError, A(1, 1, 2, 2), 3),
            wrong(NotImplementedError, np.ones((1, 1, 4, 4), int), 2),
        ),
    ),
    spatial(
        "fold",
        S(A(1, 8, 6), (3, 4), 2),
        S(A(6, 4), (4, 4), (2, 3), dilation=(2, 1), padding=1, stride=(2, 2)),
        errors=(
            wrong(RuntimeError, A(1, 3, 4), (3, 3), 2),
            wrong(RuntimeError, A(1, 4, 5), (3, 3), 2),
        ),
    ),
    op(
        "pixel_shuffle",
        S(A(1, 8, 2, 3), 2),
        S(A(9, 1, 1), 3),
        kinds="fib",
        errors=(
            wrong(RuntimeError, A(1, 3, 2, 2), 2),
            wrong(RuntimeError, A(2, 2), 2),
            wrong(RuntimeError, A(4, 2, 2), 0),
        ),
    ),
    op(
        "pixel_unshuffle",
        S(A(1, 2, 4, 6), 2),
        S(A(1, 3, 3), 3),
        kinds="fib",
        errors=(wrong(RuntimeError, A(4, 3, 2), 2),),
    ),
    op(
        "channel_shuffle",
        S(A(2, 6, 2), 3),
        S(A(1, 4, 2, 2), 2),
        kinds="fi",
        errors=(
            wrong(RuntimeError, A(1, 3, 2, 2), 2),
            wrong(RuntimeError, A(4, 2), 2),
            wrong(RuntimeError, A(1, 4, 2), 0),
        ),
    ),
    # torch has no derivative of it
    op("native_channel_shuffle", ours(S(A(2, 6, 2), 3))),
)

OPS = CONVOLUTIONS + MAXIMA + AVERAGES + BORDERS + RESIZED + SAMPLED + PATCHES
