"""Lowering of statements. Leaving a block early runs its cleanup in place, as CPython does."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from .builder import Label
from .code import Op
from .expressions import BINARY_SYMBOLS
from .patterns import Patterns

__all__ = ["Statements"]


@dataclass(eq=False, slots=True)
class _Block:
    """A block that `return`, `break` or `continue` may leave; outside it these are in force."""

    handler: tuple[Label, int] | None
    handled: int | None
    position: tuple[int, int, int, int]


@dataclass(eq=False, slots=True)
class _Loop(_Block):
    again: Label
    end: Label


@dataclass(eq=False, slots=True)
class _Finally(_Block):
    body: list[ast.stmt]


@dataclass(eq=False, slots=True)
class _With(_Block):
    exit: int


@dataclass(eq=False, slots=True)
class _Handler(_Block):
    """An `except` clause, whose name is unbound at its end, or an exceptional `finally`."""

    name: str | None


class Statements(Patterns):
    """Each `stmt_X` emits the instructions of one statement."""

    blocks: list[_Block]

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

    def stmt_Pass(self, node: ast.Pass) -> None:
        pass

    def stmt_Global(self, node: ast.Global) -> None:
        pass

    def stmt_Nonlocal(self, node: ast.Nonlocal) -> None:
        pass

    # Assignments

    def stmt_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.expression(node.value)

    def stmt_Assign(self, node: ast.Assign) -> None:
        target = node.targets[0]
        if len(node.targets) == 1 and self._assign_pairwise(target, node.value):
            return
        value = self.expression(node.value)
        if len(node.targets) > 1:
            # An earlier target may rebind the very local that is assigned.
            value = self.copied(value)
            self.place(Label())  # and no target may take the value's instruction for its own
        for target in node.targets:
            self.store(target, value)

    def _assign_pairwise(self, target: ast.expr, value: ast.expr) -> bool:
        """Lower `a, b = b, a` without a tuple in between."""
        if not isinstance(target, ast.Tuple | ast.List) or not isinstance(value, ast.Tuple):
            return False
        items = [*target.elts, *value.elts]
        if len(target.elts) != len(value.elts) or any(isinstance(i, ast.Starred) for i in items):
            return False
        parts = [self.copied(self.expression(item)) for item in value.elts]
        for item, part in zip(target.elts, parts):
            self.store(item, part)
        return True

    def stmt_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.store(node.target, self.expression(node.value))
        elif isinstance(node.target, ast.Attribute):
            self.expression(node.target.value)
        elif isinstance(node.target, ast.Subscript):
            self.expression(node.target.value)
            self.expression(node.target.slice)

    def stmt_AugAssign(self, node: ast.AugAssign) -> None:
        symbol = BINARY_SYMBOLS[type(node.op)]
        target = node.target
        if isinstance(target, ast.Name):
            with self.located(target):
                old = self.load_name(target.id)
            new = self.make(Op.INPLACE, symbol, old, self.expression(node.value))
            self.store_name(target.id, new)
        elif isinstance(target, ast.Attribute):
            owner = self.expression(target.value)
            name = self.mangled(target.attr)
            with self.located(target):
                self.at_attribute(target)
                old = self.make(Op.GET_ATTRIBUTE, owner, name)
            new = self.make(Op.INPLACE, symbol, old, self.expression(node.value))
            with self.located(target):
                self.at_attribute(target)
                self.emit(Op.SET_ATTRIBUTE, owner, name, new)
        else:
            owner = self.expression(target.value)
            key = self.expression(target.slice)
            with self.located(target):
                old = self.make(Op.GET_ITEM, owner, key)
            new = self.make(Op.INPLACE, symbol, old, self.expression(node.value))
            with self.located(target):
                self.emit(Op.SET_ITEM, owner, key, new)

    def stmt_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            self._delete(target)

    def _delete(self, target: ast.expr) -> None:
        with self.located(target):
            if isinstance(target, ast.Name):
                self.delete_name(target.id)
            elif isinstance(target, ast.Attribute):
                owner = self.expression(target.value)
                self.at_attribute(target)
                self.emit(Op.DELETE_ATTRIBUTE, owner, self.mangled(target.attr))
            elif isinstance(target, ast.Subscript):
                owner = self.expression(target.value)
                self.emit(Op.DELETE_ITEM, owner, self.expression(target.slice))
            elif isinstance(target, ast.Tuple | ast.List):
                for item in target.elts:
                    self._delete(item)

    # Branches and loops

    def stmt_If(self, node: ast.If) -> None:
        known = self.truth_of_constant(node.test)
        if known is not None:
            self.body(node.body if known else node.orelse)
            return
        otherwise, end = Label(), Label()
        self.jump_if(node.test, False, otherwise)
        self.body(node.body)
        if node.orelse:
            self.emit(Op.JUMP, end)
        self.place(otherwise)
        self.body(node.orelse)
        self.place(end)

    def stmt_While(self, node: ast.While) -> None:
        if self.truth_of_constant(node.test) is False:
            self.body(node.orelse)
            return
        again, otherwise, end = Label(), Label(), Label()
        self.place(again)
        self.jump_if(node.test, False, otherwise)
        with self._inside(_Loop(*self._now(), again, end)):
            self.body(node.body)
        self.at(node)
        self.emit(Op.JUMP, again)
        self.place(otherwise)
        self.body(node.orelse)
        self.place(end)

    def stmt_For(self, node: ast.For) -> None:
        source = self.expression(node.iter)
        with self.located(node.iter):
            iterator = self.make(Op.ITERATE, source)
        again, otherwise, end = Label(), Label(), Label()
        self.place(again)
        with self.located(node.iter):
            item = self.make(Op.ADVANCE, iterator, otherwise)
        self.store(node.target, item)
        with self._inside(_Loop(*self._now(), again, end)):
            self.body(node.body)
        self.at(node)
        self.emit(Op.JUMP, again)
        self.place(otherwise)
        self.body(node.orelse)
        self.place(end)

    def stmt_Break(self, node: ast.Break) -> None:
        self._leave_loop(lambda loop: loop.end)

    def stmt_Continue(self, node: ast.Continue) -> None:
        self._leave_loop(lambda loop: loop.again)

    def _leave_loop(self, choose: Callable[[_Loop], Label]) -> None:
        depth, loop = next(
            (i, block)
            for i, block in reversed(list(enumerate(self.blocks)))
            if isinstance(block, _Loop)
        )
        with self._unwound(depth + 1):
            self.emit(Op.JUMP, choose(loop))

    def stmt_Return(self, node: ast.Return) -> None:
        value = self.constant(None) if node.value is None else self.expression(node.value)
        if any(not isinstance(block, _Loop) for block in self.blocks):
            value = self.copied(value)
        with self._unwound(0):
            self.at(node)
            self.emit(Op.RETURN, value)

    # Blocks and how they are left

    def _now(self) -> tuple[tuple[Label, int] | None, int | None, tuple[int, int, int, int]]:
        return self.handler, self.handled, self.position

    @contextmanager
    def _inside(self, block: _Block) -> Iterator[None]:
        self.blocks.append(block)
        yield
        self.blocks.pop()

    @contextmanager
    def _unwound(self, depth: int) -> Iterator[None]:
        """Emit the cleanup of all blocks above `depth`; inside, code runs as if outside of them."""
        blocks = self.blocks
        state = self.handler, self.handled, self.position
        for index in range(len(blocks) - 1, depth - 1, -1):
            block = blocks[index]
            self.blocks = blocks[:index]
            if isinstance(block, _Handler) and block.name is not None:
                self._forget(block.name)
            self.handler, self.handled = block.handler, block.handled
            if isinstance(block, _Finally):
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

    def _forget(self, name: str) -> None:
        """Unbind the name of an `except` clause, whether or not it is still bound."""
        self.store_name(name, self.constant(None))
        self.delete_name(name)

    def _call_exit(self, exit_: int) -> None:
        none = self.constant(None)
        self.make(Op.CALL, exit_, (none, none, none), (), ())

    # Exceptions

    def stmt_Raise(self, node: ast.Raise) -> None:
        exception = None if node.exc is None else self.expression(node.exc)
        cause = None if node.cause is None else self.expression(node.cause)
        self.emit(Op.RAISE, exception, cause)

    def stmt_Assert(self, node: ast.Assert) -> None:
        if not __debug__:
            return
        end = Label()
        self.jump_if(node.test, True, end)
        self.at(node)
        exception = self.constant(AssertionError)
        if node.msg is not None:
            message = self.expression(node.msg)
            exception = self.make(Op.CALL, exception, (message,), (), ())
        if sys.version_info[:2] != (3, 12):
            self.at(node.test)
        self.emit(Op.RAISE, exception, None)
        self.place(end)

    def stmt_Try(self, node: ast.Try) -> None:
        if not node.finalbody:
            self._try_except(node)
            return
        caught, end = Label(), Label()
        register = self.temporary()
        block = _Finally(*self._now(), node.finalbody)
        with self.protected(caught, register), self._inside(block):
            if node.handlers:
                self._try_except(node)
            else:
                self.body(node.body)
        self.body(node.finalbody)
        self.emit(Op.JUMP, end)
        self.place(caught)
        block = _Handler(*self._now(), None)
        with self.handling(register), self._inside(block):
            self.body(node.finalbody)
            self.emit(Op.RERAISE, register)
        self.place(end)

    def _try_except(self, node: ast.Try) -> None:
        caught, end = Label(), Label()
        register = self.temporary()
        # A block of its own, so that leaving the body early leaves its protection too.
        with self._inside(_Block(*self._now())), self.protected(caught, register):
            self.body(node.body)
        self.body(node.orelse)
        self.at(node)
        self.emit(Op.JUMP, end)
        self.place(caught)
        outside = self._now()
        with self.handling(register):
            for handler in node.handlers:
                following = Label()
                self.at(handler)
                if handler.type is not None:
                    wanted = self.expression(handler.type)
                    with self.located(handler.type):
                        self.emit(Op.JUMP_UNLESS_CAUGHT, register, wanted, following)
                self._handler_body(handler, register, _Handler(*outside, handler.name))
                with self._no_longer_handling(outside):
                    self.emit(Op.JUMP, end)
                self.place(following)
            self.emit(Op.RERAISE, register)
        self.place(end)

    @contextmanager
    def _no_longer_handling(self, outside: tuple) -> Iterator[None]:
        before = self.handled
        self.handled = outside[1]
        yield
        self.handled = before

    def _handler_body(self, handler: ast.ExceptHandler, register: int, block: _Handler) -> None:
        if handler.name is None:
            with self._inside(block):
                self.body(handler.body)
            return
        cleanup, done = Label(), Label()
        self.store_name(handler.name, self.make(Op.MOVE, register))
        raised = self.temporary()
        with self._inside(block), self.protected(cleanup, raised):
            self.body(handler.body)
        self.at(handler)
        self._forget(handler.name)
        self.emit(Op.JUMP, done)
        self.place(cleanup)
        self._forget(handler.name)
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
        caught, end = Label(), Label()
        register = self.temporary()
        block = _With(self.handler, self.handled, position, exit_)
        with self.protected(caught, register), self._inside(block):
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
            self.emit(Op.JUMP_IF_TRUE, suppress, end)
            self.emit(Op.RERAISE, register)
        self.place(end)

    # Definitions, imports, match

    def stmt_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if getattr(node, "type_params", None):
            self.refuse("type parameters", node)
        decorators = [self.copied(self.expression(d)) for d in node.decorator_list]
        function = self.function(node)
        for decorator, expression in zip(reversed(decorators), reversed(node.decorator_list)):
            with self.located(expression):
                function = self.make(Op.CALL, decorator, (function,), (), ())
        self.store_name(node.name, function)

    stmt_AsyncFunctionDef = stmt_FunctionDef

    def stmt_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            name = self.mangled(alias.name)
            module = self.make(Op.IMPORT_NAME, name, None, 0)
            if alias.asname is None:
                self.store_name(alias.name.partition(".")[0], module)
                continue
            for part in alias.name.split(".")[1:]:
                module = self.make(Op.IMPORT_FROM, module, part)
            self.store_name(alias.asname, module)

    def stmt_ImportFrom(self, node: ast.ImportFrom) -> None:
        names = tuple(alias.name for alias in node.names)
        module = self.make(Op.IMPORT_NAME, node.module or "", names, node.level)
        for alias in node.names:
            value = self.make(Op.IMPORT_FROM, module, self.mangled(alias.name))
            self.store_name(alias.asname or alias.name, value)

    def stmt_Match(self, node: ast.Match) -> None:
        subject = self.copied(self.expression(node.subject))
        self.place(Label())
        end = Label()
        for case in node.cases:
            following = Label()
            captures: dict[str, int] = {}
            self.at(case.pattern)
            self.pattern(case.pattern, subject, following, captures)
            self.place(Label())
            for name, register in captures.items():
                self.store_name(name, register)
            if case.guard is not None:
                self.jump_if(case.guard, False, following)
            self.body(case.body)
            self.emit(Op.JUMP, end)
            self.place(following)
        self.place(end)


_SPELLED = {
    "ClassDef": "class statement",
    "TryStar": "except*",
    "AsyncFor": "async for",
    "AsyncWith": "async with",
    "TypeAlias": "type statement",
}
