"""Recurrent and attention modules by themselves: figures, differences, drawing, compiled code.

What is compared with PyTorch stands in the files of each kind, which need it.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import jitgrad
from tests.nn.both import flat

INPUT, WIDTH, STEPS, BATCH = 3, 4, 5, 3
KINDS = ["RNN", "LSTM", "GRU"]
attention = jitgrad.nn.functional.scaled_dot_product_attention


def array(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def causal(size: int) -> Any:
    return jitgrad.nn.Transformer.generate_square_subsequent_mask(size, dtype=jitgrad.float64)


# -- recurrent networks -------------------------------------------------------------------------


def test_figures_of_lstm() -> None:
    """One unit whose weights are 1: the states of the LSTM are those of its formula."""
    module = jitgrad.nn.LSTM(1, 1, bias=False)
    for each in module.parameters():
        jitgrad.nn.init.ones_(each)
    output, (hidden, cell) = module(jitgrad.ones(2, 1, 1))

    def squash(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    c1 = squash(1) * math.tanh(1)
    h1 = squash(1) * math.tanh(c1)
    c2 = squash(1 + h1) * (c1 + math.tanh(1 + h1))
    h2 = squash(1 + h1) * math.tanh(c2)
    assert np.allclose(output.flatten().tolist(), [h1, h2])
    assert np.allclose([hidden.item(), cell.item()], [h2, c2])


def test_dropout_between_layers() -> None:
    jitgrad.manual_seed(0)
    x = jitgrad.tensor(array(STEPS, BATCH, INPUT).astype("float32"))
    for kind in KINDS:
        module = getattr(jitgrad.nn, kind)(INPUT, WIDTH, 2, dropout=0.5)
        assert not jitgrad.equal(module(x)[0], module(x)[0])
        assert jitgrad.equal(module.eval()(x)[0], module(x)[0])
        # the first layer's last states come before the dropout, so they are what they were
        last = [flat(module.train()(x)[1])[0][0] for _ in range(2)]
        assert jitgrad.equal(*last)
        everything = getattr(jitgrad.nn, kind)(INPUT, WIDTH, 2, dropout=1.0, bias=False)
        if kind != "GRU":
            assert (everything(x)[0] == 0).all()


def test_cell_is_a_step() -> None:
    x = jitgrad.tensor(array(STEPS, BATCH, INPUT))
    for kind in ("LSTM", "GRU"):
        network = getattr(jitgrad.nn, kind)(INPUT, WIDTH, dtype=jitgrad.float64)
        cell = getattr(jitgrad.nn, f"{kind}Cell")(INPUT, WIDTH, dtype=jitgrad.float64)
        cell.load_state_dict({n.removesuffix("_l0"): p for n, p in network.state_dict().items()})
        state = None
        for step in x:
            state = cell(step, state)
        _, last = network(x)
        for mine, theirs in zip(flat(state), flat(last)):
            assert jitgrad.allclose(mine, theirs[0])


@pytest.mark.parametrize("kind", KINDS)
def test_second_order_of_networks(kind: str) -> None:
    module = getattr(jitgrad.nn, kind)(1, 2, dtype=jitgrad.float64)
    names = [name for name, _ in module.named_parameters()]
    leaves = [jitgrad.tensor(array(*p.shape), requires_grad=True) for p in module.parameters()]

    def function(x: Any, *given: Any) -> Any:
        step = {"RNN": "rnn_tanh", "LSTM": "lstm", "GRU": "gru"}[kind]
        zero = jitgrad.zeros(1, 1, 2, dtype=jitgrad.float64)
        first = (zero, zero) if kind == "LSTM" else zero
        options = (list(given), True, 1, 0.0, False, False, False)
        return getattr(jitgrad, step)(x, first, *options)

    assert names == ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    x = jitgrad.tensor(array(2, 1, 1), requires_grad=True)
    assert jitgrad.autograd.gradcheck(function, (x, *leaves))
    assert jitgrad.autograd.gradgradcheck(function, (x, *leaves))


def test_parameters_of_networks() -> None:
    module = jitgrad.nn.LSTM(100, 400, 2, bidirectional=True)
    bound = 1 / math.sqrt(400)
    for each in module.parameters():
        assert each.abs().max() <= bound
        assert abs(each.std().item() - bound / math.sqrt(3)) < 0.2 * bound
    module.flatten_parameters()
    weights = module.all_weights
    assert len(weights) == 4 and all(len(each) == 4 for each in weights)
    assert weights[1][0] is module.weight_ih_l0_reverse
    replaced = jitgrad.nn.Parameter(jitgrad.zeros(1600, 100))
    module.weight_ih_l0 = replaced
    assert module.all_weights[0][0] is replaced
    assert module.double().weight_hh_l1.dtype == jitgrad.float64


def test_warning() -> None:
    with pytest.warns(UserWarning, match="dropout option adds dropout after all but last") as seen:
        jitgrad.nn.GRU(2, 3, dropout=0.5)
    assert seen[0].filename == __file__


# -- attention ----------------------------------------------------------------------------------


def test_figures_of_attention() -> None:
    """Scores of 0 and log 3 share a value 1 to 3."""
    query = jitgrad.tensor([[1.0]])
    key = jitgrad.tensor([[0.0], [float(np.log(3))]])
    value = jitgrad.tensor([[4.0, 0.0], [0.0, 4.0]])
    assert jitgrad.allclose(attention(query, key, value), jitgrad.tensor([[1.0, 3.0]]))


def test_dropout_of_attention() -> None:
    query, key, value = (jitgrad.tensor(array(2, 3, n, 8, seed=n)) for n in (4, 5, 5))
    assert (attention(query, key, value, dropout_p=1.0) == 0).all()
    identity = jitgrad.eye(5, dtype=jitgrad.float64)
    plain = attention(query, key, identity)
    jitgrad.manual_seed(0)
    dropped = attention(query, key, identity, dropout_p=0.5)
    kept = dropped != 0
    assert 0.2 < kept.double().mean().item() < 0.8
    assert jitgrad.allclose(dropped[kept], (2 * plain)[kept])


@pytest.mark.parametrize("causal", [True, False])
def test_second_order_of_attention(causal: bool) -> None:
    leaves = [
        jitgrad.tensor(array(*shape), requires_grad=True) for shape in ((3, 2), (4, 2), (4, 2))
    ]
    given: Any = None if causal else jitgrad.tensor(array(3, 4) < 1)

    def function(query: Any, key: Any, value: Any) -> Any:
        return attention(query, key, value, given, is_causal=causal)

    assert jitgrad.autograd.gradcheck(function, leaves)
    assert jitgrad.autograd.gradgradcheck(function, leaves)


def test_figures_of_heads() -> None:
    """Attention to keys that are all alike takes the mean of the values."""
    module = jitgrad.nn.MultiheadAttention(2, 1, bias=False)
    identity = jitgrad.eye(2)
    with jitgrad.no_grad():
        module.in_proj_weight.copy_(jitgrad.cat([identity] * 3))
        module.out_proj.weight.copy_(identity)
    query, value = jitgrad.ones(1, 1, 2), jitgrad.tensor([[[1.0, 2.0]], [[3.0, 6.0]]])
    output, weights = module(query, jitgrad.zeros(2, 1, 2), value)
    assert output.flatten().tolist() == [2, 4]
    assert weights.flatten().tolist() == [0.5, 0.5]
    padding = jitgrad.tensor([[False, True]])
    output, _ = module(query, jitgrad.zeros(2, 1, 2), value, key_padding_mask=padding)
    assert output.flatten().tolist() == [1, 2]


def test_attention_starts() -> None:
    module = jitgrad.nn.MultiheadAttention(64, 4, add_bias_kv=True)
    assert module.in_proj_weight is not None and module.bias_k is not None
    bound = math.sqrt(6 / (4 * 64))
    assert module.in_proj_weight.abs().max() <= bound < 1.1 * module.in_proj_weight.abs().max()
    assert (module.in_proj_bias == 0).all() and (module.out_proj.bias == 0).all()
    assert 0 < module.bias_k.std() < 0.3
    assert module.head_dim == 16 and module.kdim == module.vdim == 64


# -- transformers -------------------------------------------------------------------------------


def test_dropout_of_transformers() -> None:
    jitgrad.manual_seed(0)
    x = jitgrad.ones(STEPS, BATCH, WIDTH)
    for module in (
        jitgrad.nn.TransformerEncoderLayer(WIDTH, 2, 6),
        jitgrad.nn.Transformer(WIDTH, 2, 1, 1, 6),
    ):
        inputs = (x, x) if isinstance(module, jitgrad.nn.Transformer) else (x,)
        assert not jitgrad.equal(module(*inputs), module(*inputs))
        module.eval()
        assert jitgrad.equal(module(*inputs), module(*inputs))


def test_custom_parts_and_mask() -> None:
    class Sum(jitgrad.nn.Module):
        def forward(self, x: Any, memory: Any = None, **_masks: Any) -> Any:
            return x if memory is None else x + memory.sum()

    module = jitgrad.nn.Transformer(WIDTH, 2, custom_encoder=Sum(), custom_decoder=Sum())
    x = jitgrad.ones(2, 1, WIDTH)
    assert (module(x, x) == 1 + 2 * WIDTH).all()
    mask = jitgrad.nn.Transformer.generate_square_subsequent_mask(2)
    assert mask.tolist() == [[0, -math.inf], [0, 0]] and mask.dtype is jitgrad.float32


def test_second_order_of_transformers() -> None:
    module = jitgrad.nn.TransformerEncoderLayer(2, 1, 2, 0.0, dtype=jitgrad.float64)
    jitgrad.manual_seed(0)
    x = jitgrad.tensor(array(2, 1, 2), requires_grad=True)
    assert jitgrad.autograd.gradcheck(module, (x,))
    assert jitgrad.autograd.gradgradcheck(module, (x,), atol=1e-4)


# -- compiled -----------------------------------------------------------------------------------


def steps_of(function: Any, module: Any, *shapes: tuple[int, ...]) -> list:
    """Return what a function gives for a few inputs, and the gradients after each."""
    found = []
    for seed in range(4):
        inputs = [
            jitgrad.tensor(array(*shape, seed=10 * seed + i), requires_grad=True)
            for i, shape in enumerate(shapes)
        ]
        module.zero_grad()
        found += [each.detach().numpy() for each in flat(function(*inputs))]
        found += [each.grad.numpy() for each in itertools.chain(inputs, module.parameters())]
    return found


def check_compiled(module: Any, function: Any, *shapes: tuple[int, ...]) -> Any:
    """Check that a function of a module gives the same compiled; return the compiled one."""
    compiled = jitgrad.compile(function)
    for mine, eager in zip(
        steps_of(compiled, module, *shapes), steps_of(function, module, *shapes), strict=True
    ):
        np.testing.assert_allclose(mine, eager, rtol=1e-10, atol=1e-12)
    return compiled


def test_compiled_lstm_step() -> None:
    module = jitgrad.nn.LSTMCell(INPUT, WIDTH, dtype=jitgrad.float64)

    def step(x: Any, hidden: Any, cell: Any) -> Any:
        hidden, cell = module(x, (hidden, cell))
        loss = (hidden * cell).sum()
        loss.backward()
        return loss, hidden, cell

    compiled = check_compiled(module, step, (BATCH, INPUT), (BATCH, WIDTH), (BATCH, WIDTH))
    assert not compiled.explain().exits


@pytest.mark.parametrize("settings", [{}, {"num_layers": 2, "bidirectional": True}], ids=str)
def test_compiled_gru(settings: dict) -> None:
    module = jitgrad.nn.GRU(INPUT, WIDTH, dtype=jitgrad.float64, **settings)

    def step(x: Any) -> Any:
        output, hidden = module(x)
        loss = output.square().sum() + hidden.sum()
        loss.backward()
        return loss, output

    compiled = check_compiled(module, step, (3, BATCH, INPUT))
    assert not compiled.explain().exits


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("norm_first", [False, True])
def test_compiled_encoder_layer(training: bool, norm_first: bool) -> None:
    module = jitgrad.nn.TransformerEncoderLayer(
        WIDTH, 2, 6, 0.0, norm_first=norm_first, batch_first=True, dtype=jitgrad.float64
    )
    module.train(training)
    mask = causal(STEPS)

    def step(x: Any) -> Any:
        output = module(x, src_mask=mask)
        loss = output.square().sum() + output[0, 0, 0]
        loss.backward()
        return loss, output

    compiled = check_compiled(module, step, (BATCH, STEPS, WIDTH))
    assert not compiled.explain().exits
