"""Which names a function binds, and which of them its nested functions capture."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import CodeType

from .source import Nested, Node, match_nested, type_parameters

__all__ = ["Comprehension", "Names", "analyse", "mangle"]

Comprehension = ast.ListComp | ast.SetComp | ast.DictComp
_Generator = ast.GeneratorExp | Comprehension


def mangle(name: str, class_name: str | None) -> str:
    """Return the name under which `name` is stored inside the class."""
    if class_name is None or not name.startswith("__") or name.endswith("__") or "." in name:
        return name
    stripped = class_name.lstrip("_")
    return f"_{stripped}{name}" if stripped else name


@dataclass(slots=True)
class Names:
    """The names of one function body; all of them mangled."""

    bound: dict[str, None] = field(default_factory=dict)
    """Local names, in the order of their first binding."""
    declared_global: set[str] = field(default_factory=set)
    captured: set[str] = field(default_factory=set)
    """Local names that a nested function shares, so that they live in cells."""
    walrus: set[str] = field(default_factory=set)
    comprehension_bound: dict[int, dict[str, None]] = field(default_factory=dict)
    """By `id(comprehension)`: its own names."""
    comprehension_captured: dict[int, set[str]] = field(default_factory=dict)
    nested: dict[int, CodeType] = field(default_factory=dict)
    """By `id(node)`: the code constants of nested functions and generator expressions."""


def analyse(node: Node, code: CodeType, class_name: str | None) -> Names:
    """Return the names of the function `node`, whose running code object is `code`."""
    walker = _Walker(class_name)
    names = walker.names
    if isinstance(node, ast.GeneratorExp):
        walker.visit_parts(node)
        # An assignment expression in it binds in the function around it.
        walker.declared_nonlocal.update(walker.assigned_in_expressions)
    else:
        for argument in _arguments(node.args):
            walker.bind(argument.arg)
        for part in [node.body] if isinstance(node, ast.Lambda) else node.body:
            walker.visit(part)
    for name in [*names.declared_global, *walker.declared_nonlocal]:
        names.bound.pop(name, None)
    names.nested = match_nested(code, [nested for nested, _ in walker.nested])
    for nested, inside in walker.nested:
        constant = names.nested.get(id(nested))
        for name in constant.co_freevars if constant is not None else ():
            for comprehension in reversed(inside):
                if name in names.comprehension_bound[comprehension]:
                    names.comprehension_captured[comprehension].add(name)
                    break
            else:
                names.captured.add(name)
    names.captured &= names.bound.keys()
    return names


def _arguments(arguments: ast.arguments) -> Iterable[ast.arg]:
    yield from arguments.posonlyargs
    yield from arguments.args
    yield from arguments.kwonlyargs
    if arguments.vararg:
        yield arguments.vararg
    if arguments.kwarg:
        yield arguments.kwarg


class _Walker(ast.NodeVisitor):
    def __init__(self, class_name: str | None) -> None:
        self.class_name = class_name
        self.names = Names()
        self.declared_nonlocal: set[str] = set()
        self.assigned_in_expressions: set[str] = set()
        self.nested: list[tuple[Nested, tuple[int, ...]]] = []
        self.inside: tuple[int, ...] = ()
        """The comprehensions around the current node, by id."""

    def bind(self, name: str) -> None:
        self.names.bound.setdefault(mangle(name, self.class_name))

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            return
        if self.inside:
            name = mangle(node.id, self.class_name)
            self.names.comprehension_bound[self.inside[-1]].setdefault(name)
        else:
            self.bind(node.id)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self._assign_in_expression(node)
        self.names.walrus.add(mangle(node.target.id, self.class_name))
        self.visit(node.value)

    def _assign_in_expression(self, node: ast.NamedExpr) -> None:
        self.bind(node.target.id)
        self.assigned_in_expressions.add(mangle(node.target.id, self.class_name))

    def visit_Global(self, node: ast.Global) -> None:
        self.names.declared_global.update(mangle(n, self.class_name) for n in node.names)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.declared_nonlocal.update(mangle(n, self.class_name) for n in node.names)

    def visit_alias(self, node: ast.alias) -> None:
        self.bind(node.asname or node.name.partition(".")[0])

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self.bind(node.name)
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        if node.name:
            self.bind(node.name)
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self.bind(node.name)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        if node.rest:
            self.bind(node.rest)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        # The annotation of a local is never evaluated, but `(x): int` without value binds nothing.
        if not isinstance(node.target, ast.Name) or node.simple or node.value is not None:
            self.visit(node.target)
        if node.value is not None:
            self.visit(node.value)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.bind(node.name)
        self._visit_all(node.decorator_list)
        if not type_parameters(node):  # whose function evaluates them
            self._visit_all([*node.bases, *(keyword.value for keyword in node.keywords)])
        self.nested.append((node, self.inside))

    def _visit_all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._visit_signature(node.args)
        self.nested.append((node, self.inside))

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.bind(node.name)
        self._visit_all(node.decorator_list)
        self._visit_signature(node.args)
        if not type_parameters(node):
            self._visit_all(argument.annotation for argument in _arguments(node.args))
            self._visit_all([node.returns])
        self.nested.append((node, self.inside))

    visit_AsyncFunctionDef = visit_FunctionDef

    def _visit_signature(self, arguments: ast.arguments) -> None:
        self._visit_all([*arguments.defaults, *arguments.kw_defaults])

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self.visit(node.generators[0].iter)
        for inner in ast.walk(node):
            # A walrus inside binds in the enclosing function; one inside a lambda does not, but
            # then the name is no local of this function's code object either.
            if isinstance(inner, ast.NamedExpr) and not _inside_lambda(node, inner):
                self._assign_in_expression(inner)
        self.nested.append((node, self.inside))

    def _visit_comprehension(self, node: Comprehension) -> None:
        self.visit(node.generators[0].iter)
        outer = self.inside
        self.inside = (*outer, id(node))
        self.names.comprehension_bound[id(node)] = {}
        self.names.comprehension_captured[id(node)] = set()
        self.visit_parts(node)
        self.inside = outer

    def visit_parts(self, node: _Generator) -> None:
        """Visit what a comprehension evaluates in its own scope."""
        for index, generator in enumerate(node.generators):
            self.visit(generator.target)
            if index:
                self.visit(generator.iter)
            for test in generator.ifs:
                self.visit(test)
        if isinstance(node, ast.DictComp):
            self.visit(node.key)
            self.visit(node.value)
        else:
            self.visit(node.elt)

    visit_ListComp = _visit_comprehension
    visit_SetComp = _visit_comprehension
    visit_DictComp = _visit_comprehension


def _inside_lambda(root: ast.AST, wanted: ast.AST) -> bool:
    """Tell whether `wanted` is below a lambda below `root`."""
    return any(
        isinstance(node, ast.Lambda) and any(inner is wanted for inner in ast.walk(node))
        for node in ast.walk(root)
    )
