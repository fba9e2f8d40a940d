"""Packed and padded sequences against PyTorch: layouts, orders, gradients, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import jitgrad
from tests.ops.against_torch import array, assert_same, compare, compare_error

FALLING, MIXED, EQUAL = [4, 2, 2, 1], [2, 4, 1, 2], [3, 3, 3, 3]


def rnn(library: Any) -> Any:
    return library.nn.utils.rnn


def fields(packed: Any) -> list:
    """Return what a packed sequence holds."""
    return [each for each in packed if each is not None]


def padded(batch_first: bool, *rest: int) -> np.ndarray:
    return array(*((4, 5) if batch_first else (5, 4)), *rest)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("rest", [(), (3,), (2, 3)], ids=str)
@pytest.mark.parametrize("lengths", [FALLING, MIXED, EQUAL], ids=str)
def test_pack_and_pad_again(batch_first: bool, rest: tuple, lengths: list) -> None:
    for given in (list, np.array):
        compare(
            lambda t, x, given=given: fields(
                rnn(t).pack_padded_sequence(
                    x,
                    t.tensor(lengths) if given is np.array else lengths,
                    batch_first,
                    enforce_sorted=False,
                )
            ),
            padded(batch_first, *rest),
        )
    compare(
        lambda t, x: rnn(t).pad_packed_sequence(
            rnn(t).pack_padded_sequence(x, lengths, batch_first, enforce_sorted=False),
            not batch_first,
            padding_value=-1.5,
            total_length=6,
        ),
        padded(batch_first, *rest),
    )


def test_sorted_as_given() -> None:
    compare(lambda t, x: fields(rnn(t).pack_padded_sequence(x, FALLING, True)), padded(True, 3))
    compare(
        lambda t, x: rnn(t).pad_packed_sequence(rnn(t).pack_padded_sequence(x, FALLING, True)),
        padded(True, 3),
    )
    compare(
        lambda t, x: rnn(t).pad_packed_sequence(
            rnn(t).pack_padded_sequence(x, FALLING, True), padding_value=2.7
        ),
        padded(True).astype(np.int64),
        grad=False,
    )


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("side", ["left", "right"])
def test_pad_sequence(batch_first: bool, side: str) -> None:
    for rest in ((), (3,)):
        compare(
            lambda t, *x: rnn(t).pad_sequence(x, batch_first, 2.5, side),
            *(array(length, *rest, seed=length) for length in MIXED),
        )
    compare(lambda t, *x: rnn(t).pad_sequence(list(x)), array(2, 2), array(2, 2, seed=1))
    compare(lambda t, x: rnn(t).pad_sequence(x), array(2, 3))
    compare(lambda t, *x: rnn(t).pad_sequence(x, True, 1.0), np.zeros((0, 2)), np.zeros((0, 2)))
    compare(lambda t, *x: rnn(t).pad_sequence(x, True, 1.0), np.zeros((0, 2)), array(3, 2))


@pytest.mark.parametrize("lengths", [FALLING, MIXED], ids=str)
def test_pack_sequence_and_back(lengths: list) -> None:
    given = [array(length, 2, seed=i) for i, length in enumerate(lengths)]
    enforce = lengths is FALLING
    compare(lambda t, *x: fields(rnn(t).pack_sequence(x, enforce_sorted=enforce)), *given)
    compare(
        lambda t, *x: rnn(t).unpack_sequence(rnn(t).pack_sequence(x, enforce_sorted=False)), *given
    )
    leaves = [jitgrad.tensor(each) for each in given]
    back = rnn(jitgrad).unpack_sequence(rnn(jitgrad).pack_sequence(leaves, enforce_sorted=False))
    assert all((a == b).all() for a, b in zip(leaves, back))


def test_unpad_sequence() -> None:
    for batch_first in (False, True):
        compare(
            # PyTorch transposes its argument in place
            lambda t, x, batch_first=batch_first: rnn(t).unpad_sequence(
                x * 1, t.tensor(MIXED), batch_first
            ),
            padded(batch_first, 2),
        )


def test_invert_permutation() -> None:
    compare(lambda t, x: rnn(t).invert_permutation(x), np.array([2, 0, 3, 1]))
    assert rnn(jitgrad).invert_permutation(None) is None


def packed(t: Any) -> Any:
    return rnn(t).pack_padded_sequence(t.arange(6.0).reshape(3, 2), [1, 3], enforce_sorted=False)


def test_packed_sequence() -> None:
    torch = pytest.importorskip("torch")
    assert repr(packed(jitgrad)) == repr(packed(torch))
    for t in (jitgrad, torch):
        made = packed(t)
        kind = rnn(t).PackedSequence
        assert isinstance(made, kind) and isinstance(made, tuple)
        data, sizes, order, back = made
        again = kind(data, sizes, order)
        assert (again.unsorted_indices == back).all()
        pair = kind((data, sizes))
        assert pair.sorted_indices is None and pair.data is data
        assert made.to(t.float32) is made and made.cpu() is made and not made.is_cuda
        for name in ("double", "float", "half", "long", "int", "short", "char", "byte"):
            converted = getattr(made, name)()
            assert isinstance(converted, kind)
            assert converted.data.dtype == getattr(data, name)().dtype
            assert converted.sorted_indices is order
        with pytest.raises(AssertionError):
            kind(data)


@pytest.mark.parametrize(
    "call",
    [
        lambda t: rnn(t).pack_padded_sequence(t.ones(4, 3), [1, 2, 4]),
        lambda t: rnn(t).pack_padded_sequence(t.ones(4, 3), [2, 2]),
        lambda t: rnn(t).pack_padded_sequence(t.ones(4, 3), []),
        lambda t: rnn(t).pack_padded_sequence(t.ones(4, 3), [2, 2, 0]),
        lambda t: rnn(t).pack_padded_sequence(t.ones(3), [3]),
        lambda t: rnn(t).pack_padded_sequence(t.ones(3, 0), []),
        lambda t: rnn(t).pad_packed_sequence(packed(t), total_length=2),
        lambda t: rnn(t).pad_sequence([]),
        lambda t: rnn(t).pad_sequence(3),
        lambda t: rnn(t).pad_sequence([t.ones(2)], padding_side="up"),
        lambda t: rnn(t).pad_sequence([t.ones(2, 3), t.ones(1, 2)]),
        lambda t: rnn(t).pad_sequence([t.tensor(1.0)]),
        lambda t: rnn(t).pack_sequence([t.ones(1), t.ones(2)]),
        lambda t: rnn(t).PackedSequence(t.ones(3)),
    ],
)
def test_errors(call: Any) -> None:
    compare_error(call)


def test_too_long() -> None:
    with pytest.raises(RuntimeError, match="4 elements only"):
        rnn(jitgrad).pack_padded_sequence(jitgrad.ones(4, 2), [5, 1])


def test_second_order() -> None:
    x = jitgrad.tensor(padded(True, 2), requires_grad=True)

    def function(x: Any) -> Any:
        made = rnn(jitgrad).pack_padded_sequence(x, MIXED, True, enforce_sorted=False)
        return rnn(jitgrad).pad_packed_sequence(made)[0].square()

    assert jitgrad.autograd.gradcheck(function, (x,))
    assert jitgrad.autograd.gradgradcheck(function, (x,))


def test_compiled_equals_eager() -> None:
    def function(x: Any) -> Any:
        made = rnn(jitgrad).pack_padded_sequence(x * 2, MIXED, True, enforce_sorted=False)
        out, lengths = rnn(jitgrad).pad_packed_sequence(made)
        return (out * out).sum(), lengths

    compiled = jitgrad.compile(function)
    for seed in range(3):
        results = []
        for each in (function, compiled):
            x = jitgrad.tensor(array(4, 5, 3, seed=seed), requires_grad=True)
            total, lengths = each(x)
            total.backward()
            results.append([total.item(), lengths.tolist(), x.grad.numpy()])
        assert results[0][:2] == results[1][:2] or np.isclose(results[0][0], results[1][0])
        np.testing.assert_allclose(results[0][2], results[1][2])


def test_stored_figures() -> None:
    made = packed(jitgrad)
    assert made.data.tolist() == [1, 0, 3, 5]
    assert made.batch_sizes.tolist() == [2, 1, 1]
    assert made.sorted_indices.tolist() == made.unsorted_indices.tolist() == [1, 0]
    assert_same(rnn(jitgrad).pad_packed_sequence(made)[1].tolist(), [1, 3])
