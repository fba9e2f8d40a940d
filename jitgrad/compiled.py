"""`compile`: the decorator, and what it makes of a function."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

from jitgrad.explain import Explanation
from jitgrad.graph.graph import Graph
from jitgrad.graph.lookups import type_lookup
from jitgrad.graph.shortcuts import MISSED, NO_DIRECT


class CompiledFunction:
    """A function that records what it does and replays it natively; made by `jitgrad.compile`.

    Attributes:
        trace: what was recorded, printed as Python that runs.
        kernels: the sources of the generated kernels.
    """

    def __init__(self, function: Any, fullgraph: bool, verify: bool = False) -> None:
        functools.update_wrapper(self, function)
        self.__compiled_function__ = function
        self.graph = Graph(function, fullgraph, verify)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        graph = self.graph
        shortcuts, direct = graph.direct
        if shortcuts is graph.entrance.shortcuts:
            result = direct(graph, args, kwargs)
            if result is not MISSED:
                graph.calls += 1
                return result
            graph.direct = NO_DIRECT
        return graph.call(args, kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __reduce__(self) -> str:
        # by its name, as functions are pickled and copied
        return self.__qualname__  # type: ignore[attr-defined]

    def explain(self, program: bool = False) -> Explanation:
        """Return what ran where and why: segments, guards, kernels, times, exits.

        Args:
            program: tell of the programs, too: which instructions run natively, for which lines of
                the source, and in what memory.

        Example:
            >>> import jitgrad
            >>> @jitgrad.compile
            ... def double(x):
            ...     return x * 2
            >>> double(jitgrad.tensor(2.0)), double(jitgrad.tensor(3.0))
            (tensor(4.), tensor(6.))
            >>> double.explain().traces
            1
        """
        return Explanation(self.graph, program)

    @property
    def trace(self) -> str:
        """What was recorded, as Python that runs."""
        return self.explain().trace()

    @property
    def kernels(self) -> tuple[str, ...]:
        """The sources of the generated kernels."""
        return tuple(each.source for each in self.explain().kernel_list)

    def __repr__(self) -> str:
        return f"<compiled {self.graph.function.__qualname__}>"


def _compiled_object(obj: Any, fullgraph: bool, verify: bool = False) -> Any:
    """Return an object that is called compiled and is `obj` in everything else.

    The two share their attributes: one `__dict__`. A class of its own, derived from that of
    `obj`, holds the compiled call.
    """
    kind = type(obj)
    call = type_lookup(kind, "__call__")
    compiled = CompiledFunction(call, fullgraph, verify)

    def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
        return compiled(obj, *args, **kwargs)

    __call__.__compiled_function__ = call  # type: ignore[attr-defined]
    __call__.__compiled_object__ = obj  # type: ignore[attr-defined]
    names = {
        "__call__": __call__,
        "__reduce_ex__": lambda self, protocol: (_compiled_object, (obj, fullgraph, verify)),
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__doc__": kind.__doc__,
        "explain": lambda self, program=False: compiled.explain(program),
        "trace": property(lambda self: compiled.trace),
        "kernels": property(lambda self: compiled.kernels),
    }
    metaclass: Any = type(kind)
    made = object.__new__(metaclass(kind.__name__, (kind,), names))
    object.__setattr__(made, "__dict__", obj.__dict__)
    return made


def compile(function: Callable | None = None, *, fullgraph: bool = False) -> Any:
    """Compile a function by recording what it does; use it as a decorator or call it.

    The first call runs the function and records its operations; later calls replay them in
    native kernels. Python control flow on values is guarded, and recorded anew for each way that
    it takes. What cannot be compiled runs in Python, in its place: `explain()` says what and why.

    Args:
        function: a Python function or method; or a module, or another object with a `__call__`
            written in Python and attributes in a `__dict__`: then the result is an object of the
            same class with the same attributes, that is called compiled.
        fullgraph: raise `CompileError` instead of running anything in Python.

    Raises:
        TypeError: `function` is nothing of this kind.
        CompileError: with `fullgraph`, when something cannot be compiled.

    Example:
        >>> import jitgrad
        >>> @jitgrad.compile
        ... def grow(x):
        ...     while x.norm() < 100:
        ...         x = x * 2
        ...     return x
        >>> grow(jitgrad.tensor([3.0, 4.0]))
        tensor([ 96., 128.])
    """
    if function is None:
        return functools.partial(compile, fullgraph=fullgraph)
    if hasattr(_called(function), "__compiled_function__"):
        return function
    return _compiled("compile", function, fullgraph, False)


def verify(function: Callable | None = None, *, fullgraph: bool = False) -> Any:
    """Compile a function so that it checks itself: for tests, and for finding what is wrong.

    Whatever a replay runs natively, backward passes included, is also performed step by step with
    the NumPy implementations of the operations, on copies of the same inputs. All results are
    compared: dtypes, shapes, strides and places in memory, integers and booleans exactly, floats
    as closely as the order and the fusion of their operations allow (see `jitgrad.graph.verify`).
    Effects happen once. With `JITGRAD_VERIFY=1` in the environment, or `jitgrad.config.verify`
    set before functions are first called, all compiled functions do so.

    Args:
        function: what `compile` takes, or what it returned; that is left as it is.
        fullgraph: as for `compile`.

    Raises:
        TypeError: `function` is nothing of this kind.
        VerificationError: at a call or in a backward pass, where the two differ; it names the line,
            the step, and both values.

    Example:
        >>> import jitgrad
        >>> @jitgrad.verify
        ... def halve(x):
        ...     while x.sum() > 1:
        ...         x = x / 2
        ...     return x
        >>> for _ in range(3):
        ...     result = halve(jitgrad.tensor([3.0, 4.0]))
        >>> halve.explain().checked_runs
        19
    """
    if function is None:
        return functools.partial(verify, fullgraph=fullgraph)
    called = _called(function)
    plain: Any = function
    if hasattr(called, "__compiled_object__"):
        plain = called.__compiled_object__
    elif isinstance(function, types.MethodType) and isinstance(function.__func__, CompiledFunction):
        plain = types.MethodType(function.__func__.__compiled_function__, function.__self__)
    elif isinstance(function, CompiledFunction):
        plain = function.__compiled_function__
    return _compiled("verify", plain, fullgraph, True)


def _called(function: Any) -> Any:
    """Return what is called where `function` is."""
    if isinstance(function, (CompiledFunction, types.FunctionType)):
        return function
    if isinstance(function, types.MethodType):
        return function.__func__
    return type_lookup(type(function), "__call__")


def _compiled(name: str, function: Any, fullgraph: bool, verify: bool) -> Any:
    if isinstance(function, types.FunctionType):
        return CompiledFunction(function, fullgraph, verify)
    call = _called(function)
    if isinstance(call, types.FunctionType):
        if isinstance(function, types.MethodType):
            made = CompiledFunction(call, fullgraph, verify)
            return types.MethodType(made, function.__self__)
        if type(getattr(function, "__dict__", 0)) is dict:
            return _compiled_object(function, fullgraph, verify)
    raise TypeError(
        f"{name}: got a {type(function).__name__}; only Python functions, methods and "
        "objects called by a Python method can be compiled; wrap it in a function"
    )
