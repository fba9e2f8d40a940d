"""Recurrent networks as modules."""

from __future__ import annotations

import math
import numbers
import warnings
from typing import TYPE_CHECKING, Any

from jitgrad.errors import describe
from jitgrad.nn import init
from jitgrad.nn.modules.module import Module
from jitgrad.nn.parameter import Parameter
from jitgrad.nn.utils.rnn import PackedSequence
from jitgrad.ops.create import empty, zeros
from jitgrad.ops.recurrent import (
    GATES,
    as_sequences,
    recurrent_network,
    rows_and_sizes,
)

if TYPE_CHECKING:
    from jitgrad.device import device as Device
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

__all__ = ["GRU", "LSTM", "RNN", "RNNBase"]


def _check_settings(
    mode: str, input_size: int, hidden_size: int, num_layers: int, dropout: float, proj_size: int
) -> None:
    for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
        if not isinstance(size, int):
            came = f"{name}={size!r}"
            raise TypeError(describe(mode, came, f"{name} should be of type int"))
    for name, size, least in (
        ("input_size", input_size, 1),
        ("hidden_size", hidden_size, 1),
        ("num_layers", num_layers, 1),
        ("proj_size", proj_size, 0),
    ):
        if size < least:
            raise ValueError(describe(mode, f"{name}={size}", f"{name} must be at least {least}"))
    if proj_size >= hidden_size:
        rule = "proj_size has to be smaller than hidden_size"
        raise ValueError(describe(mode, f"proj_size={proj_size}", rule))
    if mode not in GATES:
        raise ValueError(describe("RNNBase", f"mode={mode!r}", f"it is one of {', '.join(GATES)}"))
    number = isinstance(dropout, numbers.Number) and not isinstance(dropout, bool)
    if not number or not 0 <= dropout <= 1:
        rule = "dropout should be a number in range [0, 1], the probability of zeroing an element"
        raise ValueError(describe(mode, f"dropout={dropout!r}", rule))
    if dropout > 0 and num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout "
            f"expects num_layers greater than 1, but got dropout={dropout} and num_layers=1",
            stacklevel=4,
        )


