"""Frames of the evaluator, and Python frames that stand in for them in tracebacks."""

from __future__ import annotations

import ast
import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import CellType, CodeType, FunctionType, TracebackType
from typing import Any, Final

from .code import Code, Position

__all__ = [
    "INTERNAL_FILES",
    "UNBOUND",
    "Frame",
    "call_from",
    "call_with_locals",
    "entries_of",
    "shown",
    "traceback_entry",
    "traceback_of",
]


class _Unbound:
    __slots__ = ()

    def __repr__(self) -> str:
        return "UNBOUND"


INTERNAL_FILES: Final = frozenset(map(str, Path(__file__).parent.glob("*.py")))
"""The evaluator's own files, whose frames are left out of tracebacks."""

UNBOUND: Final = _Unbound()
"""What a register holds that has no value."""


class Frame:
    """One evaluated call: the registers, and the position of the instruction that is next.

    While an instruction is at work `pc` is still its own. In a caller it is that of the
    instruction that waits for the callee's result.
    """

    __slots__ = (
        "builtins",
        "code",
        "function",
        "function_origin",
        "generator",
        "globals",
        "inherited",
        "origins",
        "pc",
        "values",
    )

    def __init__(
        self,
        code: Code,
        function: FunctionType,
        pc: int,
        values: list[Any],
        origins: list[Any],
        function_origin: Any = None,
    ) -> None:
        self.code = code
        self.function = function
        self.function_origin = function_origin
        self.pc = pc
        self.values = values
        self.origins = origins
        self.globals: dict[str, Any] = function.__globals__
        self.builtins: Mapping[str, Any] = function.__builtins__
        self.generator: Any = None
        """What knows the generator whose body this is, if an evaluator resumes it by itself."""
        self.inherited: BaseException | None = None
        """The exception that the evaluated callers were handling when they called."""

    def clear(self) -> None:
        """Let go of everything, since the call is over.

        Python frames and tracebacks may hold it longer; an exception in a register would hold it,
        and all that the call had, until the collector comes.
        """
        self.values.clear()
        self.origins.clear()

    @property
    def is_over(self) -> bool:
        """Has the call returned, or raised?"""
        return not self.values

    def handled(self) -> BaseException | None:
        """Return the exception being handled at this point, as `sys.exception()` would."""
        register = self.code.handled[self.pc]
        return self.inherited if register < 0 else self.values[register]

    def locals(self) -> dict[str, Any]:
        """Return the named registers that are bound, cells replaced by their contents."""
        found: dict[str, Any] = {}
        cells = {*self.code.cell_names, *self.code.free_names}
        for register in range(self.code.named_count):
            name, value = self.code.register_names[register], self.values[register]
            if name in cells and isinstance(value, CellType):
                try:
                    found[name] = value.cell_contents
                except ValueError:
                    found.pop(name, None)
            elif value is not UNBOUND:
                found[name] = value
        return found

    def __repr__(self) -> str:
        line = self.code.lines[self.pc].line
        return f"<frame of {self.code.qualname} at {self.code.filename}:{line}, pc {self.pc}>"


_FUTURE_FLAGS: Final = 0x1FE0000  # CO_FUTURE_*: exec() and eval() hand these on
_MARK: Final = "called by the evaluator"
_ENTRY_MARK: Final = "an entry of a traceback"


def _call(f: Any, a: Any, k: Any) -> Any:
    return f(*a, **k)


def _marked(code: CodeType, mark: str = _MARK) -> CodeType:
    return code.replace(co_consts=(*code.co_consts, mark))


