"""What register code asks of the world.

`Operations` performs each operation on real values and returns the value with its *origin*. To
the evaluator an origin is opaque: it keeps one beside each register and hands them back. Here
origins are always None; a recorder overrides these methods to learn where values come from.

Any method that an instruction calls may answer `Enter` instead: then a frame is pushed, and the
instruction completes with what that frame returns (a jump takes it for the truth, a store drops
it, and a StopIteration that leaves it ends an `advance`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Sequence
from types import CellType, CodeType, FunctionType
from typing import Any, Final

from . import matching
from .answers import ABSENT, EXHAUSTED, Answer, Enter, GiveBack, HandOut, Leave, Resume
from .binding import bind_arguments
from .frames import Frame, call_from, call_with_locals
from .symbols import BINARY, COMPARE, INPLACE, UNARY

__all__ = [
    "ABSENT",
    "BINARY",
    "COMPARE",
    "EXHAUSTED",
    "INPLACE",
    "UNARY",
    "Answer",
    "Enter",
    "GiveBack",
    "HandOut",
    "Leave",
    "Operations",
    "Resume",
    "bind_arguments",
]


_CONVERSIONS: Final[dict[str, Callable[[Any], str]]] = {"s": str, "r": repr, "a": ascii}

# By identity, since a callee's hash may be user code.
LOOKS_AT_LOCALS: Final = frozenset(
    map(id, (locals, vars, dir, eval, exec, sys._getframe)),
)


class Operations:
    """Performs every operation of register code as CPython would."""

    internal_files: frozenset[str] = frozenset()
    """Files whose frames are left out of tracebacks; a subclass adds its own `__file__`."""

    # Constants and names

    def constant(self, value: object) -> Any:
        """Return the origin of a constant of the code."""
        return None

    def load_global(self, frame: Frame, name: str) -> Answer:
        try:
            return frame.globals[name], None
        except KeyError:
            pass
        try:
            return frame.builtins[name], None
        except KeyError:
            pass
        raise NameError(f"name {name!r} is not defined", name=name)

    def store_global(self, frame: Frame, name: str, value: Any, origin: Any) -> Enter | None:
        frame.globals[name] = value

    def delete_global(self, frame: Frame, name: str) -> Enter | None:
        try:
            del frame.globals[name]
        except KeyError:
            pass
        else:
            return
        raise NameError(f"name {name!r} is not defined", name=name)

    def make_cell(self, frame: Frame, name: str) -> tuple[CellType, Any]:
        return CellType(), None

    def closure_cell(self, frame: Frame, index: int, name: str) -> tuple[CellType, Any]:
        """Return the cell of a free variable of `frame.function`."""
        closure = frame.function.__closure__
        assert closure is not None
        return closure[index], None

    def load_cell(self, frame: Frame, cell: CellType, cell_origin: Any, name: str) -> Answer:
        try:
            return cell.cell_contents, None
        except ValueError:
            pass
        raise matching.unbound_error(name, name in frame.code.free_names)

    def store_cell(
        self, frame: Frame, cell: CellType, cell_origin: Any, name: str, value: Any, origin: Any
    ) -> Enter | None:
        cell.cell_contents = value

    def delete_cell(
        self, frame: Frame, cell: CellType, cell_origin: Any, name: str
    ) -> Enter | None:
        self.load_cell(frame, cell, cell_origin, name)
        del cell.cell_contents

    # Attributes and items

    def get_attribute(self, obj: Any, obj_origin: Any, name: str) -> Answer:
        return getattr(obj, name), None

    def set_attribute(
        self, obj: Any, obj_origin: Any, name: str, value: Any, origin: Any
    ) -> Enter | None:
        setattr(obj, name, value)

    def delete_attribute(self, obj: Any, obj_origin: Any, name: str) -> Enter | None:
        delattr(obj, name)

    def get_item(self, obj: Any, obj_origin: Any, key: Any, key_origin: Any) -> Answer:
        return obj[key], None

    def set_item(
        self, obj: Any, obj_origin: Any, key: Any, key_origin: Any, value: Any, origin: Any
    ) -> Enter | None:
        obj[key] = value

    def delete_item(self, obj: Any, obj_origin: Any, key: Any, key_origin: Any) -> Enter | None:
        del obj[key]

    # Operators

    def unary(self, op: str, x: Any, xo: Any) -> Answer:
        return UNARY[op](x), None

    def binary(self, op: str, l: Any, lo: Any, r: Any, ro: Any) -> Answer:  # noqa: E741
        return BINARY[op](l, r), None

    def inplace(self, op: str, l: Any, lo: Any, r: Any, ro: Any) -> Answer:  # noqa: E741
        return INPLACE[op](l, r), None

    def compare(self, op: str, l: Any, lo: Any, r: Any, ro: Any) -> Answer:  # noqa: E741
        return COMPARE[op](l, r), None

    def truth(self, x: Any, xo: Any) -> bool | Enter:
        """Tell the truth of a value. Every jump on a value and every `not` asks here."""
        return True if x else False  # noqa: SIM210  bool() would be a call more

    # Displays, comprehensions, strings

    def build(self, kind: str, values: Sequence[Any], origins: Sequence[Any]) -> Answer:
        """Make a tuple, list, set, slice, or a dict from flat key, value pairs."""
        if kind == "tuple":
            return tuple(values), None
        if kind == "list":
            return list(values), None
        if kind == "dict":
            return dict(zip(values[::2], values[1::2])), None
        if kind == "set":
            return set(values), None
        if kind == "slice":
            return slice(*values), None
        raise ValueError(f"cannot build {kind!r}")

    def append(self, target: list[Any], lo: Any, value: Any, vo: Any) -> Enter | None:
        target.append(value)

    def add_to_set(self, target: set[Any], so: Any, value: Any, vo: Any) -> Enter | None:
        target.add(value)

    def store_in_dict(
        self, target: dict[Any, Any], do: Any, key: Any, ko: Any, value: Any, vo: Any
    ) -> Enter | None:
        target[key] = value

    def extend_list(self, target: list[Any], lo: Any, more: Any, mo: Any) -> Enter | None:
        """Perform the `*more` of a list or tuple display, or of positional arguments."""
        if not hasattr(type(more), "__iter__") and not hasattr(type(more), "__getitem__"):
            raise TypeError(f"Value after * must be an iterable, not {type(more).__name__}")
        target.extend(more)

    def update_set(self, target: set[Any], so: Any, more: Any, mo: Any) -> Enter | None:
        target.update(more)

    def update_dict(self, target: dict[Any, Any], do: Any, more: Any, mo: Any) -> Enter | None:
        """Perform the `**more` of a dict display."""
        target.update({**more})

    def list_to_tuple(self, items: list[Any], lo: Any) -> Answer:
        return tuple(items), None

    def join_string(self, parts: Sequence[str], origins: Sequence[Any]) -> Answer:
        return "".join(parts), None

    def format_value(
        self,
        value: Any,
        origin: Any,
        conversion: str | None,
        spec: Any = ABSENT,
        spec_origin: Any = None,
    ) -> Answer:
        """Format one field of an f-string; `conversion` is None, "s", "r" or "a"."""
        if conversion is not None:
            value = _CONVERSIONS[conversion](value)
        return format(value, "" if spec is ABSENT else spec), None

    # Iteration

    def unpack(
        self, x: Any, xo: Any, before: int, has_star: bool, after: int
    ) -> list[tuple[Any, Any]]:
        """Take x apart for `before` targets, a starred one, and `after` more."""
        return [(value, None) for value in matching.unpacker(before, has_star, after)(x)]

    def iterate(self, x: Any, xo: Any) -> Answer:
        return iter(x), None

    def advance(self, it: Any, io: Any) -> Answer | Any:
        """Return the next item, or EXHAUSTED."""
        item = next(it, EXHAUSTED)
        return EXHAUSTED if item is EXHAUSTED else (item, None)

    def parts_of(self, value: tuple[Any, ...], origin: Any) -> list[tuple[Any, Any]]:
        """Return what a frame that was entered to unpack something has returned, part by part."""
        return [(part, None) for part in value]

    def begin_again(self, evaluator: Any) -> None:
        """Learn that the evaluator goes on without the frames of generators."""
        raise NotImplementedError

    def hand_out(self, frame: Frame) -> None:
        """Learn that a generator is about to yield."""

    def delegate(self, frame: Frame, x: Any, xo: Any) -> Any:
        """Begin or go on with a `yield from`; None leaves it to whoever runs the generator."""
        return None

    def stop_iteration(self, value: Any, origin: Any) -> StopIteration:
        """Return what a call of `next` raises when a generator that was resumed returns."""
        return StopIteration() if value is None else StopIteration(value)

    def stopped_inside(self, exception: StopIteration) -> RuntimeError:
        """Return what the body of a generator raises that lets a StopIteration out."""
        error = RuntimeError("generator raised StopIteration")
        error.__cause__ = error.__context__ = exception
        return error

    # Calls

    def call(
        self,
        frame: Frame,
        callee: Any,
        co: Any,
        args: list[Any],
        arg_origins: list[Any],
        kwargs: dict[str, Any],
        kwarg_origins: dict[str, Any],
    ) -> Answer:
        if id(callee) in LOOKS_AT_LOCALS:
            return call_with_locals(frame, callee, args, kwargs), None
        return call_from(frame, callee, args, kwargs), None

    def arguments_tuple(self, callee: Any, co: Any, value: Any, origin: Any) -> Answer:
        """Return the tuple of arguments of `callee(*value)`."""
        return matching.arguments_tuple(callee, value), None

    def merge_keywords(
        self, keywords: dict[str, Any], ko: Any, more: Any, mo: Any, callee: Any, co: Any
    ) -> Enter | None:
        """Add `**more`, or the named arguments before the next `**`, to those of a call."""
        matching.merge_keywords(keywords, more, callee)

    def spread(
        self, args: tuple[Any, ...], ao: Any, kwargs: dict[str, Any] | None, ko: Any
    ) -> tuple[list[Any], list[Any], dict[str, Any], dict[str, Any]]:
        """Return arguments and origins held by the tuple and the dict of a call with stars."""
        kwargs = kwargs or {}
        return list(args), [None] * len(args), dict(kwargs), dict.fromkeys(kwargs)

    def make_function(
        self,
        frame: Frame,
        code: CodeType,
        qualname: str,
        defaults: tuple[Any, ...] | None,
        defaults_origin: Any,
        kwdefaults: dict[str, Any] | None,
        kwdefaults_origin: Any,
        annotations: dict[str, Any] | None,
        annotations_origin: Any,
        cells: list[CellType],
        cell_origins: list[Any],
    ) -> Answer:
        """Make the function of a nested `def`, `lambda` or generator expression."""
        function = FunctionType(code, frame.globals, code.co_name, defaults, tuple(cells) or None)
        function.__qualname__ = qualname
        if kwdefaults is not None:
            function.__kwdefaults__ = kwdefaults
        if annotations is not None:
            function.__annotations__ = annotations
        return function, None

    def make_generator(
        self, frame: Frame, make: Callable[[Frame, Operations], Generator[Any, Any, Any]]
    ) -> tuple[Any, Any]:
        """Return the generator over `frame`, made with the operations that its body is to use.

        CPython resumes it, from wherever it is used: outside of the evaluator that made it, so
        that those operations are neither to take part in its run nor to raise `Leave`.
        """
        return make(frame, Operations()), None

    def function_default(
        self, function: FunctionType, kind: str, key: int | str
    ) -> tuple[Any, Any]:
        """Return a default: kind "positional" with the index in `__defaults__`, or "keyword"."""
        if kind == "positional":
            return function.__defaults__[key], None  # type: ignore[index]
        return function.__kwdefaults__[key], None  # type: ignore[index]

    def load_build_class(self, frame: Frame) -> Answer:
        """Return what a class statement calls; CPython runs the body of the class."""
        if "__build_class__" not in frame.builtins:
            raise NameError("__build_class__ not found")
        if "__build_class__" in frame.globals:
            return frame.builtins["__build_class__"], None
        return self.load_global(frame, "__build_class__")

    # Imports, special methods, match

    def import_name(
        self, frame: Frame, name: str, fromlist: tuple[str, ...] | None, level: int
    ) -> Answer:
        importer = frame.builtins["__import__"]
        return importer(name, frame.globals, None, fromlist, level), None

    def import_from(self, module: Any, module_origin: Any, name: str) -> Answer:
        return matching.import_from(module, name), None

    def load_special(self, obj: Any, obj_origin: Any, name: str) -> Answer:
        """Return `__enter__` or `__exit__`, looked up on the type and bound."""
        return matching.special_method(obj, name), None

    def match_sequence(self, subject: Any, origin: Any) -> Answer:
        return matching.is_sequence(subject), None

    def match_mapping(self, subject: Any, origin: Any) -> Answer:
        return matching.is_mapping(subject), None

    def match_keys(self, subject: Any, so: Any, keys: tuple[Any, ...], ko: Any) -> Answer:
        """Return the tuple of the values of the keys, None if one is missing."""
        return matching.match_keys(subject, keys), None

    def match_class(
        self, subject: Any, so: Any, wanted: Any, wo: Any, positional: int, names: tuple[str, ...]
    ) -> Answer:
        """Return the tuple of what the sub-patterns look at, None if the class does not match."""
        return matching.match_class(subject, wanted, positional, names), None

    def get_length(self, subject: Any, origin: Any) -> Answer:
        return len(subject), None

    # Exceptions and the end

    def raise_exception(
        self, exception: Any, origin: Any, cause: Any = ABSENT, cause_origin: Any = None
    ) -> Enter | None:
        """Raise; an ABSENT exception means the one being handled, an ABSENT cause no `from`."""
        if exception is ABSENT:
            raise
        if cause is ABSENT:
            raise exception
        raise exception from cause

    def raised(self, exception: BaseException) -> None:
        """Learn what the instruction at hand has raised, before a handler is looked for."""

    def handle(self, exception: BaseException) -> Any:
        """Return the origin of an exception that a handler of the evaluated code receives."""
        return None

    def caught(self, exception: BaseException, origin: Any, wanted: Any, wo: Any) -> bool:
        """Tell whether an `except wanted` takes the exception."""
        return matching.caught(exception, wanted)

    def split_group(
        self, exception: BaseException | None, origin: Any, wanted: Any, wo: Any
    ) -> list[tuple[Any, Any]]:
        """Return what an `except* wanted` leaves of the exception, and what it takes of it."""
        return [(part, None) for part in matching.split_group(exception, wanted)]

    def join_groups(
        self, exception: BaseException, origin: Any, errors: list[BaseException | None], eo: Any
    ) -> Answer:
        """Return what `try` with `except*` raises in the end, None for nothing."""
        return matching.join_groups(exception, errors), None

    def exception_part(self, exception: BaseException, origin: Any, part: str) -> Answer:
        """Return the "type", "value" or "traceback" that `__exit__` is given."""
        if part == "type":
            return type(exception), None
        if part == "value":
            return exception, origin
        return exception.__traceback__, None

    def finished(self, value: Any, origin: Any) -> None:
        """Learn what the outermost frame is about to return."""
