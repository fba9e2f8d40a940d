"""The functions of neural networks, gathered under PyTorch's names."""

from jitgrad.ops.activation import *  # noqa: F403
from jitgrad.ops.activation import gelu as gelu
from jitgrad.ops.activation import glu as glu
from jitgrad.ops.activation import logsigmoid as logsigmoid
from jitgrad.ops.activation import mish as mish
from jitgrad.ops.activation import silu as silu
from jitgrad.ops.activation import softplus as softplus
from jitgrad.ops.activation import softsign as softsign
from jitgrad.ops.activation import tanhshrink as tanhshrink
from jitgrad.ops.alignment import *  # noqa: F403
from jitgrad.ops.attention import multi_head_attention_forward as multi_head_attention_forward
from jitgrad.ops.attention import scaled_dot_product_attention as scaled_dot_product_attention
from jitgrad.ops.averages import adaptive_avg_pool1d as adaptive_avg_pool1d
from jitgrad.ops.averages import adaptive_avg_pool2d as adaptive_avg_pool2d
from jitgrad.ops.averages import adaptive_avg_pool3d as adaptive_avg_pool3d
from jitgrad.ops.averages import avg_pool1d as avg_pool1d
from jitgrad.ops.averages import avg_pool2d as avg_pool2d
from jitgrad.ops.averages import avg_pool3d as avg_pool3d
from jitgrad.ops.averages import lp_pool1d as lp_pool1d
from jitgrad.ops.averages import lp_pool2d as lp_pool2d
from jitgrad.ops.averages import lp_pool3d as lp_pool3d
from jitgrad.ops.classification import *  # noqa: F403
from jitgrad.ops.composite import linear as linear
from jitgrad.ops.composite import log_softmax as log_softmax
from jitgrad.ops.composite import softmax as softmax
from jitgrad.ops.composite import softmin as softmin
from jitgrad.ops.convolution import conv1d as conv1d
from jitgrad.ops.convolution import conv2d as conv2d
from jitgrad.ops.convolution import conv3d as conv3d
from jitgrad.ops.convolution import conv_tbc as conv_tbc
from jitgrad.ops.distances import cosine_similarity as cosine_similarity
from jitgrad.ops.distances import pairwise_distance as pairwise_distance
from jitgrad.ops.distances import pdist as pdist
from jitgrad.ops.folding import fold as fold
from jitgrad.ops.folding import unfold as unfold
from jitgrad.ops.grids import affine_grid as affine_grid
from jitgrad.ops.grids import grid_sample as grid_sample
from jitgrad.ops.interpolation import interpolate as interpolate
from jitgrad.ops.interpolation import upsample as upsample
from jitgrad.ops.interpolation import upsample_bilinear as upsample_bilinear
from jitgrad.ops.interpolation import upsample_nearest as upsample_nearest
from jitgrad.ops.lookup import *  # noqa: F403
from jitgrad.ops.losses import *  # noqa: F403
from jitgrad.ops.margins import *  # noqa: F403
from jitgrad.ops.noise import *  # noqa: F403
from jitgrad.ops.normalization import *  # noqa: F403
from jitgrad.ops.padding import pad as pad
from jitgrad.ops.pixels import channel_shuffle as channel_shuffle
from jitgrad.ops.pixels import native_channel_shuffle as native_channel_shuffle
from jitgrad.ops.pixels import pixel_shuffle as pixel_shuffle
from jitgrad.ops.pixels import pixel_unshuffle as pixel_unshuffle
from jitgrad.ops.pooling import adaptive_max_pool1d as adaptive_max_pool1d
from jitgrad.ops.pooling import adaptive_max_pool2d as adaptive_max_pool2d
from jitgrad.ops.pooling import adaptive_max_pool3d as adaptive_max_pool3d
from jitgrad.ops.pooling import max_pool1d as max_pool1d
from jitgrad.ops.pooling import max_pool2d as max_pool2d
from jitgrad.ops.pooling import max_pool3d as max_pool3d
from jitgrad.ops.pooling_with_indices import (
    adaptive_max_pool1d_with_indices as adaptive_max_pool1d_with_indices,
)
from jitgrad.ops.pooling_with_indices import (
    adaptive_max_pool2d_with_indices as adaptive_max_pool2d_with_indices,
)
from jitgrad.ops.pooling_with_indices import (
    adaptive_max_pool3d_with_indices as adaptive_max_pool3d_with_indices,
)
from jitgrad.ops.pooling_with_indices import max_pool1d_with_indices as max_pool1d_with_indices
from jitgrad.ops.pooling_with_indices import max_pool2d_with_indices as max_pool2d_with_indices
from jitgrad.ops.pooling_with_indices import max_pool3d_with_indices as max_pool3d_with_indices
from jitgrad.ops.products import bilinear as bilinear
from jitgrad.ops.rectifiers import *  # noqa: F403
from jitgrad.ops.transposed_convolution import conv_transpose1d as conv_transpose1d
from jitgrad.ops.transposed_convolution import conv_transpose2d as conv_transpose2d
from jitgrad.ops.transposed_convolution import conv_transpose3d as conv_transpose3d
from jitgrad.ops.trigonometric import tanh as tanh
from jitgrad.ops.unpooling import fractional_max_pool2d as fractional_max_pool2d
from jitgrad.ops.unpooling import fractional_max_pool3d as fractional_max_pool3d
from jitgrad.ops.unpooling import max_unpool1d as max_unpool1d
from jitgrad.ops.unpooling import max_unpool2d as max_unpool2d
from jitgrad.ops.unpooling import max_unpool3d as max_unpool3d