def _generating() -> CodeType:
    """Return code whose frame waits as that of a generator does, at module level.

    Such a frame has none behind it. Others hold all frames that they were called from, with what
    these hold, and an exception would be part of a cycle.
    """
    code = compile("await f", "", "eval", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    flags = code.co_flags & ~inspect.CO_COROUTINE | inspect.CO_GENERATOR
    return code.replace(co_flags=flags)


_ENTRY: Final = _marked(_generating(), _ENTRY_MARK)
_CALL: Final = _marked(_call.__code__)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", SyntaxWarning)
    # constants stand for what is called and given, so that no names of theirs are among the locals
    _CALL_WITH_LOCALS: Final = _marked(compile("1(*2, **3)", "", "eval", dont_inherit=True))


def _is_stand_in_call(code: CodeType) -> bool:
    """Tell whether a Python frame with this code is there for the callee's sake only."""
    return code.co_consts[-1:] == (_MARK,) and code.co_consts[-1] is _MARK


def _stand_in(frame: Frame, template: CodeType) -> CodeType:
    """Return `template` as if it stood where the frame is in its source."""
    code = frame.code
    position = code.lines[frame.pc]
    units = len(template.co_code) // 2
    future = code.python.co_flags & _FUTURE_FLAGS
    return template.replace(
        co_filename=code.filename,
        co_name=code.name,
        co_qualname=code.qualname,
        co_firstlineno=code.first_line,
        co_flags=template.co_flags & ~_FUTURE_FLAGS | future,
        co_linetable=_line_table(position, code.first_line, units),
    )


def _line_table(position: Position, first_line: int, units: int) -> bytes:
    """Return a location table in which all code units have one position (long form entries)."""
    table = bytearray()
    line = first_line
    while units > 0:
        run = min(units, 8)
        table.append(0x80 | 14 << 3 | run - 1)
        delta = position.line - line
        table += _variable_length(delta << 1 if delta >= 0 else -delta << 1 | 1)
        table += _variable_length(max(position.end_line - position.line, 0))
        table += _variable_length(position.column + 1)
        table += _variable_length(position.end_column + 1)
        line = position.line
        units -= run
    return bytes(table)


def _variable_length(value: int) -> bytes:
    out = bytearray()
    while value >= 64:
        out.append(value & 63 | 64)
        value >>= 6
    out.append(value)
    return bytes(out)


def shown(
    entry: TracebackType | None, hidden: frozenset[str] = INTERNAL_FILES
) -> TracebackType | None:
    """Return the traceback without the entries of the evaluator's own files."""

    def next_shown(entry: TracebackType | None) -> TracebackType | None:
        while entry is not None:
            code = entry.tb_frame.f_code
            if code.co_filename not in hidden and not _is_stand_in_call(code):
                break
            entry = entry.tb_next
        return entry

    first = entry = next_shown(entry)
    while entry is not None:
        following = next_shown(entry.tb_next)
        if following is not entry.tb_next:
            entry.tb_next = following
        entry = following
    return first


def traceback_entry(frame: Frame, following: TracebackType | None) -> TracebackType:
    """Return the entry that CPython's own traceback would have for `frame`.

    Its Python frame has the user's file, function, line, columns, globals and locals.
    """
    stand_in = frame.code.entries.get(frame.pc)
    if stand_in is None:
        stand_in = frame.code.entries[frame.pc] = _stand_in(frame, _ENTRY)
    scope: dict[str, Any] = {}
    waiting = eval(stand_in, frame.globals, scope)
    scope.update(frame.locals())
    return TracebackType(following, waiting.gi_frame, 0, frame.code.lines[frame.pc].line)


Entry = tuple[CodeType, dict[str, Any], int]


def entries_of(traceback: TracebackType | None) -> list[Entry] | None:
    """Return what `traceback_of` needs; None if other frames than evaluated ones are shown."""
    found = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_consts[-1:] != (_ENTRY_MARK,) or code.co_consts[-1] is not _ENTRY_MARK:
            return None
        found.append((code, traceback.tb_frame.f_globals, traceback.tb_lineno))
        traceback = traceback.tb_next
    return found


def traceback_of(entries: Sequence[Entry]) -> TracebackType | None:
    """Return a traceback that shows these places; its frames have no locals."""
    made = None
    for code, module_globals, line in reversed(entries):
        made = TracebackType(made, eval(code, module_globals, {}).gi_frame, 0, line)
    return made


def call_from(
    frame: Frame, callee: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:
    """Call from a Python frame with the globals, name and line of `frame`.

    So `namedtuple`, `warnings.warn` or `logging` find the caller that they look for; it costs
    some 70 ns a call.
    """
    caller = frame.code.callers.get(frame.pc)
    if caller is None or caller.__globals__ is not frame.globals:
        caller = FunctionType(_stand_in(frame, _CALL), frame.globals)
        frame.code.callers[frame.pc] = caller
    return caller(callee, args, kwargs)


def call_with_locals(
    frame: Frame, callee: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Any:
    """Call what looks at its caller's locals, too."""
    given = {1: callee, 2: args, 3: kwargs}
    code = _stand_in(frame, _CALL_WITH_LOCALS)
    code = code.replace(co_consts=tuple(given.get(each, each) for each in code.co_consts))
    return eval(code, frame.globals, frame.locals())
