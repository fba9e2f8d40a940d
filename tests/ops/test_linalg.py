"""Products of matrices, einsum and square matrices against PyTorch."""

from typing import Any

import numpy as np
import pytest

import jitgrad
from tests.ops.against_torch import array, compare, compare_error

SHAPES = [
    ((3,), (3,)),
    ((2, 3), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3, 4)),
    ((5, 2, 3), (3, 4)),
    ((5, 2, 3), (3,)),
    ((3,), (5, 3, 4)),
    ((5, 2, 3), (5, 3, 4)),
    ((2, 3), (5, 3, 4)),
    ((1, 5, 2, 3), (6, 1, 3, 4)),
    ((0, 3), (3, 4)),
    ((2, 0), (0, 4)),
    ((5, 2, 0), (5, 0, 4)),
    ((0, 2, 3), (3, 4)),
]


@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_matmul(shapes: tuple) -> None:
    compare(lambda t, a, b: a @ b, array(*shapes[0]), array(*shapes[1], seed=1))
    compare(lambda t, a, b: t.matmul(a, b), *(array(*s, dtype="int64") for s in shapes))


@pytest.mark.parametrize("dtype", ["float16", "float32", "int32", "uint8"])
def test_dtypes(dtype: str) -> None:
    a, b = array(3, 4, dtype=dtype), array(4, 3, dtype=dtype)
    compare(lambda t, a, b: t.mm(a, b), a, b)
    compare(lambda t, a: t.dot(a[0], a[1]), a)
    compare(lambda t, a, b: t.mv(a, b[:, 0]), a, b)


def test_transposed_operands() -> None:
    compare(lambda t, a, b: a.t() @ b.t(), array(3, 2), array(4, 3))
    compare(lambda t, a, b: a.mT @ b, array(5, 3, 2), array(5, 3, 4))


def test_mm_differentiates_twice() -> None:
    def second(t: Any, a: Any, b: Any) -> Any:
        product = (a @ b).pow(3).sum()
        return t.autograd.grad(product, (a, b), create_graph=True)

    compare(second, array(2, 3), array(3, 4, seed=1))


def test_products() -> None:
    m, v, w = array(3, 3), array(3), array(3, seed=2)
    b = array(2, 3, 3)
    compare(lambda t, m, v, w: t.outer(v, w), m, v, w)
    compare(lambda t, m, v: t.inner(m, v), m, v)
    compare(lambda t, m, v: t.inner(m, m), m, v)
    compare(lambda t, m, v: t.addmm(v, m, m, beta=0.5, alpha=2), m, v)
    compare(lambda t, m, v: t.addmm(v / 0, m, m, beta=0), m, v, grad=False)
    compare(lambda t, m, v: t.addmv(v, m, v), m, v)
    compare(lambda t, b: t.baddbmm(b, b, b, alpha=3), b)
    compare(lambda t, b: t.addbmm(b[0], b, b), b)
    compare(lambda t, m, v, w: t.addr(m, v, w), m, v, w)
    compare(lambda t, b: t.tensordot(b, b, dims=([1, 2], [2, 1])), b)
    compare(lambda t, b: t.tensordot(b, b[0], dims=1), b)
    compare(lambda t, b: t.tensordot(b, b, dims=0), b)
    compare(lambda t, m: t.linalg.multi_dot([m, m, m]), m)
    compare(lambda t, m: m.trace(), m)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        ("ij,jk", [(2, 3), (3, 4)]),
        ("ba,cb", [(2, 3), (4, 2)]),
        ("bij,bjk->bik", [(5, 2, 3), (5, 3, 4)]),
        ("ij->ji", [(2, 3)]),
        ("ij->", [(2, 3)]),
        ("ii->i", [(3, 3)]),
        ("ii", [(3, 3)]),
        ("i,j->ij", [(2,), (3,)]),
        ("i,i->", [(3,), (3,)]),
        ("ij,ij->i", [(2, 3), (2, 3)]),
        ("...ij,...jk->...ik", [(5, 2, 3), (3, 4)]),
        ("b...,b...->...b", [(2, 3, 4), (2, 3, 4)]),
        ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)]),
        ("bn,anm,bm->ba", [(2, 3), (4, 3, 5), (2, 5)]),
        ("ijk,k->ij", [(2, 3, 4), (4,)]),
        ("ij,kl->", [(2, 3), (4, 5)]),
        ("bhid,bhjd->bhij", [(2, 3, 4, 5), (2, 3, 6, 5)]),
        ("...", [(2, 3)]),
        ("ij,j->ij", [(2, 3), (1,)]),
        ("iij->ij", [(3, 3, 2)]),
        (",->", [(), ()]),
    ],
)
def test_einsum(equation: str, shapes: list) -> None:
    arrays = [array(*shape, seed=number) for number, shape in enumerate(shapes)]
    compare(lambda t, *tensors: t.einsum(equation, *tensors), *arrays)


