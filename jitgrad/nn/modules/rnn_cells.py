"""One step of a recurrent network as a module."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from jitgrad.nn import init
from jitgrad.nn.modules.module import Module
from jitgrad.nn.parameter import Parameter
from jitgrad.ops.create import empty, zeros
from jitgrad.ops.recurrent import gru_cell, lstm_cell, rnn_relu_cell, rnn_tanh_cell

if TYPE_CHECKING:
    from jitgrad.device import device as Device
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

__all__ = ["GRUCell", "LSTMCell", "RNNCell", "RNNCellBase"]


class RNNCellBase(Module):
    """What the cells have in common: the parameters of one step, and how they are called."""

    weight_ih: Parameter
    weight_hh: Parameter

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Device | str | None = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = num_chunks * hidden_size
        for name, width in (("weight_ih", input_size), ("weight_hh", hidden_size)):
            setattr(self, name, Parameter(empty((rows, width), device=device, dtype=dtype)))
        for name in ("bias_ih", "bias_hh"):
            made = Parameter(empty(rows, device=device, dtype=dtype)) if bias else None
            self.register_parameter(name, made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def extra_repr(self) -> str:
        """Return the sizes, and the settings that are not the default."""
        nonlinearity = getattr(self, "nonlinearity", "tanh")
        return (
            f"{self.input_size}, {self.hidden_size}"
            + ("" if self.bias is True else f", bias={self.bias}")
            + ("" if nonlinearity == "tanh" else f", nonlinearity={nonlinearity}")
        )

    def _step(
        self, function: Any, input: Tensor, given: tuple[Tensor, ...] | None, count: int
    ) -> tuple[Tensor, ...]:
        """Return the `count` states behind a step; without the batch if the input has none."""
        alone = input.dim() == 1
        for value in (input,) if given is None else (input, *given):
            if value.dim() not in (1, 2):
                what = "input" if value is input else "hidden"
                raise ValueError(
                    f"{self._get_name()}: Expected {what} to be 1D or 2D, got {value.dim()}D"
                )
        input = input.unsqueeze(0) if alone else input
        if given is None:
            states = (zeros(input.size(0), self.hidden_size, dtype=input.dtype),) * count
        else:
            states = tuple([each.unsqueeze(0) if alone else each for each in given])
        weights = self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh
        if count == 1:
            made = (function(input, states[0], *weights),)
        else:
            made = function(input, states, *weights)
        return tuple([each.squeeze(0) for each in made]) if alone else made


class RNNCell(RNNCellBase):
    """One step of an `RNN`.

    Shapes: input (n, input_size) and hidden state (n, hidden_size), zeros unless given; or both
    without n.

    Raises:
        RuntimeError: shapes that do not go together, or an unknown nonlinearity.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.RNNCell(10, 20)(torch.randn(3, 10)).shape
        torch.Size([3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Device | str | None = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Return the next hidden state."""
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"RNNCell: Unknown nonlinearity: {self.nonlinearity}")
        function = rnn_tanh_cell if self.nonlinearity == "tanh" else rnn_relu_cell
        return self._step(function, input, None if hx is None else (hx,), 1)[0]


class LSTMCell(RNNCellBase):
    """One step of an `LSTM`; it takes and returns a pair of hidden state and cell.

    Example:
        >>> import jitgrad as torch
        >>> hidden, cell = torch.nn.LSTMCell(10, 20)(torch.randn(3, 10))
        >>> hidden.shape, cell.shape
        (torch.Size([3, 20]), torch.Size([3, 20]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Device | str | None = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the next hidden state and cell."""
        hidden, cell = self._step(lstm_cell, input, hx, 2)
        return hidden, cell


class GRUCell(RNNCellBase):
    """One step of a `GRU`; shapes as for `RNNCell`.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.GRUCell(10, 20)(torch.randn(3, 10)).shape
        torch.Size([3, 20])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Device | str | None = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Return the next hidden state."""
        return self._step(gru_cell, input, None if hx is None else (hx,), 1)[0]
