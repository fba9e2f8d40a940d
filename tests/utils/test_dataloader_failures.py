"""What happens when a `DataLoader` or one of its workers fails, or is interrupted."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

import jitgrad
from jitgrad.utils.data import DataLoader, IterableDataset
from tests.utils.loading import Calling, leave_no_processes, seed  # noqa: F401 the fixtures


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
