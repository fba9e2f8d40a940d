"""Workers of a `DataLoader`: their seeds, how long they live, how they start, what they send."""

import os
import random
import sys
import time
import warnings
from typing import Any

import numpy as np
import pytest

import jitgrad
from jitgrad.utils.data import DataLoader, Dataset, TensorDataset, get_worker_info
from jitgrad.utils.data.channel import parts_of
from tests.utils.loading import (
    Calling,
    Count,
    Squares,
    leave_no_processes,  # noqa: F401 the fixture
    lists,
    seed,  # noqa: F401 the fixture
)


def numbers(_: int) -> list[float]:
    info = get_worker_info()
    assert info is not None
    drawn = [random.random(), float(np.random.rand()), jitgrad.rand(1).item()]
    return [info.id, info.num_workers, info.seed % 2**40, *drawn]


def test_seeds_and_infos() -> None:
    assert get_worker_info() is None
    loader = DataLoader(Calling(numbers), batch_size=None, num_workers=2)
    first, second = list(loader), list(loader)
    assert [each[0] for each in first] == [0, 1] * 4 and {each[1] for each in first} == {2}
    assert first[1][2] == first[0][2] + 1
    drawn = [number for each in first + second for number in each[3:]]
    assert len(set(drawn)) == len(drawn)
    jitgrad.manual_seed(0)
    assert list(loader) == first
    assert list(loader) == second


def test_worker_init() -> None:
    seen: list[int] = []
    loader = DataLoader(
        Calling(lambda _: seen[0]), batch_size=None, num_workers=2, worker_init_fn=seen.append
    )
    assert list(loader) == [0, 1] * 4 and seen == []


class Kept(Dataset):
    """Counts what a process has been asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __len__(self) -> int:
        return 4

    def __getitem__(self, i: int) -> Any:
        self.asked += 1
        return [os.getpid(), self.asked, i]


def test_persistent_workers() -> None:
    loader = DataLoader(Kept(), batch_size=None, num_workers=2, persistent_workers=True)
    first, second = list(loader), list(loader)
    assert {each[0] for each in first} == {each[0] for each in second} != {os.getpid()}
    assert [each[1:] for each in second] == [[3, 0], [3, 1], [4, 2], [4, 3]]
    half = iter(loader)
    next(half)
    assert [each[2] for each in loader] == [0, 1, 2, 3]  # what the other one asked is dropped
    with pytest.raises(RuntimeError, match="another iteration has taken the workers"):
        next(half)
    again = DataLoader(Count(5, share=True), num_workers=2, persistent_workers=True)
    assert lists(again) == lists(again) == [[0], [1], [2], [3], [4]]
    other = DataLoader(Kept(), batch_size=None, num_workers=2)
    assert {each[0] for each in other}.isdisjoint({each[0] for each in other})


def test_several_iterations_at_once() -> None:
    loader = DataLoader(range(6), num_workers=2)
    assert [(a.item(), b.item()) for a, b in zip(loader, loader)] == [(i, i) for i in range(6)]
    nested = [(a.item(), b.item()) for a in loader for b in loader]
    assert nested == [(a, b) for a in range(6) for b in range(6)]


def test_leaving_early() -> None:
    def slow(i: int) -> int:
        time.sleep(0.05)
        return i

    begin = time.monotonic()
    for batch in DataLoader(Calling(slow, 1000), num_workers=2):
        assert batch.item() == 0
        break
    iter(DataLoader(Calling(slow, 1000), num_workers=2))
    assert time.monotonic() - begin < 3


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_ways_to_start(method: str) -> None:
    loader = DataLoader(
        Squares(6), batch_size=2, num_workers=2, multiprocessing_context=method, timeout=60
    )
    if method == "forkserver" and sys.platform != "linux":
        pytest.skip("forkserver keeps a process")
    expected = list(DataLoader(Squares(6), batch_size=2))
    for batch, other in zip(loader, expected, strict=True):
        assert batch["square"].equal(other["square"])
    if method == "forkserver":
        # a server of the standard library that stays for the next start
        from multiprocessing import forkserver, resource_tracker

        forkserver._forkserver._stop()  # type: ignore[attr-defined]
        resource_tracker._resource_tracker._stop()  # type: ignore[attr-defined]
    else:
        from multiprocessing import resource_tracker

        resource_tracker._resource_tracker._stop()  # type: ignore[attr-defined]


def test_large_batches_and_tasks() -> None:
    whole = jitgrad.arange(300_000).view(300, 1000)
    loader = DataLoader(TensorDataset(whole), batch_size=150, num_workers=2)
    assert jitgrad.cat([x for (x,) in loader]).equal(whole)
    # lists of positions that no pipe holds at once
    loader = DataLoader(range(400_000), batch_size=100_000, num_workers=1, collate_fn=len)
    assert list(loader) == [100_000] * 4


class Named(jitgrad.Tensor):
    """A class of a user's own, on the memory of another tensor."""

    def __init__(self, whole: jitgrad.Tensor) -> None:
        self._array, self._storage = whole._array, whole._storage
        self.requires_grad_()


def test_small_parts_of_large_memory_travel_alone() -> None:
    whole = jitgrad.zeros(1000, 100)
    assert sum(len(memoryview(part)) for part in parts_of([whole[3], whole[:, 1]])) < 10_000
    loader = DataLoader(Calling(lambda i: whole[i]), batch_size=None, num_workers=1)
    assert all(row.shape == (100,) and row._storage.array.size == 100 for row in loader)
    named = DataLoader(Calling(lambda i: Named(whole[i])), batch_size=None, num_workers=1)
    for row in named:
        assert type(row) is Named and row.requires_grad and row.is_leaf


def test_training_is_the_same_with_workers() -> None:
    x = jitgrad.randn(64, 3)
    data = TensorDataset(x, x.sum(1, keepdim=True))

    def train(count: int) -> list[float]:
        jitgrad.manual_seed(1)
        weight = jitgrad.zeros(3, 1, requires_grad=True)
        losses = []
        for _ in range(2):
            for inputs, targets in DataLoader(data, 8, shuffle=True, num_workers=count):
                loss = (inputs @ weight - targets).pow(2).mean()
                loss.backward()
                with jitgrad.no_grad():
                    weight -= 0.1 * weight.grad  # type: ignore[operator]
                    weight.grad = None
                losses.append(loss.item())
        return losses

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert train(0) == train(2)
