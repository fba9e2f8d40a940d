"""Recurrent modules against PyTorch's with the same weights: outputs, gradients, forms, errors."""

from __future__ import annotations

from typing import Any

import pytest

from tests.nn.both import flat
from tests.nn.weights import modules_alike, same_parameters
from tests.ops.against_torch import array, compare, compare_error

INPUT, WIDTH, STEPS, BATCH = 3, 4, 5, 3
KINDS = ["RNN", "LSTM", "GRU"]


def states(t: Any, module: Any, batch: int | None) -> Any:
    """Return first states."""
    count = module.num_layers * (2 if module.bidirectional else 1)
    widths = [module.proj_size or module.hidden_size]
    widths += [module.hidden_size] if module.mode == "LSTM" else []
    made = tuple(
        t.tensor(array(*((count, width) if batch is None else (count, batch, width)), seed=width))
        for width in widths
    )
    return made if len(made) == 2 else made[0]


def run(t: Any, kind: str, x: Any, settings: dict, call: Any = None, hx: bool = False) -> list:
    """Return outputs and the gradients of the parameters."""
    module = getattr(t.nn, kind)(INPUT, WIDTH, dtype=t.float64, **settings)
    parameters = same_parameters(t, module)
    batch = None if x.dim() == 2 else BATCH
    first = states(t, module, batch) if hx else None
    outputs = flat(module(x, first) if call is None else call(t, module, x, first))
    floats = [each for each in outputs if each.dtype.is_floating_point]
    total = sum(
        (each * t.arange(each.numel(), dtype=each.dtype).reshape(each.shape).cos()).sum()
        for each in floats
    )
    return [*outputs, *t.autograd.grad(total, parameters, retain_graph=True)]


