"""Binding arguments to parameters, as CPython does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any

from . import matching
from .code import Code
from .frames import UNBOUND

if TYPE_CHECKING:
    from .operations import Operations

__all__ = ["bind_arguments"]


def bind_arguments(
    operations: Operations,
    code: Code,
    function: FunctionType,
    args: Sequence[Any],
    arg_origins: Sequence[Any],
    kwargs: Mapping[str, Any],
    kwarg_origins: Mapping[str, Any],
) -> tuple[list[Any], list[Any]]:
    """Return the registers, values and origins, with which a call of `function` begins.

    Raises:
        TypeError: CPython's own, where the arguments do not fit.
    """
    parameters = code.parameters
    positional = parameters.positional
    named = positional + parameters.keyword_only
    values: list[Any] = [UNBOUND] * code.register_count
    origins: list[Any] = [None] * code.register_count
    count = min(len(args), positional)
    values[:count] = args[:count]
    origins[:count] = arg_origins[:count]
    fits = len(args) <= positional or parameters.has_varargs
    extra: list[Any] = []
    extra_origins: list[Any] = []
    names = parameters.names[:named]
    for name, value in kwargs.items():
        index = names.index(name) if name in names[parameters.positional_only :] else -1
        if index < 0:
            extra += [name, value]
            extra_origins += [operations.constant(name), kwarg_origins[name]]
        elif values[index] is UNBOUND:
            values[index], origins[index] = value, kwarg_origins[name]
        else:
            fits = False
    if extra and not (parameters.has_varkw and all(isinstance(name, str) for name in kwargs)):
        fits = False
    first_default = positional - len(function.__defaults__ or ())
    for index in range(named if fits else 0):
        if values[index] is not UNBOUND:
            continue
        if index < positional:
            found: tuple[str, int | str] = "positional", index - first_default
            fits = fits and index >= first_default
        else:
            found = "keyword", names[index]
            fits = fits and names[index] in (function.__kwdefaults__ or ())
        if fits:
            values[index], origins[index] = operations.function_default(function, *found)
    if not fits:
        matching.call_to_fail(function, list(args), kwargs)
    at = named
    if parameters.has_varargs:
        rest = operations.build("tuple", args[positional:], arg_origins[positional:])
        values[at], origins[at] = rest  # type: ignore[misc]
        at += 1
    if parameters.has_varkw:
        values[at], origins[at] = operations.build("dict", extra, extra_origins)  # type: ignore[misc]
    return values, origins
