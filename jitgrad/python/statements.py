"""Lowering of statements."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable

from .blocks import Blocks, Loop
from .builder import Label
from .code import Op
from .expressions import BINARY_SYMBOLS
from .source import type_parameters

__all__ = ["Statements"]


class Statements(Blocks):
    """Each `stmt_X` emits the instructions of one statement."""

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
        self.forget()
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
        again, otherwise = Label(), Label()
        self.place(again)
        self.jump_if(node.test, False, otherwise)
        self._turns(node, again, otherwise)

    def stmt_For(self, node: ast.For) -> None:
        source = self.expression(node.iter)
        with self.located(node.iter):
            iterator = self.iterator(source)
        again, otherwise = Label(), Label()
        self.place(again)
        with self.located(node.iter):
            item = self.make(Op.ADVANCE, iterator, otherwise)
        self.store(node.target, item)
        self._turns(node, again, otherwise, iterator)

    def _turns(
        self,
        node: ast.While | ast.For,
        again: Label,
        otherwise: Label,
        iterator: int | None = None,
    ) -> None:
        """Perform the body and go back to `again`; behind the last turn, from `otherwise` on."""
        end = Label()
        with self.inside(Loop(*self.now(), again, end, iterator)):
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

    def _leave_loop(self, choose: Callable[[Loop], Label]) -> None:
        depth, loop = next(
            (i, block)
            for i, block in reversed(list(enumerate(self.blocks)))
            if isinstance(block, Loop)
        )
        with self.unwound(depth + 1):
            label = choose(loop)
            if label is loop.end and loop.iterator is not None:
                self.forget(loop.iterator)
            self.emit(Op.JUMP, label)

    def stmt_Return(self, node: ast.Return) -> None:
        value = self.constant(None) if node.value is None else self.expression(node.value)
        if any(not isinstance(block, Loop) for block in self.blocks):
            value = self.copied(value)
        with self.unwound(0):
            self.at(node)
            self.emit(Op.RETURN, value)

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

    # Definitions, imports, match

    def stmt_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        decorators = [self.copied(self.expression(d)) for d in node.decorator_list]
        self._decorated(node, decorators, self.function(node))

    stmt_AsyncFunctionDef = stmt_FunctionDef

    def stmt_ClassDef(self, node: ast.ClassDef) -> None:
        decorators = [self.copied(self.expression(d)) for d in node.decorator_list]
        if type_parameters(node):
            made = self.make(Op.CALL, self.make_function(node), (), (), ())
        else:
            build = self.make(Op.LOAD_BUILD_CLASS)
            leading = self.make_function(node), self.constant(node.name)
            made = self.call(build, leading, node.bases, node.keywords)
        self._decorated(node, decorators, made)

    def _decorated(
        self,
        node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef,
        decorators: list[int],
        made: int,
    ) -> None:
        for decorator, expression in zip(reversed(decorators), reversed(node.decorator_list)):
            with self.located(expression):
                made = self.make(Op.CALL, decorator, (made,), (), ())
        self.store_name(node.name, made)

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
