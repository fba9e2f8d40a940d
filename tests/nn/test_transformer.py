"""Attention and transformer modules against PyTorch's with the same weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.nn.both import flat
from tests.nn.weights import modules_alike, same_parameters
from tests.ops.against_torch import array, compare, compare_error

WIDTH, HEADS, LENGTH, SOURCE, BATCH, INNER = 8, 2, 4, 5, 3, 6


def with_gradients(t: Any, module: Any, outputs: Any) -> list:
    """Return outputs and the gradients of the parameters."""
    found = flat(outputs)
    total = sum(
        (each * t.arange(each.numel(), dtype=each.dtype).reshape(each.shape).cos()).sum()
        for each in found
    )
    return [*found, *t.autograd.grad(total, list(module.parameters()), retain_graph=True)]


def hidden(t: Any, *shape: int) -> Any:
    """Return a mask of what is not seen; the first is seen always."""
    made = np.random.default_rng(3).random(shape) < 0.4
    made[..., 0] = False
    return t.tensor(made)


def causal(t: Any, size: int) -> Any:
    return t.nn.Transformer.generate_square_subsequent_mask(size, dtype=t.float64)


# -- attention ----------------------------------------------------------------------------------

ATTENTION: list[dict] = [
    {},
    {"bias": False},
    {"add_bias_kv": True},
    {"add_zero_attn": True},
    {"kdim": 3, "vdim": 5},
    {"kdim": 3, "bias": False, "add_bias_kv": True, "add_zero_attn": True},
]


@pytest.mark.parametrize("settings", ATTENTION, ids=str)
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_attention(settings: dict, batch_first: bool, need_weights: bool, masked: bool) -> None:
    def call(t: Any, query: Any, key: Any, value: Any, average: bool = True) -> list:
        module = t.nn.MultiheadAttention(
            WIDTH, HEADS, batch_first=batch_first, dtype=t.float64, **settings
        )
        same_parameters(t, module)
        batched = query.dim() == 3
        made = module(
            query,
            key,
            value,
            key_padding_mask=hidden(t, *(BATCH, SOURCE)[not batched :]) if masked else None,
            attn_mask=hidden(t, LENGTH, SOURCE) if masked else None,
            need_weights=need_weights,
            average_attn_weights=average,
        )
        assert (made[1] is not None) == need_weights
        return with_gradients(t, module, made)

    lead = [(LENGTH, BATCH), (SOURCE, BATCH), (SOURCE, BATCH)]
    widths = WIDTH, settings.get("kdim", WIDTH), settings.get("vdim", WIDTH)
    shapes = [(*(each[::-1] if batch_first else each), w) for each, w in zip(lead, widths)]
    compare(call, *(array(*shape, seed=i) for i, shape in enumerate(shapes)))
    compare(lambda t, *x: call(t, *x, False), *(array(*shape) for shape in shapes))
    compare(call, *(array(each[0], w) for each, w in zip(lead, widths)))


def test_attention_to_itself() -> None:
    for batch_first in (False, True):

        def call(t: Any, x: Any, batch_first: bool = batch_first) -> list:
            module = t.nn.MultiheadAttention(WIDTH, HEADS, batch_first=batch_first, dtype=t.float64)
            same_parameters(t, module)
            size = x.shape[1 if batch_first else 0]
            mask = causal(t, size)
            return with_gradients(t, module, module(x, x, x, attn_mask=mask, is_causal=True))

        compare(call, array(LENGTH, BATCH, WIDTH))


# -- layers and stacks --------------------------------------------------------------------------

LAYERS: list[dict] = [
    {},
    {"norm_first": True},
    {"activation": "gelu"},
    {"bias": False},
    {"batch_first": True},
    {"batch_first": True, "norm_first": True, "layer_norm_eps": 0.1},
]
MASKS = ["", "mask", "padding", "mask padding"]


def layer(t: Any, kind: str, settings: dict) -> Any:
    options = {"dropout": 0.0, "dtype": t.float64, **settings}
    return getattr(t.nn, f"Transformer{kind}Layer")(WIDTH, HEADS, INNER, **options)


def sequence(settings: dict, length: int, seed: int = 0) -> np.ndarray:
    lead = (BATCH, length) if settings.get("batch_first") else (length, BATCH)
    return array(*lead, WIDTH, seed=seed)


@pytest.mark.parametrize("settings", LAYERS, ids=str)
@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("training", [False, True])
def test_encoder_layer(settings: dict, masks: str, training: bool) -> None:
    def call(t: Any, x: Any) -> list:
        module = layer(t, "Encoder", settings).train(training)
        same_parameters(t, module)
        made = module(
            x,
            src_mask=hidden(t, LENGTH, LENGTH) if "mask" in masks else None,
            src_key_padding_mask=hidden(t, BATCH, LENGTH) if "padding" in masks else None,
        )
        return with_gradients(t, module, made)

    compare(call, sequence(settings, LENGTH))


@pytest.mark.parametrize("settings", LAYERS, ids=str)
@pytest.mark.parametrize("masks", MASKS)
def test_decoder_layer(settings: dict, masks: str) -> None:
    def call(t: Any, x: Any, memory: Any) -> list:
        module = layer(t, "Decoder", settings)
        same_parameters(t, module)
        mask, padding = "mask" in masks, "padding" in masks
        made = module(
            x,
            memory,
            tgt_mask=causal(t, LENGTH) if mask else None,
            memory_mask=hidden(t, LENGTH, SOURCE) if mask else None,
            # PyTorch wants both masks of one kind
            tgt_key_padding_mask=hidden(t, BATCH, LENGTH).double() * -9 if padding else None,
            memory_key_padding_mask=hidden(t, BATCH, SOURCE) if padding else None,
            tgt_is_causal=mask,
        )
        return with_gradients(t, module, made)

    compare(call, sequence(settings, LENGTH), sequence(settings, SOURCE, 1))


def test_layers_unbatched_and_functions() -> None:
    def call(t: Any, x: Any, memory: Any, activation: Any) -> list:
        encoder = layer(t, "Encoder", {"activation": activation(t)})
        decoder = layer(t, "Decoder", {"activation": activation(t)})
        same_parameters(t, encoder)
        same_parameters(t, decoder)
        made = with_gradients(t, encoder, encoder(x, is_causal=True, src_mask=causal(t, LENGTH)))
        return [*made, *with_gradients(t, decoder, decoder(x, memory))]

    for activation in (
        lambda t: t.tanh,
        lambda t: t.nn.functional.gelu,
        lambda t: t.nn.GELU("tanh"),
        lambda t: lambda x: x * x,
    ):
        compare(call, array(LENGTH, WIDTH), array(SOURCE, WIDTH, seed=1), activation)


@pytest.mark.parametrize("settings", LAYERS[:2] + LAYERS[-1:], ids=str)
@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
def test_stacks(settings: dict, normed: bool) -> None:
    def call(t: Any, x: Any, memory: Any) -> list:
        def norm() -> Any:
            return t.nn.LayerNorm(WIDTH, dtype=t.float64) if normed else None

        encoder = t.nn.TransformerEncoder(layer(t, "Encoder", settings), 2, norm())
        decoder = t.nn.TransformerDecoder(layer(t, "Decoder", settings), 3, norm())
        same_parameters(t, encoder)
        same_parameters(t, decoder)
        encoded = encoder(memory, mask=causal(t, SOURCE))
        made = decoder(x, encoded, tgt_mask=causal(t, LENGTH))
        both = t.nn.ModuleList([encoder, decoder])
        return with_gradients(t, both, [encoded, made])

    compare(call, sequence(settings, LENGTH), sequence(settings, SOURCE, 1))


@pytest.mark.parametrize("settings", [{}, {"batch_first": True}, {"norm_first": True}], ids=str)
@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
def test_transformer(settings: dict) -> None:
    def call(t: Any, src: Any, tgt: Any) -> list:
        module = t.nn.Transformer(
            WIDTH, HEADS, 2, 1, INNER, dropout=0.0, dtype=t.float64, **settings
        )
        same_parameters(t, module)
        made = module(
            src,
            tgt,
            src_mask=hidden(t, SOURCE, SOURCE),
            tgt_mask=causal(t, LENGTH),
            memory_mask=hidden(t, LENGTH, SOURCE),
            src_key_padding_mask=hidden(t, BATCH, SOURCE),
            memory_key_padding_mask=hidden(t, BATCH, SOURCE),
            tgt_is_causal=True,
        )
        return with_gradients(t, module, made)

    compare(call, sequence(settings, SOURCE), sequence(settings, LENGTH, 1))


# -- forms --------------------------------------------------------------------------------------

FORMS: list[tuple[str, tuple, dict]] = [
    ("MultiheadAttention", (8, 2), {}),
    ("MultiheadAttention", (8, 2, 0.1, False, True, True, 3, 5, True), {}),
    ("TransformerEncoderLayer", (8, 2), {}),
    ("TransformerEncoderLayer", (8, 2, 5, 0.2, "gelu", 1e-3, True, True, False), {}),
    ("TransformerDecoderLayer", (8, 2), {}),
    ("TransformerDecoderLayer", (8, 2, 5), {"bias": False}),
    ("Transformer", (8, 2, 1, 2, 5), {"batch_first": True}),
]


@pytest.mark.parametrize("kind, args, kwargs", FORMS, ids=str)
def test_as_torch(kind: str, args: tuple, kwargs: dict) -> None:
    modules_alike(kind, args, kwargs)


@pytest.mark.parametrize(
    "call",
    [
        lambda t: t.nn.MultiheadAttention(8, 3),
        lambda t: t.nn.MultiheadAttention(0, 1),
        lambda t: t.nn.MultiheadAttention(8, 0),
        lambda t: t.nn.MultiheadAttention(8, 2)(*[t.ones(2, 3, 4)] * 3),
        lambda t: t.nn.MultiheadAttention(8, 2)(*[t.ones(2, 3, 4, 8)] * 3),
        lambda t: t.nn.MultiheadAttention(8, 2)(*[t.ones(2, 8)] * 2, t.ones(2, 3, 8)),
        lambda t: t.nn.MultiheadAttention(8, 2)(*[t.ones(2, 3, 8)] * 3, is_causal=True),
        lambda t: t.nn.MultiheadAttention(8, 2)(*[t.ones(2, 3, 8)] * 3, attn_mask=t.ones(3, 3)),
        lambda t: t.nn.TransformerEncoderLayer(8, 2, activation="tanh"),
        lambda t: t.nn.TransformerDecoderLayer(8, 3),
        lambda t: t.nn.Transformer(8, 2, 1, 1, 4)(t.ones(2, 3, 8), t.ones(2, 4, 8)),
        lambda t: t.nn.Transformer(8, 2, 1, 1, 4, batch_first=True)(
            t.ones(2, 3, 8), t.ones(3, 3, 8)
        ),
        lambda t: t.nn.Transformer(8, 2, 1, 1, 4)(t.ones(2, 3, 7), t.ones(2, 3, 8)),
    ],
)
@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
def test_errors(call: Any) -> None:
    compare_error(call)
