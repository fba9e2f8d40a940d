"""The worker processes of a `DataLoader`, as the main process sees them."""

from __future__ import annotations

import contextlib
import os
import socket
import time
import warnings
import weakref
from multiprocessing.connection import wait
from typing import Any

from jitgrad.utils.data.channel import Channel
from jitgrad.utils.data.fetch import Work
from jitgrad.utils.data.worker import GRACE, WATCH, Begin, run_worker


class Pool:
    """Worker processes, each with a connection of its own. They end with the pool.

    Args:
        context: makes processes, from `multiprocessing`.
        work: how batches are made.
        init: called in each worker with its number.
        count: how many workers.
        base_seed: the seed of worker 0; the others count on.

    Attributes:
        epoch: how many iterations have begun.
    """

    def __init__(self, context: Any, work: Work, init: Any, count: int, base_seed: int) -> None:
        self.epoch = 0
        self._channels: list[Channel] = []
        self._processes: list[Any] = []
        self.stop = weakref.finalize(self, _stop, os.getpid(), self._channels, self._processes)
        """Ends the workers; may be called twice."""
        try:
            for worker in range(count):
                ours, theirs = socket.socketpair()
                self._channels.append(Channel(ours))
                with theirs:
                    process = context.Process(
                        target=run_worker,
                        args=(theirs, work, init, worker, count, base_seed),
                        daemon=True,
                    )
                    _start(process)
                self._processes.append(process)
        except BaseException:
            self.stop()
            raise

    def __len__(self) -> int:
        return len(self._processes)

    def begin(self) -> int:
        """Begin an epoch; return its number."""
        self.epoch += 1
        for worker in range(len(self)):
            self._send(worker, Begin())
        return self.epoch

    def ask(self, worker: int, number: int, task: Any) -> None:
        """Have a worker make a batch, which `answers` will have under `number`."""
        self._send(worker, ((self.epoch, number), task))

    def _send(self, worker: int, message: Any) -> None:
        try:
            self._channels[worker].send(message)
        except OSError as error:
            raise self._died(worker) from error

    def answers(self, timeout: float) -> list[tuple[int, Any]]:
        """Wait until batches of this epoch are there; return them, each with its number.

        Args:
            timeout: how many seconds to wait, 0: as long as it takes.

        Raises:
            RuntimeError: a worker has died, or nothing came in time.
        """
        if not self.stop.alive:
            raise RuntimeError(
                "DataLoader: the workers of this iteration have been stopped; begin another one"
            )
        deadline = time.monotonic() + timeout if timeout > 0 else float("inf")
        found: list[tuple[int, Any]] = []
        while not found:
            left = deadline - time.monotonic()
            if left <= 0:
                raise RuntimeError(f"DataLoader timed out after {timeout} seconds")
            channels: list[Any] = self._channels
            ready: list[Any] = wait(channels, min(left, WATCH))
            for channel in ready:
                found += self._receive(self._channels.index(channel))
            if not ready:
                self._check_alive()
        return found

    def _receive(self, worker: int) -> list[tuple[int, Any]]:
        try:
            (epoch, number), batch = self._channels[worker].receive()
        except EOFError as error:
            raise self._died(worker) from error
        return [(number, batch)] if epoch == self.epoch else []

    def _check_alive(self) -> None:
        for worker, process in enumerate(self._processes):
            if not process.is_alive():
                raise self._died(worker)

    def _died(self, worker: int) -> RuntimeError:
        process = self._processes[worker]
        process.join(WATCH)
        code, pid = process.exitcode, process.pid
        self.stop()
        how = f"was ended by signal {-code}" if code and code < 0 else f"ended with code {code}"
        return RuntimeError(
            f"DataLoader worker (pid(s) {pid}) exited unexpectedly: worker {worker} {how}; with "
            "num_workers=0 the error shows in the main process. A signal 9 often means that "
            "memory was used up"
        )


def _start(process: Any) -> None:
    with warnings.catch_warnings():
        # Python 3.12 warns of locks that other threads hold at a fork; ours begin anew in the
        # child (see `jitgrad.kernels.threads`), and so do those of the BLAS libraries
        warnings.filterwarnings("ignore", ".*fork", DeprecationWarning)
        process.start()


def _stop(owner: int, channels: list[Channel], processes: list[Any]) -> None:
    if os.getpid() != owner:
        return  # a forked process throws its copy away
    for channel in channels:
        channel.close()
    deadline = time.monotonic() + GRACE
    for process in processes:
        with contextlib.suppress(ValueError):
            process.join(max(0.0, deadline - time.monotonic()))
    for end in ("terminate", "kill"):
        for process in processes:
            if process.is_alive():
                getattr(process, end)()
                process.join(1)
