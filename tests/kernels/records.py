"""Primitives for the tests of lowering, independent of those of the library."""

import numpy as np

from jitgrad.primitive import Kind, Primitive, Result


def elementwise(name, numpy, scalar, result=Result.PROMOTE):
    """Return the record of an elementwise operation."""
    return Primitive(name, Kind.ELEMENTWISE, numpy, scalar=scalar, result=result)


ADD = elementwise("add", np.add, "{0} + {1}")
SUB = elementwise("sub", np.subtract, "{0} - {1}")
MUL = elementwise("mul", np.multiply, "{0} * {1}")
DIV = elementwise("div", np.true_divide, "{0} / {1}", Result.FLOAT)
NEG = elementwise("neg", np.negative, "-{0}")
ABS = elementwise("abs", np.absolute, "abs_({0})")
MAXIMUM = elementwise("maximum", np.maximum, "maximum({0}, {1})")
LESS = elementwise("lt", np.less, "{0} < {1}", Result.BOOL)
WHERE = elementwise("where", np.where, "where({0}, {1}, {2})", Result.KEEP)
SQRT = elementwise("sqrt", np.sqrt, "sqrt({0})", Result.FLOAT)
EXP = elementwise("exp", np.exp, "exp({0})", Result.FLOAT)
TANH = elementwise("tanh", np.tanh, "tanh({0})", Result.FLOAT)
CAST = elementwise("to", lambda array, dtype: array.astype(dtype, order="K"), "{0}", Result.KEEP)


def _sum(array, dim, keepdim):
    wide = np.int64 if array.dtype.kind in "iub" else None
    return np.add.reduce(array, axis=dim, keepdims=keepdim, dtype=wide)


def _prod(array, dim, keepdim):
    wide = np.int64 if array.dtype.kind in "iub" else None
    return np.multiply.reduce(array, axis=dim, keepdims=keepdim, dtype=wide)


def _reduction(name, numpy, combine):
    return Primitive(name, Kind.REDUCTION, numpy, combine=combine)


SUM = _reduction("sum", _sum, ("0", "{acc} + {0}"))
PROD = _reduction("prod", _prod, ("1", "{acc} * {0}"))
AMAX = _reduction(
    "amax",
    lambda array, dim, keepdim: np.maximum.reduce(array, axis=dim, keepdims=keepdim),
    ("lowest", "maximum({acc}, {0})"),
)
AMIN = _reduction(
    "amin",
    lambda array, dim, keepdim: np.minimum.reduce(array, axis=dim, keepdims=keepdim),
    ("highest", "minimum({acc}, {0})"),
)
ANY = _reduction(
    "any",
    lambda array, dim, keepdim: np.any(array, axis=dim, keepdims=keepdim),
    ("False", "{acc} or {0} != 0"),
)
ALL = _reduction(
    "all",
    lambda array, dim, keepdim: np.all(array, axis=dim, keepdims=keepdim),
    ("True", "{acc} and {0} != 0"),
)

MM = Primitive("mm", Kind.CONTRACTION, np.matmul)
SORT = Primitive("sort", Kind.OPAQUE, lambda array: np.sort(array, axis=-1))
FILL = Primitive("full", Kind.CREATION, lambda value, size, dtype: np.full(size, value, dtype))
ARANGE = Primitive("arange", Kind.CREATION, lambda end, dtype: np.arange(end, dtype=dtype))
