"""Transformers: layers of attention and small networks, stacked."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jitgrad.errors import describe
from jitgrad.nn import functional as F
from jitgrad.nn import init
from jitgrad.nn.modules.attention import MultiheadAttention
from jitgrad.nn.modules.container import ModuleList
from jitgrad.nn.modules.dropout import Dropout
from jitgrad.nn.modules.linear import Linear
from jitgrad.nn.modules.module import Module
from jitgrad.nn.modules.normalization import LayerNorm
from jitgrad.ops.create import full
from jitgrad.ops.diagonal import triu

if TYPE_CHECKING:
    from jitgrad.device import device as Device
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]

Activation = str | Callable[["Tensor"], "Tensor"]


def _copies(layer: Module, count: int) -> ModuleList:
    return ModuleList([copy.deepcopy(layer) for _ in range(count)])


class _Layer(Module):
    """What both kinds of layers have in common: attention to themselves, then a small network."""

    norms: int
    """How many parts a layer has, each with a sum and a normalisation of its own."""

    self_attn: MultiheadAttention
    norm1: LayerNorm
    norm2: LayerNorm
    dropout1: Dropout
    dropout2: Dropout

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Device | str | None = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        for name in ("self_attn", "multihead_attn")[: self.norms - 1]:
            attention = MultiheadAttention(
                d_model, nhead, dropout, bias, batch_first=batch_first, **made
            )
            setattr(self, name, attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias, **made)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias, **made)
        self.norm_first = norm_first
        for number in range(1, self.norms + 1):
            setattr(self, f"norm{number}", LayerNorm(d_model, layer_norm_eps, bias=bias, **made))
        for number in range(1, self.norms + 1):
            setattr(self, f"dropout{number}", Dropout(dropout))
        if isinstance(activation, str):
            if activation not in ("relu", "gelu"):
                came = f"activation={activation!r}"
                raise RuntimeError(
                    describe(self._get_name(), came, "activation should be relu/gelu")
                )
            activation = F.relu if activation == "relu" else F.gelu
        self.activation: Callable[[Tensor], Tensor] = activation

    def _sa_block(
        self, x: Tensor, mask: Tensor | None, padding: Tensor | None, is_causal: bool
    ) -> Tensor:
        made, _ = self.self_attn(x, x, x, padding, False, mask, is_causal=is_causal)
        return self.dropout1(made)

    def _ff_block(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(_Layer):
    """Attention of a sequence to itself, and a network of two linear maps.

    Each of both is added to its input; the sum is normalised, or with `norm_first` what goes in.

    Shapes: (s, n, d_model), with `batch_first` (n, s, d_model), or without n; the output likewise.

    Args:
        d_model: the width of inputs and outputs.
        nhead: the number of heads.
        dim_feedforward: the width between the linear maps.
        dropout: the probability with which elements are zeroed in training, in four places.
        activation: "relu", "gelu" or a function, between the linear maps.
        layer_norm_eps: what is added to variances.
        batch_first: whether the batch is the first dimension.
        norm_first: whether to normalise before attention and network, not behind.
        bias: whether linear maps and normalisations have one.

    Source: Vaswani et al., Attention Is All You Need, 2017; normalising first: Xiong et al., On
    Layer Normalization in the Transformer Architecture, 2020.

    Example:
        >>> import jitgrad as torch
        >>> layer = torch.nn.TransformerEncoderLayer(d_model=16, nhead=4, batch_first=True)
        >>> layer(torch.rand(3, 10, 16)).shape
        torch.Size([3, 10, 16])
    """

    norms = 2

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """Return the output; the masks are those of `MultiheadAttention`."""
        if self.norm_first:
            x = src + self._sa_block(self.norm1(src), src_mask, src_key_padding_mask, is_causal)
            return x + self.dropout2(self._ff_block(self.norm2(x)))
        x = self.norm1(src + self._sa_block(src, src_mask, src_key_padding_mask, is_causal))
        return self.norm2(x + self.dropout2(self._ff_block(x)))


class TransformerDecoderLayer(_Layer):
    """Attention of a sequence to itself, then to another one, and a network of two linear maps.

    Shapes and arguments are those of `TransformerEncoderLayer`; the other sequence, `memory`, has
    the same width.

    Example:
        >>> import jitgrad as torch
        >>> layer = torch.nn.TransformerDecoderLayer(d_model=16, nhead=4, batch_first=True)
        >>> layer(torch.rand(3, 7, 16), torch.rand(3, 10, 16)).shape
        torch.Size([3, 7, 16])
    """

    norms = 3
    multihead_attn: MultiheadAttention
    norm3: LayerNorm
    dropout3: Dropout

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Return the output; the masks are those of `MultiheadAttention`."""
        own = tgt_mask, tgt_key_padding_mask, tgt_is_causal
        other = memory_mask, memory_key_padding_mask, memory_is_causal
        if self.norm_first:
            x = tgt + self._sa_block(self.norm1(tgt), *own)
            x = x + self._mha_block(self.norm2(x), memory, *other)
            return x + self.dropout3(self._ff_block(self.norm3(x)))
        x = self.norm1(tgt + self._sa_block(tgt, *own))
        x = self.norm2(x + self._mha_block(x, memory, *other))
        return self.norm3(x + self.dropout3(self._ff_block(x)))

    def _mha_block(
        self,
        x: Tensor,
        memory: Tensor,
        mask: Tensor | None,
        padding: Tensor | None,
        is_causal: bool,
    ) -> Tensor:
        made, _ = self.multihead_attn(x, memory, memory, padding, False, mask, is_causal=is_causal)
        return self.dropout2(made)


