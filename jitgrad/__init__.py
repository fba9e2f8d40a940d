"""jitgrad: PyTorch's tensors and autograd in plain Python, and a compiler for both."""

# first of all: importing the module jitgrad.tensor would hide the function of that name
from jitgrad.tensor import Tensor as Tensor

# isort: split
from importlib import import_module as _import_module
from math import e as e
from math import inf as inf
from math import nan as nan
from math import pi as pi
from typing import TYPE_CHECKING as _TYPE_CHECKING

from jitgrad import autograd as autograd
from jitgrad import config as config
from jitgrad import dtypes as _dtypes
from jitgrad import return_types as return_types
from jitgrad.autograd.grad_mode import enable_grad as enable_grad
from jitgrad.autograd.grad_mode import inference_mode as inference_mode
from jitgrad.autograd.grad_mode import is_anomaly_enabled as is_anomaly_enabled
from jitgrad.autograd.grad_mode import is_grad_enabled as is_grad_enabled
from jitgrad.autograd.grad_mode import no_grad as no_grad
from jitgrad.autograd.grad_mode import set_grad_enabled as set_grad_enabled
from jitgrad.device import device as device
from jitgrad.dtypes import cdouble as cdouble
from jitgrad.dtypes import cfloat as cfloat
from jitgrad.dtypes import complex64 as complex64
from jitgrad.dtypes import complex128 as complex128
from jitgrad.dtypes import double as double
from jitgrad.dtypes import dtype as dtype
from jitgrad.dtypes import finfo as finfo
from jitgrad.dtypes import float16 as float16
from jitgrad.dtypes import float32 as float32
from jitgrad.dtypes import float64 as float64
from jitgrad.dtypes import get_default_dtype as get_default_dtype
from jitgrad.dtypes import half as half
from jitgrad.dtypes import iinfo as iinfo
from jitgrad.dtypes import int8 as int8
from jitgrad.dtypes import int16 as int16
from jitgrad.dtypes import int32 as int32
from jitgrad.dtypes import int64 as int64
from jitgrad.dtypes import long as long
from jitgrad.dtypes import set_default_dtype as set_default_dtype
from jitgrad.dtypes import short as short
from jitgrad.dtypes import uint8 as uint8
from jitgrad.ops.activation import *  # noqa: F403
from jitgrad.ops.bessel import *  # noqa: F403
from jitgrad.ops.binary import *  # noqa: F403
from jitgrad.ops.blending import *  # noqa: F403
from jitgrad.ops.calculus import *  # noqa: F403
from jitgrad.ops.comparison import *  # noqa: F403
from jitgrad.ops.composite import *  # noqa: F403
from jitgrad.ops.convert import *  # noqa: F403
from jitgrad.ops.counting import *  # noqa: F403
from jitgrad.ops.create import *  # noqa: F403
from jitgrad.ops.decompositions import *  # noqa: F403
from jitgrad.ops.diagonal import *  # noqa: F403
from jitgrad.ops.division import *  # noqa: F403
from jitgrad.ops.einsum import *  # noqa: F403
from jitgrad.ops.exponential import *  # noqa: F403
from jitgrad.ops.extremes import *  # noqa: F403
from jitgrad.ops.generator import *  # noqa: F403
from jitgrad.ops.index import *  # noqa: F403
from jitgrad.ops.joining import *  # noqa: F403
from jitgrad.ops.layout import *  # noqa: F403
from jitgrad.ops.legacy import *  # noqa: F403
from jitgrad.ops.linalg import *  # noqa: F403
from jitgrad.ops.logical import *  # noqa: F403
from jitgrad.ops.machine_numbers import *  # noqa: F403
from jitgrad.ops.masks import *  # noqa: F403
from jitgrad.ops.matrices import *  # noqa: F403
from jitgrad.ops.moving import *  # noqa: F403
from jitgrad.ops.norms import *  # noqa: F403
from jitgrad.ops.overlays import *  # noqa: F403
from jitgrad.ops.places import *  # noqa: F403
from jitgrad.ops.positions import *  # noqa: F403
from jitgrad.ops.products import *  # noqa: F403
from jitgrad.ops.random import *  # noqa: F403
from jitgrad.ops.ranges import *  # noqa: F403
from jitgrad.ops.reals import *  # noqa: F403
from jitgrad.ops.rectifiers import celu as celu
from jitgrad.ops.rectifiers import celu_ as celu_
from jitgrad.ops.rectifiers import hardshrink as hardshrink
from jitgrad.ops.rectifiers import prelu as prelu
from jitgrad.ops.rectifiers import selu as selu
from jitgrad.ops.rectifiers import selu_ as selu_
from jitgrad.ops.rectifiers import threshold as threshold
from jitgrad.ops.rectifiers import threshold_ as threshold_
from jitgrad.ops.reduce import *  # noqa: F403
from jitgrad.ops.rounding import *  # noqa: F403
from jitgrad.ops.scan import *  # noqa: F403
from jitgrad.ops.scatter import *  # noqa: F403
from jitgrad.ops.scatter_reduce import *  # noqa: F403
from jitgrad.ops.selection import *  # noqa: F403
from jitgrad.ops.shape import *  # noqa: F403
from jitgrad.ops.slicing import *  # noqa: F403
from jitgrad.ops.sorting import *  # noqa: F403
from jitgrad.ops.special import *  # noqa: F403
from jitgrad.ops.splitting import *  # noqa: F403
from jitgrad.ops.statistics import *  # noqa: F403
from jitgrad.ops.triangular import *  # noqa: F403
from jitgrad.ops.trigonometric import *  # noqa: F403
from jitgrad.ops.unary import *  # noqa: F403
from jitgrad.ops.vectors import *  # noqa: F403
from jitgrad.ops.views import *  # noqa: F403
from jitgrad.ops.windows import *  # noqa: F403
from jitgrad.printing import get_printoptions as get_printoptions
from jitgrad.printing import printoptions as printoptions
from jitgrad.printing import set_printoptions as set_printoptions
from jitgrad.settings import *  # noqa: F403
from jitgrad.spec import Size as Size

