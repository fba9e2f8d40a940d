"""Running workloads: processes started, results compared, rounds interleaved."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Self

import numpy as np

from bench.subjects import BASIS, Subject
from bench.workloads import Workload

LIMITS = (
    "JITGRAD_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
)
ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Measurement:
    """What was found about a subject on a workload; times in seconds.

    Attributes:
        first: the first call.
        start: the first `timing.START` calls together, which hold all compilation.
        rounds: the median call of each round.
        memory: bytes: once the workload was `built`, at its `peak`, `now`, `grown` by each call.
        skipped: why it was not run.
        failed: why there are no figures, though it was run.
    """

    first: float | None = None
    start: float | None = None
    rounds: list[float] = field(default_factory=list)
    memory: dict[str, float | None] | None = None
    skipped: str | None = None
    failed: str | None = None

    @property
    def warm(self) -> float | None:
        """The median over the rounds."""
        return median(self.rounds) if self.rounds else None

    def as_json(self) -> dict[str, Any]:
        """Return the measurement as JSON has it."""
        return {**asdict(self), "warm": self.warm}


class Failure(Exception):
    """A subject ended with an error; the last line it said."""


class Process:
    """A worker and the pipe to it."""

    def __init__(self, subject: str, workload: str, threads: int | None = None) -> None:
        self.said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.worker", subject, workload],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.said,
            text=True,
            cwd=ROOT,
            env=environment(threads),
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            print(json.dumps(request), file=self.process.stdin, flush=True)
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.process.wait()
            self.said.seek(0)
            lines = self.said.read().strip().splitlines()
            raise Failure(lines[-1] if lines else f"ended with {self.process.returncode}")
        return json.loads(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()  # closes its input, and it ends
        self.said.close()


def environment(threads: int | None) -> dict[str, str]:
    """Return what a worker sees of the environment, with so many threads for every library."""
    usual = {**os.environ, "JITGRAD_CACHE_DIR": ""}  # a first call is one that compiles
    if threads is None:
        return usual
    limits = {name: str(threads) for name in LIMITS}
    if threads == 1:
        limits["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    return {**usual, **limits}


@dataclass(frozen=True)
class Effort:
    """How many rounds, how long each, and the threads of each library (None: its own choice).

    Attributes:
        memory: measure that, too.
    """

    rounds: int = 7
    seconds: float = 0.2
    threads: int | None = None
    memory: bool = False


def measure(
    workload: Workload,
    subjects: Sequence[Subject],
    effort: Effort,
    say: Callable[[str], None],
) -> dict[str, Measurement]:
    """Measure the subjects on one workload, in rounds that take turns."""
    subjects = [each for each in subjects if workload.builder(each.name) is not None]
    found = {subject.name: Measurement() for subject in subjects}
    processes: dict[str, Process] = {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for subject in subjects:
                found[subject.name].skipped = reason = skipped(workload, subject)
                if reason:
                    continue
                say(f"{workload.name}: {subject.name}, first call")
                processes[subject.name] = Process(subject.name, workload.name, effort.threads)
                prepare(processes, subject.name, found, Path(folder))
            compare(workload, Path(folder), processes, found)
            for number in range(effort.rounds):
                for name, process in processes.items():
                    if found[name].failed is None:
                        say(f"{workload.name}: {name}, round {number + 1} of {effort.rounds}")
                        one_round(process, found[name], effort.seconds)
            for name, process in processes.items() if effort.memory else ():
                if found[name].failed is None:
                    say(f"{workload.name}: {name}, memory")
                    found[name].memory = process.ask(do="memory")
        finally:
            for process in processes.values():
                process.__exit__()
    return found


def skipped(workload: Workload, subject: Subject) -> str | None:
    """Return why a subject cannot run a workload, None where it can."""
    made = workload.builder(subject.name)
    return made if isinstance(made, str) else subject.missing()


def prepare(
    processes: Mapping[str, Process], name: str, found: Mapping[str, Measurement], folder: Path
) -> None:
    """Have a worker build its program and call it for the first time."""
    try:
        answer = processes[name].ask(do="prepare", results=str(folder / f"{name}.npz"))
        found[name].first, found[name].start = answer["first"], answer["start"]
    except Failure as error:
        found[name].failed = str(error)


def one_round(process: Process, measurement: Measurement, seconds: float) -> None:
    """Have a worker time its program for a while."""
    try:
        measurement.rounds.append(process.ask(do="round", seconds=seconds)["warm"])
    except Failure as error:
        measurement.failed = str(error)


def compare(
    workload: Workload,
    folder: Path,
    ran: Iterable[str],
    found: Mapping[str, Measurement],
) -> None:
    """Mark as failed whoever computed something else than the basis did."""
    names = [name for name in ran if name != "floor" and found[name].failed is None]
    if not names:
        return
    basis = BASIS if BASIS in names else names[0]
    expected = load(folder / f"{basis}.npz")
    for name in names:
        got = load(folder / f"{name}.npz")
        agree = len(got) == len(expected) and all(
            one.shape == other.shape
            and np.allclose(one, other, rtol=workload.rtol, atol=workload.atol, equal_nan=True)
            for one, other in zip(got, expected, strict=True)
        )
        if not agree:
            found[name].failed = f"computes something else than {basis}; not timed"


def load(path: Path) -> list[np.ndarray]:
    """Return the arrays of an archive, in order."""
    with np.load(path) as stored:
        return [stored[name] for name in stored.files]
