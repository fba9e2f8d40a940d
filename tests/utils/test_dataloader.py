"""`DataLoader`: batches, their order, and its options."""

import pickle
import time
import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

import jitgrad
from jitgrad.utils.data import DataLoader, IterableDataset, get_worker_info
from tests.utils.loading import (
    Calling,
    Count,
    Squares,
    leave_no_processes,  # noqa: F401 the fixture
    lists,
    seed,  # noqa: F401 the fixture
)

WORKERS = [0, 1, 2, 3]
workers = pytest.mark.parametrize("count", WORKERS)


def joined(batches: list[list[Any]]) -> list[Any]:
    return [each for batch in batches for each in batch]


# -- batches --------------------------------------------------------------------------------------


@workers
def test_batches(count: int) -> None:
    loader = DataLoader(Squares(), batch_size=4, num_workers=count)
    assert len(loader) == 6
    for _ in range(2):
        batches = list(loader)
        assert [len(batch["s"]) for batch in batches] == [4] * 5 + [3]
        assert batches[1]["i"].tolist() == [4, 5, 6, 7] and batches[1]["i"].dtype is jitgrad.int64
        assert batches[1]["square"].tolist() == [[16, 16], [25, 25], [36, 36], [49, 49]]
        assert batches[5]["np"].tolist() == [[i] * 3 for i in (20, 21, 22)]
        assert batches[5]["s"] == ["20", "21", "22"]
        batches[0]["square"].add_(1)
        assert not batches[0]["square"]._storage.is_foreign


@workers
def test_orders(count: int) -> None:
    options: list[dict[str, Any]] = [
        {"batch_size": 5},
        {"batch_size": 5, "drop_last": True},
        {"batch_size": 5, "sampler": [3, 1, 2, 2, 9, 0]},
        {"batch_sampler": [[1, 2], [3], [4, 5, 6]]},
        {"batch_size": None},
        {"batch_size": None, "sampler": [4, 2]},
        {"batch_size": 100},
        {},
    ]
    for each in options:
        expected = lists(DataLoader(range(13), **each))
        assert lists(DataLoader(range(13), num_workers=count, **each)) == expected
    loader = DataLoader(range(13), batch_size=5, drop_last=True, num_workers=count)
    assert lists(loader) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]] and len(loader) == 2
    assert list(DataLoader([], num_workers=count)) == []


def test_orders_are_those_of_torch() -> None:
    torch = pytest.importorskip("torch")
    for options in (
        {"batch_size": 4},
        {"batch_size": 4, "drop_last": True},
        {"batch_size": None},
        {"sampler": [2, 0, 1]},
        {"batch_sampler": [[1, 2], [3]]},
    ):
        ours, theirs = DataLoader(np.arange(10), **options), torch.utils.data.DataLoader
        assert lists(ours) == lists(theirs(np.arange(10), **options))
        assert len(ours) == len(theirs(np.arange(10), **options))


@workers
def test_shuffling_is_repeated_by_seeds(count: int) -> None:
    loader = DataLoader(range(40), batch_size=7, shuffle=True, num_workers=count)
    first, second = lists(loader), lists(loader)
    assert first != second
    assert sorted(joined(first)) == sorted(joined(second)) == list(range(40))
    after = jitgrad.rand(1).item()
    jitgrad.manual_seed(0)
    alone = DataLoader(range(40), batch_size=7, shuffle=True)
    assert lists(alone) == first and lists(alone) == second
    assert jitgrad.rand(1).item() == after
    own = {"generator": jitgrad.Generator().manual_seed(5), "shuffle": True, "num_workers": count}
    first = lists(DataLoader(range(40), **own))
    own["generator"].manual_seed(5)
    assert lists(DataLoader(range(40), **own)) == first


@workers
def test_collate_functions(count: int) -> None:
    loader = DataLoader(range(4), batch_size=2, collate_fn=tuple, num_workers=count)
    assert list(loader) == [(0, 1), (2, 3)]
    loader = DataLoader(range(2), batch_size=None, collate_fn=str, num_workers=count)
    assert list(loader) == ["0", "1"]


class AtOnce(Squares):
    def __getitems__(self, indices: list[int]) -> list[int]:
        return [-index for index in indices]


@workers
def test_samples_at_once(count: int) -> None:
    assert lists(DataLoader(AtOnce(3), batch_size=2, num_workers=count)) == [[0, -1], [-2]]


