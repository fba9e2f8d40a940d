"""Who is measured: each subject names its library and how it compiles a function."""

import importlib
import importlib.util
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

type_of_function = Callable[..., Any]


def as_it_is(function: type_of_function) -> type_of_function:
    """Return the function uncompiled."""
    return function


@dataclass(frozen=True)
class Tools:
    """What a workload is written against: a library and its two ways to compile.

    `whole` wraps a unit with its backward and its update, `part` the forward function alone. Each
    library gets the one that it is fastest with; the other leaves the function as it is.
    """

    library: Any
    part: Callable[[type_of_function], type_of_function] = as_it_is
    whole: Callable[[type_of_function], type_of_function] = as_it_is


@dataclass(frozen=True)
class Subject:
    """One column of the results."""

    name: str
    module: str
    tools: Callable[[Any], Tools]
    compiles: bool = False
    needs: Callable[[], str | None] = lambda: None

    def missing(self) -> str | None:
        """Return why the subject cannot run here and what to do, None where it can."""
        if importlib.util.find_spec(self.module) is None:
            return f"{self.module} is not installed: pip install -e '.[bench]'"
        return self.needs()

    def load(self) -> Tools:
        """Import the library."""
        return self.tools(importlib.import_module(self.module))


def missing_compiler() -> str | None:
    """Return why torch.compile cannot run here, None where it can."""
    named = os.environ.get("CXX")
    if any(shutil.which(name) for name in (named, "g++", "clang++", "cl") if name):
        return None
    return "torch.compile needs a C++ compiler: install g++, or name one in CXX"


SUBJECTS: Sequence[Subject] = (
    Subject("floor", "numpy", Tools),
    Subject("jitgrad", "jitgrad", Tools),
    Subject("jitgrad.compile", "jitgrad", lambda it: Tools(it, whole=it.compile), compiles=True),
    Subject("torch", "torch", Tools),
    Subject(
        "torch.compile",
        "torch",
        # Compiling the whole two-layer step takes 630 µs a step, the loss alone 440.
        lambda it: Tools(it, part=it.compile),
        compiles=True,
        needs=missing_compiler,
    ),
    Subject("jax.jit", "jax", Tools, compiles=True),
)

BASIS = "torch"
"""The subject that ratios refer to."""


def find(name: str) -> Subject:
    """Return the subject of that name."""
    return next(subject for subject in SUBJECTS if subject.name == name)
