"""Compiling with Numba.

Kernels are compiled without the wrappers that calls from Python need, and without the passes for
what is in no kernel: closures, `with`, literals to be unrolled. (A third of the time, for five
operations.)
"""

from __future__ import annotations

import inspect
import linecache
import re
import runpy
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache, wraps
from typing import Any

from llvmlite import ir
from numba.core import compiler, config, types
from numba.core.compiler_lock import global_compiler_lock

from jitgrad.kernels.compiler import (  # those that are not used define FUNCTIONS
    arithmetic,  # noqa: F401
    blas,
    exact,  # noqa: F401
    instances,
    launching,
    math,  # noqa: F401
    memory,
    tile_calls,
    tiles,
    trigonometry,  # noqa: F401
    turning,
    watching,
)
from jitgrad.kernels.compiler.functions import FUNCTIONS
from jitgrad.kernels.compiler.target import TARGET, Library, Passes, chosen
from jitgrad.kernels.linking import Code

_DECLARED = re.compile(r'^declare .*? @"?([^"(]+)"?\(', re.MULTILINE)

_NAMESPACE: dict[str, Any] = {
    **FUNCTIONS,
    "region": memory.region,
    "integer": memory.integer,
    "number": memory.number,
    "buffer": memory.buffer,
    "clear": tile_calls.clear,
    "move": tile_calls.move,
    "multiply": tile_calls.multiply,
    "dot": tile_calls.dot,
    "product": tile_calls.product,
    "gemm": blas.gemm,
    "address": blas.address,
    "inf": float("inf"),
    "nan": float("nan"),
}

_SETTINGS = (
    "BOUNDSCHECK", "CPU_FEATURES", "CPU_NAME", "DEBUGINFO_DEFAULT", "ENABLE_AVX",
    "EXTEND_VARIABLE_LIFETIMES", "LLVM_REFPRUNE_FLAGS", "LLVM_REFPRUNE_PASS", "LOOP_VECTORIZE",
    "OPT", "SLP_VECTORIZE",
)  # fmt: skip
"""Those of Numba's settings that change machine code."""

_NATIVE: dict[str, Callable] = {
    "launch": launching.launch,
    "run": launching.run,
    "help": launching.help,
    "turn": turning.turn,
    "place": turning.place,
    "unchanged": watching.unchanged,
    "gather": watching.gather,
    "make": instances.make,
}


def _undisturbed(make: Callable[..., Code]) -> Callable[..., Code]:
    """Let `make` run where no handler of a signal does: these are for the main thread.

    LLVM calls Python, which drops what is raised there, or does not survive it. So Ctrl-C waits
    until the kernel is made.
    """

    @wraps(make)
    def run(*given: Any) -> Code:
        in_main = threading.current_thread() is threading.main_thread()
        if not in_main or global_compiler_lock.is_locked():
            return make(*given)
        future: Future[Code] = Future()

        def work() -> None:
            try:
                future.set_result(make(*given))
            except BaseException as error:
                future.set_exception(error)

        other = threading.Thread(target=work, name="jitgrad compiler")
        try:
            other.start()
        except RuntimeError:
            # functions registered with `atexit` may run when no thread can be started any more
            return make(*given)
        try:
            return future.result()
        finally:
            other.join()

    return run


@_undisturbed
@global_compiler_lock
def kernel(name: str, source: str) -> Code:
    """Compile the function `name` of three int64: arguments, first, last."""
    file = f"<jitgrad {name}>"
    linecache.cache[file] = (len(source), None, list(source.splitlines(keepends=True)), file)
    namespace = dict(_NAMESPACE)
    exec(compile(source, file, "exec"), namespace)
    made = _compile(namespace[name], (types.int64,) * 3, types.void)
    del linecache.cache[file]  # which is for errors, and a kernel holds its source
    return _code(made.fndesc.llvm_func_name, made.library)


@_undisturbed
@global_compiler_lock
def function(name: str) -> Code:
    """Compile a function of int64s, to be called as C calls functions."""
    written = _NATIVE[name]
    parameters = (types.int64,) * len(inspect.signature(written).parameters)
    made = _compile(written, parameters, types.int64)
    context = TARGET.target_context
    symbol = f"jitgrad_{name}"
    library = context.codegen().create_library(symbol)
    library.add_linking_library(made.library)
    module = library.create_ir_module(symbol)
    word = ir.IntType(64)
    outer = ir.Function(module, ir.FunctionType(word, [word] * len(parameters)), symbol)
    builder = ir.IRBuilder(outer.append_basic_block())
    inner = context.declare_function(module, made.fndesc)
    call = context.call_conv.call_function
    _, result = call(builder, inner, types.int64, parameters, outer.args)
    builder.ret(result)
    library.add_ir_module(module)
    return _code(symbol, library)


@_undisturbed
@global_compiler_lock
def tile(symbol: str) -> Code:
    """Compile a tile, see tiles.py."""
    library = TARGET.target_context.codegen().create_library(symbol)
    module = library.create_ir_module(symbol)
    tiles.write(module, symbol)
    library.add_ir_module(module)
    return _code(symbol, library)


def has_usual_settings() -> bool:
    """Are Numba's settings those that the next process will have, too?"""
    usual = _usual_settings()
    return all(getattr(config, name, None) == usual.get(name) for name in _SETTINGS)


@cache
def _usual_settings() -> dict[str, Any]:
    return runpy.run_path(config.__file__)


def _code(symbol: str, library: Library) -> Code:
    image = library.machine_code()
    declared = set(_DECLARED.findall(library.get_llvm_str()))
    calls = sorted(each for each in declared if not each.startswith("llvm."))
    return Code(symbol, tuple(calls), image)


@cache
def _flags() -> Any:
    flags: Any = compiler.Flags()
    flags.no_compile = True
    flags.no_cpython_wrapper = True
    flags.no_cfunc_wrapper = True
    flags.error_model = "numpy"
    flags.nrt = False
    flags.no_rewrites = True
    flags.enable_looplift = False
    flags.release_gil = False
    return flags


def _compile(function: Callable, parameters: tuple, result: Any) -> Any:
    """Return what Numba knows of a function when it is in LLVM's terms."""
    with chosen():
        TARGET.typing_context.refresh()
        TARGET.target_context.refresh()
        return compiler.compile_extra(
            TARGET.typing_context,
            TARGET.target_context,
            function,
            parameters,
            result,
            _flags(),
            {},
            pipeline_class=Passes,
        )
