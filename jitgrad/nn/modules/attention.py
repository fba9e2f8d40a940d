"""Attention with several heads as a module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jitgrad.errors import describe
from jitgrad.nn import functional as F
from jitgrad.nn import init
from jitgrad.nn.modules.linear import Linear
from jitgrad.nn.modules.module import Module
from jitgrad.nn.parameter import Parameter
from jitgrad.ops.create import empty

if TYPE_CHECKING:
    from jitgrad.device import device as Device
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

__all__ = ["MultiheadAttention", "NonDynamicallyQuantizableLinear"]


class NonDynamicallyQuantizableLinear(Linear):
    """The linear map at the end of `MultiheadAttention`; PyTorch's name for it."""


class MultiheadAttention(Module):
    """What queries take from values by how well keys match, in several heads side by side.

    Query, key and value are projected to `embed_dim`, cut into `num_heads` parts of equal size,
    each of which attends on its own, and joined and projected again.

    Shapes: query (l, n, embed_dim), key (s, n, kdim), value (s, n, vdim); with `batch_first`
    (n, l, embed_dim) and so on; or all without n. The output has the shape of the query; the
    weights are (n, l, s), averaged over the heads.

    Args:
        embed_dim: the width of query and output.
        num_heads: how many there are; `embed_dim` is a multiple.
        dropout: the probability with which weights are zeroed in training.
        bias: whether the projections have one.
        add_bias_kv: whether a learnt key and value come behind the others.
        add_zero_attn: whether a key and a value of zeros come behind the others.
        kdim, vdim: the widths of key and value; `embed_dim` unless given.
        batch_first: whether the batch is the first dimension.

    Raises:
        ValueError: a size that is not positive.
        AssertionError: `embed_dim` is no multiple of `num_heads`.

    Source: Vaswani et al., Attention Is All You Need, 2017.

    Example:
        >>> import jitgrad as torch
        >>> attention = torch.nn.MultiheadAttention(8, 2, batch_first=True)
        >>> x = torch.randn(3, 5, 8)
        >>> output, weights = attention(x, x, x)
        >>> output.shape, weights.shape
        (torch.Size([3, 5, 8]), torch.Size([3, 5, 5]))
    """

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Device | str | None = None,
        dtype: DType | None = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            came = f"embed_dim={embed_dim} and num_heads={num_heads}"
            rule = "embed_dim and num_heads must be greater than 0"
            raise ValueError(describe("MultiheadAttention", came, rule))
        super().__init__()
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.batch_first, self.add_zero_attn = batch_first, add_zero_attn
        self._qkv_same_embed_dim = self.kdim == embed_dim and self.vdim == embed_dim
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            came = f"embed_dim={embed_dim} and num_heads={num_heads}"
            rule = "embed_dim must be divisible by num_heads"
            raise AssertionError(describe("MultiheadAttention", came, rule))
        separate = {"q": embed_dim, "k": self.kdim, "v": self.vdim}
        shapes: dict[str, tuple[int, ...] | None] = {
            f"{name}_proj_weight": None if self._qkv_same_embed_dim else (embed_dim, width)
            for name, width in separate.items()
        }
        shapes["in_proj_weight"] = (3 * embed_dim, embed_dim) if self._qkv_same_embed_dim else None
        shapes["in_proj_bias"] = (3 * embed_dim,) if bias else None
        for name, shape in shapes.items():
            made = None if shape is None else Parameter(empty(shape, device=device, dtype=dtype))
            self.register_parameter(name, made)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias, device, dtype)
        for name in ("bias_k", "bias_v"):
            more = empty(1, 1, embed_dim, device=device, dtype=dtype)
            self.register_parameter(name, Parameter(more) if add_bias_kv else None)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for weight in (
            self.in_proj_weight,
            self.q_proj_weight,
            self.k_proj_weight,
            self.v_proj_weight,
        ):
            if weight is not None:
                init.xavier_uniform_(weight)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)
        for more in (self.bias_k, self.bias_v):
            if more is not None:
                init.xavier_normal_(more)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Return the output and, if they are needed, the weights.

        Args:
            key_padding_mask: (n, s). Boolean: True for keys that nobody sees. Floating-point:
                added to the scores.
            need_weights: whether the weights are returned; None in their place otherwise.
            attn_mask: (l, s) or (n * num_heads, l, s), the same for pairs of query and key.
            average_attn_weights: whether the weights are averaged over the heads.
            is_causal: a promise that `attn_mask` is the causal one.

        Raises:
            AssertionError: shapes that do not go together.
            RuntimeError: a mask of the wrong shape; `is_causal` without a mask.
        """
        batch_first = self.batch_first and query.dim() == key.dim() == value.dim() == 3
        if batch_first:
            query, key, value = query.transpose(0, 1), key.transpose(0, 1), value.transpose(0, 1)
        output, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return (output.transpose(0, 1) if batch_first else output), weights
