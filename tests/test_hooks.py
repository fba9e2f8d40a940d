"""Hooks of tensors: what they see, change and survive; and those that wait for leaves."""

import pytest

import jitgrad as torch
from tests.leaves import usual_leaf as leaf


def test_hook_sees_and_replaces():
    x = leaf(1.0, 2.0)
    y = x * 2
    seen = []
    y.register_hook(lambda g: seen.append(g.tolist()))
    y.register_hook(lambda g: g * 10)
    y.sum().backward()
    assert seen == [[1, 1]]
    assert x.grad.tolist() == [20, 20]


def test_hook_on_a_leaf_runs_once_for_all_uses():
    x = leaf(1.0)
    seen = []
    x.register_hook(lambda g: seen.append(g.item()))
    (x * 2 + x * 3).backward()
    assert seen == [5]


def test_hook_removed():
    x = leaf(1.0)
    handle = x.register_hook(lambda g: g * 0)
    handle.remove()
    (x * 2).backward()
    assert x.grad.tolist() == [2]


def test_what_is_retained_is_what_all_hooks_have_made_of_it():
    """Of hooks that come later, too; `.grad` is added to by each pass."""
    x = leaf(1.0)
    y = x * 2
    y.register_hook(lambda g: g + 1)
    y.retain_grad()
    handle = y.register_hook(lambda g: g * 10)
    z = y.sum()
    z.backward(retain_graph=True)
    assert (y.grad.tolist(), x.grad.tolist()) == ([20], [40])
    handle.remove()
    z.backward()
    assert (y.grad.tolist(), x.grad.tolist()) == ([22], [44])


def test_hook_needs_history():
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        torch.tensor(1.0).register_hook(print)


def test_hook_that_raises_leaves_the_mode():
    x = leaf(1.0)

    def fail(cotangent):
        raise KeyError("hook")

    x.register_hook(fail)
    with pytest.raises(KeyError):
        (x * 2).backward()
    assert torch.is_grad_enabled()


def test_retain_grad():
    x = leaf(1.0, 2.0)
    y = x * 2
    y.retain_grad()
    (y * y).sum().backward()
    assert y.grad.tolist() == [4, 8]
    assert y.retains_grad


# -- behind leaves --------------------------------------------------------------------------


def test_hook_behind_a_leaf_sees_the_whole_gradient():
    x = leaf(1.0, 2.0)
    seen = []
    handle = x.register_post_accumulate_grad_hook(
        lambda leaf: seen.append((leaf is x, leaf.grad.tolist(), torch.is_grad_enabled()))
    )
    (x * 2 + x * 3).sum().backward()
    (x * x).sum().backward(create_graph=True)
    assert seen == [(True, [5, 5], False), (True, [7, 9], True)]
    handle.remove()
    (x * 2).sum().backward()
    assert len(seen) == 2


def test_hooks_behind_a_leaf_come_after_those_in_front_of_it():
    x = leaf(1.0)
    seen = []
    x.register_post_accumulate_grad_hook(lambda x: seen.append(x.grad.item()))
    x.register_hook(lambda g: seen.append("in front") or g * 10)

    def forget(x):
        x.grad = None

    x.register_post_accumulate_grad_hook(forget)
    (x * 2).sum().backward()
    (x * 3).sum().backward()
    assert seen == ["in front", 20, "in front", 30]
    assert x.grad is None


def test_hook_behind_a_leaf_runs_where_something_is_added():
    x, y = leaf(1.0), leaf(2.0)
    seen = []
    x.register_post_accumulate_grad_hook(lambda _: seen.append("x"))
    y.register_post_accumulate_grad_hook(lambda _: seen.append("y"))
    torch.autograd.grad((x * y).sum(), [x, y])
    assert not seen
    (x * y).sum().backward(inputs=[x])
    assert seen == ["x"]
    (x * y).sum().backward()
    assert sorted(seen) == ["x", "x", "y"]
    (x * 2).sum().backward(inputs=[x])
    assert seen.count("x") == 3


def test_each_weight_is_changed_as_soon_as_its_gradient_is_there():
    """Before others have one: so that their memory need not be there at the same time."""
    first, second = leaf(2.0), leaf(3.0)
    held = []

    def step(w):
        held.append((first.grad is not None) + (second.grad is not None))
        with torch.no_grad():
            w -= w.grad
        w.grad = None

    for each in (first, second):
        each.register_post_accumulate_grad_hook(step)
    ((torch.ones(1) * first).tanh() + second).sum().backward()
    assert held == [1, 1]
    assert second.tolist() == [2]
    assert first.item() == pytest.approx(2 - (1 - torch.tanh(torch.tensor(2.0)).item() ** 2))


def test_hook_behind_what_is_no_leaf():
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        torch.tensor(1.0).register_post_accumulate_grad_hook(print)
    with pytest.raises(RuntimeError, match="non-leaf tensors; use register_hook"):
        (leaf(1.0) * 2).register_post_accumulate_grad_hook(print)


def test_hook_behind_a_leaf_returns_nothing():
    x, y = leaf(1.0), leaf(2.0)
    x.register_post_accumulate_grad_hook(lambda _: 3)
    with pytest.raises(TypeError, match=r"of shape \(1,\) returned a value; it has to return"):
        (x * 2).sum().backward()
    assert x.grad.tolist() == [2]
    assert torch.is_grad_enabled()
    (y * 2).sum().backward()
    assert y.grad.tolist() == [2]
