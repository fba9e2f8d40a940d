"""What Numba has to know to compile kernels, and no more.

Before it compiles anything for its usual target Numba loads all that it can compile: arrays, linear
algebra (and with that SciPy), random numbers. That takes as long as compiling several kernels, and
these have nothing but numbers, loops, calls and intrinsics of ours. So they have a target of their
own, by Numba's interface for that: the same machine, but fewer functions.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from numba import jit
from numba.core import compiler, cpu, optional, typed_passes, untyped_passes  # noqa: F401
from numba.core.codegen import AOTCodeLibrary, JITCPUCodegen
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import PassManager
from numba.core.registry import CPUDispatcher, CPUTarget
from numba.core.target_extension import (
    CPU,
    dispatcher_registry,
    jit_registry,
    target_override,
    target_registry,
)
from numba.core.typing import mathdecl
from numba.core.typing.context import Context
from numba.cpython import (  # noqa: F401
    builtins,  # these and `optional` register what they know of
    iterators,
    mathimpl,
    numbers,
    rangeobj,
    tupleobj,
)

NAME = "jitgrad"
"""The name of the target."""


class _Types(Context):
    """The types of what kernels call."""

    def load_additional_registries(self) -> None:
        self.install_registry(mathdecl.registry)


class Library(AOTCodeLibrary):
    """Functions on their way to machine code.

    Numba would optimize each function, then each with what it calls, make machine code of it, load
    that, and do so again for what calls it, where it is inlined. Here all of this is done once, for
    the outermost one, which is not loaded: Numba's own engine never lets go of it, 100 KB for a
    kernel. (To optimize it in two steps as well takes a tenth longer, and nothing runs faster.)
    """

    def machine_code(self) -> bytes:
        """Return the functions and all that they call, as an object file."""
        self._ensure_finalized()
        passes, builder = self.codegen._module_pass_manager()
        passes.run(self._final_module, builder)
        return self.emit_native_object()

    def _optimize_functions(self, ll_module: Any) -> None:
        """Leave that to `machine_code`."""

    def _optimize_final_module(self) -> None:
        """Leave that to `machine_code`."""

    def _finalize_final_module(self) -> None:
        self._finalized = True


class _Codegen(JITCPUCodegen):
    """Makes machine code for this processor."""

    _library_class = Library


class _Implementations(cpu.CPUContext):
    """What kernels call."""

    @global_compiler_lock
    def init(self) -> None:
        super().init()
        self._internal_codegen = _Codegen(NAME)

    def get_executable(self, library: Any, fndesc: Any, env: Any) -> object:
        """Return what stands for a function: only native code calls it."""
        return object()

    def load_additional_registries(self) -> None:
        self.install_registry(mathimpl.registry)

    def post_lowering(self, mod: Any, library: Any) -> None:
        """Link nothing: Numba's own functions are for objects that it counts references to."""


class _Target(CPUTarget):
    """Both of them, made when they are first asked for."""

    @property
    def typing_context(self) -> Any:
        return _types()

    @property
    def target_context(self) -> Any:
        return _implementations()


@cache
def _types() -> _Types:
    return _Types()


@cache
def _implementations() -> _Implementations:
    return _Implementations(_types(), NAME)


TARGET: Any = _Target(NAME)


class _Kernels(CPU):
    """Stands for the target."""


class _Dispatcher(CPUDispatcher):
    """Compiles functions for it that others call."""

    targetdescr = TARGET

    def add_overload(self, cres: Any) -> None:
        """Keep what has been compiled, for native code only."""
        self.overloads[tuple(cres.signature.args)] = cres


class Passes(compiler.Compiler):
    """What a kernel goes through: straight code, branches and loops over numbers, and calls."""

    def define_pipelines(self) -> list[PassManager]:
        manager = PassManager("kernel")
        for each in (
            untyped_passes.TranslateByteCode,
            untyped_passes.FixupArgs,
            untyped_passes.IRProcessing,
            untyped_passes.ReconstructSSA,
            typed_passes.NopythonTypeInference,
            typed_passes.PreLowerStripPhis,
            typed_passes.IRLegalization,
            typed_passes.AnnotateTypes,
            typed_passes.NativeLowering,
            typed_passes.NoPythonBackend,
        ):
            manager.add_pass(each, each.__name__)
        manager.finalize()
        return [manager]


def compiled(*given: Any, **settings: Any) -> Any:
    """Decorate a function that native code for the target calls, as `numba.jit` does."""
    return jit(*given, **{**settings, "_target": NAME, "pipeline_class": Passes})


target_registry[NAME] = _Kernels
dispatcher_registry[_Kernels] = _Dispatcher
jit_registry[_Kernels] = compiled


def chosen() -> Any:
    """Return a context in which Numba compiles for the target."""
    return target_override(NAME)
