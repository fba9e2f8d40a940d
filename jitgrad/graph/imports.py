"""Imports inside functions, of modules that are there already."""

from __future__ import annotations

import builtins
import importlib.util
import sys
from types import ModuleType
from typing import Any

from jitgrad.graph import lookups
from jitgrad.graph.lookups import ABSENT, Place
from jitgrad.graph.origins import KNOWN
from jitgrad.graph.places import PlaceRules


class ImportRules(PlaceRules):
    """`import` and `from ... import`."""

    def import_name(self, frame: Any, name: str, fromlist: Any, level: int) -> Any:
        answer: Any = None
        if self._can_import(frame, name, fromlist, level):
            answer = super().import_name(frame, name, fromlist, level)
        if answer is None:
            return self.leave(f"import {name}").import_name(frame, name, fromlist, level)
        return answer[0], KNOWN

    def _can_import(self, frame: Any, name: str, fromlist: Any, level: int) -> bool:
        """Is the module there, so that the statement only looks it up?"""
        importer = Place(lookups.read_item, frame.builtins, False, "__import__")
        if importer.look(self.run) is not builtins.__import__:
            return False
        self._identical(importer, builtins.__import__)
        if level:
            package, _ = self.take(Place(lookups.read_item, frame.globals, False, "__package__"))
            if type(package) is not str:
                return False
            try:
                name = importlib.util.resolve_name("." * level + name, package)
            except ImportError:
                return False
        wanted = [name] if fromlist or level else [name, name.partition(".")[0]]
        return all(map(self._is_imported, wanted))

    def _is_imported(self, name: str) -> bool:
        place = Place(lookups.read_item, sys.modules, False, name)
        module = place.look(self.run)
        self._identical(place, module)
        spec = getattr(module, "__spec__", None)
        return isinstance(module, ModuleType) and not getattr(spec, "_initializing", False)

    def import_from(self, module: Any, module_origin: Any, name: str) -> Any:
        known = isinstance(module, ModuleType) and module_origin is KNOWN
        if known and lookups.read_module(module, name) is not ABSENT:
            return self.get_attribute(module, module_origin, name)
        return self.leave(f"import of {name}").import_from(module, module_origin, name)
