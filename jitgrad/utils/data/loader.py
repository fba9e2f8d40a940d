"""`DataLoader`: batches of a data set, made here or by worker processes."""

from __future__ import annotations

import itertools
import multiprocessing
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from jitgrad.ops.generator import Generator
from jitgrad.utils.data.collate import default_collate, default_convert
from jitgrad.utils.data.dataset import IterableDataset
from jitgrad.utils.data.fetch import End, Work
from jitgrad.utils.data.pool import Pool
from jitgrad.utils.data.sampler import BatchSampler, RandomSampler, SequentialSampler, draw_seed
from jitgrad.utils.data.worker import Failure

T_co = TypeVar("T_co", covariant=True)

FIXED = {"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"}
"""What cannot be changed once the samplers are made of it."""


class DataLoader(Generic[T_co]):
    """Goes through a data set in batches, each time it is iterated over.

    Args:
        dataset: samples by position (`__getitem__`, `__len__`), or an `IterableDataset`.
        batch_size: samples in a batch; None: samples are not put together.
        shuffle: take them in another random order each time.
        sampler: yields the positions, instead.
        batch_sampler: yields lists of positions, instead of `batch_size`, `shuffle`, `sampler`
            and `drop_last`.
        num_workers: processes that make batches beside the main one; 0: it makes them itself.
            The batches and their order are the same for any number, as long as samples do not
            draw random numbers; a worker draws those of a seed of its own.
        collate_fn: makes a batch of a list of samples; `default_collate` unless given.
        pin_memory: accepted; there is no accelerator that would need it.
        drop_last: leave out a last batch that is shorter.
        timeout: seconds to wait for a batch from a worker; 0: as long as it takes.
        worker_init_fn: called in each worker with its number, after seeding.
        multiprocessing_context: how processes start: "fork", "spawn", "forkserver", or a context
            of `multiprocessing`; its default unless given. With the latter two, the data set and
            the functions must be picklable, and the script needs `if __name__ == "__main__":`.
        generator: where random orders and seeds come from; the default generator unless given.
        prefetch_factor: batches that each worker makes ahead; 2 unless given.
        persistent_workers: keep the workers from one iteration to the next.
        pin_memory_device: accepted, see `pin_memory`.
        in_order: yield batches in the order of the sampler; False: as they are made.

    Raises:
        ValueError: options that exclude each other, or a number that is no choice.
        RuntimeError: while iterating: a worker died, or `timeout` is over.

    An exception in a worker is raised here, in the same class, with the worker's traceback.

    Example:
        >>> import jitgrad as torch
        >>> data = torch.utils.data.TensorDataset(torch.arange(5), torch.arange(5) ** 2)
        >>> for x, y in torch.utils.data.DataLoader(data, batch_size=2):
        ...     print(x, y)
        tensor([0, 1]) tensor([0, 1])
        tensor([2, 3]) tensor([4, 9])
        tensor([4]) tensor([16])
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[list] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.generator = generator
        self.persistent_workers = persistent_workers
        self.in_order = in_order
        if isinstance(dataset, IterableDataset):
            _check_iterable(shuffle, sampler, batch_sampler)
        _check_sampling(batch_size, shuffle, sampler, batch_sampler, drop_last)
        self.batch_size = batch_size if batch_sampler is None else None
        self.drop_last = drop_last
        if sampler is None:
            sampler = self._own_sampler(bool(shuffle))
        if batch_sampler is None and batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        usual = default_convert if batch_sampler is None else default_collate
        self.collate_fn = usual if collate_fn is None else collate_fn
        self._pool: Pool | None = None
        self._promised: int | None = None
        self._is_made = True

    def _own_sampler(self, shuffle: bool) -> Iterable[Any]:
        if isinstance(self.dataset, IterableDataset):
            return itertools.repeat(None)  # positions that mean nothing, without end
        if shuffle:
            return RandomSampler(self.dataset, generator=self.generator)
        return SequentialSampler(self.dataset)

    @property
    def multiprocessing_context(self) -> Any:
        """How processes start; None: the default."""
        return self._context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: Any) -> None:
        if context is not None:
            context = _checked_context(context, self.num_workers)
        self._context = context

    def __setattr__(self, name: str, value: Any) -> None:
        if name in FIXED and getattr(self, "_is_made", False):
            raise ValueError(
                f"DataLoader: {name} attribute should not be set after DataLoader is initialized; "
                "make another one"
            )
        object.__setattr__(self, name, value)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_pool": None}

    def __len__(self) -> int:
        """Return how many batches there are.

        Raises:
            TypeError: the data set or the sampler has no length.
        """
        if not isinstance(self.dataset, IterableDataset):
            chosen: Any = self.sampler if self.batch_sampler is None else self.batch_sampler
            return len(chosen)
        length = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is not None:
            full, rest = divmod(length, self.batch_size)
            length = full + (rest > 0 and not self.drop_last)
        self._promised = length
        return length

    def __iter__(self) -> Iterator[Any]:
        if self.pin_memory:
            warnings.warn(
                "'pin_memory' argument is set as true but no accelerator is found, then device "
                "pinned memory won't be used.",
                stacklevel=2,
            )
        return _Iteration(self) if not self.num_workers else _WorkersIteration(self)

    # -- for iterations -----------------------------------------------------------------------

    def work(self) -> Work:
        """Return how batches are made."""
        return Work(self.dataset, self.collate_fn, self.batch_sampler is not None, self.drop_last)

    def tasks(self) -> Iterator[Any]:
        """Yield what each batch is made of, see `Work.begin`."""
        if isinstance(self.dataset, IterableDataset):
            return itertools.repeat(self.batch_size)
        return iter(self.sampler if self.batch_sampler is None else self.batch_sampler)

    def pool(self, base_seed: int) -> Pool:
        """Return worker processes: new ones, or those that are kept."""
        pool = self._pool
        if pool is None or not pool.stop.alive:
            context = self._context or multiprocessing.get_context()
            pool = Pool(context, self.work(), self.worker_init_fn, self.num_workers, base_seed)
            self._pool = pool if self.persistent_workers else None
        return pool


def _check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool
) -> None:
    if num_workers < 0:
        raise ValueError(
            f"DataLoader: num_workers option should be non-negative, got {num_workers}; use "
            "num_workers=0 to disable multiprocessing"
        )
    if timeout < 0:
        raise ValueError(f"DataLoader: timeout option should be non-negative, got {timeout}")
    if prefetch_factor is not None:
        if num_workers == 0:
            raise ValueError(
                "DataLoader: prefetch_factor option could only be specified in multiprocessing; "
                "let num_workers > 0, or leave prefetch_factor out"
            )
        if prefetch_factor <= 0:
            raise ValueError(
                f"DataLoader: prefetch_factor option should be positive, got {prefetch_factor}"
            )
    if persistent_workers and num_workers == 0:
        raise ValueError("DataLoader: persistent_workers option needs num_workers > 0")


def _check_iterable(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    given = {"sampler": sampler, "batch_sampler": batch_sampler, "shuffle": shuffle or None}
    for option, value in given.items():
        if value is not None:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {option} option, but got "
                f"{option}={value}; the data set itself decides the order"
            )


def _check_sampling(
    batch_size: int | None, shuffle: Any, sampler: Any, batch_sampler: Any, drop_last: bool
) -> None:
    if sampler is not None and shuffle:
        raise ValueError("DataLoader: sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None:
        if batch_size != 1 or shuffle or sampler is not None or drop_last:
            raise ValueError(
                "DataLoader: batch_sampler option is mutually exclusive with batch_size, shuffle, "
                "sampler, and drop_last"
            )
    elif batch_size is None and drop_last:
        raise ValueError(
            "DataLoader: batch_size=None option disables auto-batching and is mutually exclusive "
            "with drop_last"
        )


def _checked_context(context: Any, num_workers: int) -> Any:
    if num_workers == 0:
        raise ValueError(
            "DataLoader: multiprocessing_context can only be used with multi-process loading "
            "(num_workers > 0), but got num_workers=0"
        )
    if isinstance(context, str):
        valid = multiprocessing.get_all_start_methods()
        if context not in valid:
            raise ValueError(
                "DataLoader: multiprocessing_context option should specify a valid start method in "
                f"{valid}, but got multiprocessing_context={context!r}"
            )
        return multiprocessing.get_context(context)
    if not hasattr(context, "Process"):
        raise TypeError(
            "DataLoader: multiprocessing_context option should be a valid context object or a "
            f"string specifying the start method, but got multiprocessing_context={context!r}"
        )
    return context


class _Iteration:
    """One way through the data set, in this process."""

    def __init__(self, loader: DataLoader) -> None:
        self._loader = loader
        # drawn with and without workers, so that both leave the generator in one state
        self._base_seed = draw_seed(loader.generator)
        self._tasks = loader.tasks()
        self._yielded = 0
        self._start()

    def _start(self) -> None:
        self._fetch = self._loader.work().begin()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __len__(self) -> int:
        return len(self._loader)

    def __next__(self) -> Any:
        batch = self._batch()
        if batch is End:
            raise StopIteration
        self._yielded += 1
        promised = self._loader._promised
        if promised is not None and self._yielded == promised + 1:
            warnings.warn(
                f"Length of IterableDataset was reported to be {promised} batches, but more have "
                "been fetched. With several workers, each goes through all samples unless the "
                "data set asks get_worker_info() for its share.",
                stacklevel=2,
            )
        return batch

    def _batch(self) -> Any:
        """Return the next batch, or End."""
        for task in self._tasks:
            try:
                return self._fetch(task)
            except StopIteration as error:
                raise RuntimeError("DataLoader: a sample raised StopIteration") from error
        return End


class _WorkersIteration(_Iteration):
    """One way through the data set, batches being made by workers.

    In order, batch number i comes from worker i modulo their number, so that a worker makes the
    same batches with the same random numbers whenever a run is repeated.
    """

    def _start(self) -> None:
        loader = self._loader
        self._pool = loader.pool(self._base_seed)
        self._epoch = self._pool.begin()
        self._workers = deque(range(loader.num_workers))
        """Those that have samples left; the first is asked next."""
        self._asked: dict[int, int] = {}
        """The worker of each batch that has not been taken, by its number, in order."""
        self._made: dict[int, Any] = {}
        self._number = itertools.count()
        for _ in range(loader.num_workers * (loader.prefetch_factor or 2)):
            self._ask()

    def _ask(self) -> None:
        """Have the next batch made, if there is one."""
        if not self._workers:
            return
        for task in self._tasks:
            if not self._loader.in_order:
                # the one that has least to do
                busy = list(self._asked.values())
                self._workers.rotate(-self._workers.index(min(self._workers, key=busy.count)))
            worker, number = self._workers[0], next(self._number)
            self._workers.rotate(-1)
            self._pool.ask(worker, number, task)
            self._asked[number] = worker
            return

    def _batch(self) -> Any:
        if self._asked and self._epoch != self._pool.epoch:
            raise RuntimeError(
                "DataLoader: with persistent_workers=True another iteration has taken the workers; "
                "finish one before the next begins"
            )
        try:
            while self._asked:
                batch = self._take()
                if batch is not End:
                    if isinstance(batch, Failure):
                        raise batch.error()
                    return batch
        except (KeyboardInterrupt, SystemExit):
            self._pool.stop()
            raise
        if not self._loader.persistent_workers:
            self._pool.stop()
        return End

    def _take(self) -> Any:
        """Return the next answer, and have another batch made in its place."""
        while (number := self._next_number()) is None:
            self._made.update(self._pool.answers(self._loader.timeout))
        worker, batch = self._asked.pop(number), self._made.pop(number)
        if batch is End and worker in self._workers:
            self._workers.remove(worker)
        self._ask()
        return batch

    def _next_number(self) -> int | None:
        """Return the number of the batch to take next; None while it is not there."""
        if not self._loader.in_order:
            return next(iter(self._made), None)
        number = next(iter(self._asked))
        return number if number in self._made else None
