"""What a pickle may name when it is read safely: a list by name, which users can add to."""

from __future__ import annotations

import builtins
import contextlib
import importlib
import pickle
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from jitgrad import dtypes
from jitgrad.device import device
from jitgrad.pickling import plain_dtype, rebuild_scalar, rebuild_tensor
from jitgrad.spec import Size
from jitgrad.tensor import Tensor


def _bytes_of(text: str, encoding: str) -> bytes:
    """Return the bytes that pickles of protocol 2 write as a string of Latin 1."""
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"bytes are not written in the encoding {encoding!r}")
    return text.encode("latin-1")


def _bytearray_of(data: bytes | str = b"", *encoding: str) -> bytearray:
    if not isinstance(data, (bytes, str)):
        raise TypeError(f"a bytearray is made of bytes, not of {type(data).__name__}")
    return bytearray(data, *encoding) if isinstance(data, str) else bytearray(data)


def check_key(value: Any) -> None:
    """Check that `value` can be hashed: Python goes down into tuples, and crashes if too deep.

    Raises:
        ValueError: tuples stand in tuples more than `DEEPEST` times.
    """
    level = [value] if type(value) is tuple else []
    for _ in range(DEEPEST):
        if not level:
            return
        inner = {id(each): each for outer in level for each in outer if type(each) is tuple}
        level = list(inner.values())
    raise ValueError(f"a key is made of more than {DEEPEST} tuples in tuples")


def _set_of(kind: Callable) -> Callable:
    def made(elements: list | tuple = ()) -> Any:
        # a range would be a few bytes that fill the memory
        if not isinstance(elements, (list, tuple)):
            raise TypeError(f"a set is made of a list, not of {type(elements).__name__}")
        for each in elements:
            check_key(each)
        return kind(elements)

    return made


def _ordered_dict() -> OrderedDict:
    return OrderedDict()


def _counter(counts: dict) -> Counter:
    if type(counts) is not dict:
        raise TypeError(f"a Counter is made of a dictionary, not of {type(counts).__name__}")
    return Counter(counts)


DEEPEST = 100
"""How many tuples stand in tuples in a key, at most."""


VALUES: dict[str, Any] = {
    "builtins.Ellipsis": Ellipsis,
    "jitgrad.tensor.Tensor": Tensor,
    **{f"jitgrad.dtypes.{each.__reduce__()}": each for each in dtypes.ALL},
}
"""What may stand in a pickle, but is never called."""

PARAMETER = "jitgrad.nn.parameter.Parameter"
LATE_VALUES = {PARAMETER}
"""The same; these are imported when a file names them."""

FUNCTIONS: dict[str, Callable] = {
    "_codecs.encode": _bytes_of,
    "builtins.bytearray": _bytearray_of,
    "builtins.complex": complex,
    "builtins.frozenset": _set_of(frozenset),
    "builtins.set": _set_of(set),
    "builtins.slice": slice,
    "collections.Counter": _counter,
    "collections.OrderedDict": _ordered_dict,
    "jitgrad.device.device": device,
    "jitgrad.pickling.plain_dtype": plain_dtype,
    "jitgrad.pickling.rebuild_scalar": rebuild_scalar,
    "jitgrad.pickling.rebuild_tensor": rebuild_tensor,
    "jitgrad.spec.Size": Size,
}
"""What a pickle may call. None of them does anything but make a value of its arguments."""


def late(full_name: str) -> Any:
    """Import and return one of `LATE_VALUES`."""
    module, _, name = full_name.rpartition(".")
    return getattr(importlib.import_module(module), name)


_added: dict[str, Any] = {}


def _named(entry: Any) -> tuple[str, Any]:
    """Return the full name and the object of an entry, `object` or `(object, name)`."""
    if isinstance(entry, tuple):
        value, name = entry
        return name, value
    return f"{entry.__module__}.{entry.__qualname__}", entry


def add_safe_globals(safe_globals: Sequence[Any]) -> None:
    """Let `load` with `weights_only=True` make objects of these classes, and call these functions.

    A class is made, and its `__setstate__` or attributes are set, as its pickle says; so add only
    what does no harm with any arguments.

    Args:
        safe_globals: classes and functions; or tuples `(object, "module.name")`, for what was
            saved under another name.

    Example:
        >>> import jitgrad, io
        >>> from fractions import Fraction
        >>> file = io.BytesIO()
        >>> jitgrad.save(Fraction(1, 3), file)
        >>> jitgrad.serialization.add_safe_globals([Fraction])
        >>> _ = file.seek(0)
        >>> jitgrad.load(file)
        Fraction(1, 3)
        >>> jitgrad.serialization.clear_safe_globals()
    """
    _added.update(map(_named, safe_globals))


def get_safe_globals() -> list[Any]:
    """Return what `add_safe_globals` added."""
    return list(_added.values())


def clear_safe_globals() -> None:
    """Take back everything that `add_safe_globals` added."""
    _added.clear()


@contextlib.contextmanager
def safe_globals(safe_globals: Sequence[Any]) -> Iterator[None]:
    """Do as `add_safe_globals` inside a `with` block.

    Example:
        >>> import jitgrad, io
        >>> from datetime import date
        >>> file = io.BytesIO()
        >>> jitgrad.save(date(2020, 2, 29), file)
        >>> _ = file.seek(0)
        >>> with jitgrad.serialization.safe_globals([date]):
        ...     jitgrad.load(file)
        datetime.date(2020, 2, 29)
    """
    before = dict(_added)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        _added.clear()
        _added.update(before)


class Allowed:
    """What one reading allows.

    Args:
        values, functions: by full name, in addition to those of every file and of the user.
    """

    def __init__(
        self, values: Mapping[str, Any] | None = None, functions: Mapping[str, Any] | None = None
    ) -> None:
        self._values = {**VALUES, **(values or {})}
        self._functions = {**FUNCTIONS, **(functions or {})}
        self._added = dict(_added)
        callable_ones = (*self._functions.values(), *self._added.values())
        self._callable = {id(each) for each in callable_ones}
        self._classes = {id(each) for each in self._added.values()}

    def find(self, module: str, name: str) -> Any:
        """Return what `module.name` is, without importing what is not allowed.

        Raises:
            UnpicklingError: it is not allowed.
        """
        if module == "__builtin__":  # as pickles of protocol 2 call it
            module = builtins.__name__
        full = f"{module}.{name}"
        for table in (self._added, self._values, self._functions):
            if full in table:
                return table[full]
        if full in LATE_VALUES:
            return late(full)
        raise pickle.UnpicklingError(
            f"load: the file names {full}, which may be code that does harm; weights_only=True "
            "reads tensors, arrays, numbers, strings and containers only. If you know where the "
            f"file comes from, allow it with serialization.add_safe_globals([{name}]), or load "
            "with weights_only=False, which runs any code that the file names"
        )

    def may_call(self, function: Any) -> bool:
        """May a pickle call `function`?"""
        return id(function) in self._callable

    def is_added(self, kind: type) -> bool:
        """Did the user allow objects of the class `kind`?"""
        return id(kind) in self._classes
