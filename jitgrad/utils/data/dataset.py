"""Data sets: samples by position, or one after the other; and sets made of other sets."""

from __future__ import annotations

import bisect
import itertools
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from jitgrad.ops.generator import Generator
from jitgrad.ops.random import randperm
from jitgrad.tensor import Tensor

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """Samples by position: a class of your own defines `__getitem__`, and `__len__`.

    It may define `__getitems__(indices)` too, which returns a list of samples faster than one by
    one. `a + b` is a `ConcatDataset`.

    Example:
        >>> import jitgrad as torch
        >>> class Squares(torch.utils.data.Dataset):
        ...     def __len__(self):
        ...         return 10
        ...     def __getitem__(self, index):
        ...         return index**2
        >>> list(torch.utils.data.DataLoader(Squares(), batch_size=5))
        [tensor([ 0,  1,  4,  9, 16]), tensor([25, 36, 49, 64, 81])]
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other: Dataset) -> Any:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co], Iterable[T_co]):
    """Samples one after the other: a class of your own defines `__iter__`.

    With several workers each has a copy of the data set and goes through all of it, unless
    `__iter__` asks `get_worker_info()` for its share. `a + b` is a `ChainDataset`.

    Example:
        >>> import jitgrad as torch
        >>> class Count(torch.utils.data.IterableDataset):
        ...     def __iter__(self):
        ...         return iter(range(5))
        >>> [batch.tolist() for batch in torch.utils.data.DataLoader(Count(), batch_size=2)]
        [[0, 1], [2, 3], [4]]
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError("Subclasses of IterableDataset should implement __iter__.")

    def __add__(self, other: Dataset) -> Any:
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Tensors of equal first size: sample i is the tuple of their elements i.

    Raises:
        AssertionError: the first sizes differ.

    Example:
        >>> import jitgrad as torch
        >>> data = torch.utils.data.TensorDataset(torch.arange(4).view(2, 2), torch.tensor([5, 6]))
        >>> data[1]
        (tensor([2, 3]), tensor(6))
    """

    def __init__(self, *tensors: Tensor) -> None:
        sizes = [each.size(0) for each in tensors]
        if len(set(sizes)) > 1:
            raise AssertionError(
                f"TensorDataset: Size mismatch between tensors: their first sizes are {sizes}, and "
                "must be equal"
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(each[index] for each in self.tensors)

    def __len__(self) -> int:
        return self.tensors[0].size(0)


class StackDataset(Dataset):
    """Data sets of equal length side by side: sample i has the samples i of all.

    Args:
        args: data sets; a sample is a tuple.
        kwargs: data sets by name, instead; a sample is a dictionary.

    Raises:
        ValueError: both or none are given, or lengths differ.

    Example:
        >>> import jitgrad as torch
        >>> torch.utils.data.StackDataset(letter="ab", number=[1, 2])[1]
        {'letter': 'b', 'number': 2}
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args and kwargs:
            raise ValueError(
                "StackDataset: Supported either tuple (via args) or dict (via kwargs) like input "
                "types, and both were given"
            )
        if not args and not kwargs:
            raise ValueError("StackDataset: At least one dataset should be passed")
        self.datasets: Any = kwargs or args
        parts = self._parts()
        lengths = [len(each) for each in parts]
        if len(set(lengths)) > 1:
            raise ValueError(
                f"StackDataset: Size mismatch between datasets: lengths are {lengths}, and must be "
                "equal"
            )
        self._length = lengths[0]

    def _parts(self) -> list[Any]:
        held = self.datasets
        return list(held.values() if isinstance(held, dict) else held)

    def _sample(self, elements: Sequence[Any]) -> Any:
        if isinstance(self.datasets, dict):
            return dict(zip(self.datasets, elements))
        return tuple(elements)

    def __getitem__(self, index: Any) -> Any:
        return self._sample([each[index] for each in self._parts()])

    def __getitems__(self, indices: list) -> list[Any]:
        columns = [samples_of(each, indices) for each in self._parts()]
        return [self._sample(row) for row in zip(*columns, strict=True)]

    def __len__(self) -> int:
        return self._length


def samples_of(dataset: Any, indices: Sequence[Any]) -> list[Any]:
    """Return samples of a data set, all at once where it knows how.

    Raises:
        ValueError: its `__getitems__` returned another number of samples.
    """
    if not callable(getattr(dataset, "__getitems__", None)):
        return [dataset[index] for index in indices]
    found = dataset.__getitems__(indices)
    if len(found) != len(indices):
        raise ValueError(
            f"{type(dataset).__name__}.__getitems__ returned {len(found)} samples for "
            f"{len(indices)} indices; it must return one for each"
        )
    return found