class TransformerEncoder(Module):
    """Several layers, one on the outputs of the other.

    Args:
        encoder_layer: the layer; each has parameters of its own, which start as its do.
        num_layers: how many there are.
        norm: a module for the output of the last.
        enable_nested_tensor, mask_check: PyTorch's names; nested tensors are not used here.

    Example:
        >>> import jitgrad as torch
        >>> layer = torch.nn.TransformerEncoderLayer(d_model=16, nhead=4, batch_first=True)
        >>> torch.nn.TransformerEncoder(layer, num_layers=2)(torch.rand(3, 10, 16)).shape
        torch.Size([3, 10, 16])
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm
        self.enable_nested_tensor, self.mask_check = enable_nested_tensor, mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """Return the output; the masks are those of `MultiheadAttention`."""
        output = src
        for layer in self.layers:
            output = layer(
                output,
                src_mask=mask,
                is_causal=is_causal is True,
                src_key_padding_mask=src_key_padding_mask,
            )
        return output if self.norm is None else self.norm(output)


class TransformerDecoder(Module):
    """Several layers, one on the outputs of the other, all with the same memory.

    Args:
        decoder_layer: the layer; each has parameters of its own, which start as its do.
        num_layers: how many there are.
        norm: a module for the output of the last.

    Example:
        >>> import jitgrad as torch
        >>> layer = torch.nn.TransformerDecoderLayer(d_model=16, nhead=4, batch_first=True)
        >>> decoder = torch.nn.TransformerDecoder(layer, num_layers=2)
        >>> decoder(torch.rand(3, 7, 16), torch.rand(3, 10, 16)).shape
        torch.Size([3, 7, 16])
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers, self.norm = num_layers, norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Return the output; the masks are those of `MultiheadAttention`."""
        output = tgt
        for layer in self.layers:
            output = layer(
                output,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=tgt_is_causal is True,
                memory_is_causal=memory_is_causal,
            )
        return output if self.norm is None else self.norm(output)


class Transformer(Module):
    """An encoder of one sequence and a decoder of another that attends to the first.

    Args:
        d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first,
            norm_first, bias: those of the layers.
        num_encoder_layers, num_decoder_layers: how many there are.
        custom_encoder, custom_decoder: modules in their place.

    Raises:
        RuntimeError: the sequences differ in their batch, or in width from `d_model`.

    Example:
        >>> import jitgrad as torch
        >>> model = torch.nn.Transformer(16, 4, 1, 1, 32)
        >>> model(torch.rand(10, 3, 16), torch.rand(7, 3, 16)).shape
        torch.Size([7, 3, 16])
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Activation = F.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Device | str | None = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        layer = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps)
        flags = (batch_first, norm_first, bias)

        def norm() -> LayerNorm:
            return LayerNorm(d_model, layer_norm_eps, bias=bias, **made)

        self.encoder = custom_encoder
        if custom_encoder is None:
            one = TransformerEncoderLayer(*layer, *flags, **made)
            self.encoder = TransformerEncoder(one, num_encoder_layers, norm())
        self.decoder = custom_decoder
        if custom_decoder is None:
            other = TransformerDecoderLayer(*layer, *flags, **made)
            self.decoder = TransformerDecoder(other, num_decoder_layers, norm())
        self._reset_parameters()
        self.d_model, self.nhead, self.batch_first = d_model, nhead, batch_first

    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            if parameter.dim() > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Return the output of the decoder for `tgt`, with what the encoder makes of `src`."""
        came = f"src of shape {tuple(src.shape)} and tgt of shape {tuple(tgt.shape)}"
        batch_dim = 0 if self.batch_first else 1
        if src.dim() == 3 and src.size(batch_dim) != tgt.size(batch_dim):
            rule = "the batch number of src and tgt must be equal"
            raise RuntimeError(describe("Transformer", came, rule))
        if src.size(-1) != self.d_model or tgt.size(-1) != self.d_model:
            rule = f"the feature number of src and tgt must be equal to d_model, {self.d_model}"
            raise RuntimeError(describe("Transformer", came, rule))
        memory = self.encoder(
            src,
            mask=src_mask,
            src_key_padding_mask=src_key_padding_mask,
            is_causal=src_is_causal,
        )
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(
        sz: int, device: Device | str | None = None, dtype: DType | None = None
    ) -> Tensor:
        """Return the causal mask (sz, sz): 0 where a query may look, -inf behind it.

        Example:
            >>> import jitgrad as torch
            >>> torch.nn.Transformer.generate_square_subsequent_mask(2)
            tensor([[0., -inf],
                    [0., 0.]])
        """
        return triu(full((sz, sz), -math.inf, dtype=dtype, device=device), 1)
