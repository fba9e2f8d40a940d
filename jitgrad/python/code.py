"""Register code: the instructions, the code object that holds them, and what is live where.

An instruction is a tuple `(op, *operands)`; `ROLES` says what each operand is, so that printing,
liveness and renumbering need no knowledge of single instructions. A frame has no block stack: the
exception table is static, iterators, context managers and handled exceptions are in registers.
"""

from __future__ import annotations

import linecache
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from types import CodeType, FunctionType
from typing import Any, Final, NamedTuple

__all__ = [
    "ROLES",
    "Code",
    "Instruction",
    "Op",
    "Parameters",
    "Position",
    "Unlowerable",
    "defined",
    "next_edges",
    "operands_of",
    "used",
]

Instruction = tuple[Any, ...]
NO_REGISTER: Final = -1


class Unlowerable(Exception):
    """A function that has no register code; `reason` says why and `line` where, if at one."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason if line is None else f"{reason} (line {line})")
        self.reason = reason
        self.line = line


class Op(IntEnum):
    """What an instruction does. Operands are described by `ROLES`, in this order."""

    CONST = 0
    MOVE = 1
    CHECK = 2
    UNBIND = 3
    LOAD_GLOBAL = 4
    STORE_GLOBAL = 5
    DELETE_GLOBAL = 6
    MAKE_CELL = 7
    CLOSURE_CELL = 8
    LOAD_CELL = 9
    STORE_CELL = 10
    DELETE_CELL = 11
    GET_ATTRIBUTE = 12
    SET_ATTRIBUTE = 13
    DELETE_ATTRIBUTE = 14
    GET_ITEM = 15
    SET_ITEM = 16
    DELETE_ITEM = 17
    UNARY = 18
    NOT = 19
    BINARY = 20
    INPLACE = 21
    COMPARE = 22
    BUILD = 23
    APPEND = 24
    ADD_TO_SET = 25
    STORE_IN_DICT = 26
    EXTEND_LIST = 27
    UPDATE_SET = 28
    UPDATE_DICT = 29
    MERGE_KEYWORDS = 30
    SPREAD_TUPLE = 31
    LIST_TO_TUPLE = 32
    JOIN_STRING = 33
    FORMAT = 34
    UNPACK = 35
    ITERATE = 36
    ADVANCE = 37
    CALL = 38
    CALL_SPREAD = 39
    CALL_SUPER = 40
    MAKE_FUNCTION = 41
    IMPORT_NAME = 42
    IMPORT_FROM = 43
    LOAD_SPECIAL = 44
    MATCH_SEQUENCE = 45
    MATCH_MAPPING = 46
    MATCH_KEYS = 47
    MATCH_CLASS = 48
    GET_LENGTH = 49
    JUMP = 50
    JUMP_IF_TRUE = 51
    JUMP_IF_FALSE = 52
    JUMP_UNLESS_CAUGHT = 53
    RETURN = 54
    RAISE = 55
    RERAISE = 56
    EXCEPTION_PART = 57
    LOAD_BUILD_CLASS = 58
    SPLIT_GROUP = 59
    JOIN_GROUPS = 60
    GENERATOR = 61
    YIELD = 62
    YIELD_FROM = 63
    FORGET = 64


ROLES: Final[dict[int, str]] = {
    Op.CONST: "di",
    Op.MOVE: "du",
    Op.CHECK: "uii",
    Op.UNBIND: "d",
    Op.LOAD_GLOBAL: "di",
    Op.STORE_GLOBAL: "iu",
    Op.DELETE_GLOBAL: "i",
    Op.MAKE_CELL: "di",
    Op.CLOSURE_CELL: "dii",
    Op.LOAD_CELL: "duii",
    Op.STORE_CELL: "uiu",
    Op.DELETE_CELL: "ui",
    Op.GET_ATTRIBUTE: "dui",
    Op.SET_ATTRIBUTE: "uiu",
    Op.DELETE_ATTRIBUTE: "ui",
    Op.GET_ITEM: "duu",
    Op.SET_ITEM: "uuu",
    Op.DELETE_ITEM: "uu",
    Op.UNARY: "diu",
    Op.NOT: "du",
    Op.BINARY: "diuu",
    Op.INPLACE: "diuu",
    Op.COMPARE: "diuu",
    Op.BUILD: "diU",
    Op.APPEND: "uu",
    Op.ADD_TO_SET: "uu",
    Op.STORE_IN_DICT: "uuu",
    Op.EXTEND_LIST: "uu",
    Op.UPDATE_SET: "uu",
    Op.UPDATE_DICT: "uu",
    Op.MERGE_KEYWORDS: "uuu",
    Op.SPREAD_TUPLE: "duu",
    Op.LIST_TO_TUPLE: "du",
    Op.JOIN_STRING: "dU",
    Op.FORMAT: "duio",
    Op.UNPACK: "Duiii",
    Op.ITERATE: "du",
    Op.ADVANCE: "dut",
    Op.CALL: "duUiU",
    Op.CALL_SPREAD: "duuo",
    Op.CALL_SUPER: "duoo",
    Op.MAKE_FUNCTION: "diioooU",
    Op.IMPORT_NAME: "diii",
    Op.IMPORT_FROM: "dui",
    Op.LOAD_SPECIAL: "dui",
    Op.MATCH_SEQUENCE: "du",
    Op.MATCH_MAPPING: "du",
    Op.MATCH_KEYS: "duu",
    Op.MATCH_CLASS: "duuii",
    Op.GET_LENGTH: "du",
    Op.JUMP: "t",
    Op.JUMP_IF_TRUE: "ut",
    Op.JUMP_IF_FALSE: "ut",
    Op.JUMP_UNLESS_CAUGHT: "uut",
    Op.RETURN: "u",
    Op.RAISE: "oo",
    Op.RERAISE: "u",
    Op.EXCEPTION_PART: "dui",
    Op.LOAD_BUILD_CLASS: "d",
    Op.SPLIT_GROUP: "Duu",
    Op.JOIN_GROUPS: "duu",
    Op.GENERATOR: "dt",
    Op.YIELD: "du",
    Op.YIELD_FROM: "du",
    Op.FORGET: "D",
}
"""Operands by instruction: d register written (always the first), D tuple of registers written,
u register read, U tuple of registers read, o register read or None, t jump target, i anything else.
"""

_NO_FALL_THROUGH: Final = frozenset({Op.JUMP, Op.RETURN, Op.RAISE, Op.RERAISE})


def operands_of(instruction: Instruction) -> Iterator[tuple[str, Any]]:
    """Yield (role, operand); an optional register is "u" if there, else "i"."""
    for index, role in enumerate(ROLES[instruction[0]], 1):
        operand = instruction[index]
        if role == "o":
            role = "i" if operand is None else "u"
        yield role, operand


def used(instruction: Instruction) -> Iterator[int]:
    """Yield the registers that the instruction reads."""
    for role, operand in operands_of(instruction):
        if role == "u":
            yield operand
        elif role == "U":
            yield from operand


def defined(instruction: Instruction) -> Iterator[int]:
    """Yield the registers that the instruction writes."""
    role = ROLES[instruction[0]][:1]
    if role == "d":
        yield instruction[1]
    elif role == "D":
        yield from instruction[1]


def next_edges(instruction: Instruction, pc: int) -> Iterator[tuple[int, bool]]:
    """Yield where control may go after the instruction at `pc`, exceptions left aside.

    With each place comes whether the instruction has then written its registers: an iterator
    that is exhausted leaves the loop variable alone.
    """
    if instruction[0] not in _NO_FALL_THROUGH:
        yield pc + 1, True
    if ROLES[instruction[0]].endswith("t"):
        yield instruction[-1], instruction[0] != Op.ADVANCE


class Position(NamedTuple):
    """Where in the source an instruction comes from; columns count UTF-8 bytes from 0."""

    line: int
    end_line: int
    column: int
    end_column: int


class Parameters(NamedTuple):
    """The parameters in the order of their registers, which are the first of the frame."""

    names: tuple[str, ...]
    positional_only: int
    positional: int
    """Positional parameters, the positional-only ones included."""
    keyword_only: int
    has_varargs: bool
    has_varkw: bool


@dataclass(slots=True, eq=False)
class Code:
    """A function body as register code."""

    name: str
    qualname: str
    filename: str
    first_line: int
    python: CodeType
    """The code object that CPython runs for the same function."""
    parameters: Parameters
    instructions: tuple[Instruction, ...]
    register_names: tuple[str, ...]
    """Named locals first (parameters before all), then temporaries."""
    named_count: int
    cell_names: tuple[str, ...]
    free_names: tuple[str, ...]
    lines: tuple[Position, ...]
    handlers: tuple[tuple[int, int] | None, ...]
    """For each pc: (handler pc, register that receives the exception), or None."""
    handled: tuple[int, ...]
    """For each pc: the register with the exception being handled there, or -1."""
    _live: list[tuple[int, ...]] | None = field(default=None, init=False, repr=False)
    _used: list[tuple[int, ...]] | None = field(default=None, init=False, repr=False)
    loops: Any = field(default=None, init=False, repr=False)
    # By pc, what `frames` shows to Python in place of this function's frame.
    entries: dict[int, CodeType] = field(default_factory=dict, init=False, repr=False)
    callers: dict[int, FunctionType] = field(default_factory=dict, init=False, repr=False)
    # By where calls begin anew that have this function's frame outermost, what describes the place.
    layouts: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def register_count(self) -> int:
        return len(self.register_names)

    @property
    def exception_table(self) -> list[tuple[int, int, int, int]]:
        """Return `(start, end, handler pc, exception register)` for each run of protected pcs."""
        table: list[tuple[int, int, int, int]] = []
        for pc, entry in enumerate(self.handlers):
            if entry is None:
                continue
            if table and table[-1][1] == pc and table[-1][2:] == entry:
                table[-1] = (table[-1][0], pc + 1, *entry)
            else:
                table.append((pc, pc + 1, *entry))
        return table

    def live_at(self, pc: int) -> tuple[int, ...]:
        """Return the registers whose value may still be read, just before the instruction at pc.

        A frame whose other registers are unbound goes on from `pc` exactly as before. The handled
        exception counts as read by every instruction of its handler, since `sys.exc_info()` and a
        bare `raise` in a callee can see it.
        """
        if self._live is None:
            self._live = _liveness(self)
        return self._live[pc]

    def used_at(self, pc: int) -> tuple[int, ...]:
        """Return the registers that the instruction at `pc` reads."""
        if self._used is None:
            self._used = [tuple(used(each)) for each in self.instructions]
        return self._used[pc]

    def describe(self, pc: int) -> str:
        """Return the instruction at `pc` as text, with register names."""
        instruction = self.instructions[pc]
        words = [Op(instruction[0]).name.lower()]
        for role, operand in operands_of(instruction):
            if role in "ud":
                words.append(self.register_names[operand])
            elif role in "UD":
                words.append("(" + ", ".join(self.register_names[r] for r in operand) + ")")
            elif role == "t":
                words.append(f"-> {operand}")
            else:
                words.append(_short(operand))
        return " ".join(words)

    def __str__(self) -> str:
        lines = [f"{self.qualname} at {self.filename}:{self.first_line}"]
        shown = 0
        for pc, position in enumerate(self.lines):
            if position.line != shown:
                shown = position.line
                text = linecache.getline(self.filename, shown).strip()
                lines.append(f"{shown:5d} | {text}")
            text = f"      {pc:4d}  {self.describe(pc)}"
            entry = self.handlers[pc]
            if entry is not None:
                text = f"{text:64s}  ! -> {entry[0]}"
            lines.append(text)
        return "\n".join(lines)


def _short(operand: object) -> str:
    text = operand.co_qualname if isinstance(operand, CodeType) else repr(operand)
    return text if len(text) <= 40 else text[:37] + "..."


def _liveness(code: Code) -> list[tuple[int, ...]]:
    """Return the live registers of each pc: backward dataflow over bit sets.

    An exception leaves the instruction before it has written anything, so that the edge to the
    handler carries all that the handler needs except the exception itself.
    """
    count = len(code.instructions)
    reads = [sum(1 << r for r in set(used(i))) for i in code.instructions]
    writes = [sum(1 << r for r in set(defined(i))) for i in code.instructions]
    for pc, register in enumerate(code.handled):
        if register >= 0:
            reads[pc] |= 1 << register
    successors = [tuple(next_edges(i, pc)) for pc, i in enumerate(code.instructions)]
    live = [0] * (count + 1)
    changed = True
    while changed:
        changed = False
        for pc in range(count - 1, -1, -1):
            before = reads[pc]
            for successor, written in successors[pc]:
                before |= live[successor] & ~writes[pc] if written else live[successor]
            entry = code.handlers[pc]
            if entry is not None:
                before |= live[entry[0]] & ~(1 << entry[1])
            if before != live[pc]:
                live[pc] = before
                changed = True
    return [tuple(r for r in range(code.register_count) if bits >> r & 1) for bits in live[:count]]
