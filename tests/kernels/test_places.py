"""Elements at positions in kernels, against the NumPy implementations of the primitives."""

from __future__ import annotations

import numpy as np
import pytest

from jitgrad.ops.along import PUT_ALONG, TAKE_ALONG
from jitgrad.ops.classification import PICK, UNPICK
from jitgrad.ops.positions import INDEX, INDEX_BACK, INDEX_PUT
from jitgrad.ops.scatter import GATHER, GATHER_BACK, SCATTER, SCATTER_ADD
from tests.kernels.tracing import Trace

SHAPE = (3, 4, 5)
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float16", "int64"])
DIMS = pytest.mark.parametrize("dim", range(3))


def array(shape, dtype="float32", seed=0):
    return np.random.default_rng(seed).integers(-5, 6, shape).astype(dtype)


def places(shape, size, low=0, dtype="int64"):
    return np.random.default_rng(3).integers(low, size, shape).astype(dtype)


def check(primitive, *operands, **params):
    """Compare with NumPy; return whether a kernel did it."""
    trace = Trace()
    given = [trace.input(each) if isinstance(each, np.ndarray) else each for each in operands]
    program = trace.check(trace.compute(primitive, *given, **params))
    return bool(program.kernels)


def refuse(error, primitive, *operands, **params):
    """Check that what NumPy raises is raised, where the last operand is out of bounds."""
    trace = Trace()
    given = [trace.input(each) if isinstance(each, np.ndarray) else each for each in operands]
    program = trace.lower(trace.compute(primitive, *given, **params))
    good = trace.arguments()
    expected = program.run(*good)[0].copy()
    for wrong in (99, -99):
        bad = trace.arguments()
        bad[-1].reshape(-1)[-1] = wrong
        with pytest.raises(error, match=r"out of (bounds|range)"):
            program.run(*bad)
        np.testing.assert_array_equal(program.run(*good)[0], expected)


@DTYPES
@DIMS
@pytest.mark.parametrize("found", [(7,), (2, 3), ()])
@pytest.mark.parametrize("kind", ["int64", "int32"])
def test_rows(dtype, dim, found, kind):
    x, rows = array(SHAPE, dtype), places(found, SHAPE[dim], -SHAPE[dim], kind)
    shape = (*SHAPE[:dim], *found, *SHAPE[dim + 1 :])
    params = {"dims": (dim,), "signed": True}
    assert check(INDEX, x, rows, **params)
    assert check(INDEX_BACK, array(shape, dtype, 1), rows, shape=SHAPE, **params)
    assert check(INDEX_PUT, x, array(shape, dtype, 1), rows, accumulate=True, **params)
    assert check(INDEX_PUT, x, array(shape, dtype, 1), rows, accumulate=False, **params)
    check(INDEX_PUT, x, 2, rows, accumulate=False, **params)
    # values that are broadcast
    check(INDEX_PUT, x, array((1,), dtype, 1), rows, accumulate=True, **params)


@pytest.mark.parametrize("dims", [(0, 1), (1, 2), (0, 1, 2), (0, 2)])
def test_several_dimensions(dims):
    found = [places((6,), SHAPE[dim], -SHAPE[dim]) for dim in dims]
    params = {"dims": dims, "signed": True}
    assert check(INDEX, array(SHAPE), *found, **params) == (dims != (0, 2))
    chosen = array(SHAPE)[
        tuple(found[dims.index(k)] if k in dims else slice(None) for k in range(3))
    ]
    check(INDEX_BACK, chosen, *found, shape=SHAPE, **params)
    check(INDEX_PUT, array(SHAPE), chosen, *found, accumulate=True, **params)
    wide = [found[0][:, None], *found[1:]]
    check(INDEX, array(SHAPE), *wide, **params)


@DTYPES
@DIMS
@pytest.mark.parametrize("count", [1, 2, 9])
def test_one_position_for_each(dtype, dim, count):
    x = array(SHAPE, dtype)
    shape = (*SHAPE[:dim], count, *SHAPE[dim + 1 :])
    where, values = places(shape, SHAPE[dim]), array(shape, dtype, 1)
    assert check(GATHER, x, where, dim=dim)
    assert check(GATHER_BACK, values, where, dim=dim, shape=SHAPE)
    assert check(SCATTER_ADD, x, where, values, dim=dim, reduce="add")
    assert check(SCATTER, x, where, values, dim=dim, reduce="replace")
    assert check(SCATTER, x, where, 2, dim=dim, reduce="replace") == (dtype[0] == "f")
    assert check(TAKE_ALONG, x, where, dim=dim)
    assert check(PUT_ALONG, values, where, dim=dim, shape=SHAPE)
    smaller = (slice(2),) * 3
    check(GATHER, x, where[smaller], dim=dim)
    check(SCATTER_ADD, x, where[smaller], values[smaller], dim=dim, reduce="add")


def test_booleans_and_strides():
    x, rows = array(SHAPE, "bool"), places((7,), 3)
    check(INDEX, x, rows, dims=(0,), signed=True)
    check(INDEX_PUT, x, True, rows, dims=(0,), accumulate=False, signed=True)
    check(INDEX_BACK, array((7, 4, 5), "bool"), rows, shape=SHAPE, dims=(0,), signed=True)
    turned = array((5, 4, 3)).T
    assert check(INDEX, turned, np.repeat(rows, 2)[::2], dims=(0,), signed=True)
    assert check(GATHER, turned, places((5, 4, 3), 3).T, dim=0)
    check(INDEX, array((0, 4)), places((0,), 3), dims=(0,), signed=True)
    check(INDEX, array((3, 0)), rows, dims=(0,), signed=True)


@pytest.mark.parametrize("ignore", [-100, 2])
@pytest.mark.parametrize(("shape", "dim"), [((6, 4), 1), ((3, 4, 5), 1), ((4,), 0)])
def test_labels(shape, dim, ignore):
    labels = places((*shape[:dim], *shape[dim + 1 :]), 4)
    if labels.size > 1:
        labels.reshape(-1)[1] = ignore
    params = {"dim": dim, "ignore": ignore}
    assert check(PICK, array(shape), labels, **params) == (len(shape) > 1)
    check(UNPICK, array(labels.shape), labels, classes=4, **params)


def test_out_of_bounds():
    x = array(SHAPE)
    refuse(IndexError, INDEX, x, places((7,), 3), dims=(0,), signed=True)
    refuse(IndexError, INDEX, x, places((7,), 4), dims=(1,), signed=False)
    refuse(IndexError, INDEX_PUT, x, 1.0, places((7,), 3), dims=(0,), accumulate=False, signed=True)
    refuse(RuntimeError, GATHER, x, places((3, 2, 5), 4), dim=1)
    refuse(RuntimeError, SCATTER, x, places((3, 2, 5), 4), 1.0, dim=1, reduce="replace")
    refuse(IndexError, PICK, x, places((3, 5), 4), dim=1, ignore=-100)


def test_negative_positions_of_unsigned_indices_are_refused():
    trace = Trace()
    x, rows = trace.input(array(SHAPE)), trace.input(places((7,), 3))
    program = trace.lower(trace.compute(INDEX, x, rows, dims=(0,), signed=False))
    given = trace.arguments()
    given[1][0] = -1
    with pytest.raises(IndexError, match="index -1 is out of bounds"):
        program.run(*given)