def positive(*shape: int) -> np.ndarray:
    made = array(*shape)
    return made @ np.swapaxes(made, -1, -2) + np.eye(shape[-1])


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (2, 3, 3)])
def test_square_matrices(shape: tuple) -> None:
    a, p = array(*shape), positive(*shape)
    compare(lambda t, a: t.det(a), a)
    compare(lambda t, a: t.linalg.inv(a), a)
    compare(lambda t, a: t.slogdet(a), a)
    compare(lambda t, p: t.logdet(p), p)
    compare(lambda t, p: t.linalg.cholesky(p), p)
    compare(lambda t, a: t.linalg.matrix_power(a, 3), a)
    compare(lambda t, a: t.linalg.matrix_power(a, -2), a)
    compare(lambda t, a: t.linalg.matrix_power(a, 0), a, grad=False)
    compare(lambda t, a, b: t.linalg.solve(a, b), a, array(*shape[:-1], 2, seed=3))
    compare(lambda t, a, b: t.linalg.solve(a, b), a, array(shape[-1], seed=3))


def test_square_matrices_differentiate_twice() -> None:
    for function in (
        jitgrad.det,
        jitgrad.linalg.inv,
        lambda x: jitgrad.linalg.cholesky(x @ x.mT + jitgrad.eye(3, dtype=jitgrad.float64)),
        lambda x: jitgrad.linalg.solve(x, x[0]),
    ):
        x = jitgrad.tensor(array(3, 3), requires_grad=True)
        assert jitgrad.autograd.gradcheck(function, (x,))
        assert jitgrad.autograd.gradgradcheck(function, (x,))


