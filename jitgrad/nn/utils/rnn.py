"""Sequences of several lengths in one tensor: padded to one length, or packed step by step."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jitgrad import dtypes
from jitgrad.errors import describe
from jitgrad.ops.create import tensor
from jitgrad.ops.joining import cat
from jitgrad.tensor import Tensor

if TYPE_CHECKING:
    from jitgrad.dtypes import dtype as DType

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Fields):
    """Sequences without padding: their first elements, then their second elements, and so on.

    Longer sequences come first, so that each step has the first rows of the step before it.
    `pack_sequence` and `pack_padded_sequence` make them; recurrent modules take and return them.

    Attributes:
        data: (sum of all lengths, ...), the elements.
        batch_sizes: (longest length,), int64: how many sequences each step has.
        sorted_indices: which of the given sequences stands at each place; None if they stand as
            they were given.
        unsorted_indices: the inverse: where each of the given sequences stands.

    Example:
        >>> import jitgrad as torch
        >>> from jitgrad.nn.utils.rnn import pack_sequence
        >>> packed = pack_sequence([torch.tensor([1, 2, 3]), torch.tensor([4, 5])])
        >>> packed.data, packed.batch_sizes
        (tensor([1, 4, 2, 5, 3]), tensor([2, 2, 1]))
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if batch_sizes is None:
            if not isinstance(data, (list, tuple)) or len(data) != 2:
                raise AssertionError(
                    describe(
                        "PackedSequence",
                        f"data of type {type(data).__name__} and no batch_sizes",
                        "Expected data to be a list or tuple of length 2",
                    )
                )
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)  # type: ignore[misc]

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Convert the data as `Tensor.to` does; return this itself if it stays as it is."""
        made = self.data.to(*args, **kwargs)
        return self if made is self.data else PackedSequence(made, *self[1:])

    def cpu(self) -> PackedSequence:
        """Return this, which is on the cpu."""
        return self.to("cpu")

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Raise RuntimeError: there is no CUDA here."""
        return self.to(*(args or ("cuda",)), **kwargs)

    def _as(self, dtype: DType) -> PackedSequence:
        return self.to(dtype)

    def double(self) -> PackedSequence:
        """Convert the data to float64."""
        return self._as(dtypes.float64)

    def float(self) -> PackedSequence:
        """Convert the data to float32."""
        return self._as(dtypes.float32)

    def half(self) -> PackedSequence:
        """Convert the data to float16."""
        return self._as(dtypes.float16)

    def long(self) -> PackedSequence:
        """Convert the data to int64."""
        return self._as(dtypes.int64)

    def int(self) -> PackedSequence:
        """Convert the data to int32."""
        return self._as(dtypes.int32)

    def short(self) -> PackedSequence:
        """Convert the data to int16."""
        return self._as(dtypes.int16)

    def char(self) -> PackedSequence:
        """Convert the data to int8."""
        return self._as(dtypes.int8)

    def byte(self) -> PackedSequence:
        """Convert the data to uint8."""
        return self._as(dtypes.uint8)

    @property
    def is_cuda(self) -> bool:
        """Is the data on a GPU?"""
        return False


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """Return the places where 0, 1, 2 and so on stand in `permutation`; None for None.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.utils.rnn.invert_permutation(torch.tensor([2, 0, 1]))
        tensor([1, 2, 0])
    """
    return None if permutation is None else permutation.argsort()


def _integers(given: Tensor | Sequence[int]) -> np.ndarray:
    listed = given.tolist() if isinstance(given, Tensor) else list(given)
    return np.array(listed, np.int64)


