"""Recurrent networks, in layers, directions and packed, and one step of each; attention."""

from dataclasses import replace
from typing import Any

import numpy as np

from tests.opinfo import A, Op, S, Sample, op, wrong

BATCH, INPUT, WIDTH, STEPS = 2, 3, 2, 2


def parameters(
    gates: int, biases: bool, layers: int, bidirectional: bool, projected: int = 0
) -> list[np.ndarray]:
    """Return weights and biases as PyTorch orders them."""
    made = []
    directions = 2 if bidirectional else 1
    hidden = projected or WIDTH
    for layer in range(layers):
        for _ in range(directions):
            made += [A(gates * WIDTH, INPUT if not layer else directions * hidden, low=-1, high=1)]
            made += [A(gates * WIDTH, hidden, low=-1, high=1)]
            made += [A(gates * WIDTH), A(gates * WIDTH)] if biases else []
            made += [A(projected, WIDTH)] if projected else []
    return made


def network(
    gates: int,
    biases: bool = True,
    layers: int = 1,
    bidirectional: bool = False,
    batch_first: bool = False,
    packed: tuple[int, ...] = (),
    projected: int = 0,
) -> Sample:
    """Return a call; with `packed`, the numbers of sequences at each step."""
    count = layers * (2 if bidirectional else 1)
    batch = packed[0] if packed else BATCH
    states: Any = A(count, batch, projected or WIDTH)
    if gates == 4:
        states = (states, A(count, batch, WIDTH))
    options = (
        parameters(gates, biases, layers, bidirectional, projected),
        biases,
        layers,
        0.0,
        False,
        bidirectional,
    )
    if packed:
        return S(A(sum(packed), INPUT), np.array(packed), states, *options)
    shape = (BATCH, STEPS) if batch_first else (STEPS, BATCH)
    return S(A(*shape, INPUT), states, *options, batch_first)


def against_torch(sample: Sample) -> Sample:
    """Return a call whose derivatives are compared with torch's: differences take too long."""
    return replace(sample, smooth=False)


def table(name: str, gates: int, *extra: Sample) -> Op:
    """Return the line of a kind of network."""
    first = network(gates)
    return op(
        name,
        first,
        against_torch(network(gates, biases=False, batch_first=True)),
        against_torch(network(gates, packed=(3, 2, 1))),
        network(gates, bidirectional=True, packed=(2, 1)),
        against_torch(network(gates, layers=2, bidirectional=True)),
        *extra,
        rounding=32,
        kinds="w",
        layouts=False,
        expandable=False,
        errors=(
            wrong(RuntimeError, A(0, BATCH, INPUT), *first.args[1:]),
            wrong(RuntimeError, *first.args[:2], first.args[2][:3], *first.args[3:]),
            wrong(TypeError, *first.args[:3]),
        ),
    )


def cell(name: str, gates: int) -> Op:
    """Return the line of one step."""
    state = A(BATCH, WIDTH)
    states: Any = (state, A(BATCH, WIDTH)) if gates == 4 else state
    weights = A(gates * WIDTH, INPUT, low=-1, high=1), A(gates * WIDTH, WIDTH, low=-1, high=1)
    return op(
        name,
        S(A(BATCH, INPUT), states, *weights),
        S(A(BATCH, INPUT), states, *weights, A(gates * WIDTH), A(gates * WIDTH)),
        rounding=32,
        kinds="w",
        layouts=False,
        expandable=False,
        errors=(
            wrong(RuntimeError, A(BATCH, INPUT + 1), states, *weights),
            wrong(RuntimeError, A(BATCH + 1, INPUT), states, *weights),
        ),
    )


SEEN = np.array([[True, False, True], [False, False, False]])

ATTENTION = op(
    "nn.functional.scaled_dot_product_attention",
    S(A(2, 2), A(3, 2), A(3, 1)),
    S(A(2, 2, 2), A(2, 3, 2), A(2, 3, 2), is_causal=True),
    S(A(2, 2), A(3, 2), A(3, 2), SEEN, scale=0.5),
    S(A(2, 2), A(3, 2), A(3, 2), A(2, 3)),
    S(A(1, 2, 2, 1), A(1, 1, 2, 1), A(1, 1, 2, 1), enable_gqa=True),
    rounding=16,
    kinds="w",
    errors=(
        wrong(RuntimeError, A(2), A(3, 2), A(3, 2)),
        wrong(RuntimeError, A(2, 2), A(2, 2), A(2, 2), SEEN[:, :2], is_causal=True),
        wrong(TypeError, A(2, 2), A(2, 2), 1),
    ),
)

OPS = (
    ATTENTION,
    table("rnn_tanh", 1),
    table("rnn_relu", 1),
    table("lstm", 4, network(4, projected=1), network(4, projected=1, packed=(2, 1))),
    table("gru", 3),
    cell("rnn_tanh_cell", 1),
    cell("rnn_relu_cell", 1),
    cell("lstm_cell", 4),
    cell("gru_cell", 3),
)
