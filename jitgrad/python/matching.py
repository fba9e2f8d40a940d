"""What the interpreter does inside `match`, `with` and calls, said in Python.

Sources: `match_keys`, `match_class`, `import_from` and the call errors in CPython's `ceval.c`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import CellType, FunctionType
from typing import Any, Final

__all__ = [
    "arguments_tuple",
    "call_to_fail",
    "caught",
    "import_from",
    "is_empty",
    "is_mapping",
    "is_sequence",
    "join_groups",
    "match_class",
    "match_keys",
    "merge_keywords",
    "special_method",
    "split_group",
    "unbound_error",
    "unpacker",
]

_SEQUENCE: Final = 1 << 5
_MAPPING: Final = 1 << 6
_MATCH_SELF: Final = 1 << 22


def is_sequence(subject: object) -> bool:
    return bool(type(subject).__flags__ & _SEQUENCE)


def is_mapping(subject: object) -> bool:
    return bool(type(subject).__flags__ & _MAPPING)


def match_keys(subject: Any, keys: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """Return the values of the keys, None if one is missing."""
    if not keys:
        return ()
    get = subject.get
    seen: set[Any] = set()
    missing = object()
    values: list[Any] = []
    for key in keys:
        if key in seen:
            raise ValueError(f"mapping pattern checks duplicate key ({key!r})")
        seen.add(key)
        value = get(key, missing)
        if value is missing:
            return None
        values.append(value)
    return tuple(values)


def match_class(
    subject: Any, wanted: Any, positional: int, names: tuple[str, ...]
) -> tuple[Any, ...] | None:
    """Return the attributes that the sub-patterns look at, None if the subject does not match."""
    if not isinstance(wanted, type):
        match subject:
            case wanted():  # raises, in the words of this version of Python
                pass
    if not isinstance(subject, wanted):
        return None
    seen: set[str] = set()
    values: list[Any] = []
    if positional:
        match_self = False
        try:
            match_args = wanted.__match_args__  # type: ignore[attr-defined]
        except AttributeError:
            match_args = ()
            match_self = bool(wanted.__flags__ & _MATCH_SELF)
        if type(match_args) is not tuple:
            kind = type(match_args).__name__
            raise TypeError(f"{wanted.__name__}.__match_args__ must be a tuple (got {kind})")
        allowed = 1 if match_self else len(match_args)
        if allowed < positional:
            plural = "" if allowed == 1 else "s"
            raise TypeError(
                f"{wanted.__name__}() accepts {allowed} positional sub-pattern{plural} "
                f"({positional} given)"
            )
        if match_self:
            values.append(subject)
        for name in () if match_self else match_args[:positional]:
            if type(name) is not str:
                kind = type(name).__name__
                raise TypeError(f"__match_args__ elements must be strings (got {kind})")
            if not _attribute(subject, wanted, name, seen, values):
                return None
    for name in names:
        if not _attribute(subject, wanted, name, seen, values):
            return None
    return tuple(values)


def _attribute(subject: Any, wanted: type, name: str, seen: set[str], values: list[Any]) -> bool:
    if name in seen:
        raise TypeError(f"{wanted.__name__}() got multiple sub-patterns for attribute {name!r}")
    seen.add(name)
    try:
        values.append(getattr(subject, name))
    except AttributeError:
        return False
    return True


def caught(exception: BaseException, wanted: Any) -> bool:
    """Tell whether `except wanted` takes the exception: by subclass, never by user code."""
    kinds = wanted if isinstance(wanted, tuple) else (wanted,)
    if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds):
        raise TypeError("catching classes that do not inherit from BaseException is not allowed")
    bases = type(exception).__mro__
    return any(kind is base for kind in kinds for base in bases)


def split_group(
    exception: BaseException | None, wanted: Any
) -> tuple[BaseException | None, BaseException | None]:
    """Return (rest, match) of an exception, or what other clauses left of it, for `except*`."""
    kinds = wanted if isinstance(wanted, tuple) else (wanted,)
    if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds):
        raise TypeError("catching classes that do not inherit from BaseException is not allowed")
    if any(issubclass(kind, BaseExceptionGroup) for kind in kinds):
        raise TypeError("catching ExceptionGroup with except* is not allowed. Use except instead.")
    if exception is None:
        return None, None
    if caught(exception, wanted):
        if isinstance(exception, BaseExceptionGroup):
            return None, exception
        return None, BaseExceptionGroup("", (exception,))
    if isinstance(exception, BaseExceptionGroup):
        match, rest = exception.split(wanted)
        return rest, match
    return exception, None


def join_groups(
    exception: BaseException, errors: list[BaseException | None]
) -> BaseException | None:
    """Return what is raised after the clauses of `except*`: new exceptions and parts of the old.

    What was raised again, or not taken, keeps the shape that it had in the group.
    """
    left = [error for error in errors if error is not None]
    if not isinstance(exception, BaseExceptionGroup):
        return left[0] if left else None
    again = [error for error in left if _is_part(error, exception)]
    new = [error for error in left if not _is_part(error, exception)]
    kept = {id(leaf) for error in again for leaf in _leaves(error)}
    old = BaseExceptionGroup.subgroup(
        exception, lambda error: not isinstance(error, BaseExceptionGroup) and id(error) in kept
    )
    if not new:
        return old
    if old is not None:
        new.append(old)
    return new[0] if len(new) == 1 else BaseExceptionGroup("", new)


def _is_part(error: BaseException, group: BaseException) -> bool:
    return isinstance(error, BaseExceptionGroup) and (
        error.__traceback__ is group.__traceback__
        and error.__cause__ is group.__cause__
        and error.__context__ is group.__context__
    )


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def special_method(owner: Any, name: str) -> Any:
    """Return a method looked up on the type, as `with` does."""
    kind = type(owner)
    for base in kind.__mro__:
        if name in base.__dict__:
            found = base.__dict__[name]
            bind = getattr(type(found), "__get__", None)
            return found if bind is None else bind(found, owner, kind)
    hint = " (missed __exit__ method)" if name == "__exit__" else ""
    raise TypeError(f"{kind.__name__!r} object does not support the context manager protocol{hint}")


def import_from(module: Any, name: str) -> Any:
    try:
        return getattr(module, name)
    except AttributeError:
        pass
    # The submodule of a package still being imported, or the interpreter's own error.
    scope = {"__builtins__": {"__import__": lambda *_: module}}
    exec(f"from _ import {name}", scope)
    return scope[name]


def function_string(callee: Any) -> str:
    """Return how CPython's call errors name a callee."""
    try:
        qualname = callee.__qualname__
        if not isinstance(qualname, str):
            return str(callee)
        module = callee.__module__
    except AttributeError:
        return str(callee)
    if module is None or module == "builtins":
        return f"{qualname}()"
    return f"{module}.{qualname}()"


