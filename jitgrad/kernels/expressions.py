"""Scalar expressions of primitives, made into typed Python for kernels."""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

BOOLEAN_FUNCTIONS = frozenset({"isnan", "isinf", "isfinite"})


def type_name(dtype: np.dtype) -> str:
    """Return the name by which kernels convert to `dtype`."""
    return {"float16": "half", "bool": "boolean"}.get(dtype.name, dtype.name)


def emit_literal(value: Any, dtype: np.dtype) -> str:
    """Return source for the number `value` as an element of `dtype`."""
    if dtype == np.bool_:
        return f"boolean({bool(value)})"
    if dtype.kind == "f":
        number = float(value)
        if math.isnan(number) or math.isinf(number):
            name = "nan" if math.isnan(number) else "inf" if number > 0 else "-inf"
            return f"{type_name(dtype)}({name})"
        return f"{type_name(dtype)}({number!r})"
    return f"{type_name(dtype)}({int(value)})"


class _Typed(ast.NodeTransformer):
    """Give constants the computing dtype, and booleans operators that do not branch."""

    def __init__(self, dtype: np.dtype) -> None:
        # float16 is computed in float32
        self.dtype = np.dtype(np.float32) if dtype == np.float16 else dtype

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, (bool, int, float)):
            return ast.parse(emit_literal(node.value, self.dtype), mode="eval").body
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        operator: ast.operator = ast.BitAnd() if isinstance(node.op, ast.And) else ast.BitOr()
        parts = [
            ast.Call(ast.Name("boolean", ast.Load()), [self.visit(each)], [])
            for each in node.values
        ]
        result: ast.expr = parts[0]
        for each in parts[1:]:
            result = ast.BinOp(result, operator, each)
        return result

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        operand = self.visit(node.operand)
        if isinstance(node.op, ast.Not) or (
            isinstance(node.op, ast.Invert) and self.dtype == np.bool_
        ):
            return ast.Call(ast.Name("logical_not", ast.Load()), [operand], [])
        return ast.UnaryOp(node.op, operand)

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        parts = [self.visit(each) for each in (node.test, node.body, node.orelse)]
        return ast.Call(ast.Name("where", ast.Load()), parts, [])


class _Substituted(ast.NodeTransformer):
    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id.startswith("_operand"):
            return ast.parse(self.texts[int(node.id[8:])], mode="eval").body
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id == "pow_":
            return _power(node)
        return node


def _power(node: ast.Call) -> ast.AST:
    """Return small constant powers as products."""
    base, exponent = node.args
    inner = exponent.args[0] if isinstance(exponent, ast.Call) and exponent.args else exponent
    number = inner.value if isinstance(inner, ast.Constant) else None
    if not isinstance(base, ast.Name) or number not in (1, 2, 3, 4):
        return node
    name = base.id
    product = {1: name, 2: f"{name} * {name}", 3: f"{name} * {name} * {name}"}
    product[4] = f"({name} * {name}) * ({name} * {name})"
    return ast.parse(product[int(number)], mode="eval").body


@lru_cache(maxsize=2048)
def _typed(template: str, operands: int, dtype: np.dtype) -> tuple[str, bool, bool]:
    """Return the template with typed constants, and whether its value is bool or surely `dtype`."""
    names = [f"_operand{k}" for k in range(operands)]
    tree = ast.parse(template.format(*names, acc="_accumulated"), mode="eval").body
    top = tree
    if isinstance(top, ast.Call) and isinstance(top.func, ast.Name):
        is_bool = top.func.id in BOOLEAN_FUNCTIONS
        is_same = not is_bool
    else:
        is_bool = isinstance(top, (ast.Compare, ast.BoolOp)) or (
            isinstance(top, ast.UnaryOp) and isinstance(top.op, ast.Not)
        )
        is_same = isinstance(top, (ast.BinOp, ast.UnaryOp, ast.Name)) and not is_bool
    tree = _Typed(dtype).visit(tree)
    return ast.unparse(ast.fix_missing_locations(tree)), is_bool, is_same


@lru_cache(maxsize=2048)
def _substituted(text: str, operands: tuple[str, ...]) -> str:
    """Return a typed template with its operands."""
    tree = _Substituted(operands).visit(ast.parse(text, mode="eval").body)
    return ast.unparse(ast.fix_missing_locations(tree))


def emit_expression(
    template: str,
    operands: Sequence[str],
    kinds: Sequence[np.dtype],
    dtype: np.dtype,
    result: np.dtype,
    accumulated: str = "",
) -> str:
    """Return source for a primitive's expression.

    Args:
        template: the expression, with {0}, {1}, .. and perhaps {acc}.
        operands: source of each operand.
        kinds: their dtypes.
        dtype: the dtype of constants.
        result: what comes out.
        accumulated: the source for {acc}.
    """
    text, is_bool, is_same = _typed(template, len(operands), dtype)
    if text == "_operand0":
        only = operands[0]
        return only if kinds[0] == result else f"{type_name(result)}({only})"
    made = _substituted(text, tuple(operands)).replace("_accumulated", accumulated)
    if is_bool and result == np.bool_:
        return made
    plain = result.kind == "f" and result.itemsize > 2
    if plain and is_same and all(each in (result, np.bool_) for each in kinds) and dtype == result:
        return made
    return f"{type_name(result)}({made})"
