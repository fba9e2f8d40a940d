"""Lowering of expressions. The order of evaluation is CPython's, to the last truth test."""

from __future__ import annotations

import ast
import sys
from typing import Any, Final

from .builder import Builder, Label
from .code import Op

__all__ = ["BINARY_SYMBOLS", "FRAME_FUNCTIONS", "Expressions"]

BINARY_SYMBOLS: Final[dict[type[ast.operator], str]] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.MatMult: "@",
    ast.Div: "/",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.LShift: "<<",
    ast.RShift: ">>",
    ast.BitOr: "|",
    ast.BitXor: "^",
    ast.BitAnd: "&",
    ast.FloorDiv: "//",
}
_UNARY_SYMBOLS: Final[dict[type[ast.unaryop], str]] = {
    ast.UAdd: "+",
    ast.USub: "-",
    ast.Invert: "~",
}
_COMPARE_SYMBOLS: Final[dict[type[ast.cmpop], str]] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Is: "is",
    ast.IsNot: "is not",
    ast.In: "in",
    ast.NotIn: "not in",
}
FRAME_FUNCTIONS: Final = ("_getframe", "_getframemodulename", "currentframe")
_UNKNOWN: Final = object()


class Expressions(Builder):
    """Each `expr_X` returns the register that holds the value: a temporary, or a local itself."""

    def expression(self, node: ast.expr) -> int:
        method = getattr(self, "expr_" + type(node).__name__, None)
        if method is None:
            self.refuse(f"{type(node).__name__.lower()} is not supported", node)
        with self.located(node):
            return method(node)

    def into(self, node: ast.expr, target: int) -> None:
        self.move(target, self.expression(node))

    def expr_Constant(self, node: ast.Constant) -> int:
        return self.constant(node.value)

    def expr_Name(self, node: ast.Name) -> int:
        return self.load_name(node.id)

    def expr_NamedExpr(self, node: ast.NamedExpr) -> int:
        value = self.expression(node.value)
        self.store_name(node.target.id, value, walrus=True)
        return value

    # Operators

    def expr_UnaryOp(self, node: ast.UnaryOp) -> int:
        folded = _folded(node)
        if folded is not _UNKNOWN:
            return self.constant(folded)
        operand = self.expression(node.operand)
        if isinstance(node.op, ast.Not):
            return self.make(Op.NOT, operand)
        return self.make(Op.UNARY, _UNARY_SYMBOLS[type(node.op)], operand)

    def expr_BinOp(self, node: ast.BinOp) -> int:
        left = self.expression(node.left)
        right = self.expression(node.right)
        return self.make(Op.BINARY, BINARY_SYMBOLS[type(node.op)], left, right)

    def expr_BoolOp(self, node: ast.BoolOp) -> int:
        result = self.temporary()
        end = Label()
        on_true, on_false = (end, None) if isinstance(node.op, ast.Or) else (None, end)
        for value in node.values[:-1]:
            self._branching_value(value, result, on_true, on_false)
        self.into(node.values[-1], result)
        self.place(end)
        return result

    def _branching_value(
        self, node: ast.expr, result: int, on_true: Label | None, on_false: Label | None
    ) -> None:
        """Put a value into `result` and go where its truth says, None meaning straight on.

        `(a and b) or c` asks a false `a` only once whether it is true in CPython 3.11, whose
        optimizer threads the jump to the `or`, and twice in later versions.
        """
        if not isinstance(node, ast.BoolOp) or sys.version_info >= (3, 12):
            self.into(node, result)
            with self.located(node):
                if on_true is not None:
                    self.emit(Op.JUMP_IF_TRUE, result, on_true)
                if on_false is not None:
                    self.emit(Op.JUMP_IF_FALSE, result, on_false)
            return
        after = Label()
        is_or = isinstance(node.op, ast.Or)
        for value in node.values[:-1]:
            if is_or:
                self._branching_value(value, result, on_true or after, None)
            else:
                self._branching_value(value, result, None, on_false or after)
        self._branching_value(node.values[-1], result, on_true, on_false)
        self.place(after)

    def expr_Compare(self, node: ast.Compare) -> int:
        left = self.expression(node.left)
        if len(node.ops) == 1:
            right = self.expression(node.comparators[0])
            return self.make(Op.COMPARE, _COMPARE_SYMBOLS[type(node.ops[0])], left, right)
        result = self.temporary()
        end = Label()
        for index, (op, comparator) in enumerate(zip(node.ops, node.comparators)):
            right = self.expression(comparator)
            self.emit(Op.COMPARE, result, _COMPARE_SYMBOLS[type(op)], left, right)
            if index < len(node.ops) - 1:
                self.emit(Op.JUMP_IF_FALSE, result, end)
            left = right
        self.place(end)
        return result

    def expr_IfExp(self, node: ast.IfExp) -> int:
        result = self.temporary()
        otherwise, end = Label(), Label()
        self.jump_if(node.test, False, otherwise)
        self.into(node.body, result)
        self.emit(Op.JUMP, end)
        self.place(otherwise)
        self.into(node.orelse, result)
        self.place(end)
        return result

    def jump_if(self, node: ast.expr, sense: bool, target: Label) -> None:
        """Jump to `target` if the truth of `node` is `sense`, else go on."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            self.jump_if(node.operand, not sense, target)
            return
        if isinstance(node, ast.BoolOp):
            after = Label()
            stops = isinstance(node.op, ast.Or)
            elsewhere = target if stops == sense else after
            for value in node.values[:-1]:
                self.jump_if(value, stops, elsewhere)
            self.jump_if(node.values[-1], sense, target)
            self.place(after)
            return
        if isinstance(node, ast.IfExp):
            otherwise, end = Label(), Label()
            self.jump_if(node.test, False, otherwise)
            self.jump_if(node.body, sense, target)
            self.emit(Op.JUMP, end)
            self.place(otherwise)
            self.jump_if(node.orelse, sense, target)
            self.place(end)
            return
        if isinstance(node, ast.Compare) and len(node.ops) > 1:
            self._jump_if_chain(node, sense, target)
            return
        known = self.truth_of_constant(node)
        if known is not None:
            if known == sense:
                self.emit(Op.JUMP, target)
            return
        value = self.expression(node)
        with self.located(node):
            self.emit(Op.JUMP_IF_TRUE if sense else Op.JUMP_IF_FALSE, value, target)

    def _jump_if_chain(self, node: ast.Compare, sense: bool, target: Label) -> None:
        with self.located(node):
            fails = Label() if sense else target
            left = self.expression(node.left)
            for index, (op, comparator) in enumerate(zip(node.ops, node.comparators)):
                right = self.expression(comparator)
                result = self.make(Op.COMPARE, _COMPARE_SYMBOLS[type(op)], left, right)
                if index < len(node.ops) - 1:
                    self.emit(Op.JUMP_IF_FALSE, result, fails)
                else:
                    self.emit(Op.JUMP_IF_TRUE if sense else Op.JUMP_IF_FALSE, result, target)
                left = right
            if sense:
                self.place(fails)

    def truth_of_constant(self, node: ast.expr) -> bool | None:
        """Return the truth of a constant, None where it is not one."""
        if isinstance(node, ast.Constant):
            return bool(node.value)
        if isinstance(node, ast.Name) and node.id == "__debug__":
            return __debug__
        return None

    # Attributes, items, displays, strings

    def expr_Attribute(self, node: ast.Attribute) -> int:
        if node.attr in FRAME_FUNCTIONS:
            self.refuse(f"{node.attr} looks at frames", node)
        value = self.expression(node.value)
        self.at_attribute(node)
        return self.make(Op.GET_ATTRIBUTE, value, self.mangled(node.attr))

    def at_attribute(self, node: ast.Attribute, whole: ast.expr | None = None) -> None:
        """Point at the line of the attribute's name where the expression spans lines, as CPython.

        `whole` is the call of which the attribute is the method.
        """
        self.at(whole or node)
        if node.lineno != node.end_lineno and node.end_lineno and node.end_col_offset:
            column = max(node.end_col_offset - len(node.attr.encode()), 0)
            self.position = self.position._replace(line=node.end_lineno, column=column)

    def expr_Subscript(self, node: ast.Subscript) -> int:
        value = self.expression(node.value)
        key = self.expression(node.slice)
        return self.make(Op.GET_ITEM, value, key)

    def expr_Slice(self, node: ast.Slice) -> int:
        parts = [
            self.constant(None) if part is None else self.expression(part)
            for part in (node.lower, node.upper, node.step)
        ]
        return self.make(Op.BUILD, "slice", tuple(parts))

    def expr_Tuple(self, node: ast.Tuple) -> int:
        folded = _folded(node)
        if folded is not _UNKNOWN:
            return self.constant(folded)
        if any(isinstance(item, ast.Starred) for item in node.elts):
            return self.make(Op.LIST_TO_TUPLE, self.starred_list(node.elts))
        return self.make(Op.BUILD, "tuple", tuple(map(self.expression, node.elts)))

    def expr_List(self, node: ast.List) -> int:
        return self.starred_list(node.elts)

    def starred_list(self, items: list[ast.expr], leading: tuple[int, ...] = ()) -> int:
        return self._starred(items, "list", Op.APPEND, Op.EXTEND_LIST, leading)

    def expr_Set(self, node: ast.Set) -> int:
        return self._starred(node.elts, "set", Op.ADD_TO_SET, Op.UPDATE_SET)

    def _starred(
        self,
        items: list[ast.expr],
        kind: str,
        one: Op,
        many: Op,
        leading: tuple[int, ...] = (),
    ) -> int:
        first = next((i for i, x in enumerate(items) if isinstance(x, ast.Starred)), len(items))
        values = (*leading, *map(self.expression, items[:first]))
        result = self.make(Op.BUILD, kind, values)
        for item in items[first:]:
            if isinstance(item, ast.Starred):
                self.emit(many, result, self.expression(item.value))
            else:
                self.emit(one, result, self.expression(item))
        return result

    def expr_Dict(self, node: ast.Dict) -> int:
        result: int | None = None
        pairs: list[int] = []
        for key, value in zip(node.keys, node.values):
            if key is not None:
                pairs += [self.expression(key), self.expression(value)]
                continue
            result = self._flush_pairs(result, pairs)
            self.emit(Op.UPDATE_DICT, result, self.expression(value))
        return self._flush_pairs(result, pairs) if result is None or pairs else result

    def _flush_pairs(self, result: int | None, pairs: list[int]) -> int:
        """Add the collected pairs to the dict `result`, or begin it with them."""
        if result is not None and not pairs:
            return result
        built = self.make(Op.BUILD, "dict", tuple(pairs))
        pairs.clear()
        if result is None:
            return built
        self.emit(Op.UPDATE_DICT, result, built)
        return result

    def expr_JoinedStr(self, node: ast.JoinedStr) -> int:
        if not node.values:
            return self.constant("")
        parts = [self.expression(value) for value in node.values]
        if len(parts) == 1:
            return parts[0]
        return self.make(Op.JOIN_STRING, tuple(parts))

    def expr_FormattedValue(self, node: ast.FormattedValue) -> int:
        value = self.expression(node.value)
        spec = None if node.format_spec is None else self.expression(node.format_spec)
        conversion = None if node.conversion == -1 else chr(node.conversion)
        return self.make(Op.FORMAT, value, conversion, spec)

    # Targets

    def store(self, target: ast.expr, value: int) -> None:
        """Assign the value to a target of any form."""
        with self.located(target):
            if isinstance(target, ast.Name):
                self.store_name(target.id, value)
            elif isinstance(target, ast.Attribute):
                owner = self.expression(target.value)
                self.at_attribute(target)
                self.emit(Op.SET_ATTRIBUTE, owner, self.mangled(target.attr), value)
            elif isinstance(target, ast.Subscript):
                owner = self.expression(target.value)
                key = self.expression(target.slice)
                self.emit(Op.SET_ITEM, owner, key, value)
            elif isinstance(target, ast.Tuple | ast.List):
                self._unpack(target.elts, value)
            else:
                self.refuse(f"assignment to {type(target).__name__}", target)

    def _unpack(self, targets: list[ast.expr], value: int) -> None:
        starred = [i for i, t in enumerate(targets) if isinstance(t, ast.Starred)]
        before = starred[0] if starred else len(targets)
        after = len(targets) - before - 1 if starred else 0
        parts = tuple(self.temporary() for _ in targets)
        self.emit(Op.UNPACK, parts, value, before, bool(starred), after)
        for target, part in zip(targets, parts):
            self.store(target.value if isinstance(target, ast.Starred) else target, part)


def _folded(node: ast.expr) -> Any:
    """Return the value of constants, tuples of them and signed numbers, else `_UNKNOWN`."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Tuple):
        items = [_folded(item) for item in node.elts]
        return _UNKNOWN if any(item is _UNKNOWN for item in items) else tuple(items)
    if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
        value = node.operand.value
        if isinstance(node.op, ast.USub) and isinstance(value, int | float | complex):
            return _UNKNOWN if isinstance(value, bool) else -value
    return _UNKNOWN