def test_determinant_of_a_singular_matrix_has_a_gradient() -> None:
    for matrix in ([[1.0, 2.0], [2.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]):
        x = jitgrad.tensor(matrix, dtype=jitgrad.float64, requires_grad=True)
        assert jitgrad.autograd.gradcheck(jitgrad.det, (x,))


def test_errors() -> None:
    for wrong in (
        lambda t: t.mm(t.ones(2, 3), t.ones(2, 3)),
        lambda t: t.mm(t.ones(2), t.ones(2, 3)),
        lambda t: t.mm(t.ones(2, 2), t.ones(2, 2, dtype=t.float64)),
        lambda t: t.mm(t.ones(2, 2, dtype=t.bool), t.ones(2, 2, dtype=t.bool)),
        lambda t: t.mm(t.ones(2, 2), 3),
        lambda t: t.ones(2, 2) @ 3,
        lambda t: t.bmm(t.ones(2, 2), t.ones(2, 2)),
        lambda t: t.bmm(t.ones(2, 2, 3), t.ones(2, 2, 3)),
        lambda t: t.dot(t.ones(2), t.ones(3)),
        lambda t: t.dot(t.ones(2, 2), t.ones(2)),
        lambda t: t.mv(t.ones(2, 2), t.ones(3)),
        lambda t: t.matmul(t.ones(()), t.ones(2)),
        lambda t: t.matmul(t.ones(2, 3, 4), t.ones(3, 4, 2)),
        lambda t: t.matmul(t.ones(2, 3, 4), t.ones(3)),
        lambda t: t.outer(t.ones(2, 2), t.ones(2)),
        lambda t: t.inner(t.ones(2), t.ones(3)),
        lambda t: t.tensordot(t.ones(2, 3), t.ones(2, 3), dims=1),
        lambda t: t.einsum("ij,jk->ik", t.ones(2, 3), t.ones(2, 3)),
        lambda t: t.einsum("ij->ik", t.ones(2, 3)),
        lambda t: t.einsum("ij,j->i", t.ones(2, 3)),
        lambda t: t.einsum("ijk->i", t.ones(2, 3)),
        lambda t: t.trace(t.ones(2)),
        lambda t: t.det(t.ones(2, 3)),
        lambda t: t.linalg.inv(t.ones(2, 2, dtype=t.int64)),
        lambda t: t.linalg.inv(t.zeros(2, 2)),
        lambda t: t.linalg.solve(t.zeros(2, 2), t.ones(2)),
        lambda t: t.linalg.solve(t.eye(2), t.ones(3)),
        lambda t: t.linalg.cholesky(-t.eye(2)),
    ):
        compare_error(wrong)
    with pytest.raises(jitgrad.linalg.LinAlgError):
        jitgrad.linalg.inv(jitgrad.zeros(2, 2))
    with pytest.raises(RuntimeError, match=r"cannot be multiplied \(2x3 and 2x3\)"):
        jitgrad.mm(jitgrad.ones(2, 3), jitgrad.ones(2, 3))


def test_singular_values_may_repeat_where_no_vector_counts():
    x = jitgrad.eye(3, dtype=jitgrad.float64, requires_grad=True)
    _, values, _ = jitgrad.linalg.svd(x)
    (slope,) = jitgrad.autograd.grad(values.sum(), x)
    np.testing.assert_allclose(slope.numpy(), np.eye(3))
    values, _ = jitgrad.linalg.eigh(x)
    (slope,) = jitgrad.autograd.grad(values.sum(), x)
    np.testing.assert_allclose(slope.numpy(), np.eye(3))


@pytest.mark.parametrize("shape", [(100, 100), (150, 70), (70, 150)])
def test_factors_of_many_blocks(shape):
    rng = np.random.default_rng(0)
    a = jitgrad.tensor(rng.normal(size=shape))
    p, lower, upper = jitgrad.linalg.lu(a)
    np.testing.assert_allclose((p @ lower @ upper).numpy(), a.numpy(), atol=1e-12)
    assert lower.abs().max() <= 1
    q, r = jitgrad.linalg.qr(a)
    np.testing.assert_allclose((q @ r).numpy(), a.numpy(), atol=1e-12)
    u, s, vh = jitgrad.linalg.svd(a)
    size = min(shape)
    np.testing.assert_allclose((u[:, :size] * s @ vh[:size]).numpy(), a.numpy(), atol=1e-12)
    np.testing.assert_allclose((u.mT @ u).numpy(), np.eye(shape[0]), atol=1e-12)
    np.testing.assert_allclose((vh @ vh.mT).numpy(), np.eye(shape[1]), atol=1e-12)
    b = jitgrad.tensor(rng.normal(size=(shape[0], 3)))
    solved = jitgrad.linalg.solve_triangular(a @ a.mT + jitgrad.eye(shape[0]), b, upper=True)
    triangle = (a @ a.mT + jitgrad.eye(shape[0])).triu()
    np.testing.assert_allclose((triangle @ solved).numpy(), b.numpy(), atol=1e-9)


def test_cholesky_ex_says_where_it_ends():
    good = np.array([[4.0, 2.0, 0.0], [2.0, 5.0, 0.0], [0.0, 0.0, 1.0]])
    bad = good.copy()
    bad[1, 1] = 0.5
    factor, info = jitgrad.linalg.cholesky_ex(jitgrad.tensor(np.stack([good, bad])))
    assert info.tolist() == [0, 2]
    assert info.dtype == jitgrad.int32
    np.testing.assert_allclose(factor[0].numpy(), np.linalg.cholesky(good))
    assert factor[1].tolist() == [[2, 0, 0], [0, 0, 0], [0, 0, 0]]
    with pytest.raises(jitgrad.linalg.LinAlgError):
        jitgrad.linalg.cholesky_ex(jitgrad.tensor(bad), check_errors=True)


def test_what_is_not_finite_has_no_singular_values():
    nan = jitgrad.full((2, 2), float("nan"))
    for function in (jitgrad.linalg.svd, jitgrad.linalg.svdvals, jitgrad.linalg.pinv):
        with pytest.raises(jitgrad.linalg.LinAlgError, match="converge"):
            function(nan)


def test_qr_complete_has_no_derivative():
    x = jitgrad.ones(3, 2, requires_grad=True)
    with pytest.raises(RuntimeError, match="not differentiable"):
        jitgrad.linalg.qr(x, mode="complete").Q.sum().backward()
