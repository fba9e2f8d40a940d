"""Activations as modules."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from jitgrad.errors import describe
from jitgrad.nn import functional as F
from jitgrad.nn.modules.module import Module
from jitgrad.nn.parameter import Parameter
from jitgrad.ops.create import full

if TYPE_CHECKING:
    from jitgrad.device import device as Device
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "Mish",
    "PReLU",
    "RReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class Activation(Module):
    """A function of one tensor.

    Attributes:
        shown: the settings that stand in the text of the module.
    """

    shown: tuple[str, ...] = ()

    def extra_repr(self) -> str:
        """Return the settings."""
        texts = [f"{name}={getattr(self, name)}" for name in self.shown]
        if getattr(self, "inplace", False):
            texts.append("inplace=True")
        return ", ".join(texts)


class Inplace(Module):
    """A function of one tensor without other settings, which may overwrite it."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class Threshold(Activation):
    """`input` where it is above `threshold`, else `value`: see `nn.functional.threshold`."""

    shown = ("threshold", "value")

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold, self.value, self.inplace = threshold, value, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return F.threshold(input, self.threshold, self.value, self.inplace)


class ReLU(Inplace, Activation):
    """The larger of `input` and 0.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.ReLU()(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return F.relu(input, self.inplace)


class RReLU(Activation):
    """Leaky, with a random slope in training and the mean slope in use: see `functional.rrelu`."""

    shown = ("lower", "upper")

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)


class Hardtanh(Activation):
    """`input` held between `min_val` and `max_val`.

    Args:
        min_val: the lower bound.
        max_val: the upper bound.
        inplace: write the result to the input.
        min_value: an older name of `min_val`.
        max_value: an older name of `max_val`.

    Raises:
        ValueError: the upper bound is not above the lower one.
    """

    shown = ("min_val", "max_val")

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        if min_value is not None:
            warnings.warn(
                "keyword argument `min_value` is deprecated and rename to `min_val`",
                FutureWarning,
                stacklevel=2,
            )
            min_val = min_value
        if max_value is not None:
            warnings.warn(
                "keyword argument `max_value` is deprecated and rename to `max_val`",
                FutureWarning,
                stacklevel=2,
            )
            max_val = max_value
        if max_val <= min_val:
            rule = "the upper bound must be above the lower one"
            raise ValueError(describe("Hardtanh", f"{min_val} and {max_val}", rule))
        self.min_val, self.max_val, self.inplace = min_val, max_val, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)


class ReLU6(Hardtanh):
    """`input` held between 0 and 6."""

    shown = ()

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)


class Sigmoid(Activation):
    """1 / (1 + exp(-input))."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return input.sigmoid()


class Hardsigmoid(Inplace):
    """input / 6 + 1 / 2 held between 0 and 1."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return F.hardsigmoid(input, self.inplace)


class Tanh(Activation):
    """The hyperbolic tangent."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return input.tanh()


class SiLU(Inplace, Activation):
    """input * sigmoid(input)."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return F.silu(input, self.inplace)


class Mish(Inplace, Activation):
    """input * tanh(softplus(input))."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return F.mish(input, self.inplace)


class Hardswish(Inplace):
    """input * hardsigmoid(input)."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return F.hardswish(input, self.inplace)


class ELU(Activation):
    """`input` where it is positive, alpha * (exp(input) - 1) elsewhere."""

    shown = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return F.elu(input, self.alpha, self.inplace)


class CELU(Activation):
    """`input` where it is positive, alpha * (exp(input / alpha) - 1) elsewhere."""

    shown = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return F.celu(input, self.alpha, self.inplace)


class SELU(Inplace, Activation):
    """The self-normalizing elu: see `nn.functional.selu`."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return F.selu(input, self.inplace)


class GLU(Activation):
    """The first half along `dim` times the sigmoid of the second: see `nn.functional.glu`."""

    shown = ("dim",)

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return F.glu(input, self.dim)


class GELU(Activation):
    """`input` times the normal distribution's cumulative function: see `nn.functional.gelu`."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def extra_repr(self) -> str:
        """Return the kind of approximation."""
        return f"approximate={self.approximate!r}"

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return F.gelu(input, self.approximate)


class Hardshrink(Activation):
    """`input`, but 0 between -lambd and lambd."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        """Return the bound."""
        return str(self.lambd)

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return F.hardshrink(input, self.lambd)


class LeakyReLU(Activation):
    """`input` where it is positive, negative_slope * input elsewhere."""

    shown = ("negative_slope",)

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)


class LogSigmoid(Activation):
    """log(sigmoid(input))."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return F.logsigmoid(input)


class Softplus(Activation):
    """log(1 + exp(beta * input)) / beta, above the threshold `input`."""

    shown = ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return F.softplus(input, self.beta, self.threshold)


class Softshrink(Activation):
    """`input` moved by `lambd` towards 0, and 0 between -lambd and lambd."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        """Return the bound."""
        return str(self.lambd)

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return F.softshrink(input, self.lambd)


class PReLU(Activation):
    """`input` where it is positive, weight * input elsewhere, with slopes that are learnt.

    Args:
        num_parameters: 1, or one for each channel, the second dimension of the input.
        init: where they start.
        device: of the slopes.
        dtype: of the slopes.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.PReLU()(torch.tensor([-4.0, 1.0])).tolist()
        [-1.0, 1.0]
    """

    shown = ("num_parameters",)
    weight: Parameter

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 0.25,
        device: Device | str | None = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(full((num_parameters,), float(init), device=device, dtype=dtype))

    def reset_parameters(self) -> None:
        """Set the slopes to where they start."""
        self.weight.detach().fill_(self.init)

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return F.prelu(input, self.weight)


class Softsign(Activation):
    """input / (1 + |input|)."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return F.softsign(input)


class Tanhshrink(Activation):
    """input - tanh(input)."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the function of `input`."""
        return F.tanhshrink(input)
