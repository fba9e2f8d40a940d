"""What a workload is.

A workload builds a function without arguments that does one unit of work and returns what it
computed. Where NumPy alone shows what the machine can do at best, that is the `floor`; JAX, which
has other names, gets a variant of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.subjects import Tools

Run = Callable[[], Sequence[Any]]


@dataclass(frozen=True)
class Workload:
    """A program, its variants, and how closely its results must agree."""

    name: str
    summary: str
    build: Callable[[Tools], Run]
    floor: Callable[[], Run] | None = None
    jax: Callable[[Tools], Run] | None = None
    compiled: bool = True
    excused: Mapping[str, str] = field(default_factory=dict)
    rtol: float = 1e-4
    atol: float = 1e-4

    def builder(self, subject: str) -> Callable[[Tools], Run] | str | None:
        """Return what builds this workload for a subject, why it cannot, None if it has no part."""
        if subject in self.excused:
            return self.excused[subject]
        if subject == "floor":
            floor = self.floor
            return None if floor is None else lambda _: floor()
        if subject == "jax.jit":
            return self.jax
        if not self.compiled and subject.endswith(".compile"):
            return None
        return self.build


def random(*shape: int, seed: int = 0) -> np.ndarray:
    """Return standard normal float32 numbers, the same in every process."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
