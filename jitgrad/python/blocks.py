"""Lowering of blocks: how `try`, `with` and loops are entered, left, and left early."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from .builder import Label
from .code import Op
from .patterns import Patterns

__all__ = ["Block", "Blocks", "Loop"]


@dataclass(eq=False, slots=True)
class Block:
    """A block that `return`, `break` or `continue` may leave; outside it these are in force."""

    handler: tuple[Label, int] | None
    handled: int | None
    position: tuple[int, int, int, int]


@dataclass(eq=False, slots=True)
class Loop(Block):
    again: Label
    end: Label
    iterator: int | None = None


@dataclass(eq=False, slots=True)
class _Finally(Block):
    body: list[ast.stmt]


@dataclass(eq=False, slots=True)
class _With(Block):
    exit: int


@dataclass(eq=False, slots=True)
class _Handler(Block):
    """An `except` clause, whose name is unbound at its end, or an exceptional `finally`."""

    name: str | None
    exception: int


class Blocks(Patterns):
    """Leaving a block early runs its cleanup in place, as CPython does."""

    blocks: list[Block]

    def body(self, statements: Sequence[ast.stmt]) -> None:
        for statement in statements:
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        method = getattr(self, "stmt_" + type(node).__name__, None)
        if method is None:
            self.refuse(f"{_SPELLED.get(type(node).__name__, type(node).__name__)}", node)
        top = self.top
        self.at(node)
        method(node)
        self.top = top

    # Blocks and how they are left

    def now(self) -> tuple[tuple[Label, int] | None, int | None, tuple[int, int, int, int]]:
        return self.handler, self.handled, self.position

    @contextmanager
    def inside(self, block: Block) -> Iterator[None]:
        self.blocks.append(block)
        yield
        self.blocks.pop()

    @contextmanager
    def unwound(self, depth: int) -> Iterator[None]:
        """Emit the cleanup of all blocks above `depth`; inside, code runs as if outside of them."""
        blocks = self.blocks
        state = self.handler, self.handled, self.position
        for index in range(len(blocks) - 1, depth - 1, -1):
            block = blocks[index]
            self.blocks = blocks[:index]
            if isinstance(block, _Handler) and block.name is not None:
                self._forget_name(block.name)
            self.handler, self.handled = block.handler, block.handled
            if isinstance(block, _Handler):
                self.forget(block.exception)
            elif isinstance(block, Loop) and block.iterator is not None:
                self.forget(block.iterator)
            elif isinstance(block, _Finally):
                self.body(block.body)
            elif isinstance(block, _With):
                position = self.position
                self.position = self.position._make(block.position)
                self._call_exit(block.exit)
                self.position = position
        self.blocks = blocks[:depth]
        yield
        self.blocks = blocks
        self.handler, self.handled, self.position = state

    def _forget_name(self, name: str) -> None:
        """Unbind the name of an `except` clause, whether or not it is still bound."""
        self.store_name(name, self.constant(None))
        self.delete_name(name)

    def _call_exit(self, exit_: int) -> None:
        none = self.constant(None)
        self.make(Op.CALL, exit_, (none, none, none), (), ())

    # Exceptions and context managers

    def stmt_Try(self, node: ast.Try | ast.TryStar) -> None:
        if not node.finalbody:
            if isinstance(node, ast.TryStar):
                self._try_except_star(node)
            else:
                self._try_except(node)
            return
        caught, end = Label(), Label()
        register = self.temporary()
        block = _Finally(*self.now(), node.finalbody)
        with self.protected(caught, register), self.inside(block):
            if isinstance(node, ast.TryStar):
                self._try_except_star(node)
            elif node.handlers:
                self._try_except(node)
            else:
                self.body(node.body)
        self.body(node.finalbody)
        self.emit(Op.JUMP, end)
        self.place(caught)
        block = _Handler(*self.now(), None, register)
        with self.handling(register), self.inside(block):
            self.body(node.finalbody)
            self.emit(Op.RERAISE, register)
        self.place(end)

    stmt_TryStar = stmt_Try

    def _tried(self, node: ast.Try | ast.TryStar) -> tuple[int, Label]:
        """Perform what is tried, and come to where an exception is handled.

        Returns:
            The register that holds the exception, and where it goes on without one.
        """
        caught, end = Label(), Label()
        register = self.temporary()
        # A block of its own, so that leaving the body early leaves its protection too.
        with self.inside(Block(*self.now())), self.protected(caught, register):
            self.body(node.body)
        self.body(node.orelse)
        self.at(node)
        self.emit(Op.JUMP, end)
        self.place(caught)
        return register, end

    def _try_except(self, node: ast.Try) -> None:
        register, end = self._tried(node)
        outside = self.now()
        with self.handling(register):
            for handler in node.handlers:
                following = Label()
                self.at(handler)
                if handler.type is not None:
                    wanted = self.expression(handler.type)
                    with self.located(handler.type):
                        self.emit(Op.JUMP_UNLESS_CAUGHT, register, wanted, following)
                self._handler_body(handler, register, _Handler(*outside, handler.name, register))
                with self._no_longer_handling(outside):
                    self.forget(register)
                    self.emit(Op.JUMP, end)
                self.place(following)
            self.emit(Op.RERAISE, register)
        self.place(end)

    def _try_except_star(self, node: ast.TryStar) -> None:
        """Each clause takes its part of the group; what they raise is put together at the end."""
        register, end = self._tried(node)
        rest, match, raised = (self.temporary() for _ in range(3))
        none = Label()
        with self.handling(register):
            errors = self.make(Op.BUILD, "list", ())
            self.emit(Op.MOVE, rest, register)
            for handler in node.handlers:
                assert handler.type is not None
                following, failed = Label(), Label()
                self.at(handler)
                wanted = self.expression(handler.type)
                with self.located(handler.type):
                    self.emit(Op.SPLIT_GROUP, (rest, match), rest, wanted)
                self.jump_if_none(match, following)
                block = _Handler(*self.now(), handler.name, match)
                with self.protected(failed, raised), self.handling(match):
                    self._handler_body(handler, match, block)
                self.emit(Op.JUMP, following)
                self.place(failed)
                self.emit(Op.APPEND, errors, raised)
                self.place(following)
            self.at(node)
            self.emit(Op.APPEND, errors, rest)
            result = self.make(Op.JOIN_GROUPS, register, errors)
            self.jump_if_none(result, none)
            self.emit(Op.RERAISE, result)
        self.place(none)
        self.forget(register, rest, match, raised, errors, result)
        self.place(end)

    @contextmanager
    def _no_longer_handling(self, outside: tuple) -> Iterator[None]:
        before = self.handled
        self.handled = outside[1]
        yield
        self.handled = before

    def _handler_body(self, handler: ast.ExceptHandler, register: int, block: _Handler) -> None:
        if handler.name is None:
            with self.inside(block):
                self.body(handler.body)
            return
        cleanup, done = Label(), Label()
        self.store_name(handler.name, self.make(Op.MOVE, register))
        raised = self.temporary()
        with self.inside(block), self.protected(cleanup, raised):
            self.body(handler.body)
        self.at(handler)
        self._forget_name(handler.name)
        self.emit(Op.JUMP, done)
        self.place(cleanup)
        self._forget_name(handler.name)
        self.emit(Op.RERAISE, raised)
        self.place(done)

    def stmt_With(self, node: ast.With) -> None:
        self._with(node, 0)

    def _with(self, node: ast.With, index: int) -> None:
        if index == len(node.items):
            self.body(node.body)
            return
        item = node.items[index]
        with self.located(item.context_expr):
            manager = self.copied(self.expression(item.context_expr))
            enter = self.make(Op.LOAD_SPECIAL, manager, "__enter__")
            exit_ = self.make(Op.LOAD_SPECIAL, manager, "__exit__")
            entered = self.make(Op.CALL, enter, (), (), ())
            self.place(Label())  # the call stays outside of what is protected
            position = self.position
        caught, suppressed, end = Label(), Label(), Label()
        register = self.temporary()
        block = _With(self.handler, self.handled, position, exit_)
        with self.protected(caught, register), self.inside(block):
            if item.optional_vars is not None:
                self.store(item.optional_vars, entered)
            self._with(node, index + 1)
        self.position = position
        self._call_exit(exit_)
        self.emit(Op.JUMP, end)
        self.place(caught)
        with self.handling(register):
            parts = [self.make(Op.EXCEPTION_PART, register, part) for part in ("type", "value")]
            parts.append(self.make(Op.EXCEPTION_PART, register, "traceback"))
            suppress = self.make(Op.CALL, exit_, tuple(parts), (), ())
            self.emit(Op.JUMP_IF_TRUE, suppress, suppressed)
            self.emit(Op.RERAISE, register)
        self.place(suppressed)
        self.forget(register)
        self.place(end)


_SPELLED = {
    "AsyncFor": "async for",
    "AsyncWith": "async with",
    "TypeAlias": "type statement",
}
