"""Attention: what each query takes from the values, weighted by how well their keys match."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from jitgrad import dtypes
from jitgrad.errors import describe
from jitgrad.ops.checks import check_tensor
from jitgrad.ops.composite import linear, softmax
from jitgrad.ops.create import ones, zeros
from jitgrad.ops.diagonal import tril
from jitgrad.ops.joining import cat
from jitgrad.ops.linalg import matmul
from jitgrad.ops.moving import repeat_interleave
from jitgrad.ops.noise import dropout
from jitgrad.ops.selection import where

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]


def _scores(query: Tensor, key: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """Return how well queries match keys; -inf where a boolean `mask` is False."""
    scores = matmul(query * scale, key.transpose(-2, -1))
    if mask is None:
        return scores
    return where(mask, scores, -math.inf) if mask._array.dtype.kind == "b" else scores + mask


def _weights_of(scores: Tensor, mask: Tensor | None) -> Tensor:
    """Return the shares of the values; 0 throughout where `mask` lets a query see no key at all."""
    if mask is None:
        return softmax(scores, -1)
    seen = mask if mask._array.dtype.kind == "b" else mask != -math.inf
    rows = seen.any(-1, keepdim=True)
    # softmax of -inf alone is NaN, and so would be its derivative
    return where(rows, softmax(where(rows, scores, 0.0), -1), 0.0)


def _check_operands(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> None:
    operation = "scaled_dot_product_attention"
    for name, each in (("query", query), ("key", key), ("value", value)):
        check_tensor(operation, name, each)
    ranks = [each._array.ndim for each in (query, key, value)]
    if min(ranks) < 2:
        raise RuntimeError(
            describe(
                operation,
                f"query, key and value of {ranks[0]}, {ranks[1]} and {ranks[2]} dimensions",
                "Expected query, key, and value to all be at least 2 dimensional",
                "use unsqueeze for a single vector",
            )
        )
    found = [each._array.dtype for each in (query, key, value)]
    if not found[0] == found[1] == found[2] or found[0].kind not in "fc":
        raise RuntimeError(
            describe(
                operation,
                f"dtypes {', '.join(dtypes.FROM_NUMPY[each].name for each in found)}",
                "Expected query, key, and value to have the same floating-point dtype",
                "convert them with .to(query.dtype)",
            )
        )
    if mask is not None and mask._array.dtype not in (np.bool_, np.float32, found[0]):
        raise RuntimeError(
            describe(
                operation,
                f"attn_mask of dtype {mask.dtype}",
                "Expected attn_mask dtype to be bool or float or to match query dtype",
                "convert it with .bool() or .to(query.dtype)",
            )
        )


def _for_each_head(query: Tensor, shared: Tensor) -> Tensor:
    """Return keys or values, each head as often as there are heads of the query to share it."""
    heads, groups = query._array.shape[-3], shared._array.shape[-3]
    if not groups or heads % groups:
        raise RuntimeError(
            describe(
                "scaled_dot_product_attention",
                f"{groups} heads of key or value, and {heads} of query",
                "Number of heads in key and value must divide the number of heads in query",
            )
        )
    return shared if heads == groups else repeat_interleave(shared, heads // groups, -3)


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Return softmax(query @ key.mT * scale) @ value.

    Shapes: (..., l, e), (..., s, e) and (..., s, v) give (..., l, v); leading dimensions broadcast.
    Where a mask lets a query see no key, the result is 0.

    Args:
        attn_mask: of a shape that broadcasts to (..., l, s). Boolean: True where a query sees a
            key. Floating-point: added to the scores.
        dropout_p: the share of the weights that is set to 0; in evaluation, too.
        is_causal: query i sees the keys up to i; without `attn_mask`.
        scale: 1 / sqrt(e) unless given.
        enable_gqa: heads (dimension -3) of key and value may be fewer, and serve several of query.

    Raises:
        RuntimeError: shapes or dtypes that do not go together, a mask with `is_causal`, a
            `dropout_p` that is no probability.
        TypeError: what is no tensor.

    Source: Vaswani et al., Attention Is All You Need, 2017, equation 1.

    Example:
        >>> import jitgrad as torch
        >>> x = torch.eye(2)
        >>> torch.nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True)
        tensor([[1.0000, 0.0000],
                [0.3302, 0.6698]])
    """
    _check_operands(query, key, value, attn_mask)
    if not 0 <= dropout_p <= 1:
        rule = "dropout probability has to be between 0 and 1"
        raise RuntimeError(describe("scaled_dot_product_attention", f"dropout_p={dropout_p}", rule))
    if enable_gqa and query._array.ndim > 2:
        key, value = _for_each_head(query, key), _for_each_head(query, value)
    scale = 1 / math.sqrt(query._array.shape[-1] or 1) if scale is None else scale
    if is_causal:
        if attn_mask is not None:
            raise RuntimeError(
                describe(
                    "scaled_dot_product_attention",
                    "attn_mask and is_causal=True",
                    "Explicit attn_mask should not be set when is_causal=True",
                    "merge them into one mask",
                )
            )
        # every query sees the first key: no row is without
        causal = tril(ones(query._array.shape[-2], key._array.shape[-2], dtype=dtypes.bool_))
        weights = softmax(_scores(query, key, causal, scale), -1)
    else:
        weights = _weights_of(_scores(query, key, attn_mask, scale), attn_mask)
    return matmul(dropout(weights, dropout_p), value)


