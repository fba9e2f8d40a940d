"""Making one batch: reading its samples and collating them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

from jitgrad.utils.data.dataset import IterableDataset, samples_of


class End:
    """What comes in place of a batch when there are no more samples."""


class Work(NamedTuple):
    """How the batches of a loader are made, here or in a worker.

    Attributes:
        dataset: the data set.
        collate: makes a batch of a list of samples; or, unless `batched`, of one sample.
        batched: are samples put together?
        drop_last: is a last batch left out that is shorter (of an `IterableDataset`)?
    """

    dataset: Any
    collate: Callable[[Any], Any]
    batched: bool
    drop_last: bool

    @property
    def is_iterable(self) -> bool:
        """Do samples come one after the other, not by position?"""
        return isinstance(self.dataset, IterableDataset)

    def begin(self) -> Callable[[Any], Any]:
        """Return a function from a task to a batch, or to `End`, for one epoch.

        A task is what the sampler yields; the length of a batch for an `IterableDataset`.
        """
        return self._next_ones(iter(self.dataset)) if self.is_iterable else self._those_at

    def _those_at(self, task: Any) -> Any:
        if self.batched:
            return self.collate(samples_of(self.dataset, task))
        return self.collate(self.dataset[task])

    def _next_ones(self, samples: Any) -> Callable[[Any], Any]:
        def fetch(length: int | None) -> Any:
            found = list(itertools.islice(samples, 1 if length is None else length))
            if not found or (self.drop_last and length is not None and len(found) < length):
                return End
            return self.collate(found if self.batched else found[0])

        return fetch
