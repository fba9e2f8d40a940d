"""Attention against PyTorch: masks, heads, shapes, errors; and the module made of it."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import jitgrad
from tests.ops.against_torch import array, compare, compare_error


def attention(library: Any) -> Any:
    return library.nn.functional.scaled_dot_product_attention


def mask(*shape: int) -> np.ndarray:
    """Return a mask in which each query sees the first key at least."""
    made = np.random.default_rng(3).random(shape) < 0.6
    made[..., 0] = True
    return made


QUERY, KEY, VALUE = array(2, 3, 4, 8), array(2, 3, 5, 8, seed=1), array(2, 3, 5, 6, seed=2)


@pytest.mark.parametrize(
    "shape", [None, (4, 5), (2, 1, 4, 5), (2, 3, 4, 5), (1, 5), (4, 1), (1, 1)]
)
@pytest.mark.parametrize("boolean", [True, False])
def test_masks(shape: tuple | None, boolean: bool) -> None:
    given: Any = () if shape is None else (mask(*shape) if boolean else array(*shape, seed=4),)
    compare(lambda t, *x: attention(t)(*x), QUERY, KEY, VALUE, *given)


@pytest.mark.parametrize("boolean", [True, False])
def test_queries_that_see_nothing(boolean: bool) -> None:
    seen = mask(4, 5)
    seen[1] = False
    given = seen if boolean else np.where(seen, 0.0, -np.inf)
    compare(lambda t, *x: attention(t)(*x), QUERY, KEY, VALUE, given)
    leaves = [jitgrad.tensor(each, requires_grad=True) for each in (QUERY, KEY, VALUE)]
    out = attention(jitgrad)(*leaves, jitgrad.tensor(given))
    assert (out[..., 1, :] == 0).all()
    first = jitgrad.autograd.grad(out.square().sum(), leaves, create_graph=True)
    again = jitgrad.autograd.grad(sum(each.square().sum() for each in first), leaves)  # type: ignore
    assert all(each.isfinite().all() for each in (*first, *again))


@pytest.mark.parametrize("queries, keys", [(4, 4), (3, 6), (6, 3), (1, 1), (2, 0)])
def test_causal(queries: int, keys: int) -> None:
    compare(
        lambda t, *x: attention(t)(*x, is_causal=True),
        array(2, queries, 8),
        array(2, keys, 8, seed=1),
        array(2, keys, 6, seed=2),
    )


def test_shapes_scale_and_dtypes() -> None:
    compare(lambda t, *x: attention(t)(*x), QUERY[0, 0], KEY[0, 0], VALUE[0, 0])
    compare(lambda t, *x: attention(t)(*x), QUERY[:1, :, :], KEY, VALUE)
    compare(lambda t, *x: attention(t)(*x, scale=0.3), QUERY, KEY, VALUE)
    single = [each.astype("float32") for each in (QUERY, KEY, VALUE)]
    compare(lambda t, *x: attention(t)(*x), *single)
    compare(lambda t, *x: attention(t)(*x), QUERY, KEY, VALUE, array(4, 5, dtype="float32"))


def test_fewer_heads_of_keys() -> None:
    query = array(2, 6, 4, 8)
    for keys, values in ((2, 2), (1, 3), (6, 6)):
        compare(
            lambda t, *x: attention(t)(*x, enable_gqa=True),
            query,
            array(2, keys, 5, 8, seed=1),
            array(2, values, 5, 6, seed=2),
        )


def test_dropout() -> None:
    query, key, value = (jitgrad.tensor(each) for each in (QUERY, KEY, VALUE))
    assert (attention(jitgrad)(query, key, value, dropout_p=1.0) == 0).all()
    identity = jitgrad.eye(5, dtype=jitgrad.float64)
    plain = attention(jitgrad)(query, key, identity)
    jitgrad.manual_seed(0)
    dropped = attention(jitgrad)(query, key, identity, dropout_p=0.5)
    kept = dropped != 0
    assert 0.2 < kept.double().mean().item() < 0.8
    assert jitgrad.allclose(dropped[kept], (2 * plain)[kept])


@pytest.mark.parametrize(
    "call",
    [
        lambda t, q, k, v: attention(t)(q, k, v, t.ones(4, 5) > 0, is_causal=True),
        lambda t, q, k, v: attention(t)(1, k, v),
        lambda t, q, k, v: attention(t)(q, k, None),
        lambda t, q, k, v: attention(t)(q[0, 0, 0], k, v),
        lambda t, q, k, v: attention(t)(q, k.float(), v),
        lambda t, q, k, v: attention(t)(q.long(), k.long(), v.long()),
        lambda t, q, k, v: attention(t)(q, k, v[..., :3, :]),
        lambda t, q, k, v: attention(t)(q[..., :3], k, v),
        lambda t, q, k, v: attention(t)(q, k, v, t.ones(4, 5).long()),
        lambda t, q, k, v: attention(t)(q, k, v, t.ones(4, 3) > 0),
        lambda t, q, k, v: attention(t)(q, k, v, dropout_p=1.5),
        lambda t, q, k, v: attention(t)(q, k[:, :2], v[:, :2]),
        lambda t, q, k, v: attention(t)(q, k[:, :2], v[:, :2], enable_gqa=True),
    ],
)
def test_errors(call: Any) -> None:
    compare_error(lambda t: call(t, t.tensor(QUERY), t.tensor(KEY), t.tensor(VALUE)))


@pytest.mark.parametrize("causal", [True, False])
def test_second_order(causal: bool) -> None:
    leaves = [
        jitgrad.tensor(array(*shape), requires_grad=True) for shape in ((3, 2), (4, 2), (4, 2))
    ]
    given: Any = None if causal else jitgrad.tensor(mask(3, 4))

    def function(query: Any, key: Any, value: Any) -> Any:
        return attention(jitgrad)(query, key, value, given, is_causal=causal)

    assert jitgrad.autograd.gradcheck(function, leaves)
    assert jitgrad.autograd.gradgradcheck(function, leaves)


def test_figures() -> None:
    """Scores of 0 and log 3 share a value 1 to 3."""
    query = jitgrad.tensor([[1.0]])
    key = jitgrad.tensor([[0.0], [float(np.log(3))]])
    value = jitgrad.tensor([[4.0, 0.0], [0.0, 4.0]])
    assert jitgrad.allclose(attention(jitgrad)(query, key, value), jitgrad.tensor([[1.0, 3.0]]))


# -- several heads ------------------------------------------------------------------------------

WIDTH, HEADS, LENGTH, SOURCE, BATCH = 8, 2, 4, 5, 3


def several(t: Any, *x: Any, **settings: Any) -> Any:
    query, key, value, weight, bias, out_weight, out_bias = x
    settings = {"bias_k": None, "bias_v": None, "add_zero_attn": False, **settings}
    made = t.nn.functional.multi_head_attention_forward(
        query,
        key,
        value,
        WIDTH,
        HEADS,
        weight,
        bias,
        settings.pop("bias_k"),
        settings.pop("bias_v"),
        settings.pop("add_zero_attn"),
        0.0,
        out_weight,
        out_bias,
        **settings,
    )
    return [each for each in made if each is not None]


def operands(length: int = LENGTH, source: int = SOURCE) -> tuple[np.ndarray, ...]:
    return (
        array(length, BATCH, WIDTH),
        array(source, BATCH, WIDTH, seed=1),
        array(source, BATCH, WIDTH, seed=2),
        array(3 * WIDTH, WIDTH, seed=3) / 4,
        array(3 * WIDTH, seed=4),
        array(WIDTH, WIDTH, seed=5) / 4,
        array(WIDTH, seed=6),
    )


def hidden(t: Any, *shape: int, boolean: bool = True) -> Any:
    """Return a mask of what is not seen."""
    return t.tensor(~mask(*shape) if boolean else array(*shape, seed=7))


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize(
    "shape", [None, (LENGTH, SOURCE), (BATCH * HEADS, LENGTH, SOURCE)], ids=str
)
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("boolean", [False, True])
def test_several_heads(
    need_weights: bool, shape: tuple | None, padded: bool, boolean: bool
) -> None:
    for zero, average in itertools.product((False, True), (False, True)):
        compare(
            lambda t, *x, zero=zero, average=average: several(
                t,
                *x,
                attn_mask=None if shape is None else hidden(t, *shape, boolean=boolean),
                key_padding_mask=hidden(t, BATCH, SOURCE, boolean=boolean) if padded else None,
                need_weights=need_weights,
                average_attn_weights=average,
                add_zero_attn=zero,
            ),
            *operands(),
        )


def test_several_heads_on_one_tensor() -> None:
    query, _, _, *rest = operands()
    compare(lambda t, x, *rest: several(t, x, x, x, *rest), query, *rest)
    compare(lambda t, x, *rest: several(t, x, x, x, *rest), query[:, 0], *rest)
    compare(
        lambda t, x, *rest: several(t, x, x, x, *rest[:1], None, rest[2], None),
        query,
        *rest,
    )


def test_several_heads_unbatched() -> None:
    query, key, value, *rest = operands()
    compare(
        lambda t, *x: several(t, *x, key_padding_mask=hidden(t, SOURCE)),
        query[:, 0],
        key[:, 0],
        value[:, 0],
        *rest,
    )


def test_several_heads_with_more_keys() -> None:
    more = array(1, 1, WIDTH, seed=8), array(1, 1, WIDTH, seed=9)
    compare(
        lambda t, k, v, *x: several(
            t,
            *x,
            bias_k=k,
            bias_v=v,
            add_zero_attn=True,
            attn_mask=hidden(t, LENGTH, SOURCE),
            key_padding_mask=hidden(t, BATCH, SOURCE),
        ),
        *more,
        *operands(),
    )
    static = array(BATCH * HEADS, 7, WIDTH // HEADS, seed=8)
    compare(lambda t, s, *x: several(t, *x, static_k=s, static_v=2 * s), static, *operands())


def test_several_heads_with_separate_weights() -> None:
    query, _, _, _, *rest = operands()
    compare(
        lambda t, query, key, value, q, k, v, *rest: several(
            t,
            query,
            key,
            value,
            None,
            *rest,
            use_separate_proj_weight=True,
            q_proj_weight=q,
            k_proj_weight=k,
            v_proj_weight=v,
        ),
        query,
        array(SOURCE, BATCH, 3),
        array(SOURCE, BATCH, 5),
        array(WIDTH, WIDTH),
        array(WIDTH, 3),
        array(WIDTH, 5),
        *rest,
    )


def test_several_heads_causal() -> None:
    query, _, _, *rest = operands()
    for need_weights in (True, False):
        compare(
            lambda t, x, *rest, need=need_weights: several(
                t,
                x,
                x,
                x,
                *rest,
                attn_mask=t.ones(LENGTH, LENGTH).triu(1) > 0,
                is_causal=True,
                need_weights=need,
            ),
            query,
            *rest,
        )


@pytest.mark.parametrize(
    "call",
    [
        lambda t, q, *x: several(t, q[0, 0], *x),
        lambda t, q, *x: several(t, q[0], *x),
        lambda t, q, *x: several(t, q[..., :4], *x),
        lambda t, q, k, *x: several(t, q, k[:3], *x),
        lambda t, *x: several(t, *x, is_causal=True),
        lambda t, *x: several(t, *x, attn_mask=t.ones(2, 2)),
        lambda t, *x: several(t, *x, attn_mask=t.ones(1, 2, 2)),
        lambda t, *x: several(t, *x, attn_mask=t.ones(LENGTH)),
        lambda t, *x: several(t, *x, attn_mask=t.ones(LENGTH, SOURCE).long()),
        lambda t, *x: several(t, *x, key_padding_mask=t.ones(BATCH)),
        lambda t, *x: several(t, *x, key_padding_mask=t.ones(BATCH, 2)),
        lambda t, *x: several(t, *x, key_padding_mask=t.ones(2, SOURCE)),
        lambda t, *x: several(t, *x, bias_k=t.ones(1, 1, WIDTH)),
        lambda t, *x: several(t, *x, static_k=t.ones(2, SOURCE, WIDTH // HEADS)),
        lambda t, *x: several(t, *x, use_separate_proj_weight=True),
    ],
)
def test_errors_of_several_heads(call: Any) -> None:
    compare_error(lambda t: call(t, *(t.tensor(each) for each in operands())))
