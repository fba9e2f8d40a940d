"""How kernels call tiles (see tiles.py)."""

# pyright does not know that Numba passes the first argument of an intrinsic
# pyright: reportCallIssue=false

from __future__ import annotations

from typing import Any

from numba.core import types
from numba.extending import intrinsic

from jitgrad.kernels.compiler.memory import Region
from jitgrad.kernels.compiler.tile_code import declared


def _calling(name: str, given: tuple, result: int, rows: Any = None) -> tuple:
    """Return signature and code of a call, in which a region is followed by an index.

    It is one for the dtype of operand number `result`, and for `rows`, a literal that comes before
    the operands if it is given.
    """
    dtype = given[result].dtype
    height = 1 if rows is None else rows.literal_value
    before = () if rows is None else (rows,)

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        passed: list[Any] = []
        values = iter(zip(sig.args[len(before) :], args[len(before) :]))
        for kind, value in values:
            if isinstance(kind, Region):
                value = builder.gep(value, [next(values)[1]], inbounds=True)
            passed.append(value)
        builder.call(declared(builder.module, name, height, dtype), passed)
        return context.get_dummy_value()

    kinds = [each if isinstance(each, Region) else types.int64 for each in given]
    return types.void(*before, *kinds), generate


@intrinsic
def clear(typing_context: Any, target: Any, t: Any, many: Any) -> Any:
    """Make `many` elements of `target`, from t on, 0."""
    return _calling("clear", (target, t, many), 0)


@intrinsic
def move(
    typing_context: Any,
    target: Any,
    t: Any,
    step: Any,
    source: Any,
    s: Any,
    far: Any,
    many: Any,
) -> Any:
    """Copy `many` elements, `far` apart from s on, to places `step` apart from t on."""
    return _calling("move", (target, t, step, source, s, far, many), 0)


@intrinsic(prefer_literal=True)
def multiply(
    typing_context: Any,
    rows: Any,
    weights: Any,
    w: Any,
    source: Any,
    s: Any,
    offsets: Any,
    o: Any,
    depth: Any,
    bias: Any,
    b: Any,
    target: Any,
    t: Any,
    pitch: Any,
) -> Any:
    """Fill a tile of `target`, with rows `pitch` apart, from (w, s, o, b, t) on.

    target[i, p] = bias[i] + the sum over k below `depth` of
    weights[k * rows + i] * source[offsets[k] + p], for p below COLUMNS vectors.
    """
    given = (weights, w, source, s, offsets, o, depth, bias, b, target, t, pitch)
    return _calling("multiply", given, 9, rows)


@intrinsic(prefer_literal=True)
def dot(
    typing_context: Any,
    rows: Any,
    left: Any,
    l: Any,  # noqa: E741
    pitch: Any,
    right: Any,
    r: Any,
    offsets: Any,
    o: Any,
    length: Any,
    samples: Any,
    far: Any,
    wide: Any,
    target: Any,
    t: Any,
    across: Any,
) -> Any:
    """Add to a tile of `target`, with rows `across` apart, from (l, r, o, t) on.

    target[i, j] += the sum over n below `samples` and p below `length`, a multiple of a vector, of
    left[n * far + i * pitch + p] * right[n * wide + offsets[j] + p], for j below DOT_COLUMNS.
    """
    given = (left, l, pitch, right, r, offsets, o, length, samples, far, wide, target, t, across)
    return _calling("dot", given, 11, rows)


@intrinsic
def product(
    typing_context: Any,
    first: Any,
    last: Any,
    high: Any,
    blocks: Any,
    a: Any,
    x: Any,
    a_step: Any,
    a_down: Any,
    a_across: Any,
    b: Any,
    y: Any,
    b_step: Any,
    b_down: Any,
    b_across: Any,
    c: Any,
    z: Any,
    c_step: Any,
    c_down: Any,
    rows: Any,
    columns: Any,
    depth: Any,
    packed: Any,
    p: Any,
    slots: Any,
    slot: Any,
    tiles: Any,
) -> Any:
    """Compute parts of matrices c = a @ b, from `first` up to `last`, not included.

    There are `blocks` parts for each of a batch of matrices, which lie a step apart: `high` rows,
    or those that are left. Elements of a matrix lie so far apart as the names say, those of a line
    of `c` without gaps. Lines of `b` whose elements have gaps are copied to one of the `slots` in
    `packed`. `tiles` is where the addresses of those lie that are called.
    """
    given = (
        first, last, high, blocks, a, x, a_step, a_down, a_across, b, y, b_step, b_down, b_across,
        c, z, c_step, c_down, rows, columns, depth, packed, p, slots, slot, tiles,
    )  # fmt: skip
    return _calling("product", given, 4)
