"""Kernels are compiled for a target of their own, beside what users compile with Numba."""

from __future__ import annotations

import _thread
import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from jitgrad.kernels import availability
from jitgrad.kernels.availability import Unavailable, natively

KERNELS = """
import jitgrad
@jitgrad.compile
def f(x):
    return (x.sin() * 2).sum()
for _ in range(3):
    f(jitgrad.ones(8))
assert f.explain().kernel_list and f.explain().compile_seconds > 0
"""

USERS = """
import numba, numpy
@numba.njit
def g(x):
    total = 0.0
    for row in x:
        total += numpy.sqrt(row).sum()
    return total, [total], {1: total}
assert g(numpy.full((3, 4), 9.0)) == (36.0, [36.0], {1: 36.0})
@numba.njit
def is_even(n):
    return True if n == 0 else is_odd(n - 1)
@numba.njit
def is_odd(n):
    return False if n == 0 else is_even(n - 1)
assert is_even(6) and not is_even(7)
"""


def run(text: str, directory: Path) -> None:
    """Run a program in a process of its own, with no kernels on disk."""
    variables = {**os.environ, "JITGRAD_CACHE_DIR": str(directory / "kernels")}
    file = directory / "program.py"
    file.write_text(text)
    done = subprocess.run(
        [sys.executable, str(file)], env=variables, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_is_loaded_that_kernels_do_not_need(tmp_path: Path) -> None:
    others = "{'numba.np.arraymath', 'numba.np.linalg', 'scipy.linalg'}"
    run(f"{KERNELS}\nimport sys\nassert not {others} & set(sys.modules)", tmp_path)


@pytest.mark.parametrize("first, then", [(KERNELS, USERS), (USERS, KERNELS)])
def test_what_users_compile_is_as_ever(first: str, then: str, tmp_path: Path) -> None:
    run(first + then, tmp_path)


def test_what_helps_is_compiled_when_the_first_kernel_is_split(tmp_path: Path) -> None:
    text = """
from jitgrad.kernels import calling, threads
made = calling.HELPERS.help.cache_info
threads.THREADS = 2
assert not made().currsize
for _ in range(3):
    f(jitgrad.ones(1 << 20))
assert made().currsize == 1
"""
    run(KERNELS + text, tmp_path)


def test_nobody_looks_for_garbage_while_kernels_are_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is found runs finalizers of users, and there is a lock."""
    # one in which no warning has been given yet, nor will be
    monkeypatch.setattr(availability, "_process", availability._Process())
    making = pytest.importorskip("jitgrad.kernels.compiler.making")
    generations = []

    def collected(phase: str, info: dict) -> None:
        generations.append(info["generation"])

    def make() -> str:
        generations.clear()
        made = making.function("unchanged").symbol
        assert not generations and not gc.isenabled()
        return made

    def fail() -> None:
        raise Unavailable("not today", "wait")

    gc.callbacks.append(collected)
    try:
        assert natively(make) == natively(lambda: natively(make)) == "jitgrad_unchanged"
        assert gc.isenabled()
        with pytest.raises(Unavailable):
            natively(fail)
        assert gc.isenabled()
        gc.disable()
        natively(make)
        assert not gc.isenabled()
    finally:
        gc.enable()
        gc.callbacks.remove(collected)


@pytest.mark.parametrize("before", ["", "f(jitgrad.ones(8, 8))"])
def test_kernels_are_compiled_while_the_interpreter_ends(before: str, tmp_path: Path) -> None:
    marker = tmp_path / "is right"
    run(
        f"""
import atexit, pathlib, warnings
import jitgrad
@jitgrad.compile
def f(x):
    return (x.sin() * 2).sum()
@atexit.register
def last():
    warnings.simplefilter("error")
    for _ in range(3):
        f(jitgrad.ones(8))
    assert f.explain().kernel_list and f.explain().compile_seconds > 0
    pathlib.Path({str(marker)!r}).touch()
for _ in range(3):
    {before or "pass"}
""",
        tmp_path,
    )
    # what is raised there does not show in the status of the process
    assert marker.exists()


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.02, 0.04, 0.08])
def test_ctrl_c_is_raised_behind_the_kernel(delay: float) -> None:
    making = pytest.importorskip("jitgrad.kernels.compiler.making")
    timer = threading.Timer(delay, _thread.interrupt_main)
    with pytest.raises(KeyboardInterrupt):
        timer.start()
        for _ in range(1000):
            making.function("unchanged")
    timer.join()
    assert making.function("unchanged").symbol == "jitgrad_unchanged"