# after the imports, as they hide Python's own names
bool, float, int = _dtypes.bool_, _dtypes.float32, _dtypes.int32

if _TYPE_CHECKING:
    from jitgrad import accelerator as accelerator
    from jitgrad import backends as backends
    from jitgrad import cuda as cuda
    from jitgrad import datasets as datasets
    from jitgrad import distributions as distributions
    from jitgrad import func as func
    from jitgrad import linalg as linalg
    from jitgrad import nn as nn
    from jitgrad import optim as optim
    from jitgrad import safetensors as safetensors
    from jitgrad import serialization as serialization
    from jitgrad import special as special
    from jitgrad import testing as testing
    from jitgrad import utils as utils
    from jitgrad.compiled import compile as compile
    from jitgrad.compiled import verify as verify
    from jitgrad.errors import VerificationError as VerificationError
    from jitgrad.modes import eager as eager
    from jitgrad.ops.averages import *  # noqa: F403
    from jitgrad.ops.buffers import *  # noqa: F403
    from jitgrad.ops.convolution import *  # noqa: F403
    from jitgrad.ops.distances import cdist as cdist
    from jitgrad.ops.distances import cosine_similarity as cosine_similarity
    from jitgrad.ops.distances import pairwise_distance as pairwise_distance
    from jitgrad.ops.distances import pdist as pdist
    from jitgrad.ops.foreach import *  # noqa: F403
    from jitgrad.ops.noise import alpha_dropout as alpha_dropout
    from jitgrad.ops.noise import dropout as dropout
    from jitgrad.ops.noise import feature_alpha_dropout as feature_alpha_dropout
    from jitgrad.ops.noise import rrelu as rrelu
    from jitgrad.ops.noise import rrelu_ as rrelu_
    from jitgrad.ops.normalization import group_norm as group_norm
    from jitgrad.ops.normalization import layer_norm as layer_norm
    from jitgrad.ops.normalization import rms_norm as rms_norm
    from jitgrad.ops.padding import *  # noqa: F403
    from jitgrad.ops.pixels import *  # noqa: F403
    from jitgrad.ops.pooling import *  # noqa: F403
    from jitgrad.ops.pooling_with_indices import *  # noqa: F403
    from jitgrad.ops.recurrent import *  # noqa: F403
    from jitgrad.ops.signal_windows import *  # noqa: F403
    from jitgrad.ops.transposed_convolution import *  # noqa: F403
    from jitgrad.serialization import load as load
    from jitgrad.serialization import save as save


