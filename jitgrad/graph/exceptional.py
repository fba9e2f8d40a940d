"""How a replay makes exceptions that the call has made, and tracebacks."""

from __future__ import annotations

from typing import Any

from jitgrad.graph.recipes import Recipe
from jitgrad.python.frames import Entry, traceback_of


class Exceptional(Recipe):
    """An exception, with its traceback; of a group also what it has divided, and its notes."""

    __slots__ = (
        "args", "cause", "context", "inside", "key", "kind", "named", "notes", "suppresses",
        "traceback",
    )  # fmt: skip

    def __init__(self, key: Any, exception: BaseException) -> None:
        self.key = key
        self.kind: Any = type(exception)
        self.traceback: Recipe | None = None
        self.notes: Recipe | None = None
        self.inside: Recipe | None = None
        self.suppresses = exception.__suppress_context__
        self.args: tuple[Recipe, ...] = ()
        self.named: dict[str, Recipe] = {}
        self.context: Recipe | None = None
        self.cause: Recipe | None = None

    def build(self, run: Any) -> Any:
        made = run.made.get(self.key)
        if made is None:
            named = {name: each.build(run) for name, each in self.named.items()}
            args = [each.build(run) for each in self.args]
            if self.inside is None:
                made = self.kind(*args, **named)
            else:
                # the list that it was made of may have changed since
                made = self.kind(args[0], self.inside.build(run))
                made.args = tuple(args)
            run.made[self.key] = made
            if self.notes is not None:
                made.__notes__ = self.notes.build(run)
            if self.context is not None:
                made.__context__ = self.context.build(run)
            if self.cause is not None:
                made.__cause__ = self.cause.build(run)
            made.__suppress_context__ = self.suppresses
            if self.traceback is not None:
                made.__traceback__ = self.traceback.build(run)
            extra = {name: (named[name], each.origin) for name, each in self.named.items()}
            origins = [each.origin for each in self.args]
            run.register(made, self.key, origins, extra, "exception")
        return made

    def parts(self) -> tuple[Recipe, ...]:
        others = self.context, self.cause, self.traceback, self.notes, self.inside
        return (*self.args, *self.named.values(), *(each for each in others if each is not None))


class Traceback(Recipe):
    """A traceback, as `__exit__` is given it."""

    __slots__ = ("entries", "key")

    def __init__(self, key: Any, entries: list[Entry]) -> None:
        self.key = key
        self.entries = entries

    def build(self, run: Any) -> Any:
        made = run.made.get(self.key)
        if made is None:
            made = run.made[self.key] = traceback_of(self.entries)
            run.register(made, self.key, [], None, "traceback")
        return made