# -- several heads ------------------------------------------------------------------------------


def _check(condition: bool, came: str, rule: str) -> None:
    """Raise what PyTorch raises for arguments of attention with several heads."""
    if not condition:
        raise AssertionError(describe("multi_head_attention_forward", came, rule))


def _check_ranks(
    query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None, mask: Tensor | None
) -> None:
    rank = query._array.ndim
    _check(
        rank in (2, 3),
        f"query of {rank} dimensions",
        "query should be unbatched 2D or batched 3D tensor",
    )
    found = (key._array.ndim, value._array.ndim)
    _check(
        found == (rank, rank),
        f"key and value of {found[0]} and {found[1]} dimensions",
        f"for a query of {rank} dimensions, expected `key` and `value` to be {rank}-D",
    )
    if padding is not None:
        _check(
            padding._array.ndim == rank - 1,
            f"key_padding_mask of {padding._array.ndim} dimensions",
            f"for a query of {rank} dimensions, expected `key_padding_mask` to be {rank - 1}-D",
        )
    if mask is not None:
        _check(
            mask._array.ndim in (2, 3),
            f"attn_mask of {mask._array.ndim} dimensions",
            "expected `attn_mask` to be `None`, 2-D or 3-D",
        )


def as_addend(mask: Tensor | None, name: str, like: Tensor) -> Tensor | None:
    """Return a mask to be added to scores: a boolean one, True for what is not seen, as -inf."""
    if mask is None or mask._array.dtype.kind == "f":
        return mask
    _check(
        mask._array.dtype.kind == "b",
        f"{name} of dtype {mask.dtype}",
        f"only bool and floating types of {name} are supported",
    )
    return zeros(mask._array.shape, dtype=like.dtype).masked_fill(mask, -math.inf)


def _with_zeros(input: Tensor, dim: int, count: int) -> Tensor:
    """Return `input` with `count` zeros more along `dim`."""
    if not count:
        return input
    shape = list(input._array.shape)
    shape[dim] = count
    return cat([input, zeros(shape, dtype=input.dtype)], dim)


def _merged_mask(
    mask: Tensor | None, padding: Tensor | None, heads: int, sizes: tuple[int, int, int], more: int
) -> Tensor | None:
    """Return both masks as one that broadcasts to (batch, heads, queries, keys).

    Args:
        sizes: batch, queries and keys.
        more: how many keys follow these, which all queries see.
    """
    batch, queries, keys = sizes
    if mask is not None:
        expected = (queries, keys) if mask._array.ndim == 2 else (batch * heads, queries, keys)
        if mask._array.shape != expected:
            raise RuntimeError(
                describe(
                    "multi_head_attention_forward",
                    f"attn_mask of shape {mask._array.shape}",
                    f"The shape of the {mask._array.ndim}D attn_mask should be {expected}",
                )
            )
        mask = mask.reshape(-1, heads if mask._array.ndim == 3 else 1, queries, keys)
        mask = _with_zeros(mask, -1, more)
    if padding is not None:
        _check(
            padding._array.shape == (batch, keys),
            f"key_padding_mask of shape {padding._array.shape}",
            f"expected it to be {(batch, keys)}, one row for each sequence of keys",
        )
        padding = _with_zeros(padding, -1, more).reshape(batch, 1, 1, -1)
    return padding if mask is None else mask if padding is None else mask + padding


def _projections(
    sources: tuple[Tensor, Tensor, Tensor],
    together: Tensor | None,
    separate: tuple[Tensor | None, Tensor | None, Tensor | None],
    bias: Tensor | None,
) -> tuple[Tensor, ...]:
    """Return query, key and value as the heads see them.

    Args:
        together: the weights of the three, one below the other; None: they are in `separate`.
    """
    # parts of the weights cost the way back less than parts of the activations would
    weights = separate if together is None else together.chunk(3)
    biases = (None, None, None) if bias is None else bias.chunk(3)
    made = []
    for name, source, weight, offset in zip("qkv", sources, weights, biases):
        if weight is None:
            raise AssertionError(
                describe(
                    "multi_head_attention_forward",
                    f"no {name}_proj_weight",
                    "without in_proj_weight, each projection needs its own",
                )
            )
        made.append(linear(source, weight, offset))
    return tuple(made)