def _check_lengths(lengths: np.ndarray, steps: int, batch: int) -> None:
    operation, came = "pack_padded_sequence", f"lengths {lengths.tolist()}"
    if not steps or not batch:
        raise RuntimeError(describe(operation, "an empty tensor", "Cannot pack empty tensors."))
    if lengths.shape != (batch,):
        rule = f"Expected `len(lengths)` to be equal to batch_size ({batch})"
        raise RuntimeError(describe(operation, came, rule))
    if lengths.min() <= 0:
        rule = "Length of all samples has to be greater than 0"
        raise RuntimeError(describe(operation, came, rule))
    if lengths.max() > steps:
        raise RuntimeError(describe(operation, came, f"the sequences have {steps} elements only"))


def pack_padded_sequence(
    input: Tensor,
    lengths: Tensor | Sequence[int],
    batch_first: bool = False,
    enforce_sorted: bool = True,
) -> PackedSequence:
    """Pack sequences that were padded to one length.

    Shapes: (steps, sequences, ...), or (sequences, steps, ...) with `batch_first`.
    Gradient: to the elements that are packed.

    Args:
        lengths: how many elements of each sequence count.
        enforce_sorted: raise unless the lengths fall; otherwise sort the sequences.

    Raises:
        RuntimeError: a length that is not positive or too large, not one for each sequence, or
            lengths that rise.

    Example:
        >>> import jitgrad as torch
        >>> padded = torch.tensor([[1, 2, 3], [4, 5, 0]])
        >>> packed = torch.nn.utils.rnn.pack_padded_sequence(padded, [3, 2], batch_first=True)
        >>> packed.data
        tensor([1, 4, 2, 5, 3])
    """
    shape = input.shape
    if len(shape) < 2:
        came = f"a tensor of {len(shape)} dimensions"
        raise IndexError(describe("pack_padded_sequence", came, "it takes steps and sequences"))
    batch, steps = shape[:2] if batch_first else shape[1::-1]
    counts = _integers(lengths)
    _check_lengths(counts, steps, batch)
    order = np.arange(batch)
    if not enforce_sorted:
        order = np.argsort(-counts, kind="stable")
        counts = counts[order]
    elif (np.diff(counts) > 0).any():
        raise RuntimeError(
            describe(
                "pack_padded_sequence",
                f"lengths {counts.tolist()}",
                "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True",
                "pass enforce_sorted=False",
            )
        )
    step, place = np.nonzero(np.arange(counts[0])[:, None] < counts)
    sequence = order[place]
    rows = sequence * steps + step if batch_first else step * batch + sequence
    return PackedSequence(
        input.reshape(batch * steps, *shape[2:]).index_select(0, tensor(rows)),
        tensor(np.bincount(step)),
        None if enforce_sorted else tensor(order),
    )


