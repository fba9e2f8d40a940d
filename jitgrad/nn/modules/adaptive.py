"""The adaptive softmax: for many classes, of which few are frequent."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from jitgrad.errors import describe
from jitgrad.nn import functional as F
from jitgrad.nn.modules.container import ModuleList, Sequential
from jitgrad.nn.modules.linear import Linear
from jitgrad.nn.modules.module import Module
from jitgrad.ops.joining import cat

if TYPE_CHECKING:
    from jitgrad.device import device as Device
    from jitgrad.dtypes import dtype as DType
    from jitgrad.tensor import Tensor

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class AdaptiveOutput(NamedTuple):
    """The logarithms of the targets' probabilities, and minus their mean."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """A softmax over many classes in clusters, the rarer the smaller their vectors.

    Classes are to be sorted by how frequent they are, the most frequent first. The `head` scores
    the first of them and one place for each cluster; only clusters that hold a target are
    computed. Source: Grave et al., 2017.

    Args:
        in_features: the size of an input.
        n_classes: how many classes.
        cutoffs: where clusters begin.
        div_value: cluster i (from 1) has vectors of in_features // div_value ** i.
        head_bias: whether the head has a bias.
        device: of the parameters.
        dtype: of the parameters.

    Raises:
        ValueError: `cutoffs` are not increasing integers between 1 and n_classes - 1.

    Example:
        >>> import jitgrad as torch
        >>> layer = torch.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 10], div_value=2.0)
        >>> output, loss = layer(torch.randn(3, 8), torch.tensor([0, 5, 19]))
        >>> bool(loss == -output.mean())
        True
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Device | str | None = None,
        dtype: DType | None = None,
    ) -> None:
        super().__init__()
        limits = list(cutoffs)
        rising = all(low < high for low, high in pairwise([0, *limits, n_classes]))
        if not limits or not rising or any(int(each) != each for each in limits):
            rule = (
                "cutoffs should be a sequence of unique, positive integers sorted in an "
                "increasing order, where each value is between 1 and n_classes-1"
            )
            raise ValueError(describe("AdaptiveLogSoftmaxWithLoss", f"{limits}", rule))
        self.in_features, self.n_classes = in_features, n_classes
        self.cutoffs = [*limits, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size, self.n_clusters = limits[0], len(limits)
        self.head_size = self.shortlist_size + self.n_clusters
        made: dict[str, Any] = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, head_bias, **made)
        self.tail = ModuleList()
        for number, (low, high) in enumerate(pairwise(self.cutoffs), 1):
            inner = int(in_features // div_value**number)
            narrow = Linear(in_features, inner, False, **made)
            self.tail.append(Sequential(narrow, Linear(inner, high - low, False, **made)))

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        self.head.reset_parameters()
        for cluster in self.tail:
            for each in cluster:
                each.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> AdaptiveOutput:
        """Return the targets' log-probabilities (n,), and minus their mean.

        Shapes: (n, in_features) with targets (n,), or (in_features,) with ().

        Raises:
            RuntimeError: the shapes do not fit, or a target is no class.
        """
        single = target_.ndim == 0
        if target_.ndim > 1 or input_.ndim != target_.ndim + 1:
            rule = "0D target tensor expects 1D input, 1D target tensor 2D input"
            came = f"shapes {tuple(input_.shape)} and {tuple(target_.shape)}"
            raise RuntimeError(describe("AdaptiveLogSoftmaxWithLoss", came, rule))
        if not single and input_.shape[0] != target_.shape[0]:
            rule = "Input and target should have the same size in the batch dimension"
            came = f"shapes {tuple(input_.shape)} and {tuple(target_.shape)}"
            raise RuntimeError(describe("AdaptiveLogSoftmaxWithLoss", came, rule))
        input, target = (input_.unsqueeze(0), target_.unsqueeze(0)) if single else (input_, target_)
        found = 0
        output = input.new_zeros(target.shape)
        column = target.clone()
        for number, (low, high) in enumerate(pairwise([0, *self.cutoffs])):
            rows = ((target >= low) & (target < high)).nonzero().squeeze(1)
            found += rows.shape[0]
            if not number or not rows.shape[0]:
                continue
            place = (target.index_select(0, rows) - low).unsqueeze(1)
            scores = self.tail[number - 1](input.index_select(0, rows))
            logs = F.log_softmax(scores, 1).gather(1, place).squeeze(1)
            output = output.index_copy(0, rows, logs)
            column = column.index_fill(0, rows, self.shortlist_size + number - 1)
        if found != target.shape[0]:
            rule = f"Target values should be in [0, {self.n_classes - 1}]"
            raise RuntimeError(describe("AdaptiveLogSoftmaxWithLoss", "other values", rule))
        logs = F.log_softmax(self.head(input), 1).gather(1, column.unsqueeze(1))
        output = output + logs.squeeze(1)
        loss = (-output).mean()
        return AdaptiveOutput(output.squeeze(0) if single else output, loss)

    def log_prob(self, input: Tensor) -> Tensor:
        """Return the log-probabilities of all classes: (n, in_features) gives (n, n_classes)."""
        head = F.log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for number, cluster in enumerate(self.tail):
            at = self.shortlist_size + number
            parts.append(F.log_softmax(cluster(input), 1) + head[:, at : at + 1])
        return cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """Return the likeliest class of each input: (n, in_features) gives (n,)."""
        return self.log_prob(input).argmax(1)