def _check_sizes(
    query: Tensor, key: Tensor, value: Tensor, width: int, heads: int, separate: bool
) -> None:
    found = query._array.shape[-1]
    _check(
        found == width,
        f"query of width {found}",
        f"was expecting embedding dimension of {width}",
    )
    _check(
        width // heads * heads == width,
        f"{heads} heads",
        f"embed_dim {width} not divisible by num_heads {heads}",
    )
    shapes = key._array.shape, value._array.shape
    agree = shapes[0][:2] == shapes[1][:2] if separate else shapes[0] == shapes[1]
    _check(
        agree,
        f"key of shape {shapes[0]} and value of shape {shapes[1]}",
        "key's sequence and batch dims do not match value's"
        if separate
        else "key shape does not match value shape",
    )


def _in_heads(
    projected: Tensor, heads: int, bias: Tensor | None, static: Tensor | None, zero: bool
) -> Tensor:
    """Return (length, batch, width) as (batch, heads, length, width / heads).

    Args:
        bias: (1, 1, width), one place more, the same for the whole batch.
        static: what the caller made in place of it all: (batch * heads, length, width / heads).
        zero: one place more, of zeros.
    """
    _, batch, width = projected._array.shape
    if static is not None:
        _check(bias is None, "bias_k and static_k or static_v", "bias cannot be added to these")
        shape = static._array.shape
        _check(
            shape[0] == batch * heads and shape[2] == width // heads,
            f"static_k or static_v of shape {shape}",
            f"expecting size(0) of {batch * heads} and size(2) of {width // heads}",
        )
        made = static.reshape(batch, heads, shape[1], shape[2])
    else:
        if bias is not None:
            projected = cat([projected, bias.expand(1, batch, width)])
        split = projected.reshape(-1, batch, heads, width // heads)
        made = split.permute(1, 2, 0, 3)
    return _with_zeros(made, 2, int(zero))


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Return attention of `num_heads` heads, each on its part of the projected width.

    Shapes: query (l, n, e), key (s, n, ke) and value (s, n, ve) give (l, n, e) and weights
    (n, l, s), or (n, heads, l, s) unless they are averaged; all of them without n, too.

    Args:
        key_padding_mask: (n, s). Boolean: True for keys that nobody sees. Floating-point: added.
        need_weights: return the weights, too; None in their place otherwise.
        attn_mask: (l, s) or (n * heads, l, s), the same for pairs of query and key.
        is_causal: a promise that `attn_mask` is the causal one.

    Raises:
        AssertionError: shapes that do not go together.
        RuntimeError: a mask of the wrong shape; `is_causal` without a mask.

    Example:
        >>> import jitgrad as torch
        >>> x, weight = torch.ones(3, 1, 2), torch.eye(2)
        >>> out, weights = torch.nn.functional.multi_head_attention_forward(
        ...     x, x, x, 2, 1, torch.cat([weight] * 3), None, None, None, False, 0.0, weight, None
        ... )
        >>> weights
        tensor([[[0.3333, 0.3333, 0.3333],
                 [0.3333, 0.3333, 0.3333],
                 [0.3333, 0.3333, 0.3333]]])
    """
    _check_ranks(query, key, value, key_padding_mask, attn_mask)
    if is_causal and attn_mask is None:
        raise RuntimeError(
            describe(
                "multi_head_attention_forward",
                "is_causal=True without attn_mask",
                "Need attn_mask if specifying the is_causal hint",
                "make one with Transformer.generate_square_subsequent_mask",
            )
        )
    batched = query._array.ndim == 3
    if not batched:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    _check_sizes(query, key, value, embed_dim_to_check, num_heads, use_separate_proj_weight)
    _check((bias_k is None) == (bias_v is None), "one of bias_k and bias_v", "they go together")
    q, k, v = _projections(
        (query, key, value),
        None if use_separate_proj_weight else in_proj_weight,
        (q_proj_weight, k_proj_weight, v_proj_weight),
        in_proj_bias,
    )
    length, batch, width = q._array.shape
    q = _in_heads(q, num_heads, None, None, False)
    k = _in_heads(k, num_heads, bias_k, static_k, add_zero_attn)
    v = _in_heads(v, num_heads, bias_v, static_v, add_zero_attn)
    more = (bias_k is not None) + add_zero_attn
    mask = _merged_mask(
        as_addend(attn_mask, "attn_mask", query),
        as_addend(key_padding_mask, "key_padding_mask", query),
        num_heads,
        (batch, length, k._array.shape[2] - more),
        more,
    )
    dropout_p = dropout_p if training else 0.0
    weights = None
    if need_weights:
        scores = _scores(q, k, mask, 1 / math.sqrt(width // num_heads))
        weights = dropout(softmax(scores, -1), dropout_p)
        attended = matmul(weights, v)
        weights = weights.mean(1) if average_attn_weights else weights
    else:
        attended = scaled_dot_product_attention(q, k, v, mask, dropout_p)
    joined = attended.permute(2, 0, 1, 3).reshape(length, batch, width)
    made = linear(joined, out_proj_weight, out_proj_bias)
    if batched:
        return made, weights
    return made.squeeze(1), None if weights is None else weights.squeeze(0)
