"""Recurrent networks as functions: layers, directions, sequences of several lengths, and cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jitgrad.dispatch import TensorCore
from jitgrad.errors import describe
from jitgrad.ops.composite import linear
from jitgrad.ops.create import zeros
from jitgrad.ops.joining import cat, stack
from jitgrad.ops.linalg import check_same_dtype
from jitgrad.ops.noise import dropout as drop
from jitgrad.ops.recurrence import States, recur
from jitgrad.ops.slicing import select

if TYPE_CHECKING:
    from jitgrad.tensor import Tensor

__all__ = [
    "gru",
    "gru_cell",
    "lstm",
    "lstm_cell",
    "rnn_relu",
    "rnn_relu_cell",
    "rnn_tanh",
    "rnn_tanh_cell",
]

GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}
"""How many gates a step of each mode has."""


def _check(condition: bool, operation: str, came: str, rule: str) -> None:
    if not condition:
        raise RuntimeError(describe(operation, came, rule))


def _one_direction(
    mode: str,
    operation: str,
    rows: Tensor,
    states: States,
    weights: tuple[Tensor, Tensor],
    biases: tuple[Tensor | None, Tensor | None],
    projection: Tensor | None,
    sizes: tuple[int, ...],
    reverse: bool,
) -> tuple[Tensor, States]:
    """Return the hidden state behind each row, and the last states, of one layer."""
    of_input, of_hidden = weights
    gates, width = of_input._array.shape[0], states[-1]._array.shape[-1]
    expected = GATES[mode] * width, (width if projection is None else projection._array.shape[0])
    _check(
        gates == expected[0] and of_hidden._array.shape == expected,
        operation,
        f"weights of shapes {of_input._array.shape} and {of_hidden._array.shape} for hidden "
        f"states of width {width}",
        f"expected {expected[0]} rows for the gates, and a second weight of shape {expected}",
    )
    _check(
        rows._array.shape[-1] == of_input._array.shape[1],
        operation,
        f"inputs of width {rows._array.shape[-1]}",
        f"input.size(-1) must be equal to input_size. Expected {of_input._array.shape[1]}",
    )
    _check(
        all(each is None or each._array.shape == (gates,) for each in biases),
        operation,
        "biases of other shapes",
        f"expected {(gates,)}, one for each row of the weights",
    )
    hidden = states[0]._array.shape
    _check(
        hidden == (sizes[0], expected[1]) and states[-1]._array.shape == (sizes[0], width),
        operation,
        f"hidden states of shape {hidden} for a batch of {sizes[0]}",
        f"expected hidden size {(sizes[0], expected[1])}",
    )
    check_same_dtype(operation, of_hidden, *states)
    bias, hidden_bias = biases
    if mode != "GRU" and bias is not None:
        # added at each step, where it costs less than a sum of the size of all steps
        bias, hidden_bias = None, bias if hidden_bias is None else bias + hidden_bias
    if hidden_bias is None:
        hidden_bias = zeros(gates, dtype=of_hidden.dtype)
    others = () if projection is None else (projection,)
    inputs = linear(rows, of_input, bias)
    return recur(mode, inputs, states, (of_hidden, hidden_bias, *others), sizes, reverse)


def recurrent_network(
    mode: str,
    rows: Tensor,
    sizes: tuple[int, ...],
    states: States,
    params: Sequence[Tensor],
    has_biases: bool,
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
) -> tuple[Tensor, States]:
    """Return the outputs and the last states of layers, each on the outputs of that before.

    Args:
        mode: RNN_TANH, RNN_RELU, LSTM or GRU.
        rows: the inputs of the first step, a row for each sequence, then of the second and so on.
        sizes: how many rows each step has; none has more than the one before.
        states: each (layers * directions, sequences, width).
        params: for each layer and direction the weights of input and hidden state, their biases if
            `has_biases`, and the projection of the hidden state if there is one.
        dropout: with which probability outputs between layers are set to 0, if `train`.
    """
    directions = 2 if bidirectional else 1
    count = num_layers * directions
    operation = mode.lower()
    _check(
        bool(sizes), operation, "no steps", "Expected sequence length to be larger than 0 in RNN"
    )
    least = 4 if has_biases else 2
    each = len(params) // count
    _check(
        len(params) == each * count and each in (least, least + (mode == "LSTM")),
        operation,
        f"{len(params)} parameters for {num_layers} layers in {directions} directions",
        f"expected {least} for each, and for LSTM a projection",
    )
    _check(
        all(state._array.ndim == 3 and len(state._array) == count for state in states),
        operation,
        f"hidden states of shape {', '.join(str(state._array.shape) for state in states)}",
        f"expected {count} layers and directions, sequences, width",
    )
    last: list[States] = []
    for layer in range(num_layers):
        made = []
        for direction in range(directions):
            number = len(last)
            weight, hidden_weight, *more = params[number * each : (number + 1) * each]
            found, behind = _one_direction(
                mode,
                operation,
                rows,
                tuple(select(state, 0, number) for state in states),
                (weight, hidden_weight),
                (more[0], more[1]) if has_biases else (None, None),
                more[-1] if each > least else None,
                sizes,
                direction == 1,
            )
            made.append(found)
            last.append(behind)
        rows = made[0] if directions == 1 else cat(made, -1)
        if dropout and layer + 1 < num_layers:
            rows = drop(rows, dropout, train)
    return rows, tuple(stack(state) for state in zip(*last))


# -- PyTorch's functions ------------------------------------------------------------------------

OPTIONS = ("hx", "params", "has_biases", "num_layers", "dropout", "train", "bidirectional")
DENSE, PACKED = ("input", *OPTIONS, "batch_first"), ("data", "batch_sizes", *OPTIONS)


def _network(mode: str, values: tuple, named: dict[str, Any]) -> tuple[Tensor, ...]:
    """Call `recurrent_network` with arguments as PyTorch orders them."""
    sizes = values[1] if len(values) > 1 else named.get("batch_sizes")
    packed = isinstance(sizes, TensorCore) and sizes._array.dtype.kind in "iu"
    names = PACKED if packed else DENSE
    given = {**dict(zip(names, values)), **named}
    if len(values) > len(names) or set(given) != set(names):
        raise TypeError(
            describe(
                mode.lower(),
                f"{len(values)} arguments and {', '.join(named) or 'no names'}",
                f"expected ({', '.join(names)})",
            )
        )
    states = given["hx"] if mode == "LSTM" else (given["hx"],)
    options = [given[name] for name in OPTIONS[1:]]
    if packed:
        steps = tuple(given["batch_sizes"].tolist())
        rows, last = recurrent_network(mode, given["data"], steps, tuple(states), *options)
        return rows, *last
    input = given["input"]
    _check(
        input._array.ndim == 3,
        mode.lower(),
        f"input of {input._array.ndim} dimensions",
        "input must have 3 dimensions",
    )
    rows, last = recurrent_network(
        mode, *rows_and_sizes(input, given["batch_first"]), tuple(states), *options
    )
    return as_sequences(rows, input, given["batch_first"]), *last


def rows_and_sizes(input: Tensor, batch_first: bool) -> tuple[Tensor, tuple[int, ...]]:
    """Return sequences of one length, (steps, sequences, width), as rows."""
    if batch_first:
        input = input.transpose(0, 1)
    steps, count, width = input._array.shape
    return input.reshape(steps * count, width), (count,) * steps


def as_sequences(rows: Tensor, input: Tensor, batch_first: bool) -> Tensor:
    """Return rows that were computed from `input` in its form."""
    count, steps = input._array.shape[:2] if batch_first else input._array.shape[1::-1]
    made = rows.reshape(steps, count, rows._array.shape[1])
    return made.transpose(0, 1) if batch_first else made


def lstm(*values: Any, **named: Any) -> tuple[Tensor, ...]:
    """Return the outputs, the last hidden states and the last cells of an LSTM.

    Call it with `(input, hx, params, has_biases, num_layers, dropout, train, bidirectional,
    batch_first)`, or with `(data, batch_sizes, hx, ...)` for packed sequences. `hx` is the pair of
    first hidden states and cells. `nn.LSTM` is easier to use, and explains the rest.

    Shapes: input (steps, sequences, k), hx (layers * directions, sequences, width).

    Raises:
        RuntimeError: shapes that do not go together.
        TypeError: arguments are missing.

    Source: Hochreiter and Schmidhuber, Long Short-Term Memory, 1997; with forget gates.

    Example:
        >>> import jitgrad as torch
        >>> first, weight = torch.zeros(1, 1, 1), torch.ones(4, 1)
        >>> out, hidden, cell = torch.lstm(
        ...     torch.ones(2, 1, 1), (first, first), [weight, weight], False, 1, 0.0, False, False,
        ...     False
        ... )
        >>> out.flatten()
        tensor([0.3696, 0.6505])
    """
    return _network("LSTM", values, named)


def gru(*values: Any, **named: Any) -> tuple[Tensor, ...]:
    """Return the outputs and the last hidden states of gated recurrent units; arguments as `lstm`.

    Here `hx` is one tensor.

    Source: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, 2014; with the
    reset gate behind the product, as cuDNN has it.
    """
    return _network("GRU", values, named)


def rnn_tanh(*values: Any, **named: Any) -> tuple[Tensor, ...]:
    """Return the outputs and the last states of a network of tanh; arguments as `gru`."""
    return _network("RNN_TANH", values, named)


def rnn_relu(*values: Any, **named: Any) -> tuple[Tensor, ...]:
    """Return the outputs and the last states of a network of relu; arguments as `gru`."""
    return _network("RNN_RELU", values, named)


# -- one step -----------------------------------------------------------------------------------


def _cell(
    mode: str,
    input: Tensor,
    states: States,
    weights: tuple[Tensor, Tensor],
    biases: tuple[Tensor | None, Tensor | None],
) -> States:
    operation = f"{mode.lower()}_cell"
    _check(
        input._array.ndim == 2 and all(each._array.ndim == 2 for each in states),
        operation,
        f"input of {input._array.ndim} dimensions, and hidden states of "
        f"{', '.join(str(each._array.ndim) for each in states)}",
        "expected (batch, width) for each",
    )
    sizes = (input._array.shape[0],)
    _, last = _one_direction(mode, operation, input, states, weights, biases, None, sizes, False)
    return last


def lstm_cell(
    input: Tensor,
    hx: Sequence[Tensor],
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return the hidden state and the cell behind one step of an LSTM.

    Shapes: input (n, k), hx two of (n, h), w_ih (4 h, k), w_hh (4 h, h), biases (4 h).

    Raises:
        RuntimeError: shapes that do not go together.

    Example:
        >>> import jitgrad as torch
        >>> zero, weight = torch.zeros(1, 1), torch.ones(4, 1)
        >>> hidden, cell = torch.lstm_cell(torch.ones(1, 1), (zero, zero), weight, weight)
        >>> hidden, cell
        (tensor([[0.3696]]), tensor([[0.5568]]))
    """
    hidden, cell = _cell("LSTM", input, tuple(hx), (w_ih, w_hh), (b_ih, b_hh))
    return hidden, cell


def gru_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """Return the hidden state behind one step of gated recurrent units.

    Shapes: input (n, k), hx (n, h), w_ih (3 h, k), w_hh (3 h, h), biases (3 h).
    """
    return _cell("GRU", input, (hx,), (w_ih, w_hh), (b_ih, b_hh))[0]


def rnn_tanh_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """Return tanh(input @ w_ih.T + b_ih + hx @ w_hh.T + b_hh).

    Shapes: input (n, k), hx (n, h), w_ih (h, k), w_hh (h, h), biases (h).
    """
    return _cell("RNN_TANH", input, (hx,), (w_ih, w_hh), (b_ih, b_hh))[0]


def rnn_relu_cell(
    input: Tensor,
    hx: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> Tensor:
    """Return relu(input @ w_ih.T + b_ih + hx @ w_hh.T + b_hh); shapes as for `rnn_tanh_cell`."""
    return _cell("RNN_RELU", input, (hx,), (w_ih, w_hh), (b_ih, b_hh))[0]
