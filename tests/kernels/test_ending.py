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
    def __init__(self, launch, arrays, write):
        self.launch, self.arrays, self.write, self.itself = launch, arrays, write, self

    def __del__(self):
        self.launch(*self.arrays)
        self.write(1, b"called at the end: %r" % self.arrays[1].tolist())


@torch.compile
def f(x):
    return x * 2 + 1


for _ in range(3):
    f(torch.ones(2))
launch = f.graph.segments[0].program.run.__globals__["launch0"]
arrays = [np.ones(2, np.float32), np.zeros(2, np.float32)]
builtins.late = Late(launch, arrays, os.write)
del f, launch
"""


def test_functions_outlive_the_modules_that_made_them(tmp_path: Path) -> None:
    assert run_program(tmp_path, LATE, PERTURBED) == "called at the end: [3.0, 3.0]"
