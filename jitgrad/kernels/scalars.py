"""Arithmetic on Python numbers as source for kernels: exact, or it says that it failed.

A number is a float64, an int64 or a bool. Where Python would raise, or an integer leave int64,
the operation fails: Python does it then.
"""

from __future__ import annotations

import ast
import builtins
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from jitgrad.graph.ir import Scalar
from jitgrad.kernels.loops import NotNative
from jitgrad.kernels.operations import Number

Typed = tuple[str, type]
"""Source for a number, and its type."""

LARGEST_INTEGER = 2**63 - 1


class Rule(NamedTuple):
    """How an operation is computed.

    Attributes:
        result: the type of what comes out.
        value: the source, with {0}, {1} for the operands.
        fails: the source that says whether it failed, with {v} for the value; "" if it cannot.
    """

    result: type
    value: str
    fails: str = ""


_INTEGERS = {
    ast.Add: Rule(int, "{0} + {1}", "add_overflows({0}, {1})"),
    ast.Sub: Rule(int, "{0} - {1}", "subtract_overflows({0}, {1})"),
    ast.Mult: Rule(int, "{0} * {1}", "multiply_overflows({0}, {1})"),
    ast.Div: Rule(
        float, "float64({0}) / float64({1})", "({1} == 0) | is_inexact({0}) | is_inexact({1})"
    ),
    ast.FloorDiv: Rule(int, "floor_divide({0}, {1})", "divide_fails({0}, {1})"),
    ast.Mod: Rule(int, "remainder({0}, {1})", "{1} == 0"),
    ast.BitAnd: Rule(int, "{0} & {1}"),
    ast.BitOr: Rule(int, "{0} | {1}"),
    ast.BitXor: Rule(int, "{0} ^ {1}"),
    ast.LShift: Rule(int, "{0} << ({1} & 63)", "shift_fails({0}, {1})"),
    ast.RShift: Rule(int, "{0} >> minimum(maximum({1}, 0), 63)", "{1} < 0"),
}

_FLOATS = {
    ast.Add: Rule(float, "{0} + {1}"),
    ast.Sub: Rule(float, "{0} - {1}"),
    ast.Mult: Rule(float, "{0} * {1}"),
    ast.Div: Rule(float, "{0} / {1}", "{1} == 0.0"),
    ast.FloorDiv: Rule(float, "floor_divide({0}, {1})", "{1} == 0.0"),
    ast.Mod: Rule(float, "remainder({0}, {1})", "{1} == 0.0"),
}

_POSITION = Rule(
    int, "where({0} < 0, {0} + {1}, {0})", "({0} >= {1}) | (({0} < 0) & ({0} + {1} < 0))"
)

_BOOLEANS = {
    ast.BitAnd: Rule(bool, "{0} & {1}"),
    ast.BitOr: Rule(bool, "{0} | {1}"),
    ast.BitXor: Rule(bool, "{0} ^ {1}"),
}

_COMPARISONS = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}

_UNARY = {
    (ast.USub, float): Rule(float, "-{0}"),
    (ast.USub, int): Rule(int, "-{0}", "subtract_overflows(int64(0), {0})"),
    (ast.UAdd, float): Rule(float, "{0}"),
    (ast.UAdd, int): Rule(int, "{0}"),
    (ast.Invert, int): Rule(int, "~{0}"),
    (ast.Not, float): Rule(bool, "{0} == 0.0"),
    (ast.Not, int): Rule(bool, "{0} == 0"),
}

_ERRS = "isnan({v}) & isfinite({0}) | isinf({v}) & isfinite({0}) | isnan({v}) & isinf({0})"
"""Python's rule for functions of one float: no NaN but of NaN, no infinity but of infinity."""

LIBRARY = (
    "acos", "acosh", "asin", "asinh", "atan", "atanh", "cbrt", "cos", "cosh", "erf", "erfc", "exp",
    "exp2", "expm1", "log", "log10", "log1p", "log2", "sin", "sinh", "tan", "tanh",
)  # fmt: skip
"""Functions of `math` that call the C library's of the same name."""

LIBRARY_OF_TWO = ("atan2", "fmod", "pow")
"""Those of two operands."""