class ConcatDataset(Dataset[T_co]):
    """The samples of several data sets, those of the first before those of the second.

    Raises:
        AssertionError: no data set, or an `IterableDataset`.

    Example:
        >>> import jitgrad as torch
        >>> both = torch.utils.data.ConcatDataset(["abc", "de"])
        >>> len(both), both[3], both[-5]
        (5, 'd', 'a')
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("ConcatDataset: datasets should not be an empty iterable")
        if any(isinstance(each, IterableDataset) for each in self.datasets):
            raise AssertionError(
                "ConcatDataset: ConcatDataset does not support IterableDataset; use ChainDataset"
            )
        self.cumulative_sizes = list(itertools.accumulate(map(len, self.datasets)))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> T_co:
        if index < -len(self):
            raise ValueError(
                f"ConcatDataset: absolute value of index should not exceed dataset length: got "
                f"{index} for {len(self)} samples"
            )
        place = index + len(self) if index < 0 else index
        if place >= len(self):
            raise IndexError(f"ConcatDataset: got index {index} for {len(self)} samples")
        number = bisect.bisect_right(self.cumulative_sizes, place)
        before = self.cumulative_sizes[number - 1] if number else 0
        return self.datasets[number][place - before]


class ChainDataset(IterableDataset):
    """The samples of several `IterableDataset`s, one data set after the other.

    Example:
        >>> import jitgrad as torch
        >>> class Count(torch.utils.data.IterableDataset):
        ...     def __iter__(self):
        ...         return iter(range(2))
        >>> list(Count() + Count())
        [0, 1, 0, 1]
    """

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = datasets

    def _checked(self) -> Iterator[Any]:
        for each in self.datasets:
            if not isinstance(each, IterableDataset):
                raise AssertionError(
                    f"ChainDataset: got a {type(each).__name__}; ChainDataset only supports "
                    "IterableDataset"
                )
            yield each

    def __iter__(self) -> Iterator[Any]:
        for each in self._checked():
            yield from each

    def __len__(self) -> int:
        return sum(len(each) for each in self._checked())  # type: ignore[arg-type]


class Subset(Dataset[T_co]):
    """The samples of a data set that stand at `indices`, in that order.

    Example:
        >>> import jitgrad as torch
        >>> list(torch.utils.data.Subset("abcdef", [4, 0]))
        ['e', 'a']
    """

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[each] for each in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: list[int]) -> list[T_co]:
        return samples_of(self.dataset, [self.indices[each] for each in indices])

    def __len__(self) -> int:
        return len(self.indices)


def random_split(
    dataset: Any, lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset]:
    """Return subsets that share the samples of a data set at random.

    Args:
        dataset: what to divide.
        lengths: how many samples each gets; or which fraction of them, which sum to 1. What
            rounding leaves over goes one by one to the first subsets.
        generator: where the random numbers come from; the default generator unless given.

    Raises:
        ValueError: the lengths do not sum to that of the data set; a fraction is not in [0, 1].

    Example:
        >>> import jitgrad as torch
        >>> parts = torch.utils.data.random_split(range(10), [0.7, 0.3])
        >>> [len(part) for part in parts], sorted([*parts[0], *parts[1]]) == list(range(10))
        ([7, 3], True)
    """
    count = len(dataset)
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        lengths = _shares(count, lengths)
    if sum(lengths) != count:
        raise ValueError(
            f"random_split: Sum of input lengths does not equal the length of the input dataset: "
            f"they sum to {sum(lengths)}, and it has {count} samples"
        )
    order = randperm(count, generator=generator).tolist()
    ends = itertools.accumulate(lengths)
    return [Subset(dataset, order[int(end - n) : int(end)]) for n, end in zip(lengths, ends)]


def _shares(count: int, fractions: Sequence[float]) -> list[int]:
    for number, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            raise ValueError(
                f"random_split: Fraction at index {number} is not between 0 and 1: {fraction}"
            )
    lengths = [math.floor(count * fraction) for fraction in fractions]
    for number in range(count - sum(lengths)):
        lengths[number % len(lengths)] += 1
    for number, length in enumerate(lengths):
        if length == 0:
            warnings.warn(
                f"Length of split at index {number} is 0. This might result in an empty dataset.",
                stacklevel=3,
            )
    return lengths
