"""`DataLoader`: batches, their order, worker processes, and what happens when one fails."""

import os
import pickle
import random
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jitgrad
from jitgrad.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    TensorDataset,
    get_worker_info,
)
from jitgrad.utils.data.channel import parts_of

WORKERS = [0, 1, 2, 3]
workers = pytest.mark.parametrize("count", WORKERS)


@pytest.fixture(autouse=True)
def _seed() -> None:
    jitgrad.manual_seed(0)


@pytest.fixture(autouse=True)
def _leave_no_processes() -> Iterator[None]:
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
    return [batch.tolist() if hasattr(batch, "tolist") else batch for batch in loader]


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
        {"batch_sampler": [[1, 2], [3], [], [4, 5, 6]][:2]},
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


# -- workers --------------------------------------------------------------------------------------


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


# -- failures -------------------------------------------------------------------------------------


class Odd(Exception):
    """An exception that takes two arguments."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__(a, b)


def raiser(error: BaseException) -> Any:
    def function(i: int) -> int:
        if i == 3:
            raise error
        return i

    return function


def local_class() -> type[Exception]:
    class Local(Exception):
        pass

    return Local


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("no three"), ValueError),
        (KeyError("no three"), KeyError),
        (OSError(2, "no three"), OSError),
        (Odd(1, 2), RuntimeError),
        (local_class()("no three"), RuntimeError),
        (StopIteration("no three"), RuntimeError),
        (UnicodeDecodeError("utf-8", b"a", 0, 1, "no three"), RuntimeError),
        (NotImplementedError("no three"), NotImplementedError),
    ],
    ids=lambda value: type(value).__name__,
)
def test_exceptions_arrive(error: Exception, kind: type[Exception]) -> None:
    loader = DataLoader(Calling(raiser(error)), batch_size=None, num_workers=2)
    iteration = iter(loader)
    assert [next(iteration) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(kind) as caught:
        next(iteration)
    text = str(caught.value)
    assert text.startswith(f"Caught {type(error).__name__} in DataLoader worker process 1.\n")
    assert "Original Traceback" in text and "raise error" in text and "\n" in text
    assert list(iteration) == [4, 5, 6, 7]  # the others come all the same


def test_without_workers_exceptions_are_their_own() -> None:
    iteration = iter(DataLoader(Calling(raiser(ValueError("no three"))), batch_size=None))
    assert [next(iteration) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match=r"^no three$"):
        next(iteration)
    assert next(iteration) == 4
    with pytest.raises(RuntimeError, match="StopIteration"):
        list(DataLoader(Calling(raiser(StopIteration()))))


def test_other_places_that_fail() -> None:
    def no(*_: Any) -> Any:
        raise ZeroDivisionError("here")

    with pytest.raises(ZeroDivisionError, match="worker process 0"):
        list(DataLoader(range(4), num_workers=2, worker_init_fn=no))
    with pytest.raises(ZeroDivisionError, match="worker process 0"):
        list(DataLoader(range(4), num_workers=2, collate_fn=no))

    class Broken(IterableDataset):
        def __iter__(self) -> Any:
            return no()

    with pytest.raises(ZeroDivisionError, match="worker process 0"):
        list(DataLoader(Broken(), num_workers=2))
    unpicklable = DataLoader(Calling(lambda _: lambda: 1), batch_size=None, num_workers=1)
    with pytest.raises((AttributeError, pickle.PicklingError), match="worker process 0"):
        list(unpicklable)


@pytest.mark.parametrize(
    ("end", "how"),
    [
        (lambda: os._exit(3), "ended with code 3"),
        (lambda: sys.exit(4), "ended with code 4"),
        (lambda: os.kill(os.getpid(), 9), "ended by signal 9"),
    ],
)
def test_a_worker_that_dies_is_reported(end: Any, how: str) -> None:
    def function(i: int) -> int:
        if i == 3:
            end()
        return i

    for count in (1, 2):
        begin = time.monotonic()
        with pytest.raises(RuntimeError, match=f"exited unexpectedly.*{how}"):
            list(DataLoader(Calling(function), batch_size=None, num_workers=count))
        assert time.monotonic() - begin < 8


def test_a_worker_that_dies_halfway_through_a_batch() -> None:
    def function(_: int) -> Any:
        import threading

        threading.Timer(0.3, lambda: os.kill(os.getpid(), 9)).start()
        return jitgrad.zeros(30_000_000)

    iteration = iter(DataLoader(Calling(function), batch_size=None, num_workers=1))
    time.sleep(1)  # nobody reads: the worker dies while it sends
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        list(iteration)
    with pytest.raises(RuntimeError, match="have been stopped"):
        next(iteration)


def test_timeout() -> None:
    def slow(i: int) -> int:
        time.sleep(3 if i == 1 else 0)
        return i

    iteration = iter(DataLoader(Calling(slow, 2), batch_size=None, num_workers=1, timeout=1.5))
    assert next(iteration) == 0
    with pytest.raises(RuntimeError, match=r"timed out after 1\.5 seconds"):
        next(iteration)


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
        if torch := sys.modules.get("torch"):
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


INTERRUPTED = """
    import os, signal, sys, threading, time
    import jitgrad
    from jitgrad.utils.data import DataLoader, Dataset

    class Slow(Dataset):
        def __len__(self):
            return 1000
        def __getitem__(self, i):
            time.sleep(0.05)
            return os.getpid()

    # whoever starts the tests in the background lets them ignore it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    keep = sys.argv[1] == "1"
    loader = DataLoader(Slow(), batch_size=None, num_workers=2, persistent_workers=keep)
    for number, pid in enumerate(loader):
        if number < 2:
            print(pid, flush=True)
        if number == 2:
            print("ready", flush=True)
"""


def is_running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
    return "State:\tZ" not in status


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc")
@pytest.mark.parametrize("persistent", [0, 1])
@pytest.mark.parametrize(
    ("end", "group"), [(signal.SIGINT, True), (signal.SIGINT, False), (signal.SIGKILL, False)]
)
def test_no_process_stays_behind(persistent: int, end: signal.Signals, group: bool) -> None:
    """Ctrl-C reaches the group; `kill -INT` and `kill -9` the main process alone."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(INTERRUPTED), str(persistent)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None and process.stderr is not None
    pids = [int(process.stdout.readline()) for _ in range(2)]
    assert process.stdout.readline() == "ready\n"
    assert len(set(pids)) == 2 and all(map(is_running, pids))
    if group:
        os.killpg(process.pid, end)
    else:
        process.send_signal(end)
    errors = process.stderr.read()
    process.wait(timeout=20)
    process.stdout.close()
    process.stderr.close()
    deadline = time.monotonic() + 10
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_running, pids))
    # the main process says that it was interrupted, and the workers say nothing
    assert errors.count("Traceback") == (1 if end == signal.SIGINT else 0)


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
