"""What importing a library costs, each time in a fresh process."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable

from bench.run import ROOT, Effort, Measurement

NAME = "import"
SUMMARY = "import in a fresh process, beside numpy"
BASIS = "numpy"
NO_BYTECODE = ("PYTHONDONTWRITEBYTECODE",)
LIBRARIES = ("numpy", "jitgrad", "torch", "jax")

PROGRAM = """
import sys, time
begin = time.perf_counter()
import {library}
print(time.perf_counter() - begin, "numba" in sys.modules)
"""


def measure(effort: Effort, say: Callable[[str], None]) -> dict[str, Measurement]:
    """Import each library in turn, over and over."""
    found = {library: Measurement() for library in LIBRARIES}
    for number in range(effort.rounds + 1):
        for library, measurement in found.items():
            if importlib.util.find_spec(library) is None:
                measurement.skipped = f"{library} is not installed: pip install -e '.[bench]'"
            if measurement.skipped or measurement.failed:
                continue
            say(f"{NAME}: {library}, round {number + 1} of {effort.rounds + 1}")
            one_import(library, measurement)
    return found


def one_import(library: str, measurement: Measurement) -> None:
    """Import the library once; the first time fills the disk's cache and is kept apart."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(library=library)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
        # as users have it: with the bytecode of earlier imports
        env={name: value for name, value in os.environ.items() if name not in NO_BYTECODE},
    )
    if done.returncode:
        measurement.failed = done.stderr.strip().splitlines()[-1]
        return
    seconds, numba = done.stdout.split()
    if measurement.first is None:
        measurement.first = float(seconds)
    else:
        measurement.rounds.append(float(seconds))
    if library == "jitgrad" and numba == "True":
        measurement.failed = "import jitgrad imports numba, which is for the first compile"
