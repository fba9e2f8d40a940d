"""Data sets for loaders; and the same seed for each test, and no process left behind by any."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jitgrad
from jitgrad.utils.data import Dataset, IterableDataset, get_worker_info


@pytest.fixture(autouse=True)
def seed() -> None:
    jitgrad.manual_seed(0)


@pytest.fixture(autouse=True)
def leave_no_processes() -> Iterator[None]:
    before = children()
    yield
    deadline = time.monotonic() + 10
    while children() - before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not children() - before


def children() -> set[int]:
    """Return the processes that this one has started (on Linux)."""
    folder = Path(f"/proc/self/task/{os.getpid()}/children")
    return set(map(int, folder.read_text().split())) if folder.exists() else set()


class Squares(Dataset):
    """Sample i is i and its square, in several forms."""

    def __init__(self, n: int = 23) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> Any:
        return {"i": i, "square": jitgrad.full((2,), i**2), "np": np.full(3, i), "s": str(i)}


class Calling(Dataset):
    """Sample i is what a function makes of i."""

    def __init__(self, function: Any, n: int = 8) -> None:
        self.function, self.n = function, n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> Any:
        return self.function(i)


class Count(IterableDataset):
    """The numbers below n; shared among workers if `share`."""

    def __init__(self, n: int, share: bool = False, length: int | None = None) -> None:
        self.n, self.share, self.length = n, share, length

    def __iter__(self) -> Any:
        info = get_worker_info()
        if info is None or not self.share:
            return iter(range(self.n))
        return iter(range(info.id, self.n, info.num_workers))

    def __len__(self) -> int:
        if self.length is None:
            raise TypeError("no length")
        return self.length


def lists(loader: Any) -> list[Any]:
    """Return the batches of a loader, tensors as lists."""
    return [batch.tolist() if hasattr(batch, "tolist") else batch for batch in loader]