# What a program may not need is loaded when it is first asked for: together it would take longer
# to import than all the rest.
_LATE_MODULES = frozenset(
    {
        "accelerator",
        "backends",
        "cuda",
        "datasets",
        "distributions",
        "func",
        "linalg",
        "nn",
        "optim",
        "safetensors",
        "serialization",
        "special",
        "testing",
        "utils",
    }
)
_LATE_NAMES = {
    **dict.fromkeys(
        ("cdist", "cosine_similarity", "pairwise_distance", "pdist"), "jitgrad.ops.distances"
    ),
    **dict.fromkeys(
        ("alpha_dropout", "dropout", "feature_alpha_dropout", "rrelu", "rrelu_"),
        "jitgrad.ops.noise",
    ),
    **dict.fromkeys(("group_norm", "layer_norm", "rms_norm"), "jitgrad.ops.normalization"),
    "compile": "jitgrad.compiled",
    "eager": "jitgrad.modes",
    "verify": "jitgrad.compiled",
    "VerificationError": "jitgrad.errors",
    "load": "jitgrad.serialization",
    "save": "jitgrad.serialization",
    "constant_pad_nd": "jitgrad.ops.padding",
    **dict.fromkeys(("from_dlpack", "frombuffer"), "jitgrad.ops.buffers"),
    **dict.fromkeys(("adaptive_avg_pool1d", "avg_pool1d"), "jitgrad.ops.averages"),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "conv_tbc"), "jitgrad.ops.convolution"),
    **dict.fromkeys(
        ("channel_shuffle", "native_channel_shuffle", "pixel_shuffle", "pixel_unshuffle"),
        "jitgrad.ops.pixels",
    ),
    **dict.fromkeys(("max_pool1d", "max_pool2d", "max_pool3d"), "jitgrad.ops.pooling"),
    **dict.fromkeys(
        ("adaptive_max_pool1d", "max_pool1d_with_indices"), "jitgrad.ops.pooling_with_indices"
    ),
    **dict.fromkeys(("gru", "gru_cell", "lstm", "lstm_cell"), "jitgrad.ops.recurrent"),
    **dict.fromkeys(
        ("rnn_relu", "rnn_relu_cell", "rnn_tanh", "rnn_tanh_cell"), "jitgrad.ops.recurrent"
    ),
    **dict.fromkeys(
        (
            "bartlett_window",
            "blackman_window",
            "hamming_window",
            "hann_window",
            "kaiser_window",
        ),
        "jitgrad.ops.signal_windows",
    ),
    **dict.fromkeys(
        ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
        "jitgrad.ops.transposed_convolution",
    ),
}
_LATE_PREFIXES = {"_foreach_": "jitgrad.ops.foreach"}


def __getattr__(name: str) -> object:
    if name in _LATE_MODULES:
        return _import_module(f"jitgrad.{name}")
    if name in _LATE_NAMES:
        found = globals()[name] = getattr(_import_module(_LATE_NAMES[name]), name)
        return found
    for prefix, module in _LATE_PREFIXES.items():
        if name.startswith(prefix):
            found = getattr(_import_module(module), name, None)
            if found is not None:
                globals()[name] = found
                return found
    raise AttributeError(f"module 'jitgrad' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATE_MODULES, *_LATE_NAMES})