GRID = [
    {},
    {"bias": False},
    {"num_layers": 2},
    {"bidirectional": True},
    {"num_layers": 2, "bidirectional": True, "bias": False},
    {"num_layers": 3, "dropout": 0.0},
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("settings", GRID, ids=str)
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("hx", [False, True])
def test_sequences(kind: str, settings: dict, batch_first: bool, hx: bool) -> None:
    settings = {**settings, "batch_first": batch_first}
    shape = (BATCH, STEPS) if batch_first else (STEPS, BATCH)
    compare(lambda t, x: run(t, kind, x, settings, hx=hx), array(*shape, INPUT))
    compare(lambda t, x: run(t, kind, x, settings, hx=hx), array(STEPS, INPUT))


@pytest.mark.parametrize("settings", [{"proj_size": 2, **each} for each in GRID[:5]], ids=str)
def test_projected(settings: dict) -> None:
    compare(lambda t, x: run(t, "LSTM", x, settings, hx=True), array(STEPS, BATCH, INPUT))


def test_relu() -> None:
    for settings in GRID[:4]:
        chosen = {"nonlinearity": "relu", **settings}
        compare(lambda t, x, chosen=chosen: run(t, "RNN", x, chosen), array(STEPS, BATCH, INPUT))


def packed(lengths: list[int], enforce_sorted: bool) -> Any:
    def call(t: Any, module: Any, x: Any, first: Any) -> Any:
        utils = t.nn.utils.rnn
        made = utils.pack_padded_sequence(
            x, lengths, module.batch_first, enforce_sorted=enforce_sorted
        )
        output, last = module(made, first)
        assert isinstance(output, utils.PackedSequence)
        assert output.batch_sizes is made.batch_sizes
        return utils.pad_packed_sequence(output), last

    return call


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("settings", GRID[:5], ids=str)
@pytest.mark.parametrize("lengths", [[5, 3, 1], [2, 5, 2], [4, 4, 4]], ids=str)
@pytest.mark.parametrize("hx", [False, True])
def test_packed(kind: str, settings: dict, lengths: list[int], hx: bool) -> None:
    for enforce_sorted in {False, lengths == [5, 3, 1]}:
        call = packed(lengths, enforce_sorted)
        compare(
            lambda t, x, call=call: run(t, kind, x, settings, call, hx), array(STEPS, BATCH, INPUT)
        )
    if kind == "LSTM":
        compare(
            lambda t, x: run(t, kind, x, {"proj_size": 2, **settings}, packed(lengths, False), hx),
            array(STEPS, BATCH, INPUT),
        )


def test_float32_and_one_step() -> None:
    for kind in KINDS:
        compare(
            lambda t, x, kind=kind: flat(getattr(t.nn, kind)(1, 1, dtype=t.float32)(x)[0] * 0),
            array(1, 1, 1, dtype="float32"),
        )


# -- cells --------------------------------------------------------------------------------------

CELLS = [("RNNCell", {}), ("RNNCell", {"nonlinearity": "relu"}), ("LSTMCell", {}), ("GRUCell", {})]


@pytest.mark.parametrize("kind, settings", CELLS, ids=str)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("batch", [None, BATCH])
@pytest.mark.parametrize("hx", [False, True])
def test_cells(kind: str, settings: dict, bias: bool, batch: int | None, hx: bool) -> None:
    def call(t: Any, x: Any, hidden: Any, cell: Any) -> list:
        module = getattr(t.nn, kind)(INPUT, WIDTH, bias=bias, dtype=t.float64, **settings)
        parameters = same_parameters(t, module)
        given = ((hidden, cell) if kind == "LSTMCell" else hidden) if hx else None
        outputs = flat(module(x, given))
        total = sum((each * each).sum() for each in outputs)
        return [*outputs, *t.autograd.grad(total, parameters, retain_graph=True)]

    lead = () if batch is None else (batch,)
    compare(call, array(*lead, INPUT), array(*lead, WIDTH, seed=1), array(*lead, WIDTH, seed=2))


# -- derivatives that are differentiated again --------------------------------------------------


def test_states_made_from_one_another() -> None:
    """A first state that depends on the inputs gets its gradient once, at either order."""

    def call(t: Any, x: Any) -> list:
        module = t.nn.LSTM(2, 2, dtype=t.float64)
        same_parameters(t, module)
        first = x.mean(0, keepdim=True)
        output, _ = module(x, (first, first.sin()))
        (slope,) = t.autograd.grad(output.square().sum(), x, create_graph=True)
        return [output, slope, slope.square().sum()]

    compare(call, array(3, 2, 2))


# -- forms --------------------------------------------------------------------------------------

SETTINGS: list[tuple[str, tuple, dict]] = [
    *((kind, (2, 3), {}) for kind in (*KINDS, "RNNCell", "LSTMCell", "GRUCell")),
    ("RNN", (2, 3, 2, "relu", False, True, 0.5, True), {}),
    ("LSTM", (2, 3, 2, False, True, 0.5, True, 2), {}),
    ("GRU", (2, 3, 2, False, True, 0.5, True), {}),
    ("RNNCell", (2, 3, False, "relu"), {}),
    ("GRUCell", (2, 3), {"bias": False}),
]


@pytest.mark.parametrize("kind, args, kwargs", SETTINGS, ids=str)
def test_as_torch(kind: str, args: tuple, kwargs: dict) -> None:
    ours, theirs = modules_alike(kind, args, kwargs)
    assert [tuple(p.shape) for p in ours.parameters()] == [
        tuple(p.shape) for p in theirs.parameters()
    ]


WRONG_SETTINGS: list[Any] = [
    lambda t: t.nn.RNN(2, 3, nonlinearity="sin"),
    lambda t: t.nn.RNN(2, 3, proj_size=1),
    lambda t: t.nn.GRU(2, 3, proj_size=1),
    lambda t: t.nn.LSTM(2, 3, proj_size=3),
    lambda t: t.nn.LSTM(2, 3, proj_size=-1),
    lambda t: t.nn.LSTM(2, 3, dropout=1.5),
    lambda t: t.nn.LSTM(2, 3, dropout=True),
    lambda t: t.nn.LSTM(2, 3, bias=1),
    lambda t: t.nn.LSTM(2, 3, batch_first=1),
    lambda t: t.nn.LSTM(2.0, 3),
    lambda t: t.nn.LSTM(2, 3.0),
    lambda t: t.nn.LSTM(0, 3),
    lambda t: t.nn.LSTM(2, 0),
    lambda t: t.nn.LSTM(2, 3, 0),
    lambda t: t.nn.RNNBase("ABC", 2, 3),
    lambda t: t.nn.RNNCell(2, 3, nonlinearity="sin")(t.ones(1, 2)),
]

WRONG_CALLS: list[Any] = [
    *(
        lambda t, kind=kind, x=x: getattr(t.nn, kind)(2, 3)(x(t))
        for kind in KINDS
        for x in (
            lambda t: t.ones(4, 1, 3),
            lambda t: t.ones(4, 3),
            lambda t: t.ones(4),
            lambda t: t.ones(4, 1, 1, 2),
            lambda t: t.ones(0, 1, 2),
            lambda t: t.ones(4, 1, 2).double(),
        )
    ),
    *(
        lambda t, kind=kind, h=h: getattr(t.nn, kind)(2, 3)(t.ones(4, 5, 2), h(t))
        for kind in ("RNN", "GRU")
        for h in (
            lambda t: t.ones(1, 4, 3),
            lambda t: t.ones(2, 5, 3),
            lambda t: t.ones(1, 5, 2),
            lambda t: t.ones(1, 3),
        )
    ),
    lambda t: t.nn.LSTM(2, 3)(t.ones(4, 5, 2), (t.ones(1, 5, 3), t.ones(1, 4, 3))),
    lambda t: t.nn.LSTM(2, 3)(t.ones(4, 5, 2), (t.ones(1, 5, 2), t.ones(1, 5, 3))),
    lambda t: t.nn.LSTM(2, 3)(t.ones(4, 5, 2), (t.ones(1, 3), t.ones(1, 3))),
    lambda t: t.nn.LSTM(2, 3)(t.ones(4, 2), (t.ones(1, 1, 3), t.ones(1, 1, 3))),
    lambda t: t.nn.GRU(2, 3)(t.ones(4, 2), t.ones(1, 1, 3)),
    lambda t: t.nn.GRU(2, 3)(t.nn.utils.rnn.pack_sequence([t.ones(2, 3)])),
    lambda t: t.nn.GRU(2, 3)(t.nn.utils.rnn.pack_sequence([t.ones(2, 2)]), t.ones(1, 2, 3)),
    *(
        lambda t, kind=kind, x=x: getattr(t.nn, kind)(2, 3)(x(t))
        for kind in ("RNNCell", "LSTMCell", "GRUCell")
        for x in (lambda t: t.ones(4, 3), lambda t: t.ones(3), lambda t: t.ones(1, 1, 2))
    ),
    lambda t: t.nn.GRUCell(2, 3)(t.ones(4, 2), t.ones(4, 2)),
    lambda t: t.nn.GRUCell(2, 3)(t.ones(4, 2), t.ones(3, 3)),
    lambda t: t.nn.GRUCell(2, 3)(t.ones(4, 2), t.ones(1, 4, 3)),
    lambda t: t.nn.LSTMCell(2, 3)(t.ones(4, 2), (t.ones(4, 3), t.ones(1, 4, 3))),
]


@pytest.mark.parametrize("call", [*WRONG_SETTINGS, *WRONG_CALLS])
def test_errors(call: Any) -> None:
    compare_error(call)