def arguments_tuple(callee: Any, value: Any) -> tuple[Any, ...]:
    """Return the arguments of `f(*value)`."""
    if not hasattr(type(value), "__iter__") and not hasattr(type(value), "__getitem__"):
        kind = type(value).__name__
        raise TypeError(
            f"{function_string(callee)} argument after * must be an iterable, not {kind}"
        )
    return tuple(value)


def merge_keywords(keywords: dict[str, Any], more: Any, callee: Any) -> None:
    """Add `**more` to the keyword arguments of a call."""
    if not hasattr(more, "keys"):
        kind = type(more).__name__
        raise TypeError(
            f"{function_string(callee)} argument after ** must be a mapping, not {kind}"
        )
    for name in more if type(more) is dict else more.keys():
        if name in keywords:
            raise TypeError(
                f"{function_string(callee)} got multiple values for keyword argument '{name}'"
            )
        keywords[name] = more[name]


def unbound_error(name: str, is_free: bool) -> NameError:
    """Return the error for a local or free variable without value."""
    if is_free:
        return NameError(
            f"cannot access free variable {name!r} where it is not associated with a value in "
            "enclosing scope",
            name=name,
        )
    return UnboundLocalError(
        f"cannot access local variable {name!r} where it is not associated with a value"
    )


def is_empty(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return True
    return False


_unpackers: dict[tuple[int, bool, int], Callable[[Any], tuple[Any, ...]]] = {}


def unpacker(before: int, has_star: bool, after: int) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function that unpacks by a real assignment, for the exact protocol and errors."""
    key = before, has_star, after
    found = _unpackers.get(key)
    if found is None:
        count = before + after + has_star
        names = [f"a{index}" for index in range(count)]
        targets = "".join(
            ("*" if has_star and index == before else "") + name + ","
            for index, name in enumerate(names)
        )
        scope: dict[str, Any] = {}
        source = f"def unpack(x):\n    ({targets}) = x\n    return ({','.join(names)},)"
        if not count:
            source = "def unpack(x):\n    () = x\n    return ()"
        exec(source, scope)
        found = _unpackers[key] = scope["unpack"]
    return found


def call_to_fail(function: FunctionType, args: list[Any], kwargs: Mapping[str, Any]) -> None:
    """Let CPython say why the arguments do not fit; the body of `function` never runs."""
    function(*args, **kwargs)
    raise SystemError(f"{function.__qualname__}() took arguments that do not fit it")
