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
from jitgrad.ops.attention import multi_head_attention_forward as multi_head_attention_forward
from jitgrad.ops.attention import scaled_dot_product_attention as scaled_dot_product_attention
from jitgrad.ops.composite import cosine_similarity as cosine_similarity
from jitgrad.ops.composite import embedding as embedding
from jitgrad.ops.composite import layer_norm as layer_norm
from jitgrad.ops.composite import linear as linear
from jitgrad.ops.composite import log_softmax as log_softmax
from jitgrad.ops.composite import normalize as normalize
from jitgrad.ops.composite import one_hot as one_hot
from jitgrad.ops.composite import softmax as softmax
from jitgrad.ops.composite import softmin as softmin
from jitgrad.ops.losses import binary_cross_entropy as binary_cross_entropy
from jitgrad.ops.losses import (
    binary_cross_entropy_with_logits as binary_cross_entropy_with_logits,
)
from jitgrad.ops.losses import cross_entropy as cross_entropy
from jitgrad.ops.losses import huber_loss as huber_loss
from jitgrad.ops.losses import kl_div as kl_div
from jitgrad.ops.losses import l1_loss as l1_loss
from jitgrad.ops.losses import mse_loss as mse_loss
from jitgrad.ops.losses import nll_loss as nll_loss
from jitgrad.ops.losses import smooth_l1_loss as smooth_l1_loss
from jitgrad.ops.products import bilinear as bilinear
from jitgrad.ops.random import dropout as dropout
from jitgrad.ops.rectifiers import *  # noqa: F403
from jitgrad.ops.trigonometric import tanh as tanh