class RNNBase(Module):
    """What `RNN`, `LSTM` and `GRU` have in common: their parameters, and how they are called.

    Parameters of layer k are `weight_ih_lk` (gates * width, inputs), `weight_hh_lk` (gates * width,
    width), `bias_ih_lk` and `bias_hh_lk` (gates * width), and `weight_hr_lk` (proj_size, width)
    where hidden states are projected; those of the other direction end in `_reverse`. All start
    evenly within +-1 / sqrt(hidden_size).
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Device | str | None = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        for name, flag in (("bias", bias), ("batch_first", batch_first)):
            if not isinstance(flag, bool):
                came = f"{name}={flag!r}"
                raise TypeError(describe(mode, came, f"{name} should be of type bool"))
        _check_settings(mode, input_size, hidden_size, num_layers, dropout, proj_size)
        self.mode = mode
        self.input_size, self.hidden_size = input_size, hidden_size
        self.num_layers, self.bias, self.batch_first = num_layers, bias, batch_first
        self.dropout, self.bidirectional = float(dropout), bidirectional
        self.proj_size = proj_size
        self._all_weights: list[list[str]] = []
        rows, width = GATES[mode] * hidden_size, proj_size or hidden_size
        for layer in range(num_layers):
            inputs = width * (2 if bidirectional else 1) if layer else input_size
            for suffix in ("", "_reverse") if bidirectional else ("",):
                shapes: dict[str, tuple[int, ...]] = {
                    "weight_ih": (rows, inputs),
                    "weight_hh": (rows, width),
                }
                if bias:
                    shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                names = {f"{name}_l{layer}{suffix}": shape for name, shape in shapes.items()}
                for name, shape in names.items():
                    setattr(self, name, Parameter(empty(shape, device=device, dtype=dtype)))
                self._all_weights.append(list(names))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self) -> None:
        """Do nothing: other devices want the parameters one after the other in memory."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters, a list for each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def extra_repr(self) -> str:
        """Return the sizes, and the settings that are not the default."""
        shown = [str(self.input_size), str(self.hidden_size)]
        for name, usual in (
            ("proj_size", 0),
            ("num_layers", 1),
            ("bias", True),
            ("batch_first", False),
            ("dropout", 0),
            ("bidirectional", False),
        ):
            if getattr(self, name) != usual:
                shown.append(f"{name}={getattr(self, name)}")
        return ", ".join(shown)

    # -- calling ----------------------------------------------------------------------------

    def _widths(self) -> tuple[int, ...]:
        """Return the width of each state."""
        return (self.hidden_size,)

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        """Raise unless `input` has the dtype, the dimensions and the width that the layers take."""
        weight = self.all_weights[0][0]
        if input.dtype != weight.dtype:
            raise ValueError(
                describe(
                    self._get_name(),
                    f"input of {input.dtype}",
                    f"RNN input dtype does not match weight dtype ({weight.dtype})",
                    f"use input.to({weight.dtype}) or model.to({input.dtype})",
                )
            )
        dimensions = 3 if batch_sizes is None else 2
        if input.dim() != dimensions:
            came, rule = f"{input.dim()} dimensions", f"input must have {dimensions} dimensions"
            raise RuntimeError(describe(self._get_name(), came, rule))
        if input.size(-1) != self.input_size:
            raise RuntimeError(
                describe(
                    self._get_name(),
                    f"input of shape {tuple(input.shape)}",
                    "input.size(-1) must be equal to input_size. Expected "
                    f"{self.input_size}, got {input.size(-1)}",
                )
            )

    def _first_states(
        self, input: Tensor, batch: int, given: tuple[Tensor, ...] | None
    ) -> tuple[Tensor, ...]:
        """Return the states before the first step: zeros unless given."""
        count = self.num_layers * (2 if self.bidirectional else 1)
        expected = [(count, batch, width) for width in self._widths()]
        if given is None:
            return tuple([zeros(shape, dtype=input.dtype) for shape in expected])
        for number, (state, shape) in enumerate(zip(given, expected)):
            if tuple(state.shape) != shape:
                name = "hidden" if len(expected) == 1 else f"hidden[{number}]"
                raise RuntimeError(
                    f"{self._get_name()}: Expected {name} size {shape}, got {list(state.shape)}"
                )
        return tuple(given)

    def _run(self, input: Any, given: tuple[Tensor, ...] | None) -> tuple[Any, tuple[Tensor, ...]]:
        """Return the outputs in the form of the input, and the last states."""
        if isinstance(input, PackedSequence):
            return self._run_packed(input, given)
        if input.dim() not in (2, 3):
            raise ValueError(
                f"{self._get_name()}: Expected input to be 2D or 3D, got {input.dim()}D instead"
            )
        alone = input.dim() == 2
        for state in given or ():
            if state.dim() != input.dim():
                raise RuntimeError(
                    f"{self._get_name()}: For {'unbatched' if alone else 'batched'} "
                    f"{input.dim()}-D input, hx should also be {input.dim()}-D but got "
                    f"{state.dim()}-D"
                )
        batch_dim = 0 if self.batch_first else 1
        if alone:
            input = input.unsqueeze(batch_dim)
            given = None if given is None else tuple([state.unsqueeze(1) for state in given])
        self.check_input(input, None)
        states = self._first_states(input, input.size(batch_dim), given)
        rows, sizes = rows_and_sizes(input, self.batch_first)
        rows, last = self._layers(rows, sizes, states)
        output = as_sequences(rows, input, self.batch_first)
        if alone:
            return output.squeeze(batch_dim), tuple([state.squeeze(1) for state in last])
        return output, last

    def _run_packed(
        self, input: PackedSequence, given: tuple[Tensor, ...] | None
    ) -> tuple[PackedSequence, tuple[Tensor, ...]]:
        data, batch_sizes, order, back = input
        self.check_input(data, batch_sizes)
        sizes = tuple(batch_sizes.tolist())
        if given is not None and order is not None:
            given = tuple([state.index_select(1, order) for state in given])
        rows, last = self._layers(data, sizes, self._first_states(data, sizes[0], given))
        if back is not None:
            last = tuple([state.index_select(1, back) for state in last])
        return PackedSequence(rows, batch_sizes, order, back), last

    def _layers(
        self, rows: Tensor, sizes: tuple[int, ...], states: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        return recurrent_network(
            self.mode,
            rows,
            sizes,
            states,
            [getattr(self, name) for names in self._all_weights for name in names],
            self.bias,
            self.num_layers,
            self.dropout,
            self.training,
            self.bidirectional,
        )


def _refuse_projection(name: str, options: dict[str, Any]) -> None:
    if "proj_size" in options:
        rule = "proj_size argument is only supported for LSTM, not RNN or GRU"
        raise ValueError(describe(name, "proj_size", rule))


class RNN(RNNBase):
    """A network of layers whose next state is tanh (or relu) of what input and state project to.

    h' = tanh(W_ih x + b_ih + W_hh h + b_hh).

    Shapes: input (steps, sequences, input_size), with `batch_first` (sequences, steps, input_size),
    without the dimension of the sequences for a single one, or a `PackedSequence`; first states
    (layers * directions, sequences, hidden_size), zeros unless given. The outputs have the form of
    the input, with the width hidden_size * directions.

    Args:
        input_size, hidden_size: the widths of inputs and states.
        num_layers: each takes the outputs of the one before.
        nonlinearity: "tanh" or "relu".
        bias: whether there are biases.
        batch_first: whether the dimension of the sequences comes first in inputs and outputs.
        dropout: the probability with which outputs between layers are zeroed in training.
        bidirectional: whether each layer runs in both directions.

    Example:
        >>> import jitgrad as torch
        >>> network = torch.nn.RNN(10, 20, 2)
        >>> output, hidden = network(torch.randn(5, 3, 10))
        >>> output.shape, hidden.shape
        (torch.Size([5, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        *args: Any,
        **kwargs: Any,
    ) -> None:
        _refuse_projection("RNN", kwargs)
        if nonlinearity not in ("tanh", "relu"):
            came = f"nonlinearity={nonlinearity!r}"
            raise ValueError(describe("RNN", came, "Select from 'tanh' or 'relu'."))
        mode = f"RNN_{nonlinearity.upper()}"
        super().__init__(mode, input_size, hidden_size, num_layers, *args, **kwargs)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        """Return the outputs and the last hidden states."""
        output, (hidden,) = self._run(input, None if hx is None else (hx,))
        return output, hidden


class LSTM(RNNBase):
    """A network of layers of long short-term memory.

    i, f, g, o = W_ih x + b_ih + W_hh h + b_hh, in four parts of equal size;
    c' = sigmoid(f) c + sigmoid(i) tanh(g) and h' = sigmoid(o) tanh(c').

    Shapes and arguments are those of `RNN` (but for the nonlinearity); the first states are a pair
    of hidden states and cells. With `proj_size` hidden states are projected to that width.

    Source: Hochreiter and Schmidhuber, Long Short-Term Memory, 1997; with forget gates.

    Example:
        >>> import jitgrad as torch
        >>> network = torch.nn.LSTM(10, 20, bidirectional=True)
        >>> output, (hidden, cell) = network(torch.randn(5, 3, 10))
        >>> output.shape, hidden.shape, cell.shape
        (torch.Size([5, 3, 40]), torch.Size([2, 3, 20]), torch.Size([2, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def _widths(self) -> tuple[int, ...]:
        return (self.proj_size or self.hidden_size, self.hidden_size)

    def forward(
        self, input: Any, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Any, tuple[Tensor, Tensor]]:
        """Return the outputs, and the last hidden states and cells."""
        output, (hidden, cell) = self._run(input, hx)
        return output, (hidden, cell)


class GRU(RNNBase):
    """A network of layers of gated recurrent units.

    r = sigmoid(W_ir x + b_ir + W_hr h + b_hr), z likewise, n = tanh(W_in x + b_in + r (W_hn h +
    b_hn)), and h' = (1 - z) n + z h.

    Shapes and arguments are those of `RNN` (but for the nonlinearity).

    Source: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, 2014; with the
    reset gate behind the product, as cuDNN has it.

    Example:
        >>> import jitgrad as torch
        >>> network = torch.nn.GRU(10, 20, batch_first=True)
        >>> output, hidden = network(torch.randn(3, 5, 10))
        >>> output.shape, hidden.shape
        (torch.Size([3, 5, 20]), torch.Size([1, 3, 20]))
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _refuse_projection("GRU", kwargs)
        super().__init__("GRU", *args, **kwargs)

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        """Return the outputs and the last hidden states."""
        output, (hidden,) = self._run(input, None if hx is None else (hx,))
        return output, hidden
