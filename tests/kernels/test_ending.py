"""What native code leaves behind where the interpreter ends."""

from __future__ import annotations

from pathlib import Path

from tests.processes import PERTURBED, run_program

LATE = """
import builtins
import os

import numpy as np

import jitgrad as torch


class Late:
    def __init__(self, run, launch, arrays, write):
        self.run, self.launch, self.arrays = run, launch, arrays
        self.write, self.itself = write, self

    def __del__(self):
        (whole,) = self.run(self.arrays[0])
        self.launch(*self.arrays)
        both = whole.tolist(), self.arrays[1].tolist()
        self.write(1, b"called at the end: %r and %r" % both)


@torch.compile
def f(x):
    return x * 2 + 1


@torch.compile
def g(x):
    return (x * 2 + 1).cumprod(0)  # for which Python calls NumPy


for _ in range(3):
    f(torch.ones(2))
    g(torch.ones(2))
run = f.graph.segments[0].program.at_once()
launch = g.graph.segments[0].program.run.__globals__["launch0"]
arrays = [np.ones(2, np.float32), np.zeros(2, np.float32)]
builtins.late = Late(run, launch, arrays, os.write)
del f, g, run, launch
"""


def test_functions_outlive_the_modules_that_made_them(tmp_path: Path) -> None:
    said = "called at the end: [3.0, 3.0] and [3.0, 3.0]"
    assert run_program(tmp_path, LATE, PERTURBED) == said