def _spread(rows: Tensor, places: np.ndarray, value: Any) -> Tensor:
    """Return the rows at `places`, of any shape, and `value` where there is -1."""
    count, *rest = rows.shape
    if (places < 0).any():
        rows = cat([rows, rows.new_full((1, *rest), value)])
    chosen = np.where(places < 0, count, places)
    return rows.index_select(0, tensor(chosen.reshape(-1))).reshape(*places.shape, *rest)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Return packed sequences padded to one length, in the order as given, and their lengths.

    Shapes: (steps, sequences, ...), or (sequences, steps, ...) with `batch_first`; (sequences,).
    Gradient: from the elements that are no padding.

    Args:
        padding_value: what stands behind the end of shorter sequences.
        total_length: the number of steps; that of the longest sequence unless given.

    Raises:
        ValueError: `total_length` is less than that.

    Example:
        >>> import jitgrad as torch
        >>> from jitgrad.nn.utils.rnn import pack_sequence, pad_packed_sequence
        >>> packed = pack_sequence([torch.tensor([1, 2, 3]), torch.tensor([4, 5])])
        >>> pad_packed_sequence(packed, batch_first=True)
        (tensor([[1, 2, 3],
                [4, 5, 0]]), tensor([3, 2]))
    """
    sizes = _integers(sequence.batch_sizes)
    steps = len(sizes) if total_length is None else total_length
    if steps < len(sizes):
        raise ValueError(
            describe(
                "pad_packed_sequence",
                f"total_length={total_length}",
                "Expected total_length to be at least the length of the longest sequence in "
                f"input, {len(sizes)}",
            )
        )
    order = np.arange(sizes[0])
    if sequence.unsorted_indices is not None:
        order = _integers(sequence.unsorted_indices)
    places = np.full((steps, sizes[0]), -1)
    starts = np.cumsum(sizes) - sizes
    present = order < sizes[:, None]
    places[: len(sizes)][present] = (starts[:, None] + order)[present]
    padded = _spread(sequence.data, places.T if batch_first else places, padding_value)
    return padded, tensor(present.sum(0))


def pad_sequence(
    sequences: Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Return sequences padded to the length of the longest.

    Shapes: several (steps, ...) give (steps, sequences, ...), or (sequences, steps, ...) with
    `batch_first`.
    Gradient: from the elements that are no padding.

    Args:
        padding_side: "right", behind the end, or "left", before the beginning.

    Raises:
        RuntimeError: there are no sequences, or `padding_side` is neither.

    Example:
        >>> import jitgrad as torch
        >>> torch.nn.utils.rnn.pad_sequence([torch.tensor([1, 2]), torch.tensor([3])], True)
        tensor([[1, 2],
                [3, 0]])
    """
    if not isinstance(sequences, Iterable):
        rule = "pad_sequence: Expected iterable for input sequences"
        raise RuntimeError(describe("pad_sequence", type(sequences).__name__, rule))
    given = list(sequences)
    if not given:
        rule = "received an empty list of sequences"
        raise RuntimeError(describe("pad_sequence", "no sequences", rule))
    if padding_side not in ("left", "right"):
        rule = "Expected padding_side to be one of left or right"
        raise RuntimeError(describe("pad_sequence", f"padding_side={padding_side!r}", rule))
    if not all(each.ndim for each in given):
        rule = "a sequence has one dimension at least"
        raise RuntimeError(describe("pad_sequence", "a tensor of no dimension", rule))
    lengths = [each.shape[0] for each in given]
    places = np.full((len(given), max(lengths)), -1)
    starts = itertools.accumulate(lengths, initial=0)
    for row, start, length in zip(places, starts, lengths):
        row[len(row) - length if padding_side == "left" else 0 :][:length] = start + np.arange(
            length
        )
    return _spread(cat(given), places if batch_first else places.T, padding_value)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False
) -> list[Tensor]:
    """Return the sequences without what is behind their lengths: the inverse of `pad_sequence`.

    Example:
        >>> import jitgrad as torch
        >>> padded = torch.tensor([[1, 2], [3, 0]])
        >>> torch.nn.utils.rnn.unpad_sequence(padded, torch.tensor([2, 1]), batch_first=True)
        [tensor([1, 2]), tensor([3])]
    """
    by_sequence = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    counts = _integers(lengths).tolist()
    return [each[:length] for each, length in zip(by_sequence, counts)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences, each of shape (steps, ...).

    Args:
        enforce_sorted: raise unless the lengths fall; otherwise sort the sequences.

    Raises:
        RuntimeError: lengths that rise, or an empty sequence.

    Example:
        >>> import jitgrad as torch
        >>> sequences = [torch.tensor([1]), torch.tensor([2, 3])]
        >>> torch.nn.utils.rnn.pack_sequence(sequences, enforce_sorted=False).data
        tensor([2, 1, 3])
    """
    lengths = [each.shape[0] for each in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """Return the sequences that were packed, in the order as given.

    Example:
        >>> import jitgrad as torch
        >>> from jitgrad.nn.utils.rnn import pack_sequence, unpack_sequence
        >>> unpack_sequence(pack_sequence([torch.tensor([1, 2]), torch.tensor([3])]))
        [tensor([1, 2]), tensor([3])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