FUNCTIONS: dict[Callable, Rule] = {
    **{
        getattr(math, name): Rule(float, f"math_{name}({{0}})", _ERRS)
        for name in LIBRARY
        if hasattr(math, name)
    },
    **{
        # where an operand is infinite or NaN, Python has rules of its own
        getattr(math, name): Rule(
            float,
            f"math_{name}({{0}}, {{1}})",
            "logical_not(isfinite({0}) & isfinite({1}) & isfinite({v}))",
        )
        for name in LIBRARY_OF_TWO
    },
    math.sqrt: Rule(float, "sqrt({0})", "{0} < 0.0"),
    math.fabs: Rule(float, "abs_({0})"),
    math.copysign: Rule(float, "with_sign({0}, {1})"),
    math.degrees: Rule(float, f"{{0}} * {180 / math.pi!r}"),
    math.radians: Rule(float, f"{{0}} * {math.pi / 180!r}"),
    math.isnan: Rule(bool, "isnan({0})"),
    math.isinf: Rule(bool, "isinf({0})"),
    math.isfinite: Rule(bool, "isfinite({0})"),
    math.floor: Rule(int, "whole(floor({0}))", "is_not_whole(floor({0}))"),
    math.ceil: Rule(int, "whole(ceil({0}))", "is_not_whole(ceil({0}))"),
    math.trunc: Rule(int, "whole({0})", "is_not_whole({0})"),
}
"""What functions of floats are, where there are such; integers are converted first."""


def without(name: str) -> None:
    """Do without a function that the C library does not have."""
    FUNCTIONS.pop(getattr(math, name, None), None)  # type: ignore[arg-type]


_ROUNDING = (math.floor, math.ceil, math.trunc)


