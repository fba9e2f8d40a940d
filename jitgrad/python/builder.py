"""Emitting instructions: registers, labels, protected regions, loads and stores of names."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import CodeType
from typing import Any, Final, NoReturn

from .code import (
    NO_REGISTER,
    ROLES,
    Code,
    Instruction,
    Op,
    Parameters,
    Position,
    Unlowerable,
    defined,
    next_edges,
    operands_of,
)
from .scopes import Names, mangle
from .source import Definition, constant_key

__all__ = ["COMPREHENSIONS_ARE_FUNCTIONS", "Builder", "Label", "Scope"]

_TEMPORARY: Final = 1 << 20  # temporaries are numbered from here until the named ones are counted
COMPREHENSIONS_ARE_FUNCTIONS: Final = sys.version_info < (3, 12)


@dataclass(eq=False, slots=True)
class Label:
    """A place to jump to; `pc` is set once it is placed."""

    pc: int = -1


@dataclass(slots=True)
class Scope:
    """Where the names of a function, or of one comprehension in it, are kept."""

    registers: dict[str, int] = field(default_factory=dict)
    cells: dict[str, int] = field(default_factory=dict)
    iterator: int | None = None
    """That of a comprehension: the first argument of the function which it was before 3.12."""


@dataclass(slots=True)
class _Emitted:
    instruction: Instruction
    position: Position
    handler: tuple[Label, int] | None
    handled: int | None


class Builder:
    """The state of lowering one function."""

    def __init__(self, code: CodeType, definition: Definition, names: Names) -> None:
        self.python = code
        self.class_name = definition.class_name
        self.names = names
        self.scopes: list[Scope] = [Scope()]
        self.emitted: list[_Emitted] = []
        self.named: list[str] = []
        self.top = 0
        """Temporaries in use; a statement gives back its own when it is done."""
        self.most = 0
        self.position = Position(code.co_firstlineno, code.co_firstlineno, 0, 0)
        self.handler: tuple[Label, int] | None = None
        self.handled: int | None = None
        self.last_label = 0
        """Where the newest label was placed: code before it is not to be edited any more."""
        self.constants = {constant_key(c): c for c in code.co_consts}

    # Registers and instructions

    def temporary(self) -> int:
        register = _TEMPORARY + self.top
        self.top += 1
        self.most = max(self.most, self.top)
        return register

    def named_register(self, name: str) -> int:
        self.named.append(name)
        return len(self.named) - 1

    def emit(self, op: Op, *operands: Any) -> None:
        self.emitted.append(
            _Emitted((int(op), *operands), self.position, self.handler, self.handled)
        )

    def make(self, op: Op, *operands: Any) -> int:
        """Emit an instruction that writes a new temporary, and return that."""
        register = self.temporary()
        self.emit(op, register, *operands)
        return register

    def constant(self, value: object) -> int:
        # The running code's own object where there is one, so that `is` agrees with CPython.
        return self.make(Op.CONST, self.constants.get(constant_key(value), value))

    def move(self, target: int, source: int) -> None:
        """Put `source` into `target`: where it is a temporary just made, make it there instead."""
        if source == target:
            return
        if source >= _TEMPORARY and self.last_label < len(self.emitted):
            last = self.emitted[-1]
            op, *operands = last.instruction
            if ROLES[op].startswith("d") and operands[0] == source:
                last.instruction = (op, target, *operands[1:])
                return
        self.emit(Op.MOVE, target, source)

    def copied(self, register: int) -> int:
        """Return a temporary with the value, one that no assignment to a name can change."""
        if register >= _TEMPORARY:
            return register
        return self.make(Op.MOVE, register)

    def iterator(self, source: int) -> int:
        """Return the register of an iterator over `source`, in whose place it comes if it can."""
        target = source if source >= _TEMPORARY else self.temporary()
        self.emit(Op.ITERATE, target, source)
        return target

    def forget(self, *registers: int) -> None:
        """Let go of what temporaries hold, and of what earlier statements have left in theirs.

        CPython takes such values off its stack at this point: so the generator of a loop that was
        left early is closed, and a handled exception is released with the frames that it knows.
        """
        stale = range(_TEMPORARY + self.top, _TEMPORARY + self.most)
        found = (*(each for each in registers if each >= _TEMPORARY), *stale)
        if found:
            self.emit(Op.FORGET, found)

    def place(self, label: Label) -> None:
        label.pc = self.last_label = len(self.emitted)

    def at(self, node: ast.AST) -> None:
        """Let the next instructions come from the source of `node`."""
        self.position = Position(node.lineno, node.end_lineno, node.col_offset, node.end_col_offset)  # type: ignore[attr-defined]

    @contextmanager
    def located(self, node: ast.AST) -> Iterator[None]:
        before = self.position
        self.at(node)
        yield
        self.position = before

    @contextmanager
    def protected(self, label: Label, register: int) -> Iterator[None]:
        """Send exceptions raised in here to `label`, with the exception in `register`."""
        before = self.handler
        self.handler = (label, register)
        yield
        self.handler = before

    @contextmanager
    def handling(self, register: int) -> Iterator[None]:
        """Mark what is emitted as run while the exception in `register` is being handled."""
        before = self.handled
        self.handled = register
        yield
        self.handled = before

    def refuse(self, reason: str, node: ast.AST) -> NoReturn:
        raise Unlowerable(reason, getattr(node, "lineno", None))

    # Names

    def mangled(self, name: str) -> str:
        return mangle(name, self.class_name)

    def resolve(self, name: str, *, walrus: bool = False) -> tuple[str, int]:
        """Return ("register" | "cell" | "global", register), the last with register -1."""
        for scope in reversed(self.scopes[:1] if walrus else self.scopes):
            if name in scope.cells:
                return "cell", scope.cells[name]
            if name in scope.registers:
                return "register", scope.registers[name]
        return "global", NO_REGISTER

    def load_name(self, identifier: str) -> int:
        if identifier == "__debug__":
            return self.constant(__debug__)
        name = self.mangled(identifier)
        kind, register = self.resolve(name)
        if kind == "global":
            return self.make(Op.LOAD_GLOBAL, name)
        # Before 3.12 a comprehension was a function, to which the outer local is a free variable.
        inner = self.scopes[-1]
        own = len(self.scopes) == 1 or name in inner.registers or name in inner.cells
        free = COMPREHENSIONS_ARE_FUNCTIONS and not own
        if kind == "cell":
            return self.make(Op.LOAD_CELL, register, name, free)
        self.emit(Op.CHECK, register, name, free)
        # An assignment expression may change the local before its value is used.
        return self.make(Op.MOVE, register) if name in self.names.walrus else register

    def store_name(self, identifier: str, value: int, *, walrus: bool = False) -> None:
        name = self.mangled(identifier)
        kind, register = self.resolve(name, walrus=walrus)
        if kind == "cell":
            self.emit(Op.STORE_CELL, register, name, value)
        elif kind == "global":
            self.emit(Op.STORE_GLOBAL, name, value)
        elif walrus:
            self.emit(Op.MOVE, register, value)
        else:
            self.move(register, value)

    def delete_name(self, identifier: str) -> None:
        name = self.mangled(identifier)
        kind, register = self.resolve(name)
        if kind == "cell":
            self.emit(Op.DELETE_CELL, register, name)
        elif kind == "global":
            self.emit(Op.DELETE_GLOBAL, name)
        else:
            self.emit(Op.CHECK, register, name, False)
            self.emit(Op.UNBIND, register)

    # The result

    def finish(self, parameters: Parameters) -> Code:
        instructions = [self._settled(e.instruction) for e in self.emitted]
        handlers = [
            None if e.handler is None else (e.handler[0].pc, self._number(e.handler[1]))
            for e in self.emitted
        ]
        kept = _needed(instructions, handlers, parameters, len(self.named))
        renumbered = [0] * (len(instructions) + 1)
        for pc in range(len(instructions)):
            renumbered[pc + 1] = renumbered[pc] + kept[pc]
        pcs = [pc for pc in range(len(instructions)) if kept[pc]]
        final = []
        for pc in pcs:
            instruction = instructions[pc]
            if ROLES[instruction[0]].endswith("t"):
                instruction = (*instruction[:-1], renumbered[instruction[-1]])
            final.append(instruction)
        moved = [
            None if entry is None else (renumbered[entry[0]], entry[1])
            for entry in (handlers[pc] for pc in pcs)
        ]
        handled = [self.emitted[pc].handled for pc in pcs]
        code = self.python
        return Code(
            name=code.co_name,
            qualname=code.co_qualname,
            filename=code.co_filename,
            first_line=code.co_firstlineno,
            python=code,
            parameters=parameters,
            instructions=tuple(final),
            register_names=(*self.named, *(f"t{n}" for n in range(self.most))),
            named_count=len(self.named),
            cell_names=tuple(n for n in self.scopes[0].cells if n not in code.co_freevars),
            free_names=code.co_freevars,
            lines=tuple(self.emitted[pc].position for pc in pcs),
            handlers=tuple(moved),
            handled=tuple(NO_REGISTER if r is None else self._number(r) for r in handled),
        )

    def _number(self, register: int) -> int:
        return register if register < _TEMPORARY else len(self.named) + register - _TEMPORARY

    def _settled(self, instruction: Instruction) -> Instruction:
        operands: list[Any] = []
        for role, operand in operands_of(instruction):
            if role in "ud":
                operand = self._number(operand)
            elif role in "UD":
                operand = tuple(self._number(r) for r in operand)
            elif role == "t":
                operand = operand.pc
            operands.append(operand)
        return (instruction[0], *operands)


def _needed(
    instructions: list[Instruction],
    handlers: list[tuple[int, int] | None],
    parameters: Parameters,
    named: int,
) -> list[bool]:
    """Tell for each instruction whether it is kept.

    Dropped is what control cannot reach, and each CHECK of a register that is certainly bound:
    forward dataflow over the set of bound registers, from the parameters on.
    """
    bound: list[int | None] = [None] * len(instructions)
    todo = [(0, (1 << len(parameters.names)) - 1)]
    while todo:
        pc, state = todo.pop()
        before = bound[pc]
        if before is not None:
            state &= before
            if state == before:
                continue
        bound[pc] = state
        entry = handlers[pc]
        if entry is not None:
            todo.append((entry[0], state))
        instruction = instructions[pc]
        after = state
        if instruction[0] == Op.UNBIND:
            after &= ~(1 << instruction[1])
        elif instruction[0] == Op.CHECK:
            after |= 1 << instruction[1]
        else:
            for register in defined(instruction):
                if register < named:
                    after |= 1 << register
        todo.extend(
            (target, after if written else state) for target, written in next_edges(instruction, pc)
        )
    return [
        state is not None and not (i[0] == Op.CHECK and state >> i[1] & 1)
        for i, state in zip(instructions, bound)
    ]
