"""From a Python function to register code."""

from __future__ import annotations

import ast
from types import CodeType, FunctionType
from typing import Any

from jitgrad.bounded import Bounded

from .builder import Label
from .code import NO_REGISTER, Code, Op, Parameters, Position, Unlowerable
from .scopes import analyse
from .source import Definition, definition_of
from .statements import Statements

__all__ = ["Unlowerable", "code_for"]

_CO_VARARGS = 0x04
_CO_VARKEYWORDS = 0x08
_CO_OPTIMIZED = 0x01
_CO_GENERATOR = 0x20
_REFUSED = {
    0x80: "coroutine function",
    0x100: "coroutine function",
    0x200: "asynchronous generator function",
}

# By identity: equal code objects may come from different files. Holding the code object keeps its
# id from being given to another one. Programs that make functions of text have no end of them.
_known: Bounded[int, tuple[CodeType, Code | tuple[str, int | None]]] = Bounded(1 << 12)


def code_for(function: FunctionType, *, generators: bool = False) -> Code:
    """Return the register code of `function`, lowered once for each code object.

    That of a generator function begins by making the generator and returning it; who knows what
    to do with one asks for `generators`, and for others CPython calls such functions.

    Raises:
        Unlowerable: it has no trustworthy source or does what register code cannot say.
    """
    code = function.__code__
    if code.co_flags & _CO_GENERATOR and not generators:
        raise Unlowerable("generator function", code.co_firstlineno)
    known = _known.get(id(code))
    if known is None:
        result: Code | tuple[str, int | None]
        try:
            result = _lower(code, function.__globals__)
        except Unlowerable as error:
            result = error.reason, error.line
        # another thread may have lowered it, too
        known = _known.put(id(code), (code, result))
    if isinstance(known[1], tuple):
        raise Unlowerable(*known[1])
    return known[1]


def _lower(code: CodeType, module_globals: dict[str, Any]) -> Code:
    for flag, kind in _REFUSED.items():
        if code.co_flags & flag:
            raise Unlowerable(kind, code.co_firstlineno)
    if not code.co_flags & _CO_OPTIMIZED:
        raise Unlowerable("class body", code.co_firstlineno)
    definition = definition_of(code, module_globals)
    try:
        return _Function(code, definition).lower()
    except RecursionError:
        raise Unlowerable("nested too deeply", code.co_firstlineno) from None


class _Function(Statements):
    """The lowering of one function: names get registers, then the body is emitted."""

    def __init__(self, code: CodeType, definition: Definition) -> None:
        names = analyse(definition.node, code, definition.class_name)
        super().__init__(code, definition, names)
        self.node = definition.node
        self.blocks = []

    def lower(self) -> Code:
        parameters = _parameters(self.python)
        if self.python.co_flags & _CO_GENERATOR:
            body = Label()
            generator = self.make(Op.GENERATOR, body)
            self.emit(Op.RETURN, generator)
            self.place(body)
            self.top = 0
        self._lay_out(parameters)
        if isinstance(self.node, ast.Lambda):
            value = self.expression(self.node.body)
            self.at(self.node.body)
            self.emit(Op.RETURN, value)
        elif isinstance(self.node, ast.GeneratorExp):
            self.at(self.node)
            self.generator_loop(self.node, 0, NO_REGISTER)
            self.emit(Op.RETURN, self.constant(None))
        else:
            self.body(self.node.body)
            self.emit(Op.RETURN, self.constant(None))
        # Labels behind the last instruction need one to point at.
        self.place(Label())
        self.emit(Op.RETURN, self.constant(None))
        return self.finish(parameters)

    def _lay_out(self, parameters: Parameters) -> None:
        """Give every name its register and emit what makes the cells."""
        scope = self.scopes[0]
        captured = self.names.captured
        line = self.python.co_firstlineno
        self.position = Position(line, line, 0, 0)
        for name in parameters.names:
            register = self.named_register(name)
            if name not in captured:
                scope.registers[name] = register
        for name in self.names.bound:
            if name not in captured and name not in scope.registers:
                scope.registers[name] = self.named_register(name)
        for name in self.names.bound:
            if name in captured:
                scope.cells[name] = self.named_register(name)
                self.emit(Op.MAKE_CELL, scope.cells[name], name)
        for index, name in enumerate(parameters.names):
            if name in captured:
                self.emit(Op.STORE_CELL, scope.cells[name], name, index)
        for index, name in enumerate(self.python.co_freevars):
            scope.cells[name] = self.named_register(name)
            self.emit(Op.CLOSURE_CELL, scope.cells[name], index, name)


def _parameters(code: CodeType) -> Parameters:
    has_varargs = bool(code.co_flags & _CO_VARARGS)
    has_varkw = bool(code.co_flags & _CO_VARKEYWORDS)
    count = code.co_argcount + code.co_kwonlyargcount + has_varargs + has_varkw
    return Parameters(
        names=code.co_varnames[:count],
        positional_only=code.co_posonlyargcount,
        positional=code.co_argcount,
        keyword_only=code.co_kwonlyargcount,
        has_varargs=has_varargs,
        has_varkw=has_varkw,
    )
