"""The source of what `dataclasses` generates: methods made of text that nobody keeps.

A second copy of that module is loaded, which notes the text of what it makes. It is asked for a
class with the same fields, and what it makes is a *candidate*: whether it is the source of the
running code is for `definition_of` to say, which compiles it.
"""

from __future__ import annotations

import importlib.util
from dataclasses import MISSING
from types import FunctionType, ModuleType
from typing import Any

from jitgrad.locks import LOWERING, made_once
from jitgrad.python.code import Unlowerable
from jitgrad.python.lower import code_for
from jitgrad.python.source import provide_text, text_of

FILENAME = "<string>"
"""What code of generated methods says of where it comes from."""
_SETTINGS = ("init", "repr", "hash", "compare", "kw_only")
_OPTIONS = ("init", "repr", "eq", "order", "unsafe_hash", "frozen")


def find_source(kind: type, function: FunctionType) -> None:
    """Look for the source of a method of a class, if a dataclass among its bases has it."""
    code = function.__code__
    if code.co_filename != FILENAME or text_of(code) is not None:
        return
    owner = next((each for each in kind.__mro__ if vars(each).get(code.co_name) is function), None)
    if owner is None or "__dataclass_params__" not in vars(owner):
        return
    try:
        texts = _noting.texts_for(owner)
    except (AttributeError, TypeError, ValueError):
        return
    for text in texts:
        # all methods may come from one text
        if f" def {code.co_name}(" in text:
            provide_text(code, text)


def is_generated(function: Any) -> bool:
    """Is it certain that this is what `dataclasses` makes?"""
    if not isinstance(function, FunctionType) or text_of(function.__code__) is None:
        return False
    try:
        code_for(function)
    except Unlowerable:
        return False
    return True


class _Noting:
    """A copy of `dataclasses` that notes the texts which it evaluates."""

    def __init__(self) -> None:
        self._noted: list[str] = []

    @made_once
    def _module(self) -> ModuleType:
        spec = importlib.util.find_spec("dataclasses")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)

        def noting(text: str, *spaces: Any) -> None:
            self._noted.append(text)
            exec(text, *spaces)

        module.exec = noting  # type: ignore[attr-defined]
        spec.loader.exec_module(module)
        return module

    def texts_for(self, owner: Any) -> list[str]:
        """Return what is evaluated for a class with the fields and options of `owner`."""
        with LOWERING:
            module: Any = self._module
            fields = [
                (each.name, *_as(module, each))
                for each in owner.__dataclass_fields__.values()
                if each._field_type.name != "_FIELD_CLASSVAR"
            ]
            space = {"__post_init__": None} if hasattr(owner, "__post_init__") else {}
            options = {name: getattr(owner.__dataclass_params__, name) for name in _OPTIONS}
            self._noted.clear()
            module.make_dataclass(owner.__name__, fields, namespace=space, **options)
            return self._noted[:]


def _as(module: Any, field: Any) -> tuple[Any, Any]:
    """Return type and settings with which another copy of the module makes such a field."""
    settings = {name: getattr(field, name) for name in _SETTINGS}
    if field.default is not MISSING:
        settings["default"] = None
    if field.default_factory is not MISSING:
        settings["default_factory"] = _nothing
    is_passed = field._field_type.name == "_FIELD_INITVAR"
    return (module.InitVar[int] if is_passed else int), module.field(**settings)


def _nothing() -> None:
    return None


_noting = _Noting()
