"""Compiling kernels with Numba.

Kernels are compiled without the wrappers and passes that calls from Python need (57 ms for five
operations instead of 165).
"""

from __future__ import annotations

import gc
import hashlib
import linecache
import time
from collections.abc import Callable
from typing import Any

import llvmlite.binding
import numpy as np
from numba.core import compiler, registry, types

from jitgrad.kernels import (  # those that are not used define FUNCTIONS
    arithmetic,  # noqa: F401
    exact,  # noqa: F401
    math,  # noqa: F401
    memory,
    products,
    tiles,
    trigonometry,  # noqa: F401
)
from jitgrad.kernels.functions import FUNCTIONS
from jitgrad.kernels.operations import DTYPES
from jitgrad.locks import LOWERING


class Kernel:
    """A compiled kernel.

    Attributes:
        name: unique to its source.
        source: readable Python.
        address: of the native code.
        compile_seconds: what compiling it took.
    """

    __slots__ = ("_compiled", "address", "compile_seconds", "name", "source")

    def __init__(self, name: str, source: str) -> None:
        self.name = name
        self.source = source
        started = time.perf_counter()
        self._compiled = _compile(name, source)
        self.address = self._compiled.library.get_pointer_to_function(
            self._compiled.fndesc.llvm_func_name
        )
        self.compile_seconds = time.perf_counter() - started

    def __repr__(self) -> str:
        return f"<kernel {self.name}>"


def _converts_half() -> bool:
    """Does the processor convert float16? Elsewhere LLVM calls functions that are not there."""
    architecture = llvmlite.binding.get_process_triple().split("-")[0]
    features = llvmlite.binding.get_host_cpu_features()
    return architecture in ("aarch64", "arm64") or bool(features.get("f16c"))


if not _converts_half():
    DTYPES.discard(np.dtype(np.float16))

_kernels: dict[str, Kernel] = {}


def kernel_for(source: str) -> tuple[Kernel, bool]:
    """Return the kernel with this source (its function is called `kernel`); was it compiled now?"""
    found = _kernels.get(source)
    if found is not None:
        return found, False
    with LOWERING:
        found = _kernels.get(source)
        if found is not None:
            return found, False
        name = "kernel_" + hashlib.blake2b(source.encode(), digest_size=4).hexdigest()
        named = source.replace("def kernel(", f"def {name}(", 1)
        found = Kernel(name, named)
        _kernels[source] = found
        return found, True


def _flags() -> Any:
    flags: Any = compiler.Flags()
    flags.no_cpython_wrapper = True
    flags.no_cfunc_wrapper = True
    flags.error_model = "numpy"
    flags.nrt = False
    flags.no_rewrites = True
    flags.enable_looplift = False
    flags.release_gil = False
    return flags


_NAMESPACE: dict[str, Any] = {
    **FUNCTIONS,
    "region": memory.region,
    "integer": memory.integer,
    "number": memory.number,
    "buffer": memory.buffer,
    "clear": tiles.clear,
    "move": tiles.move,
    "multiply": tiles.multiply,
    "dot": tiles.dot,
    "gemm": products.gemm,
    "address": products.address,
    "inf": float("inf"),
    "nan": float("nan"),
}


def _compile(name: str, source: str, argument_types: tuple = (types.int64,) * 3) -> Any:
    file = f"<jitgrad {name}>"
    linecache.cache[file] = (len(source), None, list(source.splitlines(keepends=True)), file)
    namespace = dict(_NAMESPACE)
    exec(compile(source, file, "exec"), namespace)
    return _compile_function(namespace[name], argument_types, types.void)


def _compile_function(function: Callable, argument_types: tuple, result: Any) -> Any:
    target: Any = registry.cpu_target
    with LOWERING:
        target.typing_context.refresh()
        target.target_context.refresh()
        # Numba makes so many objects that looking for garbage takes a sixth of the time
        collects = gc.isenabled()
        gc.disable()
        try:
            return compiler.compile_extra(
                target.typing_context,
                target.target_context,
                function,
                argument_types,
                result,
                _flags(),
                {},
            )
        finally:
            if collects:
                gc.enable()
