"""What runs in a worker process of a `DataLoader`."""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import random
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import wait
from typing import Any

import numpy as np

from jitgrad.ops.generator import manual_seed
from jitgrad.utils.data.channel import Channel, parts_of
from jitgrad.utils.data.fetch import Work

GRACE = 5.0
"""Seconds that a worker has for the batch that it is making, when nobody wants it any more."""

WATCH = 2.0
"""Seconds between two looks whether the main process is still there."""


@dataclass
class WorkerInfo:
    """What `get_worker_info` returns.

    Attributes:
        id: the number of the worker, from 0.
        num_workers: how many there are.
        seed: the seed of this worker: that of the iteration, plus `id`.
        dataset: the copy of the data set that this worker has.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """Return what the worker process knows about itself; None in the main process.

    An `IterableDataset` asks it for its share of the samples.

    Example:
        >>> import jitgrad as torch
        >>> torch.utils.data.get_worker_info() is None
        True
    """
    return _info


@dataclass
class Failure:
    """An exception on its way to the main process.

    Attributes:
        kind: its class.
        text: what it said, and where.
    """

    kind: type[BaseException]
    text: str

    @classmethod
    def of(cls, error: BaseException, worker: int) -> Failure:
        """Return what tells the main process of `error`."""
        kind = type(error)
        lines = "".join(traceback.format_exception(error))
        text = f"Caught {kind.__name__} in DataLoader worker process {worker}.\nOriginal {lines}"
        try:
            known = pickle.loads(pickle.dumps(kind)) is kind
        except Exception:
            known = False
        return cls(kind if known else RuntimeError, text)

    def error(self) -> BaseException:
        """Return the exception to raise in the main process, of the same class if possible."""
        if issubclass(self.kind, StopIteration):
            # would end the iteration silently
            return RuntimeError(self.text)
        text = _Lines(self.text) if issubclass(self.kind, KeyError) else self.text
        try:
            return self.kind(text)
        except Exception:  # a class that takes other arguments
            return RuntimeError(self.text)


class _Lines(str):
    """Text that a KeyError shows as lines, not as the repr of a string."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


@dataclass
class Begin:
    """Tells a worker that an epoch begins: what it was asked before is not wanted any more."""


class _Inbox:
    """Takes in what the main process sends, so that sending never waits for a batch to be made."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._parent = os.getppid()
        threading.Thread(target=self._run, daemon=True).start()

    def get(self) -> Any:
        """Return the next message; None when the main process wants no more, or is gone."""
        return self._messages.get()

    def _run(self) -> None:
        channels: list[Any] = [self._channel]
        try:
            while os.getppid() == self._parent:
                if wait(channels, WATCH):
                    message = self._channel.receive()
                    if isinstance(message, Begin):
                        self._forget()
                    self._messages.put(message)
        except (EOFError, OSError):
            pass
        finally:
            self._forget()
            self._messages.put(None)
            time.sleep(GRACE)
            os._exit(1)

    def _forget(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._messages.get_nowait()


def run_worker(
    connection: socket.socket,
    work: Work,
    init: Callable[[int], Any] | None,
    worker: int,
    num_workers: int,
    base_seed: int,
) -> None:
    """Make batches until the main process closes the connection.

    A message is a `Begin` or `(number, task)`; the answer is `(number, batch)`, with a `Failure`
    or `End` in place of a batch.
    """
    global _info
    # Ctrl-C reaches all processes of a terminal; the main process decides what it means
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    seed = base_seed + worker
    random.seed(seed)
    manual_seed(seed)
    np.random.seed(np.random.SeedSequence((worker, base_seed)).generate_state(4))
    _info = WorkerInfo(worker, num_workers, seed, work.dataset)
    channel = Channel(connection)
    inbox = _Inbox(channel)
    fetch: Any = _attempt(worker, init, worker) if init else None
    broken = isinstance(fetch, Failure)
    while (message := inbox.get()) is not None:
        if isinstance(message, Begin):
            if not broken:
                fetch = _attempt(worker, work.begin)
            continue
        number, task = message
        batch = fetch if isinstance(fetch, Failure) else _attempt(worker, fetch, task)
        parts = _attempt(worker, parts_of, (number, batch))
        if isinstance(parts, Failure):
            parts = parts_of((number, parts))
        try:
            channel.send_parts(parts)
        except OSError:
            break  # the main process wants no more


def _attempt(worker: int, function: Callable, *arguments: Any) -> Any:
    """Return what `function` returns, or a `Failure` that says what it raised."""
    try:
        return function(*arguments)
    except Exception as error:
        return Failure.of(error, worker)
