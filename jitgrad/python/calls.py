"""Lowering of calls, nested functions and comprehensions."""

from __future__ import annotations

import ast
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from .builder import COMPREHENSIONS_ARE_FUNCTIONS, Label, Scope
from .code import Op
from .expressions import FRAME_FUNCTIONS, Expressions
from .scopes import Comprehension
from .source import Nested, type_parameters

__all__ = ["Calls"]

_NEEDS_FRAME: Final = {"locals": 0, "vars": 0, "dir": 0, "eval": 1, "exec": 1}
"""Builtins that look at the frame of their caller when called with no more arguments than this."""
_CO_FUTURE_ANNOTATIONS: Final = 0x1000000


class Calls(Expressions):
    """Expressions that call, or that have a scope of their own."""

    def expr_Call(self, node: ast.Call) -> int:
        self._check_frame_functions(node)
        if (
            isinstance(node.func, ast.Name)
            and node.func.id == "super"
            and not node.args
            and not node.keywords
            and self.resolve("super")[0] == "global"
        ):
            return self._zero_argument_super(node)
        callee = self.expression(node.func)
        return self.call(callee, (), node.args, node.keywords, node)

    def call(
        self,
        callee: int,
        leading: tuple[int, ...],
        arguments: list[ast.expr],
        keywords: list[ast.keyword],
        node: ast.Call | None = None,
    ) -> int:
        """Call with the registers `leading` and the arguments; `node` is the call, if it is one."""
        if any(isinstance(a, ast.Starred) for a in arguments) or any(
            keyword.arg is None for keyword in keywords
        ):
            return self._spread_call(callee, leading, arguments, keywords)
        registers = (*leading, *map(self.expression, arguments))
        values = tuple(self.expression(keyword.value) for keyword in keywords)
        if node is not None and isinstance(node.func, ast.Attribute):
            self.at_attribute(node.func, node)
        names = tuple(keyword.arg for keyword in keywords)
        return self.make(Op.CALL, callee, registers, names, values)

    def _check_frame_functions(self, node: ast.Call) -> None:
        if not isinstance(node.func, ast.Name):
            return
        name = node.func.id
        if self.resolve(self.mangled(name))[0] != "global":
            return
        if name in FRAME_FUNCTIONS:
            self.refuse(f"{name}() looks at frames", node)
        if name in _NEEDS_FRAME and len(node.args) + len(node.keywords) <= _NEEDS_FRAME[name]:
            self.refuse(f"{name}() needs the frame of its caller", node)

    def _zero_argument_super(self, node: ast.Call) -> int:
        """`super()` asks its caller's frame for `__class__` and the first argument."""
        callee = self.expression(node.func)
        class_kind, class_cell = self.resolve("__class__")
        first = self.scopes[-1].iterator if COMPREHENSIONS_ARE_FUNCTIONS else None
        if first is None and self.python.co_argcount:
            # A register or a cell; without value it has been deleted.
            first = self.resolve(self.python.co_varnames[0])[1]
        return self.make(Op.CALL_SUPER, callee, class_cell if class_kind == "cell" else None, first)

    def _spread_call(
        self,
        callee: int,
        leading: tuple[int, ...],
        args: list[ast.expr],
        keyword_args: list[ast.keyword],
    ) -> int:
        only = args[0] if len(args) == 1 and not leading else None
        if isinstance(only, ast.Starred):
            arguments = self.copied(self.expression(only.value))
        elif any(isinstance(a, ast.Starred) for a in args):
            arguments = self.make(Op.LIST_TO_TUPLE, self.starred_list(args, leading))
        else:
            registers = (*leading, *map(self.expression, args))
            arguments = self.make(Op.BUILD, "tuple", registers)
        keywords: int | None = None
        named: list[tuple[str, int]] = []
        for keyword in keyword_args:
            if keyword.arg is not None:
                named.append((keyword.arg, self.expression(keyword.value)))
                continue
            keywords = self._merge_named(keywords, named, callee)
            if keywords is None:
                keywords = self.make(Op.BUILD, "dict", ())
            self.emit(Op.MERGE_KEYWORDS, keywords, self.expression(keyword.value), callee)
        keywords = self._merge_named(keywords, named, callee)
        if isinstance(only, ast.Starred):
            arguments = self.make(Op.SPREAD_TUPLE, arguments, callee)
        return self.make(Op.CALL_SPREAD, callee, arguments, keywords)

    def _merge_named(
        self, keywords: int | None, named: list[tuple[str, int]], callee: int
    ) -> int | None:
        if not named:
            return keywords
        pairs: list[int] = []
        for name, value in named:
            pairs += [self.constant(name), value]
        named.clear()
        built = self.make(Op.BUILD, "dict", tuple(pairs))
        if keywords is None:
            return built
        self.emit(Op.MERGE_KEYWORDS, keywords, built, callee)
        return keywords

    # Functions and comprehensions

    def expr_Lambda(self, node: ast.Lambda) -> int:
        return self.function(node)

    def function(self, node: ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef) -> int:
        """Make the function object of a nested `def` or `lambda`."""
        arguments = node.args
        defaults: int | None = None
        if arguments.defaults:
            defaults = self.expr_Tuple(ast.Tuple(arguments.defaults))
        pairs: list[int] = []
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
            if default is not None:
                pairs += [self.constant(self.mangled(argument.arg)), self.expression(default)]
        keyword_defaults = self.make(Op.BUILD, "dict", tuple(pairs)) if pairs else None
        if type_parameters(node):
            # Inside of it are the annotations, and the defaults are given to it.
            given = tuple(r for r in (defaults, keyword_defaults) if r is not None)
            return self.make(Op.CALL, self.make_function(node), given, (), ())
        annotations = None if isinstance(node, ast.Lambda) else self._annotations(node)
        return self.make_function(node, defaults, keyword_defaults, annotations)

    def make_function(
        self,
        node: Nested,
        defaults: int | None = None,
        keyword_defaults: int | None = None,
        annotations: int | None = None,
    ) -> int:
        constant = self.names.nested.get(id(node))
        if constant is None:  # CPython compiled it away, so that control cannot come here
            return self.constant(None)
        cells = tuple(self._cell(name, node) for name in constant.co_freevars)
        return self.make(
            Op.MAKE_FUNCTION,
            constant,
            constant.co_qualname,
            defaults,
            keyword_defaults,
            annotations,
            cells,
        )

    def _cell(self, name: str, node: ast.AST) -> int:
        kind, register = self.resolve(name)
        if kind != "cell":
            self.refuse(f"no cell for {name}", node)
        return register

    def _annotations(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> int | None:
        arguments = node.args
        annotated = [*arguments.args, *arguments.posonlyargs]
        annotated += [arguments.vararg] if arguments.vararg else []
        annotated += arguments.kwonlyargs
        annotated += [arguments.kwarg] if arguments.kwarg else []
        wanted = [(self.mangled(a.arg), a.annotation) for a in annotated if a.annotation]
        if node.returns is not None:
            wanted.append(("return", node.returns))
        if not wanted:
            return None
        if sys.version_info >= (3, 14):
            self.refuse("annotations are evaluated later since Python 3.14", node)
        pairs: list[int] = []
        for name, annotation in wanted:
            pairs.append(self.constant(name))
            if self.python.co_flags & _CO_FUTURE_ANNOTATIONS:
                pairs.append(self.constant(ast.unparse(annotation)))
            else:
                pairs.append(self.expression(annotation))
        return self.make(Op.BUILD, "dict", tuple(pairs))

    def expr_GeneratorExp(self, node: ast.GeneratorExp) -> int:
        function = self.make_function(node)
        source = self.expression(node.generators[0].iter)
        return self.make(Op.CALL, function, (self.iterator(source),), (), ())

    def expr_Yield(self, node: ast.Yield) -> int:
        value = self.constant(None) if node.value is None else self.expression(node.value)
        return self.make(Op.YIELD, value)

    def expr_YieldFrom(self, node: ast.YieldFrom) -> int:
        return self.make(Op.YIELD_FROM, self.expression(node.value))

    def expr_ListComp(self, node: ast.ListComp) -> int:
        return self._comprehension(node, "list")

    def expr_SetComp(self, node: ast.SetComp) -> int:
        return self._comprehension(node, "set")

    def expr_DictComp(self, node: ast.DictComp) -> int:
        return self._comprehension(node, "dict")

    def _comprehension(self, node: Comprehension, kind: str) -> int:
        iterator = self._source(node.generators[0])
        scope = Scope(iterator=iterator)
        captured = self.names.comprehension_captured[id(node)]
        for name in self.names.comprehension_bound[id(node)]:
            register = self.named_register(name)
            if name in captured:
                scope.cells[name] = register
                self.emit(Op.MAKE_CELL, register, name)
            else:
                scope.registers[name] = register
                self.emit(Op.UNBIND, register)
        self.scopes.append(scope)
        result = self.make(Op.BUILD, kind, ())
        self.generator_loop(node, iterator, result)
        self.scopes.pop()
        return result

    def _source(self, generator: ast.comprehension) -> int:
        """Return an iterator over what follows `in`."""
        source = self.expression(generator.iter)
        with self._located_iteration(generator, None):
            return self.iterator(source)

    def _located_iteration(
        self, generator: ast.comprehension, before: ast.expr | None
    ) -> AbstractContextManager[None]:
        """Say where an iteration fails: `before` 3.13 there, since then at what is iterated."""
        node = generator.iter if sys.version_info >= (3, 13) else before
        return nullcontext() if node is None else self.located(node)

    def generator_loop(
        self, node: Comprehension | ast.GeneratorExp, iterator: int, result: int, depth: int = 0
    ) -> None:
        """Put the elements into `result`, or yield those of a generator expression."""
        generator = node.generators[depth]
        if generator.is_async:
            self.refuse("async comprehension", node)
        loop, end = Label(), Label()
        self.place(loop)
        with self._located_iteration(generator, generator.target):
            item = self.make(Op.ADVANCE, iterator, end)
        self.store(generator.target, item)
        for test in generator.ifs:
            self.jump_if(test, False, loop)
        if depth + 1 < len(node.generators):
            inner = self._source(node.generators[depth + 1])
            self.generator_loop(node, inner, result, depth + 1)
        elif isinstance(node, ast.DictComp):
            key = self.expression(node.key)
            self.emit(Op.STORE_IN_DICT, result, key, self.expression(node.value))
        elif isinstance(node, ast.GeneratorExp):
            value = self.expression(node.elt)
            with self.located(node.elt):
                self.make(Op.YIELD, value)
        else:
            op = Op.APPEND if isinstance(node, ast.ListComp) else Op.ADD_TO_SET
            self.emit(op, result, self.expression(node.elt))
        self.emit(Op.JUMP, loop)
        self.place(end)
