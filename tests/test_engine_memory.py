"""The backward pass: how far it goes, what memory it frees, and which it adds to."""

import gc
import sys
import weakref

import numpy as np
import pytest

import jitgrad as torch
from jitgrad.ops import slicing
from tests.leaves import usual_leaf as leaf

# -- size and memory ------------------------------------------------------------------------


def test_deep_chain():
    assert sys.getrecursionlimit() < 10_000
    x = leaf(1.0)
    y = x
    for _ in range(50_000):
        y = y + 0
    y.backward()
    assert x.grad.tolist() == [1]
    del y


def test_deep_chain_with_saved_tensors_is_dropped():
    y = leaf(1.0)
    for _ in range(50_000):
        y = y * y
    del y
    gc.collect()


def test_deep_chain_wanted():
    x = leaf(1.0)
    y = x
    for _ in range(50_000):
        y = y * 1.0
    (found,) = torch.autograd.grad(y, x)
    assert found.tolist() == [1]


def test_no_cycles_keep_memory():
    """Reference counts alone free a history: nothing waits for the garbage collector."""
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0, 2.0)
        y = (x * 2).exp()
        z = (y * y).sum()
        storage, node = weakref.ref(y._storage), weakref.ref(z.grad_fn)
        z.backward()
        del y, z
        assert storage() is None
        assert node() is None
    finally:
        gc.enable()


def test_backward_frees_what_was_saved():
    x = leaf(1.0, 2.0)
    y = x * 2
    z = y * y
    storage = weakref.ref(y._storage)
    del y
    assert storage() is not None
    z.sum().backward()
    gc.collect()
    assert storage() is None


def test_the_leaf_is_freed():
    x = leaf(1.0)
    y = x + 1
    gone = weakref.ref(x)
    del x
    gc.collect()
    assert gone() is None
    y.backward()  # to nobody


# -- sums of cotangents in place -----------------------------------------------------------------


def test_rows_of_a_loop_make_zeros_once(monkeypatch):
    made = []
    plain = slicing.UNSLICE.numpy

    def noting(*args, **kwargs):
        made.append(plain(*args, **kwargs))
        return made[-1]

    monkeypatch.setattr(slicing.UNSLICE, "numpy", noting)
    x = torch.randn(50, 3, requires_grad=True)
    total = torch.zeros(3)
    for t in range(50):
        total = torch.tanh(total + x[t])
    total.sum().backward()
    assert len(made) == 1
    found, x.grad = x.grad, None
    rows = [x.detach()[t].clone().requires_grad_() for t in range(50)]
    total = torch.zeros(3)
    for row in rows:
        total = torch.tanh(total + row)
    total.sum().backward()
    np.testing.assert_allclose(
        found.numpy(), np.stack([row.grad.numpy() for row in rows]), rtol=1e-6, atol=1e-12
    )


def test_what_others_hold_is_not_added_to():
    x = torch.arange(6.0).reshape(3, 2).requires_grad_()
    z = x * 2
    z.retain_grad()
    seen, kept = [], []

    def hook(cotangent):
        seen.append(cotangent)
        kept.append(cotangent.clone())

    z.register_hook(hook)
    parts = [z[0], z[1], z[0], z[:2], z[:, 1]]
    for part in parts:
        part.retain_grad()
        part.register_hook(hook)
    given = torch.ones(3, 2)
    one, two = torch.full((2,), 5.0), torch.full((2,), 7.0)
    torch.autograd.backward(
        [z, parts[0], parts[2], *parts[3:], parts[1]],
        [given, one, two, torch.ones(2, 2), torch.ones(3), two],
    )
    assert given.tolist() == [[1, 1], [1, 1], [1, 1]]
    assert one.tolist() == [5, 5]
    assert two.tolist() == [7, 7]
    assert z.grad.tolist() == [[14, 15], [9, 10], [1, 2]]
    assert x.grad.tolist() == [[28, 30], [18, 20], [2, 4]]
    assert [each.tolist() for each in seen] == [each.tolist() for each in kept]
    assert [each.grad.tolist() for each in parts[:3]] == [[5, 5], [7, 7], [7, 7]]


def test_a_cotangent_that_goes_two_ways_is_not_added_to():
    x = torch.ones(3, requires_grad=True)
    y = torch.ones(3, requires_grad=True)
    a, b = x * 1, y * 1
    rows = a[0] * 10, a[0] * 100, a[1]
    # the sum, made last, comes first: it hands the same cotangent to both; then the rows get more
    torch.autograd.backward([*rows, a + b], [*[torch.tensor(1.0)] * 3, torch.ones(3)])
    assert x.grad.tolist() == [111, 2, 1]
    assert y.grad.tolist() == [1, 1, 1]


def test_hooks_may_change_what_selections_get():
    x = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    parts = [x[0], x[1], x[0]]
    parts[1].register_hook(lambda g: g.float() * 3)
    parts[2].register_hook(lambda g: torch.full((), 50.0, dtype=torch.float64))
    sum(parts).backward()
    assert x.grad.tolist() == [51, 3, 0]


def test_selections_differentiate_again():
    x = torch.arange(1.0, 5.0, requires_grad=True)
    total = sum(x[i] ** 3 * x[0] for i in range(4))
    (slope,) = torch.autograd.grad(total, x, create_graph=True)
    (again,) = torch.autograd.grad(slope.sum(), x)
    (plain,) = torch.autograd.grad(sum(x[i] ** 3 * x[0] for i in range(4)), x)
    np.testing.assert_allclose(slope.detach().numpy(), plain.numpy())
    expected = torch.autograd.functional.hessian(lambda v: (v**3 * v[0]).sum(), x).sum(0)
    np.testing.assert_allclose(again.numpy(), expected.numpy())


def test_anomalies_are_found_in_selections():
    x = torch.ones(3, requires_grad=True)
    y = (x[0] - 1).sqrt() * 0 + x[1] + x[2]
    with torch.autograd.set_detect_anomaly(True), pytest.raises(RuntimeError, match="nan"):
        y.backward()
