"""Runs a scene twice, eagerly and compiled, and compares all that can be seen of it.

A scene is a function of a `Session`: it makes its own tensors and objects, compiles functions
with `session.compile` (which leaves them alone in the eager run), calls them with `session.call`,
and looks at things with `session.see`. Both runs must have seen the same.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import pickle
import traceback
import types
import warnings
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

import jitgrad as torch
from jitgrad import Tensor
from jitgrad.dispatch import node_of
from jitgrad.graph.contents import native_class
from jitgrad.pickling import span_of

PLAIN = {type(None), bool, int, float, str}
"""Classes whose objects are described by themselves."""

NAMELESS = (int, str, bytes, complex, range, type(Ellipsis), torch.dtype)

EXACT = {2: 2.0**8, 4: 2.0**20, 8: 2.0**48, 16: 2.0**48}
"""By their bytes, the largest numbers that random programs of exact arithmetic may reach."""


class Session:
    """One of the two runs.

    Attributes:
        compiled: is it the compiled one?
        log: what was seen, as (label, description).
        functions: what `compile` made.
    """

    def __init__(self, compiled: bool, **options: Any) -> None:
        self.compiled = compiled
        self.options = options
        self.log: list[tuple[str, Any]] = []
        self.functions: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []

    def compile(self, function: Callable) -> Any:
        """Return the function, compiled or as it is."""
        if not self.compiled:
            return function
        made = torch.compile(function, **self.options)
        self.functions.append(made)
        return made

    def call(self, function: Callable, *args: Any, backward: bool = True, **kwargs: Any) -> Any:
        """Call and look at everything; then go backward from the results and look again."""
        printed = io.StringIO()
        result: Any = None
        with contextlib.redirect_stdout(printed):
            try:
                result = function(*args, **kwargs)
                outcome: Any = ("returned", result)
            except Exception as error:
                outcome = ("raised", *_exception(error))
        self.see(
            outcome, args, kwargs, printed.getvalue(), torch.is_grad_enabled(), label="the call"
        )
        if backward and outcome[0] == "returned":
            self.backward(result)
            self.see(args, kwargs, label="after backward")
        return result

    def backward(self, *results: Any) -> None:
        """Go backward from everything in `results` that requires grad."""
        tensors: dict[int, Any] = {}
        _collect(results, tensors)
        found = [each for each in tensors.values() if each.requires_grad and not each.is_leaf]
        for each in found:
            weights = torch.as_tensor(
                np.arange(1, each.numel() + 1, dtype=np.float64).reshape(tuple(each.shape))
            ).to(each.dtype)
            try:
                each.backward(weights, retain_graph=len(found) > 1)
            except Exception as error:
                self.see(*_exception(error), label="backward")

    def attempt(self, function: Callable, *args: Any, **kwargs: Any) -> Any:
        """Call, and see what it raises or returns."""
        return self.call(function, *args, backward=False, **kwargs)

    def see(self, *values: Any, label: str = "see") -> None:
        """Describe these values as they are now."""
        describer = _Describer(self)
        described = [describer.describe(each) for each in values]
        self.log.append((label, (described, describer.overlaps())))

    def number(self, value: Any) -> int:
        """Return the number of an identity, the same in both runs."""
        found = self._numbers.get(id(value))
        if found is None:
            found = self._numbers[id(value)] = len(self._numbers)
            self._kept.append(value)
        return found


class _Describer:
    def __init__(self, session: Session) -> None:
        self.session = session
        self.open: set[int] = set()
        self.tensors: list[Any] = []

    def describe(self, value: Any) -> Any:
        if type(value) in PLAIN:
            return (type(value).__name__, value)
        if isinstance(value, (float, np.floating)):
            return (type(value).__name__, np.asarray(value))
        if isinstance(value, NAMELESS):
            return (type(value).__name__, repr(value))
        if isinstance(value, tuple):
            return (type(value).__name__, [self.describe(each) for each in value])
        number = self.session.number(value)
        if type(value).__name__ == "CompiledFunction":
            return ("function", number, value.__qualname__)
        if isinstance(value, (type, types.ModuleType, types.BuiltinFunctionType)):
            return getattr(value, "__name__", "")
        if id(value) in self.open:
            return ("again", number)
        self.open.add(id(value))
        try:
            return (type(value).__name__, number, self._inside(value))
        finally:
            self.open.discard(id(value))

    def _inside(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self._tensor(value)
        if isinstance(value, np.ndarray):
            return (value.shape, value.dtype, value.copy())
        own = vars(value) if hasattr(value, "__dict__") else {}
        if isinstance(value, (dict, list, set, frozenset, deque)):
            # not as a class of the user's says
            kind: Any = native_class(type(value))
            elements = kind.items(value) if isinstance(value, dict) else kind.__iter__(value)
            return [self.describe(each) for each in (*elements, *own.items())]
        if isinstance(value, types.FunctionType):
            return value.__qualname__
        if isinstance(value, types.MethodType):
            return (value.__func__.__qualname__, self.describe(value.__self__))
        if isinstance(value, types.SimpleNamespace) or hasattr(value, "__dict__"):
            return [(name, self.describe(each)) for name, each in vars(value).items()]
        return type(value).__name__

    def _tensor(self, tensor: Any) -> Any:
        self.tensors.append(tensor)
        array = tensor._array
        node = node_of(tensor)
        own = {
            name: self.describe(each)
            for name, each in vars(tensor).items()
            if not name.startswith("_")
        }
        return (
            array.shape,
            array.strides if array.size else None,
            array.dtype,
            tensor.requires_grad,
            tensor.is_leaf,
            node is None,
            tensor._version,
            self.session.number(tensor._storage),
            _place(tensor),
            tensor._base is None or self.session.number(tensor._base),
            array.copy(),
            self.describe(tensor._grad),
            own,
        )

    def overlaps(self) -> list[bool]:
        """Return for each pair of tensors whether they share memory."""
        arrays = [each._array for each in self.tensors[:12]]
        return [
            bool(one.size and other.size and np.shares_memory(one, other))
            for at, one in enumerate(arrays)
            for other in arrays[at + 1 :]
        ]


def _place(tensor: Any) -> tuple | None:
    """Return where a tensor begins in its storage, and how many elements that has."""
    if not tensor._array.size:
        return None
    flat, begin = span_of(tensor._storage.array)
    return tensor.storage_offset() + begin, flat.size


def _exception(error: BaseException) -> tuple:
    shown = [
        (frame.name, frame.line)
        for frame in traceback.extract_tb(error.__traceback__)
        if "/programs" in frame.filename
    ]
    cause = error.__cause__ and type(error.__cause__).__name__
    context = error.__context__ and type(error.__context__).__name__
    return (type(error).__name__, message(error), cause, context, shown)


def message(error: BaseException) -> str:
    """Return what an error says: a trace has products and sums in the place of `dot`."""
    return str(error).replace("[dot] saved", "[mul] saved")


def _collect(value: Any, found: dict[int, Any]) -> None:
    if isinstance(value, Tensor):
        found[id(value)] = value
    elif isinstance(value, (list, tuple)):
        for each in value:
            _collect(each, found)
    elif isinstance(value, dict):
        for each in value.values():
            _collect(each, found)


def difference(one: Any, other: Any, exact: bool = False) -> str:
    """Return where two descriptions differ; an empty text if they do not.

    Args:
        exact: floats must be the same, unless they are too large for the arithmetic to be exact.
    """
    if isinstance(one, (list, tuple)) and type(one) is type(other):
        if len(one) != len(other):
            return f": {one} and {other}"
        for at, (left, right) in enumerate(zip(one, other)):
            found = difference(left, right, exact)
            if found:
                return f".{at}{found}"
        return ""
    if type(one) is float and type(other) is float and one != other:
        one, other = np.asarray(one), np.asarray(other)
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return _difference_of_arrays(one, other, exact)
    if isinstance(one, dict) and isinstance(other, dict):
        return difference(list(one.items()), list(other.items()), exact)
    return "" if one == other else f": {one!r} and {other!r}"


def _are_same_bytes(one: Any, other: Any) -> bool:
    """Are two descriptions equal to the last bit? Nearly all are, and this is found out soon."""
    try:
        return pickle.dumps(one) == pickle.dumps(other)
    except (pickle.PicklingError, AttributeError, TypeError):
        # arrays of objects
        return False


def _difference_of_arrays(one: np.ndarray, other: np.ndarray, exact: bool) -> str:
    if one.shape != other.shape or one.dtype != other.dtype:
        return f": {one.shape} {one.dtype} and {other.shape} {other.dtype}"
    is_float = one.dtype.kind in "fc"
    same = np.array_equal(one, other, equal_nan=is_float)
    if not same and is_float:
        largest = np.max(np.abs(one[np.isfinite(one)]), initial=0) if exact else np.inf
        if largest > EXACT[one.itemsize]:
            rtol = {2: 1e-2, 4: 2e-5}.get(one.itemsize, 1e-11)
            same = np.allclose(one, other, rtol=rtol, atol=rtol * 1e-2, equal_nan=True)
    return "" if same else f": {one} and {other}"


def scenes(*names: str) -> list[Callable]:
    """Return the scenes of the files with these names, beside this one."""
    return [
        scene
        for module in (importlib.import_module(f"{__package__}.{each}") for each in names)
        for name, scene in vars(module).items()
        if name.startswith("scene_")
    ]


def run(scene: Callable, compiled: bool, **options: Any) -> Session:
    """Run a scene one way."""
    torch.manual_seed(0)
    session = Session(compiled, **options)
    with warnings.catch_warnings():
        if compiled:
            warnings.filterwarnings("ignore", message=".*runs eagerly for")
        scene(session)
    return session


_eager: dict[Callable, Session] = {}
"""The last scene that was run eagerly: tests of one scene in several modes follow one another."""


def agree(scene: Callable, exact: bool = False, **options: Any) -> Session:
    """Run a scene both ways, compare, and return the compiled session."""
    eager = _eager.get(scene)
    if eager is None:
        eager = run(scene, False)
        _eager.clear()
        _eager[scene] = eager
    compiled = run(scene, True, **options)
    compare(eager, compiled, scene.__name__, exact)
    return compiled


def compare(eager: Session, compiled: Session, name: str, exact: bool = False) -> None:
    """Compare what the two runs have seen."""
    for at, (one, other) in enumerate(zip(eager.log, compiled.log)):
        found = "" if _are_same_bytes(one, other) else difference(one, other, exact)
        if found:
            raise AssertionError(
                f"{name}: entry {at} ({one[0]}) differs, eager and compiled: {found}\n"
                f"eager:    {one}\ncompiled: {other}"
            )
    if len(eager.log) != len(compiled.log):
        raise AssertionError(f"{name}: {len(eager.log)}, {len(compiled.log)} entries")
