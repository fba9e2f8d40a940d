"""The loss of connectionist temporal classification: over all alignments of labels in time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from jitgrad import dtypes
from jitgrad.dispatch import TensorCore, bind
from jitgrad.errors import describe
from jitgrad.ops.create import as_tensor
from jitgrad.ops.reduction import chosen_reduction, reduced
from jitgrad.ops.selection import where
from jitgrad.primitive import Kind, Primitive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jitgrad.tensor import Tensor

__all__ = ["ctc_loss"]


class _Lattice:
    """Labels with blanks between them, and which steps through them an alignment may take.

    Attributes:
        symbols: (n, 2 s + 1), the class at each place, of a batch padded with blanks.
        skips: where the place before the last one may be left out: the label is another one.
        ends: (n,), the last place, a blank.
    """

    def __init__(self, targets: np.ndarray, lengths: np.ndarray, blank: int) -> None:
        count, longest = len(lengths), int(lengths.max(initial=0))
        self.symbols = np.full((count, 2 * longest + 1), blank)
        if targets.ndim == 1:
            starts = np.cumsum(lengths) - lengths
            for row, (start, length) in enumerate(zip(starts, lengths)):
                self.symbols[row, 1 : 2 * length : 2] = targets[start : start + length]
        else:
            held = np.arange(longest) < lengths[:, None]
            self.symbols[:, 1::2] = np.where(held, targets[:, :longest], blank)
        self.skips = np.zeros(self.symbols.shape, bool)
        self.skips[:, 2:] = self.symbols[:, 2:] != self.symbols[:, :-2]
        self.ends = 2 * lengths

    def emitted(self, log_probs: np.ndarray) -> np.ndarray:
        """Return the logarithms at the places' classes: (t, n, 2 s + 1)."""
        return np.take_along_axis(log_probs, self.symbols[None], 2)

    def moved(self, scores: np.ndarray, back: bool) -> np.ndarray:
        """Return the sums of what one step (backwards if `back`) leads from to each place."""
        one, two = np.full((2, *scores.shape), -np.inf)
        if back:
            one[:, :-1], two[:, :-2] = scores[:, 1:], scores[:, 2:]
            skips = np.zeros_like(self.skips)
            skips[:, :-2] = self.skips[:, 2:]
        else:
            one[:, 1:], two[:, 2:], skips = scores[:, :-1], scores[:, :-2], self.skips
        return np.logaddexp(np.logaddexp(scores, one), np.where(skips, two, -np.inf))

    def forward(self, emitted: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the scores (t, n, places) of beginnings, and minus the logarithm of the whole."""
        rows = np.arange(len(self.ends))
        scores = np.full(emitted.shape, -np.inf)
        before = np.full(self.symbols.shape, -np.inf)
        before[:, 0] = 0
        for time, each in enumerate(emitted):
            before = scores[time] = self.moved(before, False) + each
        start = np.where(self.ends == 0, 0.0, -np.inf)
        final: Any = scores[np.maximum(times - 1, 0), rows]
        whole = final[rows, self.ends]
        whole = final[rows, self.ends]
        with_label = final[rows, np.maximum(self.ends - 1, 0)]
        whole = np.where(self.ends > 0, np.logaddexp(whole, with_label), whole)
        return scores, -np.where(times > 0, whole, start)

    def backward(self, emitted: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return the scores (t, n, places) of endings."""
        scores = np.full(emitted.shape, -np.inf)
        after = np.full(self.symbols.shape, -np.inf)
        places = np.arange(self.symbols.shape[1])
        ends = (places == self.ends[:, None]) | (places == self.ends[:, None] - 1)
        for time in reversed(range(len(emitted))):
            moved = self.moved(after, True)
            moved = np.where(
                np.equal(time, times - 1)[:, None], np.where(ends, 0.0, -np.inf), moved
            )
            after = scores[time] = moved + emitted[time]
        return scores


def _loss(
    log_probs: np.ndarray,
    targets: np.ndarray,
    times: np.ndarray,
    lengths: np.ndarray,
    *,
    blank: int,
) -> np.ndarray:
    _check_values(log_probs, targets, times, lengths)
    lattice = _Lattice(targets, lengths, blank)
    emitted = lattice.emitted(log_probs.astype(np.float64))
    return lattice.forward(emitted, times)[1].astype(log_probs.dtype)


def _slope(
    g: np.ndarray,
    log_probs: np.ndarray,
    targets: np.ndarray,
    times: np.ndarray,
    lengths: np.ndarray,
    *,
    blank: int,
) -> np.ndarray:
    lattice = _Lattice(targets, lengths, blank)
    wide = log_probs.astype(np.float64)
    emitted = lattice.emitted(wide)
    begun, whole = lattice.forward(emitted, times)
    ended = lattice.backward(emitted, times)
    never = np.isneginf(begun) | np.isneginf(ended)
    both = np.where(never, 0, np.exp(begun + ended - emitted + whole[:, None]))
    shares = np.zeros(wide.shape)
    steps, rows, _ = np.ix_(*map(range, both.shape))
    np.add.at(shares, (steps, rows, np.broadcast_to(lattice.symbols, both.shape)), both)
    made = (np.exp(wide) - shares) * g[:, None]
    made[np.arange(len(wide))[:, None] >= times] = 0
    # an infinite loss has no slope, but what does not count has slope 0
    made[:, np.isinf(whole)] = np.nan
    made[:, g == 0] = 0
    return made.astype(log_probs.dtype)


def _no_second_derivative(_g: Any, _out: Any, *_inputs: Any, **_params: Any) -> Any:
    raise RuntimeError(
        "ctc_loss: the derivative of its derivative is not implemented, as in PyTorch"
    )


CTC_SLOPE = Primitive("ctc_loss_backward", Kind.OPAQUE, _slope, _no_second_derivative)

CTC = Primitive(
    "ctc_loss",
    Kind.OPAQUE,
    _loss,
    (
        lambda g, _out, log_probs, targets, times, lengths, *, blank: bind(
            CTC_SLOPE, g, log_probs, targets, times, lengths, blank=blank
        ),
        None,
        None,
        None,
    ),
    raises_on_data=True,
)


def _check_values(
    log_probs: np.ndarray, targets: np.ndarray, times: np.ndarray, lengths: np.ndarray
) -> None:
    longest = log_probs.shape[0]
    if times.size and not 0 <= times.min() <= times.max() <= longest:
        rule = f"Expected input_lengths to have value between 0 and {longest}"
        raise RuntimeError(describe("ctc_loss", f"{times.tolist()}", rule))
    room = targets.shape[1] if targets.ndim > 1 else targets.size
    held = lengths.max(initial=0) if targets.ndim > 1 else lengths.sum()
    if (lengths < 0).any() or held > room:
        rule = f"Expected target_lengths that fit into {room} labels"
        raise RuntimeError(describe("ctc_loss", f"{lengths.tolist()}", rule))


def _lengths(argument: str, given: Any, count: int) -> Tensor:
    made = given if isinstance(given, TensorCore) else as_tensor(given)
    made = made.long().reshape(-1)  # type: ignore[attr-defined]
    if made._array.size != count:
        rule = f"{argument} must be of size batch_size ({count})"
        raise RuntimeError(describe("ctc_loss", f"{made._array.size} numbers", rule))
    return made


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | Sequence[int],
    target_lengths: Tensor | Sequence[int],
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Return minus the logarithm of the probability of the labels, summed over all alignments.

    Shapes: log_probs (t, n, classes) with targets (n, s) or, one behind the other, (all of them,),
    and lengths (n,); or (t, classes) with (s,) and ().
    The mean is that of the losses over the numbers of labels.
    Gradient: as PyTorch's, right for log_probs that come from `log_softmax`, through which alone
    the difference to the derivative proper cannot be seen. Not differentiable twice.
    Source: Graves et al., 2006.

    Args:
        blank: the class that stands for no label.
        zero_infinity: losses of labels that do not fit into the time count as 0.

    Raises:
        RuntimeError: shapes, dtypes or lengths that do not fit.

    Example:
        >>> import jitgrad as torch
        >>> even = torch.full((2, 1, 2), 0.5).log()
        >>> torch.nn.functional.ctc_loss(even, torch.tensor([[1]]), [2], [1]).exp()
        tensor(1.3333)
    """
    reduction = chosen_reduction("ctc_loss", reduction)
    shape = log_probs._array.shape
    if len(shape) not in (2, 3) or log_probs._array.dtype not in (np.float32, np.float64):
        name = dtypes.FROM_NUMPY[log_probs._array.dtype].name
        rule = "log_probs must be (t, n, classes) or (t, classes), of float32 or float64"
        raise RuntimeError(describe("ctc_loss", f"shape {shape} and dtype {name}", rule))
    if not log_probs._array.size:
        raise RuntimeError(describe("ctc_loss", f"shape {shape}", "log_probs must not be empty"))
    if not 0 <= blank < shape[-1]:
        rule = f"blank must be in label range, 0 to {shape[-1] - 1}"
        raise RuntimeError(describe("ctc_loss", f"blank={blank}", rule))
    if targets._array.dtype not in (np.int64, np.int32) or targets._array.ndim > 2:
        rule = "targets must be int64 or int32, of one or two dimensions"
        raise RuntimeError(describe("ctc_loss", f"shape {targets._array.shape}", rule))
    single = len(shape) == 2
    count = 1 if single else shape[1]
    batch = log_probs.unsqueeze(1) if single else log_probs
    times = _lengths("input_lengths", input_lengths, count)
    lengths = _lengths("target_lengths", target_lengths, count)
    loss = bind(CTC, batch, targets.long(), times, lengths, blank=blank)
    if zero_infinity:
        loss = where(loss == float("inf"), 0, loss)
    if single and reduction == "none":
        return loss.squeeze(0)
    if reduction == "mean":
        return (loss / lengths.clamp_min(1)).mean()
    return reduced(loss, reduction)
