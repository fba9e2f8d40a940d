"""Exceptions that are raised inside of generators by whoever runs these: `throw` and `close`."""

from __future__ import annotations

from types import BuiltinFunctionType
from typing import Any

from jitgrad.graph.generators import GeneratorRules
from jitgrad.graph.groups import GroupRules
from jitgrad.graph.origins import IDENTIFIED, KNOWN
from jitgrad.python import protocols
from jitgrad.python.operations import Resume
from jitgrad.python.suspended import Suspended


class ThrowingRules(GeneratorRules, GroupRules):
    """What raises inside of a generator made in the call."""

    def call_of_generator(self, callee: Any, co: Any, args: Any, ao: Any, kwargs: Any) -> Any:
        generator = None
        if isinstance(callee, BuiltinFunctionType) and self.active and not kwargs:
            generator = self._generator(callee.__self__)
        if generator is not None and callee.__name__ == "throw":
            return self._thrown_into(generator, args, ao)
        if generator is not None and callee.__name__ == "close" and not args:
            return self._closed(generator)
        return super().call_of_generator(callee, co, args, ao, kwargs)

    def _closed(self, generator: Suspended) -> Any:
        """End a generator; None where Python must."""
        if generator.is_running or generator.delegate is not None:
            return None
        if not generator.is_open:
            if not generator.is_over:
                generator.ends()
            return None, KNOWN
        if self.evaluator.frames[-1].handled() is not None or not self.has_known_context():
            # which becomes the context of what is thrown
            return None
        made: Any = generator.made
        throw = made.throw
        self.methods[id(throw)] = throw
        return self.protocol(protocols.closed, (throw,), (IDENTIFIED,))

    def _thrown_into(self, generator: Suspended, args: Any, ao: Any) -> Any:
        """Raise where a generator waits; None where Python must."""
        if generator.is_running or generator.is_over:
            return None
        if not generator.has_begun or generator.delegate is not None:
            return None
        entries = None
        if len(args) == 3 and ao[0] is KNOWN and type(args[1]) is args[0]:
            (_, thrown, entries), origin = args, ao[1]
        elif len(args) == 1:
            (thrown,), (origin,) = args, ao
        else:
            return None
        thrown, origin = self._raisable(thrown, origin)
        if origin is not IDENTIFIED or self._exception(thrown) is None:
            return None
        if entries is not None:
            if not self._is_traceback(entries):
                return None
            thrown.__traceback__ = entries
        return Resume(generator.frame, None, None, thrown)