class NumberLines:
    """The statements that compute numbers, in the order in which they come.

    Attributes:
        lines: the source.
        failures: the names of what says that something failed.
    """

    def __init__(self, prefix: str = "v") -> None:
        self.lines: list[str] = []
        self.failures: list[str] = []
        self._prefix = prefix

    def let(self, expression: str) -> str:
        """Return the name of a new variable."""
        name = f"{self._prefix}{len(self.lines)}"
        self.lines.append(f"{name} = {expression}")
        return name

    def number(self, step: Number, operands: Sequence[Typed]) -> str:
        """Compute a step; return the name of what comes out."""
        names = [f"_operand{k}" for k in range(len(operands))]
        text = step.expression.format(*names)
        tree = ast.parse(text, mode="eval").body
        if isinstance(tree, ast.Call) and _function(tree) is not step.function:
            raise NotNative(f"{text.split('(')[0]} may be another function")
        name, kind = self._emit(tree, dict(zip(names, operands)))
        if kind is not step.output.type:
            raise NotNative(f"{step.expression} gives {kind.__name__}")
        return name

    def _emit(self, node: ast.expr, operands: dict[str, Typed]) -> Typed:
        if isinstance(node, ast.Name) and node.id in operands:
            return operands[node.id]
        if isinstance(node, ast.Constant):
            return literal(node.value)
        if isinstance(node, ast.BinOp):
            left, right = self._emit(node.left, operands), self._emit(node.right, operands)
            return self._binary(type(node.op), left, right)
        if isinstance(node, ast.UnaryOp):
            return self._unary(type(node.op), self._emit(node.operand, operands))
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            left, right = self._emit(node.left, operands), self._emit(node.comparators[0], operands)
            return self._compare(type(node.ops[0]), left, right)
        if isinstance(node, ast.Subscript):
            return self._position(node, operands)
        if isinstance(node, ast.Call) and not node.keywords:
            return self._call(_function(node), [self._emit(each, operands) for each in node.args])
        raise NotNative(f"{ast.unparse(node)} on numbers")

    def _position(self, node: ast.Subscript, operands: dict[str, Typed]) -> Typed:
        """Compute `range(size)[index]`: an index counted from the front."""
        bounds = node.value
        if not (
            isinstance(bounds, ast.Call)
            and _function(bounds) is range
            and len(bounds.args) == 1
            and isinstance(bounds.args[0], ast.Constant)
        ):
            raise NotNative(f"{ast.unparse(node)} on numbers")
        size = literal(bounds.args[0].value)
        index = self._as(int, self._emit(node.slice, operands))
        return self._apply(_POSITION, index, size)

    def _apply(self, rule: Rule, *operands: Typed) -> Typed:
        sources = [source for source, _ in operands]
        value = self.let(rule.value.format(*sources))
        if rule.fails:
            self.failures.append(self.let(rule.fails.format(*sources, v=value)))
        return value, rule.result

    def _binary(self, operator: type, left: Typed, right: Typed) -> Typed:
        kinds = {left[1], right[1]}
        if kinds == {bool} and operator in _BOOLEANS:
            return self._apply(_BOOLEANS[operator], left, right)
        table, kind = (_FLOATS, float) if float in kinds else (_INTEGERS, int)
        if operator not in table:
            raise NotNative(f"{operator.__name__} of numbers")
        return self._apply(table[operator], self._as(kind, left), self._as(kind, right))

    def _unary(self, operator: type, operand: Typed) -> Typed:
        if operand[1] is bool:
            operand = self._as(int, operand)
        rule = _UNARY.get((operator, operand[1]))
        if rule is None:
            raise NotNative(f"{operator.__name__} of numbers")
        return self._apply(rule, operand)

    def _compare(self, operator: type, left: Typed, right: Typed) -> Typed:
        symbol = _COMPARISONS.get(operator)
        if symbol is None:
            raise NotNative(f"{operator.__name__} of numbers")
        if (left[1] is float) == (right[1] is float):
            kind = float if left[1] is float else int
            left, right = self._as(kind, left), self._as(kind, right)
            return self.let(f"{left[0]} {symbol} {right[0]}"), bool
        if left[1] is float:
            mirrored = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
            left, right, symbol = right, left, mirrored.get(symbol, symbol)
        integer = self._as(int, left)[0]
        # 2 says that the float is NaN
        order = self.let(f"order({integer}, {right[0]})")
        if symbol in (">", ">="):
            return self.let(f"({order} {symbol} 0) & ({order} != 2)"), bool
        return self.let(f"{order} {symbol} 0"), bool

    def _as(self, kind: type, operand: Typed) -> Typed:
        source, own = operand
        if own is kind:
            return operand
        return self.let(f"{'float64' if kind is float else 'int64'}({source})"), kind

    def _call(self, function: Any, operands: list[Typed]) -> Typed:
        kinds = {kind for _, kind in operands}
        if function in (min, max) and len(operands) > 1 and kinds in ({float}, {int}):
            sign = ">" if function is max else "<"
            chosen = operands[0][0]
            for source, _ in operands[1:]:
                chosen = self.let(f"where({source} {sign} {chosen}, {source}, {chosen})")
            return chosen, kinds.pop()
        if function is math.log and len(operands) == 2:
            top, bottom = (self._call(math.log, [each]) for each in operands)
            return self._binary(ast.Div, top, bottom)
        if len(operands) == 1 and function in (float, int, bool, abs, *_ROUNDING):
            made = self._converted(function, operands[0])
            if made is not None:
                return made
        rule = FUNCTIONS.get(function)
        if rule is None or len(operands) != 1 + ("{1}" in rule.value):
            raise NotNative(f"{getattr(function, '__name__', function)} of numbers")
        return self._apply(rule, *(self._as(float, each) for each in operands))

    def _converted(self, function: Any, operand: Typed) -> Typed | None:
        kind = operand[1]
        if function is bool:
            return operand if kind is bool else (self.let(f"{operand[0]} != 0"), bool)
        if function is float:
            return self._as(float, operand)
        if kind is float:
            if function is abs:
                return self._apply(FUNCTIONS[math.fabs], operand)
            return self._apply(FUNCTIONS[math.trunc], operand) if function is int else None
        operand = self._as(int, operand)
        if function is abs:
            return self._apply(Rule(int, "abs_({0})", "subtract_overflows(int64(0), {0})"), operand)
        return operand


def _function(node: ast.Call) -> Any:
    """Return the function that an expression calls by name."""
    target = node.func
    if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
        return getattr(math, target.attr, None) if target.value.id == "math" else None
    return getattr(builtins, target.id, None) if isinstance(target, ast.Name) else None


def literal(value: Any) -> Typed:
    """Return a constant."""
    kind = type(value)
    if kind is float:
        if value != value or value in (math.inf, -math.inf):
            return {True: "nan"}.get(value != value, "inf" if value > 0 else "(-inf)"), float
        return f"float64({value!r})", float
    if kind is bool:
        return f"boolean({value})", bool
    if kind is int and abs(value) <= LARGEST_INTEGER:
        return f"int64({value})", int
    raise NotNative(f"the constant {value!r} among numbers")


def can_fail(step: Number) -> bool:
    """Can a step fail?  Raises NotNative where it is not known."""
    lines = NumberLines()
    operands = [
        (f"_{k}", each.type) if isinstance(each, Scalar) else literal(each)
        for k, each in enumerate(step.operands)
    ]
    lines.number(step, operands)
    return bool(lines.failures)