@workers
def test_iterable(count: int) -> None:
    loader = DataLoader(Count(10, share=True), batch_size=3, num_workers=count)
    found = lists(loader)
    assert sorted(joined(found)) == list(range(10))
    assert lists(loader) == found
    whole = lists(DataLoader(Count(4), batch_size=3, num_workers=count))
    assert sorted(whole) == sorted([[0, 1, 2], [3]] * max(count, 1))
    dropped = lists(DataLoader(Count(4), batch_size=3, drop_last=True, num_workers=count))
    assert dropped == [[0, 1, 2]] * max(count, 1)
    single = lists(DataLoader(Count(3), batch_size=None, num_workers=min(count, 1)))
    assert single == [0, 1, 2]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_iterable_in_the_order_of_torch(count: int) -> None:
    torch = pytest.importorskip("torch")

    class Theirs(torch.utils.data.IterableDataset):
        def __init__(self, n: int) -> None:
            self.n = n

        def __iter__(self) -> Any:
            info = torch.utils.data.get_worker_info()
            return iter(range(info.id * 100, info.id * 100 + self.n - 2 * info.id))

    class Ours(IterableDataset):
        def __init__(self, n: int) -> None:
            self.n = n

        def __iter__(self) -> Any:
            info = get_worker_info()
            assert info is not None
            return iter(range(info.id * 100, info.id * 100 + self.n - 2 * info.id))

    for n in (4, 9):
        ours = lists(DataLoader(Ours(n), batch_size=2, num_workers=count))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of more workers than processors
            theirs = torch.utils.data.DataLoader(Theirs(n), batch_size=2, num_workers=count)
            assert ours == lists(theirs)


def test_length_of_iterables() -> None:
    assert len(DataLoader(Count(10, length=10), batch_size=3)) == 4
    assert len(DataLoader(Count(10, length=10), batch_size=3, drop_last=True)) == 3
    assert len(DataLoader(Count(10, length=10), batch_size=None)) == 10
    with pytest.raises(TypeError):
        len(DataLoader(Count(10)))
    loader = DataLoader(Count(10, length=5))
    assert len(loader) == 5
    with pytest.warns(UserWarning, match="reported to be 5 batches"):
        assert len(list(loader)) == 10


@pytest.mark.parametrize("count", [1, 3])
def test_whichever_is_first(count: int) -> None:
    def slow(i: int) -> int:
        time.sleep(0.4 if i == 0 else 0)
        return i

    loader = DataLoader(Calling(slow, 12), batch_size=None, num_workers=count, in_order=False)
    found = list(loader)
    assert sorted(found) == list(range(12))
    assert found[0] == 0 if count == 1 else found[0] != 0
    shared = DataLoader(Count(20, share=True), num_workers=count, in_order=False)
    assert sorted(joined(lists(shared))) == list(range(20))


def test_pinning_is_accepted() -> None:
    with pytest.warns(UserWarning, match="no accelerator"):
        assert lists(DataLoader(range(2), pin_memory=True)) == [[0], [1]]


def test_options_are_checked() -> None:
    for options in (
        {"num_workers": -1},
        {"timeout": -1},
        {"prefetch_factor": 2},
        {"prefetch_factor": -1, "num_workers": 1},
        {"persistent_workers": True},
        {"multiprocessing_context": "fork"},
        {"multiprocessing_context": "nonsense", "num_workers": 1},
        {"sampler": [0], "shuffle": True},
        {"batch_sampler": [[0]], "batch_size": 2},
        {"batch_sampler": [[0]], "shuffle": True},
        {"batch_sampler": [[0]], "sampler": [0]},
        {"batch_sampler": [[0]], "drop_last": True},
        {"batch_size": None, "drop_last": True},
        {"batch_size": 0},
        {"batch_size": 1.5},
    ):
        with pytest.raises(ValueError):
            DataLoader([1, 2], **options)  # type: ignore[arg-type]
        if find_spec("torch") is not None:
            import torch

            with pytest.raises(ValueError):
                torch.utils.data.DataLoader([1, 2], **options)
    for options in ({"shuffle": True}, {"sampler": [0]}, {"batch_sampler": [[0]]}):
        with pytest.raises(ValueError, match="DataLoader with IterableDataset"):
            DataLoader(Count(3), **options)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="multiprocessing_context"):
        DataLoader([1], num_workers=1, multiprocessing_context=5)
    with pytest.raises(ValueError, match="num_samples"):
        DataLoader([], shuffle=True)


def test_attributes() -> None:
    loader = DataLoader(range(3), batch_size=2, num_workers=1)
    assert (loader.batch_size, loader.drop_last, loader.prefetch_factor) == (2, False, 2)
    for name in ("batch_size", "sampler", "dataset"):
        with pytest.raises(ValueError, match="after DataLoader is initialized"):
            setattr(loader, name, 1)
    loader.num_workers = 0
    assert lists(loader) == [[0, 1], [2]]
    assert lists(pickle.loads(pickle.dumps(loader))) == [[0, 1], [2]]
